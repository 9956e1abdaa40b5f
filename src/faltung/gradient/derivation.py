"""Derivatives of a layer: what `faltung.derive` gives."""

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import FaltungError, UnknownName
from faltung.formulas import TEXT, Chain, Entry, Equation, Over, Scalar, render
from faltung.formulas.notations import Notation
from faltung.formulas.steps import wrapped
from faltung.gradient import forms
from faltung.gradient.deriving import QUESTIONS, derived
from faltung.gradient.instances import cost, draw
from faltung.gradient.layers import WEIGHTED, Layer
from faltung.gradient.names import name
from faltung.gradient.reading import GENERAL, PerAxis, read

if TYPE_CHECKING:
    from torch import nn

    from faltung.gradient.checking import Check

CHECKED = 5
"""On so many random layers every derivation is checked before it is handed out."""

LARGE, TOO_LARGE = 256, 4096
"""Taps or outputs of the smallest case from which on a single layer is checked, and beyond which none can be."""

MOST_CHECKED = 100_000


@dataclass(frozen=True, eq=False)
class Derivation(Chain):
    """A derivative of a layer: the steps to it, each with its reason, and the closed form.

    It prints as text, shows as formulas in a notebook, and turns into plain data with `to_dict`.

    Parameters
    ----------
    what : str
        Which derivative, such as 'dL/dX'.
    layer : Layer
        Of which layer.
    closed_form : Equation
        The derivative, with its conditions in brackets: [...] is 1 where they hold and 0 elsewhere.
    own : tuple of Over
        The free indices of the closed form, with their ranges.
    words : str
        What the closed form is, as an operation on whole tensors; empty for derivatives of single outputs.
    """

    what: str
    layer: Layer
    closed_form: Equation
    own: tuple[Over, ...]
    words: str

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions of the closed form: what must divide, ranges, and the ranges of its free indices."""
        terms = self.closed_form.right.terms
        stated = [render.statement(condition, TEXT) for term in terms for condition in term.conditions]
        return tuple(dict.fromkeys([*stated, *render.ranges(self.own, TEXT)]))

    @property
    def where(self) -> tuple[str, ...]:
        """What the sizes and the index maps in the formulas are."""
        return tuple(self._meanings(TEXT))

    def _meanings(self, notation: Notation) -> list[str]:
        said = []
        for size, value in forms.sizes(self.layer):
            said.append(notation.relation % (notation.name(size.name), "=", render.scalar(value, notation)))
        if self.layer.divisor in ("padded", "pixels"):
            share = render.factor(Entry.of("R", *forms.letters("Y", self.layer)), notation)
            counted = "pixels" if self.layer.divisor == "pixels" else "positions on the padded axes"
            said.append(notation.relation % (share, "=", notation.words % f"one over the window's {counted}"))
        for mapped in forms.mappings(self.layer):
            left = render.scalar(Scalar.of(mapped), notation)
            for value, condition in forms.pieces(self.layer, mapped):
                equation = notation.relation % (left, "=", render.scalar(value, notation))
                said.append(notation.where % (equation, render.condition(condition, notation)))
        return said

    def check(self, n: int = 100, seed: int = 0) -> "Check":
        """Compare the closed form with PyTorch's autograd on random layers of whole numbers in float64, to the bit.

        Parameters
        ----------
        n : int
            How many layers; sizes, tensors and the values of symbols are drawn anew for each.
        seed : int
            Seed of the draws.

        Raises
        ------
        FaltungError
            If n is not in 1..100000, or PyTorch has no such layer (more than three axes).
        """
        from faltung.gradient.checking import check

        if not 1 <= n <= MOST_CHECKED:
            raise FaltungError(f"{n} layers to check; it must be in 1..{MOST_CHECKED}")
        return check(self, n, seed)

    def remarks(self, notation: Notation) -> list[tuple[str, str]]:
        """Return the ranges of the free indices, and what sizes and index maps are."""
        ranges = notation.comma.join(render.ranges(self.own, notation))
        return [*([("for", ranges)] if ranges else []), *(("where", meaning) for meaning in self._meanings(notation))]

    def closing(self, width: int) -> list[tuple[str, str]]:
        """Return the closed form, and what belongs to it."""
        words = f"{self.what.replace('d', '∂')} is {self.words}." if self.words else ""
        rows = {
            "closed form": wrapped(str(self.closed_form), width - _COLUMN),
            "for": [", ".join(render.ranges(self.own, TEXT))] if self.own else [],
            "where": list(self.where),
            "in words": textwrap.wrap(words, width - _COLUMN),
            "checked": textwrap.wrap(self.verdict, width - _COLUMN),
        }
        return [
            (f"{'' if place else heading:<{_COLUMN}}{part}", "result" if heading == "closed form" else "note")
            for heading, parts in rows.items()
            for place, part in enumerate(parts)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the derivation as plain strings and numbers, ready for JSON."""
        return {
            "what": self.what,
            "layer": self.layer.text,
            "axes": len(self.layer.axes),
            **super().to_dict(),
            "closed_form": {
                "text": str(self.closed_form),
                "latex": self.closed_form.latex(),
                "mathml": self.closed_form.mathml(),
            },
            "conditions": list(self.conditions),
            "where": list(self.where),
            "words": self.words,
        }


