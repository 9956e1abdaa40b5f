"""Pad by index map, then shift and add: one path for arrays and tensors, kernels and banks."""

from itertools import product
from typing import Any

import numpy as np

from faltung.boundary import index_map
from faltung.errors import FaltungError
from faltung.filters import _arrays, _dtypes, _geometry
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
            image, kernel, answer = _prepare(image, kernel, layer)
            for at, axis in ((-2, y), (-1, x)):
                image = _pad(image, at, axis, boundary, layer)
            return _arrays.cast(_shift_and_add(image, kernel, y, x, flip=flip), answer)
        except MemoryError as problem:
            raise FaltungError(f"{layer}: {problem or 'out of memory'}") from None


def _prepare(image: Any, kernel: Any, layer: str) -> tuple[Array, Array, str]:
    """Bring image and kernel into one library and the dtype of the sums; and name the answer's dtype."""
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
    image, rounded = _arrays.cast(image, summed), _cast_kernel(kernel, summed, layer)
    if tensors:
        image = _arrays.to_torch(image, tensors[0].device)
        rounded = _arrays.to_torch(rounded, image.device)
    return image, rounded, answer


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


def _pad(image: Array, at: int, axis: _geometry.Axis, boundary: str, layer: str) -> Array:
    """Continue the image along its axis `at`, -2 or -1, by copying the pixels that the boundary names."""
    before, after = axis.window.before, axis.window.after
    if before == after == 0:
        return image
    sources = index_map(axis.pixels, before, after, boundary, axis=axis.name, layer=layer)
    # Every position is read, those of zero padding from anywhere, and then they are overwritten.
    copied = [source or 0 for source in sources]
    image = image[..., copied] if at == -1 else image[..., copied, :]
    if None not in sources:
        return image
    library = _arrays.library(image)
    inside = library.asarray([source is not None for source in sources])
    if library is not np:
        inside = inside.to(image.device)
    return library.where(inside if at == -1 else inside[:, None], image, 0)


def _shift_and_add(image: Array, kernel: Array, y: _geometry.Axis, x: _geometry.Axis, *, flip: bool) -> Array:
    """Sum over the taps the tap times the pixels that it reads: slices only, never a copy of the windows."""
    if kernel.ndim == 3:
        image = image[..., None, :, :]
    answers: Any = None
    for m, n in product(range(y.window.kernel), range(x.window.kernel)):
        read = image[..., y.positions(m, flip=flip), x.positions(n, flip=flip)]
        term = kernel[..., m, n, None, None] * read
        if answers is None:
            answers = term
        else:
            answers += term
    return answers
