"""What people type is understood, or refused in one line."""

import re

import numpy as np
import pytest

from faltung import FaltungError, inputs, kernels


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("[[1, 0, -1], [2, 0, -2]]", "k.json"),
        ("1 0 -1\n2 0 -2\n", "k.txt"),
        ("1,0,-1\n\n 2, 0, -2 \n", "k.csv"),
    ],
)
def test_kernel_files(tmp_path, content, name):
    """JSON, spaces and commas all give the rows as they stand; whole numbers stay whole."""
    path = tmp_path / name
    path.write_text(content)
    read = inputs.kernel(str(path))
    assert read.tolist() == [[1, 0, -1], [2, 0, -2]]
    assert read.dtype == np.int64


def test_kernel_arrays(tmp_path):
    """A .npy file keeps its dtype; names and JSON need no file."""
    path = tmp_path / "k.npy"
    np.save(path, np.float32([[0.5, 1]]))
    assert inputs.kernel(str(path)).dtype == np.float32
    assert np.array_equal(inputs.kernel("sobel-x"), kernels.sobel_x())
    assert np.array_equal(inputs.kernel("gaussian:sigma=1.5,size=5"), kernels.gaussian(1.5, 5))
    assert inputs.kernel(" [[1.5], [2]]").tolist() == [[1.5], [2.0]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[[1,2],[3]]", "kernel: row 1 has 1 numbers and row 0 has 2; rows must be equally long"),
        ("[[1,2],[3,", "kernel: this is no JSON (line 1, column 11); write rows such as [[1,0,-1],[2,0,-2]]"),
        ("[" * 100_000, "kernel: this is no JSON; write rows such as [[1,0,-1],[2,0,-2]]"),
        ("[]", "kernel: a kernel must be rows of numbers that are not empty, such as [[1,0,-1]]"),
        ("[[]]", "kernel: a kernel must be rows of numbers that are not empty, such as [[1,0,-1]]"),
        ("[1, 2]", "kernel: a kernel must be rows of numbers that are not empty, such as [[1,0,-1]]"),
        ('[[1, "a"]]', "kernel: 'a' in row 0 is not a number"),
        ("[[true]]", "kernel: True in row 0 is not a number"),
        ("[[[1]]]", "kernel: [1] in row 0 is not a number"),
        ("[[100000000000000000000]]", "kernel: a whole number does not fit 64 bits"),
        ("sobl-x", "unknown kernel 'sobl-x'; did you mean sobel-x or sobel-y?"),
        ("no/such.txt", "no/such.txt: there is no such file"),
    ],
)
def test_kernels_refused(text, error):
    """Ragged rows, broken JSON and unknown names say what is wrong."""
    with pytest.raises(FaltungError, match=f"^{re.escape(error)}$"):
        inputs.kernel(text)


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (b"\xff\xfe\x00\x80", "k.txt", "{path}: this is neither text nor .npy"),
        (b"1 2\n3\n", "k.txt", "{path}: row 1 has 1 numbers and row 0 has 2; rows must be equally long"),
        (b"1 b\n", "k.txt", "{path}: 'b' is not a number"),
        (b"", "k.txt", "{path}: a kernel must be rows of numbers that are not empty, such as [[1,0,-1]]"),
        (b"damaged", "k.npy", "{path}: cannot be read as a kernel: damaged or no .npy file"),
        (b"0" * (2**24 + 1), "k.txt", "{path}: 16777217 bytes are no kernel; at most 16777216 are read"),
    ],
)
def test_kernel_files_refused(tmp_path, content, name, error):
    """Damaged, ragged and huge files are named."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FaltungError, match=f"^{re.escape(error.format(path=path))}$"):
        inputs.kernel(str(path))


def test_pickles_are_never_opened(tmp_path):
    """A .npy file with objects inside would run code when unpickled: it is refused."""
    path = tmp_path / "k.npy"
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(FaltungError, match=r"cannot be read as a kernel: damaged or no .npy file$"):
        inputs.kernel(str(path))


def test_sizes_and_units():
    """Sizes go first axis first; units name their axes in any order."""
    assert inputs.size("428x640") == {"y": 428, "x": 640}
    assert inputs.size("100") == {"x": 100}
    assert inputs.size("2 x 3×4") == {"z": 2, "y": 3, "x": 4}
    assert inputs.unit("x=639, y=-1") == {"x": 639, "y": -1}


@pytest.mark.parametrize("text", ["", "a", "3x", "3x4x5x6", "-3x4", "3.5x4", "9" * 20])
def test_sizes_refused(text):
    """A size must be whole numbers joined by x."""
    error = f"input size {text!r} must be HEIGHTxWIDTH, such as 428x640 (or WIDTH, or DxHxW)"
    with pytest.raises(FaltungError, match=f"^{re.escape(error)}$"):
        inputs.size(text)


@pytest.mark.parametrize("text", ["", "3,4", "y=1;x=2", "y=a", "y=1.5,x=2"])
def test_units_refused(text):
    """Axes are named, never a bare pair."""
    error = f"{text!r} must name its axes with whole numbers, such as y=0,x=639"
    with pytest.raises(FaltungError, match=f"^{re.escape(error)}$"):
        inputs.unit(text)


def test_axes_once():
    """An axis given twice is refused."""
    with pytest.raises(FaltungError, match=r"^'y=1,y=2' gives axis y twice$"):
        inputs.unit("y=1,y=2")
