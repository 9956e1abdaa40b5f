"""Band-pass kernels: a wave under a Gaussian window (Gabor), or a centre against its surround.

Both are fitted by variable projection: the shape (frequency, widths) is searched, and at each shape the
amplitudes follow from linear least squares.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from faltung.explanation.entries import FloatArray

MOST_ERROR = 0.2
"""Largest relative error (in norm) of a fit. 5 parameters leave less of 9 random numbers by chance in 1 case
of 150, 7 of 25 in practice never; rounding, truncation and noise of 1 % leave 0.1 and less."""

_SPARE = 4  # entries beyond the parameters of a fit: with fewer, it says nothing


@dataclass(frozen=True)
class Wave:
    """A wave under a window: what an even, odd or slanted Gabor filter is.

    Attributes
    ----------
    wavelength : float
        In pixels.
    orientation : float
        Direction in which the wave runs, in degrees from x (right) towards y (down), above -90 and up to 90.
    phase : float
        In the middle of the kernel, in degrees, above -180 and up to 180: 0 is a bright line, 180 a dark one,
        -90 an edge that is positive where brightness grows along the orientation, 90 one where it falls.
    sigma : tuple of float or None
        Standard deviations of the window in pixels, along the wave and across it; None where it is as good as
        flat.
    error : float
        Relative error of the description, 0 to 1.
    """

    wavelength: float
    orientation: float
    phase: float
    sigma: tuple[float | None, float | None]
    error: float


@dataclass(frozen=True)
class CentreSurround:
    """A narrow Gaussian against a wider one, the same in all directions.

    Attributes
    ----------
    sigma : tuple of float
        Standard deviations of centre and surround in pixels.
    error : float
        Relative error of the description, 0 to 1.
    """

    sigma: tuple[float, float]
    error: float


def fit_wave(kernel: FloatArray, peak: tuple[float, float]) -> Wave | None:
    """Wave under a window that a kernel (height, width) is, searched from its peak frequency, or None."""
    height, width = kernel.shape
    flat = min(height, width) == 1
    if kernel.size < (5 if flat else 7) + _SPARE or math.hypot(*peak) < 1e-3:
        return None
    y, x = _positions(kernel)
    largest = 4.0 * max(height, width)

    def basis(shape: FloatArray) -> FloatArray:
        """Even wave, odd wave and window, for (w_y, w_x, log sigma along, log sigma across)."""
        down, right = float(shape[0]), float(shape[1])
        if flat:  # a single row or column says nothing about the other axis
            down, right = (0.0, right) if height == 1 else (down, 0.0)
        frequency = math.hypot(down, right) or 1e-9
        u, v = (x * right + y * down) / frequency, (y * right - x * down) / frequency
        along, across = np.exp(np.clip(shape[2:], math.log(0.2), math.log(largest)))
        window = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
        return np.stack([window * np.cos(frequency * u), window * np.sin(frequency * u), window], axis=1)

    narrow, wide = math.log(0.15 * (height + width)), math.log(2.0 * max(height, width))
    starts = [np.array([*peak, along, across]) for along in (narrow, wide) for across in (narrow, wide)]
    shape, amplitudes, error = _best_fit(kernel, basis, starts)
    down, right = float(shape[0]), float(shape[1])
    if flat:
        down, right = (0.0, right) if height == 1 else (down, 0.0)
    frequency = math.hypot(down, right)
    if error > MOST_ERROR or not 1e-3 < frequency <= 1.05 * math.sqrt(2) * math.pi:
        return None
    even, odd = float(amplitudes[0]), float(amplitudes[1])
    orientation = math.degrees(math.atan2(down, right))
    if not -90 + 1e-6 < orientation <= 90 + 1e-6:  # the same wave, seen from the other end
        orientation += 180 if orientation < 0 else -180
        odd = -odd
    phase = math.degrees(math.atan2(-odd, even))
    along, across = (float(s) for s in np.exp(shape[2:]))
    return Wave(
        wavelength=2 * math.pi / frequency,
        orientation=orientation + 0.0,
        phase=180.0 if phase <= -180 + 1e-6 else phase + 0.0,
        sigma=(along if along < largest / 2 else None, across if across < largest / 2 and not flat else None),
        error=error,
    )


def fit_centre_surround(kernel: FloatArray) -> CentreSurround | None:
    """Difference of two Gaussians that a kernel (height, width) is, or None."""
    if kernel.size < 4 + _SPARE or min(kernel.shape) == 1:
        return None
    y, x = _positions(kernel)
    squared = x**2 + y**2

    def basis(shape: FloatArray) -> FloatArray:
        widths = np.exp(np.clip(shape, math.log(0.2), math.log(4.0 * max(kernel.shape))))
        columns: FloatArray = np.exp(-0.5 * squared[:, None] / widths**2)
        return columns

    size = float(max(kernel.shape))
    starts = [np.log(np.array([a, b]) * size) for a, b in ((0.1, 0.2), (0.2, 0.4), (0.1, 1.0))]
    shape, amplitudes, error = _best_fit(kernel, basis, starts)
    if error > MOST_ERROR or amplitudes[0] * amplitudes[1] >= 0:
        return None
    narrow, wide = sorted(float(s) for s in np.exp(shape))
    return CentreSurround((narrow, wide), error)


def _positions(kernel: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places (y, x) of all entries about the centre, flat."""
    height, width = kernel.shape
    y, x = np.indices((height, width), dtype=np.float64)
    return (y - (height - 1) / 2).ravel(), (x - (width - 1) / 2).ravel()


def _best_fit(
    kernel: FloatArray, basis: Callable[[FloatArray], FloatArray], starts: list[FloatArray]
) -> tuple[FloatArray, FloatArray, float]:
    """Shape, amplitudes and relative error of the best fit from several starts (Levenberg and Marquardt)."""
    target = kernel.ravel()
    size = float(np.linalg.norm(target))

    def project(shape: FloatArray) -> tuple[FloatArray, FloatArray]:
        columns = basis(shape)
        ridge = 1e-12 * float((columns**2).sum()) * np.eye(columns.shape[1])
        normal = columns.T @ columns + ridge
        amplitudes = np.linalg.solve(normal, columns.T @ target).astype(np.float64)
        return amplitudes, target - columns @ amplitudes

    best: tuple[FloatArray, FloatArray, float] | None = None
    for start in starts:
        shape: FloatArray = start
        amplitudes, residual = project(shape)
        damping = 1e-2
        for _ in range(40):
            steps = 1e-5 * np.eye(len(shape))
            jacobian = np.stack([(project(shape + s)[1] - residual) / 1e-5 for s in steps], axis=1)
            normal = jacobian.T @ jacobian
            lift = damping * (np.diag(np.diag(normal)) + 1e-12 * size**2 * np.eye(len(shape)))
            move = np.linalg.solve(normal + lift, -jacobian.T @ residual).clip(-0.7, 0.7)
            tried, left = project(shape + move)
            gained = float(residual @ residual) - float(left @ left)
            if gained > 0:
                shape, amplitudes, residual, damping = shape + move, tried, left, damping / 5
                hopeless = float(residual @ residual) > (2 * MOST_ERROR * size) ** 2
                if gained < (1e-2 if hopeless else 1e-9) * size**2:
                    break
            else:
                damping *= 8
                if damping > 1e8:
                    break
        error = float(np.linalg.norm(residual)) / size
        if best is None or error < best[2]:
            best = (shape, amplitudes, error)
        if error < 1e-3:
            break
    assert best is not None
    return best
