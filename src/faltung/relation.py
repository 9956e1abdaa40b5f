"""What a set of units of one tensor reads in another: the relation of several axes.

Most operators work axis by axis (`AxisWise`): each input axis follows one output axis by a relation of its
own, is read whole, or in fixed places. Views merge and split axes (`Reshape`); what else only moves data is
exact by an index tensor (`Moved`). A relation maps products of interval sets to products, both ways.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.region import Product

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shape = tuple[int, ...]


class AxisReads(Protocol):
    """The relation of one axis: `Reads` where it is periodic, `Listed` where it is not."""

    def inputs_of(self, outputs: IntervalSet) -> IntervalSet:
        """Return every input that any of the outputs reads."""

    def transpose(self) -> "AxisReads":
        """Return the relation read backwards."""

    def __hash__(self) -> int: ...


class Relation(Protocol):
    """Which units of a source a layer's units read."""

    def inputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return what units of a tensor of shape `outputs` read in one of shape `inputs`."""

    def outputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return the units of a tensor of shape `outputs` that read units of one of shape `inputs`."""


SAME = Reads(1, [[0]])
"""The relation in which output i reads input i."""


@dataclass(frozen=True)
class Along:
    """An input axis that follows an output axis."""

    axis: int
    reads: AxisReads

    def __post_init__(self) -> None:
        if self.reads == SAME:
            object.__setattr__(self, "reads", SAME)  # known by identity, it is passed over quickly

    def __reduce__(self) -> "tuple[type[Along], tuple[int, AxisReads]]":
        return Along, (self.axis, self.reads)  # the identity outlives pickling

    def read_by(self, units: Product, size: int) -> IntervalSet:
        """Return the places of the axis, `size` in all, that units read."""
        return units[self.axis] if self.reads is SAME else self.reads.inputs_of(units[self.axis])


@dataclass(frozen=True)
class Only:
    """An input axis of which every output reads the same places."""

    places: IntervalSet

    def read_by(self, units: Product, size: int) -> IntervalSet:
        """Return the places of the axis that units read."""
        return self.places


@dataclass(frozen=True)
class Whole:
    """An input axis of which every output reads everything."""

    def read_by(self, units: Product, size: int) -> IntervalSet:
        """Return the places of the axis, `size` in all, that units read."""
        return whole(size)


@dataclass(frozen=True)
class AxisWise:
    """An operator that works axis by axis: for each input axis, where it is read.

    No two input axes may follow the same output axis: then boxes would not map to boxes.
    """

    sources: tuple[Along | Only | Whole, ...]

    @classmethod
    def same(cls, rank: int) -> "AxisWise":
        """Return the relation of a pointwise operator: every unit reads the unit at its own place."""
        return cls(tuple(Along(axis, SAME) for axis in range(rank)))

    @cached_property
    def _in_place(self) -> bool:
        return self == AxisWise.same(len(self.sources))

    def inputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return what the units read; see `Relation`."""
        if self._in_place and len(inputs) == len(outputs):
            return products
        axes = list(zip(self.sources, inputs, strict=True))
        return [tuple([source.read_by(units, size) for source, size in axes]) for units in products]

    def outputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return the units that read; see `Relation`."""
        if self._in_place and len(inputs) == len(outputs):
            return products
        readers = []
        for factors in products:
            found = [whole(size) for size in outputs]
            for source, members in zip(self.sources, factors, strict=True):
                if isinstance(source, Along):
                    found[source.axis] = (
                        members if source.reads is SAME else source.reads.transpose().inputs_of(members)
                    )
                elif isinstance(source, Only) and not source.places & members:
                    break
            else:
                readers.append(tuple(found))
        return readers


@dataclass(frozen=True)
class Reshape:
    """A view: the same units in row-major order under another shape."""

    def inputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return what the units read; see `Relation`."""
        groups = matching_axes(outputs, inputs)
        for factors in products:
            pieces = [
                _reshaped(factors[a.start : a.stop], outputs[a.start : a.stop], inputs[b.start : b.stop])
                for a, b in groups
            ]
            for piece in product(*pieces):
                yield tuple(members for part in piece for members in part)

    def outputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return the units that read; see `Relation`."""
        return self.inputs_of(products, outputs, inputs)


@dataclass(frozen=True)
class InTurn:
    """Relations one after the other, from the output towards the input, through tensors of given shapes."""

    relations: tuple[Relation, ...]
    between: tuple[Shape, ...]

    def inputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return what the units read; see `Relation`."""
        shapes = (outputs, *self.between, inputs)
        for relation, above, below in zip(self.relations, shapes, shapes[1:], strict=False):
            products = clipped(relation.inputs_of(products, below, above), below)
        return products

    def outputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return the units that read; see `Relation`."""
        shapes = (inputs, *reversed(self.between), outputs)
        for relation, below, above in zip(reversed(self.relations), shapes, shapes[1:], strict=False):
            products = clipped(relation.outputs_of(products, below, above), above)
        return products


