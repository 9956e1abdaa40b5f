"""The entries of a kernel: checked, trimmed of zero borders, and as whole numbers where they are such."""

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.errors import FaltungError

FloatArray = NDArray[np.float64]
Number = Fraction | float

MAX_SIDE = 255
"""The longest side that is explained, in pixels: the exact rank of a larger one takes too long."""

MAX_ENTRY = 1e100  # so that no moment overflows

# Multiples of one number are looked for up to this many steps, times this many parts of a step. More would
# find 'whole numbers' in any float: a ratio r lies within rounding e of a whole number by chance 2 r e.
_MOST_STEPS, _MOST_PARTS = 2**20, 48


@dataclass(frozen=True)
class Entries:
    """A kernel without its zero borders, as `unit` times `grid`.

    Attributes
    ----------
    grid : ndarray, shape (height, width)
        Python whole numbers without a common divisor (dtype object) where the kernel is a multiple of such;
        else float64 with the largest magnitude in 1/2 .. 1.
    unit : Fraction or float
        The kernel is unit * grid: a Fraction if the kernel was given in whole numbers or fractions.
    top, left : int
        Zero rows and columns trimmed before the first entry.
    given : tuple of int
        (height, width) before trimming.
    whole, exact : bool
        `grid` holds whole numbers; the kernel was given in whole numbers or fractions.
    rounding : float
        Relative rounding of the entries: 0 if exact, else that of their floating-point type.
    """

    grid: NDArray[Any]
    unit: Number
    top: int
    left: int
    given: tuple[int, int]
    whole: bool
    exact: bool
    rounding: float

    @property
    def floats(self) -> FloatArray:
        """The grid as float64, scaled to a largest magnitude near 1."""
        if not self.whole:
            return np.array(self.grid, dtype=np.float64)
        largest = max(abs(entry) for entry in self.grid.flat)
        return np.array([[entry / largest for entry in row] for row in self.grid.tolist()], dtype=np.float64)

    @property
    def scale(self) -> float:
        """What `floats` must be multiplied by to give the kernel."""
        largest = max(abs(entry) for entry in self.grid.flat) if self.whole else 1
        return float(self.unit * largest)


def read(kernel: ArrayLike) -> tuple[NDArray[Any], float]:
    """Check a kernel and return its entries, (height, width), with their relative rounding (0: exact).

    Whole numbers and fractions come back as Python numbers (dtype object), floats as float64.
    """
    array = _as_array(kernel)
    if array.ndim != 2:
        raise FaltungError(
            f"a kernel to explain has 2 axes (rows, columns), got {array.ndim} in shape {array.shape}"
            + ("; write [[...]] for a single row" if array.ndim == 1 else "")
            + ("; explain one at a time, such as kernel[0, 0]" if array.ndim > 2 else "")
        )
    if 0 in array.shape:
        raise FaltungError(f"a kernel to explain has at least one entry, got shape {array.shape}")
    if max(array.shape) > MAX_SIDE:
        raise FaltungError(f"a kernel to explain has sides of at most {MAX_SIDE}, got shape {array.shape}")
    if array.dtype.kind in "biu":
        return np.array([[int(entry) for entry in row] for row in array.tolist()], dtype=object), 0.0
    if array.dtype.kind == "O":
        return _exact_objects(array), 0.0
    if array.dtype.kind == "c":
        raise FaltungError("a kernel to explain is real, got complex entries; explain .real and .imag apart")
    if array.dtype.kind != "f":
        raise FaltungError(f"a kernel to explain holds numbers, got entries of type {array.dtype}")
    rounding = 8 * float(np.finfo(array.dtype).eps)
    floats = array.astype(np.float64)
    for row, column in np.argwhere(~np.isfinite(floats)):
        raise FaltungError(
            f"a kernel to explain has finite entries, got {floats[row, column]} at row {row}, column {column}"
        )
    _check_size(float(np.abs(floats).max()))
    return floats, max(rounding, 8 * float(np.finfo(np.float64).eps))


