"""Formulas with numbers in them: every sum is added up, index by index, and nothing is simplified first.

This is the judge of the rules: it knows no delta but as a comparison of two numbers, and takes a derivative by
changing the entry and looking at what comes out. Whole numbers and fractions are exact.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from faltung.formulas.expressions import (
    Between,
    Condition,
    Divides,
    Entry,
    Equal,
    Expression,
    Partial,
    Term,
    scalars,
)
from faltung.formulas.rules import Definition
from faltung.formulas.scalars import Scalar, Symbol
from faltung.formulas.values import Numbers, number, quotient

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
    _made: dict[object, Numbers] = field(default_factory=dict)

    def array(self, tensor: str) -> Numbers:
        """Return all entries of a tensor that has a list of them."""
        found = self.tensors[tensor]
        if isinstance(found, Computed):
            return self.computed(found)
        assert isinstance(found, Array | OnIntegers)
        return found.values

    def look(self, tensor: str, indices: tuple[Numbers, ...]) -> Numbers:
        """Return entries of a tensor by name."""
        return self.tensors[tensor].at(indices, self)

    def computed(self, tensor: Computed) -> Numbers:
        """Return the entries of a computed tensor, computed once."""
        if tensor not in self._made:
            self._made[tensor] = np.asarray(tensor.compute(self))
        return self._made[tensor]

    def derivative(self, number: str, tensor: str, place: tuple[int, ...]) -> Numbers:
        """Return the derivative of a tensor without indices by an entry of another, found once."""
        key = number, tensor, place
        if key not in self._made:
            self._made[key] = self.difference(Expression.of(Entry(number)), tensor, place, {})
        return self._made[key]

    def difference(self, of: Expression, tensor: str, place: tuple[int, ...], points: Points) -> Numbers:
        """Return the derivative of an expression by one entry of a tensor: half of what +1 and -1 make of it.

        Exact where the expression is at most quadratic in the entry, as all that is derived here is.
        """
        up, down = (evaluate(of, self.changed(tensor, place, step), points) for step in (1, -1))
        return np.asarray((up - down) * Fraction(1, 2) if up.dtype == object else (up - down) // 2)

    def changed(self, tensor: str, place: tuple[int, ...], by: int) -> "Instance":
        """Return the instance with one entry of a tensor changed, and all that is computed from it."""
        found = self.tensors[tensor]
        values = self.array(tensor).copy()
        if not all(0 <= at < size for at, size in zip(place, values.shape, strict=True)):
            raise IndexError(f"index {place} of a tensor of shape {values.shape}")
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
    >>> from faltung.formulas import Over
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
        total = total + _sum(term, instance, points, count)
    return total


@dataclass(frozen=True)
class Read:
    """An entry of a tensor that a summand is made of, with its value."""

    tensor: str
    place: tuple[int, ...]
    value: Any


def summands(expression: Expression, instance: Instance, points: Points) -> list[list[tuple[Read, ...]]]:
    """Return, for each point, the products of entries that an expression adds up there.

    The factors must be entries; a scale is left out.

    >>> from faltung.formulas import Over
    >>> i, m = Symbol("i"), Symbol("m")
    >>> term = Term((Entry.of("W", m), Entry.of("X", Scalar.of(i) + m)), (Over.below(m, 2),))
    >>> instance = Instance({}, {"W": Array(np.array([1, -1])), "X": Array(np.array([2, 5, 9]))})
    >>> ((first, second),) = summands(Expression((term,)), instance, {i: np.array([1])})
    >>> second
    (Read(tensor='W', place=(1,), value=-1), Read(tensor='X', place=(2,), value=9))
    """
    count = len(next(iter(points.values()))) if points else 1
    found: list[list[tuple[Read, ...]]] = [[] for _ in range(count)]
    for term in expression.terms:
        ranges = [_range(over.low, over.high, instance) for over in term.over]
        grid = _Summands(instance, {s: v for s, v in points.items() if s not in term.bound}, count)
        entries = [factor for factor in term.factors if isinstance(factor, Entry)]
        grid.expand(term, ranges)
        for cell, factors in enumerate(zip(*map(grid.read, entries), strict=True)):
            found[grid.point[cell]].append(factors)
    return found


def _sum(term: Term, instance: Instance, points: Points, count: int) -> Numbers:
    """Return a term at some points, so many of them at once that the summands fit."""
    ranges = [_range(over.low, over.high, instance) for over in term.over]
    step = max(1, MOST_CELLS // max(1, int(np.prod([len(along) for along in ranges]))))
    parts = []
    for first in range(0, count, step):
        some = {s: values[first : first + step] for s, values in points.items() if s not in term.bound}
        parts.append(_Summands(instance, some, min(step, count - first)).sum(term, ranges))
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


class _Summands:
    """The summands of a term at some points: the values of all indices, one entry for each summand.

    Indices are added one by one, and what a condition excludes is dropped as soon as its indices are there.
    """

    def __init__(self, instance: Instance, points: Points, count: int) -> None:
        self.instance = instance
        self.count = count
        self.point: Numbers = np.arange(count)
        self.indices: dict[Symbol, Numbers] = dict(points)
        self.values: dict[Symbol, int | Numbers] = {**instance.symbols, **self.indices}

    def sum(self, term: Term, ranges: list[range]) -> Numbers:
        """Return the sum of the summands at each point."""
        self.expand(term, ranges)
        product: Numbers = np.ones(len(self.point), dtype=np.int64)
        for factor in term.factors:
            product = product * self._factor(factor)
        total = np.zeros(self.count, dtype=product.dtype)
        np.add.at(total, self.point, product)
        above, below = self._quotient(term.scale)
        total = total * int(above)
        return total if below == 1 else total.astype(object) * Fraction(1, below)

    def read(self, entry: Entry) -> list[Read]:
        """Return an entry of each summand."""
        places, values = self._places(entry), self._factor(entry)
        listed = zip(*(along.tolist() for along in places), strict=True) if places else [()] * len(self.point)
        return [Read(entry.tensor, tuple(at), v) for at, v in zip(listed, values.tolist(), strict=True)]

    def expand(self, term: Term, ranges: list[range]) -> None:
        """List the summands of a term: every index of every sum, where the conditions hold."""
        waiting = self._filtered(term.conditions)
        for over, along in zip(term.over, ranges, strict=True):
            size = len(self.point)
            self.indices = {symbol: np.repeat(values, len(along)) for symbol, values in self.indices.items()}
            self.indices[over.index] = np.tile(np.array(along, dtype=np.int64), size)
            self.point = np.repeat(self.point, len(along))
            self.values |= self.indices
            waiting = self._filtered(waiting)

    def _filtered(self, conditions: Iterable[Condition]) -> list[Condition]:
        """Drop the summands that a condition excludes; return the conditions whose indices are not yet there."""
        waiting = []
        for condition in conditions:
            symbols = {symbol for scalar in scalars(condition) for symbol in scalar.symbols()}
            if not symbols <= self.values.keys():
                waiting.append(condition)
                continue
            inside = np.broadcast_to(self._holds(condition), self.point.shape)
            if not inside.all():
                self.indices = {symbol: values[inside] for symbol, values in self.indices.items()}
                self.point = self.point[inside]
                self.values |= self.indices
        return waiting

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

    def _factor(self, factor: Entry | Partial) -> Numbers:
        if isinstance(factor, Entry):
            return self.instance.look(factor.tensor, self._places(factor))
        places, by, inner = self._places(factor.by), factor.by.tensor, factor.of.entry
        derived: Numbers = np.zeros(len(self.point), dtype=np.int64)
        distinct, which = np.unique(np.array(places).reshape(len(places), derived.size), axis=1, return_inverse=True)
        for column, place in enumerate(map(tuple, distinct.T.tolist()) if places else [()]):
            here = np.asarray(which).ravel() == column if places else np.ones(derived.size, dtype=bool)
            if inner is not None and not inner.indices:
                found = self.instance.derivative(inner.tensor, by, place)
            else:
                there = {symbol: values[here] for symbol, values in self.indices.items()}
                found = self.instance.difference(factor.of, by, place, there)
            derived = derived.astype(np.result_type(derived, found))
            derived[here] = found
        return derived

    def _places(self, entry: Entry) -> tuple[Numbers, ...]:
        """Return the indices of an entry; they must be whole."""
        found = []
        for index in entry.indices:
            above, below = self._quotient(index)
            above = np.broadcast_to(above, self.point.shape)
            if (above % below).any():
                raise IndexError(f"an index of {entry.tensor} is no whole number")
            found.append(above // below)
        return tuple(found)

    def _quotient(self, scalar: Scalar) -> tuple[Any, int]:
        return quotient(scalar, self.values, self.instance.look)


def _range(low: Scalar | None, high: Scalar | None, instance: Instance) -> range:
    if low is None or high is None:
        if instance.integers is None:
            raise ValueError("a sum over all whole numbers needs a range that stands for them")
        return instance.integers
    return range(number(low, instance.symbols), number(high, instance.symbols))
