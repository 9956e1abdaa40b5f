"""Checks of part 1: a convolution built by hand."""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, pad

from faltung.course.judging import NotYet, ask, judge, solved
from faltung.course.trials import Trial, try_all, whole

FLIPPED = "the kernel is flipped: that is convolution, torch does cross-correlation; w[0, 0] meets the top left pixel"
TURNED = "rows and columns of the kernel have changed places"


def check_correlate_one(correlate_one: Callable[..., Any]) -> None:
    """Check `correlate_one(x, w)`: one picture, H x W, and one kernel, h x w; stride 1, no padding.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """

    def right(x: Tensor, w: Tensor, padding: int = 0) -> Tensor:
        return conv2d(x[None, None], w[None, None], padding=padding)[0, 0]

    for seed, (picture, kernel) in enumerate([((5, 5), (3, 3)), ((6, 5), (3, 3)), ((4, 7), (2, 3))]):
        x, w = whole(*picture, seed=seed), whole(*kernel, seed=seed + 50)
        arguments = {"x": x, "w": w}
        mistakes = {
            FLIPPED: right(x, w.flip(0, 1)),
            TURNED: right(x, w.T),
            "the last row and the last column are missing: range(n) ends before n": right(x, w)[:-1, :-1],
            "windows that hang over the border do not count": right(x, w, 1),
        }
        judge("correlate_one", ask("correlate_one", correlate_one, arguments), right(x, w), arguments, mistakes)
    solved("correlate_one", "its numbers are torch's")


def check_output_size(output_size: Callable[..., Any]) -> None:
    """Check `output_size(n, kernel, stride, padding)`: how many rows (or columns) a layer gives.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    name = "output_size"
    mistakes: dict[str, Callable[[int, int, int, int], float]] = {
        "the first window counts too: + 1": lambda n, k, s, p: (n + 2 * p - k) // s,
        "padding is put at both ends: 2 · padding": lambda n, k, s, p: (n + p - k) // s + 1,
        "padding makes the picture larger: n + 2 · padding": lambda n, k, s, p: (n - k) // s + 1,
        "windows are stride pixels apart: divide by stride": lambda n, k, s, p: n + 2 * p - k + 1,
        "a window that hangs over the end does not count: round down": lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1,
        "half a window does not count: round down, by //": lambda n, k, s, p: (n + 2 * p - k) / s + 1,
        "+ 1 is for the first window and comes after the division": lambda n, k, s, p: (n + 2 * p - k + 1) // s,
    }
    layers = list(product((5, 8, 28), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2)))
    given = []
    for layer in layers:
        number = ask(name, output_size, dict(zip(("n", "kernel", "stride", "padding"), layer, strict=True)))
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise NotYet(f"{name} gives a {type(number).__name__}; a whole number is wanted.")
        given.append(number)
    right = [conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p).shape[-1] for n, k, s, p in layers]
    if given != right:
        known = next((f"{w}. " for w, wrong in mistakes.items() if [wrong(*one) for one in layers] == given), "")
        at = next(at for at, number in enumerate(given) if number != right[at])
        call = "{}, kernel={}, stride={}, padding={}".format(*layers[at])
        raise NotYet(f"{name}: {known}{name}({call}) gives {given[at]:g}; torch's output has {right[at]}.")
    if not all(isinstance(number, int) for number in given):
        raise NotYet(f"{name}: right, but {given[0]!r} is not whole to Python: divide by //, not by /.")
    solved(name, f"right for {len(layers)} layers")


def check_correlate(correlate: Callable[..., Any]) -> None:
    """Check `correlate(x, w, b, stride, padding)` against torch's `conv2d`.

    x is N x C x H x W, w is O x C x h x w, b has O numbers; the output is N x O x H' x W'.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    mistakes: dict[str, Callable[[Trial], Tensor]] = {
        FLIPPED: lambda t: t.output(w=t.w.flip(2, 3)),
        TURNED: lambda t: t.output(w=t.w.mT),
        "the bias b[o] is not added": lambda t: t.output(b=None),
        "the bias is added once for each channel of x; once is enough": lambda t: t.output(b=t.x.shape[1] * t.b),
        "only the first channel of x is read; all are summed": lambda t: t.output(x=t.x[:, :1], w=t.w[:, :1]),
        "channels are averaged; they are summed": lambda t: t.output(w=t.w / t.x.shape[1]),
        "w[o, 0] is used for all channels; each has a kernel of its own, w[o, c]": lambda t: t.output(
            w=t.w[:, :1].expand_as(t.w)
        ),
        "that is what comes out without padding": lambda t: t.output(padding=0),
        "there is padding at one end only; it is needed at both": lambda t: t.output(
            x=pad(t.x, (t.padding, 0, t.padding, 0)), padding=0
        ),
        "the padding repeats the border; torch pads with zeros": lambda t: t.output(
            x=pad(t.x, (t.padding,) * 4, mode="replicate"), padding=0
        ),
        "that is what comes out with stride 1": lambda t: t.output(stride=1),
        "the windows are 1 apart; that of y[i, j] begins at x[stride · i, stride · j]": lambda t: t.output(stride=1)[
            ..., : t.dy.shape[2], : t.dy.shape[3]
        ],
    }
    try_all(
        "correlate", correlate, lambda t: {"x": t.x, "w": t.w, "b": t.b, "stride": t.stride, "padding": t.padding},
        Trial.output, mistakes,
        "the output has shape {given}; with stride {stride} and padding {padding} it should be {right}",
    )  # fmt: skip
