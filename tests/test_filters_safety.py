"""Nothing outside the arrays is read or written, and what cannot be is refused before memory is asked for."""

import contextlib
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.errors import FaltungError
from faltung.filters import _engine, _native, convolve, correlate
from tests.layouts import Layout, layouts
from tests.test_filters_ways import calls

CORE = _native.core
METHODS = ("direct", "sparse", "separable", "fft")
PIXELS = ("?", "u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">u4", "<i4", ">i4", "<i8", ">i8", "<u8", ">u8")
FLOATS = ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8")

often = settings(derandomize=True, deadline=None, max_examples=150)
native = pytest.mark.skipif(CORE is None, reason="the compiled core is not there")


def every_level() -> Iterator[str]:
    """Go through the levels of vector instructions, and back to the best."""
    if CORE is None:
        yield "numpy"
        return
    try:
        for level in CORE.levels():
            CORE.use_level(level)
            yield level
    finally:
        CORE.use_level(CORE.levels()[0])


@given(
    calls(),
    st.sampled_from([(), (), (1,), (0,), (3, 0), (2, 1)]),
    st.sampled_from(PIXELS + FLOATS),
    st.tuples(layouts(), layouts(), layouts()),
    st.booleans(),
    st.integers(1, 5),
)
@often
def test_bytes_around_the_arrays_are_neither_read_nor_written(
    call: Any, batch: tuple[int, ...], pixel: str, lays: tuple[Layout, Layout, Layout], flip: bool, threads: int
) -> None:
    """In any layout answers are those of Python's integers, and no other byte changes, by each way at each level."""
    shape, kernel_shape, how = call
    shape, operator = (*batch, *shape), convolve if flip else correlate
    random = np.random.default_rng(lays[0].seed)
    image, kernel = lays[0].lay(shape, pixel, 0xFF), lays[1].lay(kernel_shape, "<i2", 0xFF)  # 0xFF: NaN, among floats
    image.array[...] = random.integers(0, 2 if pixel == "?" else 10, shape)
    kernel.array[...] = random.integers(-3, 4, kernel_shape)
    image.array.flags.writeable = kernel.array.flags.writeable = False
    before = image.memory.tobytes(), kernel.memory.tobytes()
    exact = operator(image.array.astype(int).astype(object), kernel.array.astype(int).astype(object), **how)
    answer = operator(image.array, kernel.array, **how)
    whole = answer.dtype.kind == "i"
    methods = METHODS[:2] if pixel[-2:] in ("i8", "u8") else METHODS  # transforms do not keep 64 bits
    for level in every_level():
        found = [operator(image.array, kernel.array, threads=threads, **how)]
        for method in methods:
            out = lays[2].lay(exact.shape, answer.dtype, 0xA5)
            around = out.around()
            operator(image.array, kernel.array, method=method, threads=threads, out=out.array, **how)
            assert out.around() == around, (level, method)
            found.append(out.array)
        for each in found:
            error = each.astype(float) - exact.astype(float)
            # These sums are whole in every float; only transforms round, and halves that hold no sum above 2048.
            assert np.abs(error).max(initial=0) <= (0 if whole else 1 if pixel[-2:] == "f2" else 1e-3), level
    assert (image.memory.tobytes(), kernel.memory.tobytes()) == before


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">f4", "<f8"])
@pytest.mark.parametrize("shape", [(1, 9000), (9000, 1), (40, 3001), (1030, 37)])
@pytest.mark.parametrize("kernel", [(1, 7), (7, 1), (5, 5), (1, 1)])
def test_long_rows_and_columns(shape: tuple[int, int], kernel: tuple[int, int], dtype: str) -> None:
    """Where the work is cut into bands and blocks, too, no other byte changes and none is read."""
    image, random = Layout(3).lay(shape, dtype, 0xFF), np.random.default_rng(0)
    image.array[...] = random.integers(0, 100, shape)
    taps = np.outer(random.integers(-3, 4, kernel[0]), random.integers(1, 4, kernel[1]))
    exact = correlate(image.array.astype(int).astype(object), taps.astype(object), padding="same")
    name = correlate(image.array, taps, padding="same").dtype
    for level in every_level():
        for method in METHODS:
            out = Layout(4).lay(shape, name, 0xA5)
            around = out.around()
            correlate(image.array, taps, padding="same", method=method, threads=3, out=out.array)
            assert out.around() == around, (level, method)
            assert np.abs(out.array.astype(float) - exact.astype(float)).max() <= 1e-2, (level, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("moved", [(0, 0), (0, 1), (1, 0), (3, 2)])
def test_an_out_that_shares_memory_with_the_image(method: str, moved: tuple[int, int]) -> None:
    """The answers are as if the image had been copied first."""
    memory = np.random.default_rng(0).integers(0, 9, (50, 60)).astype(np.float32)
    image, out = memory[3:-3, 3:-3], memory[3 - moved[0] : 47 - moved[0], 3 - moved[1] : 57 - moved[1]][::-1]
    right = correlate(image.copy(), np.ones((3, 3)), padding="same", method=method)
    assert correlate(image, np.ones((3, 3)), padding="same", method=method, out=out) is out
    assert (out == right).all()


@native
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["u1", ">u2", ">i4", "<f4", ">f4", ">f8", "<f2"])
def test_pictures_are_not_copied(method: str, dtype: str) -> None:
    """Whatever the steps, the byte order and the permissions, no room but that of the answers is asked of Python."""
    colours = np.zeros((500, 400, 3), dtype)
    frozen = np.zeros((500, 400), dtype)
    frozen.flags.writeable = False
    views = (
        np.moveaxis(colours, -1, 0),
        colours[::-1, ::-1, 1],
        frozen,
        colours[..., 2].T,
        np.broadcast_to(frozen, (2, 500, 400)),
    )
    kernel = np.outer([1, 2, 1], [1, 0, -1])
    for image in views:
        out = correlate(image, kernel, method=method)
        tracemalloc.start()
        correlate(image, kernel, method=method, out=out)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 50_000  # bytes; the least of these pictures has 200 000


