"""The proof that convolution commutes with translation: each step a rule, each number compared, counterexamples found."""

import json
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest

from faltung import FaltungError
from faltung.equivariance import proof, theorem
from faltung.equivariance.theorem import KINDS, counterexample
from faltung.formulas import Scalar, StepFails


@pytest.mark.parametrize(
    ("kind", "axes", "stride"), [*product(KINDS, (1, 2), (1, 2, "s")), (KINDS[0], 3, 1), (KINDS[1], 3, "s")]
)
def test_every_proof_goes_through(kind, axes, stride):
    """From the definitions to the claim, by rules, and every equation is true of random numbers."""
    proved = proof(kind, axes=axes, stride=stride)
    assert proved.steps[-1].formula.right == theorem._Statement(kind, axes, stride).then_translated.left
    assert len({step.formula.left for step in proved.steps[2:]}) == 1
    assert proved.checked >= 2


def test_the_proof_in_words():
    """The steps stand in the order in which a mathematician writes them, each with its reason."""
    lines = str(proof("cross-correlation", axes=2)).splitlines()
    assert lines[0] == "Cross-correlation on Z x Z commutes with every translation"
    assert [line.strip() for line in lines if "=" in line] == [
        "(T X)[i, j] = X[i − x, j − y]",
        "(X ⋆ K)[i, j] = Σ_{m,n ∈ ℤ} X[i + m, j + n] · K[m, n]",
        "((T X) ⋆ K)[i, j] = Σ_{m,n ∈ ℤ} (T X)[i + m, j + n] · K[m, n]",
        "= Σ_{m,n ∈ ℤ} X[i + m − x, j + n − y] · K[m, n]",
        "= (X ⋆ K)[i − x, j − y]",
        "= (T (X ⋆ K))[i, j]",
    ]


def test_latex_mathml_and_plain_data():
    """The proof is written in LaTeX and as well-formed MathML, with the same names, and its data is JSON."""
    proved = proof(axes=2, stride="s")
    assert r"((T^{s} X) *_{s} K)[i,\, j] &= \sum_{m,n \in \mathbb{Z}}" in proved.latex()
    assert r"(T (X *_{s} K))[i,\, j]" in proved.latex()
    page = ElementTree.fromstring(proved.mathml().replace("&#x2062;", ""))
    assert page.tag == "math"
    assert "((Tˢ X) *ₛ K)" in "".join(page.itertext())
    told = json.loads(json.dumps(proved.to_dict()))
    assert told["steps"][-1]["text"] == "= (T (X *ₛ K))[i, j]"
    assert [(c["stride"], c["shift"]) for c in told["counterexamples"]] == [(2, 1), (3, 1), (3, 2)]


@pytest.mark.parametrize(("stride", "by"), [(stride, by) for stride in (2, 3, 5) for by in range(1, 2 * stride)])
@pytest.mark.parametrize("kind", KINDS)
def test_counterexamples_are_what_numpy_says(kind, stride, by):
    """For other shifts the one that was found is one: no translation of the output will do. For multiples none is."""
    if by % stride == 0:
        with pytest.raises(
            FaltungError, match=f"no counterexample of up to 2 entries for stride {stride} and shift {by}"
        ):
            counterexample(kind, stride, by, most=2)
        return
    found = counterexample(kind, stride, by)
    wide = np.zeros(121, dtype=int)
    wide[60 : 60 + len(found.picture)] = found.picture
    kernel = np.array(found.kernel)
    outputs = []
    for picture in (wide, np.roll(wide, by)):
        if kind == "convolution":
            full = np.convolve(picture, kernel)[: len(wide)]
        else:
            full = np.convolve(picture, kernel[::-1])[len(kernel) - 1 :]
        outputs.append(full[60 % stride :: stride])
    before, after = outputs
    origin = 60 // stride
    for told, array in ((found.before, before), (found.after, after)):
        assert {int(p) - origin: int(array[p]) for p in np.flatnonzero(array)} == told
    assert not any(np.array_equal(np.roll(before, move), after) for move in range(-15, 16))


def test_a_broken_rule_fails_the_proof(monkeypatch):
    """A substitution that forgets its sign is not recognised as the claim; a wrong number is named with its step."""
    shift = theorem.shift
    monkeypatch.setattr(theorem, "shift", lambda formula, index, by: shift(formula, index, Scalar.of(by) * -1))
    with pytest.raises(StepFails, match=r"is not the convolution at i − x, j − y"):
        proof()
    monkeypatch.setattr(theorem, "same", lambda one, other: True)
    with pytest.raises(StepFails, match=r"step 5, .* is false, where"):
        proof()


def test_a_translation_by_no_multiple_fails_the_proof(monkeypatch):
    """With stride 2 and a translation of the picture by 1 the sum is none of the output's entries."""
    init = theorem._Statement.__init__

    def by_one(self, kind, axes, stride):
        init(self, kind, axes, stride)
        self.moved = [Scalar.of(by) for by in self.by]
        self.translated = self._translation("A", "X", self.moved)

    monkeypatch.setattr(theorem._Statement, "__init__", by_one)
    assert proof(stride=1).checked
    with pytest.raises(StepFails):
        proof(stride=2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "pooling"}, "kind='pooling' must be 'convolution' or 'cross-correlation'"),
        ({"axes": 4}, "axes=4 must be 1, 2 or 3"),
        ({"stride": 0}, "stride=0 must be a number from 1 to 64 or a letter that is free, such as s"),
        ({"stride": "x"}, "stride='x' must be a number from 1 to 64 or a letter that is free, such as s"),
        ({"stride": 9, "axes": 3}, "stride=9 must be a number from 1 to 8 or a letter that is free, such as s"),
    ],
)
def test_errors(options, text):
    """What cannot be proved is refused in one line."""
    with pytest.raises(FaltungError, match=text):
        proof(**options)
