"""Views stepped over: axes that are cut into windows, exchanged and joined again keep apart.

A view that joins axes mixes them: a row of pixels is a product of places along y and x, as tokens of windows it is
many products. But windows are joined to a picture again, and between the two pictures every axis went its own way.
Here it is followed as a number with digits: a view cuts and joins digits, a permutation moves them, a sum over an
axis reads all values of a digit. Where the digits of every axis are found together, the relation is axis by axis.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisWise, InTurn, Only, Relation, Reshape, Shape, Whole, whole

MOST_STEPS = 64
"""After so many layers the search for where the axes are together again is given up."""


@dataclass(frozen=True)
class Digit:
    """A digit of a place along an axis: what of it the units of the layer above read.

    Parameters
    ----------
    size : int
        How many values it has.
    axis, step : int
        It is (place // step) % size of the place along this axis of the layer above; axis -1 for none.
    places : IntervalSet
        Where it follows no axis: its values that are read.
    """

    size: int
    axis: int = -1
    step: int = 1
    places: IntervalSet = IntervalSet()

    def cut(self, size: int) -> "tuple[Digit, Digit] | None":
        """Return two digits for this one, the lower of some size; None where what is read cannot be parted."""
        high = self.size // size
        if self.axis >= 0:
            return Digit(high, self.axis, self.step * size), Digit(size, self.axis, self.step)
        return (_all(high), _all(size)) if len(self.places) == self.size else None


Digits = tuple[tuple[Digit, ...], ...]
"""For every axis of a tensor its digits, highest first."""

Hops = Callable[[str], Iterable[tuple[str, Relation]]]
"""From the name of a layer to its sources, each with a relation to it."""


def _all(size: int) -> Digit:
    return Digit(size, places=whole(size))


def stepped_over(layer: str, hops: Hops, shapes: Callable[[str], Shape]) -> list[tuple[str, AxisWise]] | None:
    """Return how a layer reads earlier ones axis by axis, views and what lies between them stepped over.

    None where the layer joins no axes, or where they are not found together again through operators that read
    other axes in place or whole.
    """
    top = shapes(layer)
    found: dict[tuple[str, AxisWise], None] = {}
    start = tuple((Digit(size, axis),) for axis, size in enumerate(top))
    pending = [(source, relation, start, top) for source, relation in hops(layer)]
    if not any(isinstance(relation, Reshape) and _joins(top, shapes(source)) for source, relation, _, _ in pending):
        return None
    seen = set()
    while pending:
        source, relation, digits, above = pending.pop()
        here = shapes(source)
        below = _through(relation, digits, above, here)
        if below is None or len(seen) == MOST_STEPS:
            return None
        if (source, below) in seen:
            continue
        seen.add((source, below))
        axiswise = _axis_by_axis(below, top)
        if axiswise is not None:
            found[source, axiswise] = None
            continue
        further = [(next_source, next_relation, below, here) for next_source, next_relation in hops(source)]
        if not further:
            return None
        pending += further
    return [one for one in found if not any(other != one and _holds(other, one) for other in found)]


def _holds(one: tuple[str, AxisWise], other: tuple[str, AxisWise]) -> bool:
    """Say whether a relation reads all that another one reads."""
    if one[0] != other[0]:
        return False
    for most, some in zip(one[1].sources, other[1].sources, strict=True):
        if isinstance(most, Whole) or most == some:
            continue
        if not isinstance(most, Along) or not isinstance(some, Along) or most.axis != some.axis:
            return False
        a, b = most.reads, some.reads
        if not isinstance(a, Reads) or not isinstance(b, Reads) or not a.same_rate(b) or a.union(b) != a:
            return False
    return True


def _joins(above: Shape, below: Shape) -> bool:
    return len([size for size in above if size > 1]) < len([size for size in below if size > 1])


def _through(relation: Relation, digits: Digits, above: Shape, below: Shape) -> Digits | None:
    """Return the digits of a source's axes from those of the layer that reads it; None where they get lost."""
    if isinstance(relation, Reshape):
        return _regrouped(digits, below)
    if isinstance(relation, InTurn):
        shapes = (above, *relation.between, below)
        for step, outputs, inputs in zip(relation.relations, shapes, shapes[1:], strict=False):
            found = _through(step, digits, outputs, inputs)
            if found is None:
                return None
            digits = found
        return digits
    if not isinstance(relation, AxisWise):
        return None
    axes: list[tuple[Digit, ...]] = []
    for source, size in zip(relation.sources, below, strict=True):
        if isinstance(source, Whole):
            axes.append((_all(size),))
        elif isinstance(source, Only):
            axes.append((Digit(size, places=source.places),))
        elif source.reads is SAME and above[source.axis] == size:
            axes.append(digits[source.axis])
        else:
            return None
    return tuple(axes)


def _regrouped(digits: Digits, shape: Shape) -> Digits | None:
    """Return the digits of all axes in a row, cut and put together for other axes."""
    row = [digit for axis in digits for digit in axis if digit.size > 1]
    axes: list[tuple[Digit, ...]] = []
    for size in reversed(shape):
        axis: list[Digit] = []
        while size > 1:
            if not row:
                return None
            last = row.pop()
            if size % last.size:
                parts = last.cut(size) if last.size % size == 0 else None
                if parts is None:
                    return None
                row.append(parts[0])
                last = parts[1]
            axis.insert(0, last)
            size //= last.size
        axes.insert(0, tuple(axis))
    return tuple(axes)


def _axis_by_axis(digits: Digits, top: Shape) -> AxisWise | None:
    """Return the relation in which every axis follows another one, if their digits say no more than that."""
    sources: list[Along | Only | Whole] = []
    for axis in digits:
        source = _source(_merged(axis), top)
        if source is None or (isinstance(source, Along) and source.axis in [s.axis for s in sources if isinstance(s, Along)]):
            return None
        sources.append(source)
    return AxisWise(tuple(sources))


def _merged(axis: Sequence[Digit]) -> list[Digit]:
    """Return the digits of an axis, neighbours that follow neighbouring digits of the same axis made one."""
    found: list[Digit] = []
    for digit in axis:
        if found and found[-1].axis == digit.axis >= 0 and found[-1].step == digit.step * digit.size:
            digit = Digit(found.pop().size * digit.size, digit.axis, digit.step)
        found.append(digit)
    return found


def _source(axis: Sequence[Digit], top: Shape) -> Along | Only | Whole | None:
    """Return how an axis is read: its highest digit may be the leading part of an axis above, the rest follow none."""
    leading, rest = (axis[0], axis[1:]) if axis and axis[0].axis >= 0 else (None, axis)
    if any(digit.axis >= 0 for digit in rest):
        return None
    places = IntervalSet.one(0)
    for digit in rest:
        places = IntervalSet.of(
            (place * digit.size + start, place * digit.size + stop)
            for place in places
            for start, stop in digit.places.intervals
        )
    size = prod(digit.size for digit in rest)
    if leading is None:
        return Whole() if len(places) == size else Only(places)
    if leading.step != size or leading.step * leading.size != top[leading.axis]:
        return None
    return Along(leading.axis, Reads(size, [places] * size))
