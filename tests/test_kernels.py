"""The named filters: what they answer, not what they look like."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, signal

from faltung import kernels
from faltung.errors import FaltungError, UnknownName

POSITIONS_Y, POSITIONS_X = np.mgrid[0:40, 0:40].astype(float)


def answer(kernel, picture):
    """The one true cross-correlation, by SciPy."""
    return signal.correlate2d(picture, kernel, mode="valid")


@pytest.mark.parametrize("name", kernels.names())
def test_every_name_gives_a_fresh_array_of_whole_numbers_or_floats(name):
    """A kernel is fresh each time, int64 or float64, and finite."""
    first, second = kernels.named(name), kernels.named(name)
    assert first.dtype in (np.int64, np.float64)
    assert np.isfinite(first).all()
    first[:] = 7
    assert not (second == 7).all()


@pytest.mark.parametrize("name", kernels.names())
def test_every_kernel_has_an_example(name):
    """Every public kernel's docstring runs an example."""
    assert ">>>" in getattr(kernels, name.replace("-", "_")).__doc__


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("sobel", 8),
        ("scharr", 32),
        ("prewitt", 6),
        ("central-difference", 2),
        ("forward-difference", 1),
    ],
)
def test_first_derivatives_answer_their_factor_on_a_ramp(name, slope):
    """The x kernel answers its factor to the ramp x, and zero to the ramp y; the y kernel is its transpose."""
    along, across = kernels.named(f"{name}-x"), kernels.named(f"{name}-y")
    np.testing.assert_array_equal(answer(along, POSITIONS_X), slope)
    np.testing.assert_array_equal(answer(along, POSITIONS_Y), 0)
    np.testing.assert_array_equal(across, along.T)


@pytest.mark.parametrize(("name", "ramp"), [("sobel_x", POSITIONS_X), ("scharr_x", POSITIONS_X)])
def test_convolution_instead_of_correlation_has_the_other_sign(name, ramp):
    """An odd kernel changes its sign under true convolution: the rule of the module is correlation."""
    kernel = getattr(kernels, name)()
    np.testing.assert_array_equal(signal.convolve2d(ramp, kernel, mode="valid"), -answer(kernel, ramp))


def test_sobel_and_prewitt_agree_with_scipy():
    """Our cross-correlation kernels give what SciPy's own filters give away from the border."""
    picture = np.random.default_rng(0).normal(size=(20, 23))
    inner = (slice(1, -1), slice(1, -1))
    for axis, end in ((0, "y"), (1, "x")):
        np.testing.assert_allclose(answer(kernels.named(f"sobel-{end}"), picture), ndimage.sobel(picture, axis)[inner])
        np.testing.assert_allclose(
            answer(kernels.named(f"prewitt-{end}"), picture), ndimage.prewitt(picture, axis)[inner]
        )
    np.testing.assert_allclose(answer(kernels.laplacian_4(), picture), ndimage.laplace(picture)[inner])


def test_roberts_answers_along_the_diagonals():
    """The diagonal kernel grows down to the right and is deaf to the other diagonal; and the other way round."""
    falling, rising = POSITIONS_X + POSITIONS_Y, POSITIONS_X - POSITIONS_Y
    np.testing.assert_array_equal(answer(kernels.roberts_diagonal(), falling), 2)
    np.testing.assert_array_equal(answer(kernels.roberts_diagonal(), rising), 0)
    np.testing.assert_array_equal(answer(kernels.roberts_antidiagonal(), rising), 2)
    np.testing.assert_array_equal(answer(kernels.roberts_antidiagonal(), falling), 0)


@pytest.mark.parametrize(
    ("kernel", "factor"),
    [
        (kernels.laplacian_4(), 1),
        (kernels.laplacian_8(), 3),
        (kernels.laplacian_of_gaussian(1.4), 1),
        (kernels.laplacian_of_gaussian(2.0, size=5), 1),  # cut off hard
    ],
)
def test_laplacians_answer_twice_their_factor_on_a_parabola(kernel, factor):
    """The Laplacian of x**2 and of y**2 is 2, of any linear ramp 0, of x * y 0: at every truncation."""
    np.testing.assert_allclose(answer(kernel, POSITIONS_X**2), 2 * factor, atol=1e-9)
    np.testing.assert_allclose(answer(kernel, POSITIONS_Y**2), 2 * factor, atol=1e-9)
    np.testing.assert_allclose(answer(kernel, 3 + 2 * POSITIONS_X - POSITIONS_Y), 0, atol=1e-9)
    np.testing.assert_allclose(answer(kernel, POSITIONS_X * POSITIONS_Y), 0, atol=1e-9)


