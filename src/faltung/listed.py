"""The relation of one axis as an explicit list of what each output reads.

Adaptive pooling to odd sizes, interpolation with aligned corners, rolls and running sums have no period: what
they read is exact, and they have no lattice. Reflecting or circular padding and interpolation have one inside,
and read otherwise at their borders. Standard library only.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

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
        read: list[tuple[int, int]] = []
        for start, stop in outputs.clip(0, len(self.taps)).intervals:
            run = bisect_right(self._runs, start) - 1
            while self._runs[run] < stop:
                first, last = max(start, self._runs[run]), min(stop, self._runs[run + 1]) - 1
                if first == last:
                    read += self.taps[first].intervals
                else:
                    read.append((self.taps[first].intervals[0][0], self.taps[last].intervals[0][1]))
                run += 1
        return IntervalSet.of(read)

    @cached_property
    def _runs(self) -> tuple[int, ...]:
        """Where runs of outputs begin that read interval after interval, each overlapping or touching the one before.

        Neither end moves back: outputs of a run read all from where the first one begins to where the last one ends.
        """
        begins = []
        before: tuple[int, int] | None = None
        for output, taps in enumerate(self.taps):
            here = taps.intervals[0] if len(taps.intervals) == 1 else None
            if before is None or here is None or not before[0] <= here[0] <= before[1] <= here[1]:
                begins.append(output)
            before = here
        return (*begins, len(self.taps))

    def transpose(self) -> "Listed":
        """Return the relation read backwards: which outputs read each input."""
        return self._transposed

    @cached_property
    def _transposed(self) -> "Listed":
        readers: list[list[tuple[int, int]]] = [[] for _ in range(max((t.bounds.stop for t in self.taps), default=0))]
        for begin, end in pairwise(self._runs):
            for start, stop in self.taps[begin].intervals if end - begin == 1 else ():
                for place in range(start, stop):
                    readers[place].append((begin, end))
            if end - begin > 1:
                first = last = begin
                for place in self.inputs_of(IntervalSet(((begin, end),))):
                    while self.taps[first].intervals[0][1] <= place:
                        first += 1
                    while last < end and self.taps[last].intervals[0][0] <= place:
                        last += 1
                    readers[place].append((first, last))
        return Listed(tuple(map(IntervalSet.of, readers)))
