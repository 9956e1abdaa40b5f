"""Derivatives of a layer, step by step: each step is made by a rule from the one before, and checked by numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltung.errors import UnknownName
from faltung.errors import FaltungError
from faltung.formulas import (
    LATEX,
    MATHML,
    TEXT,
    Chain,
    Definition,
    Entry,
    Equal,
    Equation,
    Expression,
    Mapped,
    Over,
    Partial,
    Scalar,
    Solved,
    Step,
    Symbol,
    Term,
    blocks,
    deltas,
    differentiate,
    eliminate,
    pads,
    render,
    unfold,
)
from faltung.gradient import forms
from faltung.gradient.forms import Indexed
from faltung.gradient.layers import Layer

QUESTIONS = ("dY/dW", "dY/dX", "dY/db", "dL/dW", "dL/dX", "dL/db")


@dataclass(frozen=True)
class Derived:
    """The steps of a derivation and what they are about."""

    steps: tuple[Step, ...]
    closed: Expression
    target: Indexed
    of: Entry
    ranges: tuple[Over, ...]


def derived(what: str, layer: Layer) -> Derived:
    """Derive, and return the steps."""
    of, _, by = what.partition("/")
    outputs, target = forms.indexed(layer, "Y"), forms.indexed(layer, by[1:])
    if of == "dL":
        outputs = outputs.avoiding(target.indices)
        numerator = Entry("L")
        ranges = target.ranges
    else:
        target = target.avoiding(outputs.indices)
        numerator = outputs.entry
        ranges = (*outputs.ranges, *target.ranges)
    left = Expression.of(Partial(Expression.of(numerator), target.entry))
    definition = forms.form(layer)
    steps = _Steps(left)
    steps.define(definition, _layer_reason(layer))
    if of == "dL":
        along = Partial(Expression.of(numerator), outputs.entry), Partial(Expression.of(outputs.entry), target.entry)
        through = Expression((Term(along, outputs.ranges),))
        steps.add(through, f"chain rule: L depends on {by[1:]} through every entry of Y")
    else:
        through = left
    opened = unfold(through, definition)
    steps.add(opened, "write Y as what it is")
    apart = differentiate(opened)
    steps.add(apart, _constants(layer, by[1:]))
    compared = deltas(apart)
    steps.add(compared, "an entry differentiated by an entry is 1 where they are the same one, and 0 else")
    known = forms.facts(layer, ranges)
    prefer = [*outputs.indices[len(outputs.indices) - len(layer.axes) :]] if of == "dL" else []
    if of == "dL" and any(isinstance(atom, Mapped) for atom in _delta_atoms(compared)):
        compared = pads(compared, lambda mapped: forms.reach(layer, mapped))
        steps.add(compared, "sum over the positions of the padded picture that copy the pixel")
    closed, solved = eliminate(compared, known, prefer)
    steps.add(closed, _solved_reason(solved))
    while (blocked := blocks(closed, known)) != closed:
        closed, more = eliminate(blocked, known, prefer)
        steps.add(closed, "one group of channels alone counts" + (f"; {_solved_reason(more)}" if more else ""))
    named = dict.fromkeys((*forms.indexed(layer, "Y").ranges, *ranges))
    return Derived(tuple(steps.made), closed, target, numerator, tuple(named))


class _Steps:
    """Steps as they are made; one that changes nothing is none."""

    def __init__(self, left: Expression) -> None:
        self.left = left
        self.last = left
        self.made: list[Step] = []

    def define(self, definition: Definition, reason: str) -> None:
        self.made.append(Step(Equation(definition.left, definition.body), reason))

    def add(self, expression: Expression, reason: str) -> None:
        if expression != self.last:
            self.made.append(Step(Equation(self.left, expression), reason))
            self.last = expression


def _delta_atoms(expression: Expression) -> Iterator[object]:
    for term in expression.terms:
        for condition in term.conditions:
            if isinstance(condition, Equal):
                yield from condition.left.atoms()


def _layer_reason(layer: Layer) -> str:
    return f"the layer: {layer.kind}"


def _constants(layer: Layer, by: str) -> str:
    others = [name for name in ("W", "X", "b") if name != by]
    return f"differentiate under the sum; {' and '.join(others)} do not depend on {by}"


def _solved_reason(solved: Sequence[Solved]) -> str:
    if not solved:
        return "the delta stays"
    written = [f"{render._atom(s.index, TEXT)} = {render.scalar(s.value, TEXT)}" for s in solved]
    return "each delta leaves one summand: " + ", ".join(written)