HUGE = np.broadcast_to(np.int8(1), (2**25, 2**25))


@pytest.mark.parametrize(
    ("image", "kernel", "how", "text"),
    [
        (HUGE, np.ones((3, 3)), {}, "Unable to allocate"),
        (HUGE, np.ones((9, 9)), {"method": "fft"}, "Unable to allocate"),
        (HUGE, np.broadcast_to(np.int8(9), (2**13, 1, 1)), {}, "are more than any memory holds"),
        (np.broadcast_to(np.int8(1), (2**20, 2**21, 2**20)), [[1]], {}, "Unable to allocate"),
        (np.ones((5, 5)), np.broadcast_to(1.0, (2**25, 2**25)), {}, "must be at most 65536"),
        (np.ones((5, 5)), np.broadcast_to(1.0, (2**15, 2**15)), {}, "a window of 32768 (k=32768, d=1) does not fit"),
        (np.ones((5, 5)), np.ones((3, 3)), {"stride": 10**6}, "stride 1000000 must be at most 65536"),
        (np.ones((5, 5)), np.ones((3, 3)), {"stride": 2**70}, "must be at most 65536"),
        (np.ones((1, 1)), np.ones((2, 2)), {"padding": 2**19, "dilation": 2**20 - 1}, "dilation 1048575 must be at most 65536"),
        (np.ones((1, 1)), np.ones((1, 1)), {"padding": 2**24}, "Unable to allocate"),
        (np.ones((1, 1)), np.ones((1, 1)), {"padding": 2**25}, "67108865 padded pixels (n=1, p=33554432+33554432) are more than 67108864"),
        (np.ones((1, 1)), np.ones((1, 1)), {"padding": 2**70}, "are more than 67108864"),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_before_memory_is_asked_for(image: Any, kernel: Any, how: Any, text: str) -> None:
    """In one line."""
    resource = pytest.importorskip("resource")  # not on Windows
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FaltungError) as refused:
        correlate(image, kernel, **how)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # in KiB; macOS: in bytes
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_widest_steps_that_there_are() -> None:
    """Strides and dilations of 65536 are computed, with little memory, and answer by the formula."""
    image = np.arange(7 * 70000, dtype=np.int32).reshape(7, 70000)
    assert correlate(image, [[1, 1]], dilation=(1, 65536), stride=(3, 65536)).tolist() == [
        [int(image[i, 0]) + int(image[i, 65536])] for i in (0, 3, 6)
    ]
    assert correlate(image, [[1]], stride=65536).tolist() == [[0, 65536]]


@pytest.mark.parametrize("threads", [2**20, 2**40, 2**70])
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_more_threads_than_there_can_be(threads: int, method: str) -> None:
    """Are as many as there are."""
    assert (correlate(np.ones((300, 300)), np.ones((9, 9)), threads=threads, method=method).round(6) == 81).all()


ODD = [
    -(2**63),
    -(2**40),
    -1,
    0,
    1,
    2,
    3,
    4,
    7,
    2**16 + 1,
    2**26,
    2**31,
    2**40,
    2**62,
    2**63 - 1,
    2**70,
    None,
    1.5,
    "x",
]


@st.composite
def spoiled(draw: st.DrawFn) -> list[Any]:
    """Draw arguments of `run` that fit, and spoil some."""
    spectra = draw(st.sampled_from([None, np.ones((1, 2, 16, 16)), np.ones((2, 2, 16, 16)), np.ones(3, int), "x"]))
    axes = [[6, 4, 3, 1, 1, 0], [7, 5, 3, 1, 1, 0]]
    boundary, sparse = draw(st.sampled_from([0, 1, 2, 3, 4, -1])), draw(st.booleans())
    split = draw(st.sampled_from([0, 0, 2, 2.0**52, 3, -2, float("nan"), float("inf")]))
    arguments = [None, None, None, *axes, boundary, 0, sparse, 1, 16, 16, spectra, split]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(3, 10))
        if at < 5:
            arguments[at][draw(st.integers(0, 5))] = draw(st.sampled_from(ODD))
        else:
            arguments[at] = draw(st.sampled_from(ODD))
    arguments[3:5] = [
        draw(st.sampled_from([tuple(axis), tuple(axis), tuple(axis), axis, tuple(axis[:4])])) for axis in axes
    ]
    return arguments


