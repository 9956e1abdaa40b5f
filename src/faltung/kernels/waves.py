"""Waves: kernels that answer to one wavelength in one direction."""

import math

import numpy as np

from faltung.kernels._checks import above, between, finite, size_for
from faltung.kernels._gaussians import gaussian_window, positions
from faltung.kernels._types import MAX_SIZE, FloatKernel


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
    between("gabor", "wavelength", wavelength, 2, MAX_SIZE)
    finite("gabor", "orientation", orientation)
    finite("gabor", "phase", phase)
    above("gabor", "aspect", aspect, 0.0)
    sigma = 0.56 * wavelength if sigma is None else sigma
    above("gabor", "sigma", sigma, 0.0)
    size = size_for("gabor", sigma * max(1.0, 1.0 / aspect), size)
    t = positions(size)
    y, x = t[:, None], t[None, :]
    angle = math.radians(orientation)
    u = x * math.cos(angle) + y * math.sin(angle)
    v = -x * math.sin(angle) + y * math.cos(angle)
    window = gaussian_window(u**2 + (aspect * v) ** 2, sigma)
    window /= window.sum()
    wave = np.cos(2 * np.pi * u / wavelength + math.radians(phase))
    if zero_mean:
        wave = wave - (window * wave).sum()
    kernel: FloatKernel = window * wave
    return kernel