@given(
    sigma=st.floats(0.4, 4),
    x=st.integers(0, 4),
    y=st.integers(0, 3),
    size=st.integers(6, 15),
)
def test_gaussian_derivatives_differentiate_polynomials_exactly(sigma, x, y, size):
    """A derivative of order (y, x) answers 1 to t**x / x! * s**y / y! and 0 to every lower power along an axis."""
    try:
        kernel = kernels.gaussian_derivative(sigma, x, y, size)
    except FaltungError as error:
        assert "too few samples" in str(error)  # noqa: PT017
        return
    t = np.arange(size) - (size - 1) / 2
    for lower in range(x + 1):
        picture = np.outer(t**y, t**lower)
        wanted = math.factorial(x) * math.factorial(y) if lower == x else 0
        scale = np.abs(kernel * picture).sum() + 1
        assert abs((kernel * picture).sum() - wanted) <= 1e-8 * scale


def test_gaussian_derivative_agrees_with_scipy_on_a_smooth_picture():
    """On a slow wave a Gaussian derivative equals SciPy's, which samples the derivative of the Gaussian."""
    picture = np.sin(0.2 * POSITIONS_X + 0.1 * POSITIONS_Y)
    ours = answer(kernels.gaussian_derivative(sigma=2, size=17), picture)
    theirs = ndimage.gaussian_filter(picture, 2, order=(0, 1))[8:-8, 8:-8]
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_gaussian_agrees_with_scipy():
    """The Gaussian is SciPy's response to a single bright pixel, rescaled to sum to 1."""
    spot = np.zeros((31, 31))
    spot[15, 15] = 1
    theirs = ndimage.gaussian_filter(spot, 1.7, radius=6)[9:22, 9:22]
    np.testing.assert_allclose(kernels.gaussian(1.7, 13), theirs / theirs.sum(), rtol=1e-12)


@given(size=st.integers(1, 32))
def test_binomial_weights_are_repeated_averages_of_neighbours(size):
    """The binomial row is [1, 1] convolved with itself; normalised, it sums to 1."""
    row = np.array([1], dtype=object)
    for _ in range(size - 1):
        row = np.array([a + b for a, b in zip([0, *row], [*row, 0], strict=True)], dtype=object)
    whole = kernels.binomial(size, normalised=False)
    assert whole.tolist() == np.outer(row, row).tolist()
    assert int(whole.astype(object).sum()) == 4 ** (size - 1)
    np.testing.assert_allclose(kernels.binomial(size).sum(), 1)


@pytest.mark.parametrize(
    "text",
    [
        "gaussian:sigma=0.7",
        "gaussian:sigma=3,size=4",
        "box:size=6",
        "binomial:size=1023",
        "motion:length=7.3,angle=33",
    ],
)
def test_smoothing_kernels_sum_to_one_and_weigh_positively(text):
    """A smoothing keeps the mean: its weights sum to 1 and none is negative."""
    kernel = kernels.named(text)
    assert abs(kernel.sum() - 1) < 1e-12
    assert (kernel >= 0).all()


@pytest.mark.parametrize(
    "kernel",
    [
        kernels.difference_of_gaussians(1, 1.6, size=5),
        kernels.difference_of_gaussians(2, 3, size=7),
        kernels.laplacian_of_gaussian(2, size=5),
        kernels.gabor(8, 30, sigma=2, zero_mean=True),
    ],
)
def test_kernels_without_a_mean_have_none_at_any_truncation(kernel):
    """Sampling and truncation leave no DC gain."""
    assert abs(kernel.sum()) < 1e-14 * np.abs(kernel).sum() * kernel.size


@given(length=st.floats(1, 40), angle=st.floats(-360, 360))
def test_motion_blur_weighs_each_pixel_as_the_line_inside_it(length, angle):
    """Against a fine sampling of the line; and the kernel is symmetric about its middle."""
    kernel = kernels.motion(length, angle)
    height, width = kernel.shape
    along = (np.arange(20000) + 0.5) / 20000 * length - length / 2
    rows = np.round(along * math.sin(math.radians(angle))).astype(int) + height // 2
    columns = np.round(along * math.cos(math.radians(angle))).astype(int) + width // 2
    sampled = np.zeros((height + 2, width + 2))  # the line may graze a pixel that the kernel leaves out
    np.add.at(sampled, (rows + 1, columns + 1), 1 / 20000)
    np.testing.assert_allclose(np.pad(kernel, 1), sampled, atol=2e-3)
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])


@pytest.mark.parametrize("orientation", [0, 30, 90, 135])
def test_gabor_answers_most_to_its_own_wave(orientation):
    """Among waves of all directions and several lengths, a Gabor answers most to its own."""
    kernel = kernels.gabor(wavelength=6, orientation=orientation, sigma=4)
    y, x = (np.mgrid[0 : kernel.shape[0], 0 : kernel.shape[1]] - kernel.shape[0] // 2).astype(float)

    def gain(wavelength, direction):
        angle = math.radians(direction)
        phase = 2 * np.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle))
        return abs((kernel * np.exp(1j * phase)).sum())

    own = gain(6, orientation)
    assert abs(own - 0.5) < 0.01  # the window sums to 1, and a cosine is half a wave each way
    assert all(gain(6, orientation + turn) < own for turn in (-40, -20, 20, 40, 90))
    assert all(gain(length, orientation) < own for length in (3, 4, 8, 12))


