"""Formulas: sums over index ranges of products of tensor entries, under conditions.

    Expression   sum of terms
    Term         scale * sum over indices * [conditions] * factors
    factor       `Entry`, such as X[s*i + m], or `Partial`, the derivative of an expression by an entry
    condition    `Equal` (a Kronecker delta), `Between`, `Divides`: 1 where it holds, else 0 (Iverson's bracket)

A term whose conditions fail is 0, whatever its factors: they are not looked at. Names of summation indices differ
from all other names of their term.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations

from faltung.formulas.scalars import Like, Scalar, Symbol, Values


@dataclass(frozen=True)
class Equal:
    """A Kronecker delta: 1 where the two index expressions are equal."""

    left: Scalar
    right: Scalar


@dataclass(frozen=True)
class Between:
    """1 where low <= value < high. The value may be a fraction."""

    low: Scalar
    value: Scalar
    high: Scalar


@dataclass(frozen=True)
class Divides:
    """1 where `value` is a multiple of `by`."""

    by: Scalar
    value: Scalar


Condition = Equal | Between | Divides


@dataclass(frozen=True)
class Entry:
    """An entry of a tensor, by name; a number that has a name is a tensor without indices."""

    tensor: str
    indices: tuple[Scalar, ...] = ()

    @classmethod
    def of(cls, tensor: str, *indices: Like) -> "Entry":
        """Return the entry at some index expressions."""
        return cls(tensor, tuple(map(Scalar.of, indices)))


@dataclass(frozen=True)
class Partial:
    """The derivative of an expression by an entry of a tensor."""

    of: "Expression"
    by: Entry


Factor = Entry | Partial


@dataclass(frozen=True)
class Over:
    """A summation index and its range low .. high-1; all whole numbers where both are None."""

    index: Symbol
    low: Scalar | None = None
    high: Scalar | None = None

    @classmethod
    def below(cls, index: Symbol, high: Like) -> "Over":
        """Return the range 0 .. high-1."""
        return cls(index, Scalar.of(0), Scalar.of(high))

    @property
    def condition(self) -> Between | None:
        """The range as a condition on the index."""
        if self.low is None or self.high is None:
            return None
        return Between(self.low, Scalar.of(self.index), self.high)


@dataclass(frozen=True)
class Term:
    """scale * sum over `over` * [conditions] * product of factors."""

    factors: tuple[Factor, ...] = ()
    over: tuple[Over, ...] = ()
    conditions: tuple[Condition, ...] = ()
    scale: Scalar = field(default_factory=lambda: Scalar.of(1))

    @property
    def bound(self) -> frozenset[Symbol]:
        """The summation indices."""
        return frozenset(over.index for over in self.over)

    def symbols(self) -> Iterator[Symbol]:
        """Yield every symbol that occurs."""
        for scalar in scalars(self):
            yield from scalar.symbols()

    def substitute(self, values: Values) -> "Term":
        """Return the term with atoms replaced; summation indices must not be among them."""

        def put(scalar: Scalar) -> Scalar:
            return scalar.substitute(values)

        return Term(
            tuple(_factor(factor, values) for factor in self.factors),
            tuple(
                Over(o.index, None if o.low is None else put(o.low), None if o.high is None else put(o.high))
                for o in self.over
            ),
            tuple(condition(c, values) for c in self.conditions),
            put(self.scale),
        )

    def renamed(self, names: Mapping[Symbol, Symbol]) -> "Term":
        """Return the term with symbols renamed, summation indices included."""
        over = tuple(replace(o, index=names.get(o.index, o.index)) for o in self.over)
        return replace(self, over=over).substitute(names)

    def fresh(self, taken: Iterable[Symbol]) -> "Term":
        """Return the term with its summation indices primed as often as it takes to avoid some names."""
        used = {symbol.name for symbol in taken} | {s.name for s in self.symbols() if s not in self.bound}
        names: dict[Symbol, Symbol] = {}
        for over in self.over:
            name = over.index
            while name.name in used:
                name = name.primed()
            used.add(name.name)
            names[over.index] = name
        return self.renamed(names)


@dataclass(frozen=True)
class Expression:
    """A sum of terms; none is 0."""

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, *factors: Factor) -> "Expression":
        """Return a product of factors."""
        return cls((Term(factors),))

    def __add__(self, other: "Expression") -> "Expression":
        return Expression(self.terms + other.terms)

    def symbols(self) -> Iterator[Symbol]:
        """Yield every symbol that occurs."""
        for term in self.terms:
            yield from term.symbols()

    def substitute(self, values: Values) -> "Expression":
        """Return the expression with atoms replaced; summation indices step aside for what comes in."""
        coming = {symbol for value in values.values() for symbol in Scalar.of(value).symbols()}
        return Expression(tuple(term.fresh(coming).substitute(values) for term in self.terms))

    @property
    def entry(self) -> Entry | None:
        """The entry that this expression is, or None where it is more."""
        if len(self.terms) != 1 or len(self.terms[0].factors) != 1:
            return None
        (factor,) = self.terms[0].factors
        return factor if isinstance(factor, Entry) and self == Expression.of(factor) else None


def scalars(of: Expression | Term | Factor | Condition | Over) -> Iterator[Scalar]:
    """Yield every index expression of a formula."""
    match of:
        case Expression(terms):
            for term in terms:
                yield from scalars(term)
        case Term(factors, over, conditions, scale):
            yield scale
            for part in (*factors, *over, *conditions):
                yield from scalars(part)
        case Entry(_, indices):
            yield from indices
        case Partial(inner, by):
            yield from scalars(inner)
            yield from by.indices
        case Over(index, low, high):
            yield Scalar.of(index)
            yield from (bound for bound in (low, high) if bound is not None)
        case Equal(left, right):
            yield from (left, right)
        case Between(low, value, high):
            yield from (low, value, high)
        case Divides(by, value):
            yield from (by, value)


def condition(of: Condition, values: Values) -> Condition:
    """Return a condition with atoms replaced."""
    return type(of)(*(scalar.substitute(values) for scalar in scalars(of)))


def same(one: Expression, other: Expression) -> bool:
    """Say whether two expressions are equal up to the order of what commutes and the names of summation indices.

    >>> i, m, n = Symbol("i"), Symbol("m"), Symbol("n")
    >>> def total(index):
    ...     return Expression((Term((Entry.of("X", Scalar.of(i) + index),), (Over.below(index, 3),)),))
    >>> same(total(m), total(n)), same(total(m), total(i))
    (True, False)
    """
    left = list(other.terms)
    for term in one.terms:
        match = next((candidate for candidate in left if _same(term, candidate)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _same(one: Term, other: Term) -> bool:
    if len(one.over) != len(other.over) or len(one.factors) != len(other.factors):
        return False
    sorts = [sorted(type(part).__name__ for part in (*t.factors, *t.conditions)) for t in (one, other)]
    if sorts[0] != sorts[1]:
        return False
    target = _multiset(one)
    indices = [over.index for over in one.over]
    ranges = {over.index: (over.low, over.high) for over in one.over}
    for order in permutations(other.over):
        if all(ranges[index] == (over.low, over.high) for index, over in zip(indices, order, strict=True)):
            names = {over.index: index for index, over in zip(indices, order, strict=True)}
            if _multiset(other.renamed(names)) == target:
                return True
    return False


def _multiset(term: Term) -> tuple[object, ...]:
    """Return a term as something that does not depend on the order of factors, conditions and sides."""
    sides = [frozenset((c.left, c.right)) if isinstance(c, Equal) else c for c in term.conditions]
    parts: dict[object, int] = {}
    for part in (*term.factors, *sides):
        parts[part] = parts.get(part, 0) + 1
    return term.scale, frozenset(over.index for over in term.over), frozenset(parts.items())


def _factor(factor: Factor, values: Values) -> Factor:
    if isinstance(factor, Entry):
        return Entry(factor.tensor, tuple(index.substitute(values) for index in factor.indices))
    by = _factor(factor.by, values)
    assert isinstance(by, Entry)
    return Partial(factor.of.substitute(values), by)
