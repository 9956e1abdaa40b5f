"""Derivatives by the taps on the compiled core, beside sums over windows."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from faltung.boundary import BOUNDARIES, index_map
from faltung.filters import _geometry, _native

native = pytest.mark.skipif(_native.core is None, reason="the compiled core is not there")


def by_windows(image: np.ndarray, gradient: np.ndarray, y: Any, x: Any, boundary: str) -> np.ndarray:
    """Return, for each tap, the sum over all answers of the derivative times the pixel that the tap reads."""
    found = np.zeros((gradient.shape[-3], y.window.kernel, x.window.kernel))
    rows, columns = (index_map(axis.pixels, axis.window.before, axis.window.after, boundary) for axis in (y, x))
    for k, m, n in np.ndindex(found.shape):
        for i, j in np.ndindex(gradient.shape[-2:]):
            row = rows[y.window.stride * i + y.window.dilation * m]
            column = columns[x.window.stride * j + x.window.dilation * n]
            if row is not None and column is not None:
                found[k, m, n] += (image[..., row, column] * gradient[..., k, i, j]).sum()
    return found


@native
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_derivatives_by_taps_are_sums_over_windows(level: str, boundary: str, dtype: str) -> None:
    random = np.random.default_rng(3)
    for shape, kernels, kernel, stride, dilation in product(
        [(9, 21), (2, 12, 11)], [1, 3, 6], [(1, 1), (3, 3), (2, 5)], [1, 2], [1, 2]
    ):
        image = random.integers(-9, 9, shape).astype(random.choice(["uint8", "int16", dtype]))
        y, x = _geometry.axes(shape, (kernels, *kernel), "same", stride, dilation, boundary, flip=False, layer="a")
        gradient = random.integers(-9, 9, (*shape[:-2], kernels, y.answers, x.answers)).astype(dtype)
        found = _native.weigh(image, gradient, y, x, boundary, 1)
        assert (found == by_windows(image.astype(float), gradient, y, x, boundary)).all()


@native
def test_the_layout_of_the_derivatives_does_not_matter(level: str) -> None:
    """Steps of any sign, and 0 as PyTorch expands a sum's derivative."""
    random = np.random.default_rng(4)
    image, gradient = random.integers(-9, 9, (20, 33)).astype("f4"), random.integers(-9, 9, (4, 20, 33)).astype("f4")
    axes = _geometry.axes(image.shape, (4, 3, 3), "same", 1, 1, "zero", flip=False, layer="a")
    expected = _native.weigh(image, gradient, *axes, "zero", 1)
    wide = np.repeat(np.repeat(gradient, 2, -1), 3, -2)[:, ::3, ::2]
    backwards = np.ascontiguousarray(gradient[:, ::-1, ::-1])[:, ::-1, ::-1]
    for other in (wide, backwards, np.asfortranarray(gradient)):
        assert (_native.weigh(image, other, *axes, "zero", 1) == expected).all()
    ones = np.broadcast_to(np.float32(1), gradient.shape)
    assert (_native.weigh(image, ones, *axes, "zero", 1) == _native.weigh(image, ones.copy(), *axes, "zero", 1)).all()


@native
def test_any_number_of_threads_gives_the_same() -> None:
    random = np.random.default_rng(5)
    image, gradient = random.random((3, 300, 301), dtype="f4"), random.random((3, 5, 300, 301), dtype="f4")
    axes = _geometry.axes(image.shape, (5, 7, 7), "same", 1, 1, "zero", flip=False, layer="a")
    one = _native.weigh(image, gradient, *axes, "zero", 1)
    assert all((_native.weigh(image, gradient, *axes, "zero", n) == one).all() for n in (2, 3, 5))
    image, gradient = image[:, :40, :40], gradient[..., :40, :40]
    axes = _geometry.axes(image.shape, (5, 7, 7), "same", 1, 1, "zero", flip=False, layer="a")
    found, exact = _native.weigh(image, gradient, *axes, "zero", 1), by_windows(image, gradient, *axes, "zero")
    assert np.allclose(found, exact, rtol=1e-5)


@native
def test_a_pixel_that_is_no_number_spoils_the_taps_that_read_it(level: str) -> None:
    image, gradient = np.ones((6, 19), np.float32), np.ones((1, 6, 17), np.float32)
    image[0, 18] = np.nan  # read by the last tap of the first row alone
    axes = _geometry.axes(image.shape, (1, 1, 3), "valid", 1, 1, "zero", flip=False, layer="a")
    assert np.isnan(_native.weigh(image, gradient, *axes, "zero", 1)).tolist() == [[[False, False, True]]]


@native
def test_what_does_not_fit_is_refused() -> None:
    assert _native.core is not None
    image, gradient, good = np.ones((5, 5)), np.ones((1, 3, 3)), (5, 3, 3, 1, 1, 0)
    assert _native.core.weigh(image, gradient, good, good, 0, 1).tolist() == np.full((1, 3, 3), 9.0).tolist()
    for arguments in (
        (image, gradient.astype(int), good, good, 0, 1),
        (image, gradient.astype(">f8"), good, good, 0, 1),
        (image, gradient[0], good, good, 0, 1),
        (image, gradient, (5, 4, 3, 1, 1, 0), good, 0, 1),
        (image, gradient, (5, 3, 3, 1, 1, -1), good, 0, 1),
        (image, gradient, good, good, 4, 1),
        (image, np.ones((1, 1, 1)), (5, 1, 2**25, 1, 1, 2**25), (5, 1, 2**25, 1, 1, 2**25), 0, 1),
    ):
        with pytest.raises(ValueError):
            _native.core.weigh(*arguments)
