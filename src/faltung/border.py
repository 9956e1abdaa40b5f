"""Which units of a layer no padding has touched: those that read only real pixels, all the way down.

Along an axis that a layer moves over, the untouched units lie between two rings; a unit is touched when it reads
a position that does not exist, or a touched unit.
"""

from faltung.graph import Graph
from faltung.intervals import IntervalSet
from faltung.relation import Along, AxisReads, AxisWise, Relation, Reshape, matching_axes, whole


def untouched(graph: Graph) -> dict[str, tuple[IntervalSet, ...]]:
    """Return for each layer, along each of its axes, the places that no padding has touched.

    A unit is untouched if it is so along every axis. What no rule describes axis by axis counts as touched
    wherever one of its sources is.
    """
    found = {name: tuple(whole(size) for size in graph.maps[name].shape) for name in graph.inputs}
    for layer in graph.layers:
        shape = graph.maps[layer.name].shape
        clean = [whole(size) for size in shape]
        for edge in layer.edges:
            for relation in edge.relations:
                below = graph.maps[edge.source].shape
                for axis, places in enumerate(_through(relation, found[edge.source], below, shape)):
                    clean[axis] = clean[axis] & places
        found[layer.name] = tuple(clean)
    return found


def _through(
    relation: Relation, clean: tuple[IntervalSet, ...], below: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[IntervalSet, ...]:
    above = [whole(size) for size in shape]
    if isinstance(relation, AxisWise):
        for source, places, inputs in zip(relation.sources, clean, below, strict=True):
            if isinstance(source, Along):
                size = shape[source.axis]
                above[source.axis] = above[source.axis] - _touching(source, places, inputs, size)
            elif len(places) < inputs:
                return tuple(IntervalSet() for _ in shape)
        return tuple(above)
    if isinstance(relation, Reshape):
        for merged, split in matching_axes(shape, below):
            kept = len(merged) == len(split) == 1
            if kept:
                above[merged[0]] = clean[split[0]]
            elif any(len(clean[axis]) < below[axis] for axis in split):
                for axis in merged:
                    above[axis] = IntervalSet()
        return tuple(above)
    if all(len(places) == size for places, size in zip(clean, below, strict=True)):
        return tuple(above)
    return tuple(IntervalSet() for _ in shape)


def _touching(source: Along, clean: IntervalSet, inputs: int, outputs: int) -> IntervalSet:
    """Return the outputs that read a touched input, or a position beyond the input."""
    touched = source.reads.transpose().inputs_of(clean.complement(0, inputs)).clip(0, outputs)
    return touched | reading_beyond(source.reads, inputs, outputs)


def reading_beyond(reads: AxisReads, inputs: int, outputs: int) -> IntervalSet:
    """Return the outputs, of 0 .. outputs-1, that read a position which does not exist.

    >>> from faltung.reads import Reads
    >>> reading_beyond(Reads(2, [range(-1, 2)]), inputs=8, outputs=4)        # k=3, s=2, p=1
    IntervalSet(0)
    """
    read = reads.inputs_of(whole(outputs))
    beyond = read - whole(inputs)
    return reads.transpose().inputs_of(beyond).clip(0, outputs) if beyond else beyond
