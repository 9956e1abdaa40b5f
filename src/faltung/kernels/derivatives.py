"""First derivatives, and those of a Gaussian: positive where brightness grows along their direction."""

from collections.abc import Sequence

import numpy as np

from faltung.errors import FaltungError
from faltung.kernels._checks import size_for, whole
from faltung.kernels._gaussians import gaussian_factor
from faltung.kernels._types import FloatKernel, IntKernel


def central_difference_x() -> IntKernel:
    """Central difference along x: twice the derivative of a picture that is quadratic in x.

    ::

        -1  0  1

    Returns
    -------
    ndarray of int64, shape (1, 3)

    Examples
    --------
    >>> central_difference_x()
    array([[-1,  0,  1]])
    """
    return np.array([[-1, 0, 1]], dtype=np.int64)


def central_difference_y() -> IntKernel:
    """Central difference along y: the transpose of `central_difference_x`, shape (3, 1), int64.

    >>> central_difference_y().ravel()
    array([-1,  0,  1])
    """
    return _transposed(central_difference_x())


def forward_difference_x() -> IntKernel:
    """Difference of two neighbours along x: the derivative half a pixel to the right of the first.

    ::

        -1  1

    Returns
    -------
    ndarray of int64, shape (1, 2)

    Examples
    --------
    >>> forward_difference_x()
    array([[-1,  1]])
    """
    return np.array([[-1, 1]], dtype=np.int64)


def forward_difference_y() -> IntKernel:
    """Difference of two neighbours along y: the transpose of `forward_difference_x`, shape (2, 1), int64.

    >>> forward_difference_y().ravel()
    array([-1,  1])
    """
    return _transposed(forward_difference_x())


def sobel_x() -> IntKernel:
    """Sobel's derivative along x: 8 times the derivative, smoothed by [1, 2, 1] down the rows.

    ::

        -1  0  1
        -2  0  2
        -1  0  1

    Returns
    -------
    ndarray of int64, shape (3, 3)

    References
    ----------
    I. Sobel and G. Feldman, "A 3x3 isotropic gradient operator for image processing", talk at the Stanford
    Artificial Intelligence Project, 1968.

    Examples
    --------
    >>> sobel_x()
    array([[-1,  0,  1],
           [-2,  0,  2],
           [-1,  0,  1]])
    """
    return _smoothed_difference([1, 2, 1])


def sobel_y() -> IntKernel:
    """Sobel's derivative along y (downwards): the transpose of `sobel_x`, int64.

    >>> sobel_y()
    array([[-1, -2, -1],
           [ 0,  0,  0],
           [ 1,  2,  1]])
    """
    return _transposed(sobel_x())


def scharr_x() -> IntKernel:
    """Scharr's derivative along x: 32 times the derivative, with the least error of direction among 3x3.

    ::

         -3  0   3
        -10  0  10
         -3  0   3

    Returns
    -------
    ndarray of int64, shape (3, 3)

    References
    ----------
    H. Scharr, "Optimale Operatoren in der Digitalen Bildverarbeitung", dissertation, Heidelberg, 2000.

    Examples
    --------
    >>> scharr_x()[1]
    array([-10,   0,  10])
    """
    return _smoothed_difference([3, 10, 3])


def scharr_y() -> IntKernel:
    """Scharr's derivative along y (downwards): the transpose of `scharr_x`, int64.

    >>> scharr_y()[2]
    array([ 3, 10,  3])
    """
    return _transposed(scharr_x())


def prewitt_x() -> IntKernel:
    """Prewitt's derivative along x: 6 times the derivative, averaged over three rows.

    ::

        -1  0  1
        -1  0  1
        -1  0  1

    Returns
    -------
    ndarray of int64, shape (3, 3)

    References
    ----------
    J. M. S. Prewitt, "Object enhancement and extraction", in Picture Processing and Psychopictorics, 1970.

    Examples
    --------
    >>> prewitt_x()[0]
    array([-1,  0,  1])
    """
    return _smoothed_difference([1, 1, 1])


def prewitt_y() -> IntKernel:
    """Prewitt's derivative along y (downwards): the transpose of `prewitt_x`, int64.

    >>> prewitt_y()[0]
    array([-1, -1, -1])
    """
    return _transposed(prewitt_x())


def roberts_diagonal() -> IntKernel:
    """Roberts' difference along the falling diagonal: positive where brightness grows down to the right.

    ::

        -1  0
         0  1

    The centre of a 2x2 kernel lies between its pixels: half a pixel right of and below the first.

    Returns
    -------
    ndarray of int64, shape (2, 2)

    References
    ----------
    L. G. Roberts, "Machine perception of three-dimensional solids", dissertation, MIT, 1963.

    Examples
    --------
    >>> roberts_diagonal()
    array([[-1,  0],
           [ 0,  1]])
    """
    return np.array([[-1, 0], [0, 1]], dtype=np.int64)


def roberts_antidiagonal() -> IntKernel:
    """Roberts' difference along the rising diagonal: positive where brightness grows up to the right.

    ::

         0  1
        -1  0

    Returns
    -------
    ndarray of int64, shape (2, 2)

    References
    ----------
    L. G. Roberts, "Machine perception of three-dimensional solids", dissertation, MIT, 1963.

    Examples
    --------
    >>> roberts_antidiagonal()
    array([[ 0,  1],
           [-1,  0]])
    """
    return np.array([[0, 1], [-1, 0]], dtype=np.int64)


def gaussian_derivative(sigma: float = 1.0, x: int = 1, y: int = 0, size: int | None = None) -> FloatKernel:
    """Derivative of a Gaussian, of order `x` along x and `y` along y: a derivative that is deaf to noise.

    Each 1-D factor is the sampled Gaussian times a polynomial that is orthogonal to all lower powers. So the
    answer to every polynomial picture of lower degree is zero, and to t**n / n! it is one: sampling and
    truncation leave no mean and no false factor.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels, above 0.
    x, y : int
        Order of the derivative along each axis, from 0 (a plain Gaussian).
    size : int, optional
        Side in pixels, more than either order; the least odd size that holds 3 sigma each way if left out.

    Returns
    -------
    ndarray of float64, shape (size, size)

    References
    ----------
    J. J. Koenderink and A. J. van Doorn, "Representation of local geometry in the visual system", Biological
    Cybernetics 55, 1987.

    Examples
    --------
    >>> kernel = gaussian_derivative(sigma=1.5)
    >>> columns = np.arange(kernel.shape[1])
    >>> round(float((kernel * columns).sum()), 12)      # the ramp x has the derivative 1
    1.0
    """
    size = size_for("gaussian-derivative", sigma, size)
    for axis, order in (("x", x), ("y", y)):
        whole("gaussian-derivative", axis, order, 0, 20)
        if order >= size:
            raise FaltungError(
                f"gaussian-derivative: a derivative of order {axis}={order} needs a size of at least "
                f"{order + 1}, got {size}"
            )
    return np.outer(
        gaussian_factor("gaussian-derivative", sigma, size, y),
        gaussian_factor("gaussian-derivative", sigma, size, x),
    )


def _transposed(kernel: IntKernel) -> IntKernel:
    return np.ascontiguousarray(kernel.T)


def _smoothed_difference(weights: Sequence[int]) -> IntKernel:
    """The central difference along x, smoothed by `weights` down the rows."""
    return np.outer(np.array(weights, dtype=np.int64), central_difference_x()[0])
