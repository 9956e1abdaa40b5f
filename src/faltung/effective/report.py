"""An effective receptive field: how the weight of a unit is shared out over the pixels, and what follows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError
from faltung.region import Region, name_unit
from faltung.words import count

Weights = NDArray[np.float64]

THRESHOLD = 0.0455
"""Luo et al. count a pixel to the effective field above 1 - 95.45 % of the peak: two standard deviations."""

DIGITS = 9
"""Distances are rounded to so many digits, that pixels equally far away are so despite rounding errors."""


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """How the weight of a unit is shared out over the pixels that it can see.

    Parameters
    ----------
    mass : ndarray, over the spatial axes of the input, such as (y, x)
        The share of each pixel; not negative, sums to 1, read-only. Exactly 0 outside `field`.
    field : Region
        The theoretical receptive field, in the same map.
    unit : dict of str to int
        The unit asked about; without c, all channels at its place.
    layer : str
        Its layer.
    inputs : int
        Over how many inputs the gradient was averaged; 0 for a prediction from the network's structure.
    by : str
        By which of several inputs, and what the others were; empty where there is one.
    """

    mass: Weights
    field: Region
    unit: dict[str, int]
    layer: str
    inputs: int
    by: str = ""

    def __post_init__(self) -> None:
        self.mass.setflags(write=False)

    @cached_property
    def centre(self) -> dict[str, float]:
        """The mean place of the mass, in pixels along each axis."""
        places = (
            float(np.tensordot(np.indices(self.mass.shape)[axis], self.mass, self.mass.ndim))
            for axis in range(self.mass.ndim)
        )
        return dict(zip(self.field.axes, places, strict=True))

    def within(self, radius: float) -> float:
        """Return the share of the mass within a Euclidean distance of its centre, in pixels, borders included.

        The distance is from the centre of the mass (not of the unit or the box) to the middle of the pixel: so
        it serves units at borders, even kernels and fields of any dimension alike.
        """
        distances, shares = self._from_the_centre
        inside = int(np.searchsorted(distances, radius, side="right"))
        return float(shares[inside - 1]) if inside else 0.0

    def radius(self, share: float = 0.5) -> float:
        """Return the smallest radius, in pixels, within which a share of the mass lies.

        Raises
        ------
        FaltungError
            If the share is not above 0 and up to 1.
        """
        if not 0 < share <= 1:
            raise FaltungError(f"a share of the mass is above 0 and at most 1, not {share}")
        distances, shares = self._from_the_centre
        return float(distances[np.searchsorted(shares, share - 10.0**-DIGITS)])

    def area(self, threshold: float = THRESHOLD) -> int:
        """Return how many pixels hold more than `threshold` times the largest mass.

        Luo et al. take 1 - 95.45 % and call the square root of this number the size of the effective field.
        """
        return int(np.count_nonzero(self.mass > threshold * self.mass.max()))

    def compare(self, after: "EffectiveField") -> "Change":
        """Return what changed from this field to another of the same map: before and after training, say.

        Raises
        ------
        FaltungError
            If the fields lie in maps of different axes or sizes.
        """
        mine, theirs = (
            " ".join(f"{axis}={size}" for axis, size in zip(one.field.axes, one.field.shape, strict=True))
            for one in (self, after)
        )
        if mine != theirs:
            raise FaltungError(f"effective fields of different maps cannot be compared: {mine} and {theirs}")
        return Change(self, after)

    @cached_property
    def _from_the_centre(self) -> tuple[Weights, Weights]:
        """Return the distances of all pixels, ascending, and the share of the mass up to each."""
        offsets = np.ogrid[tuple(slice(size) for size in self.mass.shape)]
        squares = np.zeros(self.mass.shape)
        for offset, middle in zip(offsets, self.centre.values(), strict=True):
            squares += np.square(offset - middle)
        distances: Weights = np.sqrt(squares).round(DIGITS).ravel()
        order = np.argsort(distances, kind="stable")
        shares: Weights = np.cumsum(self.mass.ravel()[order])
        return distances[order], shares / shares[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the field as plain numbers, lists and strings, ready for JSON.

        `mass` holds the box of the theoretical field (`field.box`), row by row; it is 0 everywhere else.
        """
        box = tuple(slice(along.start, along.stop) for along in self.field.box.values())
        return {
            "layer": self.layer,
            "unit": self.unit,
            "inputs": self.inputs,
            "by": self.by or None,
            "centre": self.centre,
            "radius": {"50%": self.radius(0.5), "90%": self.radius(0.9)},
            "area": self.area(),
            "field": self.field.to_dict(),
            "mass": self.mass[box].tolist(),
        }

    def _facts(self) -> tuple[tuple[str, str], ...]:
        """Return what there is to say, as pairs of a heading and a text."""
        middle = "(" + ", ".join(f"{axis}={place:.1f}" for axis, place in self.centre.items()) + ")"
        size = " x ".join(str(len(along)) for along in self.field.box.values())
        return (
            ("unit", f"{self.layer} {name_unit(self.unit)}"),
            ("from", f"gradients of {count(self.inputs, 'input')}" if self.inputs else "path counts, no data"),
            *((("by", self.by),) if self.by else ()),
            ("centre of the mass", middle),
            ("half of the mass", f"within {self.radius(0.5):.1f} pixels"),
            ("90% of the mass", f"within {self.radius(0.9):.1f} pixels"),
            ("effective", f"{count(self.area(), 'pixel')} above {THRESHOLD:.2%} of the peak"),
            ("theoretical", f"{count(self.field.size, 'pixel')} in a box of {size}"),
        )

    def __str__(self) -> str:
        width = max(len(heading) for heading, _ in self._facts())
        return "\n".join(f"{heading.ljust(width)}  {text}" for heading, text in self._facts())

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{escape(heading)}</th><td>{escape(text)}</td></tr>" for heading, text in self._facts())
        return f"<table><tbody>{rows}</tbody></table>"


@dataclass(frozen=True)
class Change:
    """Two effective fields of one map, before and after; see `EffectiveField.compare`."""

    before: EffectiveField
    after: EffectiveField

    @property
    def growth(self) -> float:
        """By what factor the effective area grew."""
        return self.after.area() / self.before.area()

    @property
    def overlap(self) -> float:
        """The share of the mass that lies where it lay: 1 for equal fields, 0 for disjoint ones.

        The sum of the smaller of the two masses over all pixels, which is 1 less their total variation.
        """
        return float(np.minimum(self.before.mass, self.after.mass).sum())

    def __str__(self) -> str:
        before, after = self.before, self.after
        return (
            f"half of the mass  within {before.radius(0.5):.1f} -> {after.radius(0.5):.1f} pixels\n"
            f"90% of the mass   within {before.radius(0.9):.1f} -> {after.radius(0.9):.1f} pixels\n"
            f"effective         {before.area():,} -> {after.area():,} pixels\n"
            f"mass in place     {self.overlap:.0%}"
        )
