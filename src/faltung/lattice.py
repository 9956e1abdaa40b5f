"""How each layer lies over an input: the relations of its layers composed, axis by axis.

Along an axis of the input a layer either moves over it in steps (a lattice: `Along` one of the layer's axes by
a periodic relation), or all its units read the same places (`Only`), or what they read follows no period
(`Irregular`). The relations are those of the unbounded network: borders are not part of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from faltung.graph import Graph
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import (
    SAME,
    Along,
    AxisReads,
    AxisWise,
    InTurn,
    Only,
    Relation,
    Reshape,
    Shape,
    Whole,
    matching_axes,
    whole,
)


@dataclass(frozen=True)
class Irregular:
    """What is read of an input axis depends on some axes of the layer, with no period."""

    axes: frozenset[int]


Entry = Along | Only | Irregular


class Lattices:
    """For each layer that reads an input, how it reads each of the input's axes.

    Parameters
    ----------
    graph : Graph
        The network; it need not have sizes, if its operators need none.
    input : int or str
        Which input.
    """

    def __init__(self, graph: Graph, input: int | str = 0) -> None:
        self.graph = graph
        self.input = graph.input(input)
        self._coverage: dict[str, tuple[IntervalSet, ...]] = {}
        self._compositions: dict[tuple[Reads, Reads], Reads] = {}
        rank = len(graph.maps[self.input].axes) if graph.maps else _rank(graph)
        sizes = graph.maps[self.input].shape if graph.maps else (0,) * rank
        self.entries: dict[str, tuple[Entry, ...]] = {self.input: tuple(Along(axis, SAME) for axis in range(rank))}
        self.boxes: dict[str, bool] = {self.input: True}
        """Whether a layer's units read the box of what they read along each axis, and not less."""
        self.listed: set[str] = set()
        """Layers that read the input through relations that are lists: their entries hold away from the borders."""
        for layer in graph.layers:
            root = graph.root(layer.name)
            if layer.passes and root in self.entries:
                self.entries[layer.name], self.boxes[layer.name] = self.entries[root], self.boxes[root]
            if any(edge.source in self.listed for edge in graph.leaps(layer.name)):
                self.listed.add(layer.name)
            branches = [
                (self._through(relation, edge.source, layer.name), self._keeps_boxes(relation, edge.source))
                for edge in graph.leaps(layer.name)
                if edge.source in self.entries and not layer.passes
                for relation in edge.relations
            ]
            if branches:
                met = tuple(_met([branch[axis] for branch, _ in branches], size) for axis, size in enumerate(sizes))
                self.entries[layer.name] = met
                self.boxes[layer.name] = _makes_box(met, branches)

    def _through(self, relation: Relation, source: str, layer: str) -> tuple[Entry, ...]:
        below = self.graph.maps[source].shape if self.graph.maps else ()
        above = self.graph.maps[layer].shape if self.graph.maps else ()
        steps: list[tuple[Relation, Shape, Shape]] = [(relation, below, above)]
        if isinstance(relation, InTurn):
            shapes = (above, *relation.between, below)
            steps = list(zip(relation.relations, shapes[1:], shapes[:-1], strict=True))[::-1]
        entries = self.entries[source]
        if any(map(_has_list, [step for step, _, _ in steps])):
            self.listed.add(layer)
        for step, inputs, outputs in steps:
            entries = tuple(self._one(step, entry, axis, source, inputs, outputs) for axis, entry in enumerate(entries))
        return entries

    def _one(self, relation: Relation, entry: Entry, axis: int, source: str, inputs: Shape, outputs: Shape) -> Entry:
        """Return how an input axis is read through one relation, given how its source reads that axis."""
        if isinstance(entry, Only):
            return entry
        followed = frozenset([entry.axis]) if isinstance(entry, Along) else entry.axes
        if isinstance(relation, AxisWise):
            ways = [relation.sources[place] for place in followed]
            if not any(isinstance(way, Along) for way in ways):
                return self._fixed(entry, axis, source, *ways[:1])  # of size 1 an axis may be gone, and none matter
            (way, *others) = ways
            if isinstance(entry, Along) and isinstance(way, Along) and not others:
                outer, inner = _periodic(way.reads), _periodic(entry.reads)
                if outer is not None and inner is not None:
                    return Along(way.axis, self._composed(outer, inner))
                return Irregular(frozenset([way.axis]))
            return Irregular(frozenset(way.axis for way in ways if isinstance(way, Along)))
        if isinstance(relation, Reshape):
            return _reshaped(entry, followed, inputs, outputs)
        return Irregular(frozenset(range(len(outputs))))

    def _composed(self, outer: Reads, inner: Reads) -> Reads:
        """Compose two relations, once only: the axes of a picture mostly go the same way."""
        if outer is SAME:
            return inner
        if (outer, inner) not in self._compositions:
            self._compositions[outer, inner] = outer.compose(inner)
        return self._compositions[outer, inner]

    def _keeps_boxes(self, relation: Relation, source: str) -> bool:
        """Say whether units that read through a relation from a source read boxes of the input.

        Axes of the input that views have joined stay independent only while the joint axis is read in step or whole.
        """
        if not self.boxes[source] or not isinstance(relation, AxisWise | Reshape):
            return False
        times = Counter(axis for entry in self.entries[source] for axis in _axes(entry))
        return isinstance(relation, Reshape) or all(
            isinstance(way, Whole) or (isinstance(way, Along) and way.reads is SAME)
            for way in (relation.sources[axis] for axis in times if times[axis] > 1)
        )

    def _fixed(self, entry: Entry, axis: int, source: str, way: object = None) -> Only:
        """Return what is read when every output reads the same places of the axes that matter."""
        if isinstance(entry, Along) and isinstance(way, Only):
            return Only(entry.reads.inputs_of(way.places).clip(0, self.graph.maps[self.input].shape[axis]))
        return Only(self.coverage(source)[axis])

    def coverage(self, layer: str) -> tuple[IntervalSet, ...]:
        """Return, along each axis of the input, what any unit of a layer reads."""
        if layer not in self._coverage:
            everything = tuple(whole(size) for size in self.graph.maps[layer].shape)
            read = self.graph.read_by([everything], layer).get(self.input, [])
            rank = len(self.graph.maps[self.input].shape)
            self._coverage[layer] = tuple(
                IntervalSet.of(pair for factors in read for pair in factors[axis].intervals) for axis in range(rank)
            )
        return self._coverage[layer]


