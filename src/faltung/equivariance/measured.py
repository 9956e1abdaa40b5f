"""What was measured of a model: shift by shift, and mirrored and turned."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-9
"""Relative errors below this are rounding, in float64."""


@dataclass(frozen=True, eq=False)
class Shift:
    """One shift of the input, and how far the output was from moving with it.

    Parameters
    ----------
    layer, axis : str
        The output, and the axis of the input.
    by : int
        How far the input was shifted, in pixels.
    on_lattice : bool
        Whether it is a multiple of the lattice's step.
    largest : float
        The largest absolute difference between the output after the shift and the output moved, on the units that no
        border has touched before or after. Off the lattice, of the two whole moves nearest, the better one.
    relative : float
        The same as a share of the largest absolute value of the output there.
    compared : int
        How many units were compared.
    whole : bool
        In whole numbers, where nothing rounds.
    error : ndarray
        The largest difference over batch and channels at each place of the output; NaN where none was compared.
    """

    layer: str
    axis: str
    by: int
    on_lattice: bool
    largest: float
    relative: float
    compared: int
    whole: bool
    error: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, the error map left out."""
        names = ("layer", "axis", "by", "on_lattice", "largest", "relative", "compared", "whole")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Mirrored:
    """One mirroring or turn of the input, and how far the output was from doing the same.

    Parameters
    ----------
    layer, name : str
        The output, and what was done: ``'flip y'``, ``'turn yx'``.
    largest, relative : float
        The largest absolute difference, and its share of the largest absolute value of the output: on all units,
        or on those that no border has touched, where no more is said.
    compared : int
        How many units were compared.
    whole : bool
        In whole numbers, where nothing rounds.
    """

    layer: str
    name: str
    largest: float
    relative: float
    compared: int
    whole: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a model really did, shift by shift, and mirrored and turned.

    Parameters
    ----------
    shifts : tuple of Shift
        All shifts that were measured; those in whole numbers are of the model with its weights rounded.
    mirrored : tuple of Mirrored
        All mirrorings and turns.
    proved : frozenset of (str, str)
        Outputs with the axes for which a lattice is proved, and with the mirrorings and turns that are.
    """

    shifts: tuple[Shift, ...]
    mirrored: tuple[Mirrored, ...]
    proved: frozenset[tuple[str, str]]

    def against(self) -> list[str]:
        """Return where a measurement contradicts the proof: that would be a defect of the proof."""
        found: list[tuple[str, str, Shift | Mirrored]] = [(s.layer, s.axis, s) for s in self.shifts if s.on_lattice]
        found += [(m.layer, m.name, m) for m in self.mirrored if not m.whole]  # rounded kernels lose their symmetry
        return [
            f"{layer} is proved to move with {what} and was measured not to, by {one.largest:.3g}: a defect of Faltung"
            for layer, what, one in found
            if (layer, what) in self.proved and (one.largest != 0 if one.whole else one.relative > ROUNDING)
        ]

    def worst(self, layer: str, axis: str, *, on_lattice: bool, whole: bool = False) -> Shift | None:
        """Return the shift with the largest relative error of one kind; None where there is none."""
        found = [
            shift
            for shift in self.shifts
            if (shift.layer, shift.axis, shift.on_lattice, shift.whole) == (layer, axis, on_lattice, whole)
        ]
        return max(found, key=lambda shift: shift.relative, default=None)

    def __str__(self) -> str:
        lines = []
        for layer, axis in dict.fromkeys((shift.layer, shift.axis) for shift in self.shifts):
            kinds = {
                "whole": self.worst(layer, axis, on_lattice=True, whole=True),
                "on": self.worst(layer, axis, on_lattice=True),
                "off": self.worst(layer, axis, on_lattice=False),
            }
            whole, on, off = kinds.values()
            told = []
            if whole is not None:
                told.append(f"{whole.largest:.3g} in whole numbers (weights rounded)")
            if on is not None:
                told.append(f"{on.relative:.2g} of the largest output in float64")
            found = [f"{axis} shifted by {(on or whole).by}: {', '.join(told)}"] if on or whole else []  # type: ignore[union-attr]
            found += [f"{'by' if found else f'{axis} shifted by'} {off.by}: {off.relative:.2g}"] if off else []
            lines.append(f"measured error of {layer}, {'; '.join(found)}")
        for layer in dict.fromkeys(one.layer for one in self.mirrored):
            told = [f"{one.name} {one.relative:.2g}" for one in self.mirrored if one.layer == layer]
            lines.append(f"measured error of {layer}, mirrored and turned: {', '.join(told)}")
        return "\n".join(lines) or "nothing was measured: no unit and its image are both untouched"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "shifts": [shift.to_dict() for shift in self.shifts],
            "mirrored": [one.to_dict() for one in self.mirrored],
            "contradictions": self.against(),
        }
