"""The calculus of formulas: each rule against brute force, and each broken rule found out."""

from contextlib import nullcontext
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung.boundary import source
from faltung.formulas import (
    LATEX,
    TEXT,
    Array,
    Between,
    Chain,
    Computed,
    Defined,
    Definition,
    Divides,
    Entry,
    Equal,
    Equation,
    Expression,
    Facts,
    Instance,
    Mapped,
    OnIntegers,
    Over,
    Partial,
    Scalar,
    Step,
    StepFails,
    Symbol,
    Term,
    blocks,
    deltas,
    differentiate,
    divides,
    eliminate,
    evaluate,
    floor,
    number,
    pads,
    render,
    rules,
    same,
    shift,
    summands,
    turn,
    unfold,
)

i, m, n, o, q, u = map(Symbol, "imnoqu")
s, d, k, g, N = (Symbol(name, 1) for name in "sdkgN")
p = Symbol("p", 0)
I, M, S, D, K, P = map(Scalar.of, (i, m, s, d, k, p))  # noqa: E741

PARAMETERS = (s, d, p, k)
INDICES = (i, m)

polynomials = st.lists(
    st.tuples(st.integers(-4, 4), st.lists(st.sampled_from([*PARAMETERS, *INDICES]), max_size=3)), max_size=4
)


def built(terms) -> Scalar:
    total = Scalar.of(0)
    for factor, atoms in terms:
        summand = Scalar.of(factor)
        for atom in atoms:
            summand = summand * atom
        total = total + summand
    return total


def value(terms, numbers) -> int:
    """The value of a polynomial, worked out without Scalar."""
    return sum(factor * int(np.prod([numbers[atom] for atom in atoms], initial=1)) for factor, atoms in terms)


numbers = st.fixed_dictionaries({symbol: st.integers(1, 5) for symbol in (*PARAMETERS, *INDICES)})


# Scalars


@given(polynomials, polynomials, numbers)
def test_scalars_are_numbers_in_disguise(one, other, at):
    """Sums, differences, products and substitutions of scalars have the values that numbers have."""
    a, b = built(one), built(other)
    assert number(a + b, at) == value(one, at) + value(other, at)
    assert number(a - b, at) == value(one, at) - value(other, at)
    assert number(a * b, at) == value(one, at) * value(other, at)
    there = at | {m: value(other, at)}
    assert number(a.substitute({m: b}), at) == value(one, there)


@given(polynomials, polynomials)
def test_equal_scalars_are_the_same_function(one, other):
    """Two scalars are equal if and only if no numbers tell them apart."""
    a, b = built(one), built(other)
    assert (a * s) / s == a
    assert (a == b) == ((a - b) == Scalar.of(0))
    # a polynomial of degree at most 3 in each of 6 symbols that is 0 on a grid of 4 points each is 0
    random = np.random.default_rng(0)
    draws = [dict(zip((*PARAMETERS, *INDICES), row, strict=True)) for row in random.integers(1, 1000, (8, 6)).tolist()]
    assert (a == b) == all(value(one, at) == value(other, at) for at in draws)


@given(polynomials, numbers)
def test_a_linear_scalar_is_split(terms, at):
    """linear_in gives A and B with A*m + B the scalar, and only where there are such."""
    a, degree = built(terms), max((atoms.count(m) for factor, atoms in terms if factor), default=0)
    split = a.linear_in(m)
    if split is None:
        assert degree > 1
    else:
        slope, rest = split
        assert number(slope * m + rest, at) == value(terms, at)
        assert m not in {*slope.symbols(), *rest.symbols()}


def test_floors_are_opaque_and_substituted_through():
    """The floor of o/O keeps its value under substitution, and is worked out where it can be."""
    width = Symbol("O", 1)
    block = floor(o, width)
    for at, wide in product(range(-7, 8), range(1, 4)):
        assert number(block.substitute({o: at, width: wide}), {}) == at // wide
    assert floor(o, 1) == Scalar.of(o)
    assert block.linear_in(o) is None


