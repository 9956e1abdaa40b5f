"""Tensors on the processor: the loops of arrays, forwards and backwards. Imported late: torch is loaded by then."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils import _python_dispatch

from faltung.boundary import index_map
from faltung.filters import _engine, _geometry, _native, _shifts, planner
from faltung.rules import Window


def is_plain(tensor: Any) -> bool:
    """Say whether a tensor is memory of the processor and nothing else: no trace, no transform of functions."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        and not torch._C._functorch.is_legacy_batchedtensor(tensor)
        and forward_ad.unpack_dual(tensor).tangent is None  # type: ignore[no-untyped-call]
        and _python_dispatch._get_current_dispatch_mode() is None
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and not torch.compiler.is_compiling()
    )


def is_followed(tensors: list[Tensor]) -> bool:
    """Say whether gradients may be asked for."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def array_of(tensor: Tensor) -> NDArray[Any]:
    """Return the memory of a tensor as an array; copied only where a conjugation or a sign is still to be done."""
    array: NDArray[Any] = tensor.detach().resolve_conj().resolve_neg().numpy()
    return array


def tensor_of(array: NDArray[Any]) -> Tensor:
    """Return a tensor of an array's memory."""
    return torch.from_numpy(array)


@dataclass(frozen=True)
class _How:
    y: _geometry.Axis
    x: _geometry.Axis
    boundary: str
    layer: str
    threads: int | None


def correlate(
    image: Tensor,
    taps: Tensor,
    y: _geometry.Axis,
    x: _geometry.Axis,
    boundary: str,
    layer: str,
    threads: int | None = None,
) -> Tensor:
    """Return the answers of a kernel or bank, as `_shifts.correlate` does; differentiable to any order."""
    if not (is_plain(image) and is_plain(taps)):  # derivatives may be asked for under a transform
        shifted: Tensor = _shifts.correlate(image, taps, y, x, boundary, layer)
        return shifted
    bank = taps if taps.ndim == 3 else taps[None]
    answers: Tensor = _Correlation.apply(image, bank, _How(y, x, boundary, layer, threads))  # type: ignore[no-untyped-call]
    if taps.ndim == 2:
        answers = answers[..., 0, :, :]
    return answers


class _Correlation(torch.autograd.Function):
    """A bank (N, kh, kw) on planes (..., H, W).

    It is linear in both. With padded positions q = s*i + d*m, the derivative by the taps is the padded picture
    correlated with the derivative by the answers, stride and dilation exchanged; that by the padded picture is the
    derivative by the answers, s apart, correlated in full with the kernel turned half around.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, bank: Tensor, how: _How) -> Tensor:
        ctx.save_for_backward(image, bank)
        ctx.how = how
        y, x = how.y.window, how.x.window
        padding = ((y.before, y.after), (x.before, x.after))
        geometry = (padding, (y.stride, x.stride), (y.dilation, x.dilation), how.boundary, False, how.layer)
        with np.errstate(all="ignore"):
            return tensor_of(_engine.on_arrays(array_of(image), array_of(bank), geometry, "auto", how.threads, None))

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (image, bank), how, (gradient,) = ctx.saved_tensors, ctx.how, given
        by_image, by_bank = ctx.needs_input_grad[:2]
        return (
            _by_image(gradient, bank, how) if by_image else None,
            _by_bank(image, gradient, how) if by_bank else None,
            None,
        )


class _Weighing(torch.autograd.Function):
    """The derivative by the bank; linear in the picture and in the derivative by the answers.

    Its own derivatives are the other two readings of one trilinear form: see `faltung.gradient.trilinear`.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, gradient: Tensor, how: _How) -> Tensor:
        ctx.save_for_backward(image, gradient)
        ctx.how = how
        threads = planner.thread_count(how.threads)
        with np.errstate(all="ignore"):
            found = _native.weigh(array_of(image), array_of(gradient), how.y, how.x, how.boundary, threads)
        return torch.from_numpy(found).to(gradient.dtype)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (image, gradient), how, (bank,) = ctx.saved_tensors, ctx.how, given
        by_image, by_gradient = ctx.needs_input_grad[:2]
        return (
            _by_image(gradient, bank, how) if by_image else None,
            _Correlation.apply(image, bank, how) if by_gradient else None,  # type: ignore[no-untyped-call]
            None,
        )


def _by_bank(image: Tensor, gradient: Tensor, how: _How) -> Tensor:
    if _native.weighs(how.y.window.kernel * how.x.window.kernel) and is_plain(image) and is_plain(gradient):
        weighed: Tensor = _Weighing.apply(image, gradient, how)  # type: ignore[no-untyped-call]
        return weighed
    y, x = _exchanged(how.y, how.layer), _exchanged(how.x, how.layer)
    found = gradient.new_zeros(gradient.shape[-3], how.y.window.kernel, how.x.window.kernel)
    planes, answers = image.reshape(-1, *image.shape[-2:]), gradient.reshape(-1, *gradient.shape[-3:])
    for plane, bank in zip(planes, answers, strict=True):
        each = correlate(plane, bank, y, x, how.boundary, how.layer, how.threads)
        found = found + each[..., : how.y.window.kernel, : how.x.window.kernel]
    return found


def _exchanged(axis: _geometry.Axis, layer: str) -> _geometry.Axis:
    """Return the axis whose taps are the answers and whose answers are the taps."""
    window = axis.window
    after = window.stride * (axis.answers - 1) + window.extent - window.before - axis.pixels
    other = Window(axis.answers, window.dilation, window.stride, window.before, max(0, after))
    return replace(axis, window=other, answers=other.output_size(axis.pixels, axis=axis.name, layer=layer))


def _by_image(gradient: Tensor, bank: Tensor, how: _How) -> Tensor:
    y, x = _turned(how.y, how.layer), _turned(how.x, how.layer)
    if (gradient.shape[-2], gradient.shape[-1]) != (y.pixels, x.pixels):
        spread = gradient.new_zeros((*gradient.shape[:-2], y.pixels, x.pixels))
        spread[..., :: how.y.window.stride, :: how.x.window.stride] = gradient
        gradient = spread
    padded = gradient.new_zeros((*gradient.shape[:-3], y.answers, x.answers))
    for n, taps in enumerate(bank.flip(-2, -1)):
        padded = padded + correlate(gradient[..., n, :, :], taps, y, x, "zero", how.layer, how.threads)
    return _folded(_folded(padded, -2, how.y, how), -1, how.x, how)


def _turned(axis: _geometry.Axis, layer: str) -> _geometry.Axis:
    """Return the axis from answers, a stride apart, to every padded position that they read."""
    window, pixels = axis.window, axis.window.stride * (axis.answers - 1) + 1
    full = Window(window.kernel, 1, window.dilation, window.extent - 1, window.extent - 1)
    answers = full.output_size(pixels, axis=axis.name, layer=layer)
    return _geometry.Axis(axis.name, full, pixels, answers)


def _folded(padded: Tensor, at: int, axis: _geometry.Axis, how: _How) -> Tensor:
    """Add up what belongs to the same pixel: the adjoint of `_shifts.pad`."""
    before, after = axis.window.before, axis.window.after
    sources = index_map(axis.pixels, before, after, how.boundary, axis=axis.name, layer=how.layer)
    read = [(place, source) for place, source in enumerate(sources[: padded.shape[at]]) if source is not None]
    places, pixels = torch.tensor(read, dtype=torch.long).reshape(-1, 2).unbind(1)
    shape = list(padded.shape)
    shape[at] = axis.pixels
    return padded.new_zeros(shape).index_add(at, pixels, padded.index_select(at, places))
