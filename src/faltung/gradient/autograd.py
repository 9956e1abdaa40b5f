"""The layer and its gradients as functions of autograd, each the derivative of the others; torch comes in here."""

from typing import Any

import torch

from faltung.gradient import trilinear
from faltung.gradient.geometry import Geometry

Gradients = tuple[torch.Tensor | None, torch.Tensor | None, None]


def _apply(function: Any, *given: Any) -> torch.Tensor:
    """Apply a function of autograd, which PyTorch declares without types."""
    answer: torch.Tensor = function.apply(*given)
    return answer


class Correlated(torch.autograd.Function):
    """Y of X and W."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor, geometry: Geometry) -> torch.Tensor:
        """Cross-correlate."""
        ctx.save_for_backward(x, w)
        ctx.geometry = geometry
        y: torch.Tensor = trilinear.correlated(trilinear.padded(x, geometry), w, geometry)
        return y

    @staticmethod
    def backward(ctx: Any, *of_y: torch.Tensor) -> Gradients:
        """Return dL/dX and dL/dW."""
        x, w = ctx.saved_tensors
        return (
            _apply(Spread, of_y[0], w, ctx.geometry) if ctx.needs_input_grad[0] else None,
            _apply(Weighed, x, of_y[0], ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
        )


class Spread(torch.autograd.Function):
    """dL/dX of dL/dY and W."""

    @staticmethod
    def forward(ctx: Any, dy: torch.Tensor, w: torch.Tensor, geometry: Geometry) -> torch.Tensor:
        """Transpose the cross-correlation."""
        ctx.save_for_backward(dy, w)
        ctx.geometry = geometry
        dx: torch.Tensor = trilinear.folded(trilinear.spread(dy, w, geometry), geometry)
        return dx

    @staticmethod
    def backward(ctx: Any, *of_dx: torch.Tensor) -> Gradients:
        """Return the derivatives by dL/dY and by W."""
        dy, w = ctx.saved_tensors
        return (
            _apply(Correlated, of_dx[0], w, ctx.geometry) if ctx.needs_input_grad[0] else None,
            _apply(Weighed, of_dx[0], dy, ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
        )


class Weighed(torch.autograd.Function):
    """dL/dW of X and dL/dY."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, dy: torch.Tensor, geometry: Geometry) -> torch.Tensor:
        """Cross-correlate X with dL/dY."""
        ctx.save_for_backward(x, dy)
        ctx.geometry = geometry
        dw: torch.Tensor = trilinear.weighed(trilinear.padded(x, geometry), dy, geometry)
        return dw

    @staticmethod
    def backward(ctx: Any, *of_dw: torch.Tensor) -> Gradients:
        """Return the derivatives by X and by dL/dY."""
        x, dy = ctx.saved_tensors
        return (
            _apply(Spread, dy, of_dw[0], ctx.geometry) if ctx.needs_input_grad[0] else None,
            _apply(Correlated, x, of_dw[0], ctx.geometry) if ctx.needs_input_grad[1] else None,
            None,
        )


def convolved(x: torch.Tensor, w: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Return Y, differentiable to any order."""
    return _apply(Correlated, x, w, geometry)
