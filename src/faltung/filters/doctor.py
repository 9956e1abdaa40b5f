"""What Faltung runs on here: which core, which vector instructions, how many threads, which versions."""

import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from faltung.filters import _native, planner

LIBRARIES = ("numpy", "scipy", "torch")


@dataclass(frozen=True)
class Report:
    """What filters are computed with.

    Attributes
    ----------
    core : str
        'native' or 'numpy'.
    reason : str
        Why the native core is not used; empty where it is.
    level : str
        The level of vector instructions in use; empty without the native core.
    levels : tuple of str
        Those that were compiled and that this machine can run, the best first.
    threads, processors : int
        How many threads work by default, and how many processors this process may use.
    versions : dict
        Of Faltung, Python and the libraries that filters use, where they are installed.
    """

    core: str
    reason: str
    level: str
    levels: tuple[str, ...]
    threads: int
    processors: int
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return what can be written as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        vectors = f"{self.level} (here there are: {', '.join(self.levels)})" if self.level else "NumPy's own"
        lines = {
            "core": self.core + (f": {self.reason}" if self.reason else ""),
            "vectors": vectors,
            "threads": f"{self.threads} of {self.processors} processors; FALTUNG_THREADS sets them",
            **self.versions,
        }
        return "\n".join(f"{name:<10} {value}" for name, value in lines.items())


def examine() -> Report:
    """Say what filters are computed with here.

    Raises
    ------
    FaltungError
        If FALTUNG_THREADS is no whole number of at least 1.

    Examples
    --------
    >>> examine().core in ("native", "numpy")
    True
    """
    core = _native.core
    versions = {"faltung": _version("faltung"), "python": platform.python_version()}
    versions |= {name: version for name in LIBRARIES if (version := _version(name))}
    return Report(
        core="numpy" if core is None else "native",
        reason=_native.missing,
        level="" if core is None else core.level(),
        levels=() if core is None else tuple(core.levels()),
        threads=planner.thread_count(None),
        processors=planner.processors(),
        versions=versions,
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
