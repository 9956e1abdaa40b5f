"""Theorems about correlate and convolve, against loops over Python numbers, SciPy and PyTorch."""

import itertools
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import faltung.filters._geometry
import faltung.filters._shifts
from faltung.errors import FaltungError
from faltung.filters import convolve, correlate

NUMPY_MODES = {"zero": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
TORCH_MODES = {"zero": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
SIGNED = ("int8", "int16", "int32", "int64")
INTEGERS = ("bool", "uint8", "uint16", "uint32", "uint64", *SIGNED)
SHEET = np.array([[5, 5, 2, 5, 5], [5, 5, 2, 5, 5], [7, 7, 5, 7, 7], [5, 5, 2, 5, 5], [5, 5, 2, 5, 5]])
A = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
B = [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
C = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]

often = settings(derandomize=True, deadline=None, max_examples=150)
seldom = settings(derandomize=True, deadline=None, max_examples=50)


@dataclass(frozen=True)
class Case:
    """A picture, a kernel, and padding in numbers that fits."""

    image: np.ndarray
    kernel: np.ndarray
    sides: tuple[tuple[int, int], tuple[int, int]]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    boundary: str

    @property
    def how(self) -> dict[str, Any]:
        """The keywords of correlate."""
        return {
            "padding": self.sides,
            "stride": self.stride,
            "dilation": self.dilation,
            "boundary": self.boundary,
        }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case of small integers; leading axes and banks come and go."""
    boundary = draw(st.sampled_from(list(NUMPY_MODES)))
    sizes, kernel, sides, stride, dilation = [], [], [], [], []
    for _ in range(2):
        n, k, s, d = (draw(st.integers(1, most)) for most in (7, 3, 3, 3))
        most = {"reflect": n - 1, "circular": n}.get(boundary, 6)
        before, after = draw(st.integers(0, min(most, 6))), draw(st.integers(0, min(most, 6)))
        assume(d * (k - 1) + 1 <= before + n + after)
        sizes.append(n), kernel.append(k), sides.append((before, after)), stride.append(s), dilation.append(d)
    batch = draw(st.sampled_from([(), (), (2,), (0,), (1, 2)]))
    bank = draw(st.sampled_from([(), (), (1,), (3,)]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Case(
        random.integers(-9, 10, (*batch, *sizes)),
        random.integers(-9, 10, (*bank, *kernel)),
        (sides[0], sides[1]),
        (stride[0], stride[1]),
        (dilation[0], dilation[1]),
        boundary,
    )


def padded(image: np.ndarray, sides: tuple[tuple[int, int], tuple[int, int]], boundary: str) -> np.ndarray:
    """Pad with NumPy's own words for the boundaries; objects stay Python's."""
    wide = np.pad(image, [(0, 0)] * (image.ndim - 2) + list(sides), mode=NUMPY_MODES[boundary])
    if wide.dtype == object:
        wide.flat = [entry.item() if isinstance(entry, np.generic) else entry for entry in wide.flat]
    return wide


def by_loops(case: Case, flip: bool = False) -> np.ndarray:
    """Correlate, or convolve, by the formula: one Python number at a time, of unlimited size."""
    pixels = padded(case.image, case.sides, case.boundary)
    taps = case.kernel[..., ::-1, ::-1] if flip else case.kernel
    (kh, kw), (sy, sx), (dy, dx) = taps.shape[-2:], case.stride, case.dilation
    height = (pixels.shape[-2] - dy * (kh - 1) - 1) // sy + 1
    width = (pixels.shape[-1] - dx * (kw - 1) - 1) // sx + 1
    lead = (*pixels.shape[:-2], *taps.shape[:-2])
    answers = np.empty((*lead, height, width), dtype=object)
    for *where, i, j in np.ndindex(answers.shape):
        batch, filter_ = tuple(where[: pixels.ndim - 2]), tuple(where[pixels.ndim - 2 :])
        picture, kernel = pixels[batch].tolist(), taps[filter_].tolist()
        answers[(*where, i, j)] = sum(
            kernel[m][n] * picture[sy * i + dy * m][sx * j + dx * n] for m, n in itertools.product(range(kh), range(kw))
        )
    return answers


def same(ours: Any, theirs: Any) -> bool:
    """Say whether shapes and all values agree exactly."""
    ours = ours.detach().cpu().numpy() if isinstance(ours, torch.Tensor) else ours
    return ours.shape == theirs.shape and ours.astype(object).tolist() == theirs.astype(object).tolist()


# The sheet -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", [np.asarray, torch.tensor, list])
@pytest.mark.parametrize(
    ("kernel", "answers", "sign"),
    [
        (A, [[11, 0, -11], [10, 0, -10], [11, 0, -11]], -1),
        (B, [[-9, -10, -9], [0, 0, 0], [9, 10, 9]], -1),
        (C, [[-1, 9, -1], [-6, -2, -6], [-1, 9, -1]], 1),
    ],
)
def test_the_worked_sheet(library: Any, kernel: Any, answers: Any, sign: int) -> None:
    """Filters A, B and C answer as worked by hand; convolution turns the sign of A and B, and not of C."""
    picture = library(SHEET.tolist())
    assert correlate(picture, kernel).tolist() == answers
    assert convolve(picture, kernel).tolist() == (sign * np.array(answers)).tolist()


# The formula ---------------------------------------------------------------------------------------------


@given(cases(), st.booleans())
@often
def test_the_answers_are_the_formula(case: Case, flip: bool) -> None:
    """Y[i,j] = sum of K[m,n] X[s*i + d*m - p, s*j + d*n - p], on arrays and tensors alike."""
    operator, expected = (convolve if flip else correlate), by_loops(case, flip)
    assert same(operator(case.image, case.kernel, **case.how), expected)
    assert same(operator(torch.tensor(case.image), torch.tensor(case.kernel), **case.how), expected)


@given(cases())
@often
def test_correlation_is_conv2d_of_torch(case: Case) -> None:
    """Correlate equals torch.nn.functional.conv2d of torch.nn.functional.pad."""
    assume(case.image.size and case.image.ndim < 4)
    image, bank = torch.tensor(case.image).double(), torch.tensor(case.kernel).double()
    pixels = image.reshape(-1, 1, *image.shape[-2:])
    (top, bottom), (left, right) = case.sides
    pixels = torch.nn.functional.pad(pixels, (left, right, top, bottom), mode=TORCH_MODES[case.boundary])
    taps = bank.reshape(-1, 1, *bank.shape[-2:])
    theirs = torch.nn.functional.conv2d(pixels, taps, stride=case.stride, dilation=case.dilation)
    ours = correlate(image, bank, **case.how)
    assert torch.equal(ours, theirs.reshape(ours.shape))


@given(
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from(["valid", "same", "full"]),
    st.sampled_from([("zero", "fill"), ("circular", "wrap")]),
    st.integers(0, 99),
)
@often
def test_padding_names_are_those_of_scipy(
    size: tuple[int, int], taps: tuple[int, int], padding: str, boundary: tuple[str, str], seed: int
) -> None:
    """Valid, same (for odd kernels) and full are correlate2d's, and convolve2d's for even kernels too."""
    assume(all(k <= n for k, n in zip(taps, size, strict=True)))
    random = np.random.default_rng(seed)
    image, kernel = random.integers(-9, 10, size), random.integers(-9, 10, taps)
    scipys = scipy.signal.convolve2d(image, kernel, padding, boundary[1])
    assert same(convolve(image, kernel, padding=padding, boundary=boundary[0]), scipys)
    if padding != "same" or all(k % 2 for k in taps):
        scipys = scipy.signal.correlate2d(image, kernel, padding, boundary[1])
        assert same(correlate(image, kernel, padding=padding, boundary=boundary[0]), scipys)


def agrees_with_torchs_same(kernel: tuple[int, int], dilation: int) -> bool:
    """Compare padding='same' with torch's on one picture."""
    random = np.random.default_rng(7)
    image, taps = random.integers(-9, 10, (9, 8)), random.integers(-9, 10, kernel)
    pixels, weights = torch.tensor(image)[None, None].double(), torch.tensor(taps)[None, None].double()
    theirs = torch.nn.functional.conv2d(pixels, weights, padding="same", dilation=dilation)[0, 0]
    return same(correlate(image, taps, padding="same", dilation=dilation), theirs.numpy().astype(int))


# torch says that even kernels cost it a copy of the picture
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", list(itertools.product([1, 2, 3, 4], repeat=2)))
def test_same_is_torchs(kernel: tuple[int, int], dilation: int) -> None:
    """At stride 1, padding='same' is torch's, for even kernels and dilations too."""
    assert agrees_with_torchs_same(kernel, dilation)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_a_wrong_rule_of_same_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the larger half of the padding before, the comparison with torch fails."""
    monkeypatch.setattr(
        faltung.filters._geometry, "same_padding", lambda k, d: ((d * (k - 1) + 1) // 2, d * (k - 1) // 2)
    )
    assert agrees_with_torchs_same((3, 3), 1)
    assert not agrees_with_torchs_same((4, 3), 1)


def test_a_wrong_boundary_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the outermost pixel repeated in reflection, the comparison with the formula fails."""
    case = Case(np.arange(25).reshape(5, 5).astype(object), np.array(A), ((1, 1), (1, 1)), (1, 1), (1, 1), "reflect")
    assert same(correlate(case.image, case.kernel, **case.how), by_loops(case))

    def repeating(size: int, before: int, after: int, *_: Any, **__: Any) -> list[int | None]:
        return [*range(before)][::-1] + [*range(size)] + [size - 1 - at for at in range(after)]

    monkeypatch.setattr(faltung.filters._shifts, "index_map", repeating)
    assert not same(correlate(case.image, case.kernel, **case.how), by_loops(case))


@given(cases(), st.sampled_from(["valid", "same", "full"]), st.booleans())
@seldom
def test_stride_takes_every_sth_answer(case: Case, padding: str, flip: bool) -> None:
    """The answers at stride s are those at stride 1, every s-th."""
    operator, (sy, sx) = (convolve if flip else correlate), case.stride
    how = {"padding": padding, "dilation": case.dilation}
    extent = [d * (k - 1) for d, k in zip(case.dilation, case.kernel.shape[-2:], strict=True)]
    assume(padding != "valid" or all(e < n for e, n in zip(extent, case.image.shape[-2:], strict=True)))
    every = operator(case.image, case.kernel, **how)
    assert same(operator(case.image, case.kernel, stride=case.stride, **how), every[..., ::sy, ::sx])
    if padding == "same":
        assert every.shape[-2:] == case.image.shape[-2:]


@given(cases())
@seldom
def test_convolution_is_correlation_with_the_kernel_flipped(case: Case) -> None:
    """Convolve with K is correlate with K turned by half, where padding is given in numbers."""
    flipped = case.kernel[..., ::-1, ::-1]
    assert same(convolve(case.image, case.kernel, **case.how), np.asarray(correlate(case.image, flipped, **case.how)))


def test_a_bright_pixel_is_answered_by_the_kernel() -> None:
    """A unit impulse convolved gives the kernel, correlated gives it turned by half."""
    kernel = np.arange(6).reshape(2, 3)
    assert same(convolve([[1]], kernel, padding="full"), kernel)
    assert same(correlate([[1]], kernel, padding="full"), kernel[::-1, ::-1])


def test_complex_kernels_are_not_conjugated() -> None:
    """Correlate with the conjugate is what SciPy computes; convolution conjugates in neither."""
    random = np.random.default_rng(3)
    image, kernel = (random.integers(-9, 10, (2, *shape)).T.astype(float) @ [1, 1j] for shape in ((5, 6), (2, 3)))
    theirs = scipy.signal.correlate2d(image, kernel, "valid")
    np.testing.assert_array_equal(correlate(image, kernel.conj()), theirs)
    np.testing.assert_array_equal(convolve(image, kernel), scipy.signal.convolve2d(image, kernel, "valid"))
    assert not np.array_equal(correlate(image, kernel), theirs)


# Integers are exact --------------------------------------------------------------------------------------


@st.composite
def extreme_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture and a kernel of integers, mostly at the ends of their dtypes."""
    arrays = []
    for shape in ((3, 3), (2, 2)):
        name = draw(st.sampled_from(INTEGERS))
        low, high = (0, 1) if name == "bool" else (int(np.iinfo(name).min), int(np.iinfo(name).max))
        entry = st.sampled_from([low, high, high, 0, 1, min(high, 100)]) | st.integers(low, high)
        entries = draw(st.lists(entry, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
        arrays.append(np.array(entries, dtype=name).reshape(shape))
    return arrays[0], arrays[1]


@given(extreme_pairs())
@settings(often, max_examples=400)
def test_integers_are_exact_or_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Whatever the dtypes, the answers are Python's integers; what is refused can leave int64."""
    image, kernel = pair
    case = Case(image, kernel, ((1, 1), (1, 1)), (1, 1), (1, 1), "zero")
    expected = by_loops(Case(image.astype(object), kernel.astype(object), *list(case.__dict__.values())[2:]))
    try:
        answers = correlate(image, kernel, padding=1)
    except FaltungError:
        # The greatest magnitude that any picture of these two extremes could give, by all its corners.
        low, high = min(0, int(image.min())), max(0, int(image.max()))
        sums = [
            sum(int(k) * x for k, x in zip(kernel.flat, corner, strict=True))
            for corner in itertools.product([low, high], repeat=4)
        ]
        reached = [*sums, low, high, *map(int, kernel.flat)]
        assert min(reached) < -(2**63) or max(reached) >= 2**63
    else:
        assert answers.dtype.name in SIGNED
        assert same(answers, expected)
        assert same(correlate(torch.tensor(image), torch.tensor(kernel), padding=1), expected)
    assert same(correlate(image.astype(object), kernel, padding=1), expected)


@pytest.mark.parametrize("name", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32"])
@given(taps=st.lists(st.integers(-300, 300), min_size=1, max_size=3))
@seldom
def test_the_dtype_is_the_smallest_that_holds_every_partial_sum(name: str, taps: list[int]) -> None:
    """The answer's dtype holds each pixel, each tap and the sum of any products, and no smaller one does."""
    low, high = (0, 1) if name == "bool" else (int(np.iinfo(name).min), int(np.iinfo(name).max))
    sums = {sum(products) for products in itertools.product(*[(0, k * low, k * high) for k in taps])}
    held = sums | set(taps) | {low, high}
    fits = [s for s in SIGNED if np.iinfo(s).min <= min(held) and max(held) <= np.iinfo(s).max]
    image = np.full((1, len(taps)), high, dtype=name)
    assert correlate(image, [taps]).dtype == fits[0]
    assert correlate(image, [[taps], [[0] * len(taps)]]).dtype == fits[0]


def test_int64_is_looked_at_before_it_is_refused() -> None:
    """Pixels of int64 whose sums fit are answered in int64; one more is refused, and Python's have no end."""
    most = 2**62 - 1
    assert correlate([[most, most]], [[1, 1]]).tolist() == [[2**63 - 2]]
    assert correlate([[2**61, 1]], [[2, 1]]).dtype == np.int64
    with pytest.raises(FaltungError) as caught:
        correlate([[most + 1, 0]], [[1, 1]])
    assert str(caught.value) == (
        "correlate: sums can reach 9223372036854775808, beyond int64's 9223372036854775807; "
        "Python's own integers have no limit: image.astype(object)"
    )
    assert correlate(np.array([[2**62, 2**62]], dtype=object), [[1, 1]]).tolist() == [[2**63]]


def test_lists_of_large_integers_stay_exact() -> None:
    """Integers in lists are never read as floats, however large."""
    assert correlate([[2**63, -1]], [[1, 1]]).tolist() == [[2**63 - 1]]
    assert correlate([[3]], [[10**30]]).tolist() == [[3 * 10**30]]


def test_fractions_are_exact() -> None:
    """Object arrays keep Python's arithmetic."""
    third = np.full((2, 3), Fraction(1, 3), dtype=object)
    assert correlate(third, [[1, 1, 1]]).tolist() == [[1], [1]]
    answer = correlate(np.eye(2, dtype=int), third[:, :2], padding="full", boundary="circular")
    assert all(isinstance(entry, Fraction) for entry in answer.flat)
    assert answer[0, 0] == Fraction(2, 3)


# Dtypes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "kernel", "answer"),
    [
        ("uint8", "int64", "int16"),
        ("bool", "bool", "int8"),
        ("int8", "uint8", "int16"),
        ("int64", "int8", "int64"),
        ("uint8", "float16", "float16"),
        ("uint8", "float64", "float64"),
        ("int32", "float32", "float64"),
        ("int16", "float32", "float32"),
        ("int64", "complex64", "complex128"),
        ("float16", "float64", "float16"),
        ("float16", "complex64", "complex64"),
        ("float32", "float64", "float32"),
        ("float32", "int64", "float32"),
        ("float32", "complex128", "complex64"),
        ("float64", "float16", "float64"),
        ("float64", "complex64", "complex128"),
        ("complex64", "complex128", "complex64"),
        ("complex128", "bool", "complex128"),
    ],
)
def test_the_table_of_dtypes(image: str, kernel: str, answer: str) -> None:
    """The answer's dtype follows the table, for arrays and tensors alike."""
    picture, taps = np.ones((3, 3), dtype=image), np.ones((2, 2), dtype=kernel)
    ours = correlate(picture, taps)
    assert ours.dtype == answer
    assert (ours == 4).all()
    theirs = correlate(torch.tensor(picture), torch.tensor(taps))
    assert theirs.dtype == getattr(torch, answer)
    assert (theirs == 4).all()
    assert correlate(torch.tensor(picture), taps).dtype == getattr(torch, answer)
    assert correlate(picture, torch.tensor(taps)).dtype == getattr(torch, answer)


@pytest.mark.parametrize(
    ("image", "kernel", "answer"),
    [
        ("bfloat16", "float32", "bfloat16"),
        ("bfloat16", "complex64", "complex64"),
        ("uint8", "bfloat16", "bfloat16"),
        ("int16", "bfloat16", "float32"),
        ("int64", "bfloat16", "float64"),
        ("uint16", "int8", "int32"),
        ("uint32", "int8", "int64"),
        ("uint64", "int8", "int64"),
    ],
)
def test_the_table_of_dtypes_of_torch_alone(image: str, kernel: str, answer: str) -> None:
    """The bfloat16 keeps its 16 bits as float16 does; wide unsigned tensors are answered in signed ones."""
    picture, taps = torch.ones(3, 3).to(getattr(torch, image)), torch.ones(2, 2).to(getattr(torch, kernel))
    ours = correlate(picture, taps)
    assert ours.dtype == getattr(torch, answer)
    assert (ours == 4).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_halves_are_rounded_once(name: str) -> None:
    """Sums of halves are the sums in float32, rounded to halves at the end."""
    dtype = getattr(torch, name)
    image, kernel = (
        torch.rand(40, 40, generator=torch.Generator().manual_seed(1)).to(dtype),
        torch.ones(30, 30),
    )
    wide = torch.nn.functional.conv2d(image.double()[None, None], kernel.double()[None, None])[0, 0]
    ours = correlate(image, kernel)
    assert ours.dtype == dtype
    assert ((ours.double() - wide).abs() <= 0.51 * torch.finfo(dtype).eps * wide.abs()).all()
    if name == "float16":
        assert np.array_equal(correlate(image.numpy(), kernel.numpy()), ours.numpy())


def test_large_floats_become_infinite_quietly() -> None:
    """Overflow of floats is IEEE's, without a warning; but a tap beyond the picture's dtype is refused."""
    assert correlate(np.full((1, 2), 6e4, dtype=np.float16), [[1, 1]]).tolist() == [[np.inf]]
    with pytest.raises(FaltungError) as caught:
        correlate(np.ones((2, 2), dtype=np.float32), [[1e300]])
    assert str(caught.value) == "correlate: the kernel reaches 1e+300, beyond float32's largest value 3.40282e+38"


# NaN and infinity ----------------------------------------------------------------------------------------


@given(cases(), st.booleans(), st.data())
@often
def test_nan_goes_to_the_answers_that_read_it(case: Case, flip: bool, data: st.DataObject) -> None:
    """A NaN pixel turns exactly those answers to NaN whose window holds it, taps of zero included."""
    height, width = case.image.shape[-2:]
    pixel = data.draw(st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)))
    image = np.zeros((height, width))
    image[pixel] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    kernel = np.zeros(case.kernel.shape[-2:])  # 0 * inf is NaN as well
    marked = np.isnan(image) | np.isinf(image)
    ones = np.ones(kernel.shape, dtype=object)
    reached = by_loops(Case(marked.astype(object), ones, *list(case.__dict__.values())[2:])) > 0
    operator = convolve if flip else correlate
    assert np.array_equal(np.isnan(operator(image, kernel, **case.how)), reached)
    answers = operator(torch.tensor(image), torch.tensor(kernel), **case.how)
    assert np.array_equal(answers.isnan().numpy(), reached)


