"""Chains of equations with reasons, each checked by numbers."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.formulas import render
from faltung.formulas.evaluate import Instance, Points, evaluate
from faltung.formulas.expressions import Expression, Over
from faltung.formulas.notations import LATEX, MATHML, TEXT, Notation, spelled
from faltung.formulas.scalars import Scalar, Symbol
from faltung.formulas.values import number
from faltung.words import count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

WIDTH = 100
"""Of a chain printed as text."""

STYLES = {"title": "bold", "formula": "", "reason": "dim", "result": "bold green", "note": ""}
"""How the lines of a chain look in a terminal."""


_INDENT = " " * 8


class StepFails(ArithmeticError):
    """A step of a chain is not true: a rule has a defect. Never the user's mistake."""


@dataclass(frozen=True)
class Equation:
    """left = right."""

    left: Expression
    right: Expression

    def write(self, notation: Notation) -> str:
        """Return the equation in a notation."""
        left, right = (render.expression(side, notation) for side in (self.left, self.right))
        return notation.relation % (left, "=", right)

    def __str__(self) -> str:
        return self.write(TEXT)

    def latex(self) -> str:
        """Return the equation in LaTeX."""
        return self.write(LATEX)

    def mathml(self) -> str:
        """Return the equation as one element of MathML."""
        return f'<math display="block">{self.write(MATHML)}</math>'