@pytest.mark.parametrize("boundary", ["reflect", "replicate", "circular"])
def test_index_maps_are_those_of_the_boundary(boundary):
    """A mapped position has the value that faltung.boundary gives it."""
    mapped = Scalar.of(Mapped(boundary, "rho", Scalar.of(q), Scalar.of(N)))
    at = np.arange(-3, 8)
    reads = Expression((Term((Entry("X", (mapped,)),)),))
    found = evaluate(reads, Instance({N: 5}, {"X": Array(np.arange(5))}), {q: at})
    assert found.tolist() == [source(int(position), 5, boundary) for position in at]


# The trap, and elimination


def test_sympy_sums_deltas_as_if_halves_were_whole():
    """The sum over m of δ(1, 2m)(m + 1) is 0; SymPy says 3/2, `eliminate` keeps that 2 must divide 1."""
    import sympy

    sq, sm, sn = sympy.symbols("q m n", integer=True)
    wrong = sympy.Sum(sympy.KroneckerDelta(sq, 2 * sm) * (sm + 1), (sm, 0, sn - 1)).doit().subs({sq: 1, sn: 3})
    assert wrong == sympy.Rational(3, 2)
    assert sum((2 * index == 1) * (index + 1) for index in range(3)) == 0

    summed = Term((Entry.of("F", m),), (Over.below(m, 3),), (Equal(Scalar.of(q), M * 2),))
    found, solved = eliminate(Expression((summed,)), Facts())
    assert render.expression(found, TEXT) == "F[q/2] · [2 | q, 0 ≤ q/2 < 3]"
    assert [(fixed.index, fixed.value) for fixed in solved] == [(m, Scalar.of(q) / 2)]
    instance = Instance({}, {"F": Array(np.array([1, 2, 3]))})
    assert evaluate(found, instance, {q: np.arange(-1, 6)}).tolist() == [0, 1, 0, 2, 0, 3, 0]


@st.composite
def summed_deltas(draw):
    """A sum over m and n of one or two linear deltas, and numbers for it."""
    over = (Over(m, Scalar.of(draw(st.integers(-2, 0))), K), Over.below(n, draw(st.integers(1, 3))))
    linear = st.tuples(*(st.integers(-3, 3) for _ in range(4)))
    conditions = []
    for _ in range(draw(st.integers(1, 2))):
        a, b, c, e = draw(linear)
        coefficient = draw(st.sampled_from([Scalar.of(1), S, D, S * D, Scalar.of(2)]))
        conditions.append(Equal(coefficient * m * a + Scalar.of(n) * b + Scalar.of(i) * c, P + e))
    if draw(st.booleans()):
        conditions.append(Between(Scalar.of(-3), M + n, Scalar.of(3)))
    if draw(st.booleans()):
        conditions.append(Divides(Scalar.of(2), M + i))
    factors = Entry.of("F", M, n), Entry.of("F", n, M + i)
    at = draw(
        st.fixed_dictionaries({s: st.integers(1, 4), d: st.integers(1, 3), k: st.integers(1, 4), p: st.integers(0, 3)})
    )
    return Expression((Term(factors, over, tuple(conditions)),)), at


def far_reaching() -> OnIntegers:
    return OnIntegers(np.random.default_rng(1).integers(-9, 10, (41, 41)), (-20, -20))


@given(summed_deltas())
def test_elimination_changes_no_value(drawn):
    """A sum in which deltas were used up has the value of the sum that runs through everything."""
    expression, at = drawn
    instance, points = Instance(at, {"F": far_reaching()}), {i: np.arange(-6, 7)}
    eliminated, solved = eliminate(expression, Facts())
    assert evaluate(eliminated, instance, points).tolist() == evaluate(expression, instance, points).tolist()
    gone = expression.terms[0].bound - {b for term in eliminated.terms for b in term.bound}
    assert {fixed.index for fixed in solved} <= gone or not eliminated.terms


BREAKS = {
    "divisibility is forgotten": ("divides", lambda by, value: Divides(Scalar.of(1), value)),
    "the range is forgotten": ("Between", lambda low, value, high: Divides(Scalar.of(1), Scalar.of(0))),
    "the range is one too long": ("Between", lambda low, value, high: Between(low, value, high + 1)),
}


