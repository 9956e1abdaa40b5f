"""Moments of a kernel and the differential operator that they make of it.

Under cross-correlation a kernel K answers the sum over its taps of K[m, n] * X(p + (y, x)), where (y, x) is
the tap's place about the kernel's centre. Expanding X in Taylor's series about p gives

    sum over a, b of  M_ab / (a! b!) * (d/dy)**a (d/dx)**b X,      M_ab = sum of K[m, n] * y**a * x**b,

so the moments of one order a + b = n are the coefficients of one homogeneous differential operator.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.explanation.entries import Number

MAX_ORDER = 6
"""The highest order of derivative that is looked for."""

# Float noise of 1 % on a 3x3 derivative turns it by under 1 degree and tilts a Laplacian by some 5 %.
_SNAP, _ISOTROPY = 0.03, 0.12


@dataclass(frozen=True)
class Term:
    """`coefficient` * (d/dy)**y (d/dx)**x."""

    y: int
    x: int
    coefficient: Number


@dataclass(frozen=True)
class Operator:
    """A homogeneous differential operator with constant coefficients.

    Attributes
    ----------
    order : int
        Order of its derivatives; 0 is a multiple of the picture itself.
    terms : tuple of Term
        Its terms, those of coefficient zero left out.
    form : str
        'gain' (order 0), 'directional' (factor times a power of the derivative along `direction`),
        'isotropic' (factor times a power of the Laplacian) or 'general'.
    factor : Fraction or float
        The factor of that form; for 'general', the root of the sum of squares that rotations leave alone.
    direction : float or None
        For 'directional', in degrees from x (right) towards y (down), above -90 and up to 90.
    exact : bool
        The form and its terms hold exactly, not only to within a tolerance of floating-point entries.
    """

    order: int
    terms: tuple[Term, ...]
    form: str
    factor: Number
    direction: float | None
    exact: bool

    def symbol(self, y: float, x: float) -> float:
        """Polynomial of the operator: its terms with y and x for the derivatives."""
        return float(sum(float(term.coefficient) * y**term.y * x**term.x for term in self.terms))


def moment(grid: NDArray[Any], y: int, x: int) -> Number:
    """Sum of the entries times their distance from the centre, to the power `y` down and `x` right.

    Whole numbers (dtype object) give an exact Fraction, floats a float.

    >>> moment(np.array([[1, 0, -1]], dtype=object), 0, 1)
    Fraction(-2, 1)
    """
    height, width = grid.shape
    # twice the distance is a whole number for even sizes too
    down = np.array([(2 * m - height + 1) ** y for m in range(height)], dtype=grid.dtype)
    right = np.array([(2 * n - width + 1) ** x for n in range(width)], dtype=grid.dtype)
    doubled = down @ grid @ right
    return Fraction(doubled, 2 ** (y + x)) if grid.dtype == object else float(doubled) / 2 ** (y + x)


def operator(grid: NDArray[Any], order: int, unit: Number = Fraction(1)) -> Operator:
    """Differential operator of one order that `unit * grid` contains; no terms if its moments vanish."""
    coefficients: list[Number] = [
        moment(grid, y, order - y) * unit / (math.factorial(y) * math.factorial(order - y)) for y in range(order + 1)
    ]
    largest = max(abs(float(coefficient)) for coefficient in coefficients)
    negligible = 0.0 if grid.dtype == object else 1e-6 * largest  # what float32 entries leave of a zero
    coefficients = [c if abs(float(c)) > negligible else c * 0 for c in coefficients]
    terms = tuple(Term(y, order - y, c) for y, c in enumerate(coefficients) if c)
    exact = isinstance(unit, Fraction) and grid.dtype == object
    if order == 0:
        return Operator(0, terms, "gain", coefficients[0], None, exact)
    for form, direction, factor, error in _forms(coefficients):
        if error == 0 or error <= (_ISOTROPY if form == "isotropic" else _SNAP):
            return Operator(order, terms, form, factor, direction, exact and error == 0)
    return Operator(order, terms, "general", _norm(coefficients), None, exact)


def _forms(coefficients: list[Number]) -> list[tuple[str, float | None, Number, float]]:
    """Simple forms, with their factors and the relative error of each; the simplest first."""
    order = len(coefficients) - 1
    size = _norm(coefficients)
    if size == 0:
        return []
    found: list[tuple[str, float | None, Number, float]] = []
    if order % 2 == 0:
        power = order // 2
        pattern: list[Number] = [Fraction(math.comb(power, y // 2) if y % 2 == 0 else 0) for y in range(order + 1)]
        # along x and y alike, the mean of the two; exact where they agree
        factor = (coefficients[0] + coefficients[-1]) / 2
        found.append(("isotropic", None, factor, _distance(coefficients, pattern, factor)))
    for direction, down, right in ((0.0, 0, 1), (90.0, 1, 0)):
        factor = coefficients[-1] if down else coefficients[0]
        axis: list[Number] = [Fraction(down if y == order else right if y == 0 else 0) for y in range(order + 1)]
        found.append(("directional", direction, factor, _distance(coefficients, axis, factor)))
    for direction, sign in ((45.0, 1), (-45.0, -1)):
        diagonal: list[Number] = [Fraction(math.comb(order, y) * sign**y) for y in range(order + 1)]
        part = coefficients[0]  # = factor * cos(45 degrees)**order
        found.append(
            (
                "directional",
                direction,
                float(part) * 2 ** (order / 2),
                _distance(coefficients, diagonal, part),
            )
        )
    direction, factor = _steepest(coefficients)
    # the derivative along u to the n-th and the operator have the inner product P(u), so what is left is
    left = math.sqrt(max(0.0, 1 - (factor / size) ** 2))
    found.append(("directional", direction, factor, left))
    return found


def _norm(coefficients: list[Number]) -> float:
    """Bombieri's norm, which rotations of the picture leave alone; 1 for a derivative along any direction."""
    order = len(coefficients) - 1
    return math.sqrt(sum(float(c) ** 2 / math.comb(order, y) for y, c in enumerate(coefficients)))


def _distance(coefficients: list[Number], pattern: list[Number], factor: Number) -> float:
    """Relative distance of the coefficients from factor * pattern; exactly 0 for exact numbers that agree."""
    return _norm([c - factor * p for c, p in zip(coefficients, pattern, strict=True)]) / _norm(coefficients)


def _steepest(coefficients: list[Number]) -> tuple[float, float]:
    """Direction in degrees, above -90 and up to 90, in which the symbol is largest, and its value there."""
    order = len(coefficients) - 1
    floats = [float(c) for c in coefficients]

    def symbol(angle: NDArray[np.float64]) -> NDArray[np.float64]:
        down, right = np.sin(angle), np.cos(angle)
        return sum((c * down**y * right ** (order - y) for y, c in enumerate(floats)), np.zeros_like(angle))

    middle, reach = 0.0, math.pi / 2
    for _ in range(12):
        angles = middle + np.linspace(-reach, reach, 361)
        middle = float(angles[np.argmax(np.abs(symbol(angles)))])
        reach /= 60
    angle = middle - math.pi * math.ceil(middle / math.pi - 0.5)
    return math.degrees(angle), float(symbol(np.array([angle]))[0])
