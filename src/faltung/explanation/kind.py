"""What kind of filter a kernel is, and why: the thresholds, each with its reason, and the decision.

A derivative of order n, smoothed, has the response H(w) = P(iw) S(w): P its operator, S the response of a
symmetric smoothing, S(0) = 1 and S <= 1. Four facts follow, and all four are asked for:

1. *Parity.* About its centre the kernel is even for even n and odd for odd n. Noise has both parts.
2. *Leaks.* The terms of lower order are small at the filter's peak frequency w*.
3. *The expansion holds at the peak*: rho = |P(iw*)| / |H(w*)| = 1 / S(w*) is above 1, and not far above.
   The n-th difference of neighbours has (pi/2)**n, the n-th derivative of a Gaussian e**(n/2): both near
   1.6**n. A band-pass filter lies far below, since nothing of it is left near w = 0; the picture minus its
   local mean far above, since its S = 1/|P| keeps the finest waves.
4. *Coherence.* H and P have the same sign wherever the filter answers much.

Measured on kernels of independent normal numbers: of 3000 3x3 kernels 1.4 % get a description (1.0 % have, by
chance, weights of one sign but for 3 %, and are a mean; 0.4 % are near the picture plus a derivative), of 300
5x5 and 300 7x7 kernels none. A row of 5 numbers or a 2x2 kernel is simple more often: 11 % and 16 %.
"""

import math
from dataclasses import dataclass

import numpy as np

from faltung.explanation.entries import Entries, FloatArray, trimmed
from faltung.explanation.moments import MAX_ORDER, Operator, operator
from faltung.explanation.response import HALF_POWER, FrequencyResponse, Spectrum, spectrum
from faltung.explanation.wave import CentreSurround, Wave, fit_centre_surround, fit_wave

PARITY = 0.12
"""Largest share (in norm) of the part with the wrong parity. Noise of 1 % of the largest entry makes 3 %; of
random 3x3 kernels only 0.4 % lie below, since the share follows a Beta distribution of 4 and 5 numbers."""

LEAK, WHOLE_LEAK = 0.06, 0.02
"""Largest gain of the constant picture, as a share of the peak's, that is a leak. Noise of 1 % on the 9x9
Laplacian of a Gaussian makes 5 %. Whole numbers are meant: a share of 4 % is strong sharpening there."""

OTHER_LEAK = 0.1
"""Largest share of the peak for the lower terms of order 1 and up, which grow towards the peak."""

LEAST_RHO, MOST_RHO = 1.2, 2.0
"""Bounds of rho per order of derivative. The central difference of sixth-order accuracy has 1.23, that of
neighbours 1.57, a Gaussian's derivative 1.65; an odd Gabor filter of one octave 0.1 and less."""

COHERENCE = 0.7
"""Least mean of the cosine between H and P, weighted by the power that the filter passes of a natural picture
(whose power falls as 1 / |w|**2). A box-smoothed derivative has 0.93 and more, noise seldom 0.5."""

SUBSTANCE = 0.2
"""Least share of a moment in the sum of its magnitudes, along the peak's direction. The sixth difference has
0.32 and the sixth derivative of a Gaussian about 0.25; a Gabor's third moment has cancelled to 0.07, and what
cancels so far is at the mercy of noise on the outer taps."""

ONE_TAP, ONE_TAP_SUM = 0.05, 0.1
"""Largest norm and sum of all other taps beside a single one. Noise of 1 % on 3x3 makes a norm of 3 %; a weak
unsharp mask has a small norm too, but its taps add up."""

NEGATIVE_MASS = 0.03
"""Largest share of weights of the wrong sign in a mean of neighbours; what ripples more, and is symmetric, is
judged by its response."""

MIDDLE = 0.4
"""Least share of the middle tap in 'the picture minus its local mean', where it weighs as all others: 0.5."""

BOOST, DIP = 0.05, 0.2
"""Least gain beyond the mean's that is worth being called sharpening, and how far that of any wave may fall
short of the mean's, as shares of the mean's. Noise of 1 % on a 7x7 unsharp mask dips by 13 %."""

