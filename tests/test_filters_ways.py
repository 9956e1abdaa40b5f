"""Every way to compute a filter gives the same answers: integers to the bit, floats within a direct sum's rounding."""

import os
import subprocess
import sys
import threading
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faltung.errors import FaltungError
from faltung.filters import _native, convolve, correlate, planner

often = settings(derandomize=True, deadline=None, max_examples=120)
BOUNDARIES = ("zero", "reflect", "replicate", "circular")


@st.composite
def calls(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Draw the shapes of an image and a kernel, and keywords that fit them."""
    boundary = draw(st.sampled_from(BOUNDARIES))
    image, kernel, stride, dilation, sides = [], [], [], [], []
    for _ in range(2):
        n, k, s, d = (draw(st.integers(1, most)) for most in (40, 9, 3, 3))
        most = {"reflect": n - 1, "circular": n}.get(boundary, 9)
        before, after = (draw(st.integers(0, min(9, most))) for _ in range(2))
        assume(d * (k - 1) < before + n + after)
        image.append(n), kernel.append(k), stride.append(s), dilation.append(d), sides.append((before, after))
    bank, batch = draw(st.sampled_from([(), (3,)])), draw(st.sampled_from([(), (2,)]))
    how = {"padding": tuple(sides), "stride": tuple(stride), "dilation": tuple(dilation), "boundary": boundary}
    return (*batch, *image), (*bank, *kernel), how


def whole(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    low, high = (0, 2) if dtype == "bool" else (np.iinfo(dtype).min, int(np.iinfo(dtype).max) + 1)
    return random.integers(low, high, shape, dtype="uint8" if dtype == "bool" else dtype).astype(dtype)


@given(calls(), st.sampled_from(["bool", "uint8", "int8", "uint16", "int16", "int32"]), st.integers(0, 2**32 - 1))
@often
def test_integers_are_the_same_to_the_bit(call: Any, dtype: str, seed: int) -> None:
    """Direct, separable and spectral sums of integers are Python's own, whatever their size."""
    shape, kernel_shape, how = call
    random = np.random.default_rng(seed)
    image, kernel = whole(random, shape, dtype), random.integers(-9, 10, kernel_shape)
    exact = correlate(image.astype(object), kernel.astype(object), **how)
    for method in ("auto", "direct", "sparse", "separable", "fft"):
        answer = correlate(image, kernel, method=method, **how)
        assert answer.dtype == correlate(image, kernel, **how).dtype
        assert (answer.astype(object) == exact).all(), method


@given(calls(), st.integers(0, 2**32 - 1))
@often
def test_separable_kernels_of_integers(call: Any, seed: int) -> None:
    """Kernels of low rank are found, and their sums are exact even where those of one factor would overflow."""
    shape, kernel_shape, how = call
    random = np.random.default_rng(seed)
    column, row = (
        random.integers(-300, 300, (*kernel_shape[:-1], 1)),
        random.integers(-300, 300, (*kernel_shape[:-2], 1, kernel_shape[-1])),
    )
    image, kernel = whole(random, shape, "uint8"), column * row
    exact = correlate(image.astype(object), kernel.astype(object), **how)
    assert (correlate(image, kernel, method="separable", **how).astype(object) == exact).all()


@given(calls(), st.sampled_from(["float32", "float64"]), st.booleans(), st.integers(0, 2**32 - 1))
@often
def test_floats_agree_within_the_rounding_of_a_direct_sum(call: Any, dtype: str, flip: bool, seed: int) -> None:
    """No way is further from the exact answer than (n + 4) u sum|k| max|x|: n products, and taps taken apart."""
    shape, kernel_shape, how = call
    random = np.random.default_rng(seed)
    image, kernel = random.normal(size=shape).astype(dtype), random.normal(size=kernel_shape).astype(dtype)
    operator = convolve if flip else correlate
    exact = operator(image.astype(np.longdouble), kernel.astype(np.longdouble), **how)
    taps = kernel.shape[-1] * kernel.shape[-2]
    bound = (taps + 4) * np.finfo(dtype).eps / 2 * np.abs(kernel).sum((-1, -2)).max() * np.abs(image).max()
    for method in ("auto", "direct", "sparse", "separable", "fft"):
        if method == "fft" and taps < 25:
            continue  # asked for, the error of transforms is told for the picture's brightest part; see below
        answer = operator(image, kernel, method=method, **how)
        assert answer.dtype == dtype
        assert np.abs(answer - exact).max(initial=0) <= bound, method


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [5, 15, 31])
def test_floats_err_no_more_than_scipy(dtype: str, size: int) -> None:
    """The largest error against exact rational sums is at most that of scipy.signal's direct sum."""
    random = np.random.default_rng(size)
    image, kernel = random.random((70, 70)).astype(dtype), (random.random((size, size)) - 0.3).astype(dtype)
    theirs = scipy.signal.correlate2d(image, kernel, mode="valid")
    places = random.integers(0, theirs.shape[0], (60, 2))

    def worst(answers: np.ndarray) -> float:
        errors = []
        for i, j in places:
            window = image[i : i + size, j : j + size]
            exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(window.flat, kernel.flat, strict=True))
            errors.append(abs(Fraction(float(answers[i, j])) - exact))
        return float(max(errors))

    assert worst(correlate(image, kernel)) <= worst(theirs)
    assert worst(correlate(image, kernel, method="direct")) <= worst(theirs)


