"""Which of the eight turns and flips of the square leave a kernel as it is, or change its sign."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Turn = Callable[[NDArray[Any]], NDArray[Any]]

TURNS: dict[str, _Turn] = {
    "as it is": lambda k: k,
    "mirrored left to right": lambda k: k[:, ::-1],
    "mirrored top to bottom": lambda k: k[::-1, :],
    "turned by 180 degrees": lambda k: k[::-1, ::-1],
    "transposed": lambda k: k.T,
    "turned by 90 degrees anticlockwise": lambda k: np.rot90(k, 1),
    "turned by 90 degrees clockwise": lambda k: np.rot90(k, -1),
    "mirrored at the rising diagonal": lambda k: np.rot90(k, 2).T,
}
"""The symmetry group of the square, as it acts on an array."""


def symmetries(grid: NDArray[Any], rounding: float) -> dict[str, int]:
    """Sign with which each turn or flip maps a trimmed kernel to itself: 1, -1, or 0 if it does not.

    Whole numbers (dtype object) are compared exactly, floats to `rounding` relative to the largest entry.
    """
    return {name: _sign(grid, turn(grid), rounding) for name, turn in TURNS.items()}


def _sign(grid: NDArray[Any], turned: NDArray[Any], rounding: float) -> int:
    if turned.shape != grid.shape:
        return 0
    bound = 0 if grid.dtype == object else rounding * np.abs(grid).max()
    for sign in (1, -1):
        if (np.abs(turned - sign * grid) <= bound).all():
            return sign
    return 0
