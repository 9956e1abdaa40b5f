"""CIFAR-10 and CIFAR-100 in their binary version.

The Python version is a set of pickles, and unpickling runs what a file says: it is never read here. The binary version
holds the same pictures as records of fixed length.
"""

import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError
from faltung.training.data.idx import LARGEST, read_bytes

SIDE = 32
PIXELS = 3 * SIDE * SIDE


def read_records(content: bytes, name: str, labels: int, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read the records of a CIFAR binary file: labels, then 3072 bytes, red, green and blue, row by row.

    Parameters
    ----------
    content : bytes
        What the file holds.
    name : str
        What to call it in errors.
    labels : int
        Bytes of labels before each picture, of which the last counts: 1 for CIFAR-10; 2 for CIFAR-100 (coarse, fine).
    classes : int
        A label lies below.

    Returns
    -------
    pictures : numpy.ndarray of uint8, shape (N, 3, 32, 32)
    labels : numpy.ndarray of int64, shape (N,)

    Raises
    ------
    FaltungError
        For no records, a part of one, or a label that is no class.

    Examples
    --------
    >>> pictures, labels = read_records(bytes([7]) + bytes(3072), "one picture", labels=1, classes=10)
    >>> pictures.shape, labels
    ((1, 3, 32, 32), array([7]))
    """
    length = labels + PIXELS
    if not content or len(content) % length:
        raise FaltungError(
            f"{name}: CIFAR's records have {length} bytes each; the file's {len(content)} bytes are "
            f"{len(content) // length} of them and {len(content) % length} left over"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    found = records[:, labels - 1].astype(np.int64)
    if found.max() >= classes:
        at = int((found >= classes).argmax())
        raise FaltungError(f"{name}: record {at} has label {found[at]}, and there are {classes} classes")
    return records[:, labels:].reshape(-1, 3, SIDE, SIDE).copy(), found


def members(home: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Return what the named files hold, out of a folder or out of the official archive; nothing is unpacked to disk.

    Raises
    ------
    FaltungError
        For a missing file, or an archive that is damaged or cut off.
    """
    if home.is_dir():
        return {name: read_bytes(home / name) for name in names}
    found: dict[str, bytes] = {}
    content = read_bytes(home)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                name = Path(member.name).name
                if name in names and member.isfile() and member.size < LARGEST:
                    file = archive.extractfile(member)
                    assert file is not None
                    found[name] = file.read()
    except (tarfile.TarError, OSError) as problem:
        raise FaltungError(f"{home} is damaged: {' '.join(str(problem).split())}") from None
    for name in names:
        if name not in found:
            raise FaltungError(f"{home} has no {name}")
    return found
