"""NumPy arrays and torch tensors under one set of words.

Indexing, slicing and arithmetic are spelled alike in both libraries; here is the little that is not. torch is
never imported here: whoever passes a tensor has imported it already.
"""

import sys
from numbers import Number
from types import ModuleType
from typing import Any

import numpy as np

from faltung.errors import FaltungError

Array = Any
"""A numpy.ndarray or a torch.Tensor."""

TORCH_DTYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("bfloat16", "float16", "float32", "float64", "complex32", "complex64", "complex128"),
)


def is_tensor(value: object) -> bool:
    """Say whether a value is a torch tensor, without loading torch."""
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor is not None and isinstance(value, tensor)


def library(array: Array) -> ModuleType:
    """Return the module, numpy or torch, that an array belongs to."""
    return sys.modules["torch"] if is_tensor(array) else np


def dtype_name(array: Array) -> str:
    """Return the name of the dtype: 'uint8', 'bfloat16', 'object' and so on, whatever the byte order."""
    return str(array.dtype).removeprefix("torch.") if is_tensor(array) else str(array.dtype.name)


def read(value: Any, what: str) -> Array:
    """Return what the user passed as an array of numbers, not copied where it is one; refuse the rest.

    `what` names it in errors, for example 'correlate: the image'.
    """
    if is_tensor(value):
        return _checked_tensor(value, what)
    if isinstance(value, np.ma.MaskedArray):
        raise FaltungError(f"{what} is a masked array; say what the masked pixels hold, with .filled(0) or so")
    try:
        array = np.asarray(value)
        if not isinstance(value, np.ndarray) and array.dtype.name in ("float64", "uint64"):
            array = _exact_integers(value, array)
    except Exception as problem:  # whatever an object's own conversion raises
        rows = "rows of unequal length" if "inhomogeneous" in str(problem) else _one_line(problem)
        raise FaltungError(f"{what} cannot be read as an array of numbers: {rows}") from None
    if array.dtype.kind == "O":
        _check_elements(array, what)
    elif array.dtype.kind not in "biufc":
        raise FaltungError(f"{what} holds {'text' if array.dtype.kind in 'US' else array.dtype}, not numbers")
    return array


def cast(array: Array, name: str) -> Array:
    """Return the array in the named dtype, native byte order; the array itself where it has that already."""
    if is_tensor(array):
        return array.to(getattr(library(array), name))
    return array.astype(np.dtype(name), copy=False)


def to_torch(array: Array, device: Any) -> Array:
    """Return an array as a tensor on a device; NumPy's are copied, for tensors know no read-only memory."""
    if is_tensor(array):
        return array.to(device)
    native = array.dtype.newbyteorder("=")
    return sys.modules["torch"].from_numpy(np.array(array, dtype=native, order="C")).to(device)


def extremes(array: Array) -> tuple[int, int]:
    """Return the least and the greatest value of an integer array as Python ints; (0, 0) of an empty one."""
    values = array.detach().cpu().numpy() if is_tensor(array) else array
    return (int(values.min()), int(values.max())) if values.size else (0, 0)


def _checked_tensor(tensor: Array, what: str) -> Array:
    if str(tensor.layout) != "torch.strided":
        raise FaltungError(f"{what} is a {tensor.layout} tensor; make it dense with .to_dense()")
    if dtype_name(tensor) not in TORCH_DTYPES:
        raise FaltungError(f"{what} holds {tensor.dtype}, which has no arithmetic here")
    return tensor


def _exact_integers(value: Any, array: Array) -> Array:
    """Undo NumPy's reading of a list of large integers as floats: keep them as Python ints."""
    objects = np.array(value, dtype=object)
    whole = (int, np.integer)
    if any(isinstance(entry, whole) for entry in objects.flat) and all(
        isinstance(entry, whole) for entry in objects.flat
    ):
        return objects
    return array


def _check_elements(array: Array, what: str) -> None:
    for entry in array.flat:
        # Symbols of a computer algebra system are welcome; sequences multiply too, but do not subtract.
        if not isinstance(entry, Number) and not (hasattr(entry, "__mul__") and hasattr(entry, "__sub__")):
            raise FaltungError(f"{what} holds {entry!r:.40}, not numbers")


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