_COLUMN = 13
"""Width of the headings below the steps."""


def derive(
    what: str,
    layer: "str | nn.Module" = GENERAL,
    *,
    axes: int | None = None,
    kernel: PerAxis | None = None,
    stride: PerAxis | None = None,
    dilation: PerAxis | None = None,
    padding: PerAxis | None = None,
    output_padding: PerAxis | None = None,
    groups: int | str | None = None,
    boundary: str | None = None,
    bias: bool | None = None,
) -> Derivation:
    """Derive a gradient of a layer, step by step, and check every step with numbers.

    Y is the layer's output, X its input, W its weights (a cross-correlation, as convolutional networks have it), b
    its bias and L a loss that depends on all of Y. A derivative by an entry of W has the indices of that entry, and
    so on; no batch is written, for a sum over it changes nothing else.

    Parameters
    ----------
    what : {'dY/dW', 'dY/dX', 'dY/db', 'dL/dW', 'dL/dX', 'dL/db'}
        Which derivative: of one entry of Y, or of the loss through all of them.
    layer : str or torch.nn.Module
        One operator of the text form, ``"conv k=3 s=2 p=1"``, with a number or a name for each key; a key that is
        left out has its default there, and k, which has none, is a symbol. Further keys are ``g`` (groups; with it
        come channels) and, for conv, ``boundary``. Or a module: Conv, ConvTranspose, AvgPool or MaxPool of 1 to 3
        axes. By default the general convolution, with symbols for everything.
    axes : int, optional
        How many axes, 1 to 6; 2 if nothing else says so.
    kernel, stride, dilation, padding, output_padding : int, str or sequence, optional
        In place of what `layer` says: a number or a name, or one for each axis. Padding may be 'same' or a pair
        (before, after) for an axis.
    groups : int or str, optional
        Groups of channels.
    boundary : {'zero', 'reflect', 'replicate', 'circular'}, optional
        What lies beyond the border of X.
    bias : bool, optional
        Whether b is added; with channels it is.

    Returns
    -------
    Derivation

    Raises
    ------
    FaltungError
        If the layer or the derivative is not understood, the layer has no such tensor, or its numbers are so large
        that the derivation cannot be checked.

    Examples
    --------
    The textbook's case, and what a stride changes:

    >>> print(derive("dY/dW", "conv").closed_form)
    ∂Y[i, j]/∂W[u, v] = X[i + u, j + v]
    >>> found = derive("dL/dX", "conv s=2 p=1", axes=1)
    >>> print(found.closed_form)
    ∂L/∂X[α] = Σ_{0≤m<k} ∂L/∂Y[(α − m + 1)/2] · W[m] · [2 | α − m + 1, 0 ≤ (α − m + 1)/2 < N′]
    >>> found.conditions
    ('2 | α − m + 1', '0 ≤ (α − m + 1)/2 < N′', '0 ≤ α < N')
    >>> print(found.words)
    the transposed convolution of ∂L/∂Y with W (stride 2, dilation 1, padding 1)

    With channels in groups:

    >>> print(derive("dL/dW", axes=1, padding=0).closed_form)
    ∂L/∂W[o, c, u] = Σ_{0≤i<N′} ∂L/∂Y[o, i] · X[C·⌊o/O⌋ + c, s·i + d·u]
    """
    if what not in QUESTIONS:
        raise UnknownName("derivative", str(what), QUESTIONS)
    given = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    given |= {"output_padding": output_padding, "groups": groups, "boundary": boundary, "bias": bias}
    found = read(layer, axes, given)
    if what.endswith("b") and bias is None and isinstance(layer, str) and found.operator in WEIGHTED:
        found = replace(found, bias=True)
    if what[-1] in "Wb" and found.operator not in WEIGHTED:
        missing = "weights" if what.endswith("W") else "bias"
        raise FaltungError(f"{found.operator} has no {missing}, so there is no {what}; ask for dY/dX or dL/dX")
    if what.endswith("b") and not found.bias:
        raise FaltungError(f"this {found.operator} has no bias, so there is no {what}")
    work = cost(found)
    if work > TOO_LARGE:
        raise FaltungError(
            f"{found.text} over {len(found.axes)} axes is too large to be checked by adding up its sums; put a name in "
            "place of a large number, such as k=k"
        )
    checked = CHECKED if work < LARGE else 1
    made = derived(what, found)
    written = what.replace("d", "∂")
    derivation = Derivation(
        f"{written} of {found.text}",
        made.steps,
        made.ranges,
        checked,
        what,
        found,
        made.closed,
        made.own,
        name(made.closed.right, what, found, made.target),
    )
    random = np.random.default_rng(0)
    derivation.verify(draw(found, random).instance for _ in range(checked))
    return derivation
