"""Data sets: what a file holds is read whole, or refused by name; downloads are summed, resumed, and never half there."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from faltung.errors import FaltungError
from faltung.training.data import SETS, load, read_idx
from faltung.training.data.cifar import read_records
from faltung.training.data.download import download
from faltung.training.data.idx import read_bytes
from faltung.training.data.sets import Official

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def idx(array: np.ndarray) -> bytes:
    """Return an array as an IDX file, written with struct from the format's description."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_set(
    folder: Path, train: int = 60, test: int = 20, seed: int = 0, packed: bool = True
) -> dict[str, np.ndarray]:
    """Write a small set of 28x28 pictures under the names of MNIST; a class is the row of a bright bar."""
    numbers = np.random.default_rng(seed)
    arrays = {}
    folder.mkdir(parents=True, exist_ok=True)
    for half, count in (("train", train), ("t10k", test)):
        labels = numbers.integers(0, 10, count)
        pictures = numbers.integers(0, 80, (count, 28, 28))
        pictures[np.arange(count), 4 + 2 * labels] = 255
        arrays |= {f"{half}-images-idx3-ubyte": pictures, f"{half}-labels-idx1-ubyte": labels}
    for name, array in arrays.items():
        content = idx(array)
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content, 1) if packed else content)
    return arrays


@pytest.mark.parametrize("packed", [True, False])
def test_idx_sets(tmp_path, packed):
    """What was written is read, from plain files and packed ones, in a folder of the set's name or in the folder itself."""
    arrays = write_set(tmp_path / "mnist", packed=packed)
    for folder in (tmp_path, tmp_path / "mnist"):
        data = load("mnist", data=folder)
        assert np.array_equal(data.pictures[:, 0], arrays["train-images-idx3-ubyte"])
        assert np.array_equal(data.labels, arrays["train-labels-idx1-ubyte"])
        assert np.array_equal(data.test_pictures[:, 0], arrays["t10k-images-idx3-ubyte"])
        assert np.array_equal(data.test_labels, arrays["t10k-labels-idx1-ubyte"])
        assert (data.pictures.dtype, data.labels.dtype, len(data.classes)) == (np.uint8, np.int64, 10)


WHOLE = idx(np.arange(12).reshape(2, 2, 3))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "{}: an IDX file of bytes with 3 axes begins with 00 00 08 03, this one with nothing"),
        (b"\x00\x00\x0d\x03" + WHOLE[4:], "{}: an IDX file of bytes with 3 axes begins with 00 00 08 03, this one with 00 00 0d 03"),
        (b"\x00\x00\x08\x01" + WHOLE[4:], "{}: an IDX file of bytes with 3 axes begins with 00 00 08 03, this one with 00 00 08 01"),
        (WHOLE[:10], "{} is cut off: its header has 16 bytes, the file 10"),
        (WHOLE[:-1], "{} is cut off: 2x2x3 = 12 bytes are announced, 11 follow"),
        (WHOLE + b"!", "{} is too long: 2x2x3 = 12 bytes are announced, 13 follow"),
        (gzip.compress(WHOLE, mtime=0)[:-3], "{} is cut off: its gzip packing does not end within {size} bytes"),
    ],
)  # fmt: skip
def test_damaged_idx(tmp_path, content, error):
    """Every way to be damaged has its words, with what was expected and what is there."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FaltungError) as said:
        read_idx(path, 3)
    assert str(said.value) == error.format(path, size=len(content))


def test_a_flipped_bit_does_not_pass(tmp_path):
    """A changed bit of a packed file is found by gzip's own sum, or changes nothing of what it holds."""
    array = np.random.default_rng(0).integers(0, 256, (3, 9, 9))
    packed = bytearray(gzip.compress(idx(array), mtime=0))
    path = tmp_path / "file.gz"
    found = 0
    for at in range(10, len(packed) - 4, 17):
        packed[at] ^= 0x10
        path.write_bytes(packed)
        try:
            assert np.array_equal(read_idx(path, 3), array)
        except FaltungError:
            found += 1
        packed[at] ^= 0x10
    assert found > 10


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    """A small file cannot ask for any amount of memory."""
    monkeypatch.setattr("faltung.training.data.idx.LARGEST", 10_000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(10_001)))
    with pytest.raises(FaltungError, match="unpacks to more than 10000 bytes"):
        read_bytes(path)


