"""A finite set of whole numbers, kept as sorted intervals: the currency of everything that follows.

Standard library only. A window of a million taps is one interval, so composing wide layers stays cheap;
a dilated window is many, so holes stay exact.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IntervalSet:
    """A finite set of integers as half-open intervals (start, stop): sorted, disjoint, never touching.

    Build it with `IntervalSet.of` or `IntervalSet.points`, which bring any intervals into this form; the form
    is unique, so `==` compares the sets.

    >>> IntervalSet.of([(3, 5), (0, 2), (4, 7)])
    IntervalSet(0..1, 3..6)
    >>> len(IntervalSet.points([4, 0, 2]) | IntervalSet.of([(1, 3)]))
    4
    """

    intervals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[tuple[int, int]]) -> "IntervalSet":
        """Return the union of half-open intervals, in any order; empty ones count for nothing."""
        merged: list[tuple[int, int]] = []
        for start, stop in sorted(intervals):
            if stop <= start:
                continue
            if merged and start <= merged[-1][1]:
                if stop > merged[-1][1]:
                    merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        return cls(tuple(merged))

    @classmethod
    def points(cls, points: Iterable[int]) -> "IntervalSet":
        """Return the set of the given integers."""
        return cls.of((point, point + 1) for point in points)

    @classmethod
    def one(cls, point: int) -> "IntervalSet":
        """Return the set of a single integer."""
        return cls(((point, point + 1),))

    def __contains__(self, point: int) -> bool:
        place = bisect_right(self.intervals, point, key=lambda interval: interval[0])
        return place > 0 and point < self.intervals[place - 1][1]

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.intervals:
            yield from range(start, stop)

    def __len__(self) -> int:
        return sum([stop - start for start, stop in self.intervals])

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __or__(self, other: "IntervalSet") -> "IntervalSet":
        if not self.intervals or not other.intervals:
            return self if self.intervals else other
        return IntervalSet.of(self.intervals + other.intervals)

    def __and__(self, other: "IntervalSet") -> "IntervalSet":
        if len(self.intervals) == len(other.intervals) == 1:  # the common case
            (start, stop), (first, end) = self.intervals[0], other.intervals[0]
            if first <= start and stop <= end:
                return self
            start, stop = max(start, first), min(stop, end)
            return IntervalSet(((start, stop),)) if start < stop else IntervalSet()
        common: list[tuple[int, int]] = []
        ours, others = iter(self.intervals), iter(other.intervals)
        a, b = next(ours, None), next(others, None)
        while a is not None and b is not None:
            start, stop = max(a[0], b[0]), min(a[1], b[1])
            if start < stop:
                common.append((start, stop))
            if a[1] < b[1]:
                a = next(ours, None)
            else:
                b = next(others, None)
        return IntervalSet(tuple(common))

    def __sub__(self, other: "IntervalSet") -> "IntervalSet":
        if not self.intervals or not other.intervals:
            return self
        low, high = self.intervals[0][0], self.intervals[-1][1]
        return self & other.complement(low, high)

    def issubset(self, other: "IntervalSet") -> bool:
        """Say whether every member is in the other set."""
        if not self.intervals or not other.intervals:
            return not self.intervals
        if len(other.intervals) == 1:
            ((start, stop),) = other.intervals
            return start <= self.intervals[0][0] and self.intervals[-1][1] <= stop
        if self.intervals[0][0] < other.intervals[0][0] or other.intervals[-1][1] < self.intervals[-1][1]:
            return False
        return self.intervals == other.intervals or not self - other

    def complement(self, low: int, high: int) -> "IntervalSet":
        """Return the integers of range(low, high) that are not in the set."""
        edges = [low, *(edge for interval in self.clip(low, high).intervals for edge in interval), high]
        return IntervalSet.of(zip(edges[::2], edges[1::2], strict=True))

    def clip(self, low: int, high: int) -> "IntervalSet":
        """Return the part of the set inside range(low, high)."""
        if not self.intervals or (low <= self.intervals[0][0] and self.intervals[-1][1] <= high):
            return self
        return self & IntervalSet.of([(low, high)])

    def shift(self, by: int) -> "IntervalSet":
        """Return the set moved by `by`."""
        return IntervalSet(tuple((start + by, stop + by) for start, stop in self.intervals))

    @property
    def bounds(self) -> range:
        """The tightest range that holds the set; range(0, 0) where it is empty."""
        if not self.intervals:
            return range(0)
        return range(self.intervals[0][0], self.intervals[-1][1])

    def nearest(self, point: int) -> int:
        """Return the member closest to `point` (the smaller one at a tie).

        Raises
        ------
        ValueError
            If the set is empty.
        """
        if len(self.intervals) == 1:
            ((start, stop),) = self.intervals
            return min(max(point, start), stop - 1)
        place = bisect_right(self.intervals, point, key=lambda interval: interval[0])
        around = self.intervals[max(place - 1, 0) : place + 1]
        return min(
            (min(max(point, start), stop - 1) for start, stop in around),
            key=lambda member: (abs(member - point), member),
        )

    def __repr__(self) -> str:
        return f"IntervalSet({self.describe()})"

    def describe(self) -> str:
        """Return the set in words: `0..1, 3..6`; single members without dots."""
        return ", ".join(str(start) if stop == start + 1 else f"{start}..{stop - 1}" for start, stop in self.intervals)
