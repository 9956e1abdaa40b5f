"""One call: read what the user passed, settle the dtypes, and hand the sums to who computes them best."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    how = (padding, stride, dilation, boundary, flip, layer)
    _native.tell()
    # IEEE arithmetic is asked for, NaN and infinity included: NumPy has nothing to warn of.
    with np.errstate(all="ignore"):
        try:
            if not any(_arrays.is_tensor(array) or array.dtype.kind in "cO" for array in (image, kernel)):
                return on_arrays(image, kernel, how, method, threads, out)
            if method != "auto" or out is not None:
                raise FaltungError(f"{layer}: method and out are for arrays of real numbers")
            if any(_arrays.is_tensor(array) for array in (image, kernel)):
                return _on_tensors(image, kernel, how, threads)
            return _on_arrays_of_any_kind(image, kernel, how, threads)
        except MemoryError as problem:
            raise FaltungError(f"{layer}: {str(problem) or 'out of memory'}") from None


def plan(image: Any, kernel: Any, how: tuple[Any, ...], method: str, threads: int | None) -> planner.Plan:
    """Return what `apply` would do."""
    *_, layer = how
    image, kernel = _arrays.read(image, f"{layer}: the image"), _arrays.read(kernel, f"{layer}: the kernel")
    shapes = tuple(image.shape), tuple(kernel.shape)
    names = [_arrays.dtype_name(array) for array in (image, kernel)]
    tensors = [array for array in (image, kernel) if _arrays.is_tensor(array)]
    if tensors:
        from faltung.filters import _tensors

        if not all(map(_tensors.is_plain, tensors)):
            _geometry.axes(*shapes, *how[:4], flip=how[4], layer=layer)
            return planner.Plan("direct", "shifted tensors are summed where they are", {}, "torch", 1)
        names = [{"bfloat16": "float32"}.get(_within_torch(name), _within_torch(name)) for name in names]
        if _arrays.is_tensor(kernel):
            kernel = _tensors.array_of(kernel.float() if kernel.is_floating_point() else kernel)
    if "object" in names:
        _geometry.axes(*shapes, *how[:4], flip=how[4], layer=layer)
        return planner.Plan("direct", "Python's own arithmetic has one way", {}, "numpy", 1)
    if any(name.startswith("complex") for name in names):  # their parts are filtered like real numbers
        names[0] = np.zeros(0, _dtypes.floating_dtype(*names)).real.dtype.name
        kernel = kernel.real
    settled = _settle.__wrapped__(
        shapes[0], names[0], kernel.tobytes(), kernel.dtype.str, shapes[1], how, method, threads,
        image if tensors == [] and names[0] in _dtypes.INTEGERS else None, thorough=True,
    )  # fmt: skip
    return settled.plan or planner.Plan("direct", f"{settled.answer} has one way", {}, "numpy", 1)


def _on_tensors(image: Array, kernel: Array, how: tuple[Any, ...], threads: int | None) -> Array:
    """Apply a filter where the image or the kernel is a tensor, and so the answer too."""
    from faltung.filters import _tensors

    *geometry, flip, layer = how
    y, x = _geometry.axes(tuple(image.shape), tuple(kernel.shape), *geometry, flip=flip, layer=layer)
    tensors = [array for array in (image, kernel) if _arrays.is_tensor(array)]
    names = [_within_torch(_arrays.dtype_name(array)) for array in (image, kernel)]
    answer = _answer(names, kernel, lambda: _arrays.extremes(image), layer)
    if answer == "object":
        raise FaltungError(f"{layer}: tensors hold no Python objects; pass both as arrays, or none")
    plain, followed = all(map(_tensors.is_plain, tensors)), _tensors.is_followed(tensors)
    if plain and not followed and not {"bfloat16", "complex32"} & {*names, answer}:
        pixels, weights = (_tensors.array_of(each) if _arrays.is_tensor(each) else each for each in (image, kernel))
        if {pixels.dtype.kind, weights.dtype.kind} & {"c", "O"}:
            made = _on_arrays_of_any_kind(pixels, weights, how, threads)
        else:
            made = on_arrays(pixels, weights, how, "auto", threads, None)
        return _arrays.to_torch(made, tensors[0].device) if made.dtype.name != answer else _tensors.tensor_of(made)
    summed = _dtypes.computing_dtype(answer)
    image, taps = _arrays.cast(image, summed), _cast_kernel(kernel, summed, layer)
    image = _arrays.to_torch(image, tensors[0].device)
    taps = _turned(_arrays.to_torch(taps, image.device), flip)
    if plain and summed in ("float32", "float64"):
        sums = _tensors.correlate(image, taps, y, x, geometry[-1], layer, threads)
    else:
        sums = _shifts.correlate(image, taps, y, x, geometry[-1], layer)
    return _arrays.cast(sums, answer)


def _on_arrays_of_any_kind(
    image: NDArray[Any], kernel: NDArray[Any], how: tuple[Any, ...], threads: int | None
) -> NDArray[Any]:
    """Apply a filter where the image or the kernel holds complex numbers or Python's own."""
    *geometry, flip, layer = how
    y, x = _geometry.axes(image.shape, kernel.shape, *geometry, flip=flip, layer=layer)
    answer = _answer([image.dtype.name, kernel.dtype.name], kernel, lambda: _arrays.extremes(image), layer)
    taps = _cast_kernel(kernel, answer, layer)
    if answer not in ("complex64", "complex128"):
        wide: NDArray[Any] = _arrays.cast(image, answer)
        sums: NDArray[Any] = _shifts.correlate(wide, _turned(taps, flip), y, x, geometry[-1], layer)
        return sums
    if image.dtype == np.float16:
        image = image.astype(np.float32)
    answers = _native.empty((*image.shape[:-2], *kernel.shape[:-2], y.answers, x.answers), answer)

    def filtered(pixels: NDArray[Any], weights: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
        return on_arrays(pixels, weights, how, "auto", threads, out)

    parts = [image.real, image.imag] if image.dtype.kind == "c" else [image]
    filtered(parts[0], taps.real, answers.real)
    if kernel.dtype.kind == "c":
        filtered(parts[0], taps.imag, answers.imag)
        if len(parts) == 2:
            answers.real -= filtered(parts[1], taps.imag, None)
            answers.imag += filtered(parts[1], taps.real, None)
    else:
        filtered(parts[1], taps.real, answers.imag)
    return answers


def _answer(names: list[str], kernel: Array, extremes: Callable[[], tuple[int, int]], layer: str) -> str:
    """Return the dtype of the answers."""
    if all(name in _dtypes.INTEGERS for name in names):
        return _dtypes.integer_dtype(names[0], _dtypes.sums_of(kernel), extremes, layer)
    return _dtypes.floating_dtype(*names)


def _turned(taps: Array, flip: bool) -> Array:
    if not flip:
        return taps
    return taps.flip(-2, -1) if _arrays.is_tensor(taps) else taps[..., ::-1, ::-1]


@dataclass(frozen=True)
class _Settled:
    """What a call with such a kernel on such a picture comes to; the same for every picture of its kind."""

    y: _geometry.Axis
    x: _geometry.Axis
    answer: str
    summed: str
    bank: NDArray[Any]
    plan: planner.Plan | None
    """None where there is one way alone."""
    known: dict[str, Any]
    """What has been computed from the bank, such as its spectra."""


def on_arrays(
    image: NDArray[Any], kernel: NDArray[Any], how: tuple[Any, ...], method: str, threads: int | None, out: Any
) -> NDArray[Any]:
    """Apply a filter to an array of real numbers; what follows from the kinds of arguments alone is kept."""
    *_, boundary, _, layer = how
    if kernel.nbytes > KEPT:  # is it one that fits? its bytes are copied
        _geometry.axes(image.shape, kernel.shape, *how[:4], flip=how[4], layer=layer)
    choices = (image.shape, image.dtype.name, kernel.tobytes(), kernel.dtype.str, kernel.shape, how, method, threads)
    try:
        settled = _settle(*choices) if kernel.nbytes <= KEPT else _settle.__wrapped__(*choices, image)
    except (TypeError, _PixelsMatter):  # the first: an argument that cannot be kept, such as a list
        settled = _settle.__wrapped__(*choices, image)
    shape = (*image.shape[:-2], *kernel.shape[:-2], settled.y.answers, settled.x.answers)
    room = _room(out, shape, settled.answer, image, layer)
    bank = room if kernel.ndim == 3 else room[..., None, :, :]
    _run(settled, image, boundary, layer, bank, settled.plan.method if settled.plan else "direct")
    if out is None or room is out:
        return room
    out[...] = room
    return np.asarray(out)


KEPT = 1 << 22
"""Bytes of a kernel, or of its spectra, that are kept for the next call with it."""


class _PixelsMatter(Exception):
    """What a picture comes to depends on its pixels, not on its dtype alone."""


@lru_cache(maxsize=64)
def _settle(
    shape: tuple[int, ...],
    pixels: str,
    content: bytes,
    dtype: str,
    kernel_shape: tuple[int, ...],
    how: tuple[Any, ...],
    method: str,
    threads: int | None,
    image: Any = None,
    *,
    thorough: bool = False,
) -> _Settled:
    def extremes() -> tuple[int, int]:
        if image is None:
            raise _PixelsMatter
        return _arrays.extremes(image)

    padding, stride, dilation, boundary, flip, layer = how
    y, x = _geometry.axes(shape, kernel_shape, padding, stride, dilation, boundary, flip=flip, layer=layer)
    kernel = np.frombuffer(content, dtype=dtype).reshape(kernel_shape)
    answer = _answer([pixels, kernel.dtype.name], kernel, extremes, layer)
    native = _native.summed_in(pixels, answer)
    summed = native or _dtypes.computing_dtype(answer)
    taps = _turned(_cast_kernel(kernel, summed, layer), flip)
    bank = np.ascontiguousarray(taps if taps.ndim == 3 else taps[None])
    if answer not in PLANNED:
        if method != "auto":
            raise FaltungError(f"{layer}: method {method!r} is not for answers of {answer}")
        return _Settled(y, x, answer, summed, bank, None, {})
    largest = float(max(map(abs, _dtypes.limits(pixels)))) if pixels in _dtypes.INTEGERS else 0.0
    plan = planner.choose(
        bank, shape, pixels, largest, answer, y, x, method=method, threads=threads, layer=layer, thorough=thorough
    )
    return _Settled(y, x, answer, summed, bank, plan, {})


PLANNED = ("int8", "int16", "int32", "int64", "float16", "float32", "float64")
"""The dtypes of answers that there are several ways to."""


def _room(out: Any, shape: tuple[int, ...], answer: str, image: NDArray[Any], layer: str) -> NDArray[Any]:
    """Return where the answers go: the array that the user gave if the image is not in it, or a new one."""
    if out is None:
        return _made(shape, answer, layer, image)
    if (
        not isinstance(out, np.ndarray)
        or out.shape != shape
        or out.dtype != np.dtype(answer)
        or not out.flags.writeable
    ):
        got = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise FaltungError(f"{layer}: out must be a writeable array of {answer} and shape {shape}, got {got}")
    return _made(shape, answer, layer) if np.may_share_memory(out, image) else out


def _made(shape: tuple[int, ...], answer: str, layer: str, image: NDArray[Any] | None = None) -> NDArray[Any]:
    try:
        return _native.empty(shape, answer, image)
    except ValueError:  # more bytes than an address can say
        raise FaltungError(f"{layer}: answers of shape {shape} are more than any memory holds") from None


def _run(settled: _Settled, image: NDArray[Any], boundary: str, layer: str, out: NDArray[Any], method: str) -> None:
    """Write the answers (..., N, H', W') in a way."""
    y, x, bank, plan = settled.y, settled.x, settled.bank, settled.plan
    if plan is not None and method == "fft":
        if plan.core == "native":
            taps = bank.astype(plan.working)
            spectra = settled.known.get("spectra") or _native.spectra_of(taps, y, x, *plan.sides, plan.split)
            if spectra.content.nbytes <= KEPT:
                settled.known["spectra"] = spectra
            if not _native.correlate(image, taps, y, x, boundary, 0, plan.threads, out, spectra):
                _run(settled, image, boundary, layer, out, "direct")
        else:
            _spectral.correlate(
                image, bank, y, x, boundary, layer, plan.working, plan.sides, plan.threads, out, settled.known,
                lambda plane: _run(settled, image[plane], boundary, layer, out[plane], "direct"),
            )  # fmt: skip
    elif plan is not None and plan.core == "native":
        if method in ("direct", "sparse"):
            _native.correlate(image, bank, y, x, boundary, 0, plan.threads, out, sparse=method == "sparse")
        for n, taps in enumerate(plan.joined() if method == "separable" else ()):
            _native.correlate(
                image, taps, y, x, boundary, len(plan.factors[n][0]), plan.threads, out[..., n : n + 1, :, :]
            )
    else:
        wide = image.astype(settled.summed, copy=False)
        if method in ("direct", "sparse"):
            out[...] = _shifts.correlate(wide, bank, y, x, boundary, layer, sparse=method == "sparse")
        for n, (columns, rows) in enumerate(plan.factors if plan is not None and method == "separable" else ()):
            out[..., n, :, :] = _shifts.separable(wide, columns, rows, y, x, boundary, layer)


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