# Gradients -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", [correlate, convolve])
@pytest.mark.parametrize(
    ("kernel", "how"),
    [
        ((2, 3), {}),
        ((2, 2, 2), {"padding": "same", "stride": 2, "boundary": "reflect"}),
        ((2, 2), {"padding": ((1, 0), 2), "dilation": (1, 2), "boundary": "circular"}),
        ((2, 2), {"padding": "full", "stride": (1, 2), "boundary": "replicate"}),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients_are_the_derivatives(operator: Any, kernel: Any, how: Any, dtype: Any) -> None:
    """First and second derivatives in picture and kernel equal finite differences."""
    random = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, 4, dtype=dtype, generator=random, requires_grad=True)
    taps = torch.randn(kernel, dtype=dtype, generator=random, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, k: operator(x, k, **how), (image, taps))
    assert torch.autograd.gradgradcheck(lambda x, k: operator(x, k, **how), (image, taps))


def test_gradients_reach_across_libraries_and_dtypes() -> None:
    """A kernel has a gradient under a NumPy picture or one of integers, and NaN padding has none to give."""
    kernel = torch.ones(1, 2, requires_grad=True)
    correlate(np.array([[1.0, 2.0, 3.0]]), kernel).sum().backward()
    assert kernel.grad.tolist() == [[3.0, 5.0]]
    kernel.grad = None
    correlate(torch.tensor([[1, 2, 3]]), kernel).sum().backward()
    assert kernel.grad.tolist() == [[3.0, 5.0]]
    image = torch.tensor([[np.nan, 1.0]], requires_grad=True)
    correlate(image, [[1.0, 2.0]], padding=(0, 1))[0, 2].backward()
    assert image.grad.tolist() == [[0.0, 1.0]]


def test_it_maps_over_kernels() -> None:
    """A bank is torch.func.vmap over its kernels."""
    random = torch.Generator().manual_seed(0)
    image, bank = torch.randn(5, 5, generator=random), torch.randn(3, 2, 2, generator=random)
    mapped = torch.func.vmap(lambda kernel: correlate(image, kernel, padding="same"))(bank)
    torch.testing.assert_close(mapped, correlate(image, bank, padding="same"))


# What comes in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        np.arange(60).reshape(5, 12)[:, ::2],
        np.arange(30).reshape(5, 6)[::-1, ::-1],
        np.asfortranarray(np.arange(30).reshape(5, 6)),
        np.arange(30).reshape(5, 6).astype(">i4"),
        np.arange(30).reshape(5, 6).astype(">f8"),
        np.broadcast_to(np.arange(6), (5, 6)),
    ],
    ids=["strided", "negative", "fortran", "big-endian", "big-endian floats", "broadcast"],
)
@pytest.mark.parametrize("how", [{}, {"padding": "same", "boundary": "reflect"}])
def test_memory_layout_does_not_matter(image: np.ndarray, how: dict[str, Any]) -> None:
    """Strided, flipped, read-only and big-endian pictures are answered as plain copies, and not changed."""
    image = image.view()
    image.flags.writeable = False
    before, plain = image.copy(), np.array(image, dtype=image.dtype.newbyteorder("="), order="C")
    for kernel in ([[1]], np.array(A).T, torch.tensor(A)):
        answers, expected = correlate(image, kernel, **how), correlate(plain, kernel, **how)
        assert answers.tolist() == expected.tolist()
        if isinstance(answers, np.ndarray):
            assert answers.dtype.isnative
            assert answers.flags.writeable
            assert not np.shares_memory(answers, image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.float16])
