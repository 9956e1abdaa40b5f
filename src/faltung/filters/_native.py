"""The compiled core, where the package was built with one: the same sums, in registers and on threads."""

import os
import warnings
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.boundary import BOUNDARIES
from faltung.filters import _geometry


def _found() -> tuple[ModuleType | None, str]:
    if os.environ.get("FALTUNG_CORE") == "numpy":
        return None, "FALTUNG_CORE=numpy is set"
    try:
        return import_module("faltung.filters._core"), ""
    except ModuleNotFoundError:
        return None, "Faltung was installed where there was no C++ compiler (GCC or Clang)"
    except ImportError as problem:
        return None, f"it cannot be loaded: {problem}"


core, missing = _found()
"""The module of the compiled loops; None where there is none, and why."""


told = core is not None or os.environ.get("FALTUNG_CORE") == "numpy"
"""Whether the user knows that there is no compiled core: it is said once, and not to who has asked for NumPy."""


def tell() -> None:
    """Warn, once in a process, where filters run without the compiled core that should have been there."""
    global told
    if not told:
        told = True
        # The user's line calls `correlate`, which calls `apply`, which calls this.
        warnings.warn(f"filters run on NumPy alone: {missing}; see `faltung doctor`", RuntimeWarning, stacklevel=4)


def _decline(*_: Any) -> None:
    return None


quick = _decline if core is None else core.quick
"""Do a call with common arguments from end to end where direct sums are surely best, or decline: None."""


def empty(shape: tuple[int, ...], dtype: str, image: NDArray[Any] | None = None) -> NDArray[Any]:
    """Make an array for answers, not filled; from memory that is kept for large ones.

    Where the channels of an image (C, H, W) lie beside each other, so do those of its answers.
    """
    made: NDArray[Any] = np.empty(shape, dtype) if core is None else core.empty(shape, dtype, image)
    return made


def surely_direct(work: int, taps: int) -> bool:
    """Say whether direct sums are best for a kernel of any rank but 1: little work in all, or few taps."""
    return core is not None and (work <= core.QUICK_WORK or taps <= core.QUICK_TAPS)


def surely_separable(answers: int, kh: int, kw: int, *, whole: bool) -> bool:
    """Say whether two passes are best for a kernel of rank 1."""
    return core is not None and answers > core.QUICK_PASSES and bool(core.is_sooner_apart(kh, kw, whole))


def surely_sparse(nonzero: int, taps: int) -> bool:
    """Say whether it is sooner to visit the taps of a bank that are not 0, one by one."""
    return core is not None and bool(core.is_sooner_skipping(nonzero, taps))


PIXELS = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
FLOATS = ("float16", "float32", "float64")


def summed_in(pixels: str, answer: str) -> str | None:
    """Return the dtype that the core sums an answer in; None where it has no way to compute it."""
    if core is None or pixels not in PIXELS + FLOATS or ("float16" in (pixels, answer) and not core.FLOAT16):
        return None
    return {
        "int8": "int16",
        "int16": "int16",
        "int32": "int32",
        "int64": "int64",
        "float16": "float32",
        "float32": "float32",
        "float64": "float64",
    }.get(answer)


def correlate(
    image: NDArray[Any],
    taps: NDArray[Any],
    y: _geometry.Axis,
    x: _geometry.Axis,
    boundary: str,
    rank: int,
    threads: int,
    out: NDArray[Any],
    spectra: "Spectra | None" = None,
    *,
    sparse: bool = False,
) -> bool:
    """Write the answers of a bank (N, kh, kw), or of a sum of `rank` separable kernels, to `out` (..., N, H', W').

    `sparse` leaves out the taps of a bank that are 0. With spectra of the bank, transforms of their dtype are used;
    then False says that some answers are not finite.
    """
    assert core is not None
    axes = _axes(y, x)
    tiles = (spectra.tile_y, spectra.tile_x, spectra.content, spectra.split) if spectra else (0, 0, None, 0.0)
    finite: bool = core.run(image, taps, out, *axes, BOUNDARIES.index(boundary), rank, sparse, threads, *tiles)
    return finite


def weigh(
    image: NDArray[Any], gradient: NDArray[Any], y: _geometry.Axis, x: _geometry.Axis, boundary: str, threads: int
) -> NDArray[Any]:
    """Return the derivative (N, kh, kw), float64, by the taps of a bank, of that by its answers (..., N, H', W')."""
    assert core is not None
    found: NDArray[Any] = core.weigh(image, gradient, *_axes(y, x), BOUNDARIES.index(boundary), threads)
    return found


def weighs(taps: int) -> bool:
    """Say whether the core computes derivatives by so many taps: of larger kernels transforms are sooner."""
    return core is not None and taps <= 1024


def _axes(*axes: _geometry.Axis) -> list[tuple[int, ...]]:
    return [
        (axis.pixels, axis.answers, axis.window.kernel, axis.window.stride, axis.window.dilation, axis.window.before)
        for axis in axes
    ]


@dataclass(frozen=True)
class Spectra:
    """The spectra of a bank, for tiles of some size."""

    tile_y: int
    tile_x: int
    content: NDArray[Any]
    split: float
    """Of integers: how many times one tile another one is added to it, to be transformed together; 0 for not at all."""


def spectra_of(
    bank: NDArray[Any], y: _geometry.Axis, x: _geometry.Axis, tile_y: int, tile_x: int, split: float
) -> Spectra:
    """Return the spectra of a bank (N, kh, kw) of floats, for tiles whose sides are powers of two."""
    assert core is not None
    return Spectra(tile_y, tile_x, core.spectrum(bank, y.window.dilation, x.window.dilation, tile_y, tile_x), split)
