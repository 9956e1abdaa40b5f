"""What a filter does: every claim of the report is checked against a brute-force oracle."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faltung import kernels
from faltung.errors import FaltungError
from faltung.explanation import explain

A = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
B = A.T
C = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])

integer_kernels = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(-9, 9), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


def answer_to(kernel, centre, picture):
    """Answer to the polynomial `picture(y, x)` with its origin at `centre`: a double loop over the taps."""
    kernel = np.asarray(kernel)
    return sum(
        kernel[m, n].item() * picture(Fraction(m) - Fraction(centre[0]), Fraction(n) - Fraction(centre[1]))
        for m in range(kernel.shape[0])
        for n in range(kernel.shape[1])
    )


def derivative_of_monomial(found, y_power, x_power):
    """What the reported operator makes of y**a * x**b at the origin: a! b! times its coefficient."""
    factorials = math.factorial(y_power) * math.factorial(x_power)
    return sum(term.coefficient * factorials for term in found.operator.terms if (term.y, term.x) == (y_power, x_power))


def gain_at(kernel, down, right):
    """|H| at one angular frequency: a double loop over the taps."""
    kernel = np.asarray(kernel, dtype=float)
    y, x = np.mgrid[0 : kernel.shape[0], 0 : kernel.shape[1]]
    return abs((kernel * np.exp(1j * (down * y + right * x))).sum())


# The sheet's filters ------------------------------------------------------------------------------------------


def test_the_first_filter_of_the_sheet():
    """A is -8 d/dx, smoothed by [1, 2, 1] down the rows."""
    found = explain(A)
    assert found.sentence == (
        "First derivative along x with factor -8, smoothed by [1, 2, 1] down the rows: finds vertical edges; "
        "positive where the picture turns from bright to dark to the right."
    )
    assert (found.kind, found.order, found.operator.factor, found.operator.direction) == (
        "derivative",
        1,
        -8,
        0,
    )
    assert found.operator.exact
    assert found.dc_gain == 0
    assert (found.separability.column, found.separability.row) == ((1, 2, 1), (1, 0, -1))
    assert (found.nearest.name, found.nearest.scale, found.nearest.exact) == ("sobel-x", -1, True)
    assert found.response.kind == "band-pass"


def test_the_second_filter_of_the_sheet():
    """B is -8 d/dy: A with x and y exchanged."""
    found = explain(B)
    assert found.sentence == (
        "First derivative along y with factor -8, smoothed by [1, 2, 1] across the columns: finds horizontal "
        "edges; positive where the picture turns from bright to dark downwards."
    )
    assert (found.operator.factor, found.operator.direction, found.nearest.name) == (-8, 90, "sobel-y")


def test_the_third_filter_of_the_sheet():
    """C is the Laplacian with factor 1."""
    found = explain(C)
    assert found.sentence == (
        "Laplacian (isotropic second derivative) with factor 1: answers at spots, lines and corners, zero on any "
        "linear ramp."
    )
    assert (found.kind, found.operator.factor, found.operator.exact) == ("laplacian", 1, True)
    assert (found.separability.rank, found.separability.exact) == (2, True)
    assert (found.nearest.name, found.nearest.exact) == ("laplacian-4", True)
    assert found.response.kind == "high-pass"


# Claims against oracles ---------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(integer_kernels)
def test_moments_and_operator_are_what_the_kernel_answers_to_polynomials(rows):
    """On y**a x**b the kernel answers its moment; the operator's terms are these over a! b!, exactly."""
    found = explain(rows)
    moments = {(m.y, m.x): m.value for m in found.moments}
    for (a, b), value in moments.items():
        assert value == answer_to(rows, found.centre, lambda y, x, a=a, b=b: y**a * x**b)
        assert isinstance(value, Fraction)
    if found.operator is not None:
        order = found.operator.order
        for a in range(order + 1):
            picture = answer_to(rows, found.centre, lambda y, x, a=a, b=order - a: y**a * x**b)
            assert derivative_of_monomial(found, a, order - a) == picture


