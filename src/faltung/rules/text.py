"""The operators of the text form of `faltung.parse`, each with its keys and the rule that they make."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from faltung.errors import FaltungError
from faltung.rules.windows import AxisRule, NearestUpsampling, TransposedWindow, Window, positive, same_padding

Padding = int | tuple[int, int] | str


@dataclass(frozen=True)
class Operator:
    """One operator of the text form: its keys, and the row that they make for one axis.

    Parameters
    ----------
    defaults : mapping of str to int, str or None
        Each key with its default; None where it must be given; a str names the key it takes after.
    row : callable
        Takes the keys of one axis and returns the AxisRule.
    """

    defaults: Mapping[str, int | str | None]
    row: Callable[..., AxisRule]


def convolution(k: int, s: int, d: int, p: Padding) -> AxisRule:
    """Return the row of a convolution along one axis."""
    positive(kernel=k, dilation=d)
    return Window(k, s, d, *_sides(p, k, d))


def pooling(k: int, s: int, d: int, p: Padding, ceil: int) -> AxisRule:
    """Return the row of a pooling along one axis; its padding is at most half its kernel, as in PyTorch."""
    positive(kernel=k, dilation=d)
    if ceil not in (0, 1):
        raise FaltungError(f"ceil {ceil} must be 0 or 1")
    window = Window(k, s, d, *_sides(p, k, d), ceil_mode=bool(ceil))
    most = max(window.before, window.after)
    if 2 * most > k:
        raise FaltungError(f"padding {most} is more than half of the pooling kernel of {k}")
    return window


def average_pooling(k: int, s: int, p: Padding, ceil: int) -> AxisRule:
    """Return the row of average pooling along one axis: pooling that knows no dilation."""
    return pooling(k, s, 1, p, ceil)


def transposed_convolution(k: int, s: int, d: int, p: Padding, op: int) -> AxisRule:
    """Return the row of a transposed convolution along one axis."""
    positive(kernel=k, stride=s, dilation=d)
    return TransposedWindow(k, s, d, *_sides(p, k, d), output_padding=op)


OPERATORS: Mapping[str, Operator] = {
    "conv": Operator({"k": None, "s": 1, "d": 1, "p": 0}, convolution),
    "maxpool": Operator({"k": None, "s": "k", "d": 1, "p": 0, "ceil": 0}, pooling),
    "avgpool": Operator({"k": None, "s": "k", "p": 0, "ceil": 0}, average_pooling),
    "tconv": Operator({"k": None, "s": 1, "d": 1, "p": 0, "op": 0}, transposed_convolution),
    "upsample": Operator({"s": None}, lambda s: NearestUpsampling(s)),
}


def _sides(padding: Padding, kernel: int, dilation: int) -> tuple[int, int]:
    if padding == "same":
        return same_padding(kernel, dilation)
    if padding == "valid":
        return 0, 0
    if isinstance(padding, str):
        raise FaltungError(f"padding {padding!r} must be a whole number, 'same' or 'valid'")
    return padding if isinstance(padding, tuple) else (padding, padding)