KINDS = ("<f8", "<f8", "<f4", ">f8", "<i4", "<i2", "i1", "?", "<c16", "<m8[s]", "<f2", "longdouble", "O")


@native
@given(spoiled(), st.tuples(*[st.sampled_from(KINDS)] * 3), st.tuples(layouts(), layouts(), layouts()))
@settings(often, max_examples=600)
def test_the_core_refuses_what_it_cannot_do(arguments: list[Any], kinds: Any, lays: Any) -> None:
    """Whatever numbers and arrays `run` is given, it answers or raises, and never writes beside the answers."""
    shapes = (6, 7), (1, 3, 3), (1, 4, 5)
    laid = [
        lay.lay(shape, kind, 0) if kind != "O" else None for lay, shape, kind in zip(lays, shapes, kinds, strict=True)
    ]
    arguments[:3] = [
        np.zeros(shape, object) if each is None else each.array for each, shape in zip(laid, shapes, strict=True)
    ]
    around = [each.around() for each in laid if each]
    with contextlib.suppress(ValueError, TypeError, OverflowError, MemoryError):  # and no other
        CORE.run(*arguments)
    assert [each.around() for each in laid if each] == around


@native
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: CORE.run(), TypeError),
        (lambda: CORE.run(*[None] * 13), TypeError),
        (lambda: CORE.run(np.ones(3), np.ones((1, 1, 1)), np.ones((1, 3)), (3, 3, 1, 1, 1, 0), (3, 3, 1, 1, 1, 0), 0, 0, False, 1, 0, 0, None, 0), ValueError),
        (lambda: CORE.run(np.ones((1, 1)), np.ones((1, 2, 2)), np.ones((1, 1, 1)), *[(1, 1, 2, 1, 2**39, 2**39)] * 2, 0, 0, False, 1, 0, 0, None, 0), ValueError),
        (lambda: CORE.run(np.ones((2, 5, 5)), np.ones((1, 3, 3)), np.ones((3, 1, 3, 3)), *[(5, 3, 3, 1, 1, 0)] * 2, 0, 0, False, 1, 0, 0, None, 0), ValueError),
        (lambda: CORE.run(np.ones((5, 5)), np.ones((1, 3, 3)), np.broadcast_to(1.0, (1, 3, 3)), *[(5, 3, 3, 1, 1, 0)] * 2, 0, 0, False, 1, 0, 0, None, 0), ValueError),
        (lambda: CORE.run(np.ones((5, 5)), np.ones((1, 3, 6))[..., ::2], np.ones((1, 3, 3)), *[(5, 3, 3, 1, 1, 0)] * 2, 0, 0, False, 1, 0, 0, None, 0), ValueError),
        (lambda: CORE.spectrum(np.ones((1, 3, 3)), 1, 1, 17, 16), ValueError),
        (lambda: CORE.spectrum(np.ones((1, 3, 3)), 8, 1, 16, 16), ValueError),
        (lambda: CORE.spectrum(np.ones((1, 3, 3)), 1, 2**62, 16, 16), ValueError),
        (lambda: CORE.spectrum(np.ones((1, 3, 3)), 0, 1, 16, 16), ValueError),
        (lambda: CORE.spectrum(np.ones((1, 3, 3), int), 1, 1, 16, 16), ValueError),
        (lambda: CORE.spectrum(np.ones((0, 3, 3)), 1, 1, 16, 16), ValueError),
        (lambda: CORE.spectrum(None, 1, 1, 16, 16), TypeError),
        (lambda: CORE.quick(1, 2), ValueError),
        (lambda: CORE.use_level("sse9"), ValueError),
        (lambda: CORE.use_level(3), TypeError),
    ],
)  # fmt: skip
def test_malformed_arguments(call: Any, error: type[Exception]) -> None:
    """Numbers that belong to no arrays, arrays of other kinds and wrong counts raise."""
    with pytest.raises(error):
        call()