def test_the_oracle_of_the_operator_has_teeth():
    """A factor that is wrong by one, or a centre half a pixel off, is caught."""
    assert answer_to(A, (1, 1), lambda y, x: x) == -8 != -7
    roberts = kernels.roberts_diagonal()
    assert answer_to(roberts, explain(roberts).centre, lambda y, x: x * x) == 0
    assert answer_to(roberts, (0, 0), lambda y, x: x * x) == 1


DERIVATIVES = {
    "forward-difference-x": (1, 0.0, 1),
    "forward-difference-y": (1, 90.0, 1),
    "central-difference-x": (1, 0.0, 2),
    "sobel-x": (1, 0.0, 8),
    "sobel-y": (1, 90.0, 8),
    "scharr-x": (1, 0.0, 32),
    "scharr-y": (1, 90.0, 32),
    "prewitt-x": (1, 0.0, 6),
    "prewitt-y": (1, 90.0, 6),
    "roberts-diagonal": (1, 45.0, math.sqrt(2)),
    "roberts-antidiagonal": (1, -45.0, math.sqrt(2)),
    "gaussian-derivative:sigma=0.8": (1, 0.0, 1),
    "gaussian-derivative:sigma=2,size=5": (1, 0.0, 1),
    "gaussian-derivative:sigma=1.5,x=2": (2, 0.0, 1),
    "gaussian-derivative:sigma=1.5,x=0,y=2": (2, 90.0, 1),
    "gaussian-derivative:sigma=1.5,x=3": (3, 0.0, 1),
    "gaussian-derivative:sigma=1.5,x=0,y=4": (4, 90.0, 1),
}


@pytest.mark.parametrize("name", DERIVATIVES)
@pytest.mark.parametrize("factor", [-1, 0.1, 1e-9, 1e9])
def test_named_derivatives_and_their_multiples(name, factor):
    """Order, direction and factor, computed by hand from the factors, at every scale and sign."""
    order, direction, size = DERIVATIVES[name]
    found = explain(kernels.named(name) * factor)
    assert (found.kind, found.order, found.operator.form) == ("derivative", order, "directional")
    assert found.operator.direction == pytest.approx(direction)
    assert float(found.operator.factor) == pytest.approx(size * factor, rel=1e-6)
    assert found.holds


KINDS = {
    "identity": "identity",
    "identity:size=5": "identity",
    "box": "smoothing",
    "box:size=2": "smoothing",
    "box:size=9": "smoothing",
    "binomial:size=5": "smoothing",
    "gaussian:sigma=0.6": "smoothing",
    "gaussian:sigma=3,size=5": "smoothing",
    "motion:length=9": "smoothing",
    "motion:length=8,angle=30": "smoothing",
    "motion:length=7,angle=-45": "smoothing",
    "motion:length=6,angle=100": "smoothing",
    "laplacian-4": "laplacian",
    "laplacian-8": "laplacian",
    "laplacian-of-gaussian:sigma=0.7": "laplacian",
    "laplacian-of-gaussian:sigma=2": "laplacian",
    "laplacian-of-gaussian:sigma=2,size=5": "laplacian",
    "difference-of-gaussians": "laplacian",
    "difference-of-gaussians:sigma=2,size=7": "laplacian",
    "sharpen": "sharpening",
    "unsharp": "sharpening",
    "unsharp:sigma=2,amount=0.5": "sharpening",
    "unsharp:sigma=1,amount=4": "sharpening",
    "emboss": "picture plus derivative",
    "gabor": "band-pass",
    "gabor:wavelength=4,phase=-90,orientation=45": "band-pass",
    "gabor:wavelength=6,phase=180,orientation=100,aspect=0.5": "band-pass",
    "gabor:wavelength=5,phase=40,orientation=-20,zero_mean=true": "band-pass",
}


@pytest.mark.parametrize("name", KINDS)
def test_named_kernels_with_their_negatives_multiples_and_turns(name):
    """The kind is the same for multiples, the negative, flips and quarter turns."""
    kernel = kernels.named(name)
    for variant in (kernel, -kernel, 1.7 * kernel.T, np.rot90(kernel)):
        assert explain(variant).kind == KINDS[name]
    with_border = np.pad(kernel, 1)
    assert explain(with_border).kind == KINDS[name]


