"""Ways carried through a relation: from the axes of what is read to those of the layer that reads it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import gcd, lcm, prod

from faltung.equivariance.ways import Way, agrees, image, interior, turns
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisWise, InTurn, Only, Relation, Reshape, Shape, matching_axes

Ways = Mapping[int, Way]

NO_PERIOD = "reads {{}} by no period ({inputs} places, {outputs} outputs)"
ACROSS = "works across axes that a view has merged, {} among them"
UNLIKE = "does not read {} from both ends alike"
NOT_LIKE = "reads {} unlike the other axis"
TABLE = "moves data along {} by a table"
ONE_LEFT = "drops {}, of which one place is left"
CUT = "cuts or merges axes, {} among them"


NOT_FOLLOWED = (ACROSS, TABLE, CUT)
"""Troubles that say nothing against it: only that it is not followed any further."""


@dataclass(frozen=True)
class Passed:
    """What becomes of the ways of one tensor in the layer that reads it.

    Parameters
    ----------
    factor : int
        How many times the shift must be made before the layer follows by whole units.
    ways : mapping of int to Way
        By axis of the layer, for the shift made `factor` times.
    still : set of int
        Axes of the layer that follow axes which stay where they are.
    whole, fixed : tuple of int
        Axes of the tensor that move, and are read whole or in places that do not move.
    trouble : str
        Why an axis cannot be followed, with `{}` for its name; empty where all can.
    everywhere : bool
        Borders are taken onto each other as well.
    """

    factor: int = 1
    ways: Ways = field(default_factory=dict)
    still: frozenset[int] = frozenset()
    whole: tuple[int, ...] = ()
    fixed: tuple[int, ...] = ()
    trouble: str = ""
    everywhere: bool = True


def through(
    relation: Relation, ways: Ways, still: Collection[int], inputs: Shape, outputs: Shape, shifts: bool
) -> Passed:
    """Carry ways through a relation from a tensor of shape `inputs` to one of shape `outputs`.

    `shifts` says that the ways are a shift, which may be made several times; else they are a mirroring or a turn.
    """
    if isinstance(relation, InTurn):
        return _in_turn(relation, ways, still, inputs, outputs, shifts)
    if isinstance(relation, AxisWise):
        return _axis_wise(relation, ways, still, inputs, outputs, shifts)
    if isinstance(relation, Reshape):
        return _reshaped(ways, still, inputs, outputs, shifts)
    return Passed(trouble=TABLE if ways else "", still=frozenset(range(len(outputs))))


def _in_turn(
    relation: InTurn, ways: Ways, still: Collection[int], inputs: Shape, outputs: Shape, shifts: bool
) -> Passed:
    shapes = (inputs, *reversed(relation.between), outputs)
    found = Passed(1, ways, frozenset(still))
    for step, below, above in zip(reversed(relation.relations), shapes, shapes[1:], strict=False):
        one = through(step, found.ways, found.still, below, above, shifts)
        if one.trouble or one.whole or one.fixed:  # their axes would be those of a tensor in between
            return Passed(trouble=one.trouble or TABLE)
        everywhere = found.everywhere and one.everywhere
        found = Passed(found.factor * one.factor, one.ways, one.still, everywhere=everywhere)
    return found


def _axis_wise(
    relation: AxisWise, ways: Ways, still: Collection[int], inputs: Shape, outputs: Shape, shifts: bool
) -> Passed:
    sources = relation.sources
    followed = {axis: source for axis, source in enumerate(sources) if isinstance(source, Along)}
    staying = frozenset(followed[axis].axis for axis in still if axis in followed)
    whole = tuple(axis for axis in ways if axis not in followed and not isinstance(sources[axis], Only))
    fixed = tuple(axis for axis in ways if isinstance(sources[axis], Only))
    factor = 1
    if shifts:
        periods = {axis: interior(followed[axis].reads) for axis in ways if axis in followed}
        if None in periods.values():
            odd = next(axis for axis, reads in periods.items() if reads is None)
            return Passed(trouble=NO_PERIOD.format(inputs=inputs[odd], outputs=outputs[followed[odd].axis]))
        factor = lcm(*(turns(ways[axis], reads) for axis, reads in periods.items() if reads))
    found: dict[int, Way] = {}
    everywhere = True
    for axis, way in ways.items():
        if axis not in followed:
            continue
        if way.to not in followed:
            return Passed(trouble=NOT_LIKE)
        one, two = followed[axis], followed[way.to]
        carried = _along(way, one, two, inputs[axis], outputs[one.axis], factor, shifts)
        if isinstance(carried, str):
            return Passed(trouble=carried)
        found[one.axis] = carried
        size = outputs[two.axis]
        if not shifts and (not carried.is_onto(size) or not _lists_agree(way, one, two, carried, size)):
            everywhere = False
    return Passed(factor, found, staying, whole, fixed, "", everywhere)


def _along(way: Way, one: Along, two: Along, inputs: int, outputs: int, factor: int, shifts: bool) -> Way | str:
    """Return a way carried along one axis, or why it cannot be."""
    if way.block != inputs:  # within merged axes
        same = one.reads == two.reads == SAME and inputs == outputs
        return replace(way.times(factor), to=two.axis) if same else ACROSS
    first, second = interior(one.reads), interior(two.reads)
    if first is None or second is None:
        moved = agrees(way, one.reads, two.reads, outputs) if way.is_onto(inputs) else None
        around = 0
    elif shifts:
        moved = way.offset * factor * first.period // first.stride
        around = 0 if way.around % first.stride else abs(way.around * first.period // first.stride)
    else:
        moved, around = image(way.sign, way.offset, first, second), 0
    if moved is None:
        return UNLIKE if way.sign < 0 else NOT_LIKE
    return Way(two.axis, way.sign, moved, outputs, around)


def _lists_agree(way: Way, one: Along, two: Along, carried: Way, outputs: int) -> bool:
    """Say whether lists are taken onto each other at their borders as well; relations with a period are."""
    if isinstance(one.reads, Reads) and isinstance(two.reads, Reads):
        return True
    return agrees(way, one.reads, two.reads, outputs) == carried.offset


def _reshaped(ways: Ways, still: Collection[int], inputs: Shape, outputs: Shape, shifts: bool) -> Passed:
    if inputs == outputs:
        return Passed(1, ways, frozenset(still))
    groups = matching_axes(outputs, inputs)
    places: dict[int, tuple[int, int, Way]] = {}
    for axis, way in ways.items():
        above, below = next(group for group in groups if axis in group[1])
        if not shifts:
            long_above = [place for place in above if outputs[place] > 1]
            long_below = [place for place in below if inputs[place] > 1]
            if len(long_above) != 1 or long_below != [axis]:
                return Passed(trouble=CUT if inputs[axis] > 1 else ONE_LEFT)
            places[axis] = long_above[0], 1, way
            continue
        found = _regrouped(way, axis, below, above, inputs, outputs)
        if isinstance(found, str):
            return Passed(trouble=found)
        places[axis] = found
    if len({place for place, _, _ in places.values()}) < len(places):
        return Passed(trouble=CUT)
    factor = lcm(*(times for _, times, _ in places.values()))
    carried = {
        place: replace(way, to=places[way.to][0] if not shifts else place, offset=way.offset * (factor // times))
        for place, times, way in places.values()
    }
    staying = frozenset(axis for axis, size in enumerate(outputs) if size > 1 and axis not in carried)
    return Passed(factor, carried, staying)


def _regrouped(
    way: Way, axis: int, below: range, above: range, inputs: Shape, outputs: Shape
) -> tuple[int, int, Way] | str:
    """Return the axis that a shift is made along after a view, how often, and the shift made so often.

    In row-major order of the merged axes it is a shift by offset * (places behind the axis), in stretches of
    block * (places behind the axis); one of the new axes must have the stretch inside it.
    """
    behind = prod(inputs[axis + 1 : below.stop])
    offset, block, around = (number * behind for number in (way.offset, way.block, way.around))
    if way.block == 1:
        return ONE_LEFT
    for place in above:
        step = prod(outputs[place + 1 : above.stop])
        if not step < block <= step * outputs[place]:
            continue
        if block % step or (step * outputs[place]) % block:
            return CUT
        times = step // gcd(offset, step)
        circle = 0 if around % step else around // step
        return place, times, Way(place, 1, offset * times // step, block // step, circle)
    return CUT


def follow(relation: Relation, axes: Collection[int], inputs: Shape, outputs: Shape) -> frozenset[int]:
    """Return the axes of a layer that lie along some axes of what it reads, whatever they do there."""
    if isinstance(relation, InTurn):
        shapes = (inputs, *reversed(relation.between), outputs)
        for step, below, above in zip(reversed(relation.relations), shapes, shapes[1:], strict=False):
            axes = follow(step, axes, below, above)
        return frozenset(axes)
    if isinstance(relation, AxisWise):
        sources = (relation.sources[axis] for axis in axes)
        return frozenset(source.axis for source in sources if isinstance(source, Along))
    if isinstance(relation, Reshape):
        return frozenset(
            place
            for above, below in matching_axes(outputs, inputs)
            if set(below) & set(axes)
            for place in above
            if outputs[place] > 1
        )
    return frozenset(range(len(outputs)) if axes else ())
