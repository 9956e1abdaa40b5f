"""Models by name: `package.module:factory`, `file.py:Class`, or an exported program `file.pt2`.

Naming a module or a file runs its Python code. Nothing is ever unpickled: weights come from safetensors, and an
exported program that holds pickled objects is refused.
"""

import importlib
import importlib.util
import pickle
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faltung.errors import FaltungError


def is_reference(text: str) -> bool:
    """Say whether a text names a model, rather than describing a chain of layers.

    >>> is_reference("torchvision.models:resnet50"), is_reference("conv k=3")
    (True, False)
    """
    return bool(re.fullmatch(r"[^\s:=]+:[A-Za-z_][\w.]*", text.strip())) or text.strip().endswith(".pt2")


def load(reference: str, weights: str | Path | None = None) -> Any:
    """Return the model that a reference names; a class or a function is called without arguments.

    Parameters
    ----------
    reference : str
        ``package.module:name``, ``path/file.py:name`` or ``path/file.pt2``.
    weights : path, optional
        A safetensors file with the model's state.

    Raises
    ------
    FaltungError
        If there is no such module, name or file, the code fails, it gives no model, or the weights do not fit.
    """
    import torch

    if reference.endswith(".pt2"):
        if weights is not None:
            raise FaltungError(f"{reference} is an exported program and has its weights; leave out {weights}")
        return _exported(Path(reference))
    home, _, name = reference.strip().rpartition(":")
    made = _module(home)
    for part in name.split("."):
        if not hasattr(made, part):
            raise FaltungError(f"{home} has no {name!r}")
        made = getattr(made, part)
    try:
        model = made if isinstance(made, torch.nn.Module) else made()
    except Exception as error:
        raise FaltungError(
            f"{reference} cannot be called without arguments: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(model, torch.nn.Module):
        raise FaltungError(f"{reference} gives a {type(model).__name__}, not a torch.nn.Module")
    if weights is not None:
        _load_weights(model, Path(weights))
    return model.eval()


def _module(home: str) -> Any:
    try:
        if home.endswith(".py"):
            path = Path(home)
            if not path.is_file():
                raise FaltungError(f"{home}: there is no such file")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules.setdefault(path.stem, module)
            spec.loader.exec_module(module)
            return module
        if "" not in sys.path:
            sys.path.insert(0, "")  # modules of the current folder, as with python -m
        return importlib.import_module(home)
    except FaltungError:
        raise
    except Exception as error:
        raise FaltungError(f"{home} cannot be imported: {type(error).__name__}: {error}") from error


def _load_weights(model: Any, path: Path) -> None:
    from safetensors.torch import load_file

    if not path.is_file():
        raise FaltungError(f"{path}: there is no such file")
    try:
        model.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise FaltungError(f"{path} does not fit the model: {' '.join(str(error).split())}") from None
    except Exception as error:
        raise FaltungError(f"{path} is no safetensors file: {error}") from None


def _exported(path: Path) -> Any:
    import torch

    if not path.is_file():
        raise FaltungError(f"{path}: there is no such file")
    try:
        with _nothing_unpickled(path):
            return torch.export.load(path)
    except FaltungError:
        raise
    except Exception as error:
        raise FaltungError(f"{path} is no exported program that can be read: {type(error).__name__}") from error


@contextmanager
def _nothing_unpickled(path: Path) -> Iterator[None]:
    """Let torch.export.load read tensors alone: it would unpickle objects, and that runs what they say."""
    import torch

    kept = torch.load, pickle.loads

    def tensors_alone(*arguments: Any, **options: Any) -> Any:
        return kept[0](*arguments, **{**options, "weights_only": True})

    def refuse(*_: Any, **__: Any) -> Any:
        raise FaltungError(f"{path} holds pickled objects, which are never loaded")

    torch.load, pickle.loads = tensors_alone, refuse
    try:
        yield
    finally:
        torch.load, pickle.loads = kept
