"""Which units of a layer no padding has touched: those that read only real pixels, all the way down.

Along an axis that a layer moves over, the untouched units lie between two rings; a unit is touched when it reads
a position that does not exist, or a touched unit. Where tensors are joined, a unit lies in one of them and beyond
the others: it is touched only if it lies beyond all.
"""

from faltung.graph import Graph
from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisReads, AxisWise, Relation, Reshape, Shape, matching_axes, whole

Places = tuple[IntervalSet, ...]
"""Places along each axis of a layer."""


def untouched(graph: Graph) -> dict[str, Places]:
    """Return for each layer, along each of its axes, the places that no padding has touched.

    A unit is untouched if it is so along every axis. What no rule describes axis by axis counts as touched
    wherever one of its sources is.
    """
    found = {name: tuple(map(whole, graph.maps[name].shape)) for name in graph.inputs}
    for layer in graph.layers:
        if layer.passes:
            found[layer.name] = found[graph.root(layer.name)]
            continue
        shape = graph.maps[layer.name].shape
        ways = [
            _through(relation, found[edge.source], graph.maps[edge.source].shape, shape)
            for edge in graph.leaps(layer.name)
            for relation in edge.relations
        ]
        clean = []
        for axis, size in enumerate(shape):
            places, beyond_all = whole(size), whole(size)
            for touched, beyond in ways:
                places, beyond_all = places - touched[axis], beyond_all & beyond[axis]
            clean.append(places - beyond_all)
        found[layer.name] = tuple(clean)
    return found


def _through(relation: Relation, clean: Places, below: Shape, shape: Shape) -> tuple[Places, Places]:
    """Return the places that read something touched or missing, and those that would read what is missing alone."""
    touched = [IntervalSet() for _ in shape]
    beyond = [IntervalSet() for _ in shape]
    everything = tuple(map(whole, shape))
    if isinstance(relation, AxisWise):
        for source, places, inputs in zip(relation.sources, clean, below, strict=True):
            if isinstance(source, Along):
                axis, size = source.axis, shape[source.axis]
                if source.reads is SAME and inputs == size:
                    touched[axis] = touched[axis] | places.complement(0, size)
                    continue
                found = _touching(source.reads, places, size).clip(0, size)
                inside = source.reads.transpose().inputs_of(whole(inputs)) if found else found
                touched[axis], beyond[axis] = touched[axis] | (found & inside), beyond[axis] | (found - inside)
            elif len(places) < inputs:
                return everything, tuple(beyond)
    elif isinstance(relation, Reshape):
        for merged, split in matching_axes(shape, below):
            if len(merged) == len(split) == 1:
                touched[merged[0]] = clean[split[0]].complement(0, shape[merged[0]])
            elif any(len(clean[axis]) < below[axis] for axis in split):
                for axis in merged:
                    touched[axis] = everything[axis]
    elif any(len(places) < size for places, size in zip(clean, below, strict=True)):
        return everything, tuple(beyond)
    return tuple(touched), tuple(beyond)


def _touching(reads: AxisReads, clean: IntervalSet, outputs: int) -> IntervalSet:
    """Return the outputs that read a touched input, or a position beyond the input."""
    ends = min(reads.period, outputs) if isinstance(reads, Reads) else outputs
    read = reads.inputs_of(IntervalSet.of([(0, ends), (outputs - ends, outputs)])).bounds
    return reads.transpose().inputs_of(clean.complement(read.start, read.stop))
