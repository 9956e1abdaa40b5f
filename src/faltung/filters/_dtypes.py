"""Which dtype an answer has, and which one it is computed in.

Integers are exact; floating-point pictures keep their precision. The table stands in `faltung.filters`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.errors import FaltungError

SIGNED = ("int8", "int16", "int32", "int64")
INTEGERS = ("bool", "uint8", "uint16", "uint32", "uint64", *SIGNED)
HALVES = ("float16", "bfloat16")


def limits(name: str) -> tuple[int, int]:
    """Return the least and the greatest value of an integer dtype.

    >>> limits("bool"), limits("int8")
    ((0, 1), (-128, 127))
    """
    if name == "bool":
        return 0, 1
    info = np.iinfo(name)
    return int(info.min), int(info.max)


@dataclass(frozen=True)
class Sums:
    """What bounds the sums of a bank of integer kernels."""

    signed: tuple[tuple[int, int], ...]
    """The sum of the negative taps of each kernel, and that of the positive ones."""
    least: int
    greatest: int
    """Of all taps."""


def sums_of(bank: Any) -> Sums:
    """Return the sums of integer kernels (kh, kw) or (N, kh, kw), an array or a tensor.

    >>> sums_of(np.array([[1, 2], [-1, -2]]))
    Sums(signed=((-3, 3),), least=-2, greatest=2)
    """
    taps = np.asarray(bank.cpu() if hasattr(bank, "cpu") else bank).reshape(-1, bank.shape[-2] * bank.shape[-1])
    least, greatest = int(taps.min()), int(taps.max())
    exact = np.int64 if max(-least, greatest) * taps.shape[1] < 2**63 else object
    taps = taps.astype(exact)
    pairs = zip(np.minimum(taps, 0).sum(1).tolist(), np.maximum(taps, 0).sum(1).tolist(), strict=True)
    return Sums(tuple(pairs), least, greatest)


def reach(sums: Sums, low: int, high: int) -> tuple[int, int]:
    """Return the interval of every pixel, every tap and every sum of any of the products, in any order.

    A tap k times a pixel in [low, high] lies between k*low and k*high, and 0 belongs to the interval because
    padding is 0 and because a sum may still lack the tap. So the positive taps at `high` with the negative
    ones at `low` give the greatest sum that any subset of the products can make.

    >>> reach(sums_of(np.array([[1, 2, 1, -1, -2, -1]])), 0, 255)
    (-1020, 1020)
    """
    low, high = min(low, 0), max(high, 0)
    least, greatest = min(low, sums.least), max(high, sums.greatest)
    for negative, positive in sums.signed:
        least = min(least, positive * low + negative * high)
        greatest = max(greatest, positive * high + negative * low)
    return least, greatest


def integer_dtype(image: str, sums: Sums, extremes: Callable[[], tuple[int, int]], layer: str) -> str:
    """Return the smallest signed dtype that holds every sum of an integer image under integer kernels.

    The image counts with all that its dtype can hold, so that the answer's dtype does not depend on the
    pixels; only where that would need more than int64 are they looked at, by `extremes`.
    """
    least, greatest = reach(sums, *limits(image))
    for name in SIGNED:
        low, high = limits(name)
        if low <= least and greatest <= high:
            return name
    least, greatest = reach(sums, *extremes())
    low, high = limits("int64")
    if low <= least and greatest <= high:
        return "int64"
    bound, limit = (greatest, high) if greatest > high else (least, low)
    raise FaltungError(
        f"{layer}: sums can reach {bound}, beyond int64's {limit}; "
        "Python's own integers have no limit: image.astype(object)"
    )


def floating_dtype(image: str, kernel: str) -> str:
    """Return the answer's dtype where the image or the kernel is not of integers.

    >>> floating_dtype("float32", "float64"), floating_dtype("uint8", "float32")
    ('float32', 'float32')
    >>> floating_dtype("int32", "float32"), floating_dtype("float32", "complex128")
    ('float64', 'complex64')
    """
    if image == "object" or (kernel == "object" and image in INTEGERS):
        return "object"
    if image == "complex32":
        return "complex64"
    if image in INTEGERS:
        if kernel == "complex32":
            kernel = "complex64"
        # NumPy has no bfloat16: it takes part as float16 does, the other dtype of 16 bits.
        name = np.promote_types(image, "float16" if kernel == "bfloat16" else kernel).name
        return "bfloat16" if (name, kernel) == ("float16", "bfloat16") else name
    if kernel.startswith("complex") and not image.startswith("complex"):
        return np.promote_types("float16" if image == "bfloat16" else image, "complex64").name
    return image


def computing_dtype(answer: str) -> str:
    """Return the dtype that an answer is summed in: the halves in float32, to be rounded once at the end."""
    return "float32" if answer in HALVES else answer


def check_taps(kernel: Any, rounded: Any, library: Any, layer: str, name: str) -> None:
    """Refuse a kernel with a tap that turned infinite when rounded to the dtype of the sums."""
    if bool((library.isfinite(kernel) & ~library.isfinite(rounded)).any()):
        raise FaltungError(
            f"{layer}: the kernel reaches {float(abs(kernel).max()):g}, beyond {name}'s largest value "
            f"{float(np.finfo(name).max):g}"
        )
