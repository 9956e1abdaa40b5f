"""Interpolation: which pixels each output of a resized axis weighs.

Formulas: area_pixel_compute_scale, area_pixel_compute_source_index, guard_index_and_lambda and nearest_idx of
PyTorch's aten/src/ATen/native/UpSample.h, and the antialiased windows of its cpu/UpSampleKernel.cpp. A neighbour
counts even where its weight comes out as 0: it is loaded and multiplied. Where a position falls on a pixel exactly,
rounding decides which neighbour of weight 0 that is. Nearest neighbours are found in float32 for every type, as
PyTorch does; the others in float64 for float64 and in float32 for the rest, products and sums fused as the kernels
for the CPU have them.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import floor

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisReads, AxisWise, whole
from faltung.rules.table import Call, Readings, rule

HALF = Fraction(1, 2)

Rounding = Callable[[Fraction], Fraction]
Window = Callable[[Fraction, int, bool, Rounding], range]
"""From scale (pixels per output), output, align_corners and rounding to pixels, on an axis without ends."""


def exact(number: Fraction) -> Fraction:
    """Return the number itself: the arithmetic of the interior."""
    return number


def double(number: Fraction) -> Fraction:
    """Round to float64."""
    return Fraction(float(number))


def single(number: Fraction) -> Fraction:
    """Round to float32.

    >>> single(Fraction(1, 3)) > Fraction(1, 3) > double(Fraction(1, 3))
    True
    """
    return Fraction(struct.unpack("f", struct.pack("f", float(number)))[0])


@dataclass(frozen=True)
class Interpolation:
    """A way to interpolate: where an output looks, in which arithmetic, and what happens at the ends."""

    window: Window
    rounding: Rounding = double
    stops_at_zero: bool = False
    """Positions before the first pixel are moved onto it."""
    cut: bool = False
    """Pixels beyond the ends are left out; else the last pixel stands for them."""
    copies: bool = False
    """An axis that keeps its size is copied."""
    doubles: bool = False
    """An axis of twice the size repeats every pixel, whatever scale factor is given."""

    def of(self, dtype: str) -> "Interpolation":
        """Return the way in the arithmetic that pixels of a dtype are resized in."""
        return self if dtype == "float64" else replace(self, rounding=single)

    def scale(self, pixels: int, outputs: int, aligned: bool, factor: float | None) -> Fraction:
        """Return how many pixels lie from output to output."""
        if aligned:
            return self.rounding(Fraction(pixels - 1, outputs - 1)) if outputs > 1 else Fraction(0)
        if factor is not None and factor > 0:
            return self.rounding(double(1 / Fraction(factor)))
        return self.rounding(Fraction(pixels, outputs))

    def read(self, scale: Fraction, output: int, aligned: bool, pixels: int) -> list[int]:
        """Return the pixels that an output weighs on a real axis."""
        window = self.window(scale, output, aligned, self.rounding)
        if self.cut:
            return [pixel for pixel in window if 0 <= pixel < pixels]
        if self.stops_at_zero and window.start < 0:
            window = range(len(window))
        return [min(max(pixel, 0), pixels - 1) for pixel in window]


@lru_cache(maxsize=1024)
def resized(how: Interpolation, pixels: int, outputs: int, aligned: bool, factor: float | None) -> AxisReads:
    """Return what each output of a resized axis reads; periodic inside where the scale is a ratio of small numbers.

    >>> resized(OPERATORS["upsample_nearest"], 7, 14, False, None)
    Reads(stride=1, taps=[[0], [0]])
    >>> resized(OPERATORS["upsample_linear"], 3, 6, False, None).interior
    Reads(stride=1, taps=[[-1..0], [0..1]])
    """
    if how.copies and pixels == outputs:
        return SAME
    scale = how.scale(pixels, outputs, aligned, factor)

    def read(output: int) -> IntervalSet:
        return IntervalSet.points(how.read(scale, output, aligned, pixels))

    ratio = scale.limit_denominator(max(outputs // 2, 1))  # at least two periods, or it is none
    if ratio <= 0 or outputs < 2 or how.rounding(ratio) != scale:
        return Listed(tuple(map(read, range(outputs))))
    interior = Reads(ratio.numerator, [how.window(ratio, phase, aligned, exact) for phase in range(ratio.denominator)])
    ideal = [interior.inputs_of(IntervalSet.one(output)) for output in range(outputs)]
    inside = whole(pixels)
    unrounded = scale == ratio and _is_unrounded(ratio, pixels + outputs)
    taps = [places if unrounded and places.issubset(inside) else read(output) for output, places in enumerate(ideal)]
    if all(places.clip(0, pixels) == told for places, told in zip(ideal, taps, strict=True)):
        return interior
    periodic = all(places == told for places, told in zip(ideal, taps, strict=True) if places.issubset(inside))
    return Listed(tuple(taps), interior if periodic else None)


def _is_unrounded(scale: Fraction, length: int) -> bool:
    """Say whether float32 holds every position exactly: a multiple of 1 / (2 * denominator), a power of two."""
    denominator = scale.denominator
    return denominator & (denominator - 1) == 0 and 8 * denominator * length < 2**24


def _nearest(scale: Fraction, output: int, aligned: bool, rounding: Rounding) -> range:
    pixel = floor(rounding(output * scale))
    return range(pixel, pixel + 1)


def _nearest_exact(scale: Fraction, output: int, aligned: bool, rounding: Rounding) -> range:
    pixel = floor(rounding((output + HALF) * scale))
    return range(pixel, pixel + 1)


def _before(scale: Fraction, output: int, aligned: bool, rounding: Rounding) -> int:
    """Return the pixel at or before an output; PyTorch floors in float32 (floorf) whatever the type."""
    position = rounding(output * scale if aligned else (output + HALF) * scale - HALF)
    return floor(position if rounding is exact else single(position))


def _linear(scale: Fraction, output: int, aligned: bool, rounding: Rounding) -> range:
    pixel = _before(scale, output, aligned, rounding)
    return range(pixel, pixel + 2)


def _cubic(scale: Fraction, output: int, aligned: bool, rounding: Rounding) -> range:
    pixel = _before(scale, output, aligned, rounding)
    return range(pixel - 1, pixel + 3)


def _antialiased(taps: int) -> Window:
    def window(scale: Fraction, output: int, aligned: bool, rounding: Rounding) -> range:
        reach = rounding(Fraction(taps, 2) * max(scale, Fraction(1)))
        center = rounding(scale * (output + HALF))
        start, stop = (rounding(rounding(center + side) + HALF) for side in (-reach, reach))
        return range(floor(start), floor(stop))

    return window


_TWO = Interpolation(_linear, stops_at_zero=True, copies=True)

OPERATORS = {
    "upsample_nearest": Interpolation(_nearest, single, copies=True, doubles=True),
    "_upsample_nearest_exact": Interpolation(_nearest_exact, single),
    "upsample_linear": _TWO,
    "upsample_bilinear": _TWO,
    "upsample_trilinear": _TWO,
    "upsample_bicubic": Interpolation(_cubic),
    "_upsample_bilinear_aa": Interpolation(_antialiased(2), cut=True, copies=True),
    "_upsample_bicubic_aa": Interpolation(_antialiased(4), cut=True, copies=True),
}
"""Each operator, its name without the number of axes."""


@rule(
    *(f"{name}{axes}d" for name in ("upsample_nearest", "_upsample_nearest_exact") for axes in (1, 2, 3)),
    "upsample_linear1d",
    "upsample_bilinear2d",
    "upsample_trilinear3d",
    "upsample_bicubic2d",
    "_upsample_bilinear2d_aa",
    "_upsample_bicubic2d_aa",
)
def interpolation(call: Call) -> Readings:
    """Every axis behind batch and channels is resized for itself."""
    name = "input" if call.has("input") else "self"
    pixels, outputs = call.shape_of(name)[2:], call.shape[2:]
    how = OPERATORS["".join(call.operator.split(f"{len(pixels)}d"))].of(call[name].dtype)
    call.skip("output_size")  # known from the shape of the output
    aligned = bool(call.get("align_corners", False))
    ways = []
    for n, m, factor in zip(pixels, outputs, _factors(call, len(pixels)), strict=True):
        if how.doubles and factor and m in (n, 2 * n):
            scale = how.scale(n, m, aligned, factor)
            if any(how.read(scale, output, aligned, n) != [output * n // m] for output in range(m)):
                raise FaltungError(
                    f"{call.operator} from {n} to {m} pixels with scale factor {factor}: PyTorch's kernels differ in "
                    "what they read there; give the size instead"
                )
        ways.append(resized(how, n, m, aligned, factor))
    return {name: AxisWise((Along(0, SAME), Along(1, SAME), *(Along(2 + axis, way) for axis, way in enumerate(ways))))}


def _factors(call: Call, axes: int) -> list[float | None]:
    if call.has("scale_factors"):
        return list(call["scale_factors"] or [None] * axes)
    names = ["scales"] if axes == 1 else ["scales_d", "scales_h", "scales_w"][-axes:]
    return [call[name] for name in names]
