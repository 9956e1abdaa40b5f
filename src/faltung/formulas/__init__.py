"""A small calculus of formulas with indices: what derivations of gradients and proofs of equivariance are made of.

A formula is written with names, rewritten by rules, and judged by numbers; no rule is trusted because it is here.

    scalars       index expressions: s*i + d*m - p, floor(o/O), (a + p - d*m)/s
    expressions   sums of products of tensor entries, with conditions (Iverson's brackets, Kronecker deltas)
    rules         unfold a definition; differentiate; eliminate deltas; shift a sum over all whole numbers; ...
    bounds        conditions that always hold, proved
    evaluate      the value of a formula with numbers in it, by brute force
    render        text for a terminal, LaTeX, MathML (notations: the three ways to write a part)
    steps         Equation, Step, Chain: equalities with reasons, each verified on instances

A proof, from definitions to numbers: convolution commutes with the translation (T X)[i] = X[i - x].

>>> import numpy as np
>>> i, m, x = Symbol("i"), Symbol("m"), Symbol("x", 0)
>>> I = Scalar.of(i)
>>> moved = Definition("T", (i,), Expression.of(Entry.of("X", I - x)))
>>> of_moved = Definition("Z", (i,), Expression((Term((Entry.of("T", m), Entry.of("K", I - m)), (Over(m),)),)))
>>> convolved = Definition("Y", (i,), Expression((Term((Entry.of("X", m), Entry.of("K", I - m)), (Over(m),)),)))

Each step is made by a rule; the last is found to be the definition of Y at i - x, up to the name of m:

>>> left = of_moved.left
>>> opened = unfold(of_moved.body, moved)
>>> shifted = shift(opened, m, x)
>>> print(render.expression(opened, TEXT), "=", render.expression(shifted, TEXT))
Σ_{m ∈ ℤ} X[m − x] · K[i − m] = Σ_{m ∈ ℤ} X[m] · K[i − m − x]
>>> there = Expression.of(Entry.of("Y", I - x))
>>> same(shifted, unfold(there, convolved))
True

And a chain is verified on numbers: tensors with finitely many entries other than 0, and a range wide enough to
stand for all whole numbers.

>>> steps = (
...     Step(Equation(left, of_moved.body), "definition of the convolution"),
...     Step(Equation(left, opened), "definition of T"),
...     Step(Equation(left, shifted), "m -> m + x, which runs through all of Z as m does"),
...     Step(Equation(left, there), "definition of the convolution"),
... )
>>> defined = {d.tensor: Defined(d) for d in (moved, of_moved, convolved)}
>>> given = {"X": OnIntegers(np.array([3, 1, 4]), (0,)), "K": OnIntegers(np.array([1, -2]), (0,))}
>>> numbers = Instance({x: 2}, {**given, **defined}, integers=range(-20, 20))
>>> Chain("Convolution commutes with translation", steps, (Over(i),), checked=0).verify([numbers])
1

`same(one, other)` compares formulas up to the names of summation indices; `eliminate` uses Kronecker deltas up and
keeps the divisibility that SymPy's own summation loses.
"""

from faltung.formulas import render
from faltung.formulas.bounds import Facts
from faltung.formulas.evaluate import Array, Computed, Defined, Instance, OnIntegers, Read, evaluate, summands
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
    same,
)
from faltung.formulas.notations import LATEX, MATHML, TEXT
from faltung.formulas.rules import (
    Definition,
    Solved,
    blocks,
    deltas,
    differentiate,
    divides,
    eliminate,
    pads,
    shift,
    turn,
    unfold,
)
from faltung.formulas.scalars import At, Floor, Mapped, Scalar, Symbol, floor
from faltung.formulas.steps import Chain, Equation, Step, StepFails, all_points, draw_points
from faltung.formulas.values import number

__all__ = [
    "LATEX",
    "MATHML",
    "TEXT",
    "Array",
    "At",
    "Between",
    "Chain",
    "Computed",
    "Condition",
    "Defined",
    "Definition",
    "Divides",
    "Entry",
    "Equal",
    "Equation",
    "Expression",
    "Factor",
    "Facts",
    "Floor",
    "Instance",
    "Mapped",
    "OnIntegers",
    "Over",
    "Partial",
    "Read",
    "Scalar",
    "Solved",
    "Step",
    "StepFails",
    "Symbol",
    "Term",
    "all_points",
    "blocks",
    "deltas",
    "differentiate",
    "divides",
    "draw_points",
    "eliminate",
    "evaluate",
    "floor",
    "number",
    "pads",
    "render",
    "same",
    "shift",
    "summands",
    "turn",
    "unfold",
]
