"""Rules that rewrite formulas; each returns an expression equal to the one it was given.

SymPy sums Kronecker deltas as if a linear equation had its solution among the whole numbers: its
Sum(KroneckerDelta(q, 2*m)*(m + 1), (m, 0, n - 1)).doit() is 3/2 at q = 1, n = 3, where every summand is 0. `eliminate`
solves the equation and keeps what makes the solution one: that it is whole, and that it lies in the range.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from faltung.errors import FaltungError
from faltung.formulas.bounds import Facts
from faltung.formulas.expressions import (
    Between,
    Condition,
    Divides,
    Entry,
    Equal,
    Expression,
    Factor,
    Over,
    Partial,
    Term,
    condition,
)
from faltung.formulas.scalars import Atom, Floor, Like, Mapped, Scalar, Symbol, floor


@dataclass(frozen=True)
class Definition:
    """What the entries of a tensor are: tensor[indices] = body, for all indices."""

    tensor: str
    indices: tuple[Symbol, ...]
    body: Expression

    @property
    def left(self) -> Expression:
        """The left side of the definition."""
        return Expression.of(Entry.of(self.tensor, *self.indices))

    def at(self, entry: Entry) -> Expression:
        """Return the body at the indices of an entry."""
        return self.body.substitute(dict(zip(self.indices, entry.indices, strict=True)))


@dataclass(frozen=True)
class Solved:
    """One delta eliminated: the index that it fixed, and its value."""

    index: Symbol
    value: Scalar


def unfold(expression: Expression, definition: Definition) -> Expression:
    """Put in the definition of a tensor: each of its entries becomes its body.

    Under a derivative, the entry that is derived is replaced and the one by which it is derived is not.
    """

    def opened(factor: Factor) -> Expression:
        if isinstance(factor, Entry):
            return definition.at(factor) if factor.tensor == definition.tensor else Expression.of(factor)
        taken = {s for index in factor.by.indices for s in index.symbols()}
        inner = tuple(term.fresh(taken) for term in unfold(factor.of, definition).terms)
        return Expression.of(Partial(Expression(inner), factor.by))

    return _each_factor(expression, opened)


def differentiate(expression: Expression) -> Expression:
    """Differentiate under the sums: what stays are derivatives of single entries by an entry.

    The derivative of a sum is the sum of derivatives, that of a product follows Leibniz's rule, and entries of
    other tensors are constants. A derivative of an entry of another tensor (∂L/∂Y[i]) is left as it stands.
    """

    def opened(factor: Factor) -> Expression:
        if isinstance(factor, Entry) or factor.of.entry is not None:
            return Expression.of(factor)
        terms = []
        for term in factor.of.terms:
            for place, inner in enumerate(term.factors):
                if isinstance(inner, Partial):
                    raise FaltungError("a derivative of a derivative is not taken here")
                if inner.tensor == factor.by.tensor:
                    derived = Partial(Expression.of(inner), factor.by)
                    others = term.factors[:place] + term.factors[place + 1 :]
                    terms.append(replace(term, factors=(*others, derived)))
        return Expression(tuple(terms))

    return _each_factor(expression, opened)


def deltas(expression: Expression) -> Expression:
    """Write the derivative of an entry by an entry of the same tensor as one Kronecker delta for each index."""

    def opened(factor: Factor) -> Expression:
        entry = factor.of.entry if isinstance(factor, Partial) else None
        if not isinstance(factor, Partial) or entry is None or entry.tensor != factor.by.tensor:
            return Expression.of(factor)
        pairs = zip(entry.indices, factor.by.indices, strict=True)
        return Expression((Term(conditions=tuple(Equal(own, by) for own, by in pairs if own != by)),))

    return _each_factor(expression, opened)


def eliminate(
    expression: Expression, facts: Facts, prefer: Sequence[Symbol] = ()
) -> tuple[Expression, tuple[Solved, ...]]:
    """Use up each Kronecker delta in which a summation index is linear: that index has one value left.

    sum over m in lo..hi-1 of [A*m + B = 0] F(m)  =  [A divides -B] [lo <= -B/A < hi] F(-B/A)   for A other than 0

    Parameters
    ----------
    expression : Expression
        Its deltas may hold symbols of which A is a product; those are at least 1.
    facts : Facts
        Conditions that it proves are left out.
    prefer : sequence of Symbol
        Indices to solve for first; then those with A = 1 or -1, for they divide nothing.

    Returns
    -------
    expression : Expression
    solved : tuple of Solved
        Which index was fixed by what, in order.
    """
    terms, solved = [], []
    for term in expression.terms:
        tidied: Term | None = term
        while tidied is not None and (found := _solvable(tidied, prefer)) is not None:
            equal, index, value = found
            solved.append(Solved(index, value))
            tidied = facts.tidy(_fixed(tidied, equal, index, value))
        if tidied is not None:
            tidied = facts.tidy(tidied)
        if tidied is not None:
            terms.append(tidied)
    return Expression(tuple(terms)), tuple(solved)


def pads(expression: Expression, reach: Callable[[Mapped], Over]) -> Expression:
    """Sum over the positions of the padded axis that copy a pixel.

    [rho(e) = a]  =  sum over q of [rho(q) = a] [e = q]    where e lies in the range of q
    """
    terms = []
    for term in expression.terms:
        added: list[Over] = []
        for equal in [c for c in term.conditions if isinstance(c, Equal)]:
            mapped = _single(equal.left)
            if not isinstance(mapped, Mapped):
                continue
            over = reach(mapped)
            over = replace(over, index=_unused(over.index, term))
            kept = tuple(c for c in term.conditions if c != equal)
            copied = Scalar.of(replace(mapped, of=Scalar.of(over.index)))
            more = (Equal(copied, equal.right), Equal(mapped.of, Scalar.of(over.index)))
            added.append(over)
            term = replace(term, over=(*added, *term.over[len(added) - 1 :]), conditions=(*kept, *more))
        terms.append(term)
    return Expression(tuple(terms))


def blocks(expression: Expression, facts: Facts, name: str = "r") -> Expression:
    """Sum over one block where only one block counts.

    sum over o in 0..g*O-1 of [0 <= x - C*floor(o/O) < C] F(o)  =  sum over r in 0..O-1 of F(O*floor(x/C) + r)

    for 0 <= x < g*C: the condition says that floor(o/O) = floor(x/C). So does a delta of floor(o/O) and x, where C = 1.
    """
    return Expression(tuple(_block(term, facts, name) for term in expression.terms))


def shift(expression: Expression, index: Symbol, by: Like) -> Expression:
    """Substitute index -> index + by in a sum over all whole numbers: the summands only change places."""

    def moved(term: Term) -> Term:
        over = next((o for o in term.over if o.index == index), None)
        if over is None:
            return term
        if over.low is not None or over.high is not None:
            raise FaltungError(f"{index.name} runs through a finite range, which a shift would move")
        if index in Scalar.of(by).symbols() or set(Scalar.of(by).symbols()) & term.bound:
            raise FaltungError(f"{index.name} is shifted by what is not the same for every summand")
        rest = tuple(o for o in term.over if o != over)
        inner = replace(term, over=rest).substitute({index: Scalar.of(index) + by})
        return replace(inner, over=term.over)

    return Expression(tuple(map(moved, expression.terms)))


def turn(expression: Expression, index: Symbol) -> Expression:
    """Add up a finite sum from its other end: index -> low + high - 1 - index."""

    def turned(term: Term) -> Term:
        over = next((o for o in term.over if o.index == index), None)
        if over is None or over.low is None or over.high is None:
            return term
        inner = replace(term, over=tuple(o for o in term.over if o != over))
        inner = inner.substitute({index: over.low + over.high - 1 - index})
        return replace(inner, over=term.over)

    return Expression(tuple(map(turned, expression.terms)))


def divides(by: Scalar, value: Scalar) -> Divides:
    """Return the condition that value/by is whole, in lowest terms.

    >>> s, a = Symbol("s", 1), Symbol("a")
    >>> divides(Scalar.of(s), Scalar.of(s) * a).by.number
    1
    """
    quotient = value / by
    return Divides(quotient.below, quotient.above)


def _each_factor(expression: Expression, opened: Callable[[Factor], Expression]) -> Expression:
    """Replace every factor by an expression and multiply out."""
    terms: list[Term] = []
    for term in expression.terms:
        products = [replace(term, factors=())]
        for factor in term.factors:
            inner = opened(factor)
            products = [_product(one, other) for one in products for other in inner.terms]
        terms += products
    return Expression(tuple(terms))


def _product(one: Term, other: Term) -> Term:
    other = other.fresh(one.symbols())
    return Term(
        one.factors + other.factors,
        one.over + other.over,
        one.conditions + other.conditions,
        one.scale * other.scale,
    )


def _solvable(term: Term, prefer: Sequence[Symbol]) -> tuple[Equal, Symbol, Scalar] | None:
    """Return a delta, a summation index in which it is linear and that index's value; the best choice first."""
    choices = []
    for place, equal in enumerate(c for c in term.conditions if isinstance(c, Equal)):
        difference = (equal.left - equal.right).above
        for index in term.bound:
            split = difference.linear_in(index)
            if split is None or len(split[0].terms) != 1 or not _nonzero(split[0]):
                continue
            slope, rest = split
            unit = slope.number in (1, -1)
            rank = (prefer.index(index) if index in prefer else len(prefer), not unit, place, index.name)
            choices.append((rank, equal, index, rest * -1 / slope))
    return min(choices, key=lambda choice: choice[0])[1:] if choices else None


