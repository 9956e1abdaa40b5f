"""Kernels as sums of few separable ones: a kernel of rank r costs r (kh + kw) products an answer, not kh kw.

Integer kernels are taken apart exactly, over the integers: the rows of a kernel span a lattice, a basis of it is
found by Euclid's algorithm, and every row is a whole combination of the basis. Other kernels are taken apart by
crosses (one column and one row at a time), until what is left is below the rounding of the sums.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Factors = tuple[NDArray[Any], NDArray[Any]]
"""Columns (rank, kh) and rows (rank, kw): the kernel is the sum of their outer products."""


def separated(kernel: NDArray[Any], summed: str, most: int) -> Factors | None:
    """Return a kernel as a sum of at most `most` separable ones, or None.

    Parameters
    ----------
    kernel : numpy.ndarray, shape (kh, kw)
        Integers or real floats.
    summed : str
        The dtype that answers are summed in; sums of integers wrap, so factors of integers do too.
    most : int
        The greatest rank wanted.

    Examples
    --------
    >>> import numpy as np
    >>> columns, rows = separated(np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]), "int16", 1)
    >>> columns.tolist(), rows.tolist()
    ([[1, 2, 1]], [[1, 0, -1]])
    """
    if most < 1:
        return None
    return _separated(kernel.tobytes(), kernel.dtype.str, kernel.shape, summed, most)


@lru_cache(maxsize=256)
def _separated(content: bytes, dtype: str, shape: tuple[int, int], summed: str, most: int) -> Factors | None:
    kernel = np.frombuffer(content, dtype=dtype).reshape(shape)
    if not kernel.any():
        return np.zeros((1, shape[0]), summed), np.zeros((1, shape[1]), summed)
    if np.dtype(summed).kind == "i":
        return _of_integers(kernel, summed, most)
    wide = np.float64 if summed == "float32" else np.longdouble
    return _of_floats(kernel.astype(wide), summed, most)


def _of_integers(kernel: NDArray[Any], summed: str, most: int) -> Factors | None:
    if np.linalg.matrix_rank(kernel.astype(np.float64)) > most:
        return None
    basis = lattice_basis(kernel.tolist())
    if len(basis) > most:
        return None
    columns = [coordinates(row, basis) for row in kernel.tolist()]
    return _wrapped(np.array(columns, dtype=object).T, summed), _wrapped(np.array(basis, dtype=object), summed)


def _wrapped(numbers: NDArray[Any], summed: str) -> NDArray[Any]:
    """Return integers as they are modulo the range of a dtype; sums in it wrap as well."""
    bits = 8 * np.dtype(summed).itemsize
    wrapped: NDArray[Any] = ((numbers + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)).astype(summed)
    return wrapped


def lattice_basis(rows: list[list[int]]) -> list[list[int]]:
    """Return a basis in echelon form of the whole combinations of rows of integers.

    >>> lattice_basis([[2, 4, 2], [3, 6, 3], [0, 0, 5]])
    [[1, 2, 1], [0, 0, 5]]
    """
    rows = [list(row) for row in rows]
    basis = []
    for column in range(len(rows[0])):
        while True:
            rows = [row for row in rows if any(row)]
            leading = sorted((row for row in rows if row[column]), key=lambda row: abs(row[column]))
            if len(leading) < 2:
                break
            pivot = leading[0]
            for row in leading[1:]:
                times = row[column] // pivot[column]
                row[:] = [entry - times * step for entry, step in zip(row, pivot, strict=True)]
        if leading:
            basis.append(leading[0])
            rows.remove(leading[0])
    return basis


def coordinates(row: list[int], basis: list[list[int]]) -> list[int]:
    """Return the whole numbers that combine a basis in echelon form to a row.

    >>> coordinates([2, 4, 7], [[1, 2, 1], [0, 0, 5]])
    [2, 1]
    """
    left, found = list(row), []
    for vector in basis:
        column = next(place for place, entry in enumerate(vector) if entry)
        times = left[column] // vector[column]
        left = [entry - times * step for entry, step in zip(left, vector, strict=True)]
        found.append(times)
    return found


def _of_floats(kernel: NDArray[Any], summed: str, most: int) -> Factors | None:
    total = np.abs(kernel).sum()
    if not np.isfinite(total):
        return None
    unit = np.finfo(summed).eps
    left, columns, rows = kernel.copy(), [], []
    for _ in range(most):
        y, x = np.unravel_index(np.argmax(np.abs(left)), left.shape)
        # Both factors about the root of the entry: neither overflows where their product does not.
        scale = np.sqrt(np.abs(left[y, x]))
        row = left[y] * (scale / left[y, x])
        # A power of two makes the row sum to at most 1: the first pass is nowhere larger than the pixels.
        power = np.frexp(np.abs(row).sum())[1]
        columns.append(np.ldexp(left[:, x] / scale, power).astype(summed))
        rows.append(np.ldexp(row, -power).astype(summed))
        left = left - np.outer(columns[-1].astype(left.dtype), rows[-1].astype(left.dtype))
        if np.abs(left).sum() <= unit * total:
            return np.array(columns), np.array(rows)
        if not np.isfinite(left).all():
            return None
    return None
