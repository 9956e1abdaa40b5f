"""The named filter that lies nearest to a kernel, up to scale, flips and quarter turns.

Only filters of the same kind are compared: the angle between two kernels alone misleads (a Laplacian and a
sharpening filter differ by one tap, and their cosine is above 0.99 in magnitude).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from faltung import kernels
from faltung.errors import FaltungError
from faltung.explanation.entries import Entries, FloatArray, Number, read, trimmed
from faltung.explanation.kind import Decision
from faltung.explanation.moments import Operator
from faltung.explanation.symmetry import TURNS
from faltung.explanation.wave import CentreSurround, Wave

MOST_ERROR = 0.15
"""Filters whose relative distance is larger are not near: Sobel and Prewitt are 0.19 apart."""

_DC_GAP = 0.1  # largest difference of sum / sum of magnitudes

_FIRST_DERIVATIVES = (
    "sobel-x",
    "sobel-y",
    "scharr-x",
    "scharr-y",
    "prewitt-x",
    "prewitt-y",
    "central-difference-x",
    "central-difference-y",
    "forward-difference-x",
    "forward-difference-y",
    "roberts-diagonal",
    "roberts-antidiagonal",
)


@dataclass(frozen=True)
class Nearest:
    """A named filter near a kernel: kernel = about scale * (the named filter, turned).

    Attributes
    ----------
    name : str
        As `faltung.kernels.named` reads it, parameters included.
    turn : str
        How the named filter is turned or flipped: a key of `faltung.explanation.symmetry.TURNS`.
    scale : Fraction or float
        Factor of the turned filter.
    error : float
        Norm of what is left, as a share of the kernel's norm: 0 is the same, 1 has nothing in common.
    exact : bool
        The two are proportional, exactly or to within floating-point rounding.
    """

    name: str
    turn: str
    scale: Number
    error: float
    exact: bool


def nearest(entries: Entries, decision: Decision, operator: Operator | None) -> Nearest | None:
    """Nearest named filter of the kernel's kind, or None if none is near."""
    best: Nearest | None = None
    for name in _candidates(entries, decision, operator):
        found = _compared(entries, name)
        if found is not None and found.error <= MOST_ERROR and (best is None or _nearer(found, best)):
            best = found
            if best.exact and best.turn == "as it is":
                break
    return best


def _nearer(found: Nearest, best: Nearest) -> bool:
    """Whether to prefer a filter to one asked before it: plain names come first, fitted ones after."""
    if abs(found.error - best.error) <= 1e-9:
        return found.turn == "as it is" != best.turn
    # a parameter can fit the noise of a kernel, so it has to gain something to speak of
    gain = 0.5 if ":" in found.name and ":" not in best.name else 1.0
    return found.error < gain * best.error


def _candidates(entries: Entries, decision: Decision, operator: Operator | None) -> Iterator[str]:
    """Names worth comparing: the filters of one kind, the parameters fitted."""
    size, kernel = max(entries.grid.shape), entries.floats
    match decision.kind:
        case "identity":
            yield "identity"
        case "smoothing":
            yield f"binomial:size={size}"
            yield f"box:size={size}"
            yield from _fitted(kernel, size, lambda s: f"gaussian:sigma={s:.9g},size={size}")
            yield from _motions(kernel)
        case "derivative" if operator is not None:
            if decision.order == 1:
                yield from _FIRST_DERIVATIVES
            for term in operator.terms:
                orders = f"x={term.x},y={term.y}"
                if max(term.x, term.y) < size:
                    yield from _fitted(
                        kernel,
                        size,
                        _derivative_name(orders, size),
                    )
        case "laplacian":
            yield "laplacian-4"
            yield "laplacian-8"
            yield from _fitted(kernel, size, lambda s: f"laplacian-of-gaussian:sigma={s:.9g},size={size}")
            yield from _fitted(kernel, size, lambda s: f"difference-of-gaussians:sigma={s:.9g},size={size}")
        case "sharpening":
            yield "sharpen"
            yield from _fitted(kernel, size, lambda s: _unsharp(kernel, size, s))
        case "picture plus derivative":
            yield "emboss"
        case "band-pass" if isinstance(decision.wave, CentreSurround):
            narrow, wide = decision.wave.sigma
            yield f"difference-of-gaussians:sigma={narrow:.3g},ratio={wide / narrow:.3g},size={size}"
        case "band-pass" if isinstance(decision.wave, Wave) and decision.wave.wavelength >= 2:
            wave = decision.wave
            along = wave.sigma[0] or 4.0 * size
            aspect = along / (wave.sigma[1] or 4.0 * size)
            text = (
                f"gabor:wavelength={wave.wavelength:.4g},orientation={round(wave.orientation, 2) + 0.0:g},"
                f"sigma={along:.4g},phase={round(wave.phase, 2) + 0.0:g},aspect={aspect:.4g},size={size}"
            )
            yield text
            yield f"{text},zero_mean=true"


