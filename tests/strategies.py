"""Random relations, layers and networks that shrink well, each beside an independent statement of itself.

A drawn chain carries its text for `faltung.parse` and, written separately, the PyTorch operators that it
means; the tests compare the two and never Faltung with itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch.nn import functional

from faltung.intervals import IntervalSet

small_sets = st.frozensets(st.integers(-9, 9), max_size=7)
interval_sets = small_sets.map(IntervalSet.points)


@dataclass(frozen=True)
class Written:
    """A relation as it is written down: the definition itself, reduced by nobody."""

    stride: int
    taps: tuple[frozenset[int], ...]

    def inputs(self, output: int) -> frozenset[int]:
        """Return what output P*q + r reads: S*q + t for t in taps[r]."""
        q, r = divmod(output, len(self.taps))
        return frozenset(self.stride * q + t for t in self.taps[r])


written = st.builds(
    Written,
    st.sampled_from([1, 2, 3, 4, -1, -2]),
    st.lists(st.frozensets(st.integers(-5, 5), max_size=4), min_size=1, max_size=4).map(tuple),
)


@dataclass(frozen=True)
class Drawn:
    """One layer: its text, and what it does to a float64 tensor (N, 1, *sizes)."""

    text: str
    apply: Callable[[torch.Tensor], torch.Tensor]


_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TCONV = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_MAXPOOL = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVGPOOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _pad(sides: list[tuple[int, int]]) -> list[int]:
    """Return padding in the order of torch.nn.functional.pad: last axis first."""
    return [side for pair in reversed(sides) for side in pair]


@st.composite
def layers(draw: st.DrawFn, axes: int) -> Drawn:
    """Draw one layer over `axes` axes; it need not fit its input."""
    operator = draw(st.sampled_from(["conv", "conv", "same", "maxpool", "avgpool", "tconv", "upsample"]))

    def numbers(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes))

    def text(name: str, **settings: list[str] | list[int]) -> str:
        return " ".join([name, *(f"{key}={'x'.join(map(str, entries))}" for key, entries in settings.items())])

    if operator == "upsample":
        s = numbers(1, 3)
        return Drawn(text("upsample", s=s), lambda x: functional.interpolate(x, scale_factor=tuple(s), mode="nearest"))
    k, s, d = numbers(1, 4), numbers(1, 3), numbers(1, 3)
    weight = torch.ones(1, 1, *k, dtype=torch.float64)
    if operator == "same":
        every = (..., *(slice(None, None, step) for step in s))
        return Drawn(
            text("conv", k=k, s=s, d=d, p=["same"]),
            lambda x: _CONV[axes](x, weight, padding="same", dilation=d)[every],
        )
    if operator == "conv":
        sides = list(zip(numbers(0, 3), numbers(0, 3), strict=True))
        return Drawn(
            text("conv", k=k, s=s, d=d, p=[f"{before}+{after}" for before, after in sides]),
            lambda x: _CONV[axes](functional.pad(x, _pad(sides)), weight, stride=s, dilation=d),
        )
    if operator == "tconv":
        p = numbers(0, 2)
        op = [draw(st.integers(0, max(a, b) - 1)) for a, b in zip(s, d, strict=True)]
        return Drawn(
            text("tconv", k=k, s=s, d=d, p=p, op=op),
            lambda x: _TCONV[axes](x, weight, stride=s, padding=p, output_padding=op, dilation=d),
        )
    ceil = draw(st.booleans())
    p = [draw(st.integers(0, size // 2)) for size in k]
    if operator == "maxpool":
        return Drawn(
            text("maxpool", k=k, s=s, d=d, p=p, ceil=[int(ceil)]),
            lambda x: _MAXPOOL[axes](x, k, stride=s, padding=p, dilation=d, ceil_mode=ceil),
        )
    return Drawn(
        text("avgpool", k=k, s=s, p=p, ceil=[int(ceil)]),
        lambda x: _AVGPOOL[axes](x, k, stride=s, padding=p, ceil_mode=ceil),
    )


@dataclass(frozen=True)
class DrawnChain:
    """A chain that PyTorch accepts for the size: its layers, and the sizes of all feature maps."""

    size: tuple[int, ...]
    layers: tuple[Drawn, ...]
    sizes: tuple[tuple[int, ...], ...]

    @property
    def text(self) -> str:
        """The chain for faltung.parse."""
        return ", ".join(layer.text for layer in self.layers)

    @property
    def axes(self) -> dict[str, int]:
        """The input size by axis name."""
        return dict(zip("zyx"[-len(self.size) :], self.size, strict=True))


@st.composite
def chains(draw: st.DrawFn, axes: int | None = None, longest: int = 4, most: int = 40) -> DrawnChain:
    """Draw a chain of up to `longest` layers whose maps stay below `most` units along each axis."""
    count = axes or draw(st.sampled_from([1, 2, 2]))
    size = tuple(draw(st.integers(1, 12 if count == 1 else 7)) for _ in range(count))
    x = torch.zeros(1, 1, *size, dtype=torch.float64)
    kept: list[Drawn] = []
    sizes: list[tuple[int, ...]] = []
    for layer in draw(st.lists(layers(count), min_size=1, max_size=longest)):
        try:
            y = layer.apply(x)
        except (RuntimeError, ValueError):  # the layer does not fit here: PyTorch is the judge
            continue
        if 0 in y.shape or max(y.shape) > most:
            continue
        kept.append(layer)
        sizes.append(tuple(y.shape[2:]))
        x = y
    if not kept:
        kept, sizes = [Drawn("conv k=1", lambda x: x)], [size]
    return DrawnChain(size, tuple(kept), tuple(sizes))


def nan_poisoned(apply: Callable[[torch.Tensor], torch.Tensor], size: tuple[int, ...]) -> torch.Tensor:
    """Put NaN into each input pixel in turn and see which outputs turn NaN.

    Returns a boolean tensor (*size, *output size): what the operators really read, told by no rule of ours.
    """
    pixels = int(torch.tensor(size).prod())
    x = torch.zeros(pixels, pixels, dtype=torch.float64)
    x.fill_diagonal_(torch.nan)
    y = apply(x.reshape(pixels, 1, *size))
    return torch.isnan(y[:, 0]).reshape(*size, *y.shape[2:])
