"""Pictures into files: what a format does not hold is refused, never rounded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.errors import FaltungError, UnknownName
from faltung.pictures._atomic import Pathlike, atomic, one_line

TIFF_DTYPES = ("uint8", "uint16", "int16", "int32", "float32", "float64")
DTYPES = {
    ".png": ("uint8", "uint16"),
    ".jpg": ("uint8",),
    ".jpeg": ("uint8",),
    ".bmp": ("uint8",),
    ".tif": TIFF_DTYPES,
    ".tiff": TIFF_DTYPES,
}
"""The dtypes that `write` stores, by format."""


def write(path: Pathlike, array: ArrayLike) -> None:
    """Write a picture to a file; the suffix says in which format. Nothing half-written is ever left.

    Parameters
    ----------
    path : path-like
        Ending in .png, .jpg, .jpeg, .bmp, .tif, .tiff or .npy. JPEG is lossy (quality 95); the others keep
        every value.
    array : array_like, shape (H, W) or (H, W, 3)
        bool (stored as 0 and 255) or uint8; for grey PNG also uint16; for TIFF also uint16, int16, int32,
        float32 and float64. For `.npy` any shape, any dtype of numbers. `to_uint8` makes any numbers fit.

    Raises
    ------
    FaltungError
        For an unknown suffix, a missing folder, a shape or dtype that the format does not hold, and whatever
        stops the writing. A file that was there before is then untouched.
    """
    suffix = Path(path).suffix.lower()
    if suffix != ".npy" and suffix not in DTYPES:
        raise UnknownName("picture format", suffix or Path(path).name, (".npy", *DTYPES))
    try:
        save = _writer(np.asarray(array), suffix)
        with atomic(path) as temporary:
            save(temporary)
    except FaltungError as problem:
        said = f"cannot write {path}: "
        raise FaltungError(said + str(problem).removeprefix(said)) from None
    except Exception as problem:  # an encoder's own failure, or an array that cannot be read
        raise FaltungError(f"cannot write {path}: {one_line(problem)}") from None


def _writer(array: NDArray[Any], suffix: str) -> Callable[[Path], None]:
    """Return what writes the array to a path, or refuse an array that the format does not hold."""
    if suffix == ".npy":
        if array.dtype.kind not in "biufc":
            raise FaltungError(f"the array holds {array.dtype}, not numbers")
        return lambda path: np.save(path, array, allow_pickle=False)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or array.size == 0:
        raise FaltungError(f"a picture has shape (H, W) or (H, W, 3), got {array.shape}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    held = DTYPES[suffix] if array.ndim == 2 or suffix in (".tif", ".tiff") else ("uint8",)
    if array.dtype.name not in held:
        kind = "grey" if array.ndim == 2 else "colour"
        raise FaltungError(
            f"{kind} {suffix} holds {' or '.join(held)}, got {array.dtype}; see faltung.pictures.to_uint8"
        )
    return lambda path: _save(array, path, suffix)


def _save(array: NDArray[Any], path: Path, suffix: str) -> None:
    if suffix in (".tif", ".tiff"):
        import tifffile

        tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 else "minisblack")
        return
    import PIL.Image

    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if suffix in (".jpg", ".jpeg") else {}
    PIL.Image.fromarray(array).save(path, **options)