def _compared(entries: Entries, name: str) -> Nearest | None:
    """How near a named filter is in its best turn; None if it is of another shape or keeps another mean."""
    array, rounding = read(kernels.named(name))
    other = trimmed(array, rounding)
    if other is None:
        return None
    kernel, named = entries.floats, other.floats
    means = [abs(k.sum()) / np.abs(k).sum() for k in (kernel, named)]
    if abs(means[0] - means[1]) > _DC_GAP:
        return None
    best: tuple[float, str, float] | None = None
    for turn, turned in TURNS.items():
        pair = _padded(kernel, turned(named))
        if pair is None:
            continue
        factor = float((pair[0] * pair[1]).sum() / (pair[1] ** 2).sum())
        error = float(np.linalg.norm(pair[0] - factor * pair[1]) / np.linalg.norm(pair[0]))
        if best is None or error < best[0] - 1e-9:
            best = (error, turn, factor)
    if best is None:
        return None
    error, turn, factor = best
    if entries.whole and other.whole:
        turned_grid = TURNS[turn](other.grid)
        if turned_grid.shape == entries.grid.shape:
            for sign in (1, -1):
                if (entries.grid == sign * turned_grid).all():
                    ratio = entries.unit / other.unit
                    return Nearest(name, turn, sign * ratio, 0.0, True)
    exact = error <= 4 * max(entries.rounding, other.rounding)
    return Nearest(name, turn, factor * entries.scale / other.scale, error, exact)


def _padded(one: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Both about one centre, in one shape; None if one centre lies on a pixel and the other between."""
    shape = [max(a, b) for a, b in zip(one.shape, other.shape, strict=True)]
    padded = []
    for kernel in (one, other):
        margins = [n - k for n, k in zip(shape, kernel.shape, strict=True)]
        if any(margin % 2 for margin in margins):
            return None
        padded.append(np.pad(kernel, [(margin // 2, margin // 2) for margin in margins]))
    return padded[0], padded[1]


def _fitted(kernel: FloatArray, size: int, name: Callable[[float], str]) -> Iterator[str]:
    """The name with the width that fits best: a coarse search, then golden sections."""

    def error(logarithm: float) -> float:
        try:
            named = kernels.named(name(math.exp(logarithm)))
        except FaltungError:  # too narrow for its order
            return 1.0
        padded = _padded(kernel, named.astype(np.float64))
        if padded is None:
            return 1.0
        one, other = padded
        return 1 - float((one * other).sum() / (np.linalg.norm(one) * np.linalg.norm(other))) ** 2

    grid = np.linspace(math.log(0.3), math.log(2.0 * size), 17)
    errors = [error(float(point)) for point in grid]
    middle = int(np.argmin(errors))
    if errors[middle] >= 1 - 1e-9:
        return
    low, high = float(grid[max(0, middle - 1)]), float(grid[min(len(grid) - 1, middle + 1)])
    golden = (math.sqrt(5) - 1) / 2
    inner, outer = high - golden * (high - low), low + golden * (high - low)
    errors_in, errors_out = error(inner), error(outer)
    while high - low > 2e-4:  # the parameter is told to three digits
        if errors_in <= errors_out:
            high, outer, errors_out = outer, inner, errors_in
            inner = high - golden * (high - low)
            errors_in = error(inner)
        else:
            low, inner, errors_in = inner, outer, errors_out
            outer = low + golden * (high - low)
            errors_out = error(outer)
    yield name(float(f"{math.exp((low + high) / 2):.3g}"))


def _derivative_name(orders: str, size: int) -> Callable[[float], str]:
    return lambda sigma: f"gaussian-derivative:sigma={sigma:.9g},{orders},size={size}"


def _unsharp(kernel: FloatArray, size: int, sigma: float) -> str:
    """Unsharp mask of a width with the amount that fits best."""
    odd = size if size % 2 else size + 1
    detail = kernels.identity(odd) - kernels.gaussian(sigma, odd)
    pair = _padded(kernel / kernel.sum(), detail)
    amount = 1.0
    if pair is not None:
        middle = np.zeros_like(pair[0])
        middle[middle.shape[0] // 2, middle.shape[1] // 2] = 1
        amount = max(1e-3, float(((pair[0] - middle) * pair[1]).sum() / (pair[1] ** 2).sum()))
    return f"unsharp:sigma={sigma:.9g},amount={amount:.4g},size={odd}"


def _motions(kernel: FloatArray) -> Iterator[str]:
    """Motion blurs along the axis in which the weights spread the most."""
    spread = spread_of(kernel)
    if spread is None or spread[1] < 1.5 * spread[0]:
        return
    _, wide, angle = spread
    # a line of length L has the variance L**2 / 12; pixels blur its direction by a few degrees
    length = math.sqrt(12) * wide
    for turn in sorted(range(round(angle) - 8, round(angle) + 9), key=lambda turn: abs(turn - angle)):
        for pixels in (round(length), round(length) - 1, round(length) + 1):
            if 1 <= pixels <= kernels.MAX_SIZE:
                yield f"motion:length={pixels:g},angle={turn}"


def spread_of(kernel: FloatArray) -> tuple[float, float, float] | None:
    """Least and largest standard deviation of the weights in pixels, and the direction of the largest.

    None if some weights are so negative that there is none. The direction is in degrees from x (right)
    towards y (down), above -90 and up to 90.
    """
    weights = kernel / kernel.sum()
    height, width = kernel.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y - (weights * y).sum(), x - (weights * x).sum()
    covariance = np.array([[(weights * a * b).sum() for b in (x, y)] for a in (x, y)])
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -1e-9 or values[1] <= 0:
        return None
    angle = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    angle -= 180 * math.ceil(angle / 180 - 0.5)
    return math.sqrt(max(0.0, values[0])), math.sqrt(values[1]), angle + 0.0
