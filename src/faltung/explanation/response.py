"""The frequency response of a kernel: what it does to a wave of each frequency.

Under cross-correlation a wave exp(i w p) comes out multiplied by

    H(w) = sum over m, n of  K[m, n] * exp(i (w_y y + w_x x)),      (y, x) the tap's place about the centre.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faltung.explanation.entries import FloatArray

ComplexArray = NDArray[np.complex128]

HALF_POWER = math.sqrt(0.5)
"""A frequency is passed if its gain is at least this share of the peak: the usual -3 dB."""

# Summits are the same if their gains agree to the accuracy of the refinement.
_SAME_GAIN, _MOST_SUMMITS = 1e-7, 12


@dataclass(frozen=True)
class FrequencyResponse:
    """What a kernel does to waves.

    Attributes
    ----------
    kind : str
        'low-pass', 'high-pass', 'band-pass', 'band-stop' or 'all-pass' by the -3 dB rule; 'high-boost' if the
        fine waves are passed most and the constant picture more than leaks through.
    peak_gain : float
        Largest gain of any wave.
    peak_frequency : float
        Frequency of that wave in cycles per pixel; the lowest if several share the peak.
    peak_orientation : float or None
        Direction in which that wave runs, in degrees from x (right) towards y (down), above -90 and up to 90;
        None if the peak is the constant picture, or waves of several directions share it.
    dc_share : float
        Gain of the constant picture as a share of the peak gain, 0 to 1.
    """

    kind: str
    peak_gain: float
    peak_frequency: float
    peak_orientation: float | None
    dc_share: float


@dataclass(frozen=True)
class Spectrum:
    """The response on a grid of frequencies, and its peak.

    Attributes
    ----------
    frequencies : ndarray of float64, shape (n,)
        Angular frequencies of both axes in radians per pixel, -pi included.
    values : ndarray of complex128, shape (n, n)
        H at (w_y, w_x).
    peak : tuple of float
        (w_y, w_x) of the largest magnitude, w_x >= 0; of several, the lowest.
    gain : float
        That magnitude.
    ties : tuple of tuple of float
        All frequencies as low that share it, `peak` among them.
    single : bool
        No other direction shares the peak.
    """

    frequencies: FloatArray
    values: ComplexArray
    peak: tuple[float, float]
    gain: float
    ties: tuple[tuple[float, float], ...]
    single: bool


def response_at(kernel: FloatArray, down: FloatArray, right: FloatArray) -> ComplexArray:
    """H at all pairs of the angular frequencies `down` and `right`, about the kernel's centre."""
    height, width = kernel.shape
    y = np.arange(height) - (height - 1) / 2
    x = np.arange(width) - (width - 1) / 2
    waves_down: ComplexArray = np.exp(1j * np.outer(down, y))
    waves_right: ComplexArray = np.exp(1j * np.outer(x, right))
    answer: ComplexArray = waves_down @ kernel @ waves_right
    return answer


