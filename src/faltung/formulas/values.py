"""The values of index expressions: whole arithmetic, a numerator and a denominator at a time."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.boundary import most_padding, source
from faltung.formulas.scalars import At, Atom, Floor, Mapped, Scalar, Symbol

Numbers = NDArray[Any]

Values = Mapping[Symbol, int | Numbers]
"""A number for each symbol, or many of them."""

Look = Callable[[str, tuple[Numbers, ...]], Numbers]
"""Looks the entries of a tensor of whole numbers up."""


def no_tensors(tensor: str, indices: tuple[Numbers, ...]) -> Numbers:
    """Refuse to look a tensor up."""
    raise KeyError(tensor)


def number(scalar: Scalar, symbols: Mapping[Symbol, int]) -> int:
    """Return the value of an index expression of parameters, which must be whole.

    >>> number(Scalar.of(Symbol("k", 1)) * 2 - 1, {Symbol("k", 1): 3})
    5
    """
    above, below = quotient(scalar, symbols, no_tensors)
    if above % below:
        raise ArithmeticError(f"{scalar} is not whole")
    return int(above // below)


def quotient(scalar: Scalar, values: Values, look: Look) -> tuple[Any, int]:
    """Return numerator and denominator of an index expression; the latter is a positive number."""
    total: Any = 0
    for monomial, factor in scalar.terms.items():
        product: Any = factor
        for atom in monomial:
            product = product * _atom(atom, values, look)
        total = total + product
    below, atoms = scalar.denominator
    for atom in atoms:
        below *= int(_atom(atom, values, look))
    return total, below


def _atom(atom: Atom, values: Values, look: Look) -> Any:
    match atom:
        case Symbol():
            return values[atom]
        case Floor(of, by):
            (a, b), (c, d) = quotient(of, values, look), quotient(by, values, look)
            return a * d // (b * c)
        case Mapped(boundary, _, of, size):
            (at, one), (pixels, _) = quotient(of, values, look), quotient(size, values, look)
            return _copied(np.asarray(at // one), int(pixels), boundary)
        case At(tensor, indices):
            return look(tensor, tuple(np.broadcast_arrays(*(quotient(index, values, look)[0] for index in indices))))


def _copied(positions: Numbers, size: int, boundary: str) -> Numbers:
    """Return the pixel that each position copies; -1 beyond what the boundary can give, which no formula reads."""
    most = most_padding(size, boundary)
    distinct, which = np.unique(positions, return_inverse=True)
    table = []
    for position in distinct.tolist():
        far = max(-position, position - (size - 1))
        pixel = None if most is not None and far > most else source(position, size, boundary)
        table.append(-1 if pixel is None else pixel)
    return np.array(table, dtype=np.int64)[which].reshape(np.shape(positions))
