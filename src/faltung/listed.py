"""The relation of one axis as an explicit list of what each output reads.

Adaptive pooling to odd sizes, interpolation with aligned corners, rolls and running sums have no period: what
they read is exact, and they have no lattice. Reflecting or circular padding and interpolation have one inside,
and read otherwise at their borders. Standard library only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from faltung.intervals import IntervalSet
from faltung.reads import Reads


@dataclass(frozen=True)
class Listed:
    """Output o reads the inputs in `taps[o]`; outputs outside the list read nothing.

    `interior`, where there is one, is the periodic relation that holds away from the borders.

    >>> running_sum = Listed.of([range(o + 1) for o in range(4)])
    >>> second = IntervalSet.points([2])
    >>> running_sum.inputs_of(second), running_sum.transpose().inputs_of(second)
    (IntervalSet(0..2), IntervalSet(2..3))
    """

    taps: tuple[IntervalSet, ...]
    interior: Reads | None = None

    @classmethod
    def of(cls, taps: Iterable[Iterable[int]], interior: Reads | None = None) -> "Listed":
        """Return the relation in which output o reads the o-th of the given sets."""
        return cls(
            tuple(
                IntervalSet.of([(tap.start, tap.stop)])
                if isinstance(tap, range) and tap.step == 1
                else IntervalSet.points(tap)
                for tap in taps
            ),
            interior,
        )

    def inputs_of(self, outputs: IntervalSet) -> IntervalSet:
        """Return every input that any of the outputs reads."""
        inside = outputs.clip(0, len(self.taps))
        if len(inside) == len(self.taps):
            return self._coverage
        return IntervalSet.of(pair for output in inside for pair in self.taps[output].intervals)

    @cached_property
    def _coverage(self) -> IntervalSet:
        return IntervalSet.of(pair for taps in self.taps for pair in taps.intervals)

    def transpose(self) -> "Listed":
        """Return the relation read backwards: which outputs read each input."""
        return self._transposed

    @cached_property
    def _transposed(self) -> "Listed":
        # Only what changes from one output to the next is looked at: running sums would else be quadratic.
        inputs = max((taps.bounds.stop for taps in self.taps), default=0)
        readers: list[list[tuple[int, int]]] = [[] for _ in range(inputs)]
        since = [0] * inputs
        before = IntervalSet()
        for output, taps in enumerate((*self.taps, IntervalSet())):
            for place in before - taps:
                readers[place].append((since[place], output))
            for place in taps - before:
                since[place] = output
            before = taps
        return Listed(tuple(IntervalSet(tuple(outputs)) for outputs in readers))
