"""The data sets that have a name: their files, where they are found, and how they are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError
from faltung.training.data.cifar import members, read_records
from faltung.training.data.idx import read_idx

Half = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Pictures (N, C, H, W) and labels (N,)."""


class Official(NamedTuple):
    """A file as its authors give it out."""

    name: str
    address: str
    size: int
    sum: str
    """`sha256:…`, or `md5:…` where the authors publish that and no copy was at hand to take a stronger sum of."""


@dataclass(frozen=True)
class NamedSet:
    """One data set: its classes, its official files, the folders it may lie in, and its reader."""

    classes: tuple[str, ...] | None
    """Names of the classes; None where they stand in a file of the set."""
    files: tuple[Official, ...]
    folders: tuple[str, ...]
    """Where it may lie below a folder of data; `.` is the folder itself."""
    system: tuple[str, ...]
    """Where an operating system's package puts it."""
    holds: Callable[[Path], Path | None]
    """The home of the set in a folder, if it is there at all."""
    read: Callable[[Path], tuple[Half, Half, tuple[str, ...] | None]]
    """Training half, test half, and the names of classes where a file has them."""


IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _idx_home(folder: Path) -> Path | None:
    return folder if any(_idx_file(folder, name) for name in IDX) else None


def _read_idx_set(folder: Path, classes: int) -> tuple[Half, Half, None]:
    paths = [_idx_file(folder, name) or folder / f"{name}.gz" for name in IDX]
    halves = []
    for pictures, labels in (paths[:2], paths[2:]):
        images, numbers = read_idx(pictures, 3), read_idx(labels, 1).astype(np.int64)
        if len(images) != len(numbers) or not len(images):
            raise FaltungError(f"{pictures} has {len(images)} pictures, and {labels} {len(numbers)} labels")
        if numbers.max() >= classes:
            raise FaltungError(f"{labels}: a label is {numbers.max()}, and there are {classes} classes")
        halves.append((images[:, None], numbers))
    return halves[0], halves[1], None


def _cifar_home(folder: Path, archive: str, inner: str, first: str) -> Path | None:
    for home in (folder, folder / inner):
        if (home / first).is_file():
            return home
    return folder / archive if (folder / archive).is_file() else None


def _read_cifar(
    home: Path, train: Sequence[str], test: str, names: str, labels: int, classes: int
) -> tuple[Half, Half, tuple[str, ...]]:
    found = members(home, (*train, test, names))
    parts = [read_records(found[name], f"{home}: {name}", labels, classes) for name in train]
    words = tuple(found[names].decode("ascii", "replace").split())
    if len(words) != classes:
        raise FaltungError(f"{home}: {names} names {len(words)} classes, and there are {classes}")
    training = np.concatenate([pictures for pictures, _ in parts]), np.concatenate([those for _, those in parts])
    return training, read_records(found[test], f"{home}: {test}", labels, classes), words


_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_CIFAR = "https://www.cs.toronto.edu/~kriz/"
_CLOTHES = "T-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot"
_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))


def _official(base: str, *rows: tuple[str, int, str]) -> tuple[Official, ...]:
    return tuple(Official(name, base + name, size, checksum) for name, size, checksum in rows)


SETS = {
    "fashion-mnist": NamedSet(
        classes=tuple(_CLOTHES.split()),
        files=_official(
            _FASHION,
            (f"{IDX[0]}.gz", 26421880, "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            (f"{IDX[1]}.gz", 29515, "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (f"{IDX[2]}.gz", 4422102, "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            (f"{IDX[3]}.gz", 5148, "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
        folders=("fashion-mnist", "FashionMNIST/raw", "."),
        system=("/usr/share/datasets/fashion-mnist",),
        holds=_idx_home,
        read=partial(_read_idx_set, classes=10),
    ),
    "mnist": NamedSet(
        classes=tuple("0123456789"),
        files=_official(
            _MNIST,
            (f"{IDX[0]}.gz", 9912422, "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            (f"{IDX[1]}.gz", 28881, "md5:d53e105ee54ea40749a09fcbcd1e9432"),
            (f"{IDX[2]}.gz", 1648877, "md5:9fb629c4189551a2d022fa330f9573f3"),
            (f"{IDX[3]}.gz", 4542, "md5:ec29112dd5afa0611ce80d1b7f02629c"),
        ),
        folders=("mnist", "MNIST/raw", "."),
        system=(),
        holds=_idx_home,
        read=partial(_read_idx_set, classes=10),
    ),
    "cifar-10": NamedSet(
        classes=None,
        files=_official(_CIFAR, ("cifar-10-binary.tar.gz", 170052171, "md5:c32a1d4ab5d03f1284b67883e8d87530")),
        folders=("cifar-10", "."),
        system=(),
        holds=partial(
            _cifar_home, archive="cifar-10-binary.tar.gz", inner="cifar-10-batches-bin", first="test_batch.bin"
        ),
        read=partial(
            _read_cifar, train=_BATCHES, test="test_batch.bin", names="batches.meta.txt", labels=1, classes=10
        ),
    ),
    "cifar-100": NamedSet(
        classes=None,
        files=_official(_CIFAR, ("cifar-100-binary.tar.gz", 168513733, "md5:03b5dce01913d631647c71ecec9e9cb8")),
        folders=("cifar-100", "."),
        system=(),
        holds=partial(_cifar_home, archive="cifar-100-binary.tar.gz", inner="cifar-100-binary", first="train.bin"),
        read=partial(
            _read_cifar, train=("train.bin",), test="test.bin", names="fine_label_names.txt", labels=2, classes=100
        ),
    ),
}
"""Every data set that has a name."""