def test_sets_that_do_not_fit_together(tmp_path):
    """Pictures and labels of different number, labels that are no class, and a missing file are told."""
    arrays = write_set(tmp_path, packed=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(7)))
    with pytest.raises(
        FaltungError, match=r"train-images-idx3-ubyte has 60 pictures, and .*train-labels-idx1-ubyte 7 labels"
    ):
        load("mnist", data=tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.full(60, 10)))
    with pytest.raises(FaltungError, match="a label is 10, and there are 10 classes"):
        load("mnist", data=tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(arrays["train-labels-idx1-ubyte"]))
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FaltungError, match=r"cannot read .*t10k-images-idx3-ubyte.gz: No such file"):
        load("mnist", data=tmp_path)


def cifar_files(
    numbers: np.random.Generator, labels: int, classes: int
) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    """Return the files of a tiny CIFAR in its binary version, and what they hold for training."""
    names = [f"data_batch_{n}.bin" for n in range(1, 6)] if labels == 1 else ["train.bin"]
    files, pictures, found = {}, [], []
    for name in [*names, "test_batch.bin" if labels == 1 else "test.bin"]:
        batch = numbers.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
        label = numbers.integers(0, classes, (4, labels), dtype=np.uint8)
        files[name] = b"".join(one.tobytes() + picture.tobytes() for one, picture in zip(label, batch, strict=True))
        if name in names:
            pictures.append(batch)
            found.append(label[:, -1])
    words = "batches.meta.txt" if labels == 1 else "fine_label_names.txt"
    files[words] = "\n".join(f"class-{n}" for n in range(classes)).encode() + b"\n\n"
    return files, np.concatenate(pictures), np.concatenate(found)


@pytest.mark.parametrize(
    ("name", "inner", "labels", "classes"),
    [("cifar-10", "cifar-10-batches-bin", 1, 10), ("cifar-100", "cifar-100-binary", 2, 100)],
)
def test_cifar(tmp_path, name, inner, labels, classes):
    """The binary version is read from its folder and from its archive: the fine label, channel by channel."""
    files, pictures, found = cifar_files(np.random.default_rng(0), labels, classes)
    archive = tmp_path / "packed" / f"{name}-binary.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as packed:
        for file, content in files.items():
            (tmp_path / name / inner).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / inner / file).write_bytes(content)
            entry = tarfile.TarInfo(f"{inner}/{file}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    for folder in (tmp_path, archive.parent):
        data = load(name, data=folder)
        assert np.array_equal(data.pictures, pictures)
        assert np.array_equal(data.labels, found)
        assert (data.classes[3], len(data.test_labels)) == ("class-3", 4)
    archive.write_bytes(archive.read_bytes()[:-400])
    with pytest.raises(FaltungError, match=r"tar.gz is (cut off|damaged)"):
        load(name, data=archive.parent)


def test_cifar_records():
    """A part of a record and a label that is no class are told."""
    with pytest.raises(
        FaltungError, match="records have 3073 bytes each; the file's 3072 bytes are 0 of them and 3072 left over"
    ):
        read_records(bytes(3072), "x", 1, 10)
    with pytest.raises(FaltungError, match="x: record 1 has label 10, and there are 10 classes"):
        read_records(bytes(3073) + bytes([10]) + bytes(3072), "x", 1, 10)


def test_pickles_are_never_read(tmp_path):
    """CIFAR's Python version is refused by name, whatever it would do."""

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(FaltungError, match="Python version, which is pickled and never read: take the binary one"):
        load("cifar-10", data=tmp_path)
    assert not (tmp_path / "touched").exists()


def write_picture(path: Path, value: int, size: tuple[int, int] = (8, 6), colour: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3) if colour else size, value, np.uint8)).save(path)


