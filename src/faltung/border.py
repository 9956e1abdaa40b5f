"""Which units of a layer no padding has touched: those that read only real pixels, all the way down.

Along an axis that a layer moves over, the untouched units lie between two rings; a unit is touched when it reads
a position that does not exist, or a touched unit.
"""

from faltung.graph import Graph
from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisReads, AxisWise, Relation, Reshape, matching_axes, whole


def untouched(graph: Graph) -> dict[str, tuple[IntervalSet, ...]]:
    """Return for each layer, along each of its axes, the places that no padding has touched.

    A unit is untouched if it is so along every axis. What no rule describes axis by axis counts as touched
    wherever one of its sources is.
    """
    found = {name: tuple(whole(size) for size in graph.maps[name].shape) for name in graph.inputs}
    for layer in graph.layers:
        if layer.passes:
            found[layer.name] = found[graph.root(layer.name)]
            continue
        shape = graph.maps[layer.name].shape
        clean = [whole(size) for size in shape]
        for edge in graph.leaps(layer.name):
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
            if isinstance(source, Along) and source.reads is SAME and inputs == shape[source.axis]:
                above[source.axis] = above[source.axis] & places
            elif isinstance(source, Along):
                touched = _touching(source.reads, places, shape[source.axis]).clip(0, shape[source.axis])
                above[source.axis] = above[source.axis] & touched.complement(0, shape[source.axis])
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


def _touching(reads: AxisReads, clean: IntervalSet, outputs: int) -> IntervalSet:
    """Return the outputs that read a touched input, or a position beyond the input."""
    ends = min(reads.period, outputs) if isinstance(reads, Reads) else outputs
    read = reads.inputs_of(IntervalSet.of([(0, ends), (outputs - ends, outputs)])).bounds
    return reads.transpose().inputs_of(clean.complement(read.start, read.stop))
