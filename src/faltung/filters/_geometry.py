"""Where the window stands: strides, dilations and paddings of the two axes, from what the user wrote."""

from dataclasses import dataclass
from operator import index
from typing import Any

from faltung.boundary import check_padding, most_padding
from faltung.errors import FaltungError, UnknownName
from faltung.rules import Window, same_padding

AXES = ("y", "x")
PADDINGS = ("full", "same", "valid")
LARGEST_AXIS = 2**26
"""The longest padded axis: far beyond any picture, and small enough to list its positions."""


@dataclass(frozen=True)
class Axis:
    """One axis: the window that slides along it, the pixels it has and the answers it gives."""

    name: str
    window: Window
    pixels: int
    answers: int

    def positions(self, tap: int) -> slice:
        """Return the padded positions that a tap reads, one for each answer."""
        start = self.window.dilation * tap
        return slice(start, start + self.window.stride * (self.answers - 1) + 1, self.window.stride)


def axes(
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    padding: Any,
    stride: Any,
    dilation: Any,
    boundary: Any,
    *,
    flip: bool,
    layer: str,
) -> tuple[Axis, Axis]:
    """Return the two axes of an image under a kernel, given by their shapes; refuse what does not fit."""
    _check_shapes(image, kernel, layer)
    if not isinstance(boundary, str):
        raise FaltungError(f"{layer}: the boundary must be a name, got {boundary!r}")
    most_padding(1, boundary)
    strides, dilations = _pair(stride, "stride", layer), _pair(dilation, "dilation", layer)
    sides = _sides(padding, layer)
    both = []
    for at, name in enumerate(AXES):
        pixels, taps = image[at - 2], kernel[at - 2]
        try:
            window = Window(taps, strides[at], dilations[at])
            before, after = _amounts(sides, at, window, flip=flip)
            window = Window(taps, strides[at], dilations[at], before, after)
        except FaltungError as problem:
            raise FaltungError(f"{layer}, axis {name}: {problem}") from None
        answers = window.output_size(pixels, axis=name, layer=layer)
        if before + pixels + after > LARGEST_AXIS:
            raise FaltungError(
                f"{layer}, axis {name}: {before + pixels + after} padded pixels (n={pixels}, "
                f"p={before}+{after}) are more than {LARGEST_AXIS}"
            )
        for amount in (before, after):
            check_padding(pixels, amount, boundary, axis=name, layer=layer)
        both.append(Axis(name, window, pixels, answers))
    return both[0], both[1]


def _check_shapes(image: tuple[int, ...], kernel: tuple[int, ...], layer: str) -> None:
    if len(image) < 2:
        raise FaltungError(f"{layer}: the image must have shape (..., H, W), got {image}")
    if len(kernel) not in (2, 3):
        raise FaltungError(f"{layer}: the kernel must have shape (kh, kw) or (N, kh, kw), got {kernel}")
    for what, shape in (("image", image[-2:]), ("kernel", kernel)):
        if 0 in shape:
            full = image if what == "image" else kernel
            raise FaltungError(f"{layer}: the {what} is empty, its shape is {full}")


def _amounts(sides: Any, at: int, window: Window, *, flip: bool) -> tuple[int, int]:
    """Return the padding before and after along one axis; a flipped kernel has its origin mirrored too."""
    extent = window.extent - 1
    if sides == "same":
        before, after = same_padding(window.kernel, window.dilation)
        return (after, before) if flip else (before, after)
    if isinstance(sides, str):
        return (extent, extent) if sides == "full" else (0, 0)
    before, after = sides[at]
    return before, after


def _sides(padding: Any, layer: str) -> str | tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise UnknownName("padding", padding, PADDINGS)
        return padding
    rule = "must be 'valid', 'same', 'full', a whole number or a pair (py, px) of numbers or (before, after)"
    try:
        entries = list(padding) if isinstance(padding, tuple | list) else [padding, padding]
        py, px = (tuple(entry) if isinstance(entry, tuple | list) else (entry, entry) for entry in entries)
        (top, bottom), (left, right) = py, px
        return (_whole(top), _whole(bottom)), (_whole(left), _whole(right))
    except (TypeError, ValueError):
        raise FaltungError(f"{layer}: padding {rule}, got {padding!r}") from None


def _pair(value: Any, what: str, layer: str) -> tuple[int, int]:
    try:
        y, x = value if isinstance(value, tuple | list) else (value, value)
        return _whole(y), _whole(x)
    except (TypeError, ValueError):
        raise FaltungError(f"{layer}: {what} must be a whole number or a pair (y, x) of them, got {value!r}") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return index(value)
