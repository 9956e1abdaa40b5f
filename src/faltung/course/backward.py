"""Checks of part 2: the backward pass of a convolution by hand."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv_transpose2d, pad

from faltung.course.trials import Trial, try_all


def check_gradient_bias(gradient_bias: Callable[..., Any]) -> None:
    """Check `gradient_bias(dy)`: dL/db, O numbers, from dL/dy, N x O x H' x W'.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    mistakes: dict[str, Callable[[Trial], Tensor]] = {
        "it is summed over rows and columns alone": lambda t: t.dy.sum((2, 3)),
        "it is summed over the batch alone": lambda t: t.dy.sum(0),
        "each filter has a bias of its own, so filters are not summed": lambda t: t.dy.sum(),
        "it is the mean; b is added at every place, and all of them count in full": lambda t: t.dy.mean((0, 2, 3)),
    }
    try_all(
        "gradient_bias", gradient_bias, lambda t: {"dy": t.dy}, lambda t: t.dy.sum((0, 2, 3)), mistakes,
        "the gradient of the bias is summed over batch, rows and columns: yours has shape {given}, not {right}",
    )  # fmt: skip


def check_gradient_weights(gradient_weights: Callable[..., Any]) -> None:
    """Check `gradient_weights(x, dy, kernel, stride, padding)`: dL/dw, O x C x h x w; `kernel` is (h, w).

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    mistakes: dict[str, Callable[[Trial], Tensor]] = {
        "it is turned by 180 degrees; w[o, c, u, v] met x[n, c, stride · i + u, stride · j + v]": (
            lambda t: t.weights().flip(2, 3)
        ),
        "only the first picture of the batch counts; all are summed": lambda t: t.weights(x=t.x[:1], dy=t.dy[:1]),
        "only the last picture of the batch counts; add with +=": lambda t: t.weights(x=t.x[-1:], dy=t.dy[-1:]),
        "only the last window counts; add with +=": lambda t: t.weights(dy=_last(t.dy)),
        "it is the mean over the batch; all pictures count in full": lambda t: t.weights() / len(t.x),
        "it is not summed over the batch": lambda t: torch.stack(
            [t.weights(x=t.x[n : n + 1], dy=t.dy[n : n + 1]) for n in range(len(t.x))]
        ),
        "its axes are (in, out, …), those of w are (out, in, …)": lambda t: t.weights().transpose(0, 1),
        "x is not padded here as it was on the way forward": lambda t: t.weights(
            x=pad(t.x, (0, 2 * t.padding, 0, 2 * t.padding)), padding=0
        ),
        "the stride is missing: the window of y[i, j] begins at [stride · i, stride · j]": lambda t: t.weights(
            x=_dense(t), stride=1, padding=0
        ),
    }
    try_all(
        "gradient_weights", gradient_weights,
        lambda t: {"x": t.x, "dy": t.dy, "kernel": tuple(t.w.shape[2:]), "stride": t.stride, "padding": t.padding},
        Trial.weights, mistakes,
        "the gradient of the weights has shape {given}; it has the shape of w and should be {right}",
    )  # fmt: skip


def check_gradient_input(gradient_input: Callable[..., Any]) -> None:
    """Check `gradient_input(w, dy, size, stride, padding)`: dL/dx, N x C x H x W; `size` is (H, W).

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    mistakes: dict[str, Callable[[Trial], Tensor]] = {
        "the kernel is flipped: x[stride · i + u, stride · j + v] gets dy[i, j] · w[u, v]": (
            lambda t: t.input(w=t.w.flip(2, 3))
        ),
        "where windows overlap only the last counts; add with +=": lambda t: _cropped(_overwritten(t), t),
        "the padding is still there; cut it off": _padded,
        "the padding is cut off at one end only": lambda t: _padded(t)[..., t.padding :, t.padding :],
        "the picture begins at [padding, padding]; the wrong rows and columns are cut off": (
            lambda t: _padded(t)[..., : t.x.shape[2], : t.x.shape[3]]
        ),
        "pixels that no window reads are missing; their gradient is 0": lambda t: conv_transpose2d(
            t.dy, t.w, None, t.stride, t.padding
        ),
        "only the first filter counts; all of them read x": lambda t: t.input(w=t.w[:1], dy=t.dy[:, :1]),
        "the stride is missing: dy[i, j] goes to the window that begins at [stride · i, stride · j]": (
            lambda t: _cropped(_unstrided(t), t)
        ),
    }
    try_all(
        "gradient_input", gradient_input,
        lambda t: {"w": t.w, "dy": t.dy, "size": tuple(t.x.shape[2:]), "stride": t.stride, "padding": t.padding},
        Trial.input, mistakes,
        "the gradient of the input has shape {given}; it has the shape of x and should be {right}",
    )  # fmt: skip


def _last(dy: Tensor) -> Tensor:
    """Return dL/dy that is 0 but at its last place."""
    last = torch.zeros_like(dy)
    last[..., -1, -1] = dy[..., -1, -1]
    return last


def _dense(trial: Trial) -> Tensor:
    """Return as much of the padded picture as the windows would read if they were 1 apart."""
    rows, columns = (out + kernel - 1 for out, kernel in zip(trial.dy.shape[2:], trial.w.shape[2:], strict=True))
    return pad(trial.x, (trial.padding,) * 4)[..., :rows, :columns]


def _padded(trial: Trial) -> Tensor:
    """Return dL/dx of the padded picture."""
    return trial.input(x=pad(trial.x, (trial.padding,) * 4), padding=0)


def _cropped(padded: Tensor, trial: Trial) -> Tensor:
    """Return it without the padding."""
    rows, columns = trial.x.shape[2:]
    return padded[..., trial.padding : trial.padding + rows, trial.padding : trial.padding + columns]


def _overwritten(trial: Trial) -> Tensor:
    """Return dL/dx of the padded picture where every window overwrites what others gave."""
    found = torch.zeros_like(pad(trial.x, (trial.padding,) * 4))
    height, width = trial.w.shape[2:]
    for i in range(trial.dy.shape[2]):
        for j in range(trial.dy.shape[3]):
            top, left = trial.stride * i, trial.stride * j
            window = torch.einsum("no,ochw->nchw", trial.dy[:, :, i, j], trial.w)
            found[:, :, top : top + height, left : left + width] = window
    return found


def _unstrided(trial: Trial) -> Tensor:
    """Return dL/dx of the padded picture as if windows were 1 apart."""
    found = torch.zeros_like(pad(trial.x, (trial.padding,) * 4))
    dense = trial.input(x=_dense(trial), stride=1, padding=0)
    found[..., : dense.shape[2], : dense.shape[3]] = dense
    return found
