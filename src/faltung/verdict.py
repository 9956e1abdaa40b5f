"""Does this unit contain any information about that pixel? Yes with a path, or no with a proof.

Structure bounds what any weights can do: 'no' holds for all weights. 'Yes' says that a path of units exists;
whether given weights use it is a question of numbers.
"""

from dataclasses import dataclass
from typing import Any

from faltung.depth import depth
from faltung.graph import ANY, Edge, Graph
from faltung.intervals import IntervalSet
from faltung.region import Product, Region, Unit, intersection, name_unit, nearest_places
from faltung.words import count

DIRECTIONS = {"x": ("left", "right"), "y": ("above", "below"), "z": ("before", "behind")}


@dataclass(frozen=True)
class Step:
    """One unit on a path from a unit to a pixel."""

    layer: str
    unit: dict[str, int]


@dataclass(frozen=True)
class Verdict:
    """The answer to `Network.sees`; true when the unit sees the pixel.

    Parameters
    ----------
    layer, unit, pixel
        The question.
    field : Region
        The unit's receptive field: all that it reads.
    path : tuple of Step
        For yes: units from the asked one down to the pixel, each reading the next. Empty for no.
    nearest : dict of str to int, or None
        For no: the pixel of the field nearest to the asked one (None where the field is empty).
    distance : dict of str to int, or None
        For no: steps from `nearest` to the pixel along each axis, negative to the left and above.
    depth : int or None
        For no: with how many layers in all the unit at the same place would first see the pixel, if copies of
        the layer `copied` were put on top. None where none would, and `reason` says why.
    copied : str
        The layer whose copies are counted: the last one, up to the asked one, that keeps the size and widens
        the field. Empty where there is none.
    reason : str
        What stands in the way of a depth; empty otherwise.
    """

    layer: str
    unit: dict[str, int]
    pixel: dict[str, int]
    field: Region
    path: tuple[Step, ...] = ()
    nearest: dict[str, int] | None = None
    distance: dict[str, int] | None = None
    depth: int | None = None
    copied: str = ""
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.path)

    def __str__(self) -> str:
        who = f"{self.layer} {name_unit(self.unit)}"
        reads = f"reads {count(self.field.size, 'pixel')}: {self.field.describe()}"
        if self.path:
            steps = " <- ".join(_shortened([f"{step.layer} {name_unit(step.unit)}" for step in self.path]))
            return f"Yes. {who} {reads}; pixel {name_unit(self.pixel)} is one of them.\nPath: {steps}"
        return f"No. {who} {reads}; {self._gap()}.\n{self._depth()}"

    def _gap(self) -> str:
        if self.nearest is None or self.distance is None:
            return "it reads no pixel at all"
        gaps = [
            f"{count(abs(gap), 'step')} {DIRECTIONS[axis][gap > 0] if axis in DIRECTIONS else f'along {axis}'}"
            for axis, gap in self.distance.items()
            if gap
        ]
        ending = " from" if "along" in gaps[-1] else " of" if gaps[-1].endswith(("left", "right")) else ""
        where = " and ".join(gaps) + ending
        return f"pixel {name_unit(self.pixel)} lies {where} the nearest, {name_unit(self.nearest)}"

    def _depth(self) -> str:
        if self.depth is None:
            return f"No depth that reaches it was found: {self.reason}."
        return f"With copies of {self.copied} on top, {count(self.depth, 'layer')} in all would first reach it."

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain numbers, lists and strings, ready for JSON."""
        answer: dict[str, Any] = {
            "sees": bool(self),
            "layer": self.layer,
            "unit": self.unit,
            "pixel": self.pixel,
            "field": self.field.to_dict(),
        }
        if self.path:
            answer["path"] = [{"layer": step.layer, "unit": step.unit} for step in self.path]
        else:
            answer |= {"nearest": self.nearest, "distance": self.distance, "depth": self.depth}
            answer |= {"copied": self.copied or None, "reason": self.reason or None}
        return answer


def sees(graph: Graph, unit: Unit, pixel: Unit, layer: str | None = None, input: int | str = 0) -> Verdict:
    """Say whether a unit of `layer` (the last where None) can contain any information about a pixel."""
    name, source = graph.name(layer), graph.input(input)
    asked, target = graph.unit(unit, layer), graph.unit(pixel, source)
    read = graph.read_by([asked], layer).get(source, [])
    field = graph.region(source, read, graph.shown_axes(source, pixel))
    unit = {axis: int(unit[axis]) for axis in graph.map(name).axes if axis in unit}
    pixel = {axis: int(pixel[axis]) for axis in graph.map(source).axes if axis in pixel}
    readers = graph.readers_of([target], source, name)
    if any(all(a & b for a, b in zip(factors, target, strict=True)) for factors in read):
        return Verdict(name, unit, pixel, field, path=_path(graph, asked, unit, readers, name))
    place = {axis: pixel[axis] for axis in field.axes}
    nearest = field.nearest(place) if field else None
    distance = {axis: place[axis] - nearest[axis] for axis in field.axes} if nearest else None
    return Verdict(name, unit, pixel, field, (), nearest, distance, *depth(graph, asked, readers, name))


def _path(
    graph: Graph, asked: Product, unit: dict[str, int], readers: dict[str, list[Product]], name: str
) -> tuple[Step, ...]:
    """Walk from the unit to the pixel; what the walk leaps over is walked from layer to layer."""
    steps = [(name, asked)]
    here, current = asked, graph.root(name)
    while current not in graph.inputs:
        source, there = _next(graph, here, current, readers, graph.leaps(current))
        if graph.leaps(current) is not graph.hops(current):
            between = graph.readers_of([there], source, current, leaping=False)
            while current != source:
                current, here = _next(graph, here, current, between, graph.hops(current))
                steps.append((current, here))
        else:
            steps.append((source, there))
        here, current = there, source
    return (Step(name, unit), *(_step(graph, layer, product, unit) for layer, product in steps[1:]))


def _next(
    graph: Graph, here: Product, current: str, readers: dict[str, list[Product]], edges: tuple[Edge, ...]
) -> tuple[str, Product]:
    """Return the middle-most unit that is read and still reads the pixel, and its layer."""
    for edge in edges:
        if edge.source in readers:
            read = graph.read_through(edge, [here], current)
            shared = intersection(read, readers[edge.source])
            if shared:
                if len(shared) == 1 and all([len(places) == 1 for places in shared[0]]):
                    return edge.source, shared[0]
                return edge.source, tuple(map(IntervalSet.one, nearest_places(shared, _middle(read))))
    raise AssertionError("a unit that reads a pixel reads it through one of its sources")


def _step(graph: Graph, layer: str, product: Product, unit: dict[str, int]) -> Step:
    told = zip(graph.maps[layer].axes, product, strict=True)
    return Step(layer, {axis: places.bounds[0] for axis, places in told if axis not in ANY or axis in unit})


def _middle(products: list[Product]) -> list[int]:
    """Return the middle of the box around some products."""
    first = [min([members.intervals[0][0] for members in along]) for along in zip(*products, strict=True)]
    stop = [max([members.intervals[-1][1] for members in along]) for along in zip(*products, strict=True)]
    return [(a + b - 1) // 2 for a, b in zip(first, stop, strict=True)]


def _shortened(steps: list[str], most: int = 12) -> list[str]:
    return steps if len(steps) <= most else [*steps[: most // 2], "…", *steps[-most // 2 :]]
