"""The steps of a derivation: each is made by a rule from the one before."""

from collections.abc import Sequence
from dataclasses import dataclass

from faltung.formulas import (
    TEXT,
    Definition,
    Divides,
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
from faltung.gradient.layers import KINDS, Layer

QUESTIONS = ("dY/dW", "dY/dX", "dY/db", "dL/dW", "dL/dX", "dL/db")


@dataclass(frozen=True)
class Derived:
    """The steps of a derivation and what they are about.

    Parameters
    ----------
    steps : tuple of Step
        The layer as a formula, and from there to the closed form.
    closed : Equation
        The derivative and what it is.
    target : tuple of Scalar
        The indices of the entry by which it is derived.
    ranges : tuple of Over
        The free indices of all steps with their ranges.
    own : tuple of Over
        Those of the closed form.
    """

    steps: tuple[Step, ...]
    closed: Equation
    target: tuple[Scalar, ...]
    ranges: tuple[Over, ...]
    own: tuple[Over, ...]


def derived(what: str, layer: Layer) -> Derived:
    """Derive, and return the steps."""
    of, _, by = what.partition("/")
    outputs, target = forms.indexed(layer, "Y"), forms.indexed(layer, by[1:])
    if of == "dL":
        outputs = outputs.avoiding(target.free)
        numerator = Entry("L")
        ranges = target.ranges
    else:
        target = target.avoiding(outputs.free)
        numerator = outputs.entry
        ranges = (*outputs.ranges, *target.ranges)
    left = Expression.of(Partial(Expression.of(numerator), target.entry))
    definition = forms.form(layer)
    steps = _Steps(left)
    steps.define(definition, f"the layer: {KINDS[layer.operator]}{_note(layer)}")
    explicit = forms.solved(layer)
    if explicit != definition:
        steps.define(explicit, "only the inputs that send something there: each delta solved for its input")
    if of == "dL":
        along = Partial(Expression.of(numerator), outputs.entry), Partial(Expression.of(outputs.entry), target.entry)
        through = Expression((Term(along, outputs.ranges),))
        steps.add(through, f"chain rule: L depends on {by[1:]} through every entry of Y")
    else:
        through = left
    opened = unfold(through, definition)
    steps.add(opened, "write Y as the layer makes it")
    apart = differentiate(opened)
    steps.add(apart, _constants(definition.body, by[1:]))
    compared = deltas(apart)
    steps.add(compared, "an entry differentiated by an entry is 1 where they are the same one, and 0 else")
    known = forms.facts(layer, ranges)
    prefer = [*outputs.free[len(outputs.free) - len(layer.axes) :]] if of == "dL" else []
    if of == "dL" and _copies(compared):
        compared = pads(compared, lambda mapped: forms.reach(layer, mapped))
        steps.add(compared, "sum over the positions of the padded picture that copy the pixel")
    closed, fixed = eliminate(compared, known, prefer)
    steps.add(closed, _leaves(fixed, closed))
    while (blocked := blocks(closed, known)) != closed:
        closed, more = eliminate(blocked, known, prefer)
        steps.add(closed, "only the channels of one group count" + (f"; {_leaves(more, closed)}" if more else ""))
    named = dict.fromkeys((*forms.indexed(layer, "Y").ranges, *ranges))
    return Derived(tuple(steps.made), Equation(left, closed), target.entry.indices, tuple(named), ranges)


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


def _copies(expression: Expression) -> bool:
    """Say whether a delta compares with the pixel that a position of the padding copies."""
    deltas = [c for term in expression.terms for c in term.conditions if isinstance(c, Equal)]
    return any(isinstance(atom, Mapped) for delta in deltas for atom in delta.left.atoms())


def _note(layer: Layer) -> str:
    if layer.operator == "maxpool":
        return "; A is the tap at which the window is largest"
    if layer.operator == "tconv":
        return ", which sends every input to every tap's output"
    if layer.boundary != "zero":
        return f" with {layer.boundary} padding; rho is the pixel that a position copies".replace("rho", "ρ")
    return ""


def _constants(body: Expression, by: str) -> str:
    entries = [factor.tensor for term in body.terms for factor in term.factors if isinstance(factor, Entry)]
    others = [name for name in dict.fromkeys(entries) if name != by]
    said = "differentiate under the sum"
    if others:
        said += f"; {' and '.join(others)} {'does' if len(others) == 1 else 'do'} not depend on {by}"
    return said


def _leaves(fixed: Sequence[Solved], closed: Expression) -> str:
    """Say what the deltas leave, and which of it must be whole."""
    if not fixed:
        return "no delta can be solved"
    written = [f"{render.scalar(Scalar.of(s.index), TEXT)} = {render.scalar(s.value, TEXT)}" for s in fixed]
    whole = any(isinstance(c, Divides) for term in closed.terms for c in term.conditions)
    said = "each delta leaves one summand: " + ", ".join(written)
    return said + (", where that is whole and in range" if whole else "")
