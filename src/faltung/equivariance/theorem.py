"""Convolution commutes with translation: proved on all whole numbers, step by step, and with a stride as far as it is.

    ((T X) * K)[i] = (T (X * K))[i]        where (T X)[i] = X[i - x]

Every step is made by a rule of `faltung.formulas` from the one before, the last is recognised as a definition, and
all are compared with numbers. With stride s only translations by multiples of s come through; for the others two
small pictures are found, by search, that show that no translation of the output will do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from faltung.errors import FaltungError
from faltung.formulas import (
    LATEX,
    TEXT,
    Chain,
    Defined,
    Definition,
    Entry,
    Equation,
    Expression,
    Instance,
    OnIntegers,
    Over,
    Scalar,
    Step,
    StepFails,
    Symbol,
    Term,
    render,
    same,
    shift,
    unfold,
)
from faltung.formulas.notations import Notation

KINDS = ("convolution", "cross-correlation")
INDICES, SUMMED, SHIFTS = ("i", "j", "l"), ("m", "n", "o"), ("x", "y", "z")
"""Names of places in the output, of summation indices and of the translation, by axis."""

CHECKED = 20
"""On so many random instances every step is compared, and on fewer where the sums are long."""

MOST_CELLS = 100_000
"""So many summands are added up for one place of the output, over all instances."""

MOST_STRIDE = {1: 64, 2: 64, 3: 8}
"""The largest stride, by the number of axes."""

MOST_SHOWN = 3
"""So many counterexamples are written out."""

_SMALL = {**dict(zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True)), "s": "ˢ"}
_LOW = {**dict(zip("0123456789", "₀₁₂₃₄₅₆₇₈₉", strict=True)), "s": "ₛ"}


@dataclass(frozen=True)
class Counterexample:
    """A picture and a kernel on a line with which a translation by no multiple of the stride is no translation.

    Parameters
    ----------
    stride, shift : int
        The stride, and how far the picture is moved.
    picture, kernel : tuple of int
        Their entries from place 0 on; all others are 0.
    before, after : dict of int to int
        The entries of the output that are not 0, by place: of the picture, and of the picture moved.
    """

    stride: int
    shift: int
    picture: tuple[int, ...]
    kernel: tuple[int, ...]
    before: dict[int, int]
    after: dict[int, int]

    def __str__(self) -> str:
        return (
            f"stride {self.stride}, shift {self.shift}: X = {_entries(self.picture)} and K = {_entries(self.kernel)} "
            f"from place 0 on give Y = {_places(self.before)}; X moved by {self.shift} gives {_places(self.after)}, "
            "and no translation makes one of the other"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "stride": self.stride,
            "shift": self.shift,
            "picture": list(self.picture),
            "kernel": list(self.kernel),
            "before": {str(place): value for place, value in self.before.items()},
            "after": {str(place): value for place, value in self.after.items()},
        }


@dataclass(frozen=True, eq=False)
class Proof(Chain):
    """A proof as a chain of equalities, each with its reason; prints as text, LaTeX and MathML.

    Parameters
    ----------
    kind : {'convolution', 'cross-correlation'}
        What commutes with translation.
    stride : int or str
        The stride, a number or a name.
    counterexamples : tuple of Counterexample
        For each translation below the stride that is no multiple of it: why it does not come through. With a name for
        the stride, those of strides 2 and 3.
    """

    kind: str = KINDS[0]
    stride: int | str = 1
    counterexamples: tuple[Counterexample, ...] = field(default=())

    def _rows(self, notation: Notation) -> Iterator[tuple[str, str, str]]:
        yield from super()._rows(replace(notation, name=self._named(notation)))

    def _named(self, notation: Notation) -> Any:
        """Return how tensors are named: those of the proof by what they are made of."""
        star = "*" if self.kind == KINDS[0] else "⋆"
        power = "" if self.stride == 1 else str(self.stride)
        if notation is LATEX:
            sign = ("*" if star == "*" else r"\star") + (f"_{{{power}}}" if power else "")
            often = f"^{{{power}}}" if power else ""
        else:
            sign = star + "".join(_LOW.get(letter, letter) for letter in power)
            often = "".join(_SMALL.get(letter, letter) for letter in power)
        moved, convolved = f"(T{often} X)", f"(X {sign} K)"
        names = {"A": moved, "Z": f"({moved} {sign} K)", "Y": convolved, "B": f"(T {convolved})"}

        def named(name: str) -> str:
            if name not in names:
                return notation.name(name)
            return names[name] if notation in (TEXT, LATEX) else f"<mi>{names[name]}</mi>"

        return named

    def closing(self, width: int) -> list[tuple[str, str]]:
        """Return the lines below the steps, as `lines` does."""
        import textwrap

        lines = super().closing(width)
        shown = [f"Not for others: {found}." for found in self.counterexamples[:MOST_SHOWN]]
        if len(self.counterexamples) > MOST_SHOWN:
            shown.append(
                f"So for all {len(self.counterexamples)} shifts below the stride; each has one, found by search."
            )
        return [*lines, *((line, "note") for told in shown for line in textwrap.wrap(told, width))]

    def to_dict(self) -> dict[str, Any]:
        """Return the proof as plain strings and numbers, ready for JSON."""
        told = super().to_dict()
        for row, step in zip(self._rows(TEXT), told["steps"], strict=True):
            step["text"] = f"{row[0]} = {row[1]}".strip()
        for row, step in zip(self._rows(LATEX), told["steps"], strict=True):
            step["latex"] = f"{row[0]} = {row[1]}".strip()
        return {
            **told,
            "kind": self.kind,
            "stride": self.stride,
            "counterexamples": [found.to_dict() for found in self.counterexamples],
        }


def proof(kind: str = "convolution", *, axes: int = 2, stride: int | str = 1) -> Proof:
    """Prove that convolution, or cross-correlation, commutes with translation on all whole numbers.

    Parameters
    ----------
    kind : {'convolution', 'cross-correlation'}
        With the kernel flipped, as mathematics has it, or not, as convolutional networks have it.
    axes : int
        Of the picture, 1 to 3.
    stride : int or str
        1, or a number or a name: then the picture is translated by multiples of it.

    Returns
    -------
    Proof
        Its steps, found true on random numbers as well, and counterexamples for other translations.

    Raises
    ------
    FaltungError
        If the kind, the number of axes or the stride is none of these.

    Examples
    --------
    >>> print(proof(axes=1))
    Convolution on Z commutes with every translation
    <BLANKLINE>
    (T X)[i] = X[i − x]
            the translation by x
    (X * K)[i] = Σ_{m ∈ ℤ} X[m] · K[i − m]
            the convolution
    ((T X) * K)[i] = Σ_{m ∈ ℤ} (T X)[m] · K[i − m]
            the convolution of the translated picture
      = Σ_{m ∈ ℤ} X[m − x] · K[i − m]
            the translation, at m
      = Σ_{m ∈ ℤ} X[m] · K[i − m − x]
            m -> m + x, which runs through all of Z as m does
      = (X * K)[i − x]
            the convolution, at i − x
      = (T (X * K))[i]
            the translation, of the output
    <BLANKLINE>
    Every step holds on 20 random instances, compared exactly.
    >>> proof("cross-correlation", stride=2).counterexamples[0].shift
    1
    """
    if kind not in KINDS:
        raise FaltungError(f"kind={kind!r} must be 'convolution' or 'cross-correlation'")
    if isinstance(axes, bool) or not isinstance(axes, int) or not 1 <= axes <= len(INDICES):
        raise FaltungError(f"axes={axes!r} must be 1, 2 or 3")
    named = isinstance(stride, str) and len(stride) == 1 and stride.isalpha() and stride not in "ijlmnoxyzXKTZ"
    if not named and (isinstance(stride, bool) or not isinstance(stride, int) or not 1 <= stride <= MOST_STRIDE[axes]):
        most = MOST_STRIDE[axes]
        raise FaltungError(f"stride={stride!r} must be a number from 1 to {most} or a letter that is free, such as s")
    made = _Statement(kind, axes, stride)
    steps = made.steps()
    ranges = tuple(Over(index) for index in made.indices)
    strides = (2, 3) if isinstance(stride, str) else (stride,)
    found = tuple(counterexample(kind, one, by) for one in strides for by in range(1, one))
    often = max(2, min(CHECKED, MOST_CELLS // (2 * made.reach(max(strides)) + 1) ** axes))
    chain = Proof(made.title, steps, ranges, often, kind, stride, found)
    random = np.random.default_rng(0)
    chain.verify(made.numbers(random) for _ in range(often))
    return chain


class _Statement:
    """The definitions of the proof, and its steps."""

    def __init__(self, kind: str, axes: int, stride: int | str) -> None:
        self.kind, self.axes, self.stride = kind, axes, stride
        self.indices = [Symbol(name) for name in INDICES[:axes]]
        self.summed = [Symbol(name) for name in SUMMED[:axes]]
        self.by = [Symbol(name) for name in SHIFTS[:axes]]
        self.step = Scalar.of(Symbol(stride, 1) if isinstance(stride, str) else stride)
        self.moved = [self.step * by for by in self.by]
        self.translated = self._translation("A", "X", self.moved)
        self.convolved = self._convolution("Y", "X")
        self.of_translated = self._convolution("Z", "A")
        self.then_translated = self._translation("B", "Y", [Scalar.of(by) for by in self.by])

    @property
    def title(self) -> str:
        """What is proved, in words."""
        space = " x ".join(["Z"] * self.axes)
        if self.stride == 1:
            return f"{self.kind.capitalize()} on {space} commutes with every translation"
        name = f"{self.kind.capitalize()} with stride {self.stride} on {space}"
        return f"{name} takes translations by multiples of {self.stride} to translations"

    def _translation(self, name: str, of: str, by: list[Scalar]) -> Definition:
        places = [Scalar.of(index) - moved for index, moved in zip(self.indices, by, strict=True)]
        return Definition(name, tuple(self.indices), Expression.of(Entry(of, tuple(places))))

    def _convolution(self, name: str, of: str) -> Definition:
        summed = [Scalar.of(index) for index in self.summed]
        starts = [self.step * index for index in self.indices]
        if self.kind == KINDS[0]:
            read, weight = summed, [start - index for start, index in zip(starts, summed, strict=True)]
        else:
            read, weight = [start + index for start, index in zip(starts, summed, strict=True)], summed
        factors = (Entry(of, tuple(read)), Entry("K", tuple(weight)))
        return Definition(name, tuple(self.indices), Expression((Term(factors, tuple(map(Over, self.summed))),)))

    def steps(self) -> tuple[Step, ...]:
        """Make every step from the one before by a rule, and recognise the end as what is claimed.

        Raises
        ------
        StepFails
            If it is not: then a rule has a defect.
        """
        left = self.of_translated.left
        made = [
            Step(_defining(self.translated), f"the translation by {self._shifts(self.moved)}"),
            Step(_defining(self.convolved), f"the {self.kind}{self._strided()}"),
            Step(_defining(self.of_translated), f"the {self.kind} of the translated picture"),
        ]
        formula = unfold(self.of_translated.body, self.translated)
        at = ", ".join(index.name for index in self.summed) if self.kind == KINDS[0] else "the place that is read"
        made.append(Step(Equation(left, formula), f"the translation, at {at}"))
        if self.kind == KINDS[0]:
            for index, by in zip(self.summed, self.moved, strict=True):
                formula = shift(formula, index, by)
            moves = ", ".join(
                f"{index.name} -> {render.scalar(Scalar.of(index) + by, TEXT)}"
                for index, by in zip(self.summed, self.moved, strict=True)
            )
            names = " and ".join(index.name for index in self.summed)
            run = ("runs", "does") if self.axes == 1 else ("run", "do")
            why = f"which {run[0]} through all of Z as {names} {run[1]}"
            made.append(Step(Equation(left, formula), f"{moves}, {why}"))
        there = [Scalar.of(index) - by for index, by in zip(self.indices, self.by, strict=True)]
        claimed = Expression.of(Entry("Y", tuple(there)))
        if not same(formula, unfold(claimed, self.convolved)):
            raise StepFails(f"{render.expression(formula, TEXT)} is not the {self.kind} at {self._shifts(there)}")
        made.append(Step(Equation(left, claimed), f"the {self.kind}, at {self._shifts(there)}"))
        ended = Expression.of(Entry("B", tuple(map(Scalar.of, self.indices))))
        if not same(claimed, unfold(ended, self.then_translated)):
            raise StepFails(f"{render.expression(claimed, TEXT)} is not the translated {self.kind}")
        made.append(Step(Equation(left, ended), "the translation, of the output"))
        return tuple(made)

    def _shifts(self, of: list[Scalar]) -> str:
        return ", ".join(render.scalar(one, TEXT) for one in of)

    def _strided(self) -> str:
        return "" if self.stride == 1 else f" with stride {self.stride}"

    def numbers(self, random: np.random.Generator) -> Instance:
        """Return random whole numbers for all that has a name: finite pictures, and a range that holds them."""
        stride = int(random.integers(1, 4)) if isinstance(self.stride, str) else self.stride
        symbols = {by: int(random.integers(-2, 3)) for by in self.by}
        if isinstance(self.stride, str):
            symbols[Symbol(self.stride, 1)] = stride
        tensors: dict[str, Any] = {
            name: OnIntegers(
                random.integers(-9, 10, random.integers(1, 4, self.axes)), tuple(random.integers(-1, 2, self.axes))
            )
            for name in ("X", "K")
        }
        definitions = (self.translated, self.convolved, self.of_translated, self.then_translated)
        tensors |= {definition.tensor: Defined(definition) for definition in definitions}
        reach = self.reach(stride)
        return Instance(symbols, tensors, range(-reach, reach + 1))

    def reach(self, stride: int) -> int:
        """Return how far from 0 a summand can lie: at places -1 .. 3 of K, or of X moved by up to two strides."""
        return 3 + (2 * stride if self.kind == KINDS[0] else 0)


def _defining(definition: Definition) -> Equation:
    return Equation(definition.left, definition.body)


def counterexample(kind: str, stride: int, by: int, most: int = 3) -> Counterexample:
    """Search a picture and a kernel, the smallest first, whose output is not translated when the picture is.

    Pictures and kernels have entries from 0 to 2 on a line. If the entries of the two outputs, sorted, differ, no
    translation takes one to the other.

    Raises
    ------
    FaltungError
        If there is none up to `most` entries each: for multiples of the stride there cannot be one.

    >>> counterexample("cross-correlation", 2, 1).before
    {0: 1}
    """
    for size, width in sorted(product(range(1, most + 1), repeat=2), key=sum):
        for picture in product(range(3), repeat=size):
            for kernel in product(range(3), repeat=width):
                before, after = (_strided(kind, picture, kernel, stride, moved) for moved in (0, by))
                if sorted(before.values()) != sorted(after.values()):
                    return Counterexample(stride, by, picture, kernel, before, after)
    raise FaltungError(f"no counterexample of up to {most} entries for stride {stride} and shift {by}")


def _strided(kind: str, picture: tuple[int, ...], kernel: tuple[int, ...], stride: int, moved: int) -> dict[int, int]:
    """Return the entries of the output that are not 0, for a picture that is moved: by the definition, as a loop."""
    sign = 1 if kind == KINDS[1] else -1
    reach = len(picture) + len(kernel) + abs(moved)
    found = {}
    for place in range(-reach, reach + 1):
        total = 0
        for index, weight in enumerate(kernel):
            read = stride * place + sign * index - moved
            total += weight * (picture[read] if 0 <= read < len(picture) else 0)
        if total:
            found[place] = total
    return found


def _entries(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _places(entries: dict[int, int]) -> str:
    if not entries:
        return "0 everywhere"
    return ", ".join(f"{value} at {place}" for place, value in entries.items()) + " and 0 else"
