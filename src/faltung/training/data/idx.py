"""The IDX format of MNIST: a magic number, the sizes, then the bytes."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError

UNSIGNED_BYTE = 0x08
LARGEST = 2**33
"""The most bytes that a file may unpack to: a small one could ask for any amount of memory."""
BLOCK = 1 << 20


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Read an array of bytes from an IDX file, plain or compressed by gzip (told by its first bytes, not its name).

    Parameters
    ----------
    path : path
        The file, as on Yann LeCun's page of MNIST: two zero bytes, 0x08 for unsigned bytes, the number of axes; each
        size as a big-endian 32-bit number; the values, the last axis running fastest.
    axes : int
        The number of axes that the file must have: 3 for pictures, 1 for labels.

    Returns
    -------
    numpy.ndarray of uint8
        Of as many axes, and whole: every announced byte was there, and none was left over.

    Raises
    ------
    FaltungError
        For a file that is missing, damaged, cut off or too long, or of another format, number of axes or type.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 4]))
    ...     read_idx(path, 1)
    array([9, 0, 4], dtype=uint8)
    """
    content = read_bytes(path)
    magic = bytes([0, 0, UNSIGNED_BYTE, axes])
    if content[:4] != magic:
        raise FaltungError(
            f"{path}: an IDX file of bytes with {axes} axes begins with {magic.hex(' ')}, this one with "
            f"{content[:4].hex(' ') or 'nothing'}"
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise FaltungError(f"{path} is cut off: its header has {start} bytes, the file {len(content)}")
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    announced = math.prod(shape)
    if len(content) - start != announced:
        wrong = "cut off" if len(content) - start < announced else "too long"
        sizes = "x".join(map(str, shape))
        raise FaltungError(
            f"{path} is {wrong}: {sizes} = {announced} bytes are announced, {len(content) - start} follow"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, unpacked where gzip packed it; gzip's own sum and length are checked by the way.

    Raises
    ------
    FaltungError
        For a file that cannot be read, or whose packing is damaged or cut off.
    """
    try:
        packed = path.read_bytes()
    except OSError as problem:
        raise FaltungError(f"cannot read {path}: {problem.strerror}") from None
    if not packed.startswith(b"\x1f\x8b"):
        return packed
    try:
        content = bytearray()
        with gzip.open(path) as file:
            while block := file.read(BLOCK):
                content += block
                if len(content) > LARGEST:
                    raise FaltungError(f"{path} unpacks to more than {LARGEST} bytes")
    except EOFError:
        raise FaltungError(f"{path} is cut off: its gzip packing does not end within {len(packed)} bytes") from None
    except (OSError, zlib.error) as problem:
        raise FaltungError(f"{path} is damaged: {' '.join(str(problem).split())}") from None
    return bytes(content)
