"""How a convolution lies over its input, from what the user wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

from faltung.boundary import check_padding
from faltung.errors import FaltungError, UnknownName
from faltung.rules import Window, same_padding

PerAxis = int | Sequence[int]
Padding = str | int | Sequence[int | tuple[int, int]]


@dataclass(frozen=True)
class Geometry:
    """How a layer lies over its input: a number for each axis, first axis first.

    Parameters
    ----------
    sizes, padded : tuple of int
        Pixels of each axis, without padding and with it.
    outputs : tuple of int
        Positions of Y.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    groups: int
    boundary: str
    sizes: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def padded(self) -> tuple[int, ...]:
        """Positions of each padded axis."""
        return tuple(a + n + b for a, n, b in zip(self.before, self.sizes, self.after, strict=True))

    @property
    def output_padding(self) -> tuple[int, ...]:
        """Positions behind the last window: what a transposed convolution cannot know."""
        ends = zip(self.padded, self.outputs, self.kernel, self.stride, self.dilation, strict=True)
        return tuple(n - (s * (m - 1) + d * (k - 1) + 1) for n, m, k, s, d in ends)


def per_axis(value: Any, spatial: int, what: str, name: str) -> tuple[int, ...]:
    """Return one number for each axis, from one for all or a sequence."""
    try:
        numbers = tuple(map(index, value)) if isinstance(value, list | tuple) else (index(value),) * spatial
    except TypeError:
        raise FaltungError(f"{name}: {what} must be a whole number or one for each axis, got {value!r}") from None
    if len(numbers) != spatial:
        raise FaltungError(f"{name}: {what} has {len(numbers)} numbers, and there are {spatial} axes")
    return numbers


def _sides(padding: Any, taps: tuple[int, ...], dilation: tuple[int, ...], name: str) -> list[tuple[int, int]]:
    if padding == "valid":
        return [(0, 0)] * len(taps)
    if padding == "same":
        return [same_padding(k, d) for k, d in zip(taps, dilation, strict=True)]
    if isinstance(padding, str):
        raise UnknownName("padding", padding, ("same", "valid"))
    entries = list(padding) if isinstance(padding, list | tuple) else [padding] * len(taps)
    if len(entries) != len(taps):
        raise FaltungError(f"{name}: padding has {len(entries)} entries, and there are {len(taps)} axes")
    try:
        pairs = [entry if isinstance(entry, list | tuple) else (entry, entry) for entry in entries]
        return [(index(before), index(after)) for before, after in pairs]
    except (TypeError, ValueError):
        raise FaltungError(
            f"{name}: padding must be 'same', 'valid', a whole number, or for each axis a number or a pair "
            f"(before, after), got {padding!r}"
        ) from None


def geometry(
    name: str,
    pixels: tuple[int, ...],
    taps: tuple[int, ...],
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int = 1,
    boundary: str = "zero",
    outputs: tuple[int, ...] | None = None,
) -> Geometry:
    """Return how a convolution lies over some pixels, or refuse what does not fit; `name` stands in the errors.

    With `outputs` it is the convolution that a transposed one transposes: it lies over these, and gives the pixels.
    """
    strides = per_axis(stride, len(taps), "stride", name)
    dilations = per_axis(dilation, len(taps), "dilation", name)
    transposed, large = outputs is not None, pixels if outputs is None else outputs
    if transposed and boundary != "zero":
        raise FaltungError(f"{name}: a transposed convolution is padded with zeros, not with boundary {boundary!r}")
    sides = _sides(padding, taps, dilations, name)
    positions = []
    for axis, (k, s, d, (before, after)) in enumerate(zip(taps, strides, dilations, sides, strict=True)):
        axis_name = "zyx"[axis - len(taps)]
        try:
            window = Window(k, s, d, before, after)
        except FaltungError as problem:
            raise FaltungError(f"{name}, axis {axis_name}: {problem}") from None
        for amount in (before, after):
            check_padding(large[axis], amount, boundary, axis=axis_name, layer=name)
        count = window.output_size(large[axis], axis=axis_name, layer=name)
        if transposed:
            count = pixels[axis]
            least = window.reads.input_size(count, 0, after)
            if not least <= large[axis] < least + max(s, d):
                raise FaltungError(
                    f"{name}, axis {axis_name}: {count} pixels of X give {least} to {least + max(s, d) - 1} outputs, "
                    f"not {large[axis]} (k={k}, s={s}, d={d}, p={before}+{after})"
                )
        positions.append(count)
    befores, afters = zip(*sides, strict=True)
    return Geometry(taps, strides, dilations, befores, afters, groups, boundary, large, tuple(positions))


def check_positions(name: str, lies: Geometry, given: tuple[int, ...], what: str) -> None:
    """Refuse an output of another size than the layer has; `given` is its size, `what` its name in the error."""
    for axis, (has, wants) in enumerate(zip(given, lies.outputs, strict=True)):
        if has != wants:
            raise FaltungError(
                f"{name}, axis {'zyx'[axis - len(lies.outputs)]}: {what} has {has} positions, and this layer "
                f"over {lies.sizes[axis]} pixels has {wants}"
            )
