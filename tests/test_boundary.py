"""Theorems about paddings as index maps, against numpy.pad and torch.nn.functional.pad."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.boundary import BOUNDARIES, index_map, most_padding, source
from faltung.errors import FaltungError, UnknownName

NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@given(size=st.integers(1, 8), before=st.integers(0, 9), after=st.integers(0, 9), data=st.data())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_the_map_is_what_numpy_pads(size: int, before: int, after: int, data: st.DataObject) -> None:
    """Padding the pixel numbers 0 .. n-1 gives the index map, with None for zero padding."""
    boundary = data.draw(st.sampled_from(BOUNDARIES))
    most = most_padding(size, boundary)
    if most is not None:
        before, after = min(before, most), min(after, most)
    if boundary == "zero":
        expected = [None] * before + list(range(size)) + [None] * after
    else:
        expected = np.pad(np.arange(size), (before, after), mode=NUMPY_MODES[boundary]).tolist()
    assert index_map(size, before, after, boundary) == expected


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("amount", range(8))
def test_limits_are_those_of_torch(boundary: str, size: int, amount: int) -> None:
    """A padding is refused where torch refuses it, and has torch's values where torch accepts it."""
    pixels = torch.arange(1.0, size + 1).reshape(1, 1, size)
    mode = "constant" if boundary == "zero" else boundary
    try:
        expected = torch.nn.functional.pad(pixels, (amount, 0), mode=mode)
    except RuntimeError:
        with pytest.raises(FaltungError, match=f"{boundary} padding of {amount} needs at least"):
            index_map(size, amount, 0, boundary)
        with pytest.raises(FaltungError):
            index_map(size, 0, amount, boundary)
        return
    padded = [0 if at is None else at + 1 for at in index_map(size, amount, 0, boundary)]
    assert padded == expected.flatten().tolist()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_map_lists_the_source_of_each_position(boundary: str) -> None:
    """index_map is source at -before .. n+after-1, and each pixel is its own source."""
    assert index_map(5, 3, 4, boundary) == [source(position, 5, boundary) for position in range(-3, 9)]
    assert [source(position, 5, boundary) for position in range(5)] == list(range(5))


def test_refusals_are_one_line_with_the_numbers() -> None:
    """Each refusal names the axis, the padding, the pixels needed and the pixels there are."""
    with pytest.raises(FaltungError) as caught:
        index_map(3, 0, 4, "circular", axis="y", layer="conv2")
    assert str(caught.value) == "conv2, axis y: circular padding of 4 needs at least 4 pixels, the axis has 3"
    with pytest.raises(FaltungError) as caught:
        source(-3, 3, "reflect")
    assert str(caught.value) == "pad, axis x: reflect padding of 3 needs at least 4 pixels, the axis has 3"
    with pytest.raises(UnknownName) as unknown:
        index_map(3, 1, 1, "reflekt")
    assert str(unknown.value) == "unknown boundary 'reflekt'; did you mean reflect?"
    with pytest.raises(FaltungError, match="an axis of 0 pixels has nothing to pad"):
        source(0, 0, "zero")
    with pytest.raises(FaltungError, match="padding -1 must not be negative"):
        index_map(3, -1, 0, "zero")


def test_it_needs_the_standard_library_only() -> None:
    """Importing it loads neither NumPy nor torch."""
    check = "import sys, faltung.boundary; sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", check], check=True)
