"""Pad by index map, then shift and add: one path for arrays and tensors, for every dtype and kernel."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from faltung.boundary import index_map
from faltung.filters import _arrays, _geometry
from faltung.filters._arrays import Array


def correlate(
    image: Array, taps: Array, y: _geometry.Axis, x: _geometry.Axis, boundary: str, layer: str, *, sparse: bool = False
) -> Array:
    """Return the answers of a kernel or bank, in the dtype that image and taps share.

    `sparse` leaves out the taps of a bank of arrays that are 0, where all pixels are finite: zero times infinity is no
    number.
    """
    for at, axis in ((-2, y), (-1, x)):
        image = pad(image, at, axis, boundary, layer)
    if sparse and np.isfinite(image).all():
        return _visit(image, taps, y, x)
    return _shift_and_add(image, taps, y, x)


def separable(
    image: Array, columns: Array, rows: Array, y: _geometry.Axis, x: _geometry.Axis, boundary: str, layer: str
) -> Array:
    """Return the answers of the sum of the outer products of columns (rank, kh) and rows (rank, kw)."""
    for at, axis in ((-2, y), (-1, x)):
        image = pad(image, at, axis, boundary, layer)
    answers: Any = None
    for column, row in zip(columns, rows, strict=True):
        along = _summed((tap * image[..., x.positions(n)]) for n, tap in enumerate(row))
        both = _summed((tap * along[..., y.positions(m), :]) for m, tap in enumerate(column))
        answers = both if answers is None else answers + both
    return answers


def pad(image: Array, at: int, axis: _geometry.Axis, boundary: str, layer: str) -> Array:
    """Continue the image along its axis `at`, -2 or -1, by copying the pixels that the boundary names."""
    before, after = axis.window.before, axis.window.after
    if before == after == 0:
        return image
    sources = index_map(axis.pixels, before, after, boundary, axis=axis.name, layer=layer)
    # Every position is read, those of zero padding from anywhere, and then they are overwritten.
    copied = [source or 0 for source in sources]
    image = image[..., copied] if at == -1 else image[..., copied, :]
    if None not in sources:
        return image
    library = _arrays.library(image)
    inside = library.asarray([source is not None for source in sources])
    if library is not np:
        inside = inside.to(image.device)
    return library.where(inside if at == -1 else inside[:, None], image, 0)


def _shift_and_add(image: Array, taps: Array, y: _geometry.Axis, x: _geometry.Axis) -> Array:
    """Sum over the taps the tap times the pixels that it reads: slices only, never a copy of the windows."""
    if taps.ndim == 3:
        image = image[..., None, :, :]
    # The products of a row are added to one another before they meet the large sum of all, which rounds less.
    return _summed(
        _summed(
            taps[..., m, n, None, None] * image[..., y.positions(m), x.positions(n)] for n in range(x.window.kernel)
        )
        for m in range(y.window.kernel)
    )


def _visit(image: Any, taps: Any, y: _geometry.Axis, x: _geometry.Axis) -> Any:
    """Sum over the places where any kernel of a bank (N, kh, kw) has a tap."""
    answers = np.zeros((*image.shape[:-2], len(taps), y.answers, x.answers), image.dtype)
    for m in np.flatnonzero(taps.any((0, 2))).tolist():
        line = _summed(
            taps[:, m, n, None, None] * image[..., None, y.positions(m), x.positions(n)]
            for n in np.flatnonzero(taps[:, m].any(0)).tolist()
        )
        answers += line
    return answers


def _summed(terms: Iterator[Array]) -> Array:
    answers = next(terms)
    for term in terms:
        answers += term
    return answers
