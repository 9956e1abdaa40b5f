"""Formulas written down: one walk through a formula, in any notation."""

from collections import Counter
from collections.abc import Iterable

from faltung.formulas.expressions import Between, Condition, Divides, Entry, Equal, Expression, Factor, Over, Term
from faltung.formulas.notations import LATEX, MATHML, TEXT, Notation
from faltung.formulas.scalars import At, Atom, Floor, Mapped, Monomial, Scalar, Symbol

__all__ = ["LATEX", "MATHML", "TEXT", "Notation", "condition", "expression", "factor", "ranges", "scalar", "statement"]


def expression(of: Expression, notation: Notation) -> str:
    r"""Return an expression in a notation.

    >>> i, m, k = Symbol("i"), Symbol("m"), Symbol("k", 1)
    >>> product = Term((Entry.of("W", m), Entry.of("X", Scalar.of(i) + m)), (Over.below(m, k),))
    >>> print(expression(Expression((product,)), TEXT))
    Σ_{0≤m<k} W[m] · X[i + m]
    >>> print(expression(Expression((product,)), LATEX))
    \sum_{m=0}^{k - 1} W[m] \, X[i + m]
    """
    if not of.terms:
        return notation.number % 0
    return notation.row % notation.plus.join(_term(term, notation) for term in of.terms)


def _term(term: Term, notation: Notation) -> str:
    written = [] if term.scale == Scalar.of(1) else [scalar(term.scale, notation)]
    if term.over:
        written.append(_sums(term.over, notation))
    deltas = [condition(c, notation) for c in term.conditions if isinstance(c, Equal)]
    others = [condition(c, notation) for c in term.conditions if not isinstance(c, Equal)]
    factors = [*deltas, *(factor(f, notation) for f in term.factors)]
    if others:
        factors.append(notation.bracket % notation.comma.join(others))
    if factors or not written:
        written.append(notation.row % notation.product.join(factors or [notation.number % 1]))
    return notation.row % notation.space.join(written)


def _sums(overs: tuple[Over, ...], notation: Notation) -> str:
    written = []
    for group in _groups(overs):
        low, high = group[0].low, group[0].high
        names = notation.joint.join(notation.name(over.index.name) for over in group)
        if low is None or high is None:
            written.append(notation.sum_over_integers % {"names": names})
        else:
            ends = {"low": low, "beyond": high, "last": high - 1}
            parts = {key: scalar(value, notation) for key, value in ends.items()}
            written.append(notation.sum_over % {"names": names, **parts})
    return notation.sums % notation.next_sum.join(written)


def _groups(overs: Iterable[Over]) -> list[list[Over]]:
    """Return summation indices with those over the same range next to each other taken together."""
    groups: list[list[Over]] = []
    for over in overs:
        if groups and (groups[-1][0].low, groups[-1][0].high) == (over.low, over.high):
            groups[-1].append(over)
        else:
            groups.append([over])
    return groups


def factor(of: Factor, notation: Notation) -> str:
    """Return an entry or a derivative in a notation."""
    if isinstance(of, Entry):
        return _entry(of.tensor, of.indices, notation)
    by, inner = factor(of.by, notation), of.of.entry
    if inner is not None:
        return notation.derivative % (factor(inner, notation), by)
    return notation.derivative_of % (by, expression(of.of, notation))


def condition(of: Condition, notation: Notation) -> str:
    """Return a condition in a notation, an equality as a Kronecker delta."""
    match of:
        case Equal(left, right):
            return notation.delta % (scalar(left, notation), scalar(right, notation))
        case Between(low, value, high):
            return notation.between % tuple(scalar(part, notation) for part in (low, value, high))
        case Divides(by, value):
            return notation.divides % (scalar(by, notation), scalar(value, notation))
    raise TypeError(of)


def statement(of: Condition, notation: Notation) -> str:
    """Return a condition as what it says, an equality as an equation."""
    if isinstance(of, Equal):
        return notation.relation % (scalar(of.left, notation), "=", scalar(of.right, notation))
    return condition(of, notation)


def ranges(overs: Iterable[Over], notation: Notation) -> list[str]:
    """Return the ranges of indices as conditions, neighbours of one range together.

    >>> ranges([Over.below(Symbol("u"), 3), Over.below(Symbol("v"), 3)], TEXT)
    ['0 ≤ u, v < 3']
    """
    written = []
    for group in _groups(overs):
        low, high = group[0].low, group[0].high
        names = notation.comma.join(notation.name(over.index.name) for over in group)
        if low is not None and high is not None:
            written.append(notation.between % (scalar(low, notation), names, scalar(high, notation)))
    return written


def scalar(of: Scalar, notation: Notation) -> str:
    """Return an index expression in a notation: indices first, numbers last, x - D*floor(x/D) as x mod D."""
    rest, remainders = _remainders(of.above)
    terms = sorted(rest.terms.items(), key=lambda item: (not item[0], item[1] < 0, _rank(item[0])))
    parts = [(False, notation.remainder % (_grouped(x, notation), _grouped(by, notation))) for x, by in remainders]
    parts += [(number < 0, _monomial(abs(number), monomial, notation)) for monomial, number in terms]
    above = "".join(
        (notation.minus if negative else notation.plus) + part if place else notation.negative * negative + part
        for place, (negative, part) in enumerate(parts)
    )
    above = notation.row % (above or notation.number % 0)
    number, monomial = of.denominator
    if (number, monomial) == (1, ()):
        return above
    below = _monomial(number, monomial, notation)
    if len(parts) > 1:
        above = notation.parentheses % above
    if len(set(monomial)) + (number > 1) > 1:
        below = notation.parentheses % below
    return notation.quotient % (above, below)


def _entry(tensor: str, indices: tuple[Scalar, ...], notation: Notation) -> str:
    name = notation.name(tensor)
    inner = notation.comma.join(scalar(index, notation) for index in indices)
    return notation.entry % (name, inner) if indices else name


def _remainders(of: Scalar) -> tuple[Scalar, list[tuple[Scalar, Scalar]]]:
    """Take each x - D*floor(x/D) out of a polynomial; return the rest and the pairs (x, D)."""
    found = []
    for monomial, number in of.terms.items():
        for step in monomial:
            if isinstance(step, Floor) and Scalar({monomial: number}) == step.by * step * -1:
                rest = of - step.of + step.by * step
                if len(rest.terms) < len(of.terms) - 1:
                    found.append((step.of, step.by))
                    of = rest
    return of, found


def _rank(monomial: Monomial) -> int:
    """Place what holds an index before what holds parameters alone."""
    return 0 if any(not isinstance(atom, Symbol) or atom.least is None for atom in monomial) else 1


def _monomial(number: int, monomial: Monomial, notation: Notation) -> str:
    written = [] if number == 1 and monomial else [notation.number % number]
    for atom, power in Counter(monomial).items():
        base = _atom(atom, notation)
        written.append(base if power == 1 else notation.power(base, power))
    return notation.row % notation.times.join(written)


def _atom(atom: Atom, notation: Notation) -> str:
    match atom:
        case Symbol(name):
            return notation.name(name)
        case Floor(of, by):
            return notation.floor % (_grouped(of, notation), _grouped(by, notation))
        case Mapped(_, name, of, _):
            return notation.call % (notation.name(name), scalar(of, notation))
        case At(tensor, indices):
            return _entry(tensor, indices, notation)


def _grouped(of: Scalar, notation: Notation) -> str:
    """Return an index expression in parentheses where it is a sum."""
    written = scalar(of, notation)
    return notation.parentheses % written if len(of.terms) > 1 or of.denominator != (1, ()) else written
