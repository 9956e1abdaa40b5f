"""Conditions that always hold: proved by putting in the worst index of every range.

A parameter t >= least is written least + t', with t' >= 0. A polynomial all of whose coefficients are then not
negative is not negative. What cannot be proved so is kept as a condition: that is never wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from faltung.formulas.expressions import Between, Condition, Divides, Equal, Over, Term
from faltung.formulas.scalars import Scalar, Symbol


@dataclass(frozen=True)
class Facts:
    """What is known of the symbols of a formula.

    Parameters
    ----------
    ranges : tuple of Over
        The ranges of the indices that are not summed over.
    sizes : mapping of Symbol to Scalar
        Parameters that others determine, such as N = s*(N' - 1) + d*(k - 1) + 1.
    """

    ranges: tuple[Over, ...] = ()
    sizes: Mapping[Symbol, Scalar] = field(default_factory=dict)

    def hold(self, condition: Condition, over: Iterable[Over] = ()) -> bool:
        """Say whether a condition is proved for all indices in their ranges.

        >>> i, N = Symbol("i"), Symbol("N", 1)
        >>> facts = Facts((Over.below(i, N),))
        >>> facts.hold(Between(Scalar.of(0), Scalar.of(i), Scalar.of(N)))
        True
        >>> facts.hold(Between(Scalar.of(1), Scalar.of(i), Scalar.of(N)))
        False
        """
        ranges = (*self.ranges, *over)
        match condition:
            case Between(low, value, high):
                below = value.below
                return self._not_negative(value.above - low * below, ranges) and self._not_negative(
                    high * below - value.above - 1, ranges
                )
            case Divides(by, value):
                return (value / by).below.number == 1
            case Equal(left, right):
                return left == right
        raise TypeError(condition)

    def fail(self, condition: Condition) -> bool:
        """Say whether a condition can never hold, for it is one about numbers."""
        match condition:
            case Equal(left, right):
                return (left - right).number not in (0, None)
            case Divides(by, value):
                return bool(by.number and value.number is not None and value.number % by.number)
            case Between(low, value, high):
                return any(n is not None and n < 0 for n in ((value - low).number, (high - value - 1).number))
        raise TypeError(condition)

    def _not_negative(self, scalar: Scalar, ranges: Iterable[Over]) -> bool:
        for over in ranges:
            split = scalar.linear_in(over.index)
            if split is None:
                return False
            slope, rest = split
            if not slope.terms or over.low is None or over.high is None:
                continue
            if self._grows(slope):
                scalar = slope * over.low + rest
            elif self._grows(slope * -1):
                scalar = slope * (over.high - 1) + rest
            else:
                return False
        return self._grows(scalar)

    def _grows(self, scalar: Scalar) -> bool:
        """Say whether a polynomial in the parameters alone is proved not to be negative."""
        scalar = scalar.substitute(self.sizes)
        shifts = {}
        for atom in set(scalar.atoms()):
            if not isinstance(atom, Symbol) or atom.least is None:
                return False
            shifts[atom] = Scalar.of(atom) + atom.least
        return all(factor >= 0 for factor in scalar.substitute(shifts).above.terms.values())

    def tidy(self, term: Term) -> Term | None:
        """Return the term without conditions that always hold, or None where one never does.

        Repeated conditions are taken once, and a sum over a single index is that one summand.
        """
        for over in term.over:
            if over.low is not None and over.high is not None and (over.high - over.low).number == 1:
                rest = tuple(other for other in term.over if other != over)
                term = Term(term.factors, rest, term.conditions, term.scale).substitute({over.index: over.low})
        kept: list[Condition] = []
        for condition in term.conditions:
            if self.fail(condition):
                return None
            if condition not in kept and not self.hold(condition, term.over):
                kept.append(condition)
        return Term(term.factors, term.over, tuple(kept), term.scale)