def spectrum(kernel: FloatArray) -> Spectrum:
    """Response of a kernel (height, width) on a grid fine enough that its peak can be refined from there."""
    points = max(64, 4 * max(kernel.shape))
    points += points % 2  # so that -pi is on the grid
    frequencies = (np.arange(points) - points // 2) * (2 * np.pi / points)
    values = response_at(kernel, frequencies, frequencies)
    gains = np.abs(values)
    # the response of a real kernel is the same at w and -w: keep half of the plane
    summits = _summits(gains)
    height, width = kernel.shape
    for axis, length in enumerate((height, width)):
        if length == 1:  # the response is the same along this axis
            summits = summits[frequencies[summits[:, axis]] == 0]
    candidates = {w for row, column in summits for w in _aliases(frequencies[row], frequencies[column])}
    # the grid may miss one of two equal summits by more than the other, so all are refined, the lowest first
    nearest = sorted(candidates, key=lambda w: (math.hypot(*w), abs(w[0]), w))[:_MOST_SUMMITS]
    refined = [_refined(kernel, summit, 2 * np.pi / points) for summit in nearest]
    gain = max(height for _, height in refined)
    shared = [w for w, height in refined if height >= (1 - _SAME_GAIN) * gain]
    lowest = min(math.hypot(*w) for w in shared)
    ties = [w for w in shared if math.hypot(*w) <= lowest + 1e-4]
    turned = any(abs(ties[0][0] * w[1] - ties[0][1] * w[0]) > 1e-4 * math.hypot(*w) for w in ties)
    return Spectrum(frequencies, values, ties[0], gain, tuple(ties), not turned)


def _summits(gains: FloatArray) -> NDArray[np.int_]:
    """Grid points (row, column) near the largest gain that no neighbour exceeds; the grid is periodic."""
    level = gains * (1 + 1e-12)  # equal but for rounding
    summit = gains >= 0.95 * gains.max()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            summit &= level >= np.roll(gains, (down, right), axis=(0, 1))
    return np.argwhere(summit)


def frequency_response(kernel: FloatArray, found: Spectrum, leak: float, scale: float = 1.0) -> FrequencyResponse:
    """Class and peak of a kernel whose entries are `scale * kernel`; a DC share up to `leak` is none."""
    down, right = found.peak
    share = min(1.0, abs(float(kernel.sum())) / found.gain)
    frequency = math.hypot(down, right)
    orientation: float | None = None
    if frequency > 1e-6 and found.single:
        angle = math.degrees(math.atan2(down, right))
        orientation = angle + 0.0 if angle > -90 + 1e-9 else 90.0
    return FrequencyResponse(
        kind=_passes(kernel, found, share, leak),
        peak_gain=found.gain * abs(scale),
        peak_frequency=frequency / (2 * math.pi) if frequency > 1e-6 else 0.0,
        peak_orientation=orientation,
        dc_share=share,
    )


def _passes(kernel: FloatArray, found: Spectrum, share: float, leak: float) -> str:
    """Low-, high-, band-pass and the rest, from the constant picture and the finest waves."""
    down, right = found.peak
    length = max(abs(down), abs(right))
    if length > 1e-6 and share < HALF_POWER:
        # the finest wave of the peak's own direction
        edges = [(down * math.pi / length, right * math.pi / length)]
    else:
        edges = [(0.0, math.pi), (math.pi, 0.0), (math.pi, math.pi), (math.pi, -math.pi)]
    finest = min(float(np.abs(response_at(kernel, np.array([y]), np.array([x])))[0, 0]) / found.gain for y, x in edges)
    if share >= HALF_POWER:
        if finest < HALF_POWER:
            return "low-pass"
        flat = float(np.abs(found.values).min()) >= HALF_POWER * found.gain
        return "all-pass" if flat else "band-stop"
    if finest < HALF_POWER:
        return "band-pass"
    return "high-pass" if share <= leak else "high-boost"


def _aliases(down: float, right: float) -> set[tuple[float, float]]:
    """Frequencies of one wave that point right, or straight down: pi and -pi are the same, and w and -w.

    Waves of half a cycle per pixel can have two: the checkerboard (pi, pi) runs along both diagonals.
    """
    found = set()
    for y in {down, -down} if abs(abs(down) - math.pi) < 1e-9 else {down}:
        for x in {right, -right} if abs(abs(right) - math.pi) < 1e-9 else {right}:
            flipped = x < -1e-9 or (abs(x) <= 1e-9 and y < 0)
            y_, x_ = (-y, -x) if flipped else (y, x)
            found.add((round(float(y_), 12), round(abs(float(x_)), 12)))
    return found


def _refined(kernel: FloatArray, peak: tuple[float, float], step: float) -> tuple[tuple[float, float], float]:
    """Close in on the peak from a grid point, by ever smaller 5x5 grids around the best point so far."""
    best = peak
    gain = float(np.abs(response_at(kernel, np.array([best[0]]), np.array([best[1]])))[0, 0])
    offsets = np.linspace(-1, 1, 5)
    distance = np.hypot(offsets[:, None], offsets[None, :])
    for _ in range(200):
        if step < 1e-7:
            break
        gains = np.abs(response_at(kernel, best[0] + step * offsets, best[1] + step * offsets))
        if gains.max() > gain * (1 + 1e-13):  # a point that is no better is no reason to move
            # along a ridge, stay as near as can be
            near = np.where(gains >= gains.max() * (1 - 1e-13), distance, np.inf)
            row, column = np.unravel_index(np.argmin(near), near.shape)
            gain = float(gains[row, column])
            best = (best[0] + step * float(offsets[row]), best[1] + step * float(offsets[column]))
        else:
            step /= 2
    return best, gain
