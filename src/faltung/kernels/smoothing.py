"""Smoothing: weights nowhere negative that sum to 1, from a single pixel to the track of a moving camera."""

import itertools
import math

import numpy as np

from faltung.kernels._checks import between, finite, odd, size_for, whole
from faltung.kernels._gaussians import gaussian_factor
from faltung.kernels._types import MAX_SIZE, FloatKernel, IntKernel

_MAX_INTEGER_BINOMIAL = 32  # the weights sum to 4**(size - 1), which must stay below 2**63


def identity(size: int = 1) -> IntKernel:
    """One in the middle, zero elsewhere: the picture comes out as it went in.

    Parameters
    ----------
    size : int
        Side in pixels, odd.

    Returns
    -------
    ndarray of int64, shape (size, size)

    Examples
    --------
    >>> identity(3)
    array([[0, 0, 0],
           [0, 1, 0],
           [0, 0, 0]])
    """
    odd("identity", size)
    alone = np.zeros(size, dtype=np.int64)
    alone[size // 2] = 1
    return np.outer(alone, alone)


def box(size: int = 3, normalised: bool = True) -> FloatKernel | IntKernel:
    """Equal weights: the mean over a square.

    ::

        1  1  1
        1  1  1   / 9       for size 3
        1  1  1

    Parameters
    ----------
    size : int
        Side in pixels, from 1.
    normalised : bool
        Divide by size**2 so that the weights sum to 1 (float64); if False, ones (int64).

    Returns
    -------
    ndarray of float64 or int64, shape (size, size)

    Examples
    --------
    >>> box(2)
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    whole("box", "size", size, 1, MAX_SIZE)
    ones = np.ones((size, size), dtype=np.int64)
    return ones / size**2 if normalised else ones


def binomial(size: int = 3, normalised: bool = True) -> FloatKernel | IntKernel:
    """Binomial weights, the whole-number stand-in for a Gaussian of sigma = sqrt(size - 1) / 2.

    ::

        1  2  1
        2  4  2   / 16      for size 3
        1  2  1

    Parameters
    ----------
    size : int
        Side in pixels, from 1.
    normalised : bool
        Divide by 4**(size - 1) so that the weights sum to 1 (float64); if False, the whole numbers (int64;
        size up to 32).

    Returns
    -------
    ndarray of float64 or int64, shape (size, size)

    References
    ----------
    P. J. Burt, "Fast filter transforms for image processing", Computer Graphics and Image Processing 16,
    1981.

    Examples
    --------
    >>> binomial(3, normalised=False)
    array([[1, 2, 1],
           [2, 4, 2],
           [1, 2, 1]])
    """
    whole("binomial", "size", size, 1, MAX_SIZE if normalised else _MAX_INTEGER_BINOMIAL)
    row = [math.comb(size - 1, k) for k in range(size)]
    if normalised:
        # divided as whole numbers, so that long rows neither overflow nor round before the division
        weights = np.array([count / 2 ** (size - 1) for count in row], dtype=np.float64)
        return np.outer(weights, weights)
    counts = np.array(row, dtype=np.int64)
    return np.outer(counts, counts)


def gaussian(sigma: float = 1.0, size: int | None = None) -> FloatKernel:
    """Gaussian weights exp(-(x**2 + y**2) / (2 sigma**2)), scaled to sum to 1.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels, above 0.
    size : int, optional
        Side in pixels; the least odd size that holds 3 sigma each way if left out.

    Returns
    -------
    ndarray of float64, shape (size, size)

    References
    ----------
    P. J. Burt and E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
    Communications 31, 1983.

    Examples
    --------
    >>> gaussian(sigma=1, size=3).round(3)
    array([[0.075, 0.124, 0.075],
           [0.124, 0.204, 0.124],
           [0.075, 0.124, 0.075]])
    """
    factor = gaussian_factor("gaussian", sigma, size_for("gaussian", sigma, size), 0)
    return np.outer(factor, factor)


def motion(length: float = 9.0, angle: float = 0.0) -> FloatKernel:
    """Blur of a camera that moved along a straight line: each pixel weighs as the line's length within it.

    Parameters
    ----------
    length : float
        Length of the line in pixels, at least 1.
    angle : float
        Direction of the line in degrees, from x (right) towards y (down).

    Returns
    -------
    ndarray of float64, shape (height, width), both odd, just holding the line; sums to 1

    References
    ----------
    R. C. Gonzalez and R. E. Woods, "Digital Image Processing", the chapter on image restoration.

    Examples
    --------
    >>> motion(length=4)
    array([[0.125, 0.25 , 0.25 , 0.25 , 0.125]])
    """
    between("motion", "length", length, 1, MAX_SIZE)
    finite("motion", "angle", angle)
    along = (math.sin(math.radians(angle)), math.cos(math.radians(angle)))  # (y, x)
    reach = [_last_pixel(abs(component) * length / 2) for component in along]
    # positions along the line, -1/2 .. 1/2 of its length, at which it crosses from pixel to pixel
    cuts = {-0.5, 0.5}
    for component, last in zip(along, reach, strict=True):
        cuts |= {(k + 0.5) / (component * length) for k in range(-last, last) if last}
    ordered = sorted(cut for cut in cuts if -0.5 <= cut <= 0.5)
    kernel = np.zeros([2 * last + 1 for last in reach])
    for start, stop in itertools.pairwise(ordered):
        middle = (start + stop) / 2 * length
        row, column = (
            min(max(round(middle * component), -last), last) + last
            for component, last in zip(along, reach, strict=True)
        )
        kernel[row, column] += stop - start
    even: FloatKernel = (kernel + kernel[::-1, ::-1]) / 2  # symmetric: take off what rounding left
    return even


def _last_pixel(reach: float) -> int:
    """Furthest pixel that a line from the middle of pixel 0 enters; touching its border does not count."""
    return max(0, math.ceil(reach - 0.5 - 1e-9))
