"""A folder of pictures by class as a data set: `folder/class/picture.png`."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError

if TYPE_CHECKING:
    from faltung.training.data.sets import Half

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
TEST_SHARE = 5
"""Without folders `train` and `test`, every fifth picture of a class, in the order of names, is for the test."""


def read_folder(folder: Path, size: int | None = None) -> tuple["Half", "Half", tuple[str, ...]]:
    """Read pictures by class.

    Parameters
    ----------
    folder : path
        Holds one folder per class, or `train` and `test` with the same classes each.
    size : int, optional
        Bring every picture to so many rows and columns; else all must be of one size.

    Returns
    -------
    training, test : pairs of numpy.ndarray
        Pictures of uint8, shape (N, C, H, W), C = 1 if all pictures are grey, else 3; labels of int64, shape (N,).
    classes : tuple of str
        Names of the folders, sorted.

    Raises
    ------
    FaltungError
        For a folder without classes, a class without pictures, fewer than two classes, classes in `test` that `train`
        has not, pictures of different sizes, or one that cannot be read.
    """
    parts = [folder / "train", folder / "test"]
    if all(part.is_dir() for part in parts):
        classes = _classes(parts[0])
        if (others := _classes(parts[1])) != classes:
            odd = sorted(set(others) ^ set(classes))[0]
            raise FaltungError(f"{folder}: the class {odd!r} is in only one of train and test")
        files = [_files(part, classes) for part in parts]
    else:
        classes = _classes(folder)
        every = _files(folder, classes)
        files = [
            {name: [path for at, path in enumerate(paths) if (at % TEST_SHARE == TEST_SHARE - 1) == test]
             for name, paths in every.items()}
            for test in (False, True)
        ]  # fmt: skip
        for name, paths in files[1].items():
            if not paths:
                raise FaltungError(
                    f"{folder / name}: {len(every[name])} pictures leave none for the test, "
                    f"which is every {TEST_SHARE}th of a class"
                )
    arrays = {path: fitted(path, size) for half in files for paths in half.values() for path in paths}
    _of_one_size(arrays)
    channels = max(array.shape[0] for array in arrays.values())
    halves = []
    for half in files:
        pictures = [
            np.broadcast_to(arrays[path], (channels, *arrays[path].shape[1:]))
            for name in classes
            for path in half[name]
        ]
        labels = [label for label, name in enumerate(classes) for _ in half[name]]
        halves.append((np.stack(pictures), np.array(labels, np.int64)))
    return halves[0], halves[1], classes


def fitted(path: Path, size: int | tuple[int, int] | None) -> NDArray[np.uint8]:
    """Read one picture as uint8, shape (C, H, W), C = 1 or 3, brought to a size by Pillow's bilinear filter.

    Raises
    ------
    FaltungError
        If it cannot be read, or its values are no bytes.
    """
    import PIL.Image

    from faltung.pictures import read

    array = read(path)
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise FaltungError(f"{path}: nets are trained on pictures of 8 bits, this one holds {array.dtype}")
    if size is not None:
        rows, columns = (size, size) if isinstance(size, int) else size
        if array.shape[:2] != (rows, columns):
            image = PIL.Image.fromarray(array)
            array = np.asarray(image.resize((columns, rows), PIL.Image.Resampling.BILINEAR))
    return array[None] if array.ndim == 2 else np.ascontiguousarray(np.moveaxis(array, -1, 0))


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if len(names) < 2:
        raise FaltungError(f"{folder} has {len(names)} folders: pictures by class need one for each of two or more")
    return names


def _files(folder: Path, classes: tuple[str, ...]) -> dict[str, list[Path]]:
    found = {
        name: sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES) for name in classes
    }
    for name, paths in found.items():
        if not paths:
            raise FaltungError(f"{folder / name} holds no pictures ({', '.join(SUFFIXES)})")
    return found


def _of_one_size(arrays: dict[Path, NDArray[np.uint8]]) -> None:
    first = next(iter(arrays))
    for path, array in arrays.items():
        if array.shape[1:] != arrays[first].shape[1:]:
            sizes = ["x".join(map(str, arrays[one].shape[1:])) for one in (first, path)]
            raise FaltungError(f"{first} is {sizes[0]} and {path} is {sizes[1]}; bring all to one size with --size")