@pytest.mark.parametrize("method", ["direct", "sparse", "separable", "fft"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_goes_where_it_is_read(method: str, value: float) -> None:
    """Of all answers exactly those whose window holds NaN or infinity are not finite, in every way."""
    image, kernel = np.random.default_rng(0).random((3, 60, 60)), np.outer(np.arange(9.0) - 4, np.arange(7.0) - 2)
    image[1, 20, 33] = value
    read = correlate((~np.isfinite(image)).astype(int), np.ones((9, 7), int), padding="same") > 0
    assert (np.isfinite(correlate(image, kernel, padding="same", method=method)) == ~read).all()


@pytest.mark.parametrize("method", ["direct", "sparse", "separable", "fft"])
def test_memory_of_any_layout(method: str) -> None:
    """Transposed, reversed, read-only, big-endian and interleaved pictures, and any such `out`, give the same."""
    random = np.random.default_rng(1)
    picture, kernel = random.integers(0, 256, (40, 50)).astype(np.float32), np.outer([1, 2, 1], [1, 0, -1])
    right = correlate(picture, kernel, padding="same", method=method)
    colours = np.stack([picture] * 3, -1)
    frozen = picture.copy()
    frozen.flags.writeable = False
    for image in (
        picture.T.copy().T,
        picture[::-1, ::-1].copy()[::-1, ::-1],
        frozen,
        picture.astype(">f4"),
        colours[..., 1],
        np.frombuffer(b"x" + picture.tobytes(), np.uint8)[1:].view(np.float32).reshape(picture.shape),
    ):
        assert np.allclose(correlate(image, kernel, padding="same", method=method), right, rtol=0, atol=1e-3)
    for out in (
        np.empty((50, 40), np.float32).T,
        np.empty((40, 50, 2), np.float32)[..., 1],
        np.empty((40, 50), np.float32)[::-1],
    ):
        assert correlate(picture, kernel, padding="same", method=method, out=out) is out
        assert np.allclose(out, right, rtol=0, atol=1e-3)
    itself = picture.copy()
    correlate(itself, kernel, padding="same", method=method, out=itself)
    assert np.allclose(itself, right, rtol=0, atol=1e-3)


@pytest.mark.parametrize("method", ["direct", "sparse", "separable", "fft"])
def test_threads_change_nothing(method: str) -> None:
    """The answers of 1, 2 and 7 threads are the same to the bit, and so are those of concurrent callers."""
    random = np.random.default_rng(2)
    image, kernel = random.random((2, 700, 300)), np.outer(random.random(9), random.random(9))
    one = correlate(image, kernel, padding="same", method=method, threads=1)
    found: list[np.ndarray] = []

    def call() -> None:
        found.append(correlate(image, kernel, padding="same", method=method, threads=2))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    found.append(correlate(image, kernel, padding="same", method=method, threads=7))
    assert len(found) == 5
    assert all((answer == one).all() for answer in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_can_filter() -> None:
    """After threads have worked, a forked child has none of them, and still answers."""
    code = (
        "import os, numpy as np; from faltung.filters import correlate\n"
        "image, kernel = np.ones((900, 900)), np.ones((9, 8))\n"
        "right = correlate(image, kernel, method='direct', threads=2)\n"
        "child = os.fork()\n"
        "if not child: os._exit(int((correlate(image, kernel, method='direct', threads=2) != right).any()))\n"
        "print(os.waitpid(child, 0)[1])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "0", done.stderr


@pytest.mark.skipif(_native.core is None, reason="the compiled core is not there")
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_every_level_of_vector_instructions(dtype: str) -> None:
    """Integers are the same at every level; floats agree within rounding."""
    random = np.random.default_rng(3)
    image, kernel = (random.random((50, 67)) * 255).astype(dtype), random.integers(-5, 6, (7, 7))
    levels, answers = _native.core.levels(), []
    try:
        for level in levels:
            _native.core.use_level(level)
            answers += [correlate(image, kernel, padding="same", method=m) for m in ("direct", "fft", "auto")]
    finally:
        _native.core.use_level(levels[0])
    exact = dtype == "uint8"
    assert all(
        (answer == answers[0]).all() if exact else np.allclose(answer, answers[0], rtol=1e-5, atol=1e-2)
        for answer in answers
    )


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: correlate(np.ones((5, 5)), np.eye(3), method="magic"), "unknown method 'magic'"),
        (lambda: correlate(np.ones((5, 5)), np.random.default_rng(0).random((3, 3)), method="separable"), None),
        (lambda: correlate(np.ones((5, 5)) * 1j, np.eye(3), method="fft"), "correlate: method and out are for arrays of real numbers"),
        (lambda: correlate(np.ones((99, 99)), np.ones((9, 9)), threads=0), "threads must be a whole number of at least 1, got 0"),
        (lambda: correlate(np.ones((5, 5)), np.eye(3), out=np.ones(3)), "correlate: out must be a writeable array of float64 and shape (3, 3), got float64 of shape (3,)"),
        (lambda: correlate(np.ones((5, 5)), np.eye(3), out=[1]), "correlate: out must be a writeable array of float64 and shape (3, 3), got list"),
    ],
)  # fmt: skip
def test_refusals(act: Any, text: str | None) -> None:
    """Each refusal is one line that names what is wrong."""
    if text is None:
        act()  # every kernel is a sum of as many separable ones as it has rows
        return
    with pytest.raises(FaltungError) as refused:
        act()
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_core_refuses_what_does_not_fit() -> None:
    """Sizes that do not belong to the arrays are refused before anything is read or written."""
    if _native.core is None:
        pytest.skip("the compiled core is not there")
    image, taps, out = np.ones((5, 5)), np.ones((1, 3, 3)), np.ones((1, 3, 3))
    good, no_spectra = (5, 3, 3, 1, 1, 0), (0, 0, None, 0)
    assert _native.core.run(image, taps, out, good, good, 0, 0, False, 1, *no_spectra) is True
    for axis in ((5, 4, 3, 1, 1, 0), (6, 3, 3, 1, 1, 0), (5, 3, 4, 1, 1, 0), (5, 3, 3, 0, 1, 0), (5, 3, 3, 1, 1, -1)):
        with pytest.raises(ValueError):
            _native.core.run(image, taps, out, axis, good, 0, 0, False, 1, *no_spectra)
    for wrong in (
        (image.astype(complex), taps, out, good, good, 0, 0, False, 1, *no_spectra),
        (image, taps.astype("f4"), out.astype("i4"), good, good, 0, 0, False, 1, *no_spectra),
        (image, taps, out, good, good, 7, 0, False, 1, *no_spectra),
        (image, taps, out, good, good, 0, 2, False, 1, *no_spectra),
        (image, np.ones(6), out, good, good, 0, 1, True, 1, *no_spectra),
        (image, taps, out, good, good, 0, 0, False, 1, 16, 16, np.ones(3), 0),
        (image, taps, out[0], good, good, 0, 0, False, 1, *no_spectra),
    ):
        with pytest.raises(ValueError):
            _native.core.run(*wrong)


def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """FALTUNG_THREADS says how many where the call does not."""
    monkeypatch.setenv("FALTUNG_THREADS", "3")
    assert (planner.thread_count(None), planner.thread_count(2)) == (3, 2)
    monkeypatch.setenv("FALTUNG_THREADS", "many")
    with pytest.raises(FaltungError, match="FALTUNG_THREADS must be a whole number of at least 1, got 'many'"):
        planner.thread_count(None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1 / 93, 4.0, 2.0**-60])
