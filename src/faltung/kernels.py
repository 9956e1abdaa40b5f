"""The named filters of image processing, each a fresh NumPy array, built from 1-D factors where it has them.

Every kernel here is written for **cross-correlation**, ``Y[i, j] = sum over m, n of K[m, n] * X[i+m, j+n]``:
x counts columns to the right, y counts rows downwards, and a derivative answers positive where the picture
grows brighter along its direction. True convolution flips a kernel first, so an odd one changes its sign.
Angles are in degrees, from the x axis towards the y axis: 0 points right, 90 points down. Lengths are in
pixels. Kernels of whole numbers are ``int64``, all others ``float64``. A smoothing kernel sums to 1 unless
asked not to.

>>> named("sobel-x")
array([[-1,  0,  1],
       [-2,  0,  2],
       [-1,  0,  1]])
>>> named("gaussian:sigma=2,size=11").shape
(11, 11)
"""

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError, UnknownName

IntKernel = NDArray[np.int64]
FloatKernel = NDArray[np.float64]

MAX_SIZE = 1023
"""The longest side of a kernel in pixels; what is larger is refused before memory is taken for it."""

_MAX_INTEGER_BINOMIAL = 32  # the weights sum to 4**(size - 1), which must stay below 2**63


# First derivatives ---------------------------------------------------------------------------------------


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
    size = _size_for("gaussian-derivative", sigma, size)
    for axis, order in (("x", x), ("y", y)):
        _whole("gaussian-derivative", axis, order, 0, 20)
        if order >= size:
            raise FaltungError(
                f"gaussian-derivative: a derivative of order {axis}={order} needs a size of at least "
                f"{order + 1}, got {size}"
            )
    return np.outer(
        _gaussian_factor("gaussian-derivative", sigma, size, y),
        _gaussian_factor("gaussian-derivative", sigma, size, x),
    )