@pytest.mark.parametrize("name", [*KINDS, *DERIVATIVES])
def test_the_nearest_named_filter_of_a_named_filter_is_itself(name):
    """Up to the turns under which it is the same, and three digits of its parameters, at any scale."""
    kernel = -3.0 * kernels.named(name)
    nearest = explain(kernel).nearest
    candidate = _trimmed(kernels.named(nearest.name))
    turn = {
        "as it is": lambda k: k,
        "mirrored left to right": np.fliplr,
        "mirrored top to bottom": np.flipud,
        "transposed": np.transpose,
    }[nearest.turn]
    rest = _trimmed(kernel) - float(nearest.scale) * turn(candidate)
    assert np.linalg.norm(rest) == pytest.approx(nearest.error * np.linalg.norm(kernel), abs=1e-9)
    assert nearest.error <= 2e-3


def test_a_laplacian_and_a_sharpening_filter_are_told_apart():
    """Their cosine is above 0.99 in magnitude, yet one keeps the mean and the other removes it."""
    laplacian, sharpen = -3 * kernels.laplacian_8(), kernels.identity(3) - 3 * kernels.laplacian_8()
    cosine = (laplacian * sharpen).sum() / np.linalg.norm(laplacian) / np.linalg.norm(sharpen)
    assert abs(cosine) > 0.99
    assert explain(laplacian).nearest.name == "laplacian-8"
    assert explain(sharpen).kind == "sharpening"
    assert "laplacian" not in explain(sharpen).nearest.name


@settings(max_examples=30, deadline=None)
@given(integer_kernels)
def test_separability_is_exact(rows):
    """The rank is NumPy's, and where it is 1 the factors multiply back exactly, in whole numbers."""
    found = explain(rows).separability
    if not np.any(rows):
        assert found is None
        return
    assert found.rank == np.linalg.matrix_rank(np.array(rows))
    assert found.exact
    if found.rank == 1:
        product = np.outer(found.column, found.row) * int(found.scale)
        assert product.tolist() == _trimmed(np.array(rows)).tolist()
        assert all(math.gcd(*factor) == 1 for factor in (found.column, found.row))