def test_tensors_are_neither_changed_nor_shared(dtype: torch.dtype) -> None:
    """The answer is a new tensor even under the identity kernel; transposed tensors are fine."""
    image = torch.arange(12).reshape(3, 4).to(dtype).T
    before, kernel = image.clone(), torch.ones(1, 1, dtype=dtype)
    answer = correlate(image, kernel)
    answer += 1
    assert torch.equal(image, before)
    assert torch.equal(kernel, torch.ones(1, 1, dtype=dtype))


def test_an_array_behind_a_tensor_is_not_shared() -> None:
    """A NumPy picture under a tensor kernel is copied."""
    image = np.ones((2, 2), dtype=np.float32)
    answer = correlate(image, torch.ones(1, 1))
    answer += 1
    assert (image == 1).all()


def test_filters_do_not_load_torch() -> None:
    """Filtering arrays works without torch in memory."""
    check = (
        "import sys\nfrom faltung.filters import correlate\ncorrelate([[1, 2]], [[1.5]], padding='same')\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


# What is refused -----------------------------------------------------------------------------------------

RAGGED = [[1, 2], [3]]
UNREADABLE = "cannot be read as an array of numbers: rows of unequal length"


@pytest.mark.parametrize(
    ("image", "kernel", "how", "text"),
    [
        (
            SHEET,
            A,
            {"dilation": (1, 3)},
            "correlate, axis x: a window of 7 (k=3, d=3) does not fit the padded input of 5 (n=5, p=0)",
        ),
        (
            SHEET,
            np.ones((9, 1)),
            {"padding": 1},
            "correlate, axis y: a window of 9 (k=9, d=1) does not fit the padded input of 7 (n=5, p=1)",
        ),
        (SHEET, A, {"stride": 0}, "correlate, axis y: stride 0 must be at least 1"),
        (SHEET, A, {"stride": (1, -2)}, "correlate, axis x: stride -2 must be at least 1"),
        (SHEET, A, {"dilation": 0}, "correlate, axis y: dilation 0 must be at least 1"),
        (SHEET, A, {"padding": -1}, "correlate, axis y: padding -1 must not be negative"),
        (SHEET, A, {"padding": (0, (1, -1))}, "correlate, axis x: padding -1 must not be negative"),
        (
            SHEET,
            A,
            {"stride": True},
            "correlate: stride must be a whole number or a pair (y, x) of them, got True",
        ),
        (
            SHEET,
            A,
            {"stride": 2.0},
            "correlate: stride must be a whole number or a pair (y, x) of them, got 2.0",
        ),
        (
            SHEET,
            A,
            {"dilation": (1, 1, 1)},
            "correlate: dilation must be a whole number or a pair (y, x) of them, got (1, 1, 1)",
        ),
        (
            SHEET,
            A,
            {"padding": (1, 2, 3)},
            "correlate: padding must be 'valid', 'same', 'full', a whole number or a pair (py, px) of "
            "numbers or (before, after), got (1, 2, 3)",
        ),
        (
            SHEET,
            A,
            {"padding": None},
            "correlate: padding must be 'valid', 'same', 'full', a whole number or a pair (py, px) of "
            "numbers or (before, after), got None",
        ),
        (SHEET, A, {"padding": "sane"}, "unknown padding 'sane'; did you mean same?"),
        (
            SHEET,
            A,
            {"boundary": "mirror"},
            "unknown boundary 'mirror'; known: circular, reflect, replicate, zero",
        ),
        (SHEET, A, {"boundary": 0}, "correlate: the boundary must be a name, got 0"),
        (
            SHEET,
            A,
            {"padding": 5, "boundary": "reflect"},
            "correlate, axis y: reflect padding of 5 needs at least 6 pixels, the axis has 5",
        ),
        (
            SHEET,
            A,
            {"padding": (0, 6), "boundary": "circular"},
            "correlate, axis x: circular padding of 6 needs at least 6 pixels, the axis has 5",
        ),
        (
            SHEET,
            A,
            {"padding": 10**12},
            "correlate, axis y: 2000000000005 padded pixels (n=5, p=1000000000000+1000000000000) are more "
            "than 67108864",
        ),
        ([1, 2, 3], A, {}, "correlate: the image must have shape (..., H, W), got (3,)"),
        (SHEET, [1, 2, 3], {}, "correlate: the kernel must have shape (kh, kw) or (N, kh, kw), got (3,)"),
        (np.ones((5, 0)), A, {}, "correlate: the image is empty, its shape is (5, 0)"),
        (SHEET, np.ones((0, 3)), {}, "correlate: the kernel is empty, its shape is (0, 3)"),
        (SHEET, np.ones((0, 3, 3)), {}, "correlate: the kernel is empty, its shape is (0, 3, 3)"),
        (
            RAGGED,
            A,
            {},
            "correlate: the image cannot be read as an array of numbers: rows of unequal length",
        ),
        (
            SHEET,
            RAGGED,
            {},
            "correlate: the kernel cannot be read as an array of numbers: rows of unequal length",
        ),
        (SHEET, "sobel", {}, "correlate: the kernel holds text, not numbers"),
        ([[None]], A, {}, "correlate: the image holds None, not numbers"),
        (np.zeros((5, 5), "M8[D]"), A, {}, "correlate: the image holds datetime64[D], not numbers"),
        (
            np.ma.masked_all((5, 5)),
            A,
            {},
            "correlate: the image is a masked array; say what the masked pixels hold, with .filled(0) or so",
        ),
        (
            torch.ones(5, 5, dtype=torch.int64),
            [[10**30]],
            {},
            "correlate: tensors hold no Python objects; pass both as arrays, or none",
        ),
        (
            torch.ones(5, 5).to(torch.float8_e5m2),
            A,
            {},
            "correlate: the image holds torch.float8_e5m2, which has no arithmetic here",
        ),
        (
            torch.ones(5, 5).to_sparse(),
            A,
            {},
            "correlate: the image is a torch.sparse_coo tensor; make it dense with .to_dense()",
        ),
        (
            np.ones((5, 5)),
            [[10**400]],
            {},
            "correlate: the kernel cannot be rounded to float64: int too large to convert to float",
        ),
    ],
)
def test_refusals_are_one_line_with_the_numbers(image: Any, kernel: Any, how: Any, text: str) -> None:
    """What makes no sense is refused in one line that names the offender, the numbers and the rule."""
    with pytest.raises(FaltungError) as caught:
        correlate(image, kernel, **how)
    assert str(caught.value) == text
    with pytest.raises(FaltungError) as caught:
        convolve(image, kernel, **how)
    assert str(caught.value) == text.replace("correlate", "convolve")
