"""Pictures in files: what is read, what is refused, and that nothing half-written remains."""

import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile

from faltung.errors import FaltungError, UnknownName
from faltung.pictures import _reading, atomic, read, to_uint8, write

RANDOM = np.random.default_rng(5)
GREY = RANDOM.integers(0, 256, (6, 5), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 5, 3), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (6, 5), dtype=np.uint16)
DEEP_COLOUR = RANDOM.integers(0, 65536, (6, 5, 3), dtype=np.uint16)


def refusal(function: Any, *arguments: Any) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(FaltungError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """Return the bytes of a PNG, true or lying, by the letters of its specification."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# Reading and writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "array"),
    [
        *((suffix, array) for suffix in (".png", ".bmp", ".tif", ".tiff", ".npy", ".PNG") for array in (GREY, COLOUR)),
        (".png", DEEP),
        *((".tif", array) for array in (DEEP, DEEP_COLOUR, np.float32(DEEP) / 7, np.float64(DEEP_COLOUR) / 7)),
        (".tif", DEEP.astype(np.int32) - 40000),
        (".npy", RANDOM.normal(size=(2, 3, 4, 5)) * 1j),
        (".npy", GREY > 99),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.dtype}-{value.ndim}",
)
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str, array: np.ndarray) -> None:
    """All formats but JPEG keep every value and the dtype."""
    write(tmp_path / f"picture{suffix}", array)
    back = read(str(tmp_path / f"picture{suffix}"))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert back.flags.writeable
    assert os.listdir(tmp_path) == [f"picture{suffix}"]


def test_small_integers_in_tiff_keep_their_values(tmp_path: Path) -> None:
    """TIFF holds signed integers of 16 bits; all readers give the same values."""
    array = DEEP.astype(np.int32).astype(np.int16)
    write(tmp_path / "a.tif", array)
    assert np.array_equal(read(tmp_path / "a.tif"), array)
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), array)


def test_bools_are_written_black_and_white(tmp_path: Path) -> None:
    """A mask becomes 0 and 255, as a bilevel picture is read."""
    write(tmp_path / "mask.png", GREY > 99)
    assert np.array_equal(read(tmp_path / "mask.png"), np.where(GREY > 99, 255, 0))
    PIL.Image.fromarray(GREY > 99).save(tmp_path / "bilevel.png")
    assert np.array_equal(read(tmp_path / "bilevel.png"), np.where(GREY > 99, 255, 0))


def test_jpeg_is_near(tmp_path: Path) -> None:
    """JPEG keeps a smooth picture to within a few greys."""
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    write(tmp_path / "ramp.jpg", ramp)
    assert np.abs(read(tmp_path / "ramp.jpg").astype(int) - ramp).max() <= 3


@pytest.mark.parametrize(
    ("mode", "name"), [("RGBA", "a.png"), ("LA", "a.png"), ("P", "a.png"), ("P", "a.gif"), ("RGBA", "a.tif")]
)
def test_palettes_are_resolved_and_alpha_is_dropped(tmp_path: Path, mode: str, name: str) -> None:
    """Whatever the mode of a file, the picture is the grey or RGB that was put in."""
    if mode == "P":
        palette = COLOUR.reshape(-1, 3)
        picture = PIL.Image.fromarray(GREY % 30)
        picture.putpalette(palette.tobytes())
        expected = palette[GREY % 30]
    else:
        expected = GREY if mode == "LA" else COLOUR
        picture = PIL.Image.fromarray(expected)
        picture.putalpha(77)
    assert picture.mode == mode
    picture.save(tmp_path / name)
    assert np.array_equal(read(tmp_path / name), expected)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    """Ink of full cyan is no red."""
    ink = np.zeros((4, 4, 4), dtype=np.uint8)
    ink[..., 0] = 255
    PIL.Image.fromarray(ink, mode="CMYK").save(tmp_path / "ink.tif")
    assert read(tmp_path / "ink.tif")[0, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tif"])
def test_the_first_frame_is_read(tmp_path: Path, name: str) -> None:
    """Of an animation or a stack of pages the first counts."""
    frames = [PIL.Image.fromarray(np.full((4, 5), grey, dtype=np.uint8)) for grey in (10, 20, 30)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    picture = read(tmp_path / name)
    assert picture.shape[:2] == (4, 5)
    assert (picture == 10).all()


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    """A camera held on its side says so in EXIF orientation 6, a quarter turn clockwise to upright."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(COLOUR).save(tmp_path / "side.png", exif=exif)
    assert np.array_equal(read(tmp_path / "side.png"), np.rot90(COLOUR, -1))


@pytest.mark.parametrize("array", [DEEP, DEEP_COLOUR, DEEP.astype(np.float64)], ids=["grey", "colour", "float"])
def test_byte_order_is_the_machines(tmp_path: Path, array: np.ndarray) -> None:
    """A big-endian file gives an array of native byte order, with the same values."""
    photometric = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", array, byteorder=">", photometric=photometric)
    picture = read(tmp_path / "a.tif")
    assert picture.dtype == array.dtype
    assert picture.dtype.isnative
    assert np.array_equal(picture, array)


def test_tiff_of_deep_planes_and_alpha(tmp_path: Path) -> None:
    """Samples of 16 bits stay, whether they lie in planes or together, and alpha goes."""
    planes = np.moveaxis(DEEP_COLOUR, -1, 0)
    tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read(tmp_path / "planes.tif"), DEEP_COLOUR)
    four = np.dstack([DEEP_COLOUR, DEEP])
    tifffile.imwrite(tmp_path / "four.tif", four, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(read(tmp_path / "four.tif"), DEEP_COLOUR)


# What is not read ----------------------------------------------------------------------------------------


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    """Each failure is one line that names the file and why."""
    path = tmp_path / "a.png"
    assert refusal(read, path) == f"cannot read {path}: No such file or directory"
    assert refusal(read, tmp_path) == f"cannot read {tmp_path}: it is a folder"
    path.touch()
    assert refusal(read, path) == f"cannot read {path}: the file is empty (0 bytes)"
    path.write_text("no picture")
    assert refusal(read, path) == f"cannot read {path}: it is not an image of a known format"
    assert refusal(read, "a\0b").startswith("cannot read a")
    assert refusal(read, None).startswith("cannot read None: ")
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(read, tmp_path / "pipe.png") == f"cannot read {tmp_path}/pipe.png: it is not a file"


def test_forbidden_files_are_refused(tmp_path: Path) -> None:
    """A file that the user may not read is named; root, who may read everything, becomes nobody for it."""
    write(tmp_path / "a.png", GREY)
    read(tmp_path / "a.png")  # loads what reading needs, while it still may
    (tmp_path / "a.png").chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        said = refusal(read, tmp_path / "a.png")
    finally:
        os.seteuid(user)
    assert said == f"cannot read {tmp_path}/a.png: Permission denied"


@pytest.mark.parametrize(
    ("width", "height", "says"),
    [
        (11586, 11586, "11586 x 11586 = 134235396 pixels"),
        (20000, 20000, "400000000 pixels"),
        (2**31 - 1, 2**31 - 1, f"{(2**31 - 1) ** 2} pixels"),
    ],
)
def test_bombs_are_refused_unread(tmp_path: Path, width: int, height: int, says: str) -> None:
    """A small file that claims too many pixels is refused by its header alone."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, 8, 0, b"\0"))
    assert refusal(read, path) == f"cannot read {path}: {says} are more than the 134217728 that are decoded"


def test_the_limit_itself_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of just as many pixels as the limit is read; TIFF is under the same limit."""
    monkeypatch.setattr(_reading, "LARGEST_PICTURE", 30)
    for name, array in (("a.png", GREY), ("a.tif", DEEP_COLOUR), ("f.tif", GREY.astype(np.float64))):
        write(tmp_path / name, array)
        assert np.array_equal(read(tmp_path / name), array)
    monkeypatch.setattr(_reading, "LARGEST_PICTURE", 29)
    for name in ("a.png", "a.tif", "f.tif"):
        assert refusal(read, tmp_path / name).endswith("5 x 6 = 30 pixels are more than the 29 that are decoded")


def test_colour_of_16_bits_is_never_cut_to_8(tmp_path: Path) -> None:
    """Pillow keeps 8 of the 16 bits of a colour PNG; it is refused rather than changed."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in DEEP_COLOUR)
    path = tmp_path / "deep.png"
    path.write_bytes(png(5, 6, 16, 2, rows))
    assert refusal(read, path) == (f"cannot read {path}: PNG colour of 16 bits would lose 8 of them; save it as TIFF")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "deep.tif", "a.npy", "a.gif", "a.webp"])
def test_files_cut_off_anywhere_are_refused(tmp_path: Path, name: str) -> None:
    """A beginning of a file is refused, unless all pixels are in it; and nothing is warned of."""
    array = (DEEP_COLOUR if name == "deep.tif" else COLOUR).repeat(4, axis=0).repeat(4, axis=1)
    if name[-3:] in ("gif", "ebp"):
        PIL.Image.fromarray(array).save(tmp_path / name)
    else:
        write(tmp_path / name, array)
    whole = (tmp_path / name).read_bytes()
    picture = read(tmp_path / name)
    assert picture.shape == array.shape
    lengths, refused = range(1, len(whole), max(1, len(whole) // 50)), 0
    for length in lengths:
        (tmp_path / name).write_bytes(whole[:length])
        try:
            assert np.array_equal(read(tmp_path / name), picture)
        except FaltungError as problem:
            assert str(problem).startswith(f"cannot read {tmp_path / name}: ")  # noqa: PT017
            refused += 1
    assert refused > 0.9 * len(lengths)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "deep.tif", "a.npy", "a.gif"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    """Whatever bytes are damaged, there is a picture or one line, never another error or a warning."""
    array = DEEP_COLOUR if name == "deep.tif" else COLOUR
    if name == "a.gif":
        PIL.Image.fromarray(array).save(tmp_path / name)
    else:
        write(tmp_path / name, array)
    whole = np.frombuffer((tmp_path / name).read_bytes(), dtype=np.uint8)
    random = np.random.default_rng(11)
    for _ in range(60):
        damaged = whole.copy()
        where = random.integers(0, len(whole), 3)
        damaged[where] = random.integers(0, 256, 3)
        (tmp_path / name).write_bytes(damaged.tobytes())
        try:
            assert read(tmp_path / name).ndim >= 2
        except FaltungError as problem:
            assert "\n" not in str(problem)  # noqa: PT017 - both outcomes are right


def test_arrays_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    """A .npy file of objects is never unpickled; rows and columns of numbers are asked for."""
    path = tmp_path / "a.npy"
    np.save(path, np.array([[print]], dtype=object), allow_pickle=True)
    assert "Python objects" in refusal(read, path)
    np.save(path, np.arange(3))
    assert refusal(read, path) == f"cannot read {path}: a picture has rows and columns, the array has shape (3,)"
    np.save(path, np.array([["a"]]))
    assert refusal(read, path) == f"cannot read {path}: it holds <U1, not numbers"
    np.savez(tmp_path / "a.npz", a=GREY)
    (tmp_path / "a.npz").rename(path)
    assert refusal(read, path).endswith("it is not a NumPy array, for it does not begin with \\x93NUMPY")
    np.save(path, GREY)
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(read, path) == f"cannot read {path}: the file is cut off: its 157 bytes are too few"


# What is not written -------------------------------------------------------------------------------------


def test_what_a_format_does_not_hold_is_refused(tmp_path: Path) -> None:
    """Nothing is rounded, scaled or cut off in writing: the line says what to do, and no file appears."""
    says = f"cannot write {tmp_path}/a"
    assert refusal(write, tmp_path / "a.png", GREY / 2) == (
        f"{says}.png: grey .png holds uint8 or uint16, got float64; see faltung.pictures.to_uint8"
    )
    assert refusal(write, tmp_path / "a.png", DEEP_COLOUR) == (
        f"{says}.png: colour .png holds uint8, got uint16; see faltung.pictures.to_uint8"
    )
    assert refusal(write, tmp_path / "a.jpg", DEEP).startswith(f"{says}.jpg: grey .jpg holds uint8, got uint16")
    assert refusal(write, tmp_path / "a.png", np.ones((2, 3, 4), np.uint8)) == (
        f"{says}.png: a picture has shape (H, W) or (H, W, 3), got (2, 3, 4)"
    )
    assert refusal(write, tmp_path / "a.png", np.ones((0, 3), np.uint8)).endswith("got (0, 3)")
    assert refusal(write, tmp_path / "a.npy", np.array([None])) == f"{says}.npy: the array holds object, not numbers"
    assert refusal(write, tmp_path / "a.png", [[1], [1, 2]]).startswith(f"{says}.png: setting an array element")
    with pytest.raises(UnknownName) as caught:
        write(tmp_path / "a.pgn", GREY)
    assert str(caught.value).startswith("unknown picture format '.pgn'; did you mean .png")
    assert refusal(write, tmp_path / "a", GREY).startswith("unknown picture format 'a'; known: .bmp, .jpeg, ")
    missing = tmp_path / "no" / "a.png"
    assert refusal(write, missing, GREY) == f"cannot write {missing}: there is no folder {tmp_path}/no"
    (tmp_path / "b.png").mkdir()
    assert refusal(write, tmp_path / "b.png", GREY) == f"cannot write {tmp_path}/b.png: it is a folder"
    assert os.listdir(tmp_path) == ["b.png"]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, SystemExit, RuntimeError, OSError(28, "No space left")])
def test_nothing_half_written_remains(tmp_path: Path, problem: Any) -> None:
    """Interrupted anywhere, the folder is as it was before."""
    (tmp_path / "page.html").write_text("old")

    def interrupted() -> None:
        with atomic(tmp_path / "page.html") as temporary:
            temporary.write_text("half of it")
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".html"
            raise problem

    with pytest.raises((FaltungError, KeyboardInterrupt, SystemExit, RuntimeError)) as caught:
        interrupted()
    if isinstance(problem, OSError):
        assert str(caught.value) == f"cannot write {tmp_path}/page.html: No space left"
    assert os.listdir(tmp_path) == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "old"


def test_an_encoder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """JPEG ends at 65500 pixels a side; the line says so and no file is left."""
    assert refusal(write, tmp_path / "long.jpg", np.zeros((1, 70000), np.uint8)).startswith(
        f"cannot write {tmp_path}/long.jpg: "
    )
    assert os.listdir(tmp_path) == []


def test_another_files_problem_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    """An OSError about some other file passes through."""
    with pytest.raises(FileNotFoundError, match="other"), atomic(tmp_path / "page.html"):
        (tmp_path / "other").read_text()
    assert os.listdir(tmp_path) == []


def test_files_are_replaced_as_they_were(tmp_path: Path) -> None:
    """A replaced file keeps its permissions, a link stays a link, a new file has the usual permissions."""
    (tmp_path / "usual").touch()
    write(tmp_path / "a.png", GREY)
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == usual
    (tmp_path / "a.png").chmod(0o640)
    (tmp_path / "link.png").symlink_to("a.png")
    write(tmp_path / "link.png", COLOUR)
    assert (tmp_path / "link.png").is_symlink()
    assert np.array_equal(read(tmp_path / "a.png"), COLOUR)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


def test_devices_are_not_replaced() -> None:
    """A device is no file to put a picture in the place of."""
    with pytest.raises(FaltungError) as caught, atomic(os.devnull):
        pass
    assert str(caught.value) == f"cannot write {os.devnull}: it is not a file"


# Making answers viewable ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "mode", "greys", "sentence"),
    [
        ([[0, 99.5, 255]], "clip", [0, 100, 255], "clip: 0 is black and 255 white, rounded"),
        (
            [[-3, 7, 300]],
            "clip",
            [0, 7, 255],
            "clip: 0 is black and 255 white, rounded; 2 of 3 values outside are cut off",
        ),
        ([[-10, 0, 5]], "signed", [1, 128, 192], "signed: 0 is mid-grey, -10 to 10 is black to white"),
        ([[0, 0]], "signed", [128, 128], "signed: 0 is mid-grey, and there is nothing else"),
        ([[-10, 0, 5]], "absolute", [255, 0, 128], "absolute: 0 is black, magnitude 10 is white"),
        (np.array([[3 + 4j, 0]]), "auto", [255, 0], "absolute: 0 is black, magnitude 5 is white"),
        (np.array([[True, False]]), "auto", [255, 0], "absolute: 0 is black, magnitude 1 is white"),
        ([[0.0, 0.0]], "auto", [0, 0], "absolute: 0 is black, and there is nothing else"),
        ([[0.0, 0.5]], "auto", [0, 255], "absolute: 0 is black, magnitude 0.5 is white"),
        ([[0, 1]], "auto", [0, 1], "clip: 0 is black and 255 white, rounded"),
        ([[0, 510]], "auto", [0, 255], "absolute: 0 is black, magnitude 510 is white"),
        ([[0, -1]], "auto", [128, 1], "signed: 0 is mid-grey, -1 to 1 is black to white"),
        (
            [[np.nan, -2, np.inf, -np.inf]],
            "auto",
            [128, 1, 255, 1],
            "signed: 0 is mid-grey, -2 to 2 is black to white; 3 of 4 values are not finite: NaN is shown as "
            "0, infinities as extremes",
        ),
        (
            [[np.nan, 2.0, np.inf]],
            "auto",
            [0, 2, 255],
            "clip: 0 is black and 255 white, rounded; 2 of 3 values are not finite: NaN is shown as 0, "
            "infinities as extremes",
        ),
    ],
)
def test_greys_and_what_they_mean(array: Any, mode: str, greys: list[int], sentence: str) -> None:
    """The greys follow the mode, and one sentence says what was done with the numbers."""
    picture, said = to_uint8(array, mode)
    assert picture.dtype == np.uint8
    assert picture.tolist() == [greys]
    assert said == sentence


@pytest.mark.parametrize("values", [[[-(2**63), 2**63 - 1]], [[-1e308, 1e308]], [[-5e-324, 5e-324]]])
def test_extreme_numbers_fill_the_range(values: Any) -> None:
    """Neither huge nor tiny magnitudes overflow."""
    assert to_uint8(values)[0].tolist() == [[1, 255]]


def test_only_numbers_are_shown() -> None:
    """Text, nothing, complex signs and unknown modes are refused."""
    assert refusal(to_uint8, [["a"]]) == "to_uint8: the array holds <U1, not numbers"
    assert refusal(to_uint8, np.ones((0, 2))) == "to_uint8: the array is empty, its shape is (0, 2)"
    assert refusal(to_uint8, [[1j]], "signed") == (
        "to_uint8: complex numbers have a magnitude only, mode 'signed' needs a sign"
    )
    assert refusal(to_uint8, [[1]], "sined") == "unknown mode 'sined'; did you mean signed?"
    assert refusal(to_uint8, np.array([[None]])).startswith("to_uint8: the array cannot be read as numbers")
