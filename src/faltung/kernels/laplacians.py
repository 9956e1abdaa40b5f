"""Laplacians: second derivatives along x and y together, sharp, smoothed, or by a difference of Gaussians."""

import numpy as np

from faltung.errors import FaltungError
from faltung.kernels._checks import above, size_for
from faltung.kernels._gaussians import gaussian_factor
from faltung.kernels._types import FloatKernel, IntKernel
from faltung.kernels.smoothing import gaussian


def laplacian_4() -> IntKernel:
    """The Laplacian over four neighbours: [1, -2, 1] along x plus the same along y.

    ::

        0   1  0
        1  -4  1
        0   1  0

    Returns
    -------
    ndarray of int64, shape (3, 3)

    References
    ----------
    A. Rosenfeld and A. C. Kak, "Digital Picture Processing", 1976.

    Examples
    --------
    >>> laplacian_4()[1]
    array([ 1, -4,  1])
    """
    second, alone = np.array([1, -2, 1], dtype=np.int64), np.array([0, 1, 0], dtype=np.int64)
    return np.outer(alone, second) + np.outer(second, alone)


def laplacian_8() -> IntKernel:
    """The Laplacian over eight neighbours, three times as strong as `laplacian_4`.

    ::

        1   1  1
        1  -8  1
        1   1  1

    Returns
    -------
    ndarray of int64, shape (3, 3)

    References
    ----------
    A. Rosenfeld and A. C. Kak, "Digital Picture Processing", 1976.

    Examples
    --------
    >>> laplacian_8()[1]
    array([ 1, -8,  1])
    """
    ones, alone = np.ones(3, dtype=np.int64), np.array([0, 1, 0], dtype=np.int64)
    return np.outer(ones, ones) - 9 * np.outer(alone, alone)


def laplacian_of_gaussian(sigma: float = 1.4, size: int | None = None) -> FloatKernel:
    """Laplacian of a Gaussian: negative in the middle, a positive ring around it.

    It is the sum of the two second derivatives of `gaussian_derivative`. Its mean is therefore zero (to
    rounding) and its factor one at every size: what truncation leaves over is taken off in proportion to the
    Gaussian, where the kernel is strong, and not as a pedestal on the far tails.

    Parameters
    ----------
    sigma : float
        Standard deviation of the Gaussian in pixels, above 0.
    size : int, optional
        Side in pixels, at least 3; the least odd size that holds 4 sigma each way if left out.

    Returns
    -------
    ndarray of float64, shape (size, size)

    References
    ----------
    D. Marr and E. Hildreth, "Theory of edge detection", Proceedings of the Royal Society B 207, 1980.

    Examples
    --------
    >>> kernel = laplacian_of_gaussian(sigma=1.4, size=9)
    >>> abs(float(kernel.sum())) < 1e-12
    True
    """
    size = size_for("laplacian-of-gaussian", sigma, size, reach=4.0)
    if size < 3:
        raise FaltungError(f"laplacian-of-gaussian: a second derivative needs a size of at least 3, got {size}")
    smooth, second = (
        gaussian_factor("laplacian-of-gaussian", sigma, size, 0),
        gaussian_factor("laplacian-of-gaussian", sigma, size, 2),
    )
    return np.outer(smooth, second) + np.outer(second, smooth)


def difference_of_gaussians(sigma: float = 1.0, ratio: float = 1.6, size: int | None = None) -> FloatKernel:
    """Narrow Gaussian minus a wider one: positive in the middle, close to minus a Laplacian of a Gaussian.

    Each of the two is scaled to sum to 1 after truncation, so the kernel's mean is zero at every size.

    Parameters
    ----------
    sigma : float
        Standard deviation of the narrow Gaussian in pixels, above 0.
    ratio : float
        How many times wider the other is, above 1. 1.6 comes nearest to the Laplacian of a Gaussian.
    size : int, optional
        Side in pixels, at least 3; the least odd size that holds 3 sigma of the wide one if left out.

    Returns
    -------
    ndarray of float64, shape (size, size)

    References
    ----------
    D. Marr and E. Hildreth, "Theory of edge detection", Proceedings of the Royal Society B 207, 1980.

    Examples
    --------
    >>> kernel = difference_of_gaussians(sigma=1, size=7)
    >>> bool(kernel[3, 3] > 0), abs(float(kernel.sum())) < 1e-12
    (True, True)
    """
    above("difference-of-gaussians", "sigma", sigma, 0.0)
    above("difference-of-gaussians", "ratio", ratio, 1.0)
    size = size_for("difference-of-gaussians", sigma * ratio, size)
    if size < 3:
        raise FaltungError(f"difference-of-gaussians: a difference needs a size of at least 3, got {size}")
    return gaussian(sigma, size) - gaussian(sigma * ratio, size)
