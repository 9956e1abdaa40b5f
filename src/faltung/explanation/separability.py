"""Is a kernel the outer product of a column and a row? Exactly, where it holds whole numbers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.explanation.entries import Entries, Number


@dataclass(frozen=True)
class Separability:
    """Rank of a kernel, and its factors if that is 1: kernel = scale * outer(column, row).

    Attributes
    ----------
    rank : int
        Number of products of a column and a row that sum to the kernel, at the least.
    exact : bool
        The rank is exact: the kernel is a multiple of whole numbers, and the rank was found among those.
    tolerance : float
        If not exact: singular values up to this share of the largest count as zero.
    scale : Fraction or float
        Factor of the product.
    column, row : tuple of int or float, or None
        The factors without their zero ends, top to bottom and left to right; None unless the rank is 1. Whole
        numbers without a common divisor where exact, else scaled to a largest magnitude of 1. The first
        nonzero entry of each is positive, or the sum is where it is not zero.
    """

    rank: int
    exact: bool
    tolerance: float
    scale: Number
    column: tuple[int | float, ...] | None
    row: tuple[int | float, ...] | None


def separability(entries: Entries) -> Separability:
    """Rank and factors of a trimmed kernel."""
    grid = entries.grid
    if not entries.whole:
        return _by_singular_values(entries)
    rank = exact_rank(grid)
    if rank != 1:
        return Separability(rank, True, 0.0, entries.unit, None, None)
    # of rank 1, every row is a multiple of every other
    row = _primitive(next(line for line in grid.tolist() if any(line)))
    column = _primitive(next(line for line in grid.T.tolist() if any(line)))
    m = next(index for index, entry in enumerate(column) if entry)
    n = next(index for index, entry in enumerate(row) if entry)
    content = grid[m, n] // (column[m] * row[n])
    return Separability(1, True, 0.0, entries.unit * content, tuple(column), tuple(row))


def exact_rank(grid: NDArray[Any]) -> int:
    """Rank over the rationals of a matrix of Python whole numbers, by divisions that leave no remainder.

    References
    ----------
    E. H. Bareiss, "Sylvester's identity and multistep integer-preserving Gaussian elimination",
    Mathematics of Computation 22, 1968.

    Examples
    --------
    >>> exact_rank(np.array([[1, 2], [2, 4]], dtype=object))
    1
    """
    rest = grid.copy() if grid.shape[0] <= grid.shape[1] else grid.T.copy()
    rank, previous = 0, 1
    while rest.size:
        pivots = np.argwhere(rest != 0)
        if not len(pivots):
            break
        row, column = pivots[0]
        pivot = rest[row, column]
        others = np.delete(rest, row, axis=0)
        rest = np.delete(others * pivot - np.outer(others[:, column], rest[row]), column, axis=1) // previous
        previous = pivot
        rank += 1
    return rank


def _by_singular_values(entries: Entries) -> Separability:
    floats = np.array(entries.grid, dtype=np.float64)
    left, values, right = np.linalg.svd(floats)
    # the usual bound of what rounding of the entries does to a singular value
    tolerance = max(floats.shape) * entries.rounding
    rank = int((values > tolerance * values[0]).sum())
    if rank != 1:
        return Separability(rank, False, tolerance, entries.unit, None, None)
    column, row = (_positive(factor / np.abs(factor).max()) for factor in (left[:, 0], right[0]))
    m, n = int(np.argmax(np.abs(column))), int(np.argmax(np.abs(row)))
    scale = float(entries.unit) * float(floats[m, n] / (column[m] * row[n]))
    return Separability(1, False, tolerance, scale, tuple(column.tolist()), tuple(row.tolist()))


def _positive(factor: NDArray[np.float64]) -> NDArray[np.float64]:
    total = float(factor.sum())
    first = float(factor[np.argmax(np.abs(factor) > 1e-9)])
    sign = total if abs(total) > 1e-9 * float(np.abs(factor).sum()) else first
    return factor if sign > 0 else -factor


def _primitive(line: list[int]) -> list[int]:
    divisor = math.gcd(*line)
    total = sum(line)
    sign = total or next(entry for entry in line if entry)
    return [entry // (divisor if sign > 0 else -divisor) for entry in line]
