"""Views stepped over: axes that are cut into windows, exchanged and joined again keep apart.

A view that joins axes mixes them: a row of pixels is a product of places along y and x, as tokens of windows it is
many products. But windows are joined to a picture again, and between the two pictures every axis went its own way.
Here a place along an axis is followed as a number with digits: a view cuts and joins digits, a permutation moves
them, a sum over an axis reads all values of a digit. Where the digits of every axis are found together again, what
lies between is one relation, axis by axis.
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
class Follows:
    """A digit of an axis of a source: (place // step) % size of the place along an axis of the layer above."""

    size: int
    axis: int
    step: int

    def cut(self, low: int) -> "tuple[Follows, Follows]":
        """Return two digits for this one, the lower of size `low`."""
        return Follows(self.size // low, self.axis, self.step * low), Follows(low, self.axis, self.step)


@dataclass(frozen=True)
class Fixed:
    """A digit of an axis of a source of which every unit above reads the same values, out of `size`."""

    size: int
    values: IntervalSet

    def cut(self, low: int) -> "tuple[Fixed, Fixed] | None":
        """Return two digits for this one, the lower of size `low`; None where their values depend on each other."""
        return (_all(self.size // low), _all(low)) if len(self.values) == self.size else None


Digit = Follows | Fixed
Digits = tuple[tuple[Digit, ...], ...]
"""For every axis of a tensor its digits, highest first."""

Source = tuple[str, Relation]
"""A layer that is read, and how."""


def _all(size: int) -> Fixed:
    return Fixed(size, whole(size))


def stepped_over(
    layer: str, sources: Callable[[str], Iterable[Source]], shapes: Callable[[str], Shape]
) -> list[tuple[str, AxisWise]] | None:
    """Return how a layer that joins axes reads earlier ones axis by axis, everything between them stepped over.

    Parameters
    ----------
    layer : str
        Its name.
    sources, shapes : callable
        Give for the name of a layer what it reads, and the shape of its feature map.

    Returns
    -------
    list of (str, AxisWise), or None
        None where the layer joins no axes, or where they are not found together again behind operators that read
        axes in place or whole.
    """
    top, read = shapes(layer), list(sources(layer))
    if not any(isinstance(relation, Reshape) and _joins(top, shapes(source)) for source, relation in read):
        return None
    in_place: Digits = tuple((Follows(size, axis, 1),) for axis, size in enumerate(top))
    pending = [(source, relation, in_place, top) for source, relation in read]
    found: dict[tuple[str, AxisWise], None] = {}
    seen: set[tuple[str, Digits]] = set()
    while pending:
        source, relation, digits, above = pending.pop()
        here = shapes(source)
        below = _through(relation, digits, above, here)
        further = list(sources(source))
        if below is None or len(seen) == MOST_STEPS:
            return None
        if (source, below) in seen:
            continue
        seen.add((source, below))
        if any(isinstance(digit, Fixed) and not digit.values for axis in below for digit in axis):
            continue  # another part of joined tensors is read, and this one not
        axis_by_axis = _together(below, top)
        if axis_by_axis is not None:
            found[source, axis_by_axis] = None
        elif further:
            pending += [(next_source, relation, below, here) for next_source, relation in further]
        else:
            return None
    return [one for one in found if not any(other != one and _holds(other, one) for other in found)] or None


def _joins(above: Shape, below: Shape) -> bool:
    return sum(size > 1 for size in above) < sum(size > 1 for size in below)


def _holds(most: tuple[str, AxisWise], some: tuple[str, AxisWise]) -> bool:
    """Say whether a layer is read by one relation where it is read by another one."""
    return most[0] == some[0] and all(
        isinstance(a, Whole)
        or a == b
        or (
            (isinstance(a, Along) and isinstance(b, Along) and a.axis == b.axis)
            and (isinstance(a.reads, Reads) and isinstance(b.reads, Reads) and a.reads.same_rate(b.reads))
            and a.reads.union(b.reads) == a.reads
        )
        for a, b in zip(most[1].sources, some[1].sources, strict=True)
    )


def _through(relation: Relation, digits: Digits, above: Shape, below: Shape) -> Digits | None:
    """Return the digits of a source's axes from those of the layer that reads it; None where they get lost."""
    if isinstance(relation, Reshape):
        return _regrouped(digits, below)
    if isinstance(relation, InTurn):
        shapes = (above, *relation.between, below)
        for step, outputs, inputs in zip(relation.relations, shapes, shapes[1:], strict=False):
            further = _through(step, digits, outputs, inputs)
            if further is None:
                return None
            digits = further
        return digits
    if not isinstance(relation, AxisWise):
        return None
    axes: list[tuple[Digit, ...]] = []
    for source, size in zip(relation.sources, below, strict=True):
        if isinstance(source, Whole):
            axes.append((_all(size),))
        elif isinstance(source, Only):
            axes.append((Fixed(size, source.places),))
        elif source.reads is SAME and above[source.axis] == size:
            axes.append(digits[source.axis])
        else:
            fixed = [digit for digit in digits[source.axis] if isinstance(digit, Fixed)]
            if len(fixed) < len(digits[source.axis]):
                return None
            axes.append((Fixed(size, source.reads.inputs_of(_spelt(fixed)).clip(0, size)),))
    return tuple(axes)


def _spelt(digits: Sequence[Fixed]) -> IntervalSet:
    """Return the numbers that digits spell, the highest first."""
    numbers = IntervalSet.one(0)
    for digit in digits:
        numbers = IntervalSet.of(
            (number * digit.size + start, number * digit.size + stop)
            for number in numbers
            for start, stop in digit.values.intervals
        )
    return numbers


def _regrouped(digits: Digits, shape: Shape) -> Digits | None:
    """Return the digits of all axes in a row, cut where needed and put together for axes of other sizes."""
    row = [digit for axis in digits for digit in axis if digit.size > 1]
    axes: list[tuple[Digit, ...]] = []
    for size in reversed(shape):
        axis: list[Digit] = []
        while size > 1 and row:
            lowest = row.pop()
            if size % lowest.size:
                parts = lowest.cut(size) if lowest.size % size == 0 else None
                if parts is None:
                    return None
                row.append(parts[0])
                lowest = parts[1]
            axis.insert(0, lowest)
            size //= lowest.size
        axes.insert(0, tuple(axis))
    return tuple(axes)


def _together(digits: Digits, top: Shape) -> AxisWise | None:
    """Return the relation in which every axis follows one above, if the digits of every axis are together."""
    sources = [_source(_merged(axis), top) for axis in digits]
    followed = [source.axis for source in sources if isinstance(source, Along)]
    if len(set(followed)) < len(followed):
        return None
    found = tuple(source for source in sources if source is not None)
    return AxisWise(found) if len(found) == len(sources) else None


def _merged(axis: Sequence[Digit]) -> list[Digit]:
    """Return the digits of an axis, neighbours that follow neighbouring digits of the same axis made one."""
    found: list[Digit] = []
    for digit in axis:
        last = found[-1] if found else None
        if (isinstance(digit, Follows) and isinstance(last, Follows)) and (
            (last.axis, last.step) == (digit.axis, digit.step * digit.size)
        ):
            found[-1] = Follows(last.size * digit.size, digit.axis, digit.step)
        else:
            found.append(digit)
    return found


def _source(axis: Sequence[Digit], top: Shape) -> Along | Only | Whole | None:
    """Return how an axis is read whose highest digit may be that of an axis above of the same size; else None."""
    leading = axis[0] if axis and isinstance(axis[0], Follows) else None
    rest = [digit for digit in axis[leading is not None :] if isinstance(digit, Fixed)]
    if len(rest) + (leading is not None) < len(axis):
        return None
    places = _spelt(rest)
    size = prod(digit.size for digit in rest)
    if leading is None:
        return Whole() if len(places) == size else Only(places)
    if leading.step != size or leading.step * leading.size != top[leading.axis]:
        return None
    return Along(leading.axis, Reads(size, [places] * size))
