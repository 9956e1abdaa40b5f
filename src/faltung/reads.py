"""The relation of one axis: which inputs each output reads. Everything else follows from it.

Along one axis every local operator obeys

    output  P*q + r   reads inputs   S*q + t   for t in taps[r],   r = 0 .. P-1

for all integers q: when the output moves by the period P, what it reads moves by the stride S, and each of
the P phases has a finite set of taps. This is the polyphase form of multirate signal processing
(Vaidyanathan, Multirate Systems and Filter Banks, 1993, chapter 4), kept as sets: it says what is read, not
with what weight.

Sizes and borders are not part of the relation: it speaks of all integers, and whoever asks clips to the
range that really exists (padding carries no information). Standard library only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet

MOST_PHASES = 2**16
"""More phases than this are refused: rates that odd come from a slip, and would fill the memory."""


@dataclass(frozen=True, init=False)
class Reads:
    """Output `period*q + r` reads inputs `stride*q + t` for t in `taps[r]`.

    Parameters
    ----------
    stride : int
        How far the input moves when the output moves by one period. Not 0; negative for a flip.
    taps : sequence of IntervalSet or of iterables of int
        One finite set for each phase r; their number is the period P.

    Relations are kept in reduced form (the smallest period that states the same fact), so `==` compares what
    is read and not how it was written.

    >>> conv = Reads(2, [range(-1, 2)])               # kernel 3, stride 2, padding 1
    >>> conv.inputs_of(IntervalSet.points([5]))
    IntervalSet(9..11)
    >>> Reads(2, [[0], [1]]) == Reads(1, [[0]])        # both say: output i reads input i
    True
    """

    stride: int
    taps: tuple[IntervalSet, ...]

    def __init__(self, stride: int, taps: Iterable[IntervalSet | Iterable[int]]) -> None:
        phases = tuple(tap if isinstance(tap, IntervalSet) else IntervalSet.points(tap) for tap in taps)
        if stride == 0 or not phases:
            raise FaltungError(
                f"a relation with stride {stride} and {len(phases)} phases: the stride must not be 0 and "
                "there must be at least one phase"
            )
        stride, phases = _reduce(stride, phases)
        object.__setattr__(self, "stride", stride)
        object.__setattr__(self, "taps", phases)

    @property
    def period(self) -> int:
        """P: how far the output moves when the input moves by the stride."""
        return len(self.taps)

    def inputs_of(self, outputs: IntervalSet) -> IntervalSet:
        """Return every input that any of the outputs reads, over all integers.

        >>> Reads(1, [[0], [0]]).inputs_of(IntervalSet.points([3, 4]))     # nearest upsampling by 2
        IntervalSet(1..2)
        """
        if len(self.taps) == len(outputs.intervals) == len(self.taps[0].intervals) == 1:
            # one window swept over one interval, the common case: one interval, if windows touch
            ((start, stop),) = outputs.intervals
            ((first, end),) = self.taps[0].intervals
            if 0 < self.stride <= end - first or stop - start == 1:
                return IntervalSet(((self.stride * start + first, self.stride * (stop - 1) + end),))
        return IntervalSet.of(self._swept(outputs))

    def _swept(self, outputs: IntervalSet) -> Iterator[tuple[int, int]]:
        period = len(self.taps)
        for start, stop in outputs.intervals:
            for phase in self._reading if stop - start >= period else (o % period for o in range(start, stop)):
                first, end = -((phase - start) // period), -((phase - stop) // period)
                if first < end:
                    yield from _sweep(self.stride, self.taps[phase].intervals, first, end)

    @cached_property
    def _reading(self) -> tuple[int, ...]:
        """The phases that read anything."""
        return tuple(phase for phase, taps in enumerate(self.taps) if taps)

    def compose(self, inner: "Reads") -> "Reads":
        """Return the relation of this operator applied to the output of `inner`.

        Over m = lcm(|self.stride|, inner.period) the two periods meet; the taps are looked up through.

        >>> pool, conv = Reads(2, [range(2)]), Reads(1, [range(3)])
        >>> pool.compose(conv)                            # pooling after a convolution
        Reads(stride=2, taps=[[0..3]])
        """
        meet = lcm(abs(self.stride), inner.period)
        turns = meet // abs(self.stride)
        moved = turns * self.stride // inner.period * inner.stride
        _check_phases(self.period * turns)
        return Reads(
            moved,
            [inner.inputs_of(self.inputs_of(IntervalSet.points([phase]))) for phase in range(self.period * turns)],
        )

    def union(self, other: "Reads") -> "Reads":
        """Return the relation of two branches that meet: each output reads what either reads.

        Raises
        ------
        FaltungError
            If the branches move at different rates: then no period serves both.

        >>> Reads(1, [[0]]).union(Reads(1, [range(-2, 3, 2)]))
        Reads(stride=1, taps=[[-2, 0, 2]])
        """
        if not self.same_rate(other):
            raise FaltungError(
                f"branches that move by {self.stride}/{self.period} and {other.stride}/{other.period} inputs "
                "per output have no common period; the rates of branches must be equal"
            )
        if not any(self.taps):
            return other
        period = lcm(self.period, other.period) if any(other.taps) else self.period
        stride = self.stride * (period // self.period)
        _check_phases(period)
        phases = (IntervalSet.points([phase]) for phase in range(period))
        return Reads(stride, [self.inputs_of(phase) | other.inputs_of(phase) for phase in phases])

    def same_rate(self, other: "Reads") -> bool:
        """Say whether both move by as many inputs per output (a relation that reads nothing moves at any)."""
        return self.stride * other.period == other.stride * self.period or not any(self.taps) or not any(other.taps)

    def transpose(self) -> "Reads":
        """Return the relation read backwards: which outputs read each input.

        >>> Reads(2, [range(3)]).transpose()                # the transposed convolution with k=3, s=2
        Reads(stride=1, taps=[[-1..0], [0]])
        """
        return self._transposed

    @cached_property
    def _transposed(self) -> "Reads":
        sign = 1 if self.stride > 0 else -1
        step = abs(self.stride)
        phases: list[list[tuple[int, int]]] = [[] for _ in range(step)]
        for r, taps in enumerate(self.taps):
            for start, stop in taps.intervals:
                for phase in range(step):
                    # input `phase` = step*q + t with start <= t < stop, so q runs over a range of its own
                    first, last = -((stop - 1 - phase) // step), (phase - start) // step
                    if first <= last:
                        phases[phase] += _sweep(sign * self.period, ((r, r + 1),), first, last + 1)
        return Reads(sign * self.period, [IntervalSet.of(phase) for phase in phases])

    def output_size(self, inputs: int, before: int = 0, after: int = 0) -> int:
        """Return how many outputs 0, 1, 2, … read only inside the padded input.

        Parameters
        ----------
        inputs : int
            Inputs 0 .. inputs-1 exist.
        before, after : int
            Padding: positions -before .. inputs+after-1 may be read.

        Raises
        ------
        FaltungError
            For a relation that runs backwards (negative stride) or reads nothing: it has no first misfit.

        >>> Reads(2, [range(-1, 2)]).output_size(8, before=1, after=1)
        4
        """
        if self.stride < 0 or not any(self.taps):
            raise FaltungError(f"{self} has no output size: it runs backwards or reads nothing")
        misfits = []
        for r, taps in enumerate(self.taps):
            if taps:
                lowest, highest = taps.bounds[0], taps.bounds[-1]
                fits = 0 if lowest < -before else -((highest - inputs - after) // self.stride)
                misfits.append(self.period * max(fits, 0) + r)
        return min(misfits)

    def input_size(self, outputs: int, before: int = 0, after: int = 0) -> int:
        """Return the fewest inputs on which outputs 0 .. outputs-1 read only inside the padded input.

        The counterpart of `output_size`: a transposed convolution has as many outputs as its convolution
        would need inputs. Negative where the padding alone holds more than the windows.

        >>> Reads(2, [range(3)]).input_size(4)
        9
        """
        last = IntervalSet.of([(max(outputs - self.period, 0), outputs)])
        read = self.inputs_of(last)
        return read.bounds.stop - after if read else 0

    def __repr__(self) -> str:
        phases = ", ".join(f"[{taps.describe()}]" for taps in self.taps)
        return f"Reads(stride={self.stride}, taps=[{phases}])"


def _check_phases(phases: int) -> None:
    if phases > MOST_PHASES:
        raise FaltungError(f"a relation of {phases} phases is too large; at most {MOST_PHASES} are kept")


def _sweep(stride: int, taps: tuple[tuple[int, int], ...], first: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the intervals of stride*q + t over q in range(first, stop) and t in taps."""
    ends = (stride * first, stride * (stop - 1))
    low, high = min(ends), max(ends)
    for start, end in taps:
        if stop - first == 1 or end - start >= abs(stride):
            yield low + start, high + end
        else:
            for moved in range(low, high + 1, abs(stride)):
                yield moved + start, moved + end


def _reduce(stride: int, taps: tuple[IntervalSet, ...]) -> tuple[int, tuple[IntervalSet, ...]]:
    """Return the smallest period, with its stride, that states the same relation."""
    period = len(taps)
    if not any(taps):
        return 1, (IntervalSet(),)
    common = gcd(stride, period)
    for turns in range(common, 1, -1):
        if common % turns:
            continue
        short, move = period // turns, stride // turns
        if all(taps[r] == taps[r % short].shift(r // short * move) for r in range(period)):
            return move, taps[:short]
    return stride, taps