def test_passes_overflow_only_where_sums_do(dtype: str, scale: float) -> None:
    """Of pixels near the largest number a kernel of rank 1 makes finite answers, as exact sums are finite."""
    shape = (3, 31)
    kernel = np.full(shape, scale, dtype)
    largest = Fraction(float(np.finfo(dtype).max))
    pixel = float(largest / max(1, 93 * Fraction(float(kernel[0, 0]))) * Fraction(9, 10))
    image = np.full((40, 60), pixel, dtype)
    exact = 93 * Fraction(float(kernel[0, 0])) * Fraction(float(image[0, 0]))
    for answers in (correlate(image, kernel), correlate(image, kernel, method="separable")):
        assert np.isfinite(answers).all()
        assert abs(Fraction(float(answers[5, 5])) / exact - 1) < 40 * Fraction(float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("boundary", ["zero", "reflect", "replicate", "circular"])
def test_channels_beside_each_other(dtype: str, boundary: str) -> None:
    """A picture (H, W, C) with its channels moved to the front is answered as a copy is, and laid out as it is."""
    random = np.random.default_rng(8)
    last = random.integers(0, 200, (13, 29, 3)).astype(dtype)
    kernels = [random.integers(-3, 4, shape) for shape in ((3, 3), (5, 5), (1, 4), (7, 7))] + [
        np.outer([1, 2, 1, 5], [1, 3, 1, 2])
    ]
    for kernel, stride, dilation in product(kernels, [1, 2], [1, 2]):
        taps = kernel.astype(int if dtype == "uint8" else dtype)
        how: dict[str, Any] = {"padding": "same", "stride": stride, "dilation": dilation, "boundary": boundary}
        if boundary == "reflect" and dilation * 6 >= 13:
            continue
        expected = correlate(np.moveaxis(last, -1, 0).copy(), taps, **how)
        for method in ("auto", "direct", "sparse"):
            found = correlate(np.moveaxis(last, -1, 0), taps, method=method, **how)
            assert np.allclose(found, expected, rtol=1e-5, atol=1e-3)  # two passes round otherwise
            if _native.core is not None:
                assert np.moveaxis(found, 0, -1).flags.c_contiguous
            out = np.empty_like(expected)  # channel by channel
            assert correlate(np.moveaxis(last, -1, 0), taps, method=method, out=out, **how) is out
            assert (out == found).all()