def test_a_folder_of_pictures(tmp_path):
    """Classes are folders in the order of their names; every fifth picture of each is for the test."""
    for number in range(10):
        write_picture(tmp_path / "dog" / f"{number}.png", 100 + number)
        write_picture(tmp_path / "cat" / f"{number}.png", number)
    data = load(str(tmp_path))
    assert data.classes == ("cat", "dog")
    assert data.pictures.shape == (16, 1, 8, 6)
    assert data.pictures[:, 0, 0, 0].tolist() == [
        *(n for n in range(9) if n != 4),
        *(100 + n for n in range(9) if n != 4),
    ]
    assert data.test_pictures[:, 0, 0, 0].tolist() == [4, 9, 104, 109]
    assert data.test_labels.tolist() == [0, 0, 1, 1]
    write_picture(tmp_path / "cat" / "0.png", 7, (9, 9), colour=True)
    with pytest.raises(FaltungError, match=r"0.png is 9x9 and .* is 8x6; bring all to one size with --size"):
        load(str(tmp_path))
    assert load(str(tmp_path), size=5).pictures.shape == (16, 3, 5, 5)
    (tmp_path / "cat" / "1.png").write_bytes(b"no picture")
    with pytest.raises(FaltungError, match=r"cannot read .*cat/1.png"):
        load(str(tmp_path), size=5)


def test_a_folder_with_its_own_test(tmp_path):
    """`train` and `test` are taken as they are, if they have the same classes."""
    for half, values in (("train", (1, 2)), ("test", (3,))):
        for name in ("a", "b"):
            for value in values:
                write_picture(tmp_path / half / name / f"{value}.png", value)
    data = load(str(tmp_path))
    assert data.pictures[:, 0, 0, 0].tolist() == [1, 2, 1, 2]
    assert data.test_pictures[:, 0, 0, 0].tolist() == [3, 3]
    write_picture(tmp_path / "test" / "c" / "1.png", 1)
    with pytest.raises(FaltungError, match="the class 'c' is in only one of train and test"):
        load(str(tmp_path))


