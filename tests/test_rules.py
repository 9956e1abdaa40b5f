"""Every row of the table against PyTorch: sizes, refusals, and what is read."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from faltung.errors import FaltungError
from faltung.reads import Reads
from faltung.rules import NearestUpsampling, TransposedWindow, Window, pooling, same_padding, text

thousands = settings(max_examples=2000)
small = st.integers(1, 6)
padding = st.integers(0, 4)


def ours(make, n: int) -> int | None:
    try:
        return make().output_size(n, axis="x", layer="layer1")
    except FaltungError:
        return None


def torchs(apply, n: int) -> int | None:
    """Return PyTorch's output size for n inputs; None where it refuses or gives no output."""
    try:
        return int(apply(torch.zeros(1, 1, n)).shape[-1]) or None
    except RuntimeError:
        return None


@given(st.integers(1, 20), small, small, small, padding)
@thousands
def test_convolutions_have_pytorchs_size(n, k, s, d, p):
    """The outputs whose window lies inside the padded input are as many as Conv1d gives; else both refuse."""
    weight = torch.zeros(1, 1, k)
    assert ours(lambda: Window(k, s, d, p, p), n) == torchs(
        lambda x: functional.conv1d(x, weight, stride=s, padding=p, dilation=d), n
    )


@given(st.integers(1, 20), small, small, small, padding, st.integers(0, 5))
@thousands
def test_transposed_convolutions_have_pytorchs_size(n, k, s, d, p, op):
    """The inputs that the convolution would need, plus output padding, are what ConvTranspose1d gives."""
    weight = torch.zeros(1, 1, k)
    assert ours(lambda: TransposedWindow(k, s, d, p, p, op), n) == torchs(
        lambda x: functional.conv_transpose1d(x, weight, stride=s, padding=p, output_padding=op, dilation=d),
        n,
    )


@given(st.integers(1, 20), small, small, small, padding, st.booleans())
@thousands
def test_pooling_has_pytorchs_size(n, k, s, d, p, ceil):
    """Max pooling, ceil_mode included: sizes and refusals are MaxPool2d's."""

    def pool(x):
        return functional.max_pool2d(x[:, :, None], (1, k), (1, s), (0, p), (1, d), ceil_mode=ceil)

    assert ours(lambda: pooling(k, s, d, p, int(ceil)), n) == torchs(pool, n)


@given(st.integers(1, 20), small)
def test_upsampling_has_pytorchs_size(n, scale):
    """Nearest upsampling by u has u outputs for each input."""
    assert ours(lambda: NearestUpsampling(scale), n) == torchs(
        lambda x: functional.interpolate(x, scale_factor=scale, mode="nearest"), n
    )


@given(small, small)
def test_same_padding_is_pytorchs(k, d):
    """padding='same' in Conv1d equals padding explicitly by same_padding, even kernels too."""
    x = torch.arange(1.0, 40.0, dtype=torch.float64)[None, None]
    weight = torch.arange(1.0, k + 1, dtype=torch.float64)[None, None]
    padded = functional.pad(x, same_padding(k, d))
    assert torch.equal(
        functional.conv1d(padded, weight, dilation=d),
        functional.conv1d(x, weight, padding="same", dilation=d),
    )


def test_a_window_without_dilation_is_caught(monkeypatch):
    """A row that never reads its dilation gives a wrong size somewhere."""
    undilated = property(lambda self: Reads(self.stride, [range(-self.before, self.kernel - self.before)]))
    monkeypatch.setattr(Window, "reads", undilated)
    with pytest.raises(AssertionError):
        test_convolutions_have_pytorchs_size()


def test_a_pool_that_ignores_ceil_mode_is_caught(monkeypatch):
    """A pool whose last window never hangs over has a wrong size somewhere."""
    monkeypatch.setattr(text, "Window", lambda *numbers, ceil_mode: Window(*numbers))
    with pytest.raises(AssertionError):
        test_pooling_has_pytorchs_size()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Window(0), "kernel 0 must be at least 1"),
        (lambda: Window(3, stride=0), "stride 0 must be at least 1"),
        (lambda: Window(3, dilation=-1), "dilation -1 must be at least 1"),
        (lambda: Window(3, before=-1), "padding -1 must not be negative"),
        (lambda: Window(2**17), "kernel 131072 must be at most 65536"),
        (
            lambda: Window(4, dilation=2).output_size(5, axis="x", layer="conv2"),
            r"conv2, axis x: a window of 7 \(k=4, d=2\) does not fit the padded input of 5 \(n=5, p=0\)",
        ),
        (
            lambda: Window(9, before=1, after=2).output_size(5, axis="y", layer="conv2"),
            r"conv2, axis y: a window of 9 \(k=9, d=1\) does not fit the padded input of 8 \(n=5, p=1\+2\)",
        ),
        (
            lambda: TransposedWindow(2, before=3, after=3).output_size(4, axis="x", layer="tconv1"),
            r"tconv1, axis x: padding 3\+3 cuts away all of the output \(n=4, k=2, s=1, d=1, op=0\)",
        ),
        (
            lambda: TransposedWindow(2, stride=2, output_padding=2),
            "output padding 2 must be smaller than the stride 2 or the dilation 1",
        ),
        (lambda: TransposedWindow(2, output_padding=-1), "output padding -1 must not be negative"),
        (lambda: NearestUpsampling(0), "scale 0 must be at least 1"),
    ],
)
def test_refusals(make, text):
    """Each refusal names the offender, the numbers and the rule."""
    with pytest.raises(FaltungError, match=f"^{text}$"):
        make()
