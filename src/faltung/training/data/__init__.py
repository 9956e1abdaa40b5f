"""Data sets of labelled pictures: from files, found or downloaded, checked, and held as bytes.

>>> from faltung.training.data import SETS
>>> sorted(SETS)
['cifar-10', 'cifar-100', 'fashion-mnist', 'mnist']
"""

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError, UnknownName
from faltung.training.data.download import Progress, download
from faltung.training.data.folders import fitted, read_folder
from faltung.training.data.idx import read_idx
from faltung.training.data.sets import SETS, NamedSet

__all__ = ["SETS", "DataSet", "fitted", "load", "read_idx"]


@dataclass(frozen=True)
class DataSet:
    """Labelled pictures in memory, as bytes; the test half is kept apart.

    `pictures` and `test_pictures` are uint8 of shape (N, C, H, W), `labels` and `test_labels` int64 of shape (N,) that
    count into `classes`. `source` says where they come from.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    pictures: NDArray[np.uint8] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    test_pictures: NDArray[np.uint8] = field(repr=False)
    test_labels: NDArray[np.int64] = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all pictures and labels: a run goes on with the data that it began with, or not at all."""
        summed = hashlib.sha256()
        for array in (self.pictures, self.labels, self.test_pictures, self.test_labels):
            summed.update(str(array.shape).encode())
            summed.update(np.ascontiguousarray(array).data)
        return summed.hexdigest()

    def subset(self, count: int) -> "DataSet":
        """Return the first so many pictures for training, with the whole test half: for a quick look.

        Raises
        ------
        FaltungError
            If there are fewer.
        """
        if not 0 < count <= len(self.pictures):
            raise FaltungError(f"{self.name} has {len(self.pictures)} pictures for training, not {count}")
        return DataSet(
            self.name, f"{self.source}, the first {count}", self.classes, self.pictures[:count], self.labels[:count],
            self.test_pictures, self.test_labels,
        )  # fmt: skip

    def __str__(self) -> str:
        count, channels, rows, columns = self.pictures.shape
        return (
            f"{self.name}: {count:,} pictures of {channels}x{rows}x{columns} for training, "
            f"{len(self.test_pictures):,} for the test, {len(self.classes)} classes, from {self.source}"
        )


def load(
    name: str,
    *,
    data: str | Path | None = None,
    fetch: bool = False,
    size: int | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Load a data set by its name, or a folder of pictures by its path.

    It is looked for in `data` and nowhere else where that is given; else in `$FALTUNG_DATA`, where the operating
    system's packages put it (Debian: dataset-fashion-mnist), and among what was downloaded before.

    Parameters
    ----------
    name : str
        fashion-mnist, mnist, cifar-10, cifar-100, or the path of a folder of pictures by class.
    data : path, optional
        The folder that holds it, or holds a folder of its name.
    fetch : bool
        Download the official files where it is not found, into `data` or a cache.
    size : int, optional
        For a folder of pictures: bring all to so many rows and columns.
    progress : callable, optional
        Told how far a download is: file, bytes here, bytes in all.

    Raises
    ------
    FaltungError
        If the name is unknown, it is found nowhere (all places are named), or a file is damaged or missing.

    Examples
    --------
    >>> load("fashion-mnist", data="/nowhere")
    Traceback (most recent call last):
    ...
    faltung.errors.FaltungError: fashion-mnist is not in /nowhere; --download fetches the official files (30.9 MB)
    """
    if name not in SETS:
        if not Path(name).is_dir():
            if "/" in name or Path(name).exists():
                raise FaltungError(f"{name}: there is no such folder of pictures by class")
            raise UnknownName("data set", name, SETS)
        if data is not None:
            raise FaltungError(f"--data {data} is for data sets that have a name, and {name} is a folder of pictures")
        training, test, classes = read_folder(Path(name), size)
        return DataSet(Path(name).resolve().name, str(Path(name)), classes, *training, *test)
    if size is not None:
        raise FaltungError(f"{name} has its size; --size {size} is for folders of pictures")
    found = SETS[name]
    home = _home(name, found, None if data is None else Path(data))
    folder = Path(data) if data is not None else cache() / name
    if isinstance(home, str) and not fetch:
        total = sum(file.size for file in found.files) / 1e6
        raise FaltungError(f"{home}; --download fetches the official files ({total:.1f} MB)")
    if isinstance(home, str) or (fetch and home == folder):  # nothing is there, or a part of it
        for file in found.files:
            if not (folder / file.name).exists() and not (folder / file.name.removesuffix(".gz")).exists():
                download(file.address, folder / file.name, file.size, file.sum, progress)
        fetched = found.holds(folder)
        assert fetched is not None
        home = fetched
    training, test, words = found.read(home)
    names = found.classes or words
    assert names is not None
    return DataSet(name, str(home), names, *training, *test)


def cache() -> Path:
    """Return the folder of downloads: `faltung` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faltung"


def _home(name: str, found: NamedSet, data: Path | None) -> Path | str:
    """Return where a set lies, or, in words, where it does not."""
    if data is not None:
        places = [data / folder for folder in found.folders]
        looked = [str(data)]
    else:
        given = os.environ.get("FALTUNG_DATA")
        # A folder for everything is not the home of one set: files without a folder of their name could be any set's.
        places = [Path(given) / folder for folder in found.folders if folder != "."] if given else []
        places += [Path(folder) for folder in found.system] + [cache() / name]
        looked = [f"$FALTUNG_DATA ({given})" if given else "$FALTUNG_DATA (not set)"]
        looked += [*found.system, str(cache() / name)]
    for place in places:
        if (home := found.holds(place)) is not None:
            return home
    for place in places:
        for python in ("cifar-10-batches-py", "cifar-100-python"):
            if name.startswith("cifar") and ((place / python).exists() or (place / f"{name}-python.tar.gz").exists()):
                return f"{place} holds {name}'s Python version, which is pickled and never read: take the binary one"
    return f"{name} is not in {' nor in '.join(looked)}"
