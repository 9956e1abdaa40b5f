"""What people type: kernels, sizes and units as text, for the command line and pages."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung import kernels
from faltung.errors import FaltungError
from faltung.region import AXIS_NAMES

MOST_FILE = 2**24
"""The largest kernel file that is read, in bytes."""


def kernel(text: str) -> NDArray[Any]:
    """Return the kernel, shape (kh, kw), that a text stands for.

    Parameters
    ----------
    text : str
        JSON such as ``[[1,0,-1],[2,0,-2],[1,0,-1]]``; the name of one of `faltung.kernels`, such as
        ``sobel-x`` or ``gaussian:sigma=2``; or a file with a dot or a folder in its name: ``.npy``, or text
        with JSON or with rows of numbers separated by spaces or commas.

    Raises
    ------
    FaltungError
        If it is none of these, cannot be read, or its rows differ in length.

    >>> kernel("[[1, 0, -1]]")
    array([[ 1,  0, -1]])
    """
    if text.lstrip().startswith("["):
        return _from_json(text, "kernel")
    if re.fullmatch(r"[\w-]+(:.*)?", text.strip()):
        return kernels.named(text.strip())
    return _from_file(Path(text))


def size(text: str) -> dict[str, int]:
    """Return sizes by axis from a text, first axis first.

    >>> size("428x640")
    {'y': 428, 'x': 640}
    """
    numbers = re.split(r"\s*[x×]\s*", text.strip())
    if len(numbers) > len(AXIS_NAMES) or not all(re.fullmatch(r"\d{1,15}", number) for number in numbers):
        raise FaltungError(f"input size {text!r} must be HEIGHTxWIDTH, such as 428x640 (or WIDTH, or DxHxW)")
    return dict(zip(AXIS_NAMES[-len(numbers) :], map(int, numbers), strict=True))


def shapes(text: str) -> list[tuple[int, ...]]:
    """Return the shapes of a model's inputs, several separated by commas.

    >>> shapes("1x3x224x224")
    [(1, 3, 224, 224)]
    """
    found = []
    for part in text.split(","):
        numbers = re.split(r"\s*[x×]\s*", part.strip())
        if not all(re.fullmatch(r"[1-9]\d{0,8}", number) for number in numbers):
            raise FaltungError(f"input shape {part.strip()!r} must be whole numbers joined by x, such as 1x3x224x224")
        found.append(tuple(map(int, numbers)))
    return found


def unit(text: str) -> dict[str, int]:
    """Return a unit or a pixel from a text that names its axes.

    >>> unit("y=0,x=639")
    {'y': 0, 'x': 639}
    """
    places: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([a-z]\w*)\s*=\s*(-?\d{1,15})\s*", part)
        if match is None:
            raise FaltungError(f"{text!r} must name its axes with whole numbers, such as y=0,x=639")
        if match[1] in places:
            raise FaltungError(f"{text!r} gives axis {match[1]} twice")
        places[match[1]] = int(match[2])
    return places


def _from_json(text: str, source: str) -> NDArray[Any]:
    try:
        rows = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise FaltungError(f"{source}: this is no JSON{where}; write rows such as [[1,0,-1],[2,0,-2]]") from None
    return _array(rows, source)


def _array(rows: Any, source: str) -> NDArray[Any]:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        raise FaltungError(f"{source}: a kernel must be rows of numbers that are not empty, such as [[1,0,-1]]")
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise FaltungError(
                f"{source}: row {number} has {len(row)} numbers and row 0 has {len(rows[0])}; rows must be equally long"
            )
        for entry in row:
            if isinstance(entry, bool) or not isinstance(entry, int | float):
                raise FaltungError(f"{source}: {entry!r} in row {number} is not a number")
    array = np.array(rows)
    if array.dtype == object:
        raise FaltungError(f"{source}: a whole number does not fit 64 bits")
    return array


def _from_file(path: Path) -> NDArray[Any]:
    try:
        if path.stat().st_size > MOST_FILE:
            raise FaltungError(f"{path}: {path.stat().st_size} bytes are no kernel; at most {MOST_FILE} are read")
        if path.suffix == ".npy":
            loaded = np.load(path, allow_pickle=False)
            if loaded.ndim != 2 or not loaded.size:
                raise FaltungError(f"{path}: an array of shape {loaded.shape} is no kernel; it must be (kh, kw)")
            return np.asarray(loaded)
        text = path.read_text()
    except FaltungError:
        raise
    except FileNotFoundError:
        raise FaltungError(f"{path}: there is no such file") from None
    except UnicodeDecodeError:
        raise FaltungError(f"{path}: this is neither text nor .npy") from None
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged or no .npy file"
        raise FaltungError(f"{path}: cannot be read as a kernel: {reason}") from None
    if text.lstrip().startswith("["):
        return _from_json(text, str(path))
    rows = [re.split(r"[\s,;]+", line.strip(" \t,;")) for line in text.splitlines() if line.strip()]
    return _array([[_number(entry, path) for entry in row] for row in rows], str(path))


def _number(text: str, path: Path) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise FaltungError(f"{path}: {text!r} is not a number")