KINDS = (
    "zero",
    "identity",
    "shift",
    "smoothing",
    "derivative",
    "laplacian",
    "sharpening",
    "picture plus derivative",
    "high-pass",
    "band-pass",
    "none",
)
"""What `Decision.kind` can be, from the most special to the least."""


@dataclass(frozen=True)
class Decision:
    """What a kernel is.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    order : int or None
        Order of the derivative that the kernel is, or that it adds to the picture.
    added : Operator or None
        For sharpening and 'picture plus derivative': the operator that is added to the picture.
    tap : tuple of int or None
        (row, column) in the trimmed kernel of the single tap, for an identity or a shift.
    wave : Wave, CentreSurround or None
        For band-pass kernels.
    """

    kind: str
    order: int | None = None
    added: Operator | None = None
    tap: tuple[int, int] | None = None
    wave: Wave | CentreSurround | None = None


def decide(entries: Entries, found: Spectrum, response: FrequencyResponse, rank: int) -> Decision:
    """Kind of a kernel of known rank; the first that applies, from the most special to the least."""
    kernel = entries.floats
    total = float(kernel.sum())
    single = _single_tap(entries)
    if single is not None:
        return single
    if _is_mean(kernel):
        return Decision("smoothing")
    order = derivative_order(kernel, found, leak_of(entries)) or (_product_order(entries) if rank == 1 else None)
    if order is not None:
        isotropic = order == 2 and operator(entries.grid, 2).form == "isotropic"
        return Decision("laplacian" if isotropic else "derivative", order=order)

    even = float(np.linalg.norm(kernel - kernel[::-1, ::-1])) / 2 <= PARITY * float(np.linalg.norm(kernel))
    if even and response.kind == "low-pass" and coherence(operator(kernel, 0), found) >= COHERENCE:
        return Decision("smoothing")
    if even and response.kind == "band-pass":
        surround = fit_centre_surround(kernel)
        if surround is not None:
            return Decision("band-pass", wave=surround)

    middle = _middle(entries)
    if middle is not None and response.dc_share > leak_of(entries):
        order, added = _added(entries, middle)
        least = float(np.real(found.values / total).min())
        boosts = least >= 1 - DIP and found.gain > (1 + BOOST) * abs(total)
        if even and boosts and response.kind not in ("low-pass", "band-pass"):
            return Decision("sharpening", order, added)
        if order is not None:
            return Decision("picture plus derivative", order, added)
    elif middle is not None and abs(float(kernel[middle])) >= MIDDLE * float(np.abs(kernel).sum()):
        around = kernel * -np.sign(kernel[middle])
        around[middle] = 0
        if _is_mean(around) and around.sum() > 0:
            return Decision("high-pass")

    if response.dc_share < HALF_POWER:
        wave = fit_wave(kernel, found.peak)
        if wave is not None:
            return Decision("band-pass", wave=wave)
    return Decision("none")


def leak_of(entries: Entries) -> float:
    """Largest DC gain, as a share of the peak's, that is a leak: less is allowed to whole numbers."""
    return WHOLE_LEAK if entries.whole else LEAK


def _is_mean(kernel: FloatArray) -> bool:
    """Whether (almost) all weights have one sign, so that the answer is a multiple of a weighted mean."""
    mass = float(np.abs(kernel).sum())
    return (mass - abs(float(kernel.sum()))) / 2 <= NEGATIVE_MASS * mass


def _single_tap(entries: Entries) -> Decision | None:
    """Identity or shift, if one tap is all there is."""
    kernel = entries.floats
    row, column = (int(index) for index in np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape))
    rest = kernel.copy()
    rest[row, column] = 0
    tap = abs(float(kernel[row, column]))
    if float(np.linalg.norm(rest)) > ONE_TAP * tap or abs(float(rest.sum())) > ONE_TAP_SUM * tap:
        return None
    height, width = entries.given
    middle = 2 * (entries.top + row) == height - 1 and 2 * (entries.left + column) == width - 1
    return Decision("identity" if middle else "shift", tap=(row, column))


