"""The picture plus its details: kernels that keep its mean and make edges stand out."""

import numpy as np

from faltung.kernels._checks import above, odd, size_for
from faltung.kernels._types import FloatKernel, IntKernel
from faltung.kernels.laplacians import laplacian_4
from faltung.kernels.smoothing import gaussian, identity


def sharpen() -> IntKernel:
    """The picture minus its Laplacian (`laplacian_4`): the mean stays, details grow.

    ::

         0  -1   0
        -1   5  -1
         0  -1   0

    Returns
    -------
    ndarray of int64, shape (3, 3)

    References
    ----------
    A. Rosenfeld and A. C. Kak, "Digital Picture Processing", 1976.

    Examples
    --------
    >>> sharpen()[1]
    array([-1,  5, -1])
    """
    return identity(3) - laplacian_4()


def unsharp(sigma: float = 1.0, amount: float = 1.0, size: int | None = None) -> FloatKernel:
    """Unsharp mask: the picture plus `amount` times what a Gaussian blur takes away.

    Parameters
    ----------
    sigma : float
        Standard deviation of the blur in pixels, above 0.
    amount : float
        Strength, above 0; a detail finer than the blur comes out 1 + amount times as strong.
    size : int, optional
        Side in pixels, odd; the least odd size that holds 3 sigma each way if left out.

    Returns
    -------
    ndarray of float64, shape (size, size); sums to 1

    References
    ----------
    R. C. Gonzalez and R. E. Woods, "Digital Image Processing", the section on unsharp masking.

    Examples
    --------
    >>> round(float(unsharp(sigma=1, amount=2).sum()), 12)
    1.0
    """
    above("unsharp", "amount", amount, 0.0)
    size = size_for("unsharp", sigma, size)
    odd("unsharp", size)
    result: FloatKernel = (1 + amount) * identity(size) - amount * gaussian(sigma, size)
    return result


def emboss() -> IntKernel:
    """The picture plus its derivative along the falling diagonal: a relief.

    ::

        -2  -1  0
        -1   1  1
         0   1  2

    It is the identity plus the sum of a difference along x and one along y, each smoothed by its neighbours.
    No single author is known for it; it is the relief filter of most painting programs.

    Returns
    -------
    ndarray of int64, shape (3, 3)

    Examples
    --------
    >>> emboss()
    array([[-2, -1,  0],
           [-1,  1,  1],
           [ 0,  1,  2]])
    """
    ramp, ones = np.array([-1, 0, 1], dtype=np.int64), np.ones(3, dtype=np.int64)
    return identity(3) + np.outer(ones, ramp) + np.outer(ramp, ones)
