"""Which units no border has touched: the exact map over all units of every layer.

A unit is touched if it reads a place that does not exist along an axis that moves, or a touched unit. Windows
that hang over the end (`ceil_mode`), clamped interpolation and every padding count. On a circle the places beyond
one end are those of the other, and circular padding touches nothing.
"""

from collections.abc import Sequence

from faltung.border import reading_beyond
from faltung.equivariance.passing import Ways, through
from faltung.equivariance.walk import Walk
from faltung.equivariance.ways import deviating
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.region import Product, disjoint
from faltung.relation import Along, AxisWise, InTurn, Relation, Shape, clipped, whole


def touched(walk: Walk) -> dict[str, list[Product]]:
    """Return, for each layer that moves, the units that a border has touched, as disjoint products."""
    graph = walk.graph
    found: dict[str, list[Product]] = {name: [] for name in walk.start}
    for layer in graph.layers:
        if layer.name not in walk.states:
            continue
        shape = graph.maps[layer.name].shape
        if walk.states[layer.name].lost:
            found[layer.name] = [tuple(whole(size) for size in shape)]
            continue
        products: list[Product] = []
        for edge in layer.edges:
            if edge.source in found:
                below, ways = graph.maps[edge.source].shape, walk.states[edge.source].ways
                for relation in edge.relations:
                    products += _through(relation, found[edge.source], ways, below, shape)
        found[layer.name] = disjoint(products)
    return found


def origins(walk: Walk, last: str) -> list[str]:
    """Return the layers, of those that `last` depends on, at which a border touches units first."""
    needed = {last}
    for layer in reversed(walk.graph.up_to(last)):
        if layer.name in needed:
            needed |= {edge.source for edge in layer.edges}
    found = []
    for layer in walk.graph.layers:
        if layer.name in needed and layer.name in walk.states and not walk.states[layer.name].lost:
            shape = walk.graph.maps[layer.name].shape
            if any(
                _through(relation, [], walk.states[edge.source].ways, walk.graph.maps[edge.source].shape, shape)
                for edge in layer.edges
                if edge.source in walk.states
                for relation in edge.relations
            ):
                found.append(layer.name)
    return found


def _through(
    relation: Relation, products: Sequence[Product], ways: Ways, inputs: Shape, outputs: Shape
) -> list[Product]:
    if isinstance(relation, InTurn):
        shapes = (inputs, *reversed(relation.between), outputs)
        for step, below, above in zip(reversed(relation.relations), shapes, shapes[1:], strict=False):
            products = disjoint(_through(step, products, ways, below, above))
            ways = through(step, ways, (), below, above, shifts=True).ways
        return list(products)
    found = clipped(relation.outputs_of(products, inputs, outputs), outputs) if products else []
    if isinstance(relation, AxisWise):
        found += _at_the_border(relation, ways, inputs, outputs)
    return found


def _at_the_border(relation: AxisWise, ways: Ways, inputs: Shape, outputs: Shape) -> list[Product]:
    reading = [whole(size) for size in outputs]
    for source in relation.sources:
        if isinstance(source, Along):
            reading[source.axis] = _reading(source, outputs[source.axis])
    found = []
    for axis, way in ways.items():
        source = relation.sources[axis]
        if isinstance(source, Along):
            size = outputs[source.axis]
            beyond = reading_beyond(source.reads, inputs[axis], size) | deviating(source.reads, inputs[axis], way.around)
            at_end = tuple(beyond & members if place == source.axis else members for place, members in enumerate(reading))
            if all(at_end):
                found.append(at_end)
    return found


def _reading(source: Along, outputs: int) -> IntervalSet:
    """Return the outputs that read anything at all along an axis: transposed convolutions may leave some out."""
    reads = source.reads
    if isinstance(reads, Reads) and all(reads.taps):
        return whole(outputs)
    if isinstance(reads, Listed) and all(reads.taps):
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
    for start, stop in zip(edges, edges[1:], strict=False):
        if 0 <= start < stop <= shape[0]:
            section = tuple(tuple(others) for first, *others in remaining if start in first)
            slabs[section] = slabs.get(section, IntervalSet()) | IntervalSet.of([(start, stop)])
    found = [
        (places, *others) for section, places in slabs.items() for others in complement(list(section), shape[1:])
    ]
    return disjoint(found)