def _product_order(entries: Entries) -> int | None:
    """Order of a product of a column and a row, each a mean or a derivative about its own centre.

    A mean that is not symmetric, such as [1, 2], breaks the parity of the product but not its meaning.
    """
    kernel = entries.floats
    row, column = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    orders = []
    for factor in (kernel[:, column : column + 1], kernel[row : row + 1, :]):
        if _is_mean(factor):
            orders.append(0)
            continue
        order = derivative_order(factor, spectrum(factor), leak_of(entries))
        if order is None:
            return None
        orders.append(order)
    return sum(orders)


def _middle(entries: Entries) -> tuple[int, int] | None:
    """(row, column) in the trimmed kernel of the pixel that the answer belongs to; None if no pixel is."""
    height, width = entries.grid.shape
    if entries.given[0] % 2 and entries.given[1] % 2:
        row, column = entries.given[0] // 2 - entries.top, entries.given[1] // 2 - entries.left
        return (row, column) if 0 <= row < height and 0 <= column < width else None
    return (height // 2, width // 2) if height % 2 and width % 2 else None


def _added(entries: Entries, middle: tuple[int, int]) -> tuple[int | None, Operator | None]:
    """Order and operator of what a kernel adds to the picture: the kernel less its sum at the middle tap."""
    grid = entries.grid.copy()
    grid[middle] -= grid.sum()
    rest = trimmed(grid, 0.0 if entries.whole else entries.rounding)
    if rest is None:
        return None, None
    order = derivative_order(rest.floats, spectrum(rest.floats), LEAK)
    if order is None:
        return None, None
    return order, operator(rest.grid, order, rest.unit * entries.unit)


def derivative_order(kernel: FloatArray, found: Spectrum, leak: float) -> int | None:
    """Order n >= 1 of the smoothed derivative that a kernel is, or None: the four facts above."""
    odd = (kernel - kernel[::-1, ::-1]) / 2
    size = float(np.linalg.norm(kernel))
    odd_share = float(np.linalg.norm(odd)) / size
    even_share = math.sqrt(max(0.0, 1 - odd_share**2))
    if odd_share <= PARITY:
        first = 0
    elif even_share <= PARITY:
        first = 1
    else:
        return None
    if abs(float(kernel.sum())) > leak * found.gain:
        return None
    if first == 1 and np.count_nonzero(kernel) == 2:
        return 1  # the difference of two pixels, however far apart
    for order in range(first or 2, MAX_ORDER + 1, 2):
        term = operator(kernel, order)
        rho = max(abs(term.symbol(*peak)) for peak in found.ties) / found.gain
        if LEAST_RHO**order <= rho <= MOST_RHO**order:
            holds = coherence(term, found) >= COHERENCE and substance(kernel, found, order) >= SUBSTANCE
            return order if holds else None
        if rho > OTHER_LEAK:
            return None
    return None


def substance(kernel: FloatArray, found: Spectrum, order: int) -> float:
    """Moment along the peak's direction, as a share of the sum of its magnitudes; 0 to 1."""
    y, x = np.indices(kernel.shape) - (np.array(kernel.shape).reshape(2, 1, 1) - 1) / 2
    shares = []
    for peak in found.ties:
        parts = kernel * (peak[0] * y + peak[1] * x) ** order
        shares.append(float(abs(parts.sum()) / max(np.abs(parts).sum(), 1e-300)))
    return max(shares)


def coherence(term: Operator, found: Spectrum) -> float:
    """Mean cosine of the angle between the response and its leading term, weighted by |H|**2 / |w|**2."""
    down, right = found.frequencies[:, None], found.frequencies[None, :]
    symbol = sum(
        (float(t.coefficient) * down**t.y * right**t.x for t in term.terms),
        np.zeros(found.values.shape),
    )
    sign = np.where(np.abs(symbol) > 1e-9 * np.abs(symbol).max(), np.sign(symbol), 0)  # 0 on its zero lines
    power = np.abs(found.values) ** 2 / np.maximum(down**2 + right**2, (np.pi / len(down)) ** 2)
    cosine = np.real(np.conj(1j**term.order * sign) * np.exp(1j * np.angle(found.values)))
    return float((power * cosine).sum() / power.sum())