def _trimmed(kernel):
    there = np.abs(kernel) > 1e-14 * np.abs(kernel).max()
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return kernel[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def test_rank_is_exact_where_floating_point_is_not():
    """Rank 2 by one part in 10**30, which no singular value would show."""
    assert explain([[10**30, 10**30], [10**30, 10**30 + 1]]).separability.rank == 2
    assert explain([[10**30, 10**30], [10**30, 10**30]]).separability.rank == 1


def test_factors_of_floats_multiply_back():
    """A Gaussian is a product to within the stated tolerance, and says so."""
    kernel = kernels.gaussian(1.3, 9)
    found = explain(kernel).separability
    assert (found.rank, found.exact) == (1, False)
    np.testing.assert_allclose(found.scale * np.outer(found.column, found.row), kernel, atol=found.tolerance)
    assert explain(kernels.laplacian_of_gaussian(1.3)).separability.rank == 2


@settings(max_examples=25, deadline=None)
@given(integer_kernels)
def test_symmetries_by_brute_force(rows):
    """Each of the eight maps, made of index arithmetic, leaves the kernel, changes its sign, or neither."""
    if not np.any(rows):
        return
    kernel = _trimmed(np.array(rows))
    height, width = kernel.shape
    maps = {
        "as it is": (height, width, lambda m, n: (m, n)),
        "mirrored left to right": (height, width, lambda m, n: (m, width - 1 - n)),
        "mirrored top to bottom": (height, width, lambda m, n: (height - 1 - m, n)),
        "turned by 180 degrees": (height, width, lambda m, n: (height - 1 - m, width - 1 - n)),
        "transposed": (width, height, lambda m, n: (n, m)),
        "turned by 90 degrees anticlockwise": (width, height, lambda m, n: (n, width - 1 - m)),
        "turned by 90 degrees clockwise": (width, height, lambda m, n: (height - 1 - n, m)),
        "mirrored at the rising diagonal": (width, height, lambda m, n: (height - 1 - n, width - 1 - m)),
    }
    found = explain(rows).symmetries
    for name, (rows_after, columns_after, source) in maps.items():
        sign = 0
        if (rows_after, columns_after) == (height, width):
            turned = np.array([[kernel[source(m, n)] for n in range(width)] for m in range(height)])
            sign = 1 if (turned == kernel).all() else -1 if (turned == -kernel).all() else 0
        assert found[name] == sign


@settings(max_examples=25, deadline=None)
@given(integer_kernels)
def test_the_peak_of_the_response_is_the_peak(rows):
    """No frequency of a dense grid is passed more, and the reported one is passed as much as reported."""
    if not np.any(rows):
        return
    found = explain(rows)
    kernel = np.array(rows, dtype=float)
    dense = np.abs(np.fft.fft2(kernel, (180, 180)))
    assert found.response.peak_gain >= dense.max() * (1 - 1e-6)
    assert found.response.dc_share == pytest.approx(abs(kernel.sum()) / found.response.peak_gain, abs=1e-9)
    if found.response.peak_orientation is not None:
        angle, size = (
            math.radians(found.response.peak_orientation),
            2 * math.pi * found.response.peak_frequency,
        )
        gain = gain_at(kernel, size * math.sin(angle), size * math.cos(angle))
        assert gain == pytest.approx(found.response.peak_gain, rel=1e-6)


@pytest.mark.parametrize(
    ("kernel", "kind", "frequency", "orientation", "gain"),
    [
        (A, "band-pass", 0.25, 0, 8),
        (B, "band-pass", 0.25, 90, 8),
        (C, "high-pass", math.sqrt(0.5), None, 8),
        ([[-1, 1]], "high-pass", 0.5, 0, 2),
        (kernels.roberts_diagonal(), "band-pass", math.sqrt(0.125), 45, 2),
        (kernels.box(), "low-pass", 0, None, 1),
        ([[0, 0, 3]], "all-pass", 0, None, 3),
        ([[1, 0, 1]], "low-pass", 0, None, 2),
        (kernels.sharpen(), "high-boost", math.sqrt(0.5), None, 9),
        (kernels.gabor(5, 30), "band-pass", 0.2, 30, 0.5),
    ],
)
def test_frequency_responses_known_by_hand(kernel, kind, frequency, orientation, gain):
    """Peaks in cycles per pixel, from the formulas 2 sin w, 2 cos w - 2 and so on."""
    found = explain(kernel).response
    if kind == "low-pass" and np.shape(kernel) == (1, 3):
        kind = "band-stop"  # [1, 0, 1] passes the finest waves again, and stops those in between
    assert found.kind == kind
    assert found.peak_frequency == pytest.approx(frequency, abs=2e-3)
    assert found.peak_gain == pytest.approx(gain, rel=5e-3)
    assert found.peak_orientation == (None if orientation is None else pytest.approx(orientation, abs=0.1))


# Theorems -----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(integer_kernels, st.integers(1, 10**6), st.sampled_from([1, -1]))
def test_multiples_of_a_kernel_are_of_one_kind(rows, factor, sign):
    """explain(c K) has the kind of K, and its operator, gain and factors scale with c."""
    one, many = explain(rows), explain([[sign * factor * entry for entry in row] for row in rows])
    assert (one.kind, one.order, one.holds) == (many.kind, many.order, many.holds)
    assert many.dc_gain == sign * factor * one.dc_gain
    if one.operator is not None:
        assert [t.coefficient * sign * factor for t in one.operator.terms] == [
            t.coefficient for t in many.operator.terms
        ]
    assert one.symmetries == many.symmetries


@settings(max_examples=25, deadline=None)
@given(integer_kernels, st.sampled_from([1e-9, 0.1, 1 / 3, 1e9]))
def test_floats_that_are_multiples_of_whole_numbers_are_of_their_kind(rows, factor):
    """explain(c K) in floats decides as explain(K) does in whole numbers."""
    one, many = explain(rows), explain(factor * np.array(rows, dtype=float))
    assert (one.kind, one.order) == (many.kind, many.order)


@settings(max_examples=25, deadline=None)
@given(integer_kernels)
def test_transposing_exchanges_x_and_y(rows):
    """The transpose has the same kind, and the operator with x and y exchanged."""
    one, other = explain(rows), explain(np.array(rows).T.tolist())
    assert (one.kind, one.order) == (other.kind, other.order)
    if one.operator is not None:
        assert {(t.y, t.x): t.coefficient for t in one.operator.terms} == {
            (t.x, t.y): t.coefficient for t in other.operator.terms
        }
    if one.motion is not None:
        assert one.motion == other.motion[::-1]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5).filter(lambda weights: len(weights) != 2),
    st.sampled_from([[1, -1], [1, 0, -1], [-1, 2, -1], [1, -3, 3, -1]]),
    st.integers(-5, 5).filter(bool),
)
def test_a_mean_times_a_difference_is_a_derivative_and_transposing_exchanges_the_words(weights, steps, factor):
    """outer(weights, difference) is a derivative along x with the factor that hand calculation gives."""
    kernel = factor * np.outer(weights, steps)
    order = {2: 1, 3: 1 if steps[1] == 0 else 2, 4: 3}[len(steps)]
    found, turned = explain(kernel), explain(kernel.T)
    assert (found.kind, found.order, found.operator.direction) == ("derivative", order, 0)
    positions = [Fraction(2 * n - len(steps) + 1, 2) for n in range(len(steps))]
    moment = sum(step * x**order for step, x in zip(steps, positions, strict=True))
    assert found.operator.factor == factor * sum(weights) * moment / math.factorial(order)
    assert turned.operator.direction == 90
    words = found.sentence
    for pair in (
        ("along x", "along y"),
        ("vertical", "horizontal"),
        ("down the rows", "across the columns"),
        ("to the right.", "downwards."),
    ):
        assert pair[1] not in words
        words = words.replace(*pair)
    assert words == turned.sentence


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.data(), st.integers(-9, 9).filter(bool) | st.floats(0.1, 9))
def test_a_single_tap_moves_the_picture(height, width, data, gain):
    """One tap is a shift, the other way than the tap lies; in the middle it is a multiple of the identity."""
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    kernel = np.zeros((height, width))
    kernel[row, column] = gain
    found = explain(kernel)
    down, right = (height - 1) / 2 - row, (width - 1) / 2 - column
    assert found.kind == ("identity" if (down, right) == (0, 0) else "shift")
    assert found.operator is None
    assert (found.motion or (0, 0)) == (down, right)
    if height % 2 and width % 2:
        # a spot at the middle of a picture lands where the motion says
        spot = np.zeros((21, 21))
        spot[10, 10] = 1
        windows = np.lib.stride_tricks.sliding_window_view(spot, kernel.shape)
        answers = (windows * kernel).sum(axis=(2, 3))
        landed = np.argwhere(answers)[0] + [height // 2, width // 2]
        assert tuple(landed) == (10 + down, 10 + right)


# Traps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "sentence"),
    [
        ([[1]], "Identity: the picture comes out unchanged."),
        ([[0, 0, 0], [0, -1, 0], [0, 0, 0]], "Negative: the picture comes out with its sign reversed."),
        ([[7]], "Multiple of the identity: the picture comes out times 7."),
        ([[0, 0, 0], [0, 0, 1], [0, 0, 0]], "Shift: moves the picture 1 pixel to the left."),
        (
            [[0, 0, 0, 0, -2], [0] * 5, [0] * 5, [0] * 5, [0] * 5],
            "Shift: moves the picture 2 pixels to the left and 2 pixels down and multiplies it by -2.",
        ),
        (np.zeros((3, 4)), "Zero: the answer is 0 to every picture."),
        (
            [[1, 1], [1, 1]],
            "Smoothing (low-pass) in all directions: the mean of 2x2 pixels, multiplies the mean brightness by 4.",
        ),
        (
            [[0, 0, 1, 1, 1]],
            "Smoothing (low-pass) along x: the mean of 1x3 pixels, multiplies the mean brightness by 3, and moves "
            "the picture 1 pixel to the left.",
        ),
        (
            [[0, -1, 1]],
            "First derivative along x with factor 1, about a point 0.5 pixels to the right of the kernel's middle: "
            "finds vertical edges; positive where the picture turns from dark to bright to the right.",
        ),
        (
            [[-1, 0], [0, 1]],
            "First derivative along the falling diagonal with factor about 1.41, about the kernel's middle between "
            "pixels: finds edges along the rising diagonal; positive where the picture turns from dark to bright "
            "down to the right.",
        ),
        (
            kernels.sharpen(),
            "Sharpening: keeps the mean brightness and amplifies fine detail, up to 9 times as much: the picture "
            "minus its Laplacian.",
        ),
        (
            kernels.emboss(),
            "Picture plus a derivative: the picture plus 8.49 times its first derivative along the falling "
            "diagonal: a relief (emboss), brighter where the picture turns from dark to bright down to the right.",
        ),
        (
            [[1, 0, -1], [0, 0, 0], [-1, 0, 1]],
            "Mixed second derivative 4 d2/dxdy: answers to corners and saddles, zero on any linear ramp.",
        ),
        (
            [[-1, 2, -1]],
            "Second derivative along x with factor -1: answers to vertical lines, positive on bright ones and "
            "negative on dark ones, zero on any linear ramp.",
        ),
        (
            kernels.gabor(8, 90, phase=-90),
            "Band-pass (Gabor): answers to stripes 8 pixels apart that follow each other along y, an edge in the "
            "middle (phase -90 degrees).",
        ),
    ],
)
def test_sentences(kernel, sentence):
    """One plain sentence, true for the numbers."""
    assert explain(kernel).sentence == sentence