QUICK = [
    [np.ones((5, 5)), np.ones(5), np.ones((0, 5)), np.ones((5, 5), object), np.ones((5, 5), "m8[s]"), None, [[1]]],
    [np.ones((3, 3)), np.ones((9, 9)), np.ones((3, 0)), np.ones((3, 3), complex), np.ones((1, 3, 3)), "x"],
    ["same", "valid", "full", "sane", 1, 2**40, -1, None, (1, 1)],
    ODD,
    ODD,
    ["zero", "reflect", "circular", "replicate", "none", None, 3],
    [True, False, None],
    ODD,
    [None, np.ones((5, 5)), np.ones((5, 5), "f4"), np.ones((3, 3)), np.ones((1, 5, 5)), 3],
]


@native
@given(st.tuples(*[st.sampled_from(choices) for choices in QUICK]))
@settings(often, max_examples=400)
def test_a_quick_call_answers_or_declines(arguments: Any) -> None:
    """What `quick` answers is what the way beside it answers, too; what it does not know it leaves to that way."""
    answer = CORE.quick(*arguments)
    if answer is None:
        return
    *called, flip, threads, out = arguments
    assert answer is out or out is None
    other = _engine.apply(*called, flip=flip is True, layer="correlate", threads=threads)
    assert answer.dtype == other.dtype
    assert answer.tolist() == other.tolist()


@native
def test_a_quick_call_answers_plain_ones() -> None:
    """The test above has answers to compare: plain arguments are not declined."""
    for image, kernel in ((np.ones((5, 5)), np.ones((3, 3))), (np.ones((2, 5, 5)), np.ones((2, 3, 3)))):
        assert CORE.quick(image, kernel, "same", 1, 1, "zero", False, None, None) is not None
