"""Formulas with numbers in them: every sum is added up, index by index, and nothing is simplified first.

This is the judge of the rules: it knows no delta but as a comparison of two numbers, and takes a derivative by
changing the entry and looking at what comes out. Whole numbers and fractions are exact.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faltung.boundary import most_padding, source
from faltung.formulas.expressions import Between, Condition, Divides, Entry, Equal, Expression, Partial, Term
from faltung.formulas.rules import Definition
from faltung.formulas.scalars import At, Atom, Floor, Mapped, Scalar, Symbol

Numbers = NDArray[Any]
Points = Mapping[Symbol, Numbers]

MOST_CELLS = 2**21
"""So many summands are added up at once."""


class Tensor(Protocol):
    """What stands for a tensor: its entries at some indices, one array for each axis."""

    def at(self, indices: tuple[Numbers, ...], instance: "Instance") -> Numbers:
        """Return the entries."""


@dataclass(frozen=True, eq=False)
class Array:
    """A tensor whose entries are listed; to read outside of it is a mistake in the formula."""

    values: Numbers

    def at(self, indices: tuple[Numbers, ...], instance: "Instance") -> Numbers:
        """Return the entries."""
        for index, size in zip(indices, self.values.shape, strict=True):
            if index.size and not (index.min() >= 0 and index.max() < size):
                raise IndexError(f"index {index.min()}..{index.max()} of an axis of {size}")
        return np.asarray(self.values[indices])


@dataclass(frozen=True, eq=False)
class OnIntegers:
    """A tensor over all whole numbers: its entries from `origin` on are listed, the others are 0."""

    values: Numbers
    origin: tuple[int, ...]

    def at(self, indices: tuple[Numbers, ...], instance: "Instance") -> Numbers:
        """Return the entries."""
        moved = [index - first for index, first in zip(indices, self.origin, strict=True)]
        inside = np.ones_like(moved[0], bool)
        for index, size in zip(moved, self.values.shape, strict=True):
            inside &= (index >= 0) & (index < size)
        read = self.values[tuple(np.where(inside, index, 0) for index in moved)]
        return np.where(inside, read, 0)


@dataclass(frozen=True, eq=False)
class Defined:
    """A tensor whose entries are what a definition says."""

    definition: Definition

    def at(self, indices: tuple[Numbers, ...], instance: "Instance") -> Numbers:
        """Return the entries."""
        points = {s: index.ravel() for s, index in zip(self.definition.indices, indices, strict=True)}
        values = evaluate(self.definition.body, instance, points)
        return values.reshape(indices[0].shape if indices else values.shape)


@dataclass(frozen=True, eq=False)
class Computed:
    """A tensor computed from others, in a way of its own: the layer itself, a loss."""

    compute: Callable[["Instance"], Numbers]

    def at(self, indices: tuple[Numbers, ...], instance: "Instance") -> Numbers:
        """Return the entries."""
        return Array(instance.computed(self)).at(indices, instance)


@dataclass(frozen=True, eq=False)
class Instance:
    """Numbers for all that has a name in a formula.

    Parameters
    ----------
    symbols : mapping of Symbol to int
        The parameters.
    tensors : mapping of str to Tensor
        The tensors by name.
    integers : range, optional
        What stands for all whole numbers in sums without a range: wide enough that the summands beyond are 0.
    """

    symbols: Mapping[Symbol, int]
    tensors: Mapping[str, Tensor]
    integers: range | None = None
    _made: dict[Computed, Numbers] = field(default_factory=dict)

    def array(self, tensor: str) -> Numbers:
        """Return all entries of a tensor that has a list of them."""
        found = self.tensors[tensor]
        if isinstance(found, Computed):
            return self.computed(found)
        assert isinstance(found, Array | OnIntegers)
        return found.values

    def computed(self, tensor: Computed) -> Numbers:
        """Return the entries of a computed tensor, computed once."""
        if tensor not in self._made:
            self._made[tensor] = np.asarray(tensor.compute(self))
        return self._made[tensor]

    def changed(self, tensor: str, place: tuple[int, ...], by: int) -> "Instance":
        """Return the instance with one entry of a tensor changed, and all that is computed from it."""
        found = self.tensors[tensor]
        values = self.array(tensor).copy()
        values[place] += by
        new: Tensor = Array(values) if isinstance(found, Computed) else replace(found, values=values)  # type: ignore[type-var]
        return Instance(self.symbols, {**self.tensors, tensor: new}, self.integers)


def evaluate(expression: Expression, instance: Instance, points: Points | None = None) -> Numbers:
    """Return the value of an expression at some points.

    Parameters
    ----------
    expression : Expression
        Any.
    instance : Instance
        Numbers for its parameters and tensors.
    points : mapping of Symbol to ndarray of int64, shape (P,)
        The indices that are free in it: point number 0 has the first entry of each, and so on.

    Returns
    -------
    ndarray, shape (P,)
        int64 or object (Python's int and Fraction) as the tensors are.

    Raises
    ------
    IndexError
        If an entry is read that does not exist, under conditions that hold.

    Examples
    --------
    >>> from faltung.formulas.expressions import Over
    >>> i, m, k = Symbol("i"), Symbol("m"), Symbol("k", 1)
    >>> factors = Entry.of("W", m), Entry.of("X", Scalar.of(i) + m)
    >>> instance = Instance({k: 2}, {"W": Array(np.array([1, -1])), "X": Array(np.array([2, 5, 9]))})
    >>> evaluate(Expression((Term(factors, (Over.below(m, k),)),)), instance, {i: np.array([0, 1])})
    array([-3, -4])
    """
    points = {s: np.asarray(values, dtype=np.int64) for s, values in (points or {}).items()}
    count = len(next(iter(points.values()))) if points else 1
    total: Numbers = np.zeros(count, dtype=np.int64)
    for term in expression.terms:
        ranges = [_range(over.low, over.high, instance) for over in term.over]
        cells = int(np.prod([len(r) for r in ranges], initial=1))
        step = max(1, MOST_CELLS // max(1, cells))
        parts = [
            _Grid(
                term, ranges, instance, {s: v[at : at + step] for s, v in points.items()}, min(step, count - at)
            ).sum()
            for at in range(0, count, step)
        ]
        total = total + np.concatenate(parts) if parts else total
    return total


def number(scalar: Scalar, instance: Instance) -> int:
    """Return the value of an index expression without indices."""
    values = {s: np.asarray(n) for s, n in instance.symbols.items()}
    above, below = _quotient(scalar, values, instance)
    if above % below:
        raise ArithmeticError(f"{scalar} is not whole")
    return int(above // below)


@dataclass(frozen=True, eq=False)
class _Grid:
    """One term at some points: a grid of summands, the points first and then one axis for each sum."""

    term: Term
    ranges: list[range]
    instance: Instance
    points: Points
    count: int

    @cached_property
    def values(self) -> dict[Symbol, Numbers]:
        """The value of each symbol, in a shape that spreads over the grid."""
        axes = 1 + len(self.ranges)
        values = {s: np.asarray(n).reshape((1,) * axes) for s, n in self.instance.symbols.items()}
        values |= {s: at.reshape((-1,) + (1,) * (axes - 1)) for s, at in self.points.items()}
        for place, (over, along) in enumerate(zip(self.term.over, self.ranges, strict=True), start=1):
            shape = [1] * axes
            shape[place] = len(along)
            values[over.index] = np.array(along, dtype=np.int64).reshape(shape)
        return values

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.count, *map(len, self.ranges))

    def sum(self) -> Numbers:
        """Return the sum of the summands at each point."""
        inside = np.ones(self.shape, dtype=bool)
        for condition in self.term.conditions:
            inside = inside & self._holds(condition)
        cells = np.nonzero(inside)
        product: Numbers = np.ones(len(cells[0]), dtype=np.int64)
        for factor in self.term.factors:
            product = product * self._factor(factor, cells)
        total = np.zeros(self.count, dtype=product.dtype)
        np.add.at(total, cells[0], product)
        above, below = _quotient(self.term.scale, self.values, self.instance)
        total = total * int(np.asarray(above).item())
        return total if below == 1 else total.astype(object) * Fraction(1, below)

    def _holds(self, condition: Condition) -> Numbers:
        match condition:
            case Equal(left, right):
                a, b = self._quotient(left), self._quotient(right)
                return np.asarray(a[0] * b[1] == b[0] * a[1])
            case Between(low, value, high):
                a, b, c = map(self._quotient, (low, value, high))
                return np.asarray((a[0] * b[1] <= b[0] * a[1]) & (b[0] * c[1] < c[0] * b[1]))
            case Divides(by, value):
                a, b = self._quotient(by), self._quotient(value)
                return np.asarray(b[0] * a[1] % (b[1] * a[0]) == 0)
        raise TypeError(condition)

    def _factor(self, factor: Entry | Partial, cells: tuple[Numbers, ...]) -> Numbers:
        if isinstance(factor, Entry):
            return self.instance.tensors[factor.tensor].at(self._places(factor, cells), self.instance)
        places = self._places(factor.by, cells)
        by = factor.by.tensor
        values = {s: np.broadcast_to(v, self.shape)[cells] for s, v in self.values.items() if s in self._indices}
        derived: Numbers = np.zeros(len(cells[0]), dtype=np.int64)
        distinct, which = np.unique(np.array(places).reshape(len(places), derived.size), axis=1, return_inverse=True)
        for column, place in enumerate(map(tuple, distinct.T.tolist()) if places else [()]):
            here = np.asarray(which).ravel() == column if places else np.ones(derived.size, dtype=bool)
            there = {s: v[here] for s, v in values.items()}
            # Exact where the numerator is at most quadratic in the entry, as all that is derived here is.
            up, down = (evaluate(factor.of, self.instance.changed(by, place, step), there) for step in (1, -1))
            difference = up - down
            halves = difference * Fraction(1, 2) if difference.dtype == object else difference // 2
            derived = derived.astype(halves.dtype)
            derived[here] = halves
        return derived

    @property
    def _indices(self) -> set[Symbol]:
        return set(self.points) | set(self.term.bound)

    def _places(self, entry: Entry, cells: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
        """Return the indices of an entry at the cells whose conditions hold; they are whole there."""
        found = []
        for index in entry.indices:
            above, below = self._quotient(index)
            above = np.broadcast_to(above, self.shape)[cells]
            if (above % below).any():
                raise IndexError(f"an index of {entry.tensor} is no whole number")
            found.append(above // below)
        return tuple(found)

    def _quotient(self, scalar: Scalar) -> tuple[Numbers, int]:
        return _quotient(scalar, self.values, self.instance)


def _quotient(scalar: Scalar, values: Mapping[Symbol, Numbers], instance: Instance) -> tuple[Numbers, int]:
    """Return numerator and denominator, the latter a positive number."""
    total: Numbers = np.zeros((), dtype=np.int64)
    for monomial, factor in scalar.terms.items():
        product: Numbers = np.asarray(factor)
        for atom in monomial:
            product = product * _atom(atom, values, instance)
        total = total + product
    below, atoms = scalar.denominator
    for atom in atoms:
        below *= int(_atom(atom, values, instance).item())
    return total, below


def _atom(atom: Atom, values: Mapping[Symbol, Numbers], instance: Instance) -> Numbers:
    match atom:
        case Symbol():
            return values[atom]
        case Floor(of, by):
            (a, b), (c, d) = _quotient(of, values, instance), _quotient(by, values, instance)
            return np.asarray(a * d // (b * c))
        case Mapped(boundary, _, of, size):
            (at, one), (pixels, _) = _quotient(of, values, instance), _quotient(size, values, instance)
            return _copied(at // one, int(np.asarray(pixels).item()), boundary)
        case At(tensor, indices):
            places = np.broadcast_arrays(*(_quotient(index, values, instance)[0] for index in indices))
            return instance.tensors[tensor].at(tuple(places), instance)


def _copied(positions: Numbers, size: int, boundary: str) -> Numbers:
    """Return the pixel that each position copies; -1 beyond what the boundary can give, which no formula reads."""
    most = most_padding(size, boundary)
    distinct, which = np.unique(positions, return_inverse=True)
    table = []
    for position in distinct.tolist():
        far = max(-position, position - (size - 1))
        pixel = None if most is not None and far > most else source(position, size, boundary)
        table.append(-1 if pixel is None else pixel)
    return np.array(table, dtype=np.int64)[which].reshape(np.shape(positions))


def _range(low: Scalar | None, high: Scalar | None, instance: Instance) -> range:
    if low is None or high is None:
        if instance.integers is None:
            raise ValueError("a sum over all whole numbers needs a range that stands for them")
        return instance.integers
    return range(number(low, instance), number(high, instance))
