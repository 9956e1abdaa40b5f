"""The state of a run in one file that appears whole or not at all: safetensors, with what is no tensor as JSON.

Nothing is pickled, and nothing is unpickled.
"""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from faltung.errors import FaltungError


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any] | None = None) -> None:
    """Write tensors by their names, and facts in the file's header, in one step.

    Raises
    ------
    FaltungError
        If the file cannot be written, or safetensors is not installed.
    """
    from faltung.pictures import atomic

    writer = library(path)
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(writer.save(plain, metadata=None if facts is None else {"facts": json.dumps(facts)}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and facts of a file that `save` wrote.

    Raises
    ------
    FaltungError
        If there is no such file, it is damaged or cut off, or it is of another kind.
    """
    reader = library(path)
    if not path.is_file():
        raise FaltungError(f"{path}: there is no such file")
    try:
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
        return reader.load_file(path), facts
    except Exception as problem:
        raise FaltungError(f"{path} is damaged, or no safetensors file: {' '.join(str(problem).split())}") from None


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix and a dot, without it.

    >>> sorted(under("model", {"model.a": None, "model.b.c": None, "other.a": None}))
    ['a', 'b.c']
    """
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a prefix and a dot before their names."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def library(path: Path) -> Any:
    """Return safetensors for PyTorch.

    Raises
    ------
    FaltungError
        If it is not installed; the error names what was to be read or written.
    """
    try:
        import safetensors.torch
    except ImportError:
        raise FaltungError(f"{path}: weights are kept by the package safetensors, which is not installed") from None
    return safetensors.torch