def trimmed(array: NDArray[Any], rounding: float) -> Entries | None:
    """Trim zero borders and find the whole numbers; None if every entry is zero."""
    if rounding:
        array = np.where(np.abs(array) <= rounding * np.abs(array).max(), 0.0, array)
    nonzero = np.argwhere(array != 0)
    if not len(nonzero):
        return None
    (top, left), (bottom, right) = nonzero.min(axis=0), nonzero.max(axis=0)
    core = array[top : bottom + 1, left : right + 1]
    height, width = array.shape

    def entries(grid: NDArray[Any], unit: Number, whole: bool) -> Entries:
        return Entries(grid, unit, int(top), int(left), (height, width), whole, not rounding, rounding)

    if not rounding:
        grid, unit = _primitive([[Fraction(entry) for entry in row] for row in core.tolist()])
        return entries(grid, unit, whole=True)
    found = _multiples(core, rounding)
    if found is not None:
        grid, step = found
        return entries(grid, step, whole=True)
    power = 2.0 ** math.frexp(float(np.abs(core).max()))[1]  # a power of two scales without rounding
    return entries(core / power, power, whole=False)


def _as_array(kernel: ArrayLike) -> NDArray[Any]:
    """Turn what was given into an array, PyTorch tensors included (without importing PyTorch)."""
    if hasattr(kernel, "detach"):
        tensor = kernel.detach().cpu()
        try:
            return np.asarray(tensor)
        except TypeError:  # bfloat16, which NumPy lacks
            return np.asarray(tensor.float())
    try:
        array = np.asarray(kernel)
    except ValueError:
        raise FaltungError("a kernel to explain has rows of equal length, got ragged rows") from None
    if array.dtype.kind in "US":
        raise FaltungError(f"a kernel to explain holds numbers, got text such as {str(array.flat[0])!r}")
    return array


def _exact_objects(array: NDArray[Any]) -> NDArray[Any]:
    """Fractions and whole numbers of any size; other objects are refused by name."""
    rows: list[list[Fraction]] = []
    for row in array.tolist():
        rows.append([])
        for entry in row:
            if not isinstance(entry, (Rational, float)):
                raise FaltungError(f"a kernel to explain holds numbers, got {entry!r}")
            if isinstance(entry, float) and not math.isfinite(entry):
                raise FaltungError(f"a kernel to explain has finite entries, got {entry}")
            rows[-1].append(Fraction(entry))
    _check_size(max(abs(entry) for row in rows for entry in row))
    exact = np.empty(array.shape, dtype=object)
    exact[:] = rows
    return exact


def _check_size(largest: Number) -> None:
    if largest > MAX_ENTRY:
        raise FaltungError(f"a kernel to explain has entries of at most {MAX_ENTRY:g} in magnitude")


def _primitive(rows: list[list[Fraction]]) -> tuple[NDArray[Any], Fraction]:
    """Whole numbers without a common divisor, and the positive unit that gives the rows back."""
    entries = [entry for row in rows for entry in row]
    denominator = math.lcm(*(entry.denominator for entry in entries))
    divisor = math.gcd(*(int(entry * denominator) for entry in entries))
    unit = Fraction(divisor, denominator)
    grid = np.empty((len(rows), len(rows[0])), dtype=object)
    grid[:] = [[int(entry / unit) for entry in row] for row in rows]
    return grid, unit


def _multiples(core: FloatArray, rounding: float) -> tuple[NDArray[Any], float] | None:
    """Whole numbers N and a step such that core = step * N to within rounding, if there are any."""
    least = float(np.abs(core[core != 0]).min())
    ratios = core / least
    most = min(_MOST_STEPS, 1e-3 / rounding)
    if np.abs(ratios).max() > most:
        return None
    for parts in range(1, _MOST_PARTS + 1):
        steps = ratios * parts
        if np.abs(steps).max() > most:
            return None
        whole = np.round(steps)
        if np.all(np.abs(steps - whole) <= rounding * np.abs(steps)):
            grid = np.empty(core.shape, dtype=object)
            grid[:] = [[int(entry) for entry in row] for row in whole.tolist()]
            return grid, float((core * whole).sum() / (whole * whole).sum())
    return None
