"""Numbers made viewable: any array as 8-bit grey, with a sentence that says what the greys mean."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.errors import FaltungError, UnknownName


def to_uint8(array: ArrayLike, mode: str = "auto") -> tuple[NDArray[np.uint8], str]:
    """Turn any numbers into 8-bit grey for the eye, and say in one sentence what was done.

    Parameters
    ----------
    array : array_like
        Answers of a filter, of any shape.
    mode : {'auto', 'clip', 'signed', 'absolute'}
        'clip': round, and cut off below 0 and above 255. 'signed': 0 is mid-grey 128, the largest magnitude
        is 1 or 255 by its sign. 'absolute': magnitudes, 0 is black and the largest is 255. 'auto': 'signed'
        where a value is negative; else 'clip' where all are within 0..255 and, for floats, not all within
        0..1; else, and for bools and complex numbers, 'absolute'.

    Returns
    -------
    picture : numpy.ndarray of uint8
        NaN is shown as 0 is; an infinity as the largest finite value of its sign would be.
    sentence : str
        What the greys mean, with the numbers.

    Raises
    ------
    FaltungError
        For an unknown mode, no values, values that are no numbers, or complex ones in 'clip' or 'signed'.

    Examples
    --------
    >>> to_uint8([[-20, 0, 10]])
    (array([[  1, 128, 192]], dtype=uint8), 'signed: 0 is mid-grey, -20 to 20 is black to white')
    """
    modes = {"clip": _clip, "signed": _signed, "absolute": _absolute}
    if mode != "auto" and mode not in modes:
        raise UnknownName("mode", str(mode), ("auto", *modes))
    given = np.asarray(array)
    if given.dtype.kind not in "biufcO":
        raise FaltungError(f"to_uint8: the array holds {given.dtype}, not numbers")
    if given.size == 0:
        raise FaltungError(f"to_uint8: the array is empty, its shape is {given.shape}")
    if given.dtype.kind == "c":
        if mode not in ("auto", "absolute"):
            raise FaltungError(f"to_uint8: complex numbers have a magnitude only, mode {mode!r} needs a sign")
        values, mode = np.abs(given).astype(np.float64), "absolute"
    else:
        values = _floats(given)
    finite = np.isfinite(values)
    known = values[finite]
    if mode == "auto":
        mode = _choose(known, given.dtype.kind)
    largest = float(np.abs(known).max(initial=0.0))
    picture, sentence = modes[mode](np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf), largest)
    if not finite.all():
        missing = values.size - known.size
        sentence += f"; {missing} of {values.size} values are not finite: NaN is shown as 0, infinities as extremes"
    return picture, sentence


def _floats(array: NDArray[Any]) -> NDArray[np.float64]:
    try:
        if array.dtype.kind == "O":  # NumPy alone would take None for NaN
            return np.array([float(entry) for entry in array.flat]).reshape(array.shape)
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as problem:
        raise FaltungError(f"to_uint8: the array cannot be read as numbers: {problem}") from None


def _choose(known: NDArray[np.float64], kind: str) -> str:
    if (known < 0).any():
        return "signed"
    largest = known.max(initial=0.0)
    # Floats within 0..1 and bools are fractions of white: as greys out of 255 they would all be black.
    fractions = kind == "b" or (kind != "i" and kind != "u" and largest <= 1)
    return "absolute" if fractions or largest > 255 else "clip"


def _clip(values: NDArray[np.float64], largest: float) -> tuple[NDArray[np.uint8], str]:
    cut = int((np.isfinite(values) & ((values < 0) | (values > 255))).sum())
    sentence = "clip: 0 is black and 255 white, rounded"
    if cut:
        sentence += f"; {cut} of {values.size} values outside are cut off"
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8), sentence


def _signed(values: NDArray[np.float64], largest: float) -> tuple[NDArray[np.uint8], str]:
    shares = np.clip(values / (largest or 1.0), -1, 1)
    ends = f"{-largest:g} to {largest:g} is black to white" if largest else "and there is nothing else"
    sentence = f"signed: 0 is mid-grey, {ends}"
    return np.rint(128 + 127 * shares).astype(np.uint8), sentence


def _absolute(values: NDArray[np.float64], largest: float) -> tuple[NDArray[np.uint8], str]:
    shares = np.clip(np.abs(values) / (largest or 1.0), 0, 1)
    end = f"magnitude {largest:g} is white" if largest else "and there is nothing else"
    return np.rint(255 * shares).astype(np.uint8), f"absolute: 0 is black, {end}"
