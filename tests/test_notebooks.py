"""Notebooks: they are what their sources give, the solved ones run from clean kernels, and blanks are told to be blank."""

import re
from pathlib import Path

import nbformat
import pytest
from notebooks import make, run

from tests.test_training_data import DEBIAN, write_set

FOLDER = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def made_up(tmp_path):
    """Return a folder for `$FALTUNG_DATA` in which the files of Fashion-MNIST hold made-up pictures."""
    write_set(tmp_path / "fashion-mnist", train=600, test=200, packed=False)
    return str(tmp_path)


@pytest.mark.parametrize("source", make.sources(), ids=lambda path: path.name)
def test_notebooks_are_what_their_sources_give(source):
    """A notebook that was changed by hand, or a source whose notebooks were not made anew, is seen."""
    for name, text in make.made(source).items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run `make notebooks`"


def test_every_notebook_has_a_source():
    """No notebook is left over."""
    made = {name for source in make.sources() for name in make.made(source)}
    assert {path.name for path in FOLDER.glob("*.ipynb")} == made


def test_forms():
    """For students stands what BLANK has, a '# ' less; for teachers what SOLUTION has; markers stand in neither."""
    text = "a = (\n    # SOLUTION\n    5\n    # BLANK\n    # ...  # YOUR TURN\n    #\n    # END\n)\n# BLANK\n# # Why?\n# END"
    assert make.form(text, solved=False) == "a = (\n    ...  # YOUR TURN\n\n)\n# Why?"
    assert make.form(text, solved=True) == "a = (\n    5\n)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# END", "line 1: # END cannot follow # END"),
        ("# SOLUTION\n# SOLUTION", "line 2: # SOLUTION cannot follow # SOLUTION"),
        ("# BLANK\n# SOLUTION", "line 2: # SOLUTION cannot follow # BLANK"),
        ("# BLANK\nx = 1", "line 2: what is for students stands behind '# ': 'x = 1'"),
        ("# SOLUTION\nx = 1", "at the end: # SOLUTION without # END"),
    ],
)
def test_wrong_regions(text, said):
    """A region that is not well formed is named by its line."""
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        make.form(text, solved=True)


@pytest.mark.parametrize("path", run.runnable(), ids=lambda path: path.name)
def test_solved_notebooks_run(path, made_up):
    """Every cell runs in a clean kernel, in order, and none of them warns."""
    notebook = run.run(path, FALTUNG_DATA=made_up, FALTUNG_COURSE_BUDGET="small")
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert "Warning" not in said(notebook)
    assert_course_is_solved(notebook, path)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="FASHION-MNIST IS MISSING: apt-get install dataset-fashion-mnist")
def test_the_course_on_fashion_mnist():
    """Trained on 1,000 real pictures for four epochs, the net gets seven in ten right, where chance gets one."""
    notebook = run.run(FOLDER / "cnn_solutions.ipynb", FALTUNG_COURSE_BUDGET="small")
    found = re.search(r"test accuracy (\d+\.\d+)%", said(notebook))
    assert found is not None
    assert float(found[1]) > 70


def test_blanks_are_told(made_up):
    """In the students' notebook each check, as long as its blank is empty, says so in words and without a traceback."""
    notebook = run.run(FOLDER / "cnn.ipynb", allow_errors=True, FALTUNG_DATA=made_up, FALTUNG_COURSE_BUDGET="small")
    checks = [cell for cell in notebook.cells if cell.cell_type == "code" and "course.check_" in cell.source]
    assert len(checks) == checks_of("cnn_solutions.ipynb") >= 14
    for cell in checks:
        name = re.search(r"course\.check_(\w+)\(", cell.source)[1]
        name = "Net" if name == "net" else name
        (error,) = (output for output in cell.outputs if output.output_type == "error")
        told = f"{name}: the blank is not filled in yet; your code goes where it says YOUR TURN."
        assert "YOUR TURN" in cell.source
        assert (error.ename, error.evalue) == ("NotYet", told)
        assert error.traceback == [f"Not yet. {told}"]
        assert not [output for output in cell.outputs if output.output_type != "error"]


def test_students_see_no_solution():
    """No line between SOLUTION and BLANK of code is in the students' notebook, unless it stands elsewhere too."""
    source = (FOLDER / "cnn.py").read_text(encoding="utf-8")
    regions = re.findall(r"# SOLUTION\n(.*?)# (?:BLANK|END)\n", source, flags=re.DOTALL)
    elsewhere = re.sub(r"# SOLUTION\n(.*?)# (?:BLANK|END)\n", "", source, flags=re.DOTALL)
    students = "\n".join(cell.source for cell in nbformat.read(FOLDER / "cnn.ipynb", as_version=4).cells)
    lines = [
        line.strip()
        for region in regions
        for line in region.splitlines()
        if line.strip() and line.strip() not in elsewhere
    ]
    assert len(lines) > 40
    assert not [line for line in lines if line in students]


def said(notebook):
    """Return what a notebook printed, errors and warnings included."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def checks_of(name):
    return sum("course.check_" in cell.source for cell in nbformat.read(FOLDER / name, as_version=4).cells)


def assert_course_is_solved(notebook, path):
    """Assert that each of a notebook's checks said that it is right."""
    assert said(notebook).count("✓ ") == checks_of(path.name)