def test_where_data_are_looked_for(tmp_path, monkeypatch):
    """--data first and alone; then $FALTUNG_DATA in a folder of the set's name; what is found nowhere is told."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FALTUNG_DATA", str(tmp_path / "all"))
    write_set(tmp_path / "all", seed=1)
    with pytest.raises(
        FaltungError,
        match=r"mnist is not in \$FALTUNG_DATA .* nor in .*cache/faltung/mnist; --download fetches the official files \(11.6 MB\)",
    ):
        load("mnist")
    write_set(tmp_path / "all" / "mnist", seed=2)
    write_set(tmp_path / "mine", seed=3)
    found = {load("mnist").fingerprint, load("mnist", data=tmp_path / "all" / "mnist").fingerprint}
    assert len(found) == 1
    assert load("mnist", data=tmp_path / "mine").fingerprint not in found
    with pytest.raises(FaltungError, match="unknown data set 'fashion_mnist'; did you mean fashion-mnist"):
        load("fashion_mnist")


CONTENT = np.random.default_rng(0).integers(0, 256, 600_000, dtype=np.uint8).tobytes()
SUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def server():
    """Serve CONTENT on this machine; `breaks` has after how many bytes each connection breaks, `ranges` what was asked."""

    class Handler(BaseHTTPRequestHandler):
        breaks: ClassVar[list[int]] = []
        ranges: ClassVar[list[str | None]] = []
        honours_range = True

        def do_GET(self):
            asked = self.headers.get("Range")
            self.ranges.append(asked)
            if self.path != "/file":
                self.send_error(404)
                return
            start = int(asked[6:-1]) if asked and self.honours_range else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            part = CONTENT[start:]
            self.wfile.write(part[: self.breaks.pop(0)] if self.breaks else part)

        def log_message(self, *_):
            pass

    Handler.breaks, Handler.ranges = [], []
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield Handler, f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


@pytest.mark.parametrize("honours_range", [True, False])
def test_a_download_goes_on_where_it_broke(tmp_path, server, honours_range):
    """After a broken connection the file is not there; the next call fetches the rest alone, and it is the file."""
    handler, address = server
    handler.breaks, handler.honours_range = [200_000], honours_range
    path = tmp_path / "below" / "file"
    with pytest.raises(
        FaltungError,
        match=f"{address}/file: the connection broke after 200000 of 600000 bytes; the next try goes on there",
    ):
        download(f"{address}/file", path, 600_000, SUM)
    assert not path.exists()
    told = []
    download(f"{address}/file", path, 600_000, SUM, lambda *now: told.append(now))
    assert path.read_bytes() == CONTENT
    assert handler.ranges == [None, "bytes=200000-"]
    assert told[-1] == ("file", 600_000, 600_000)
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_another_file_is_thrown_away(tmp_path, server):
    """A file whose sum is wrong is never put in place, and does not spoil the next try."""
    _, address = server
    path = tmp_path / "file"
    with pytest.raises(FaltungError, match=f"is not the file that was expected: its sha256 is {SUM[7:]}, not 00"):
        download(f"{address}/file", path, 600_000, "sha256:00")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FaltungError, match="the server answers 404 Not Found"):
        download(f"{address}/other", path, 600_000, SUM)
    assert list(tmp_path.iterdir()) == []


def test_a_set_is_fetched_once(tmp_path, monkeypatch):
    """--download brings the files that are missing, of a set that is there in part too; then they are found."""
    write_set(tmp_path / "far")
    files = tuple(
        Official(
            path.name, path.as_uri(), path.stat().st_size, f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        )
        for path in sorted((tmp_path / "far").iterdir())
    )
    monkeypatch.setitem(SETS, "mnist", replace(SETS["mnist"], files=files))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FALTUNG_DATA", raising=False)
    told = []
    data = load("mnist", fetch=True, progress=lambda *now: told.append(now[0]))
    assert data.fingerprint == load("mnist", data=tmp_path / "far").fingerprint == load("mnist").fingerprint
    assert sorted(set(told)) == [file.name for file in files]
    (tmp_path / "cache" / "faltung" / "mnist" / files[2].name).unlink()
    told.clear()
    assert load("mnist", fetch=True, progress=lambda *now: told.append(now[0])).fingerprint == data.fingerprint
    assert set(told) == {files[2].name}


def test_official_sums_are_whole():
    """Every official file has a sum of its algorithm's length and a size."""
    for found in SETS.values():
        for file in found.files:
            algorithm, _, digest = file.sum.partition(":")
            assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
            assert file.size > 1000
            assert file.address.startswith("https://")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="FASHION-MNIST IS MISSING: apt-get install dataset-fashion-mnist")
def test_the_real_fashion_mnist():
    """Debian's copy is the official one: 6,000 and 1,000 pictures a class, and the published files but for gzip's header.

    Debian strips time and name from gzip's header. Put back, the files have the sums that the authors publish (MD5,
    zalandoresearch/fashion-mnist, README) and that a download is held to.
    """
    data = load("fashion-mnist", data=DEBIAN)
    assert data.pictures.shape == (60_000, 1, 28, 28)
    assert np.bincount(data.labels).tolist() == [6000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    published = {
        "train-images-idx3-ubyte": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 1504176606),
        "train-labels-idx1-ubyte": ("25c81989df183df01b3e8a0aad5dffbe", 1504176606),
        "t10k-images-idx3-ubyte": ("bef4ecab320f06d8554ea6380940ec79", 1504176627),
        "t10k-labels-idx1-ubyte": ("bb300cfdad3c16e7a12a480ee83cd310", 1504176627),
    }
    sums = {file.name: file.sum for file in SETS["fashion-mnist"].files}
    for name, (md5, packed_at) in published.items():
        stripped = (DEBIAN / f"{name}.gz").read_bytes()
        header = b"\x1f\x8b\x08\x08" + struct.pack("<I", packed_at) + stripped[8:10] + name.encode() + b"\x00"
        official = header + stripped[10:]
        assert hashlib.md5(official).hexdigest() == md5
        assert f"sha256:{hashlib.sha256(official).hexdigest()}" == sums[f"{name}.gz"]
