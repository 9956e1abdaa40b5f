"""Shifts by less than a pixel: what a lattice says nothing about.

A rectifier commutes with shifts by whole pixels exactly, and makes edges that no shift by half a pixel keeps: what
lies between the pixels is then aliased. How far a network is from commuting with infinitely small shifts is its Lie
derivative (Gruver, Finzi, Goldblum and Wilson, The Lie derivative for measuring learned equivariance, ICLR 2023):

    L f (x) = d/dt  T(-t) f(T(t) x)  =  d/dt  (f(T(t) x) - T(t) f(x))   at t = 0

where T(t) shifts by t pixels, and the output by t*P/S units, if it has the axis. Here T goes by the Fourier
transform: exact for pictures that are band-limited and go round, and a roll for whole t. It is compared without going
back, for a shift by half a pixel loses the highest frequency of an even number of pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltung.equivariance.checking import check
from faltung.equivariance.report import Movement, Output
from faltung.errors import FaltungError

if TYPE_CHECKING:
    import torch

SMALL = 1e-3
"""Pixels; the derivative is a difference over twice so much."""


@dataclass(frozen=True)
class SubPixel:
    """How far a network is from moving with its input, shift by shift, whole pixels or not.

    Parameters
    ----------
    layer, axis : str
        The output and the axis of the input.
    step : int
        The lattice's step, at whose multiples the error is that of borders and rounding.
    errors : dict of float to float
        For each shift in pixels, the root mean square of f(T(t) x) - T(t) f(x) over pictures and units, as a share of
        that of f(x).
    lie : float
        The root mean square of the Lie derivative, as a share of that of f(x), per pixel.
    """

    layer: str
    axis: str
    step: int
    errors: dict[float, float]
    lie: float

    def __str__(self) -> str:
        shifts = ", ".join(f"{by:g}: {error:.2g}" for by, error in self.errors.items())
        told = f"relative error by shift: {shifts}; Lie derivative {self.lie:.2g} per pixel"
        return f"{self.layer} along {self.axis}, {told}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "layer": self.layer,
            "axis": self.axis,
            "step": self.step,
            "errors": {f"{by:g}": error for by, error in self.errors.items()},
            "lie": self.lie,
        }


def sub_pixel(
    model: Any, pictures: Any, *, axis: str = "x", shifts: Sequence[float] = (0.25, 0.5, 0.75, 1.0)
) -> SubPixel:
    """Measure how far a network is from commuting with shifts of any length, and its Lie derivative.

    Parameters
    ----------
    model : torch.nn.Module or function
        Run in float64, on a copy.
    pictures : array_like, shape (N, c, H, W) (or of one or three spatial axes)
        They are taken to go round: what leaves at one end comes in at the other.
    axis : str
        The axis to shift along.
    shifts : sequence of float
        In pixels.

    Raises
    ------
    FaltungError
        If the output can not be said to move, and it has the axis nonetheless.

    Notes
    -----
    Units that a border has touched are left out, and so are those that move onto one. An output that was pooled
    over the axis is compared as it is.

    Examples
    --------
    >>> import torch
    >>> waves = torch.cos(torch.arange(32) * torch.pi / 4).reshape(1, 1, 32)
    >>> found = sub_pixel(torch.nn.ReLU(), waves)
    >>> found.errors[1.0] < 1e-12 < found.errors[0.5], found.lie > 0.1
    (True, True)
    """
    import torch

    batch = torch.as_tensor(pictures).double()
    if isinstance(model, torch.nn.Module):
        from copy import deepcopy

        model = deepcopy(model).double()
    report = check(model, batch[:1], axes=[axis], measure=False)
    output, movement = report.output(), report.output().movement(axis)
    if not movement.step or not (movement.ways or movement.kind in ("pooled", "invariant")):
        why = "; ".join(map(str, movement.culprits))
        raise FaltungError(f"{output.layer} does not move with {axis} in any known way: {why}")
    place = report.moved[axis][next(iter(report.moved[axis]))]
    kept = {by: _kept(output, movement, by) for by in (*shifts, SMALL)}

    def root_mean_square(numbers: "torch.Tensor", by: float) -> float:
        counted = kept[by].expand_as(numbers)
        return float(((numbers.square() * counted).sum() / counted.sum().clamp(min=1)).sqrt())

    with torch.no_grad():
        still: torch.Tensor = model(batch)

        def gone(by: float) -> "torch.Tensor":
            there: torch.Tensor = model(shifted(batch, by, place))
            return there - _along(still, movement, by)

        size = root_mean_square(still, SMALL) or 1.0
        errors = {float(by): root_mean_square(gone(by), by) / size for by in shifts}
        lie = root_mean_square((gone(SMALL) - gone(-SMALL)) / (2 * SMALL), SMALL) / size
    return SubPixel(output.layer, axis, movement.step, errors, lie)


def shifted(pictures: "torch.Tensor", by: float, place: int) -> "torch.Tensor":
    """Return pictures as a camera sees them that has moved by some pixels along an axis, round a circle.

    By the Fourier transform; for whole `by` a roll.

    >>> import torch
    >>> ramp = torch.arange(5.0, dtype=torch.float64)
    >>> shifted(ramp, 2, 0).round(decimals=9)
    tensor([2., 3., 4., 0., 1.], dtype=torch.float64)
    """
    import torch

    size = pictures.shape[place]
    spectrum = torch.fft.rfft(pictures, dim=place)
    turns = torch.arange(spectrum.shape[place], dtype=pictures.dtype) * (2 * torch.pi * by / size)
    shape = [1] * pictures.dim()
    shape[place] = -1
    turned = spectrum * torch.polar(torch.ones_like(turns), turns).reshape(shape)
    back: torch.Tensor = torch.fft.irfft(turned, n=size, dim=place)
    return back


def _along(output: "torch.Tensor", movement: Movement, by: float) -> "torch.Tensor":
    for place, way in movement.ways:
        output = shifted(output, by * way.offset / movement.step, place)
    return output


def _kept(output: Output, movement: Movement, by: float) -> "torch.Tensor":
    """Return 1 for the units that count and 0 for the others, so that it spreads over the batch."""
    from math import ceil, floor

    import torch

    clean = torch.tensor(movement.untouched.mask() | (movement.kind == "pooled"))
    shown = [axis for axis in output.axes if axis in movement.untouched.axes]
    both = clean.clone()
    for place, way in movement.ways:
        along = shown.index(output.axes[place])
        moved = by * way.offset / movement.step
        for whole in {floor(moved), ceil(moved)}:  # round the circle, as the pictures go
            both &= clean.roll(-whole, along)
    shape = [size if axis in shown else 1 for axis, size in zip(output.axes, output.shape, strict=True)]
    return both.reshape(shape).double()