def test_gabor_phase_turns_an_even_kernel_into_an_odd_one():
    """Phase 0 is even and phase -90 odd, positive where brightness grows along the orientation."""
    even, odd = kernels.gabor(phase=0), kernels.gabor(phase=-90)
    np.testing.assert_allclose(even, even[::-1, ::-1], atol=1e-15)
    np.testing.assert_allclose(odd, -odd[::-1, ::-1], atol=1e-15)
    middle = odd.shape[0] // 2
    assert odd[middle, middle + 1] > 0 > odd[middle, middle - 1]


@pytest.mark.parametrize("kernel", [kernels.sharpen(), kernels.unsharp(2, 1.5), kernels.emboss(), kernels.identity(5)])
def test_the_picture_and_its_details_keep_the_mean(kernel):
    """The identity and what adds details to the picture leave an even brightness alone."""
    np.testing.assert_allclose(kernel.sum(), 1)


def test_named_reads_parameters_of_every_type():
    """A text with parameters is the call with these arguments."""
    np.testing.assert_array_equal(kernels.named(" gaussian : sigma = 2, size=11 "), kernels.gaussian(2, 11))
    np.testing.assert_array_equal(
        kernels.named("gabor:wavelength=5,phase=-90,zero_mean=True"),
        kernels.gabor(5, phase=-90, zero_mean=True),
    )
    assert kernels.named("box:size=2,normalised=false").dtype == np.int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sobelx", "unknown kernel 'sobelx'; did you mean sobel-x or sobel-y?"),
        ("gaussian:sigm=2", "unknown parameter of gaussian 'sigm'; did you mean sigma?"),
    ],
)
def test_unknown_names_offer_the_nearest(text, message):
    """The error offers the nearest name that exists."""
    with pytest.raises(UnknownName) as raised:
        kernels.named(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gaussian:sigma=0", "gaussian: sigma must be a finite number above 0, got 0.0"),
        ("gaussian:sigma=-1", "gaussian: sigma must be a finite number above 0, got -1.0"),
        ("gaussian:sigma=nan", "gaussian: sigma must be a finite number above 0, got nan"),
        ("gaussian:size=0", "gaussian: size must be a whole number from 1 to 1023, got 0"),
        ("box:size=-3", "box: size must be a whole number from 1 to 1023, got -3"),
        ("box:size=100000000", "box: size must be a whole number from 1 to 1023, got 100000000"),
        ("box:size=2.5", "box: size must be a whole number, got '2.5'"),
        ("box:size=many", "box: size must be a whole number, got 'many'"),
        ("gaussian:sigma=wide", "gaussian: sigma must be a number, got 'wide'"),
        ("box:normalised=1", "box: normalised must be true or false, got '1'"),
        ("binomial:size=33,normalised=false", "binomial: size must be a whole number from 1 to 32, got 33"),
        ("identity:size=4", "identity: size must be odd, so that there is a middle pixel, got 4"),
        ("unsharp:size=4", "unsharp: size must be odd, so that there is a middle pixel, got 4"),
        (
            "gaussian:sigma=1e9",
            "gaussian: sigma=1e+09 needs a size of 6e+09, above the limit of 1023; give a smaller sigma or a size",
        ),
        ("gabor:wavelength=1", "gabor: wavelength must be from 2 to 1023, got 1.0"),
        ("gabor:orientation=inf", "gabor: orientation must be a finite number, got inf"),
        ("motion:length=0", "motion: length must be from 1 to 1023, got 0.0"),
        (
            "difference-of-gaussians:ratio=1",
            "difference-of-gaussians: ratio must be a finite number above 1, got 1.0",
        ),
        (
            "gaussian-derivative:x=5,size=5",
            "gaussian-derivative: a derivative of order x=5 needs a size of at least 6, got 5",
        ),
        (
            "gaussian-derivative:sigma=0.001,size=3",
            "gaussian-derivative: sigma=0.001 and size=3 leave too few samples for a derivative of order 1",
        ),
        ("gaussian:sigma", "gaussian: expected parameter=value after the colon, got 'sigma'"),
        ("gaussian:", "gaussian: expected parameter=value after the colon, got ''"),
        ("gaussian:sigma=1,sigma=2", "gaussian: sigma is given twice"),
        ("sobel-x:size=3", "sobel-x takes no parameters, got 'size=3'"),
    ],
)
def test_bad_texts_are_refused_in_one_line(text, message):
    """The error names the offender, the numbers and the rule."""
    with pytest.raises(FaltungError) as raised:
        kernels.named(text)
    assert str(raised.value) == message


@given(st.text(max_size=30) | st.tuples(st.sampled_from(kernels.names()), st.text(max_size=20)).map(":".join))
def test_any_text_gives_a_kernel_or_one_line(text):
    """No text crashes `named`: it gives a kernel, or an error of one line."""
    try:
        assert kernels.named(text).ndim == 2
    except FaltungError as error:
        assert "\n" not in str(error)  # noqa: PT017