@pytest.mark.parametrize("share", [0.002, 0.01])
@pytest.mark.parametrize("name", ["sobel-x", "laplacian-8", "gaussian-derivative:sigma=1.5", "laplacian-of-gaussian"])
def test_a_small_leak_does_not_hide_a_derivative(name, share):
    """A DC gain of 1 % of the peak leaves the kind, and is told."""
    kernel = kernels.named(name).astype(float)
    clean = explain(kernel)
    leaky = explain(kernel + share * clean.response.peak_gain / kernel.size)
    assert (leaky.kind, leaky.order) == (clean.kind, clean.order)
    assert "DC leak" in leaky.sentence
    assert "DC leak" not in clean.sentence
    assert leaky.response.dc_share == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize(
    "name",
    ["sobel-x", "prewitt-y", "scharr-x", "roberts-diagonal", "laplacian-4", "laplacian-8", "sharpen", "emboss",
     "identity:size=3", "box", "gaussian", "gabor:wavelength=5,phase=-90", "unsharp"],
)  # fmt: skip
def test_noise_of_one_percent_does_not_change_the_kind(name):
    """Normal noise of 1 % of the largest entry, on every tap."""
    kernel = kernels.named(name)
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(size=kernel.shape) * 0.01 * np.abs(kernel).max()
        found = explain(kernel + noise)
        assert found.kind == explain(kernel).kind
        assert found.order == explain(kernel).order or found.kind == "sharpening"
        assert not found.exact


