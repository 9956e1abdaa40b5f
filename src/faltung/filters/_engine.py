"""One call: read what the user passed, settle the dtypes, and hand the sums to who computes them best."""

from typing import Any

import numpy as np

from faltung.errors import FaltungError
from faltung.filters import _arrays, _dtypes, _geometry, _native, _shifts
from faltung.filters._arrays import Array


def apply(
    image: Any,
    kernel: Any,
    padding: Any,
    stride: Any,
    dilation: Any,
    boundary: Any,
    *,
    flip: bool,
    layer: str,
) -> Array:
    """Correlate, or with `flip` convolve; `layer` is the name to be blamed in errors."""
    image, kernel = _arrays.read(image, f"{layer}: the image"), _arrays.read(kernel, f"{layer}: the kernel")
    y, x = _geometry.axes(
        tuple(image.shape), tuple(kernel.shape), padding, stride, dilation, boundary, flip=flip, layer=layer
    )
    # IEEE arithmetic is asked for, NaN and infinity included: NumPy has nothing to warn of.
    with np.errstate(all="ignore"):
        try:
            taps = kernel
            if flip:
                taps = kernel.flip(-2, -1) if _arrays.is_tensor(kernel) else kernel[..., ::-1, ::-1]
            image, taps, answer, summed = _prepare(image, taps, layer)
            if not _arrays.is_tensor(image) and (native := _native.summed_in(_arrays.dtype_name(image), answer)):
                bank = np.ascontiguousarray(taps if taps.ndim == 3 else taps[None], dtype=native)
                out = np.empty((*image.shape[:-2], len(bank), y.answers, x.answers), dtype=answer)
                _native.correlate(image, bank, y, x, boundary, 0, 1, out)
                return out if taps.ndim == 3 else out[..., 0, :, :]
            answers = _shifts.correlate(_arrays.cast(image, summed), taps, y, x, boundary, layer)
            return _arrays.cast(answers, answer)
        except MemoryError as problem:
            raise FaltungError(f"{layer}: {problem or 'out of memory'}") from None


def _prepare(image: Any, kernel: Any, layer: str) -> tuple[Array, Array, str, str]:
    """Bring both into one library, the kernel into the dtype of the sums; name the dtypes of answer and sums."""
    tensors = [array for array in (image, kernel) if _arrays.is_tensor(array)]
    names = [_arrays.dtype_name(array) for array in (image, kernel)]
    if tensors:
        names = [_within_torch(name) for name in names]
    if all(name in _dtypes.INTEGERS for name in names):
        taps = kernel.reshape(-1, kernel.shape[-2] * kernel.shape[-1]).tolist()
        answer = _dtypes.integer_dtype(names[0], taps, lambda: _arrays.extremes(image), layer)
    else:
        answer = _dtypes.floating_dtype(*names)
    if tensors and answer == "object":
        raise FaltungError(f"{layer}: tensors hold no Python objects; pass both as arrays, or none")

    summed = _dtypes.computing_dtype(answer)
    rounded = _cast_kernel(kernel, summed, layer)
    if tensors:
        image = _arrays.to_torch(image, tensors[0].device)
        rounded = _arrays.to_torch(rounded, image.device)
    return image, rounded, answer, summed


def _within_torch(name: str) -> str:
    """Return the dtype that an array takes among tensors, which know no long double."""
    if name in (*_arrays.TORCH_DTYPES, "object"):
        return name
    return "complex128" if name.startswith("complex") else "float64"


def _cast_kernel(kernel: Any, name: str, layer: str) -> Array:
    if name == "object" or _arrays.dtype_name(kernel) in (name, *_dtypes.INTEGERS):
        return _arrays.cast(kernel, name)
    try:
        if _arrays.dtype_name(kernel) == "object":
            kernel = _arrays.cast(kernel, "complex128" if name.startswith("complex") else "float64")
    except (TypeError, ValueError, OverflowError) as problem:
        raise FaltungError(f"{layer}: the kernel cannot be rounded to {name}: {problem}") from None
    rounded = _arrays.cast(kernel, name)
    _dtypes.check_taps(kernel, rounded, _arrays.library(kernel), layer, name)
    return rounded
