"""Gaussian weights on pixels, and their derivatives along one axis: the factors of smooth kernels."""

import math

import numpy as np

from faltung.errors import FaltungError
from faltung.kernels._types import FloatKernel


def positions(size: int) -> FloatKernel:
    """Pixel positions about the centre: whole for odd sizes, halves for even ones."""
    return np.arange(size, dtype=np.float64) - (size - 1) / 2


def gaussian_window(squared_distance: FloatKernel, sigma: float) -> FloatKernel:
    """Gaussian weights, 1 at the sample nearest to the middle, so that they cannot all vanish."""
    sigma = max(sigma, 1e-3)  # any narrower and every other sample is 0 already
    weights: FloatKernel = np.exp(-(squared_distance - squared_distance.min()) / (2 * sigma**2))
    return weights


def gaussian_factor(name: str, sigma: float, size: int, order: int) -> FloatKernel:
    """1-D Gaussian derivative: answers 0 to t**k for k < order and 1 to t**order / order!."""
    t = positions(size)
    weights = gaussian_window(t**2, sigma)
    if np.count_nonzero(weights > 1e-290) <= order:  # below, products of the weights vanish
        raise FaltungError(
            f"{name}: sigma={sigma:g} and size={size} leave too few samples for a derivative of order {order}"
        )
    scaled = t / max(sigma, 0.5)  # keeps the powers near 1, whatever sigma is
    basis: list[FloatKernel] = []
    for degree in range(order + 1):
        polynomial = scaled**degree
        for _ in range(2):  # the second pass takes off what rounding left in the first
            for lower in basis:
                share = (weights * lower * polynomial).sum() / (weights * lower**2).sum()
                polynomial = polynomial - share * lower
        basis.append(polynomial)
    kernel = weights * basis[order]
    result: FloatKernel = kernel / (float((kernel * t**order).sum()) / math.factorial(order))
    return result
