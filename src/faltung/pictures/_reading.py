"""Pictures out of files: the header first, then the pixels."""

import logging
import re
import stat
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError
from faltung.pictures._atomic import Pathlike, one_line

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_PICTURE = 2**27
"""The most pixels that are decoded, 11585 x 11585: a small file can claim far more (a decompression bomb)."""

NPY = b"\x93NUMPY"

for decoder in ("PIL", "tifffile"):
    # What decoders log of a damaged file is refused here or does not matter; unheard, it would go to stderr.
    logging.getLogger(decoder).addHandler(logging.NullHandler())


def read(path: Pathlike) -> NDArray[Any]:
    """Read a picture from a file.

    Parameters
    ----------
    path : path-like
        An image file of any format that Pillow knows, a TIFF, or a `.npy` array.

    Returns
    -------
    numpy.ndarray, shape (H, W) or (H, W, 3)
        Grey or RGB values as stored: 8 bits are uint8, 16 bits stay 16 bits, floats stay floats; a bilevel
        picture is 0 and 255. Palettes, CMYK and the like become RGB. Alpha is dropped, not blended. Of an
        animation or a stack of pages, the first. Turned upright where the EXIF data say how. A `.npy` array
        is returned as stored, with two axes or more.

    Raises
    ------
    FaltungError
        For a file that is missing, not a picture, damaged, cut off, or larger than `LARGEST_PICTURE`. The
        size is read from the header, before a pixel is decoded. Also for colour of 16 bits in other formats
        than TIFF, of which Pillow would keep only 8.

    Examples
    --------
    >>> import tempfile
    >>> from faltung.pictures import read, write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/step.png", np.array([[0, 0, 255]], dtype=np.uint8))
    ...     read(f"{folder}/step.png")
    array([[  0,   0, 255]], dtype=uint8)
    """
    try:
        return _read(Path(path))
    except FaltungError as problem:
        reason = str(problem)
    except OSError as problem:
        reason = problem.strerror or one_line(problem)
    except Exception as problem:  # decoders fail in every way there is on damaged files
        reason = one_line(problem)
    raise FaltungError(f"cannot read {path}: {reason}") from None


def _read(path: Path) -> NDArray[Any]:
    status = path.stat()  # says that the file is missing, or forbidden
    if stat.S_ISDIR(status.st_mode):
        raise FaltungError("it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise FaltungError("it is not a file")
    if status.st_size == 0:
        raise FaltungError("the file is empty (0 bytes)")
    with path.open("rb") as file:
        begin = file.read(len(NPY))
    if begin == NPY or path.suffix.lower() == ".npy":
        return _read_npy(path, begin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what is checked here or does not matter
        return _read_image(path)


def _read_npy(path: Path, begin: bytes) -> NDArray[Any]:
    if begin != NPY:
        raise FaltungError("it is not a NumPy array, for it does not begin with \\x93NUMPY")
    # A memory map compares the header with the file's length, and holds no Python objects.
    try:
        stored = np.lib.format.open_memmap(path, mode="r")
    except ValueError as problem:
        if "mmap length" not in str(problem):
            raise
        raise FaltungError(f"the file is cut off: its {path.stat().st_size} bytes are too few") from None
    if stored.dtype.kind not in "biufc":
        raise FaltungError(f"it holds {stored.dtype}, not numbers")
    if stored.ndim < 2 or stored.size == 0:
        raise FaltungError(f"a picture has rows and columns, the array has shape {stored.shape}")
    return np.array(stored)


def _read_image(path: Path) -> NDArray[Any]:
    import PIL.Image

    try:
        image = PIL.Image.open(path)
    except PIL.Image.DecompressionBombError as problem:  # Pillow's own limit, which is further out than ours
        pixels = re.search(r"\d+", str(problem))
        raise FaltungError(_too_many(pixels[0] if pixels else "its")) from None
    except PIL.UnidentifiedImageError:
        if path.suffix.lower() in (".tif", ".tiff"):
            return _read_tiff(path)
        raise FaltungError("it is not an image of a known format") from None
    with image:
        _check_size(*image.size)
        if _loses_bits(image):
            if image.format == "TIFF":
                return _read_tiff(path)
            raise FaltungError(f"{image.format} colour of 16 bits would lose 8 of them; save it as TIFF")
        array = np.array(_upright(_plain(image)))
    if image.format == "PNG" and array.dtype == np.int32:  # 16 bits, as older versions of Pillow give them
        return array.astype(np.uint16)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST_PICTURE:
        raise FaltungError(_too_many(f"{width} x {height} = {width * height}"))


def _too_many(pixels: str) -> str:
    return f"{pixels} pixels are more than the {LARGEST_PICTURE} that are decoded"


def _loses_bits(image: "Image") -> bool:
    """Say whether Pillow would decode samples of 16 bits into 8: TIFF's tags or its raw mode tell."""
    if image.mode[0] in "IF":
        return False
    if image.format == "TIFF":
        return bool(max(getattr(image, "tag_v2", {}).get(258, (1,))) > 8)  # bits per sample
    raw = str([entry[3] if len(entry) > 3 else "" for entry in getattr(image, "tile", ())])
    return ";16" in raw


def _plain(image: "Image") -> "Image":
    """Return the image as grey or RGB, without palette or alpha."""
    mode = image.mode
    if mode in ("L", "RGB", "F", "I") or mode.startswith("I;16"):
        return image
    return image.convert("L" if mode in ("1", "LA", "La") else "RGB")


def _upright(image: "Image") -> "Image":
    from PIL import ImageOps

    with suppress(Exception):  # damaged EXIF data say nothing, and the pixels are fine
        return ImageOps.exif_transpose(image)
    return image


def _read_tiff(path: Path) -> NDArray[Any]:
    """Read the first page with tifffile, for the sample formats that Pillow does not know."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if not isinstance(page, tifffile.TiffPage) or page.axes not in ("YX", "YXS", "SYX"):
            raise FaltungError(f"its first page has axes {page.axes}, not a flat picture's")
        _check_size(page.imagewidth, page.imagelength)
        ends = [at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or not 0 < page.size <= 4 * LARGEST_PICTURE:
            raise FaltungError(f"its first page has {page.size} values, not a picture's")
        end = max(ends)
        if end > path.stat().st_size:
            raise FaltungError(f"the file is cut off: {path.stat().st_size} of {end} bytes")
        array = np.asarray(page.asarray())
    if array.shape != page.shape:
        raise FaltungError(f"its first page holds values of shape {array.shape}, its header says {page.shape}")
    if page.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3:
        array = array[..., :3] if array.shape[-1] >= 3 else array[..., 0]
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
