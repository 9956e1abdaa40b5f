"""Exact means exact: integers to the bit at the edges of what their types hold; floats err less than SciPy's sums."""

import numpy as np
import pytest
import scipy.signal

from faltung.errors import FaltungError
from faltung.filters import correlate, plan

METHODS = ("direct", "sparse", "separable", "fft")


def by_windows(image: np.ndarray, kernel: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
    """Return the sums of Python's integers over all windows, or over those at places (n, 2)."""
    (kh, kw), image, kernel = kernel.shape, image.astype(object), kernel.astype(object)
    if places is not None:
        return np.array([(image[i : i + kh, j : j + kw] * kernel).sum() for i, j in places], dtype=object)
    height, width = image.shape[0] - kh + 1, image.shape[1] - kw + 1
    return sum(kernel[m, n] * image[m : m + height, n : n + width] for m in range(kh) for n in range(kw))


# Floats ----------------------------------------------------------------------------------------------------

BITS = {"float32": 23, "float64": 52}


def grid(random: np.random.Generator, shape: tuple[int, ...], bits: int, low: int) -> np.ndarray:
    """Return numbers of [low, 1) that are whole multiples of 2**-bits, drawn uniformly."""
    return random.integers(low * 2**bits, 2**bits, shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("low", [0, -1])
@pytest.mark.parametrize(
    ("method", "size", "side"), [("direct", 3, 200), ("direct", 5, 150), ("direct", 7, 120), ("separable", 15, 300), ("fft", 101, 330)]
)  # fmt: skip
def test_floats_err_no_more_than_a_direct_sum(
    level: str, method: str, size: int, side: int, low: int, dtype: str
) -> None:
    """Of what 'auto' computes, the root mean square and the largest error are at most scipy.signal.correlate2d's.

    Pixels and taps are multiples of 2**-23 or 2**-52, so that the exact answers are integers over a power of two, and
    are summed as such. SciPy adds n products one by one: rounding errors grow with every partial sum. Here products of
    a row are added to one another first; of partial sums that grow evenly, 3x3 taps then round errors of mean square
    156 where one by one it is 284 (in units of a product's; 30 and 44 for products of either sign), more taps less, so
    that over thousands of answers SciPy's error is larger by a fifth at least. Factors have fewer products to add,
    and transforms are planned only where they round less.
    """
    random, bits = np.random.default_rng([size, side, -low]), BITS[dtype]
    pixels = grid(random, (side, side), bits, low)
    if method == "separable":
        taps = np.outer(grid(random, (size,), bits // 2, low), grid(random, (size,), bits // 2, low))
        scale = 2 * (bits // 2)
    else:
        taps, scale = grid(random, (size, size), bits, low), bits
    image, kernel = np.ldexp(pixels, -bits).astype(dtype), np.ldexp(taps, -scale).astype(dtype)
    if plan(image, kernel).method != method and method == "direct":
        assert level == "numpy"  # there 'auto' may take another way for few taps; it is held to the same
    else:
        assert plan(image, kernel).method == method
    places = None
    if size > 7:
        places = random.integers(0, side - size + 1, (1000 if size < 100 else 60, 2))
    exact = by_windows(pixels, taps, places)

    def errors(answers: np.ndarray) -> tuple[float, float]:
        assert answers.dtype == dtype
        found = answers if places is None else answers[tuple(places.T)]
        whole = np.array([int(each) for each in np.ldexp(found.astype(float), bits + scale).flat], object)
        wrong = (whole - exact.ravel()).astype(float)
        return float(np.sqrt((wrong**2).mean())), float(np.abs(wrong).max())

    ours, theirs = errors(correlate(image, kernel)), errors(scipy.signal.correlate2d(image, kernel, "valid"))
    assert theirs[0] > 0
    assert ours[0] <= theirs[0]
    assert ours[1] <= theirs[1]


def test_worse_sums_would_be_caught() -> None:
    """Single-precision sums rounded once more, to 20 bits, err more than SciPy's."""
    random = np.random.default_rng(0)
    pixels, taps = grid(random, (100, 100), 23, 0), grid(random, (3, 3), 23, 0)
    image, kernel = np.ldexp(pixels, -23).astype("f4"), np.ldexp(taps, -23).astype("f4")
    exact = np.ldexp(by_windows(pixels, taps).astype(float), -46)
    worse = np.ldexp(np.rint(np.ldexp(correlate(image, kernel), 17)), -17)
    theirs = scipy.signal.correlate2d(image, kernel, "valid")
    assert np.square(worse - exact).mean() > np.square(theirs - exact).mean()


# Integers --------------------------------------------------------------------------------------------------


def extreme_pictures(dtype: str, shape: tuple[int, int], signs: np.ndarray) -> list[np.ndarray]:
    """Return pictures of the ends of a dtype: all greatest, all least, at random, and where some window meets `signs`."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    random = np.random.default_rng(0)
    tiled = np.tile(signs, (shape[0] // signs.shape[0] + 1, shape[1] // signs.shape[1] + 1))[: shape[0], : shape[1]]
    masks = [np.ones(shape, bool), np.zeros(shape, bool), random.random(shape) < 0.5, tiled > 0, tiled < 0]
    return [np.where(mask, high, low).astype(dtype) for mask in masks]


EDGES = [  # the sum of taps of one sign: the least pixel of a signed type is larger than its greatest
    *[("uint8", sign * (2**15 // 255), "int16") for sign in (1, -1)],
    *[("uint8", sign * (2**15 // 255 + 1), "int32") for sign in (1, -1)],
    ("int8", 256, "int16"),
    ("int8", 257, "int32"),
    ("int8", -255, "int16"),
    ("int8", -256, "int32"),
    *[("uint8", sign * (2**31 // 255), "int32") for sign in (1, -1)],
    *[("uint8", sign * (2**31 // 255 + 1), "int64") for sign in (1, -1)],
    ("int16", 2**16, "int32"),
    ("int16", 2**16 + 1, "int64"),
    ("int16", -(2**16) + 1, "int32"),
    ("int16", -(2**16), "int64"),
    *[("uint16", sign * (2**31 // 65535), "int32") for sign in (1, -1)],
    *[("uint32", sign * ((2**63 - 1) // (2**32 - 1)), "int64") for sign in (1, -1)],
    ("int32", 2**32, "int64"),
    ("int32", 1 - 2**32, "int64"),
]


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize(("dtype", "total", "answer"), EDGES)
def test_integers_at_the_edges_of_their_types(level: str, dtype: str, total: int, answer: str, method: str) -> None:
    """Kernels whose taps sum to the last number that a type of answers holds, and to the first that it does not."""
    column, row = np.array([1, 3, 2, 1]), np.array([2, 1, 0, 2, 1])
    sign, size = (-1 if total < 0 else 1), abs(total)
    kernel = sign * np.outer(column, row) * (size // 42)
    kernel[0, 2] += sign * (size % 42)
    assert int(kernel.sum()) == total
    pictures = extreme_pictures(dtype, (21, 70), kernel)
    if method == "fft" and dtype in ("uint32", "int32"):  # sums of 63 bits, and transforms keep 53
        with pytest.raises(FaltungError, match="rounding could not be kept within bounds"):
            correlate(pictures[0], kernel, method=method)
        return
    for image in pictures:
        found = correlate(image, kernel, method=method)
        assert found.dtype == answer
        assert (found.astype(object) == by_windows(image, kernel)).all()


def test_sums_beyond_64_bits(level: str) -> None:
    """Where a dtype could leave int64, the pixels are looked at: answers up to its last number, and none beyond."""
    largest = 2**63 - 1
    image = np.full((4, 4), largest // 3, np.int64)
    assert (correlate(image, [[1, 1, 1]]) == largest // 3 * 3).all()
    assert correlate(np.array([[largest, 0]]), [[1, -1]]).tolist() == [[largest]]
    assert correlate(np.array([[-largest - 1, 0]]), [[1]]).tolist() == [[-largest - 1, 0]]
    with pytest.raises(FaltungError, match="beyond int64's 9223372036854775807"):
        correlate(image + 1, [[1, 1, 1]])


@pytest.mark.parametrize(("dtype", "together"), [("uint8", 2), ("int16", 2), ("uint16", 2), ("uint8", 4), ("int8", 4)])
@pytest.mark.parametrize("shape", [(16, 16), (3, 60)])
def test_spectra_of_integers_up_to_their_bound(level: str, dtype: str, shape: tuple[int, int], together: int) -> None:
    """The largest taps that transforms are granted still give exact answers, on the extremes of the pixels.

    So do the largest of which four tiles are transformed as one.
    """
    random = np.random.default_rng(1)
    largest = 99 if together == 2 else 2
    kernel, image = random.integers(-largest, largest + 1, shape), np.zeros((90, 131), dtype)
    if together == 4 and level == "numpy":
        pytest.skip("NumPy transforms two tiles as one")

    def granted(factor: int) -> bool:
        try:
            made = plan(image, kernel * factor, method="fft")
        except FaltungError:
            return False
        return made.method == "fft" and (together == 2 or made.split > 0)

    most = next(power for power in range(62) if not granted(2**power))
    least, beyond = 2 ** (most - 1), 2**most
    while beyond - least > 1:
        middle = (least + beyond) // 2
        least, beyond = (middle, beyond) if granted(middle) else (least, middle)
    assert 1 <= least < 2**40
    kernel = kernel * least - np.sign(kernel) * random.integers(0, 2, shape)  # odd ones too, and none larger
    assert (plan(image, kernel, method="fft").split > 0) == (together == 4)
    for image in extreme_pictures(dtype, (90, 131), kernel):
        found = correlate(image, kernel, method="fft")
        assert (found.astype(object) == by_windows(image, kernel)).all()