@dataclass(frozen=True, eq=False)
class Moved:
    """Data moved by a table: output unit o (row-major) reads the input unit `sources[o]`, -1 for none.

    The table comes from running the operator on a tensor that holds its own indices.
    """

    sources: "NDArray[np.int64]"

    def inputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return what the units read; see `Relation`."""
        import numpy as np

        chosen = self.sources.reshape(-1)[_linear(products, outputs)]
        return _from_linear(np.unique(chosen[chosen >= 0]), inputs)

    def outputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return the units that read; see `Relation`."""
        import numpy as np

        return _from_linear(np.flatnonzero(np.isin(self.sources.reshape(-1), _linear(products, inputs))), outputs)


def clipped(products: Iterable[Product], shape: Sequence[int]) -> list[Product]:
    """Return what of the products lies inside a shape; empty products are left out."""
    found = []
    for factors in products:
        for members, size in zip(factors, shape, strict=True):
            intervals = members.intervals
            if not intervals or intervals[0][0] < 0 or intervals[-1][1] > size:
                inside = tuple([members.clip(0, size) for members, size in zip(factors, shape, strict=True)])
                found += [inside] if all(inside) else []
                break
        else:  # most lie inside
            found.append(factors)
    return found


@lru_cache(maxsize=4096)
def whole(size: int) -> IntervalSet:
    """Return all places of an axis."""
    return IntervalSet.of([(0, size)])


@lru_cache(maxsize=1024)
def matching_axes(one: Shape, two: Shape) -> tuple[tuple[range, range], ...]:
    """Return the finest groups of neighbouring axes of two shapes that hold the same units.

    >>> matching_axes((2, 6, 5), (2, 2, 3, 5))
    ((range(0, 1), range(0, 1)), (range(1, 2), range(1, 3)), (range(2, 3), range(3, 4)))
    """
    groups = []
    i = j = 0
    while i < len(one) or j < len(two):
        start = i, j
        if i < len(one) and j < len(two):
            left, right = one[i], two[j]
            i, j = i + 1, j + 1
            while left != right:
                if left < right:
                    left, i = left * one[i], i + 1
                else:
                    right, j = right * two[j], j + 1
        else:  # axes of size 1 are left over on one side
            i, j = len(one), len(two)
        groups.append((range(start[0], i), range(start[1], j)))
    return tuple(groups)


def _reshaped(factors: Product, above: Shape, below: Shape) -> list[Product]:
    if above == below:
        return [factors]
    if all(len(members) == size for members, size in zip(factors, above, strict=True)):
        return [tuple(whole(size) for size in below)]
    linear: Iterable[tuple[int, int]] = ((0, 1),)
    for members, size in zip(factors, above, strict=True):
        linear = _finer(linear, members, size)
    return _coarser(IntervalSet.of(linear), below)


def _finer(rows: Iterable[tuple[int, int]], members: IntervalSet, size: int) -> list[tuple[int, int]]:
    """Return linear intervals of (row, member) pairs from those of rows, `size` members to a row."""
    if len(members) == size:
        return [(start * size, stop * size) for start, stop in rows]
    return [
        (row * size + start, row * size + stop)
        for first, end in rows
        for row in range(first, end)
        for start, stop in members.intervals
    ]


def _coarser(linear: IntervalSet, shape: Shape) -> list[Product]:
    """Return products over a shape from linear intervals of its units."""
    if len(shape) == 1:
        return [(linear,)]
    if not shape:
        return [()] if linear else []
    size = prod(shape[1:])
    partial: dict[int, list[tuple[int, int]]] = {}
    complete: list[tuple[int, int]] = []
    for start, stop in linear.intervals:
        first, last = start // size, (stop - 1) // size
        if start != first * size or stop < (first + 1) * size:
            partial.setdefault(first, []).append((start - first * size, min(stop - first * size, size)))
            first += 1
        if last >= first and stop != (last + 1) * size:
            partial.setdefault(last, []).append((0, stop - last * size))
            last -= 1
        if last >= first:
            complete.append((first, last + 1))
    rows: dict[IntervalSet, list[tuple[int, int]]] = {}
    for row, intervals in partial.items():
        rows.setdefault(IntervalSet.of(intervals), []).append((row, row + 1))
    if complete:
        rows.setdefault(whole(size), []).extend(complete)
    return [(IntervalSet.of(places), *rest) for inner, places in rows.items() for rest in _coarser(inner, shape[1:])]


def _linear(products: Sequence[Product], shape: Shape) -> "NDArray[Any]":
    import numpy as np

    if not products:
        return np.zeros(0, dtype=np.int64)
    parts = []
    for factors in products:
        places: NDArray[Any] = np.zeros(1, dtype=np.int64)
        for members, size in zip(factors, shape, strict=True):
            along = np.fromiter(members, dtype=np.int64, count=len(members))
            places = (places[:, None] * size + along).reshape(-1)
        parts.append(places)
    return np.unique(np.concatenate(parts))


def _from_linear(places: "NDArray[Any]", shape: Shape) -> Iterator[Product]:
    import numpy as np

    if places.size:
        breaks = np.flatnonzero(np.diff(places) > 1)
        starts = places[np.concatenate([[0], breaks + 1])]
        stops = places[np.concatenate([breaks, [places.size - 1]])] + 1
        yield from _coarser(IntervalSet(tuple(zip(starts.tolist(), stops.tolist(), strict=True))), shape)
