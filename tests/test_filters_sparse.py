"""Kernels that are 0 nearly everywhere, and banks of them: what is left out changes no answer."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.signal

from faltung.filters import correlate, plan


def scattered(random: np.random.Generator, shape: tuple[int, ...], share: float, dtype: str) -> np.ndarray:
    """Return taps of -4..4 of which a share is not 0."""
    return (random.integers(1, 5, shape) * random.choice([-1, 1], shape) * (random.random(shape) < share)).astype(dtype)


@pytest.mark.parametrize("pixels", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("size", [(1, 40), (3, 3), (37, 61)])
def test_sparse_sums_are_scipy_s(level: str, pixels: str, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 200, size).astype(pixels)
    for shape, share in product([(1, 1), (1, 9), (7, 5), (9, 9)], [0, 0.1, 0.4, 1]):
        kernel = scattered(random, shape, share, "int16" if image.dtype.kind in "iu" else pixels)
        expected = scipy.signal.correlate2d(image.astype(np.int64), kernel.astype(np.int64), "full")
        for stride, dilation in ((1, 1), (2, 1), (1, 3)):
            taps = kernel
            if dilation > 1:
                taps = np.zeros([dilation * (k - 1) + 1 for k in shape], kernel.dtype)
                taps[::dilation, ::dilation] = kernel
                expected = scipy.signal.correlate2d(image.astype(np.int64), taps.astype(np.int64), "full")
            how: dict[str, Any] = {"padding": "full", "stride": stride}
            found = correlate(image, kernel, method="sparse", dilation=dilation, **how)
            assert (found == expected[::stride, ::stride]).all()
            assert (correlate(image, taps, **how) == expected[::stride, ::stride]).all()


@pytest.mark.parametrize("kernels", [1, 4, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_bank_is_its_kernels(level: str, kernels: int, dtype: str) -> None:
    """Kernels that are summed together on a row give what each gives by itself, to the bit."""
    random = np.random.default_rng(kernels)
    image = random.integers(-99, 99, (2, 23, 75)).astype(dtype)
    for shape, stride, dilation in product([(1, 4), (3, 3), (5, 5), (4, 7)], [1, 2], [1, 2]):
        bank = scattered(random, (kernels, *shape), 0.9, dtype)
        bank = bank / 7 if bank.dtype.kind == "f" else bank
        how: dict[str, Any] = {"padding": "same", "stride": stride, "dilation": dilation}
        for method in ("direct", "sparse"):
            together = correlate(image, bank, method=method, **how)
            for n, kernel in enumerate(bank):
                alone = correlate(image, kernel, method=method, **how)
                assert np.array_equal(together[:, n], alone)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zero_taps_on_infinite_pixels_are_no_numbers(level: str, wrong: float, dtype: str) -> None:
    """Zero times infinity is no number, as IEEE 754 has it, also where the zero is not visited."""
    random = np.random.default_rng(1)
    kernel = scattered(random, (7, 7), 0.2, dtype)
    assert 5 * np.count_nonzero(kernel) <= 2 * kernel.size
    for at in ((0, 0), (20, 31), (40, 66)):
        image = random.random((41, 67)).astype(dtype)
        image[at] = wrong
        direct = correlate(image, kernel, padding="same", method="direct")
        sparse = correlate(image, kernel, padding="same", method="sparse")
        assert np.isnan(direct).any()
        assert np.array_equal(np.isnan(direct), np.isnan(sparse))
        assert np.allclose(direct, sparse, rtol=0, atol=1e-4, equal_nan=True)
        assert np.array_equal(np.isnan(direct), np.isnan(correlate(image, kernel, padding="same")))


def test_sparse_kernels_are_planned_so() -> None:
    kernel = np.zeros((9, 9), np.float32)
    kernel[::4, ::4] = [[1, 2, 3], [4, 1, 6], [7, 8, 1]]
    for size in (20, 400):
        made = plan(np.zeros((size, size), np.float32), kernel)
        assert (made.method, made.reason) == ("sparse", "9 of 81 taps are not 0")
    dense = np.random.default_rng(0).random((9, 9))
    assert "sparse" not in plan(np.zeros((400, 400)), dense).seconds


def test_what_is_left_out_is_not_read_for_nothing() -> None:
    """A tap that is no number is not taken for 0."""
    kernel = np.zeros((7, 7))
    kernel[2, 3] = np.nan
    assert np.isnan(correlate(np.ones((20, 20)), kernel, method="sparse")).all()
