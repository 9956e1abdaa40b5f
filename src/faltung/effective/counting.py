"""Paths counted backwards: weights over the units of a layer, shared out over the units that they read.

An axis of length 1 stands for equal weights all along it, which keeps channels cheap.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from faltung.effective.report import Weights
from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.region import Product, disjoint
from faltung.relation import (
    Along,
    AxisReads,
    AxisWise,
    InTurn,
    Moved,
    Only,
    Relation,
    Reshape,
    Shape,
    Whole,
    clipped,
    matching_axes,
    whole,
)

MOST_UNITS = 2**14
"""Relations that no formula covers are followed unit by unit, for layers of at most so many units."""


def pushed_back(
    relations: Sequence[Relation], weights: Weights, inputs: Shape, outputs: Shape, fan_in: bool
) -> Weights | None:
    """Push weights over a layer's units back to what they read of one source; None where that would take too long.

    Parameters
    ----------
    relations : sequence of Relation
        What is read: the union of these. A unit that is read through several of them is read once.
    weights : ndarray
        Over the layer; some axes may have length 1.
    inputs, outputs : tuple of int
        Shapes of the source and of the layer.
    fan_in : bool
        Share each unit's weight out evenly over its taps, padding included.
    """
    if not relations:
        return np.zeros((1,) * len(inputs))
    if len(relations) == 1:
        return _through(relations[0], weights, inputs, outputs, fan_in)
    by_axis = [relation for relation in relations if isinstance(relation, AxisWise)]
    if len(by_axis) < len(relations) or not all(
        _apart(one, two, inputs, outputs) for one, two in combinations(by_axis, 2)
    ):
        return _unit_by_unit(relations, weights, inputs, outputs, fan_in)
    if fan_in:
        weights = _shared_out(weights, np.asarray(sum(_taps(relation, inputs, outputs) for relation in by_axis)))
    return np.asarray(sum(_axis_by_axis(relation, weights, inputs, outputs) for relation in by_axis))


def _through(relation: Relation, weights: Weights, inputs: Shape, outputs: Shape, fan_in: bool) -> Weights | None:
    if isinstance(relation, AxisWise):
        taps = _taps(relation, inputs, outputs) if fan_in else 1
        return _axis_by_axis(relation, _shared_out(weights, taps), inputs, outputs)
    if isinstance(relation, Reshape):
        return _reshaped(weights, inputs, outputs)
    if isinstance(relation, Moved):
        sources = relation.sources.reshape(-1)
        given = np.broadcast_to(weights, outputs).reshape(-1)
        taken = np.bincount(sources[sources >= 0], given[sources >= 0], minlength=int(np.prod(inputs)))
        return taken.astype(np.float64).reshape(inputs)
    if isinstance(relation, InTurn):
        shapes = (outputs, *relation.between, inputs)
        found: Weights | None = weights
        for step, above, below in zip(relation.relations, shapes, shapes[1:], strict=False):
            found = None if found is None else _through(step, found, below, above, fan_in)
        return found
    return _unit_by_unit([relation], weights, inputs, outputs, fan_in)


def _axis_by_axis(relation: AxisWise, weights: Weights, inputs: Shape, outputs: Shape) -> Weights:
    followed = [entry.axis for entry in relation.sources if isinstance(entry, Along)]
    for axis, size in enumerate(outputs):
        if axis not in followed:  # every output along this axis reads the same
            weights = weights.sum(axis, keepdims=True) * (size if weights.shape[axis] == 1 else 1)
    # one axis for each input axis, in its order, then those that nothing follows
    rest = [axis for axis in range(len(outputs)) if axis not in followed]
    weights = weights.transpose(*followed, *rest).reshape([weights.shape[axis] for axis in followed])
    for place, (entry, size) in enumerate(zip(relation.sources, inputs, strict=True)):
        if isinstance(entry, Along):
            weights = _along(entry.reads, weights, place, size, outputs[entry.axis])
        else:
            weights = np.expand_dims(weights, place)
            if isinstance(entry, Only):
                weights = weights * laid_along(_marked(entry.places, size), place, weights.ndim)
    return weights


def _along(reads: AxisReads, weights: Weights, axis: int, inputs: int, outputs: int) -> Weights:
    """Push weights back along one axis: each output gives its weight to every input that it reads."""
    equal = weights.shape[axis] == 1
    if equal and reads == Reads(1, [[0]]) and inputs == outputs:
        return weights
    given = np.moveaxis(np.broadcast_to(weights, _with(weights.shape, axis, outputs)), axis, 0)
    taken = np.zeros((inputs, *given.shape[1:]))
    for output in np.flatnonzero(given.reshape(outputs, -1).any(1)).tolist():
        for first, stop in reads.inputs_of(IntervalSet.one(output)).clip(0, inputs).intervals:
            taken[first:stop] += given[output]
    if equal and inputs and (taken == taken[:1]).all():
        taken = taken[:1]
    return np.moveaxis(taken, 0, axis)


def _reshaped(weights: Weights, inputs: Shape, outputs: Shape) -> Weights:
    """Return weights over the units of a view; axes of equal weights stay so where they are regrouped as a whole."""
    full, shape = list(weights.shape), []
    for above, below in matching_axes(outputs, inputs):
        equal = all(weights.shape[axis] == 1 for axis in above)
        if not equal:
            full[above.start : above.stop] = outputs[above.start : above.stop]
        shape += [1 if equal else inputs[axis] for axis in below]
    return np.broadcast_to(weights, full).reshape(shape)


def _unit_by_unit(
    relations: Iterable[Relation], weights: Weights, inputs: Shape, outputs: Shape, fan_in: bool
) -> Weights | None:
    if np.prod(outputs) > MOST_UNITS:
        return None
    given = np.broadcast_to(weights, outputs)
    taken = np.zeros(inputs)
    for unit in np.argwhere(given):
        factors: Product = tuple(IntervalSet.one(place) for place in unit.tolist())
        read = disjoint(clipped((p for r in relations for p in r.inputs_of([factors], inputs, outputs)), inputs))
        count = sum(int(np.prod([len(members) for members in factors])) for factors in read)
        for factors in read:
            taken[np.ix_(*(list(members) for members in factors))] += given[tuple(unit)] / (count if fan_in else 1)
    return taken


def _taps(relation: AxisWise, inputs: Shape, outputs: Shape) -> Weights:
    """Return how many inputs each output reads, padding included."""
    counts = np.ones((1,) * len(outputs))
    for entry, size in zip(relation.sources, inputs, strict=True):
        if isinstance(entry, Along):
            one = [len(entry.reads.inputs_of(IntervalSet.one(output))) for output in range(outputs[entry.axis])]
            counts = counts * (one[0] if len(set(one)) == 1 else laid_along(np.array(one), entry.axis, len(outputs)))
        else:
            counts = counts * (size if isinstance(entry, Whole) else len(entry.places))
    return counts


def _shared_out(weights: Weights, taps: Weights | int) -> Weights:
    return weights / np.maximum(taps, 1)


def _apart(one: AxisWise, two: AxisWise, inputs: Shape, outputs: Shape) -> bool:
    """Say whether no output reads the same input through both relations; False also where that is not plain."""
    return any(_differ(a, b, size, outputs) for a, b, size in zip(one.sources, two.sources, inputs, strict=True))


def _differ(one: Along | Only | Whole, two: Along | Only | Whole, size: int, outputs: Shape) -> bool:
    axes = {entry.axis for entry in (one, two) if isinstance(entry, Along)}
    if len(axes) > 1:
        return False

    def read(entry: Along | Only | Whole, output: int) -> IntervalSet:
        if isinstance(entry, Along):
            return entry.reads.inputs_of(IntervalSet.one(output)).clip(0, size)
        return entry.places if isinstance(entry, Only) else whole(size)

    return not any(read(one, output) & read(two, output) for output in range(outputs[axes.pop()] if axes else 1))


def laid_along(values: Weights, axis: int, rank: int) -> Weights:
    """Return a line of values as an array of some rank, along one of its axes."""
    return values.reshape(_with((1,) * rank, axis, len(values)))


def _marked(places: IntervalSet, size: int) -> Weights:
    marks = np.zeros(size)
    marks[list(places.clip(0, size))] = 1
    return marks


def _with(shape: Sequence[int], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])
