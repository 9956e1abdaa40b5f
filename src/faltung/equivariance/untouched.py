"""Which units no border has touched: the exact map over all units of every layer.

A unit is touched if it reads a place that does not exist along an axis that moves, or a touched unit. Windows
that hang over the end (`ceil_mode`), clamped interpolation and every padding count. On a circle the places beyond
one end are those of the other, and circular padding touches nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from faltung.equivariance.passing import follow
from faltung.equivariance.walk import Walk
from faltung.equivariance.ways import deviating
from faltung.graph import Layer
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.region import Product, disjoint
from faltung.relation import Along, AxisReads, AxisWise, InTurn, Relation, Shape, clipped, whole
from faltung.rules import behaviour
from faltung.rules.table import Call


def touched(walks: Sequence[Walk]) -> dict[str, list[Product]]:
    """Return, for each layer that moves, the units that a border along the axes of the walks has touched.

    They are disjoint products. The walks are of shifts of one network, each along an axis of its own.
    """
    graph = walks[0].graph
    found: dict[str, list[Product]] = {name: [] for walk in walks for name in walk.start}
    for layer in graph.layers:
        moving = _moving(layer, walks)
        if moving:
            outputs = graph.maps[layer.name].shape
            products: list[Product] = []
            for relation, source in moving:
                circles = _circles(layer, relation, source, walks, len(moving))
                products += _through(relation, found[source], circles, graph.maps[source].shape, outputs)
            found[layer.name] = disjoint(products)
    return found


def origins(walks: Sequence[Walk], last: str) -> list[str]:
    """Return the layers, of those that `last` depends on, at which a border comes in."""
    graph = walks[0].graph
    needed = {last}
    for layer in reversed(graph.up_to(last)):
        if layer.name in needed:
            needed |= {edge.source for edge in layer.edges}
    found = []
    for layer in graph.layers:
        moving = _moving(layer, walks) if layer.name in needed else []
        outputs = graph.maps[layer.name].shape
        if any(
            _through(
                relation, [], _circles(layer, relation, source, walks, len(moving)), graph.maps[source].shape, outputs
            )
            for relation, source in moving
        ):
            found.append(layer.name)
    return found


def _moving(layer: Layer, walks: Sequence[Walk]) -> list[tuple[Relation, str]]:
    """Return the relations of a layer to what moves."""
    return [
        (relation, edge.source)
        for edge in layer.edges
        if any(edge.source in walk.states for walk in walks)
        for relation in edge.relations
    ]


def _circles(layer: Layer, relation: Relation, source: str, walks: Sequence[Walk], pieces: int) -> dict[int, int]:
    """Return the axes along which there is a border, with the circumference where they are circles, else 0.

    Where pieces that all move stand one behind the other, none is beyond the border of another.
    """
    states = [walk.states[source] for walk in walks if source in walk.states]
    found = {axis: state.ways[axis].around if axis in state.ways else 0 for state in states for axis in state.follows}
    joined = behaviour.joined_axis(layer.call) if pieces > 1 and isinstance(layer.call, Call) else None
    if joined is None or not isinstance(relation, AxisWise):
        return found
    sources = relation.sources
    return {a: around for a, around in found.items() if not (isinstance(s := sources[a], Along) and s.axis == joined)}


def _through(
    relation: Relation, products: Sequence[Product], circles: Mapping[int, int], inputs: Shape, outputs: Shape
) -> list[Product]:
    if isinstance(relation, InTurn):
        shapes = (inputs, *reversed(relation.between), outputs)
        for step, below, above in zip(reversed(relation.relations), shapes, shapes[1:], strict=False):
            products = disjoint(_through(step, products, circles, below, above))
            circles = {axis: 0 for axis in follow(step, circles, below, above)}
        return list(products)
    found = clipped(relation.outputs_of(products, inputs, outputs), outputs) if products else []
    if isinstance(relation, AxisWise):
        found += _at_the_border(relation, circles, inputs, outputs)
    return found


def _at_the_border(relation: AxisWise, circles: Mapping[int, int], inputs: Shape, outputs: Shape) -> list[Product]:
    reading = [whole(size) for size in outputs]
    for axis, source in enumerate(relation.sources):
        if isinstance(source, Along):
            existing = None if axis in circles else whole(inputs[axis])
            reading[source.axis] = _reading(source.reads, outputs[source.axis], existing)
    found = []
    for axis, around in circles.items():
        source = relation.sources[axis]
        if isinstance(source, Along):
            size = outputs[source.axis]
            beyond = reading_beyond(source.reads, inputs[axis], size) | deviating(source.reads, inputs[axis], around)
            at_end = tuple(
                beyond & members if place == source.axis else members for place, members in enumerate(reading)
            )
            if all(at_end):
                found.append(at_end)
    return found


def reading_beyond(reads: AxisReads, inputs: int, outputs: int) -> IntervalSet:
    """Return the outputs, of 0 .. outputs-1, that read a position which does not exist.

    >>> reading_beyond(Reads(2, [range(-1, 2)]), inputs=8, outputs=4)        # k=3, s=2, p=1
    IntervalSet(0)
    """
    beyond = reads.inputs_of(whole(outputs)) - whole(inputs)
    return reads.transpose().inputs_of(beyond).clip(0, outputs) if beyond else beyond


def _reading(reads: AxisReads, outputs: int, existing: IntervalSet | None) -> IntervalSet:
    """Return the outputs that read anything along an axis, or anything of what exists: others are touched by nothing.

    Transposed convolutions leave places out, and a channel that is padding reads none.
    """
    if existing is not None:
        return reads.transpose().inputs_of(existing).clip(0, outputs)
    if isinstance(reads, Reads | Listed) and all(reads.taps):
        return whole(outputs)
    return IntervalSet.points(output for output in range(outputs) if reads.inputs_of(IntervalSet.one(output)))


def complement(products: Sequence[Product], shape: Sequence[int]) -> list[Product]:
    """Return the units of a map that are in none of some products, as disjoint products.

    >>> complement([(IntervalSet.one(0), whole(3))], (2, 3))
    [(IntervalSet(1), IntervalSet(0..2))]
    """
    if not shape:
        return [] if products else [()]
    slabs: dict[tuple[Product, ...], IntervalSet] = {}
    rest = whole(shape[0])
    remaining = [factors for factors in products if factors[0] & rest]
    edges = sorted({0, shape[0], *(edge for first, *_ in remaining for pair in first.intervals for edge in pair)})
    for start, stop in pairwise(edges):
        if 0 <= start < stop <= shape[0]:
            section = tuple(tuple(others) for first, *others in remaining if start in first)
            slabs[section] = slabs.get(section, IntervalSet()) | IntervalSet.of([(start, stop)])
    found = [(places, *others) for section, places in slabs.items() for others in complement(list(section), shape[1:])]
    return disjoint(found)
