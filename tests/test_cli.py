"""The command line as a user meets it: answers, JSON, mistakes in one line, nothing half-written."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.signal import correlate2d

from faltung import cli

SEES = ["sees", "10 x conv k=5 p=same", "--input", "428x640", "--unit", "y=0,x=639", "--pixel", "y=210,x=255"]


@pytest.fixture
def picture(tmp_path):
    """Write a small grey picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 17), dtype=np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


def test_sees(run):
    """The sheet's question 2b has its answer, in words and as JSON."""
    code, said, _ = run(*SEES)
    assert code == 0
    assert said.startswith("No. conv10 (y=0, x=639) reads 441 pixels: y 0..20 and x 619..639;")
    assert "192 layers in all would first reach it" in said
    code, said, _ = run(*SEES, "--json")
    answer = json.loads(said)
    assert (code, answer["sees"], answer["depth"]) == (0, False, 192)
    assert answer["field"]["box"] == {"y": [0, 20], "x": [619, 639]}


def test_sees_an_inner_layer(run):
    """--layer asks a unit of an inner layer, and a yes comes with its path."""
    code, said, _ = run(*SEES[:4], "--layer", "conv2", "--unit", "y=9,x=9", "--pixel", "y=5,x=9", "--json")
    assert code == 0
    assert [step["layer"] for step in json.loads(said)["path"]] == ["conv2", "conv1", "input"]


def test_table(run):
    """A table lists every layer, in words and as JSON, with and without an input size."""
    code, said, _ = run("table", "conv k=7 s=2 p=3, maxpool k=3 s=2 p=1", "--input", "224x224")
    assert code == 0
    assert said.split()[-10:] == ["maxpool", "k=3", "s=2", "p=1", "56x56", "4", "11", "-5", "0.2%", "2+1"]
    code, said, _ = run("table", "conv k=7 s=2 p=3", "--json")
    row = json.loads(said)["layers"][1]
    assert {key: row[key] for key in ("layer", "operator", "size", "stride", "receptive_field", "start")} == {
        "layer": "conv1",
        "operator": "conv k=7 s=2 p=3",
        "size": [],
        "stride": ["2"],
        "receptive_field": [7],
        "start": [-3],
    }


def test_table_draws_the_growth_of_fields(run, tmp_path):
    """--plot draws fields and strides along the layers, beside the answer."""
    for suffix in ("png", "svg"):
        plot = tmp_path / f"growth.{suffix}"
        code, said, told = run("table", "3 x conv k=3 s=2 p=1", "--input", "64x64", "--plot", plot)
        assert (code, f"wrote {plot}" in told) == (0, True)
        assert "conv3" in said
        assert plot.stat().st_size > 1000
    code, _, told = run("table", "conv k=3", "--plot", tmp_path / "growth.doc")
    assert (code, "growth.doc: pictures are drawn as .png, .svg, .pdf" in told) == (2, True)


def test_explain(run, tmp_path):
    """The sheet's filter A is -8 d/dx, in words, as JSON and as a picture."""
    code, said, _ = run("explain", "[[1,0,-1],[2,0,-2],[1,0,-1]]")
    assert code == 0
    assert "-8" in said
    assert "vertical edges" in said
    plot = tmp_path / "a.png"
    code, said, _ = run("explain", "[[1,0,-1],[2,0,-2],[1,0,-1]]", "--json", "--plot", plot)
    assert code == 0
    assert isinstance(json.loads(said), dict)
    with Image.open(plot) as drawn:
        assert drawn.size[0] > 500


def test_filter_writes_exact_arrays(run, picture, tmp_path):
    """A .npy output holds the very integers."""
    path, pixels = picture
    output = tmp_path / "out.npy"
    code, _, said = run("filter", path, "--kernel", "[[1,0,-1],[2,0,-2],[1,0,-1]]", "-o", output, "--boundary", "zero")
    assert code == 0
    assert "12x17, exactly, as int16" in said
    expected = correlate2d(pixels.astype(int), [[1, 0, -1], [2, 0, -2], [1, 0, -1]], mode="same")
    assert np.array_equal(np.load(output), expected)


def test_filter_writes_pictures(run, picture, tmp_path):
    """A picture output is 8-bit grey of the same size; --convolve flips, numbers pad, colour stays colour."""
    path, pixels = picture
    output = tmp_path / "out.png"
    code, _, said = run("filter", path, "--kernel", "box:size=3", "-o", output)
    assert (code, said.startswith(f"wrote {output}: 12x17, ")) == (0, True)
    with Image.open(output) as written:
        shown = np.asarray(written).astype(float)
    padded = np.pad(pixels.astype(float), 1, mode="edge")
    mean = sum(padded[i : i + 12, j : j + 17] for i in range(3) for j in range(3)) / 9
    assert np.abs(shown - mean).max() <= 0.5 + 1e-9
    code, _, _ = run("filter", path, "-k", "[[1,2]]", "-o", tmp_path / "a.npy", "--padding", "0", "--convolve")
    assert np.array_equal(np.load(tmp_path / "a.npy"), pixels[:, 1:].astype(int) + 2 * pixels[:, :-1].astype(int))
    colour = tmp_path / "colour.png"
    Image.fromarray(np.stack([pixels, pixels.T[:12, :12].repeat(2, 1)[:, :17], pixels], -1)).save(colour)
    code, _, _ = run("filter", colour, "-k", "sobel-x", "-o", tmp_path / "c.png", "--show", "absolute")
    assert code == 0
    with Image.open(tmp_path / "c.png") as written:
        assert written.size == (17, 12)
        assert written.mode == "RGB"


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_sees_draws(run, tmp_path, suffix):
    """--plot draws the field in the format of the suffix, also on a picture."""
    image = tmp_path / "image.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(image)
    plot = tmp_path / f"field.{suffix}"
    code, _, said = run(
        "sees", "2 x conv k=3 p=same", "--input", "20x30", "--unit", "y=5,x=5", "--pixel", "y=6,x=6",
        "--plot", plot, "--image", image,
    )  # fmt: skip
    assert (code, f"wrote {plot}" in said) == (0, True)
    assert plot.stat().st_size > 1000