@pytest.mark.parametrize(("size", "seeds", "most"), [(3, 150, 3), (5, 30, 0), (7, 20, 0)])
def test_noise_has_no_simple_description(size, seeds, most):
    """Independent normal entries: 'none', but for a few 3x3 (measured: 43 of 3000, 30 of them means by chance)."""
    kinds = [explain(np.random.default_rng(seed).normal(size=(size, size))) for seed in range(seeds)]
    described = [found for found in kinds if found.kind != "none"]
    assert len(described) <= most
    for found in kinds:
        assert found.sentence.startswith("No simple description") == (found.kind == "none")


@pytest.mark.parametrize("wavelength", [3, 5, 8])
@pytest.mark.parametrize("phase", [0, -90, 90, 180, 30])
@pytest.mark.parametrize("orientation", [0, 25, 90, -45])
def test_gabors_are_band_pass_with_their_wave(wavelength, phase, orientation):
    """An expansion in moments does not hold where a Gabor answers: it is a wave, with its own parameters."""
    found = explain(kernels.gabor(wavelength, orientation, phase=phase))
    assert (found.kind, found.operator) == ("band-pass", None)
    assert found.wave.wavelength == pytest.approx(wavelength, rel=1e-3)
    assert found.wave.orientation == pytest.approx(orientation, abs=0.1)
    assert abs(math.remainder(found.wave.phase - phase, 360)) < 0.1
    assert found.wave.sigma == (pytest.approx(0.56 * wavelength, rel=1e-2),) * 2


