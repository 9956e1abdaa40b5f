"""Where the units of one axis go when the input is moved, mirrored or turned, and how a layer carries that on.

A way says: the unit at place i of an axis becomes the unit at place `sign*i + offset` of the axis `to`. A layer
carries a way from what it reads to its own units if its relation commutes with it:

    reads(sign*i + offset') = sign*reads(i) + offset        for every place i

For a shift (sign 1) the smallest solution has offset = S and offset' = P, the stride and the period of the
relation in its reduced form; all others are multiples of it.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd, lcm

from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import AxisReads


@dataclass(frozen=True)
class Way:
    """The unit at place i becomes the one at `sign*i + offset` of the axis `to`.

    Parameters
    ----------
    to, sign, offset : int
        The axis; 1 or -1; how far.
    block : int
        Length of the stretches within which it is so: the size of the axis, or less where a view has merged axes
        and the axis that moves is not the outermost of them.
    around : int
        On a circle: its circumference, and places count modulo it. 0 on a line.
    """

    to: int
    sign: int
    offset: int
    block: int
    around: int = 0

    def times(self, factor: int) -> "Way":
        """Return the shift that is `factor` times as long."""
        return replace(self, offset=self.offset * factor)

    def is_onto(self, size: int) -> bool:
        """Say whether it takes the places of an axis of that size onto themselves."""
        return self.block == size and self.offset == (size - 1 if self.sign < 0 else 0)

    def place(self, place: int) -> int | None:
        """Return where a place goes; None for beyond its stretch."""
        stretch, within = divmod(place, self.block)
        there = self.sign * within + self.offset
        if self.around:
            there %= self.around
        return stretch * self.block + there if 0 <= there < self.block else None


def turns(way: Way, reads: Reads) -> int:
    """Return how many times a shift must be made before a layer of that relation follows it by whole units.

    >>> turns(Way(to=0, sign=1, offset=2, block=9), Reads(4, [[0]]))
    2
    """
    return abs(reads.stride) // gcd(way.offset, reads.stride)


@lru_cache(maxsize=4096)
def image(sign: int, offset: int, one: Reads, two: Reads) -> int | None:
    """Return the offset' with two(sign*i + offset') = sign*one(i) + offset for every i; None if there is none.

    >>> same_convolution = Reads(1, [range(-1, 2)])
    >>> image(-1, 9, same_convolution, same_convolution)         # ten places, mirrored: ten units, mirrored
    9
    >>> strided = Reads(2, [range(-1, 2)])
    >>> image(-1, 9, strided, strided) is None                   # the mirrored windows lie between the others
    True
    """
    if one.stride * two.period != two.stride * one.period:
        return None
    first = next((place for place, taps in enumerate(one.taps) if taps), None)
    if first is None:
        return None
    wanted = _mapped(sign, offset, one.inputs_of(IntervalSet.one(first)))
    together = range(lcm(one.period, two.period))
    for phase, taps in enumerate(two.taps):
        if len(taps) != len(wanted):
            continue
        periods, rest = divmod(wanted.bounds.start - taps.bounds.start, two.stride)
        moved = two.period * periods + phase - sign * first
        if rest == 0 and all(
            two.inputs_of(IntervalSet.one(sign * place + moved))
            == _mapped(sign, offset, one.inputs_of(IntervalSet.one(place)))
            for place in together
        ):
            return moved
    return None


def _mapped(sign: int, offset: int, places: IntervalSet) -> IntervalSet:
    return IntervalSet.of(
        (start + offset, stop + offset) if sign > 0 else (offset - stop + 1, offset - start + 1)
        for start, stop in places.intervals
    )


def interior(reads: AxisReads) -> Reads | None:
    """Return the relation that holds away from the borders; None where what is read follows no period.

    A list in which every output copies the place at one distance, counted round the input, is that shift (a roll, a
    repetition): the distance of most.
    """
    if isinstance(reads, Reads):
        return reads
    if not isinstance(reads, Listed) or reads.interior is not None:
        return reads.interior if isinstance(reads, Listed) else None
    if len(reads.taps) < 2 or any(len(taps) != 1 for taps in reads.taps):
        return None
    copied = [taps.bounds.start for taps in reads.taps]
    distances = [place - output for output, place in enumerate(copied)]
    most = max(sorted(set(distances)), key=distances.count)
    round_it = all((distance - most) % len(set(copied)) == 0 for distance in distances)
    return Reads(1, [[most]]) if round_it and set(copied) == set(range(len(set(copied)))) else None


def deviating(reads: AxisReads, inputs: int, around: int) -> IntervalSet:
    """Return the outputs of a list that do not read what its interior relation says, counted round the circle."""
    if not isinstance(reads, Listed):
        return IntervalSet()
    ideal = interior(reads)
    if ideal is None:
        return IntervalSet()
    return IntervalSet.points(
        output
        for output, taps in enumerate(reads.taps)
        if taps != _wound(ideal.inputs_of(IntervalSet.one(output)), inputs if around == inputs else 0)
    )


def _wound(places: IntervalSet, around: int) -> IntervalSet:
    return IntervalSet.points(place % around for place in places) if around else places


def agrees(way: Way, one: AxisReads, two: AxisReads, outputs: int) -> int | None:
    """Return the offset' that takes lists onto each other, all outputs as they are; None if there is none."""
    if not isinstance(one, Listed) or not isinstance(two, Listed) or len(one.taps) != len(two.taps):
        return None
    moved = outputs - 1 if way.sign < 0 else 0
    same = all(
        two.taps[way.sign * output + moved] == _mapped(way.sign, way.offset, taps)
        for output, taps in enumerate(one.taps)
    )
    return moved if same else None