@dataclass(frozen=True)
class Step:
    """A formula and why it holds."""

    formula: Equation
    reason: str

    def __str__(self) -> str:
        return f"{self.formula}   ({self.reason})"


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain of equalities with the reason of each.

    Parameters
    ----------
    title : str
        What is derived or proved, in words.
    steps : tuple of Step
        Equations; where the left side stays the same, each is an equality with the one before.
    ranges : tuple of Over
        The indices that are free in them, with their ranges (None: all whole numbers).
    checked : int
        On how many random instances all steps were found to hold.
    """

    title: str
    steps: tuple[Step, ...]
    ranges: tuple[Over, ...]
    checked: int

    def verify(self, instances: Iterable[Instance], points: int = 6, seed: int = 0) -> int:
        """Put numbers into every step and compare its two sides; return the number of instances.

        Raises
        ------
        StepFails
            If the sides of a step differ; it names the step and the numbers.
        """
        random = np.random.default_rng(seed)
        verified = 0
        for instance in instances:
            verified += 1
            places = draw_points(self.ranges, instance, points, random)
            values: dict[Expression, NDArray[Any]] = {}
            for place, step in enumerate(self.steps, start=1):
                left, right = step.formula.left, step.formula.right
                for side in (left, right):
                    if side not in values:
                        values[side] = evaluate(side, instance, places)
                if not np.array_equal(values[left], values[right]):
                    used = {s: v for s, v in places.items() if s in {*left.symbols(), *right.symbols()}}
                    raise StepFails(_failure(place, step, instance, used, values[left], values[right]))
        return verified

    def remarks(self, notation: Notation) -> list[tuple[str, str]]:
        """Return what is to be said below the steps: a word and a formula each."""
        return []

    def latex(self) -> str:
        """Return the chain as aligned LaTeX, each reason below its formula."""
        rows = []
        for left, right, reason in self._rows(LATEX):
            rows += [f"{left} &= {right}", rf"&\qquad \text{{{spelled(reason)}}}"]
        rows += [rf"\text{{{word}}} \quad & {formula}" for word, formula in self.remarks(LATEX)]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    def mathml(self) -> str:
        """Return the chain as one `math` element: a row for each formula and one for its reason."""
        rows = []
        for left, right, reason in self._rows(MATHML):
            rows.append(_cells(left, f"<mrow><mo>=</mo>{right}</mrow>"))
            rows.append(_cells("", f"<mtext>{escape(reason)}</mtext>", _REASON))
        for word, formula in self.remarks(MATHML):
            rows.append(_cells(f"<mtext>{word}</mtext>", formula))
        return f'<math display="block"><mtable displaystyle="true">{"".join(rows)}</mtable></math>'

    def _rows(self, notation: Notation) -> Iterator[tuple[str, str, str]]:
        """Yield left side, right side and reason of each step; the left side only where it changes."""
        last = None
        for step in self.steps:
            formula = step.formula
            left = "" if formula.left == last else render.expression(formula.left, notation)
            last = formula.left
            yield left, render.expression(formula.right, notation), step.reason

    def lines(self, width: int) -> list[tuple[str, str]]:
        """Return the chain in Unicode, line by line, each with the role it plays: a key of `STYLES`.

        Formulas are broken where they can be, so as to be no wider than `width`.
        """
        lines = [(self.title, "title"), ("", "note")]
        for left, right, reason in self._rows(TEXT):
            lines += [(line, "formula") for line in wrapped(f"{left or ' '} = {right}", width)]
            lines += [
                (line, "reason")
                for line in textwrap.wrap(reason, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
            ]
        return [*lines, ("", "note"), *self.closing(width)]

    def closing(self, width: int) -> list[tuple[str, str]]:
        """Return the lines below the steps, as `lines` does."""
        return [(line, "note") for line in textwrap.wrap(self.verdict, width)]

    def __str__(self) -> str:
        return "\n".join(line for line, _ in self.lines(WIDTH))

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Text]":
        from rich.text import Text

        for line, role in self.lines(options.max_width):
            yield Text(line, STYLES[role])

    @property
    def verdict(self) -> str:
        """On how many random instances every step was checked."""
        return f"Every step holds on {count(self.checked, 'random instance')}, compared exactly."

    def to_dict(self) -> dict[str, Any]:
        """Return the chain as plain strings and numbers, ready for JSON."""
        return {
            "title": self.title,
            "steps": [
                {
                    "text": str(step.formula),
                    "latex": step.formula.latex(),
                    "mathml": step.formula.mathml(),
                    "reason": step.reason,
                }
                for step in self.steps
            ],
            "checked": self.checked,
        }


_BREAKS = re.compile(r" (?=· |\(?Σ)|(?<!·) (?=\[)"), re.compile(r"(?<=,) (?=\S+ [≤|])")
"""Before a factor, a sum or a bracket; and, in a bracket that is too long, between conditions."""


def wrapped(line: str, width: int) -> list[str]:
    """Break a formula between factors, sums and brackets, so that its lines are no longer than a width if they can.

    >>> wrapped("Y[i] = Σ_{0≤m<k} W[m] · X[s·i + d·m − p]", 30)
    ['Y[i] = Σ_{0≤m<k} W[m]', '      · X[s·i + d·m − p]']
    """
    indent = " " * 6
    lines = [""]
    for whole in _BREAKS[0].split(line):
        for part in [whole] if len(indent + whole) <= width else _BREAKS[1].split(whole):
            joined = f"{lines[-1]} {part}" if lines[-1] else part
            if lines[-1].strip() and len(joined) > width:
                lines.append(indent + part)
            else:
                lines[-1] = joined
    return lines


def draw_points(
    ranges: Iterable[Over], instance: Instance, count: int, random: np.random.Generator
) -> dict[Symbol, NDArray[Any]]:
    """Draw random values for free indices, `count` of them each."""
    drawn = {}
    for over in ranges:
        if over.low is None or over.high is None:
            low, high = -4, 5
        else:
            low, high = (number(bound, instance.symbols) for bound in (over.low, over.high))
        drawn[over.index] = random.integers(low, high, count)
    return drawn


def all_points(ranges: Iterable[Over], instance: Instance) -> tuple[dict[Symbol, NDArray[Any]], tuple[int, ...]]:
    """Return all values of free indices that have ranges, and the shape that they span, first index first."""
    spans = {
        o.index: range(
            number(o.low or Scalar.of(0), instance.symbols), number(o.high or Scalar.of(0), instance.symbols)
        )
        for o in ranges
    }
    grids = np.meshgrid(*(np.array(span, dtype=np.int64) for span in spans.values()), indexing="ij")
    shape = tuple(map(len, spans.values()))
    return {index: grid.ravel() for index, grid in zip(spans, grids, strict=True)}, shape


_REASON = "padding-left: 2.5em; font-size: 85%; opacity: 0.7"


def _cells(left: str, right: str, style: str = "") -> str:
    """Return one row of a table of two columns that meet at their equals signs."""
    return (
        f'<mtr><mtd style="text-align: right">{left}</mtd>'
        f'<mtd style="text-align: left{"; " if style else ""}{style}">{right}</mtd></mtr>'
    )


def _failure(
    place: int, step: Step, instance: Instance, points: Points, left: NDArray[Any], right: NDArray[Any]
) -> str:
    at = int(np.argmax(left != right))
    names: Mapping[Symbol, object] = {**instance.symbols, **{s: int(v[at]) for s, v in points.items()}}
    numbers = ", ".join(f"{symbol.name}={value}" for symbol, value in names.items())
    return f"step {place}, {step}: {left[at]} = {right[at]} is false, where {numbers}"
