"""Parameters in their range, or one line that names the kernel, the parameter, the rule and the value."""

import math

import numpy as np

from faltung.errors import FaltungError
from faltung.kernels._types import MAX_SIZE


def size_for(name: str, sigma: float, size: int | None, reach: float = 3.0) -> int:
    """Check sigma and size; without a size, take the least odd one that holds `reach` sigmas each way."""
    above(name, "sigma", sigma, 0.0)
    if size is not None:
        whole(name, "size", size, 1, MAX_SIZE)
        return int(size)
    if reach * sigma > MAX_SIZE // 2:
        raise FaltungError(
            f"{name}: sigma={sigma:g} needs a size of {2 * reach * sigma + 1:g}, "
            f"above the limit of {MAX_SIZE}; give a smaller sigma or a size"
        )
    return 2 * math.ceil(reach * sigma) + 1


def whole(name: str, parameter: str, value: int, least: int, most: int) -> None:
    """Refuse what is no whole number from `least` to `most`."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        raise FaltungError(f"{name}: {parameter} must be a whole number from {least} to {most}, got {value}")


def odd(name: str, size: int) -> None:
    """Refuse a size without a middle pixel."""
    whole(name, "size", size, 1, MAX_SIZE)
    if size % 2 == 0:
        raise FaltungError(f"{name}: size must be odd, so that there is a middle pixel, got {size}")


def finite(name: str, parameter: str, value: float) -> None:
    """Refuse infinities and NaN."""
    if not math.isfinite(value):
        raise FaltungError(f"{name}: {parameter} must be a finite number, got {value}")


def above(name: str, parameter: str, value: float, bound: float) -> None:
    """Refuse what is not finite or not above `bound`."""
    if not (math.isfinite(value) and value > bound):
        raise FaltungError(f"{name}: {parameter} must be a finite number above {bound:g}, got {value}")


def between(name: str, parameter: str, value: float, least: float, most: float) -> None:
    """Refuse what is not from `least` to `most`."""
    if not least <= value <= most:
        raise FaltungError(f"{name}: {parameter} must be from {least:g} to {most:g}, got {value}")
