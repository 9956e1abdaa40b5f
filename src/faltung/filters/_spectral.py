"""Correlation by the fast Fourier transform, tile by tile (overlap-save): its cost hardly grows with the kernel.

A tile of the padded picture is transformed, multiplied with the conjugate spectrum of the taps and transformed
back; what the circle of the transform has mixed in at the tile's end is not kept. See A. V. Oppenheim and R. W.
Schafer, Discrete-Time Signal Processing, 'overlap-save'.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.boundary import index_map
from faltung.filters import _geometry


def correlate(
    image: NDArray[Any],
    bank: NDArray[Any],
    y: _geometry.Axis,
    x: _geometry.Axis,
    boundary: str,
    layer: str,
    working: str,
    sides: tuple[int, int],
    threads: int,
    out: NDArray[Any],
    known: dict[str, Any],
    direct: Callable[[tuple[int, ...]], None],
) -> None:
    """Write the answers of a bank (N, kh, kw) on planes (..., H, W) to `out` (..., N, H', W').

    `working` is the dtype of the transforms, `sides` are those of the tiles. A plane with answers that are not
    finite, because a tile held NaN, infinity or numbers too large, is given to `direct`: so NaN goes where it is
    read and nowhere else. What follows from the bank and the axes alone is put into `known`, for the next picture.
    """
    if not known:
        known.update(_prepared(bank, y, x, boundary, layer, working, sides, threads))
    (ty, tx), spectrum, rows, columns = sides, known["spectrum"], known["rows"], known["columns"]
    step_y, step_x = ty - y.window.extent + 1, tx - x.window.extent + 1
    tiles = -(-(x.window.stride * (x.answers - 1) + 1) // step_x)
    strip = np.zeros((ty, tiles * step_x + x.window.extent - 1), dtype=working)
    windows = np.lib.stride_tricks.as_strided(
        strip, (tiles, ty, tx), (step_x * strip.itemsize, strip.strides[0], strip.itemsize), writeable=False
    )
    for plane in np.ndindex(image.shape[:-2]):
        if not all(
            _band(strip, windows, spectrum, image[plane], rows, columns, y, x, (ty, step_x), threads, out[plane], band)
            for band in _bands(y, step_y)
        ):
            direct(plane)


def _prepared(
    bank: NDArray[Any],
    y: _geometry.Axis,
    x: _geometry.Axis,
    boundary: str,
    layer: str,
    working: str,
    sides: tuple[int, int],
    threads: int,
) -> dict[str, Any]:
    """Return the spectrum of the bank, and the pixels that padded rows and columns copy, or -1."""
    from scipy import fft

    spread = np.zeros((len(bank), *sides), dtype=working)
    spread[:, : y.window.extent : y.window.dilation, : x.window.extent : x.window.dilation] = bank
    sources = (index_map(a.pixels, a.window.before, a.window.after, boundary, axis=a.name, layer=layer) for a in (y, x))
    rows, columns = (np.array([-1 if place is None else place for place in places]) for places in sources)
    spectrum = fft.rfft2(spread, workers=threads).conj()
    return {"spectrum": spectrum, "rows": rows, "columns": columns}


def _band(
    strip: NDArray[Any],
    windows: NDArray[Any],
    spectrum: NDArray[Any],
    plane: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    y: _geometry.Axis,
    x: _geometry.Axis,
    sizes: tuple[int, int],
    threads: int,
    out: NDArray[Any],
    band: tuple[int, int],
) -> bool:
    """Write the answers of some rows, through the tiles of a strip; say whether all of them are finite."""
    from scipy import fft

    (side, step_x), (first, last) = sizes, band
    top = y.window.stride * first
    _fill(strip, plane, rows[top : top + side], columns)
    spectra = fft.rfft2(windows, workers=threads)
    for n, each in enumerate(spectrum):
        back = fft.irfft2(spectra * each, (side, windows.shape[2]), workers=threads, overwrite_x=True)
        kept = back[:, : y.window.stride * (last - first - 1) + 1 : y.window.stride, :step_x]
        line = kept.transpose(1, 0, 2).reshape(kept.shape[1], -1)
        line = line[:, : x.window.stride * (x.answers - 1) + 1 : x.window.stride]
        if out.dtype.kind == "i":
            out[n, first:last] = np.rint(line)
        else:
            out[n, first:last] = line
            if not np.isfinite(out[n, first:last]).all():
                return False
    return True


def _bands(y: _geometry.Axis, step: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges first .. last-1 of answers whose windows begin within `step` positions."""
    stride = y.window.stride
    first = 0
    while first < y.answers:
        last = min(y.answers, first + (step - 1) // stride + 1)
        yield first, last
        first = last


def _fill(strip: NDArray[Any], plane: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> None:
    """Write the padded rows of a band into a strip; what lies beyond the padding is 0."""
    columns = columns[: strip.shape[1]]  # those behind are of padding that a stride steps over
    strip[len(rows) :] = 0
    strip[np.flatnonzero(rows < 0)] = 0
    filled, inside = np.flatnonzero(rows >= 0), np.flatnonzero(columns >= 0)
    strip[np.ix_(filled, inside)] = plane[np.ix_(rows[filled], columns[inside])]
