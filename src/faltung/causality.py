"""Does the network look forward? No unit may read an input that comes later than itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from faltung.errors import FaltungError
from faltung.graph import ANY, Graph
from faltung.intervals import IntervalSet
from faltung.lattice import Lattices
from faltung.reads import Reads
from faltung.region import Unit
from faltung.relation import Along, whole
from faltung.verdict import Step, sees

MOST_UNITS = 20_000
"""How many units are looked at one by one, where no period decides."""


@dataclass(frozen=True)
class Causality:
    """Whether a layer reads nothing that comes later; true where it does not, else with the offending path.

    Parameters
    ----------
    layer : str
        The layer asked about.
    axes : tuple of str
        The order: along one axis, or row by row along several.
    path : tuple of Step
        From a unit to an input that comes later; empty where there is none.
    """

    layer: str
    axes: tuple[str, ...]
    path: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return not self.path

    def __str__(self) -> str:
        order = f"along {self.axes[0]}" if len(self.axes) == 1 else f"row by row along {', '.join(self.axes)}"
        if self:
            return f"Causal {order}: no unit of {self.layer} reads an input that comes later."
        first, last = self.path[0], self.path[-1]
        place = ", ".join(f"{axis}={first.unit[axis]}" for axis in self.axes)
        later = ", ".join(f"{axis}={last.unit[axis]}" for axis in self.axes)
        steps = " <- ".join(step.layer for step in self.path)
        return f"Not causal {order}: {self.layer} at {place} reads the input at {later}.\nPath: {steps}"

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data."""
        path = [{"layer": step.layer, "unit": step.unit} for step in self.path]
        return {"causal": bool(self), "layer": self.layer, "axes": list(self.axes), "path": path}


def is_causal(
    graph: Graph, axis: str | Sequence[str] = "x", layer: str | None = None, input: int | str = 0
) -> Causality:
    """Say whether no unit of `layer` reads an input that comes later along an axis, or row by row along several.

    The layer must have as many units along the axes as the input. A unit may read the input at its own place.

    Raises
    ------
    FaltungError
        If an axis is unknown, the sizes differ, or too many units would have to be looked at one by one.
    """
    name, source = graph.name(layer), graph.input(input)
    axes = (axis,) if isinstance(axis, str) else tuple(axis)
    here, below = graph.map(name), graph.map(source)
    for one in axes:
        if one not in here.axes or one not in below.axes:
            raise FaltungError(f"{name} has no axis {one!r} along the input's; its axes are {', '.join(here.axes)}")
        sizes = here.shape[here.axes.index(one)], below.shape[below.axes.index(one)]
        if sizes[0] != sizes[1]:
            raise FaltungError(f"{name} has {sizes[0]} units along {one} and the input {sizes[1]}; they must be equal")
    lattices = Lattices(graph, source)
    if name not in lattices.entries:
        return Causality(name, axes)
    entry = lattices.entries[name][below.axes.index(axes[0])]
    reads = entry.reads if isinstance(entry, Along) and entry.axis == here.axes.index(axes[0]) else None
    # the unbounded network reads more than the real one, so that what it does not read settles the matter
    if len(axes) == 1 and name not in lattices.listed and isinstance(reads, Reads) and _looks_back(reads):
        return Causality(name, axes)
    shape = tuple(here.shape[here.axes.index(one)] for one in axes)
    if prod(shape) > MOST_UNITS:
        raise FaltungError(f"{prod(shape)} units of {name} are too many to look at one by one; at most {MOST_UNITS}")
    order = [below.axes.index(one) for one in axes]
    for places in _middle_first(shape):
        asked = dict(zip(axes, places, strict=True))
        products = graph.read_by(
            [
                tuple(
                    IntervalSet.points([asked[one]]) if one in asked else whole(size)
                    for one, size in zip(here.axes, here.shape, strict=True)
                )
            ],
            name,
        ).get(source, [])
        later = max((tuple(factors[place].bounds[-1] for place in order) for factors in products), default=())
        if later > places:
            return Causality(name, axes, _offending(graph, name, source, asked, dict(zip(axes, later, strict=True))))
    return Causality(name, axes)


def _looks_back(reads: Reads) -> bool:
    return reads.stride == reads.period and all(
        not taps or taps.bounds[-1] <= phase for phase, taps in enumerate(reads.taps)
    )


def _middle_first(shape: tuple[int, ...]) -> Sequence[tuple[int, ...]]:
    """Return all places, those in the middle first: they have the widest fields."""
    places = product(*map(range, shape))
    return sorted(places, key=lambda place: sum(abs(2 * p - size) / size for p, size in zip(place, shape, strict=True)))


def _offending(graph: Graph, name: str, source: str, unit: Unit, pixel: Unit) -> tuple[Step, ...]:
    """Return a path from the unit to a later input; along the other axes the first place where there is one."""
    here, below = graph.map(name), graph.map(source)
    others = [axis for axis in here.axes if axis not in unit and axis not in ANY]
    middle = {axis: here.shape[here.axes.index(axis)] // 2 for axis in others}
    seen = graph.read_by([graph.unit({**middle, **unit}, name)], name).get(source, [])
    for factors in seen:
        if all(pixel[axis] in factors[below.axes.index(axis)] for axis in pixel):
            free = {
                axis: members.nearest(middle.get(axis, 0))
                for axis, members in zip(below.axes, factors, strict=True)
                if axis not in pixel and axis not in ANY
            }
            return sees(graph, {**middle, **unit}, {**free, **pixel}, name, source).path
    return (Step(name, dict(unit)), Step(source, dict(pixel)))
