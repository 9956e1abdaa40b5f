"""The state of a run in one file that appears whole or not at all: safetensors, with what is no tensor as JSON.

Nothing is pickled, and nothing is unpickled.
"""

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from faltung.errors import FaltungError


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any] | None = None) -> None:
    """Write tensors by their names, and facts in the file's header, in one step.

    Raises
    ------
    FaltungError
        If the file cannot be written.
    """
    from faltung.pictures import atomic

    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(
            safetensors.torch.save(plain, metadata=None if facts is None else {"facts": json.dumps(facts)})
        )


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and facts of a file that `save` wrote.

    Raises
    ------
    FaltungError
        If there is no such file, it is damaged or cut off, or it is of another kind.
    """
    if not path.is_file():
        raise FaltungError(f"{path}: there is no such file")
    try:
        with safetensors.safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
        return safetensors.torch.load_file(path), facts
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