def test_a_gabor_of_one_lobe_is_a_derivative():
    """With so narrow a window that only one wave is left, an odd Gabor is a Gaussian derivative: both names hold."""
    assert explain(kernels.gabor(8, phase=-90, sigma=1.5)).kind == "derivative"


def test_truncated_differences_of_gaussians():
    """Cut off and not corrected, a difference of Gaussians keeps a mean: band-pass or low-pass, not a Laplacian."""
    t = np.arange(7) - 3
    square = np.add.outer(t**2, t**2)
    raw = np.exp(-square / 2) / (2 * np.pi) - np.exp(-square / 5.12) / (5.12 * np.pi)
    found = explain(raw)
    assert found.response.dc_share > 0.1
    assert found.kind == "band-pass"
    assert found.wave.sigma == (pytest.approx(1, rel=1e-3), pytest.approx(1.6, rel=1e-3))


def test_the_picture_minus_a_wide_mean_is_high_pass():
    """Its Laplacian says nothing about the fine waves that it passes most."""
    found = explain(kernels.identity(7) - kernels.gaussian(1))
    assert (found.kind, found.holds) == ("high-pass", False)


def test_one_sided_weights_across_a_difference_are_still_a_derivative():
    """[1, 2] is a mean about its own centre, so its product with a difference is a derivative."""
    found = explain([[1, 0, -1], [2, 0, -2], [0, 0, 0]])
    assert (found.kind, found.operator.terms[0].coefficient) == ("derivative", -6)
    assert found.offset == (-0.5, 0)


@pytest.mark.parametrize("distance", [1, 2, 3, 7, 20])
def test_the_difference_of_two_distant_pixels_is_a_derivative(distance):
    """X(p + d) - X(p) is d times the derivative half way between."""
    found = explain([[-1, *[0] * (distance - 1), 1]])
    assert (found.kind, found.operator.factor) == ("derivative", distance)


def test_anisotropic_second_derivatives_are_not_called_laplacian():
    """d2/dx2 - d2/dy2 and d2/dx2 + 2 d2/dy2 are no Laplacians."""
    saddle, stretched = [[0, -1, 0], [1, 0, 1], [0, -1, 0]], [[0, 2, 0], [1, -6, 1], [0, 2, 0]]
    for kernel, terms in ((saddle, {(0, 2): 1, (2, 0): -1}), (stretched, {(0, 2): 1, (2, 0): 2})):
        found = explain(kernel)
        assert (found.kind, found.order) == ("derivative", 2)
        assert {(t.y, t.x): t.coefficient for t in found.operator.terms} == terms


@pytest.mark.parametrize("angle", [10, 30, 77, -60])
def test_directions_of_turned_derivatives(angle):
    """Cos t d/dx + sin t d/dy is the derivative along t; nothing in it is along an axis."""
    along_x = kernels.gaussian_derivative(1.5)
    kernel = math.cos(math.radians(angle)) * along_x + math.sin(math.radians(angle)) * along_x.T
    found = explain(kernel)
    assert (found.kind, found.order) == ("derivative", 1)
    assert found.operator.direction == pytest.approx(angle, abs=1e-6)
    assert float(found.operator.factor) == pytest.approx(1)