# Second derivatives --------------------------------------------------------------------------------------


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
    size = _size_for("laplacian-of-gaussian", sigma, size, reach=4.0)
    if size < 3:
        raise FaltungError(
            f"laplacian-of-gaussian: a second derivative needs a size of at least 3, got {size}"
        )
    smooth, second = (
        _gaussian_factor("laplacian-of-gaussian", sigma, size, 0),
        _gaussian_factor("laplacian-of-gaussian", sigma, size, 2),
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
    _above("difference-of-gaussians", "sigma", sigma, 0.0)
    _above("difference-of-gaussians", "ratio", ratio, 1.0)
    size = _size_for("difference-of-gaussians", sigma * ratio, size)
    if size < 3:
        raise FaltungError(f"difference-of-gaussians: a difference needs a size of at least 3, got {size}")
    return gaussian(sigma, size) - gaussian(sigma * ratio, size)


# Smoothing -----------------------------------------------------------------------------------------------


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
    factor = _gaussian_factor("gaussian", sigma, _size_for("gaussian", sigma, size), 0)
    return np.outer(factor, factor)


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
    _whole("binomial", "size", size, 1, MAX_SIZE if normalised else _MAX_INTEGER_BINOMIAL)
    row = [math.comb(size - 1, k) for k in range(size)]
    if normalised:
        # divided as whole numbers, so that long rows neither overflow nor round before the division
        weights = np.array([count / 2 ** (size - 1) for count in row], dtype=np.float64)
        return np.outer(weights, weights)
    counts = np.array(row, dtype=np.int64)
    return np.outer(counts, counts)


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
    _whole("box", "size", size, 1, MAX_SIZE)
    ones = np.ones((size, size), dtype=np.int64)
    return ones / size**2 if normalised else ones


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
    _between("motion", "length", length, 1, MAX_SIZE)
    _finite("motion", "angle", angle)
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


# The picture and its details -----------------------------------------------------------------------------


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
    _odd("identity", size)
    alone = np.zeros(size, dtype=np.int64)
    alone[size // 2] = 1
    return np.outer(alone, alone)


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
    _above("unsharp", "amount", amount, 0.0)
    size = _size_for("unsharp", sigma, size)
    _odd("unsharp", size)
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


# Band-pass -----------------------------------------------------------------------------------------------


def gabor(
    wavelength: float = 8.0,
    orientation: float = 0.0,
    sigma: float | None = None,
    phase: float = 0.0,
    aspect: float = 1.0,
    size: int | None = None,
    zero_mean: bool = False,
) -> FloatKernel:
    """Gabor filter: a wave under a Gaussian window.

    ::

        exp(-(u**2 + (aspect * v)**2) / (2 * sigma**2)) * cos(k * u + phase)

    u runs along `orientation`, v across it, and k = 2 pi / wavelength. The window is scaled to sum to 1.

    Parameters
    ----------
    wavelength : float
        Length of one wave in pixels, at least 2 (the finest that pixels can carry).
    orientation : float
        Direction in which the wave runs, in degrees from x (right) towards y (down). At 0 its stripes are
        vertical.
    sigma : float, optional
        Standard deviation of the window along the wave in pixels, above 0; 0.56 wavelengths, which gives a
        bandwidth of one octave, if left out.
    phase : float
        Phase of the wave in the middle of the kernel, in degrees: 0 is even (a bright line), -90 odd (an
        edge, positive where brightness grows along the orientation).
    aspect : float
        How many times narrower the window is across the wave than along it, above 0.
    size : int, optional
        Side in pixels; the least odd size that holds 3 sigma each way if left out.
    zero_mean : bool
        Take off the window times a constant so that the mean is zero. Left alone, an even Gabor keeps a mean
        of about exp(-(k sigma)**2 / 2) times its window's.

    Returns
    -------
    ndarray of float64, shape (size, size)

    References
    ----------
    D. Gabor, "Theory of communication", Journal of the Institution of Electrical Engineers 93, 1946.
    J. G. Daugman, "Uncertainty relation for resolution in space, spatial frequency, and orientation optimized
    by two-dimensional visual cortical filters", Journal of the Optical Society of America A 2, 1985.

    Examples
    --------
    >>> kernel = gabor(wavelength=6, orientation=30, phase=-90)
    >>> kernel.shape, bool(np.allclose(kernel, -kernel[::-1, ::-1]))
    ((23, 23), True)
    """
    _between("gabor", "wavelength", wavelength, 2, MAX_SIZE)
    _finite("gabor", "orientation", orientation)
    _finite("gabor", "phase", phase)
    _above("gabor", "aspect", aspect, 0.0)
    sigma = 0.56 * wavelength if sigma is None else sigma
    _above("gabor", "sigma", sigma, 0.0)
    size = _size_for("gabor", sigma * max(1.0, 1.0 / aspect), size)
    t = _positions(size)
    y, x = t[:, None], t[None, :]
    angle = math.radians(orientation)
    u = x * math.cos(angle) + y * math.sin(angle)
    v = -x * math.sin(angle) + y * math.cos(angle)
    window = _window(u**2 + (aspect * v) ** 2, sigma)
    window /= window.sum()
    wave = np.cos(2 * np.pi * u / wavelength + math.radians(phase))
    if zero_mean:
        wave = wave - (window * wave).sum()
    kernel: FloatKernel = window * wave
    return kernel


# The registry --------------------------------------------------------------------------------------------

_Builder = Callable[..., NDArray[Any]]

_BUILDERS: dict[str, _Builder] = {
    builder.__name__.replace("_", "-"): builder
    for builder in (
        identity,
        box,
        binomial,
        gaussian,
        motion,
        central_difference_x,
        central_difference_y,
        forward_difference_x,
        forward_difference_y,
        sobel_x,
        sobel_y,
        scharr_x,
        scharr_y,
        prewitt_x,
        prewitt_y,
        roberts_diagonal,
        roberts_antidiagonal,
        gaussian_derivative,
        laplacian_4,
        laplacian_8,
        laplacian_of_gaussian,
        difference_of_gaussians,
        sharpen,
        unsharp,
        emboss,
        gabor,
    )
}


def names() -> list[str]:
    """Names that `named` knows, in the order of the families above.

    >>> names()[:4]
    ['identity', 'box', 'binomial', 'gaussian']
    """
    return list(_BUILDERS)


def named(text: str) -> NDArray[Any]:
    """Kernel that a short text names: `"sobel-x"`, or with parameters `"gaussian:sigma=2,size=11"`.

    Parameters
    ----------
    text : str
        A name from `names`, then optionally a colon and ``parameter=value`` pairs with commas between. The
        parameters are those of the function of that name.

    Returns
    -------
    ndarray of int64 or float64, shape (height, width)

    Raises
    ------
    UnknownName
        No kernel or no parameter has that name; the text offers the nearest.
    FaltungError
        A pair is malformed, or a value is out of the parameter's range.

    Examples
    --------
    >>> named("box:size=3,normalised=false")
    array([[1, 1, 1],
           [1, 1, 1],
           [1, 1, 1]])
    >>> named("sobelx")
    Traceback (most recent call last):
    faltung.errors.UnknownName: unknown kernel 'sobelx'; did you mean sobel-x or sobel-y?
    """
    name, colon, rest = text.strip().partition(":")
    name = name.strip()
    if name not in _BUILDERS:
        raise UnknownName("kernel", name, _BUILDERS)
    builder = _BUILDERS[name]
    known = inspect.signature(builder).parameters
    arguments: dict[str, Any] = {}
    for pair in rest.split(",") if colon else []:
        parameter, equals, value = (part.strip() for part in pair.partition("="))
        if not (parameter and equals and value):
            raise FaltungError(f"{name}: expected parameter=value after the colon, got {pair.strip()!r}")
        if parameter not in known:
            if not known:
                raise FaltungError(f"{name} takes no parameters, got {pair.strip()!r}")
            raise UnknownName(f"parameter of {name}", parameter, known)
        if parameter in arguments:
            raise FaltungError(f"{name}: {parameter} is given twice")
        arguments[parameter] = _parsed(name, parameter, value, known[parameter].annotation)
    return builder(**arguments)


def _parsed(name: str, parameter: str, value: str, wanted: Any) -> int | float | bool:
    """Read `value` as the function's annotation has it."""
    if wanted is bool:
        if value.lower() not in ("true", "false"):
            raise FaltungError(f"{name}: {parameter} must be true or false, got {value!r}")
        return value.lower() == "true"
    whole = wanted in (int, int | None)
    try:
        return int(value) if whole else float(value)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise FaltungError(f"{name}: {parameter} must be {kind}, got {value!r}") from None


# Factors and checks --------------------------------------------------------------------------------------


def _transposed(kernel: IntKernel) -> IntKernel:
    return np.ascontiguousarray(kernel.T)


def _smoothed_difference(weights: Sequence[int]) -> IntKernel:
    """The central difference along x, smoothed by `weights` down the rows."""
    return np.outer(np.array(weights, dtype=np.int64), central_difference_x()[0])


def _positions(size: int) -> FloatKernel:
    """Pixel positions about the centre: whole for odd sizes, halves for even ones."""
    return np.arange(size, dtype=np.float64) - (size - 1) / 2


def _window(squared_distance: FloatKernel, sigma: float) -> FloatKernel:
    """Gaussian weights, 1 at the sample nearest to the middle, so that they cannot all vanish."""
    sigma = max(sigma, 1e-3)  # any narrower and every other sample is 0 already
    weights: FloatKernel = np.exp(-(squared_distance - squared_distance.min()) / (2 * sigma**2))
    return weights


def _gaussian_factor(name: str, sigma: float, size: int, order: int) -> FloatKernel:
    """1-D Gaussian derivative: answers 0 to t**k for k < order and 1 to t**order / order!."""
    t = _positions(size)
    weights = _window(t**2, sigma)
    if np.count_nonzero(weights > 1e-290) <= order:  # below, products of the weights vanish
        raise FaltungError(
            f"{name}: sigma={sigma:g} and size={size} leave too few samples for a derivative of order {order}"
        )
    scaled = t / max(sigma, 0.5)  # keeps the powers near 1, whatever sigma is
    basis: list[FloatKernel] = []
    for degree in range(order + 1):
        polynomial = scaled**degree
        for _ in range(2):  # the second pass takes off what rounding left in the first
            for lower in basis:
                share = (weights * lower * polynomial).sum() / (weights * lower**2).sum()
                polynomial = polynomial - share * lower
        basis.append(polynomial)
    kernel = weights * basis[order]
    result: FloatKernel = kernel / (float((kernel * t**order).sum()) / math.factorial(order))
    return result


def _last_pixel(reach: float) -> int:
    """Furthest pixel that a line from the middle of pixel 0 enters; touching its border does not count."""
    return max(0, math.ceil(reach - 0.5 - 1e-9))


def _size_for(name: str, sigma: float, size: int | None, reach: float = 3.0) -> int:
    """Check sigma and size; without a size, take the least odd one that holds `reach` sigmas each way."""
    _above(name, "sigma", sigma, 0.0)
    if size is not None:
        _whole(name, "size", size, 1, MAX_SIZE)
        return int(size)
    if reach * sigma > MAX_SIZE // 2:
        raise FaltungError(
            f"{name}: sigma={sigma:g} needs a size of {2 * reach * sigma + 1:g}, "
            f"above the limit of {MAX_SIZE}; give a smaller sigma or a size"
        )
    return 2 * math.ceil(reach * sigma) + 1


def _whole(name: str, parameter: str, value: int, least: int, most: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise FaltungError(f"{name}: {parameter} must be a whole number from {least} to {most}, got {value}")


def _odd(name: str, size: int) -> None:
    _whole(name, "size", size, 1, MAX_SIZE)
    if size % 2 == 0:
        raise FaltungError(f"{name}: size must be odd, so that there is a middle pixel, got {size}")


def _finite(name: str, parameter: str, value: float) -> None:
    if not math.isfinite(value):
        raise FaltungError(f"{name}: {parameter} must be a finite number, got {value}")


def _above(name: str, parameter: str, value: float, bound: float) -> None:
    if not (math.isfinite(value) and value > bound):
        raise FaltungError(f"{name}: {parameter} must be a finite number above {bound:g}, got {value}")


def _between(name: str, parameter: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise FaltungError(f"{name}: {parameter} must be from {least:g} to {most:g}, got {value}")
