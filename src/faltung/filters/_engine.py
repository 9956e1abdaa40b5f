"""One call: read what the user passed, settle the dtypes, and hand the sums to who computes them best."""

from dataclasses import replace
from typing import Any

import numpy as np

from faltung.errors import FaltungError
from faltung.filters import _arrays, _dtypes, _geometry, _native, _shifts, _spectral, planner
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
    method: str = "auto",
    threads: int | None = None,
    out: Any = None,
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
            if _arrays.is_tensor(image) or answer not in _PLANNED:
                _refuse_choices(method, out, layer)
                answers = _shifts.correlate(_arrays.cast(image, summed), taps, y, x, boundary, layer)
                return _arrays.cast(answers, answer)
            bank = taps if taps.ndim == 3 else taps[None]
            shape = (*image.shape[:-2], *taps.shape[:-2], y.answers, x.answers)
            out = _room(out, shape, answer, layer)
            wide = out if taps.ndim == 3 else out[..., None, :, :]
            plan = _plan(image, bank, y, x, answer, method, threads, layer)
            _run(plan, image, bank, y, x, boundary, layer, wide)
            return out
        except MemoryError as problem:
            raise FaltungError(f"{layer}: {problem or 'out of memory'}") from None


_PLANNED = ("int8", "int16", "int32", "int64", "float16", "float32", "float64")


def _refuse_choices(method: str, out: Any, layer: str) -> None:
    """Tensors, complex numbers and objects are summed in one way, to new memory."""
    if method != "auto":
        raise FaltungError(f"{layer}: method {method!r} is for arrays of real numbers")
    if out is not None:
        raise FaltungError(f"{layer}: out is for arrays of real numbers")


def _room(out: Any, shape: tuple[int, ...], answer: str, layer: str) -> Array:
    """Return where the answers go: the array that the user gave, or a new one."""
    if out is None:
        return np.empty(shape, dtype=answer)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != np.dtype(answer) or not out.flags.writeable:
        got = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise FaltungError(f"{layer}: out must be a writeable array of {answer} and shape {shape}, got {got}")
    return out


def _plan(
    image: Array, bank: Array, y: _geometry.Axis, x: _geometry.Axis, answer: str, method: str, threads: Any, layer: str
) -> planner.Plan:
    pixels = _arrays.dtype_name(image)
    summed = _native.summed_in(pixels, answer) or _dtypes.computing_dtype(answer)
    largest = float(max(map(abs, _dtypes.limits(pixels)))) if pixels in _dtypes.INTEGERS else 0.0
    return planner.choose(
        bank.astype(summed, copy=False), image.shape, pixels, largest, answer, y, x, method=method, threads=threads, layer=layer
    )


def _run(
    plan: planner.Plan, image: Array, bank: Array, y: _geometry.Axis, x: _geometry.Axis, boundary: str, layer: str, out: Array
) -> None:
    """Write the answers (..., N, H', W') in the way that was planned."""
    answer = _arrays.dtype_name(out)
    if plan.method == "fft":
        _spectral.correlate(
            image, bank, y, x, boundary, layer, plan.working, plan.threads, out,
            direct=lambda plane: _run(replace(plan, method="direct"), image[plane], bank, y, x, boundary, layer, out[plane]),
        )  # fmt: skip
    elif plan.core == "native":
        summed = _native.summed_in(_arrays.dtype_name(image), answer)
        if plan.method == "direct":
            taps = np.ascontiguousarray(bank, dtype=summed)
            _native.correlate(image, taps, y, x, boundary, 0, plan.threads, out)
        for n, (columns, rows) in enumerate(plan.factors):
            taps = np.concatenate([rows.ravel(), columns.ravel()])
            _native.correlate(image, taps, y, x, boundary, len(rows), plan.threads, out[..., n : n + 1, :, :])
    else:
        wide = _arrays.cast(image, _dtypes.computing_dtype(answer))
        if plan.method == "direct":
            out[...] = _shifts.correlate(wide, bank, y, x, boundary, layer)
        for n, (columns, rows) in enumerate(plan.factors):
            out[..., n, :, :] = _shifts.separable(wide, columns, rows, y, x, boundary, layer)


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
