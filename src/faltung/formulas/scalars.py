"""Index expressions: polynomials in symbols over one monomial, such as (a + p - d*m)/s, exact and in normal form.

    atom      a `Symbol` (k, s, i, m), or what is opaque to arithmetic: `Floor`, `Mapped`, `At`
    Scalar    sum of whole multiples of products of atoms, divided by one such product

Sums, differences, products, substitution, and the question that eliminating a Kronecker delta asks: is this linear
in that index, and with what coefficient?
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import Union

from faltung.errors import FaltungError


@dataclass(frozen=True)
class Symbol:
    """A whole number that has a name.

    Parameters
    ----------
    name : str
        As it is printed; primes and one subscript are written ``N'_1``.
    least : int, optional
        The smallest value of a parameter (1 for a stride, 0 for a padding). None for an index, which runs
        through the range that its formula gives it.
    """

    name: str
    least: int | None = None

    def primed(self) -> "Symbol":
        """Return the symbol with one more prime."""
        base, _, below = self.name.partition("_")
        return Symbol(f"{base}'_{below}" if below else f"{base}'", self.least)


@dataclass(frozen=True)
class Floor:
    """The whole number of times that `by` >= 1 fits into `of`: the floor of of/by."""

    of: "Scalar"
    by: "Scalar"


@dataclass(frozen=True)
class Mapped:
    """The pixel that a position of a padded axis copies: `faltung.boundary.source(of, size, boundary)`."""

    boundary: str
    name: str
    of: "Scalar"
    size: "Scalar"


@dataclass(frozen=True)
class At:
    """An entry of a tensor of whole numbers, such as the tap at which a maximum was found."""

    tensor: str
    indices: tuple["Scalar", ...]


Atom = Symbol | Floor | Mapped | At
Monomial = tuple[Atom, ...]
Like = Union["Scalar", Atom, int]
Values = Mapping[Symbol, Like] | Mapping[Atom, Like]
"""What is put in for atoms."""


class Scalar:
    """A polynomial with whole coefficients over one monomial, in lowest terms.

    Two scalars are equal if and only if they are the same function (atoms other than symbols taken as opaque).

    >>> s, i, p = Symbol("s", 1), Symbol("i"), Symbol("p", 0)
    >>> position = Scalar.of(s) * i - p
    >>> position.linear_in(i) == (Scalar.of(s), Scalar.of(p) * -1)
    True
    >>> position.substitute({i: (Scalar.of(p) + 3) / s}) == Scalar.of(3)
    True
    """

    __slots__ = ("denominator", "terms")

    def __init__(self, terms: Mapping[Monomial, int], denominator: tuple[int, Monomial] = (1, ())) -> None:
        kept = {monomial: factor for monomial, factor in terms.items() if factor}
        number, below = denominator
        common = reduce(gcd, kept.values(), number)
        for atom in list(below):
            if all(atom in monomial for monomial in kept):
                below = _without(below, atom)
                kept = {_without(monomial, atom): factor for monomial, factor in kept.items()}
        self.terms: dict[Monomial, int] = {monomial: factor // common for monomial, factor in kept.items()}
        self.denominator: tuple[int, Monomial] = (number // common, below)

    @classmethod
    def of(cls, value: Like) -> "Scalar":
        """Return a whole number, a symbol or another atom as a scalar."""
        if isinstance(value, Scalar):
            return value
        if isinstance(value, int):
            return cls({(): value})
        return cls({(value,): 1})

    def __add__(self, other: Like) -> "Scalar":
        other = Scalar.of(other)
        if self.denominator != other.denominator:
            return Scalar(
                _added(_scaled(self.terms, other.denominator), _scaled(other.terms, self.denominator)),
                _multiplied(self.denominator, other.denominator),
            )
        return Scalar(_added(self.terms, other.terms), self.denominator)

    def __sub__(self, other: Like) -> "Scalar":
        return self + Scalar.of(other) * -1

    def __mul__(self, other: Like) -> "Scalar":
        other = Scalar.of(other)
        terms: dict[Monomial, int] = {}
        for monomial, factor in other.terms.items():
            terms = _added(terms, _scaled(self.terms, (factor, monomial)))
        return Scalar(terms, _multiplied(self.denominator, other.denominator))

    def __truediv__(self, other: Like) -> "Scalar":
        other = Scalar.of(other)
        if len(other.terms) != 1:
            raise FaltungError("an index expression is divided by one product of symbols, not by a sum")
        ((monomial, factor),) = other.terms.items()
        sign = -1 if factor < 0 else 1
        above = _scaled(self.terms, (sign * other.denominator[0], other.denominator[1]))
        return Scalar(above, _multiplied(self.denominator, (abs(factor), monomial)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scalar) and (self.terms, self.denominator) == (other.terms, other.denominator)

    def __hash__(self) -> int:
        return hash((frozenset(self.terms.items()), self.denominator))

    def __repr__(self) -> str:
        from faltung.formulas.render import TEXT, scalar

        return f"Scalar({scalar(self, TEXT)})"

    @property
    def above(self) -> "Scalar":
        """The numerator."""
        return Scalar(self.terms)

    @property
    def below(self) -> "Scalar":
        """The denominator, a positive number times parameters."""
        return Scalar({self.denominator[1]: self.denominator[0]})

    @property
    def number(self) -> int | None:
        """The whole number that this is, or None."""
        if self.denominator == (1, ()) and set(self.terms) <= {()}:
            return self.terms.get((), 0)
        return None

    def atoms(self) -> Iterator[Atom]:
        """Yield the atoms that the scalar is made of, at the surface."""
        for monomial in (*self.terms, self.denominator[1]):
            yield from monomial

    def symbols(self) -> Iterator[Symbol]:
        """Yield the symbols that the scalar depends on, also those inside other atoms."""
        for atom in self.atoms():
            if isinstance(atom, Symbol):
                yield atom
            else:
                for inner in parts(atom):
                    yield from inner.symbols()

    def substitute(self, values: Values) -> "Scalar":
        """Return the scalar with atoms replaced, also inside other atoms."""
        if not values:
            return self
        total = Scalar({})
        for monomial, factor in self.terms.items():
            product = Scalar.of(factor)
            for atom in monomial:
                product = product * _replaced(atom, values)
            total = total + product
        below = Scalar.of(self.denominator[0])
        for atom in self.denominator[1]:
            below = below * _replaced(atom, values)
        return total / below

    def linear_in(self, atom: Symbol) -> tuple["Scalar", "Scalar"] | None:
        """Return (A, B), free of the atom, with self = A*atom + B; None where there are none."""
        slope: dict[Monomial, int] = {}
        rest: dict[Monomial, int] = {}
        for monomial, factor in self.terms.items():
            (slope if atom in monomial else rest)[_without(monomial, atom) if atom in monomial else monomial] = factor
        found = Scalar(slope, self.denominator), Scalar(rest, self.denominator)
        return None if any(atom in part.symbols() for part in found) else found


def floor(of: Like, by: Like) -> Scalar:
    """Return the floor of of/by, worked out where it can be.

    >>> floor(7, 2) == Scalar.of(3), floor(Symbol("o"), 1) == Scalar.of(Symbol("o"))
    (True, True)
    """
    of, by = Scalar.of(of), Scalar.of(by)
    if by.number == 1:
        return of
    if of.number is not None and by.number is not None:
        return Scalar.of(of.number // by.number)
    return Scalar.of(Floor(of, by))


def parts(atom: Atom) -> tuple[Scalar, ...]:
    """Return the scalars that an atom is built of; none for a symbol."""
    match atom:
        case Floor(of, by):
            return of, by
        case Mapped(_, _, of, size):
            return of, size
        case At(_, indices):
            return indices
        case _:
            return ()


def _replaced(atom: Atom, values: Values) -> Scalar:
    found = values.get(atom)  # type: ignore[arg-type]
    if found is not None:
        return Scalar.of(found)
    match atom:
        case Floor(of, by):
            return floor(of.substitute(values), by.substitute(values))
        case Mapped(boundary, name, of, size):
            return Scalar.of(Mapped(boundary, name, of.substitute(values), size.substitute(values)))
        case At(tensor, indices):
            return Scalar.of(At(tensor, tuple(index.substitute(values) for index in indices)))
        case _:
            return Scalar.of(atom)


def _order(atom: Atom) -> tuple[int, str]:
    """Order the factors of a product: parameters, indices, the rest: s·i, C·⌊o/O⌋."""
    if isinstance(atom, Symbol):
        return (0 if atom.least is not None else 1), atom.name
    return 2, repr(atom)


def _without(monomial: Monomial, atom: Atom) -> Monomial:
    place = monomial.index(atom)
    return monomial[:place] + monomial[place + 1 :]


def _added(one: Mapping[Monomial, int], other: Mapping[Monomial, int]) -> dict[Monomial, int]:
    total = dict(one)
    for monomial, factor in other.items():
        total[monomial] = total.get(monomial, 0) + factor
    return total


def _scaled(terms: Mapping[Monomial, int], by: tuple[int, Monomial]) -> dict[Monomial, int]:
    number, more = by
    return {tuple(sorted(monomial + more, key=_order)): factor * number for monomial, factor in terms.items()}


def _multiplied(one: tuple[int, Monomial], other: tuple[int, Monomial]) -> tuple[int, Monomial]:
    return one[0] * other[0], tuple(sorted(one[1] + other[1], key=_order))