def _nonzero(product: Scalar) -> bool:
    return all(isinstance(atom, Symbol) and (atom.least or 0) >= 1 for atom in product.above.atoms())


def _fixed(term: Term, equal: Equal, index: Symbol, value: Scalar) -> Term:
    """Return the term with a summation index put to the value that a delta gives it."""
    over = next(o for o in term.over if o.index == index)
    put: Mapping[Atom, Like] = {index: value}
    whole: list[Condition] = [divides(value.below, value.above)]
    if over.condition is not None:
        whole.append(Between(over.condition.low, value, over.condition.high))
    others = [condition(c, put) for c in term.conditions if c != equal]
    others = [divides(c.by, c.value) if isinstance(c, Divides) else c for c in others]
    rest = tuple(o for o in term.over if o != over)
    inner = Term(term.factors, rest, (), term.scale).substitute(put)
    return replace(inner, conditions=(*others, *whole))


def _block(term: Term, facts: Facts, name: str) -> Term:
    for held in term.conditions:
        for over in term.over:
            found = _of_block(held, over, facts)
            if found is None:
                continue
            step, block, width = found
            index = _unused(Symbol(name), term)
            rest = tuple(Over.below(index, width) if o == over else o for o in term.over)
            kept = tuple(c for c in term.conditions if c != held)
            put: Mapping[Atom, Like] = {step: block, over.index: Scalar.of(width) * block + index}
            return _block(replace(term, over=rest, conditions=kept).substitute(put), facts, name)
    return term


def _of_block(held: Condition, over: Over, facts: Facts) -> tuple[Floor, Scalar, Scalar] | None:
    """Return the floor(o/O) that a condition holds fast, its value floor(x/C), and O."""
    if over.high is None or over.low != Scalar.of(0):
        return None
    if isinstance(held, Equal):
        value, high = held.right - held.left, Scalar.of(1)
    elif isinstance(held, Between) and held.low == Scalar.of(0):
        value, high = held.value, held.high
    else:
        return None
    for step in value.atoms():
        if not isinstance(step, Floor) or step.of != Scalar.of(over.index):
            continue
        asked = value + high * step
        within = Between(Scalar.of(0), asked, high * over.high / step.by)
        if over.index not in asked.symbols() and facts.hold(within):
            return step, floor(asked, high), step.by
    return None


def _unused(index: Symbol, term: Term) -> Symbol:
    """Return the index, primed as often as it takes to be none of a term's names."""
    names = {symbol.name for symbol in term.symbols()}
    while index.name in names:
        index = index.primed()
    return index


def _single(scalar: Scalar) -> Atom | None:
    atoms = list(scalar.atoms())
    return atoms[0] if len(atoms) == 1 and scalar == Scalar.of(atoms[0]) else None
