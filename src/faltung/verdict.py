"""Does this unit contain any information about that pixel? Yes with a path, or no with a proof.

Structure bounds what any weights can do: 'no' holds for all weights. 'Yes' says that a path of units exists;
whether given weights use it is a question of numbers.
"""

from dataclasses import dataclass
from typing import Any

from faltung.errors import FaltungError
from faltung.field import receptive_field
from faltung.graph import INPUT, Graph, Layer, read_through
from faltung.reads import Reads
from faltung.region import Region, Unit, name_unit
from faltung.rules import AxisRule
from faltung.words import count

MOST_COPIES = 100_000
"""How many further layers are tried before the search for the depth that would reach a pixel gives up."""

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
            f"{count(abs(gap), 'step')} {DIRECTIONS[axis][gap > 0]}"
            if axis in DIRECTIONS
            else f"{gap} on {axis}"
            for axis, gap in self.distance.items()
            if gap
        ]
        where = " and ".join(gaps)
        return f"pixel {name_unit(self.pixel)} lies {where} of the nearest, {name_unit(self.nearest)}"

    def _depth(self) -> str:
        if self.depth is None:
            return f"No depth that reaches it was found: {self.reason}."
        return (
            f"With copies of {self.copied} on top, {count(self.depth, 'layer')} in all would first reach it."
        )

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


def sees(graph: Graph, unit: Unit, pixel: Unit, layer: str | None = None) -> Verdict:
    """Say whether a unit of `layer` (the last where None) can contain any information about a pixel."""
    name = graph.name(layer)
    asked = graph.unit(unit, layer)
    target = graph.unit(pixel, INPUT)
    field = receptive_field(graph, unit, layer)
    unit = {axis: int(unit[axis]) for axis in graph.axes}
    pixel = {axis: int(pixel[axis]) for axis in graph.axes}
    if pixel in field:
        return Verdict(name, unit, pixel, field, path=_path(graph, unit, target, name))
    nearest = field.nearest(pixel) if field else None
    distance = {axis: pixel[axis] - nearest[axis] for axis in graph.axes} if nearest else None
    return Verdict(name, unit, pixel, field, (), nearest, distance, *_depth(graph, asked, target, name))


def _path(graph: Graph, unit: dict[str, int], target: Region, name: str) -> tuple[Step, ...]:
    """Walk from the unit to the pixel, at each layer to the middle-most unit that still reads the pixel."""
    readers = graph.readers_of_region(target, INPUT, name)
    steps = [Step(name, unit)]
    while steps[-1].layer != INPUT:
        here = steps[-1]
        asked = graph.unit(here.unit, here.layer)
        for edge in graph.layers[graph.place(here.layer)].edges:
            read = read_through(edge, asked, graph.shape(edge.source))
            shared = read & readers[edge.source] if edge.source in readers else None
            if shared:
                middle = {axis: around[len(around) // 2] for axis, around in read.bounding_box.items()}
                steps.append(Step(edge.source, shared.nearest(middle)))
                break
        else:
            raise AssertionError("a unit that reads a pixel reads it through one of its sources")
    return tuple(steps)


def _depth(graph: Graph, asked: Region, target: Region, name: str) -> tuple[int | None, str, str]:
    """Return with how many layers the unit would first see the pixel, copies of which, and else why not."""
    readers = graph.readers_of_region(target, INPUT, name).get(name)
    if readers is None:
        return None, "", f"no unit of {name} reads that pixel"
    layer = _widening(graph, name)
    if layer is None:
        return None, "", f"no layer up to {name} keeps the size and widens the field"
    reached, remembered, remember_at = asked, asked, 1
    for copies in range(1, MOST_COPIES + 1):
        reached = read_through(layer.edges[0], reached, asked.shape)
        if reached & readers:
            return graph.place(name) + 1 + copies, layer.name, ""
        if reached == remembered:
            return None, layer.name, f"further copies of {layer.name} read the same units again"
        if copies == remember_at:  # Brent's cycle detection: a state that comes back ends the search
            remembered, remember_at = reached, 2 * remember_at
    return None, layer.name, f"not within {MOST_COPIES:,} copies of {layer.name}"


def _widening(graph: Graph, name: str) -> Layer | None:
    """Return the last layer, up to `name`, that can be put on top of it and adds context."""
    shape = dict(zip(graph.axes, graph.shape(name), strict=True))
    for layer in reversed(graph.layers[: graph.place(name) + 1]):
        if len(layer.edges) == 1:
            rules = [layer.edges[0].rule(axis) for axis in range(len(shape))]
            widens = any(rule.reads != Reads(1, [[0]]) for rule in rules)
            if widens and all(
                rule.reads.stride == rule.reads.period == 1 and _keeps(rule, size, axis, layer.name)
                for rule, (axis, size) in zip(rules, shape.items(), strict=True)
            ):
                return layer
    return None


def _keeps(rule: AxisRule, size: int, axis: str, layer: str) -> bool:
    try:
        return rule.output_size(size, axis=axis, layer=layer) == size
    except FaltungError:  # the window does not even fit
        return False


def _shortened(steps: list[str], most: int = 12) -> list[str]:
    return steps if len(steps) <= most else [*steps[: most // 2], "…", *steps[-most // 2 :]]