def test_help(run):
    """Without arguments the commands are listed."""
    code, said, _ = run()
    assert code == 0
    assert all(command in said for command in ("sheet", "filter", "explain", "sees", "table"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["table", "con k=3"], "column 1, 'con': unknown operator 'con'; did you mean conv or tconv?"),
        (["table", "conv k=3 s=0"], "column 1, 'conv k=3 s=0': stride 0 must be at least 1"),
        (["table", "conv k=7", "--input", "5x5"], "conv1, axis y: a window of 7 (k=7, d=1) does not fit the padded input of 5 (n=5, p=0)"),
        (["table", "conv k=3", "--input", "-5x5"], "input size '-5x5' must be HEIGHTxWIDTH, such as 428x640 (or WIDTH, or DxHxW)"),
        (["table", "conv k=3", "--input", "0x5"], "input, axis y: a size of 0 is not in 1..1099511627776"),
        (["table", "conv k=3", "--input", "9999999999999x5"], "input, axis y: a size of 9999999999999 is not in 1..1099511627776"),
        ([*SEES[:4], "--unit", "y=0,x=640", *SEES[6:]], "unit (y=0, x=640) lies outside conv10: x=640 is not in 0..639"),
        ([*SEES[:4], "--unit", "0,639", *SEES[6:]], "'0,639' must name its axes with whole numbers, such as y=0,x=639"),
        ([*SEES, "--layer", "conv11"], "unknown layer 'conv11'; did you mean conv1 or conv10?"),
        ([*SEES, "--image", "cat.png"], "--image cat.png is drawn on by --plot FILE, which is missing"),
        ([*SEES, "--plot", "x.gif"], "x.gif: pictures are drawn as .png, .svg, .pdf, not as '.gif'"),
        (SEES[:4], "Missing option '--unit'."),
        (["explain", "sobelx"], "unknown kernel 'sobelx'; did you mean sobel-x or sobel-y?"),
        (["explain", "[[1,2],[3]]"], "kernel: row 1 has 1 numbers and row 0 has 2; rows must be equally long"),
        (["tabel", "conv k=3"], "No such command 'tabel'. Did you mean 'table'?"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(run, tmp_path, monkeypatch, arguments, error):
    """A mistake is one line on standard error with exit code 2, and leaves no file behind."""
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == (2, "", f"faltung: {error}\n")
    assert list(tmp_path.iterdir()) == []


def test_bad_pictures_leave_nothing(run, picture, tmp_path):
    """Unreadable, truncated and unfit pictures: one line that names them, exit code 2, no output file."""
    path, _ = picture
    output = tmp_path / "out.png"
    truncated, empty = tmp_path / "truncated.png", tmp_path / "empty.png"
    truncated.write_bytes(path.read_bytes()[:100])
    empty.write_bytes(b"")
    for bad in (truncated, empty, tmp_path / "missing.png", tmp_path):
        code, said, error = run("filter", bad, "--kernel", "sobel-x", "-o", output)
        assert (code, said, error.count("\n")) == (2, "", 1)
        assert error.startswith("faltung: ")
        assert str(bad) in error
        assert not output.exists()
    for options, words in (
        (["--kernel", "box:size=99", "--padding", "valid"], "a window of 99 (k=99, d=1) does not fit the padded input of 12"),
        (["--kernel", "sobel-x", "--stride", "0"], "stride"),
        (["--kernel", "sobel-x", "--boundary", "mirror"], "boundary"),
        (["--kernel", "sobel-x", "--padding", "-3"], "padding -3 must not be negative"),
        (["--kernel", "sobel-x", "--show", "loud"], "loud"),
    ):  # fmt: skip
        code, said, error = run("filter", path, *options, "-o", output)
        assert (code, said, error.count("\n")) == (2, "", 1)
        assert words in error
        assert not output.exists()
    code, _, error = run("filter", path, "--kernel", "sobel-x", "-o", tmp_path / "no" / "out.png")
    assert (code, error.count("\n")) == (2, 1)
    code, _, error = run("filter", path, "--kernel", "sobel-x", "-o", tmp_path / "out.xyz")
    assert (code, error.count("\n")) == (2, 1)
    assert not (tmp_path / "out.xyz").exists()


def test_an_interrupt_is_no_traceback(run, monkeypatch):
    """Ctrl-C ends with 130 and one word."""
    monkeypatch.setattr(cli.inputs, "kernel", lambda text: (_ for _ in ()).throw(KeyboardInterrupt))
    code, _, error = run("explain", "sobel-x")
    assert (code, error) == (130, "faltung: interrupted\n")


def test_a_defect_keeps_its_traceback(run, monkeypatch):
    """What is not a user's mistake is not dressed up as one."""
    monkeypatch.setattr(cli.inputs, "kernel", lambda text: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("explain", "sobel-x")


def test_the_installed_command():
    """`faltung` and `python -m faltung` are the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "faltung", *SEES, "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["sees"] is False
    done = subprocess.run([sys.executable, "-m", "faltung", "table", "conv"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "faltung: column 1, 'conv': conv needs k=…\n"