@pytest.mark.parametrize("angle", [0, 20, 45, 90, -30])
def test_motion_blur_says_its_direction(angle):
    """The weights spread along the motion."""
    found = explain(kernels.motion(15, angle))
    assert found.kind == "smoothing"
    assert abs(math.remainder(found.spread[2] - angle, 180)) < 2
    assert found.spread[1] == pytest.approx(15 / math.sqrt(12), rel=0.05)


# Input and output ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ([[1, 2], [3]], "a kernel to explain has rows of equal length, got ragged rows"),
        ([[1, [2, 3]]], "a kernel to explain has rows of equal length, got ragged rows"),
        ([["a", "b"]], "a kernel to explain holds numbers, got text such as 'a'"),
        ([[None, 1]], "a kernel to explain holds numbers, got None"),
        ([[]], "a kernel to explain has at least one entry, got shape (1, 0)"),
        (
            [1, 2],
            "a kernel to explain has 2 axes (rows, columns), got 1 in shape (2,); write [[...]] for a single row",
        ),
        (
            np.zeros((4, 1, 3, 3)),
            "a kernel to explain has 2 axes (rows, columns), got 4 in shape (4, 1, 3, 3); explain one at a time, "
            "such as kernel[0, 0]",
        ),
        ([[1.0, math.nan]], "a kernel to explain has finite entries, got nan at row 0, column 1"),
        ([[1.0], [-math.inf]], "a kernel to explain has finite entries, got -inf at row 1, column 0"),
        ([[1j]], "a kernel to explain is real, got complex entries; explain .real and .imag apart"),
        (np.ones((256, 2)), "a kernel to explain has sides of at most 255, got shape (256, 2)"),
        ([[10**200]], "a kernel to explain has entries of at most 1e+100 in magnitude"),
    ],
)
def test_bad_kernels_are_refused_in_one_line(kernel, message):
    """The error names the offender, the numbers and the rule."""
    with pytest.raises(FaltungError) as raised:
        explain(kernel)
    assert str(raised.value) == message


EVERY = [*KINDS, *DERIVATIVES]


@pytest.mark.parametrize("kernel", [*(kernels.named(n) for n in EVERY), np.zeros((2, 2)), np.eye(3) - 0.3])
def test_reports_are_plain_data_text_and_html(kernel):
    """to_dict is JSON without NaN, the text holds the sentence, and the HTML is whole and escaped."""
    found = explain(kernel)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["kind"] == found.kind
    assert data["shape"] == list(kernel.shape)
    assert str(found).startswith(found.sentence)
    page = found._repr_html_()
    assert page.count("<table") == page.count("</table>") >= 1
    assert "<script" not in page
    assert "http" not in page


def test_whole_numbers_stay_whole_in_plain_data():
    """-8 is -8 and not -8.0."""
    text = json.dumps(explain(A).to_dict()["operator"])
    assert '"factor": -8,' in text


def test_fractions_and_tensors_are_read():
    """Fractions are exact; a tensor that requires a gradient is read as its values."""
    found = explain([[Fraction(-1, 3), Fraction(1, 3)]])
    assert (found.operator.factor, found.exact) == (Fraction(1, 3), True)
    torch = pytest.importorskip("torch")
    weights = torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.bfloat16, requires_grad=True)
    assert float(explain(weights).operator.factor) == -2


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool, np.float16, np.float32, np.float64])
def test_every_number_type_gives_the_same_answer(dtype):
    """The mean of 3x3 pixels, whatever its entries are stored as; nothing overflows."""
    found = explain(np.ones((3, 3), dtype=dtype))
    assert (found.kind, float(found.dc_gain), found.nearest.name) == (
        "smoothing",
        9,
        "box:size=3",
    )


def test_rounding_of_float32_does_not_change_the_kind():
    """Kernels stored in float32 are explained as those in float64."""
    for name, kind in KINDS.items():
        assert explain(kernels.named(name).astype(np.float32)).kind == kind


@given(integer_kernels)
@settings(max_examples=20, deadline=None)
def test_the_given_kernel_is_left_alone(rows):
    """Explain changes nothing."""
    kernel = np.array(rows)
    before = kernel.copy()
    assume(kernel.size)
    explain(kernel)
    np.testing.assert_array_equal(kernel, before)