def _has_list(relation: Relation) -> bool:
    return isinstance(relation, AxisWise) and any(
        isinstance(way, Along) and isinstance(way.reads, Listed) for way in relation.sources
    )


def _makes_box(met: tuple[Entry, ...], branches: Sequence[tuple[tuple[Entry, ...], bool]]) -> bool:
    """Say whether branches that meet read a box: one of them reads it all, or they read all of its combinations."""
    if len(branches) == 1:
        return branches[0][1]
    if any(isinstance(entry, Irregular) for entry in met):
        return False
    different = {branch for branch, _ in branches}
    combinations = prod(len(set(along)) for along in zip(*different, strict=True))
    return (met, True) in branches or (all(box for _, box in branches) and len(different) == combinations)


def _reshaped(entry: Along | Irregular, followed: frozenset[int], inputs: Shape, outputs: Shape) -> Entry:
    """Follow axes through a view: an axis that is neither merged nor split keeps its relation."""
    merged: set[int] = set()
    for above, below in matching_axes(outputs, inputs):
        if not followed & set(below):
            continue
        long_above = [place for place in above if outputs[place] > 1]
        long_below = [place for place in below if inputs[place] > 1]
        if len(long_above) == len(long_below) == 1 and isinstance(entry, Along) and entry.axis == long_below[0]:
            return Along(long_above[0], entry.reads)
        merged |= set(long_above or above)
    return Irregular(frozenset(merged))


def _met(entries: Sequence[Entry], size: int) -> Entry:
    """Return how branches that meet read one axis of size `size`."""
    first, *others = entries
    for entry in others:
        first = _union(first, entry, size)
    return first


def _union(one: Entry, two: Entry, size: int) -> Entry:
    if one == two:
        return one
    for entry in (one, two):
        if isinstance(entry, Only) and len(entry.places) == size:
            return entry
    if isinstance(one, Only) and isinstance(two, Only):
        return Only(one.places | two.places)
    if isinstance(one, Along) and isinstance(two, Along) and one.axis == two.axis:
        a, b = one.reads, two.reads
        if isinstance(a, Reads) and isinstance(b, Reads) and a.same_rate(b):
            return Along(one.axis, a.union(b))
    return Irregular(_axes(one) | _axes(two))


def _periodic(reads: AxisReads) -> Reads | None:
    """Return the periodic relation that holds away from the borders."""
    if isinstance(reads, Reads):
        return reads
    return reads.interior if isinstance(reads, Listed) else None


def _axes(entry: Entry) -> frozenset[int]:
    if isinstance(entry, Along):
        return frozenset([entry.axis])
    return entry.axes if isinstance(entry, Irregular) else frozenset()


def _rank(graph: Graph) -> int:
    relations = (relation for layer in graph.layers for edge in layer.edges for relation in edge.relations)
    return max((len(r.sources) for r in relations if isinstance(r, AxisWise)), default=1)
