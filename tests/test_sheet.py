"""The worked sheet gives the sheet's right answers, in the terminal, as JSON and as a page."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from faltung import cli
from faltung.sheet import EYE, FILTERS, PICTURE, PROVED, SIZE, cat, grey, worked
from faltung.sheet.page import page

RIGHT = {
    "A": [[11, 0, -11], [10, 0, -10], [11, 0, -11]],
    "B": [[-9, -10, -9], [0, 0, 0], [9, 10, 9]],
    "C": [[-1, 9, -1], [-6, -2, -6], [-1, 9, -1]],
}
"""The answers of question 1a as the exercise sheet's solution gives them."""


@pytest.fixture(scope="module")
def sheet():
    """Work the sheet once."""
    return worked()


@pytest.fixture(scope="module")
def html(sheet):
    """Draw the page once."""
    return page(sheet)


def test_question_1a(sheet):
    """Every answer is the solution's, in integers; flipping gives what scipy.signal.convolve2d gives."""
    for answer in sheet.filters:
        assert answer.correlated.tolist() == RIGHT[answer.name]
        assert answer.correlated.dtype == PICTURE.dtype
        assert np.array_equal(answer.convolved, convolve2d(PICTURE, FILTERS[answer.name], mode="valid"))
    assert "with A and B every answer gets the wrong sign; C is the same flipped" in sheet.flip
    assert sheet.filters[0].first_sum == "Y[0,0] = 1·5 - 1·2 + 2·5 - 2·2 + 1·7 - 1·5 = 11"


def test_question_1b(sheet):
    """A and B are first derivatives with factor -8, smoothed across; C is the Laplacian with factor 1."""
    a, b, c = (answer.explanation.sentence for answer in sheet.filters)
    assert re.search(r"[Ff]irst derivative along x with factor -8, smoothed by \[1, 2, 1\] down the rows", a)
    assert "vertical edges" in a
    assert "bright to dark" in a
    assert re.search(r"[Ff]irst derivative along y with factor -8, smoothed by \[1, 2, 1\] across", b)
    assert "horizontal edges" in b
    assert re.search(r"Laplacian \(isotropic second derivative\) with factor 1", c)
    assert "zero on any linear ramp" in c


def test_question_2a(sheet):
    """dY[i,j]/dW[u,v] is X[i+u, j+v]; no number of any derivative differs from automatic differentiation."""
    first, *others = sheet.derivations
    assert str(first.closed_form) == "∂Y[i, j]/∂W[u, v] = X[i + u, j + v]"
    assert "0 ≤ u, v < k" in first.conditions
    assert [derivation.what for derivation in others] == ["dL/dW", "dL/dX"]
    assert all("100 random layers" in compared and "0 different" in compared for compared in sheet.compared)


def test_the_backward_pass_in_numbers(sheet):
    """The gradients of the sheet's picture and filter A are PyTorch's."""
    x = torch.tensor(PICTURE, dtype=torch.float64)[None, None].requires_grad_()
    w = torch.tensor(FILTERS["A"], dtype=torch.float64)[None, None].requires_grad_()
    torch.nn.functional.conv2d(x, w).sum().backward()
    for sums, gradient in ((sheet.worked.weights, w.grad), (sheet.worked.inputs, x.grad)):
        assert {entry.place: entry.total for entry in sums} == dict(np.ndenumerate(gradient[0, 0].numpy()))


def test_question_3(sheet):
    """Every shift on the whole grid, those by multiples at a stride; exactly these on finite pictures inside borders."""
    assert [(proof.kind, proof.stride) for proof in sheet.proofs] == list(PROVED)
    assert [bool(proof.counterexamples) for proof in sheet.proofs] == [False, False, True]
    one, several, linear = sheet.checked.values()
    for report, step in ((one, 1), (several, 4)):
        assert [(m.kind, m.step, m.moves) for m in report.outputs[0].movements] == [
            ("lattice", step, {axis: 1}) for axis in "yx"
        ]
        whole = [shift for shift in report.measured.shifts if shift.whole]
        assert whole
        assert all(shift.largest == 0 for shift in whole)
    assert linear.guilty == ("4",)
    assert "has a weight of its own for each place" in linear.culprits[0].reason


def test_question_2b(sheet):
    """No: 21x21 pixels of a 41x41 window, and 192 layers would be the first."""
    assert not sheet.verdict
    assert sheet.verdict.field.box == {"y": range(21), "x": range(619, 640)}
    assert sheet.interior.size == 41 * 41
    assert sheet.verdict.depth == 192


def test_the_eye_is_where_the_question_says():
    """The picture has the question's size, and the pupil at (255, 210): darker than the iris around it."""
    picture = cat()
    assert picture.shape == (SIZE["y"], SIZE["x"], 3)
    light = grey(picture).astype(int)
    pupil = light[EYE["y"] - 3 : EYE["y"] + 4, EYE["x"] - 3 : EYE["x"] + 4]
    iris = light[EYE["y"] - 3 : EYE["y"] + 4, EYE["x"] - 40 : EYE["x"] - 30]
    assert pupil.mean() < 60 < iris.mean()


def test_the_page_stands_alone(html):
    """One file: pictures inside, nothing loaded from anywhere, every question and answer on it."""
    assert html.count("data:image/png;base64,") == 9
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "http" not in re.sub(r"base64,[^\"]*", "", html)
    for words in (
        "1a",
        "1b",
        "2a",
        "2b",
        "<math",
        "Not for others",
        "192 layers in all",
        "factor -8",
        "Laplacian",
        "1·5 - 1·2",
    ):
        assert words in html
    assert len(html) < 4_000_000


def test_the_command(tmp_path, monkeypatch, capsys, html):
    """`faltung sheet` prints, `--json` gives the answers as data, `--html` writes the page."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["faltung", "sheet", *arguments])
        monkeypatch.setenv("COLUMNS", "110")
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code, capsys.readouterr()

    code, said = run()
    assert not code
    assert "│ 11 │ 0 │ -11 │" in said.out
    assert "K[m,n] * X[i+m, j+n]" in said.out
    assert "No. conv10 (y=0, x=639) reads 441 pixels" in said.out
    assert "closed form  ∂Y[i, j]/∂W[u, v] = X[i + u, j + v]" in said.out
    assert "Cross-correlation on Z x Z commutes with every translation" in said.out
    assert "shift the input by 4, the output moves by 1" in said.out
    code, said = run("--json")
    answers = json.loads(said.out)
    assert {name: answer["correlated"] for name, answer in answers["1a"].items()} == RIGHT
    assert answers["2b"]["sees"] is False
    assert [derivation["compared"] for derivation in answers["2a"]]
    assert len(answers["3"]["proofs"]) == len(answers["3"]["networks"]) == 3
    monkeypatch.setattr("faltung.sheet.page.page", lambda answers, progress: html)
    path = tmp_path / "sheet.html"
    code, said = run("--html", str(path))
    assert not code
    assert path.read_text() == html
    code, said = run("--html", str(tmp_path / "no" / "sheet.html"))
    assert code == 2
    assert said.err.count("\n") == 1