@pytest.mark.parametrize("broken", BREAKS, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_elimination_is_found(broken, monkeypatch):
    """Numbers tell an elimination from one that forgets a condition."""
    name, replacement = BREAKS[broken]
    summed = Term((Entry.of("F", M, i),), (Over.below(m, k),), (Equal(Scalar.of(i), S * m + P),))
    expression = Expression((summed,))
    points = {i: np.arange(-4, 12)}
    at = Instance({s: 2, k: 2, p: 1}, {"F": OnIntegers(np.arange(1, 1682).reshape(41, 41), (-20, -20))})
    expected = evaluate(expression, at, points).tolist()
    assert evaluate(eliminate(expression, Facts())[0], at, points).tolist() == expected
    monkeypatch.setattr(rules, name, replacement)
    broken_too_far = broken == "divisibility is forgotten"
    with pytest.raises(IndexError, match="no whole number") if broken_too_far else nullcontext():
        assert evaluate(eliminate(expression, Facts())[0], at, points).tolist() != expected


# Derivatives


def test_derivatives_are_differences():
    """Leibniz's rule and deltas give what changing each entry and looking gives, products of one tensor included."""
    square = Term((Entry.of("W", m), Entry.of("W", M + i), Entry.of("X", m)), (Over.below(m, 3),), (), Scalar.of(2))
    expression = Expression((square, Term((Entry.of("X", i),))))
    derivative = Expression.of(Partial(expression, Entry.of("W", u)))
    apart = differentiate(derivative)
    assert len(apart.terms) == 2  # W occurs twice, and X[i] does not depend on it
    found = eliminate(deltas(apart), Facts())[0]
    assert not any(isinstance(factor, Partial) for term in found.terms for factor in term.factors)
    random = np.random.default_rng(2)
    instance = Instance({}, {"W": Array(random.integers(-9, 10, 6)), "X": Array(random.integers(-9, 10, 6))})
    points = {i: np.repeat(np.arange(4), 6), u: np.tile(np.arange(6), 4)}
    expected = evaluate(derivative, instance, points)
    assert expected.any()
    for step in (apart, deltas(apart), found):
        assert evaluate(step, instance, points).tolist() == expected.tolist()


def test_a_derivative_through_a_computed_tensor():
    """The derivative of a loss goes through all that is computed from the entry."""
    instance = Instance(
        {},
        {
            "X": Array(np.array([3, -1])),
            "Y": Computed(lambda given: given.array("X") * 2 + 1),
            "L": Computed(lambda given: np.asarray((given.array("Y") ** 2).sum())),
        },
    )
    loss = Expression.of(Entry("L"))
    by_x = Expression.of(Partial(loss, Entry.of("X", i)))
    by_y = Expression.of(Partial(loss, Entry.of("Y", i)))
    assert evaluate(by_x, instance, {i: np.arange(2)}).tolist() == [28, -4]
    assert evaluate(by_y, instance, {i: np.arange(2)}).tolist() == [14, -2]


def test_an_entry_that_does_not_exist_is_not_read_as_something_else():
    """A formula that reads outside its tensor without a condition is refused, not wrapped around."""
    reads = Expression.of(Entry.of("X", I - 1))
    with pytest.raises(IndexError, match=r"index -1\.\.1 of an axis of 3"):
        evaluate(reads, Instance({}, {"X": Array(np.arange(3))}), {i: np.arange(3)})
    halves = Expression.of(Entry("X", (I / 2,)))
    with pytest.raises(IndexError, match="an index of X is no whole number"):
        evaluate(halves, Instance({}, {"X": Array(np.arange(3))}), {i: np.arange(3)})


# The other rules


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("ins", [1, 2, 3])
@pytest.mark.parametrize("outs", [1, 2, 3])
def test_blocks(groups, ins, outs):
    """A sum over all channels of which one group counts is the sum over that group."""
    c, C, O = Symbol("c"), Symbol("C", 1), Symbol("O", 1)  # noqa: E741
    held = Between(Scalar.of(0), Scalar.of(c) - Scalar.of(C) * floor(o, O), Scalar.of(C))
    within = Facts((Over.below(c, Scalar.of(C) * g),))
    expression = Expression((Term((Entry.of("F", o, c),), (Over.below(o, Scalar.of(O) * g),), (held,)),))
    blocked = blocks(expression, within)
    assert render.expression(blocked, TEXT) == "Σ_{0≤r<O} F[O·⌊c/C⌋ + r, c]"
    tensors = {"F": Array(np.random.default_rng(3).integers(-9, 10, (groups * outs, groups * ins)))}
    instance = Instance({g: groups, C: ins, O: outs}, tensors)
    points = {c: np.arange(groups * ins)}
    assert evaluate(blocked, instance, points).tolist() == evaluate(expression, instance, points).tolist()


def test_blocks_ask_for_their_range():
    """Without a proof that x lies below g*C the rule does nothing."""
    c, C = Symbol("c"), Symbol("C", 1)
    held = Between(Scalar.of(0), Scalar.of(c) - Scalar.of(C) * floor(o, 2), Scalar.of(C))
    expression = Expression((Term((Entry.of("F", o, c),), (Over.below(o, 6),), (held,)),))
    assert blocks(expression, Facts((Over.below(c, Scalar.of(C) * 4),))) == expression
    assert blocks(expression, Facts((Over.below(c, Scalar.of(C) * 3),))) != expression


@pytest.mark.parametrize("boundary", ["reflect", "replicate", "circular"])
def test_pads(boundary):
    """A delta of a copied pixel is a sum over the positions that copy it."""
    mapped = Mapped(boundary, "rho", I + M - 2, Scalar.of(N))
    term = Term((Entry.of("W", m),), (Over.below(i, N), Over.below(m, 5)), (Equal(Scalar.of(mapped), Scalar.of(u)),))
    expression = Expression((term,))
    padded = pads(expression, lambda _: Over(q, Scalar.of(-2), Scalar.of(N) + 2))
    assert {over.index for over in padded.terms[0].over} == {i, m, q}
    instance = Instance({N: 4}, {"W": Array(np.array([1, 10, 100, 1000, 10000]))})
    points = {u: np.arange(4)}
    assert evaluate(padded, instance, points).tolist() == evaluate(expression, instance, points).tolist()
    solved = eliminate(padded, Facts(), [i])[0]
    assert evaluate(solved, instance, points).tolist() == evaluate(expression, instance, points).tolist()


def test_turn_and_shift():
    """A finite sum may be added up from its other end, an infinite one from anywhere."""
    finite = Expression((Term((Entry.of("F", m, i),), (Over(m, Scalar.of(1), K),)),))
    instance = Instance({k: 4, p: 3}, {"F": far_reaching()}, integers=range(-60, 60))
    points = {i: np.arange(-3, 4)}
    assert render.expression(turn(finite, m), TEXT) == "Σ_{1≤m<k} F[k − m, i]"
    assert evaluate(turn(finite, m), instance, points).tolist() == evaluate(finite, instance, points).tolist()
    infinite = Expression((Term((Entry.of("F", m, i), Entry.of("F", i, M * 2)), (Over(m),)),))
    moved = shift(infinite, m, P)
    assert render.expression(moved, TEXT) == "Σ_{m ∈ ℤ} F[m + p, i] · F[i, 2·m + 2·p]"
    assert evaluate(moved, instance, points).tolist() == evaluate(infinite, instance, points).tolist()
    with pytest.raises(ValueError, match="m runs through a finite range, which a shift would move"):
        shift(finite, m, 1)
    with pytest.raises(ValueError, match="m is shifted by what is not the same for every summand"):
        shift(infinite, m, m)


def test_what_is_put_in_is_not_captured():
    """A summation index steps aside for an index of the same name that comes in."""
    total = Definition("Y", (i,), Expression((Term((Entry.of("F", m, i),), (Over.below(m, 3),)),)))
    opened = unfold(Expression.of(Entry.of("Y", m)), total)
    assert render.expression(opened, TEXT) == "Σ_{0≤m′<3} F[m′, m]"
    instance = Instance({}, {"F": far_reaching(), "Y": Defined(total)})
    points = {m: np.arange(-3, 4)}
    direct = evaluate(Expression.of(Entry.of("Y", m)), instance, points)
    assert evaluate(opened, instance, points).tolist() == direct.tolist()


def test_same():
    """Equal up to order and names of summation indices, and not beyond."""

    def sum_over(*overs, factors, conditions=()):
        return Expression((Term(factors, overs, conditions),))

    one = sum_over(
        Over.below(m, k),
        Over.below(n, k),
        factors=(Entry.of("W", m, n), Entry.of("X", M + i)),
        conditions=(Equal(M, I),),
    )
    other = sum_over(
        Over.below(n, k), Over.below(u, k), factors=(Entry.of("X", Scalar.of(n) + i), Entry.of("W", n, u)),
        conditions=(Equal(I, Scalar.of(n)),),
    )  # fmt: skip
    assert same(one, other)
    swapped = sum_over(
        Over.below(n, k), Over.below(u, k), factors=(Entry.of("X", Scalar.of(n) + i), Entry.of("W", u, n)),
        conditions=(Equal(I, Scalar.of(n)),),
    )  # fmt: skip
    assert not same(one, swapped)
    assert not same(one, one + one)
    assert same(one + swapped, swapped + one)
    shorter = sum_over(Over.below(m, k), Over.below(n, 2), factors=one.terms[0].factors, conditions=(Equal(M, I),))
    assert not same(one, shorter)


# Proofs of conditions


def test_what_is_proved_holds():
    """A condition that is proved holds at every index in range, whatever the parameters."""
    known = Facts((Over.below(i, N), Over.below(m, k)))
    signs, flags = (-1, 0, 1), (0, 1)
    proved = 0
    for a, b, c, e, constant in product(signs, signs, signs, flags, signs):
        value = S * i * a + D * m * b + P * c + Scalar.of(N) * e + constant
        for low, high in product((Scalar.of(-1), Scalar.of(0)), (Scalar.of(N) * S + K * D, Scalar.of(N) + P, K)):
            between = Between(low, value, high)
            if not known.hold(between):
                continue
            proved += 1
            for sizes in product((1, 3), (1, 2), (0, 2), (1, 3), (1, 4)):
                at = Instance(dict(zip((s, d, p, k, N), sizes, strict=True)), {})
                grid = np.meshgrid(range(sizes[4]), range(sizes[3]))
                points = {index: values.ravel() for index, values in zip((i, m), grid, strict=True)}
                assert evaluate(Expression((Term(conditions=(between,)),)), at, points).all()
    assert proved > 40


def test_conditions_are_proved():
    """What a layer without padding reads is inside, by the size relation; with padding it is not proved."""
    position = S * i + D * m
    covered = S * (Scalar.of(Symbol("N'", 1)) - 1) + D * (K - 1) + 1 + Symbol("rest", 0)
    known = Facts((Over.below(i, Symbol("N'", 1)), Over.below(m, k)), {N: covered})
    assert known.hold(Between(Scalar.of(0), position, Scalar.of(N)))
    assert not known.hold(Between(Scalar.of(0), position - P, Scalar.of(N)))
    assert not known.hold(Between(Scalar.of(0), position + 1, Scalar.of(N)))
    assert known.hold(Divides(S, S * i * 2))
    assert not known.hold(divides(S * 2, S * i))


# Chains


def chain(*equations: Equation) -> Chain:
    steps = tuple(Step(equation, "because") for equation in equations)
    return Chain("A title", steps, (Over.below(i, N),), checked=3)


def test_a_false_step_is_found():
    """Verify compares both sides of every step, and names the one that fails with the numbers."""
    left = Expression.of(Entry.of("X", i))
    right = Expression((Term((Entry.of("X", i),), scale=Scalar.of(2)),))
    instance = Instance({N: 4}, {"X": Array(np.arange(1, 5))})
    assert chain(Equation(left, left)).verify([instance, instance]) == 2
    with pytest.raises(StepFails, match=r"step 2, X\[i\] = 2 X\[i\]   \(because\): \d = \d is false, where N=4, i=\d"):
        chain(Equation(left, left), Equation(left, right)).verify([instance])


EVERYTHING = Expression(
    (
        Term(
            (
                Entry.of("W", Symbol("o'"), m),
                Partial(Expression.of(Entry("L")), Entry("Y", ((I + P - D * m) / s,))),
                Partial(
                    Expression((Term((Entry.of("b", o),)), Term((Entry.of("X", i),)))), Entry.of("X", Symbol("alpha"))
                ),
                Partial(Expression.of(Entry.of("X", i)), Entry.of("X", u)),
                Entry(
                    "X", (Scalar.of(Mapped("circular", "rho_1", I - 1, Scalar.of(Symbol("N'_1", 1)))), floor(I + 1, 2))
                ),
            ),
            (Over.below(m, k), Over.below(n, k), Over(i)),
            (
                Equal(I, S * m),
                Between(Scalar.of(0), I, Scalar.of(N)),
                divides(S, I + P),
                Between(P * -1, I - D * floor(i, d), Scalar.of(N) * N + P),
            ),
            Scalar.of(1) / k / k,
        ),
        Term(),
    )
)


def test_notations():
    """Every part of a formula has its text, LaTeX that parses, and MathML that is well formed."""
    from matplotlib.mathtext import MathTextParser

    assert render.expression(EVERYTHING, TEXT) == (
        "1/k² Σ_{0≤m,n<k, i ∈ ℤ} δ(i, s·m) · W[o′, m] · ∂L/∂Y[(i + p − d·m)/s] · ∂/∂X[α] (b[o] + X[i]) · ∂X[i]/∂X[u]"
        " · X[ρ₁(i − 1), ⌊(i + 1)/2⌋] · [0 ≤ i < N, s | i + p, −p ≤ i mod d < N² + p] + 1"
    )
    MathTextParser("path").parse(f"${render.expression(EVERYTHING, LATEX)}$")
    written = Equation(EVERYTHING, EVERYTHING).mathml()
    elements = {element.tag for element in ElementTree.fromstring(written.replace("&#x2062;", "")).iter()}
    assert elements <= {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msub", "msup", "msubsup", "munder", "munderover"}  # fmt: skip
    assert not ElementTree.fromstring(written).itertext().__next__().isspace()
    assert render.expression(Expression(()), TEXT) == "0"


def test_a_chain_is_written_down():
    """The left side stands once, reasons below; what is too long is broken between factors."""
    left, right = Expression.of(Entry.of("X", i)), EVERYTHING
    written = chain(Equation(left, left), Equation(left, right))
    lines = str(written).splitlines()
    assert lines[:4] == ["A title", "", "X[i] = X[i]", "        because"]
    assert lines[4].startswith("  = 1/k² Σ_{")
    assert lines[-1] == "Every step holds on 3 random instances, compared exactly."
    assert all(len(line) <= 100 for line in lines)
    assert written.latex().count("&=") == 2
    assert written._repr_latex_().startswith("$$\n\\begin{aligned}")
    ElementTree.fromstring(written.mathml())
    assert [step["reason"] for step in written.to_dict()["steps"]] == ["because"] * 2


def test_summands_are_what_is_added():
    """The products that summands lists add up to the value."""
    term = Term((Entry.of("F", m, i), Entry.of("F", i, m)), (Over.below(m, 4),), (Divides(Scalar.of(2), M + i),))
    expression, points = Expression((term,)), {i: np.arange(3)}
    instance = Instance({}, {"F": far_reaching()})
    listed = summands(expression, instance, points)
    assert [len(products) for products in listed] == [2, 2, 2]
    totals = [sum(one.value * other.value for one, other in products) for products in listed]
    assert totals == evaluate(expression, instance, points).tolist()
