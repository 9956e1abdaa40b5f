"""Which way computes a filter soonest: a cost model, and a plan that says what was chosen and why.

Every way gives the same answers (integers to the bit, floats within the rounding of a direct sum):

direct
    Sum the products, tap by tap.
sparse
    Visit the taps that are not 0, one by one.
separable
    Take the kernel apart into few separable ones, and filter along x, then along y.
fft
    Multiply spectra, tile by tile.

The constants were measured on one machine (AMD EPYC with AVX2, one thread); only their ratios matter.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError, UnknownName
from faltung.filters import _decompose, _geometry, _native

METHODS = ("direct", "sparse", "separable", "fft")
EXACT = 2.0**-53
MOST_THREADS = 2**16
"""More than any machine has; the core takes at most 256."""


@dataclass(frozen=True)
class Plan:
    """How a filter will be applied.

    Attributes
    ----------
    method : str
        'direct', 'sparse', 'separable' or 'fft'.
    reason : str
        Why, in words.
    seconds : mapping
        What each way that is open is expected to take, on one thread.
    core : str
        'native', 'numpy' or 'torch': who computes.
    threads : int
        The threads that may work on it.
    """

    method: str
    reason: str
    seconds: Mapping[str, float]
    core: str
    threads: int
    factors: tuple[_decompose.Factors, ...] = ()
    working: str = ""
    """The dtype of the transforms."""
    sides: tuple[int, int] = (0, 0)
    """The sides of their tiles."""
    split: float = 0.0
    """How many times a tile of integers another one is added to it, so that four make one of complex numbers."""

    def to_dict(self) -> dict[str, Any]:
        """Return what can be written as JSON."""
        seconds = {name: float(took) for name, took in self.seconds.items()}
        return {
            "method": self.method, "reason": self.reason, "seconds": seconds, "core": self.core, "threads": self.threads
        }  # fmt: skip

    def joined(self) -> list[NDArray[Any]]:
        """Return the factors of each kernel as the native core takes them: rows, then columns."""
        return [np.concatenate([rows.ravel(), columns.ravel()]) for columns, rows in self.factors]

    def __str__(self) -> str:
        by_time = sorted(self.seconds.items(), key=lambda entry: entry[1])
        told = ", ".join(f"{name} {1e3 * took:.3g} ms" for name, took in by_time)
        expected = f"on one thread {told}; " if told else ""
        return f"{self.method}: {self.reason} ({expected}computed by {self.core}, threads: {self.threads})"


def thread_count(threads: int | None) -> int:
    """Return how many threads may work: those asked for, or FALTUNG_THREADS, or one for each processor.

    Raises
    ------
    FaltungError
        If the number is not a whole number of at least 1.
    """
    said, given = (
        ("threads", threads) if threads is not None else ("FALTUNG_THREADS", os.environ.get("FALTUNG_THREADS"))
    )
    if given is None:
        return processors()
    try:
        number = int(given)
        if isinstance(given, bool) or number != float(given) or number < 1:
            raise ValueError
    except (TypeError, ValueError):
        raise FaltungError(f"{said} must be a whole number of at least 1, got {given!r}") from None
    return min(number, MOST_THREADS)


@lru_cache(maxsize=1)
def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose(
    taps: NDArray[Any],
    shape: tuple[int, ...],
    pixels: str,
    largest: float,
    answer: str,
    y: _geometry.Axis,
    x: _geometry.Axis,
    *,
    method: str = "auto",
    threads: int | None = None,
    layer: str = "plan",
    thorough: bool = False,
) -> Plan:
    """Choose for a bank (N, kh, kw) of taps; see `faltung.filters.plan`.

    Parameters
    ----------
    taps : numpy.ndarray, shape (N, kh, kw)
        In the dtype that is summed in.
    shape : tuple of int
        The image's.
    pixels, answer : str
        The dtypes of image and answer.
    largest : float
        A bound of the absolute value of integer pixels.
    thorough : bool
        Whether to weigh the other ways even where direct sums are surely best.
    """
    if method not in ("auto", *METHODS):
        raise UnknownName("method", method, ("auto", *METHODS))
    core = "native" if _native.summed_in(pixels, answer) else "numpy"
    planes = int(np.prod(shape[:-2], dtype=np.int64))
    answers = planes * y.answers * x.answers
    kernels, kh, kw = taps.shape
    per = _COSTS[core][_kind(taps.dtype.name)]
    seconds = {"direct": answers * kernels * max(kh * kw * per.product, per.answer)}

    # NumPy visits a place for all kernels at once.
    nonzero = int(np.count_nonzero(taps)) if core == "native" else kernels * int(np.count_nonzero(taps.any(0)))
    if method == "sparse" or (_native.surely_sparse(nonzero, taps.size) if core == "native" else nonzero < taps.size):
        seconds["sparse"] = answers * max(nonzero * per.visit, kernels * per.answer)

    sure: str = ""
    factors: tuple[_decompose.Factors, ...] = ()
    if method == "auto" and core == "native":
        sure, factors = _surely(taps, y.answers * x.answers, planes)
    most = int(kh * kw / (kh + kw) * per.product / per.pass_) if min(kh, kw) > 1 else 0
    if method == "separable":
        most = min(kh, kw)
    looks = method != "auto" or (seconds["direct"] > _WORTH_LOOKING and (not sure or thorough))
    if not factors and most and looks:
        parts = [_decompose.separated(kernel, taps.dtype.name, most) for kernel in taps]
        factors = tuple(part for part in parts if part is not None)
        factors = factors if len(factors) == kernels else ()
    if factors:
        rank = sum(len(rows) for _, rows in factors)
        seconds["separable"] = answers * (rank * (kh + kw) * per.pass_ + kernels * per.answer)
    spectral = _NONE
    if not sure or thorough:
        spectral = _transforms(taps, pixels, largest, y, x, planes, core, asked=method == "fft")
    if spectral.working:
        seconds["fft"] = spectral.seconds
    return _chosen(
        sure or method, seconds, core, thread_count(threads), factors, spectral, taps, layer, clear=bool(sure)
    )


def _surely(taps: NDArray[Any], answers: int, planes: int) -> tuple[str, tuple[_decompose.Factors, ...]]:
    """Return the way that calls of this kind are done by without weighing others, if they are; see `_native.quick`."""
    kernels, kh, kw = taps.shape
    nonzero = int(np.count_nonzero(taps))
    sparse = _native.surely_sparse(nonzero, taps.size)
    few = sparse and 2 * nonzero <= kh + kw
    if kernels == 1 and not few and _native.surely_separable(answers, kh, kw, whole=taps.dtype.kind == "i"):
        parts = _decompose.separated(taps[0], taps.dtype.name, 1)
        if parts:
            return "separable", (parts,)
    direct = _native.surely_direct(answers * planes * kernels * kh * kw, kh * kw)
    return (("sparse" if sparse else "direct") if direct else ""), ()


def _chosen(
    method: str,
    seconds: dict[str, float],
    core: str,
    threads: int,
    factors: tuple[_decompose.Factors, ...],
    spectral: "_Transforms",
    taps: NDArray[Any],
    layer: str,
    *,
    clear: bool,
) -> Plan:
    best = min(seconds, key=lambda name: seconds[name]) if method == "auto" else method
    if best not in seconds:
        why = (
            "the kernel is not a sum of separable ones"
            if best == "separable"
            else "rounding could not be kept within bounds"
        )
        raise FaltungError(f"{layer}: method {best!r} cannot be used here: {why}")
    _, kh, kw = taps.shape
    rank = max((len(rows) for _, rows in factors), default=0)
    reason = {
        "direct": f"{kh}x{kw} taps are few enough to sum one by one",
        "sparse": f"{np.count_nonzero(taps)} of {taps.size} taps are not 0",
        "separable": f"the kernel is a sum of {rank} separable: {rank * (kh + kw)} products an answer, not {kh * kw}",
        "fft": f"{kh}x{kw} taps are so many that transforms cost less",
    }[best]
    if method != "auto" and not clear:
        reason = "asked for"
    elif clear and best == "direct" and kh * kw > 25:
        reason = "so little work that looking for another way would cost more"
    return Plan(
        best, reason, seconds, core, threads, factors if best == "separable" else (),
        spectral.working, spectral.sides, spectral.split,
    )  # fmt: skip


@dataclass(frozen=True)
class _Transforms:
    """Tiles that are soonest, in a dtype whose rounding is proven small enough; none where `working` is empty."""

    seconds: float = math.inf
    working: str = ""
    sides: tuple[int, int] = (0, 0)
    split: float = 0.0


_NONE = _Transforms()


def _transforms(
    taps: NDArray[Any],
    pixels: str,
    largest: float,
    y: _geometry.Axis,
    x: _geometry.Axis,
    planes: int,
    core: str,
    *,
    asked: bool,
) -> _Transforms:
    """Return the transforms that cost least among those whose error is below that of a direct sum.

    The error of a product of spectra of N points is at most about 10 log2(N) u |x| |k|, with Euclidean norms over a
    tile and u the unit roundoff. Of the three transforms each has log4(N) stages of radix 4, and a stage errs by at
    most sqrt(5) u for the products (R. Brent, C. Percival and P. Zimmermann, Error bounds on complex floating-point
    multiplication, 2007), 2 u for two sums and 2.3 u for the roots; they add up since a stage keeps the Euclidean norm,
    as in N. J. Higham, Accuracy and Stability of Numerical Algorithms, section 24.1. Integers need it below 1/4, to be
    rounded right. Floats need it below the bound of a direct sum of n products, n u max|x| sum|k|, both taken at their
    worst over a tile.

    Integers rarely need all of double precision: where the bound allows it, a tile and `split` times another one are
    transformed as one. `split` is larger than twice any answer, so that both are found again by rounding.
    """
    if taps.dtype.kind not in "if":
        return _NONE
    kernels, kh, kw = taps.shape
    flat = taps.reshape(kernels, -1).astype(np.float64)
    lengths, sums = np.sqrt((flat**2).sum(1)), np.abs(flat).sum(1)
    if not np.isfinite(lengths).all():
        return _NONE
    reach = largest * float(sums.max())
    split = max(2.0, 2.0 ** math.ceil(math.log2(2 * reach + 1))) if core == "native" and taps.dtype.kind == "i" else 0.0
    found = _NONE
    for sides in ((a, b) for a in SIDES for b in SIDES if a >= y.window.extent and b >= x.window.extent):
        points = sides[0] * sides[1]
        growth = 10 * math.log2(points) * math.sqrt(points)
        together, apart = 2, split
        if taps.dtype.kind == "i":
            error = growth * EXACT * largest * float(lengths.max())
            working = "float64" if error < 0.25 else ""
            if split and error * (1 + split) < 0.25:
                together = 4
            else:
                apart = 0.0
        else:
            rounds_less = bool((growth * lengths <= kh * kw * sums).all())
            single = taps.dtype == np.float32
            working = "float32" if single and rounds_less else "float64" if single or rounds_less or asked else ""
        if working:
            tiles = -(-_tiles(y, sides[0]) * _tiles(x, sides[1]) // together)  # of complex numbers
            made = planes * tiles * (kernels + 1) + kernels / 2
            seconds = _FFT_START[core] + made * _tile_seconds(sides, core, working)
            if seconds < found.seconds:
                found = _Transforms(seconds, working, sides, apart)
    return found


@dataclass(frozen=True)
class _Costs:
    """Seconds for each product of a direct sum, of a separable and of a sparse one, and at least for each answer."""

    product: float
    pass_: float
    visit: float
    answer: float


_COSTS = {
    "native": {
        "int16": _Costs(0.015e-9, 0.03e-9, 0.03e-9, 0.35e-9),
        "int32": _Costs(0.03e-9, 0.045e-9, 0.06e-9, 0.6e-9),
        "int64": _Costs(0.12e-9, 0.2e-9, 0.24e-9, 1e-9),
        "float32": _Costs(0.028e-9, 0.04e-9, 0.056e-9, 0.55e-9),
        "float64": _Costs(0.058e-9, 0.08e-9, 0.116e-9, 1.1e-9),
    },
    "numpy": {
        "int16": _Costs(0.4e-9, 0.4e-9, 0.4e-9, 1e-9),
        "int32": _Costs(0.6e-9, 0.6e-9, 0.6e-9, 1e-9),
        "int64": _Costs(1.4e-9, 1.4e-9, 1.4e-9, 2e-9),
        "float32": _Costs(0.6e-9, 0.6e-9, 0.6e-9, 1e-9),
        "float64": _Costs(1.4e-9, 1.4e-9, 1.4e-9, 2e-9),
    },
}
_FFT: dict[str, dict[str, tuple[tuple[float, float], ...]]] = {
    "native": {
        "float32": ((10, 2.6e-9), (12, 2.8e-9), (14, 3.2e-9), (16, 4.8e-9), (18, 15e-9), (20, 20e-9), (24, 25e-9)),
        "float64": ((10, 4.6e-9), (12, 5.4e-9), (14, 7.5e-9), (16, 12.5e-9), (18, 30e-9), (20, 38e-9), (24, 45e-9)),
    },
    "numpy": {
        "float32": ((0, 0.0), (24, 24 * 0.9e-9)),
        "float64": ((0, 0.0), (24, 24 * 1.4e-9)),
    },
}
"""Seconds for a point of a tile, there and back, by the binary logarithm of its points: tiles that leave the nearer
memories cost more."""
SIDES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Sides of tiles: powers of two, which transform fastest."""
_FFT_START = {"native": 1e-5, "numpy": 3e-4}
_WORTH_LOOKING = 5e-5
"""Seconds of direct sums that are worth looking at the kernel's rank for."""


def _tile_seconds(sides: tuple[int, int], core: str, working: str) -> float:
    """Return what a tile takes, there and back."""
    points = sides[0] * sides[1]
    sizes, seconds = np.array(_FFT[core][working]).T
    return points * float(np.interp(np.log2(points), sizes, seconds))


def _tiles(axis: _geometry.Axis, side: int) -> int:
    return int(-(-(axis.window.stride * (axis.answers - 1) + 1) // (side - axis.window.extent + 1)))


def _kind(summed: str) -> str:
    return summed if summed in _COSTS["native"] else "int16" if summed == "int8" else "float64"
