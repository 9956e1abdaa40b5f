"""What a plan says is what is done; tensors and complex numbers take the same ways; long calls can be stopped."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from faltung.errors import FaltungError
from faltung.filters import _native, convolve, correlate, doctor, plan

NATIVE = _native.core is not None
NOISE = np.random.default_rng(0)
EDGE = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])


@pytest.mark.parametrize(
    ("side", "kernel", "method"),
    [
        (64, EDGE, "direct" if NATIVE else "sparse"),
        (2048, EDGE, "direct" if NATIVE else "sparse"),
        (1024, np.outer(np.hanning(15), np.hanning(15)), "separable"),
        (2048, NOISE.random((101, 101)), "fft"),
    ],
)
def test_a_plan_chooses_by_kernel_and_size(side: int, kernel: np.ndarray, method: str) -> None:
    """Few taps are summed directly, kernels of low rank apart, and many taps by their spectra."""
    made = plan(np.zeros((side, side), np.float32), kernel, padding="same")
    assert made.method == method
    assert made.seconds[method] == min(made.seconds.values())
    assert made.core == ("native" if NATIVE else "numpy")


@pytest.mark.parametrize("method", ["direct", "sparse", "separable", "fft"])
def test_a_plan_can_be_forced(method: str) -> None:
    """A method that is asked for is planned, and told beside what the others are expected to take."""
    made = plan(np.zeros((300, 300), np.uint8), np.ones((9, 9), int), method=method, threads=3)
    assert (made.method, made.threads, made.reason) == (method, 3, "asked for")
    assert set(made.seconds) == {"direct", "separable", "fft", method}  # of dense taps "sparse" is not weighed
    assert json.loads(json.dumps(made.to_dict()))["seconds"][method] > 0
    assert str(made).startswith(f"{method}: asked for (on one thread ")


@pytest.mark.parametrize(
    ("image", "kernel", "core"),
    [
        (np.array([[1, 2]], object), np.ones((1, 1)), "numpy"),
        (np.ones((9, 9), np.longdouble), np.ones((3, 3)), "numpy"),
        (torch.ones(9, 9, dtype=torch.bfloat16), np.ones((3, 3)), "native" if NATIVE else "numpy"),
        (torch.ones(9, 9), torch.ones(3, 3), "native" if NATIVE else "numpy"),
        (np.ones((9, 9)) * 1j, np.ones((3, 3)), "native" if NATIVE else "numpy"),
        (torch.ones(9, 9, device="meta"), np.ones((3, 3)), "torch"),
        (np.ones((9, 9), np.uint64), np.ones((3, 3), int), "native" if NATIVE else "numpy"),
    ],
)
def test_everything_has_a_plan(image: Any, kernel: Any, core: str) -> None:
    """Whatever can be filtered has a plan, and says who computes."""
    made = plan(image, kernel)
    assert (made.method, made.core) == ("direct", core)
    assert core in str(made)


def test_a_plan_refuses_what_a_filter_refuses() -> None:
    """The texts name the plan."""
    with pytest.raises(FaltungError, match=r"^plan: the image must have shape \(\.\.\., H, W\), got \(3,\)$"):
        plan(np.ones(3), np.ones((3, 3)))


@pytest.mark.parametrize("numpy_alone", [False, True])
def test_the_doctor_says_what_there_is(numpy_alone: bool) -> None:
    """`faltung doctor` tells the core, or why there is none, the level of instructions, threads and versions."""
    environment = {**os.environ, "FALTUNG_THREADS": "3"}
    if numpy_alone:
        environment["FALTUNG_CORE"] = "numpy"

    def said(*more: str) -> str:
        words = [sys.executable, "-m", "faltung", "doctor", *more]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout

    told = json.loads(said("--json"))
    assert told["threads"] == 3
    assert told["versions"]["numpy"] == np.__version__
    text = said()
    if numpy_alone:
        assert (told["core"], told["reason"], told["levels"]) == ("numpy", "FALTUNG_CORE=numpy is set", [])
        assert text.startswith("core       numpy: FALTUNG_CORE=numpy is set\n")
    elif NATIVE:
        assert (told["core"], told["reason"]) == ("native", "")
        assert told["level"] == told["levels"][0] == doctor.examine().level
        assert "threads    3 of " in text


FOLLOWED = [
    {"padding": "same"},
    {"padding": ((2, 0), (0, 3)), "stride": (2, 3), "dilation": (1, 2)},
    {"padding": 2, "boundary": "reflect", "stride": 2},
    {"padding": ((1, 3), (2, 2)), "boundary": "replicate", "dilation": 2},
    {"padding": (3, 4), "boundary": "circular", "stride": (3, 1)},
    {"padding": 4, "stride": 5},
]


@pytest.mark.parametrize("how", FOLLOWED)
@pytest.mark.parametrize("kernel", [(3, 2), (2, 3, 2)])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_derivatives_of_every_window(how: dict[str, Any], kernel: tuple[int, ...], batch: tuple[int, ...]) -> None:
    """First and second derivatives by picture and bank are those of differences, for every window and boundary."""
    torch.manual_seed(0)
    image = torch.randn(*batch, 5, 6, dtype=torch.float64, requires_grad=True)
    bank = torch.randn(*kernel, dtype=torch.float64, requires_grad=True)

    def filtered(image: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
        return correlate(image, bank, **how)

    assert torch.autograd.gradcheck(filtered, (image, bank), fast_mode=True)
    assert torch.autograd.gradgradcheck(filtered, (image, bank), fast_mode=True)


def test_derivatives_are_those_of_torch() -> None:
    """Of a bank on a batch, beside torch.nn.functional.conv2d; also third ones."""
    torch.manual_seed(1)
    image = torch.randn(3, 40, 30, dtype=torch.float64, requires_grad=True)
    bank = torch.randn(4, 5, 5, dtype=torch.float64, requires_grad=True)

    def derivatives(answers: torch.Tensor) -> list[torch.Tensor]:
        first = torch.autograd.grad((answers**3).sum(), (image, bank), create_graph=True)
        second = torch.autograd.grad(sum((each**2).sum() for each in first), (image, bank), create_graph=True)
        return [*first, *second, *torch.autograd.grad(sum(each.sum() for each in second), (image, bank))]

    ours = derivatives(correlate(image, bank, padding="same", stride=2))
    theirs = derivatives(torch.nn.functional.conv2d(image[:, None], bank[:, None], padding=2, stride=2))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch, of itself
def test_derivatives_under_transforms_of_functions() -> None:
    """Forward derivatives, jacobians and maps over derivatives go on working: they take torch's own way."""
    torch.manual_seed(2)
    image, bank = torch.randn(6, 6, dtype=torch.float64), torch.randn(2, 3, 3, dtype=torch.float64)
    apart = torch.autograd.functional.jacobian(lambda taps: correlate(image, taps), bank)
    for jacobian in (torch.func.jacfwd, torch.func.jacrev):
        torch.testing.assert_close(jacobian(lambda taps: correlate(image, taps))(bank), apart)
    image.requires_grad_()
    answers = correlate(image, bank).sum((1, 2))
    rows = torch.autograd.grad(answers, image, torch.eye(2, dtype=torch.float64), is_grads_batched=True)[0]
    torch.testing.assert_close(
        rows, torch.stack([convolve(torch.ones(4, 4).double(), k, padding="full") for k in bank])
    )


def test_a_model_that_filters_can_be_exported() -> None:
    """Tracing follows the operations of torch, not the memory."""

    class Edges(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return correlate(image, torch.tensor(EDGE), padding="same")

    image = torch.randn(7, 7)
    program = torch.export.export(Edges(), (image,), strict=False)
    torch.testing.assert_close(program.module()(image), correlate(image, EDGE, padding="same"))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("which", ["image", "kernel", "both"])
@pytest.mark.parametrize("tensor", [False, True])
def test_complex_numbers(dtype: str, which: str, tensor: bool) -> None:
    """Real and imaginary parts, of one argument or of both, are those of a sum over the windows."""
    random = np.random.default_rng(4)

    def numbers(shape: tuple[int, ...], name: str) -> np.ndarray:
        made = random.normal(size=(2, *shape))
        if which in (name, "both"):
            return (made[0] + 1j * made[1]).astype(dtype)
        return made[0].astype(np.zeros(0, dtype).real.dtype)

    image, bank = numbers((2, 20, 30), "image"), numbers((3, 4, 5), "kernel")
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.clongdouble), (4, 5), (1, 2))
    exact = np.einsum("byxmn,kmn->bkyx", windows[:, ::2, ::2], bank.astype(np.clongdouble))
    arguments = [torch.from_numpy(each) for each in (image, bank)] if tensor else [image, bank]
    answer = correlate(*arguments, stride=2)
    assert str(answer.dtype).removeprefix("torch.") == dtype
    tolerance = {"complex64": 1e-5, "complex128": 1e-13}[dtype]
    assert np.allclose(np.asarray(answer), exact, rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64", "bool"])
def test_tensors_answer_as_arrays_do(dtype: str) -> None:
    """To the bit: the memory is the same, whatever its strides."""
    picture = (np.random.default_rng(5).random((3, 40, 50)) * 200).astype(dtype)
    for image in (picture, picture.transpose(0, 2, 1), picture[:, ::3, ::2]):
        ours = correlate(torch.from_numpy(image), EDGE, padding="same")
        right = correlate(image, EDGE, padding="same")
        assert str(ours.dtype) == f"torch.{right.dtype}"
        assert (ours.numpy() == right).all()


@pytest.mark.skipif(not NATIVE, reason="NumPy is asked between its operations alone")
@pytest.mark.parametrize("text", ["method='direct', threads=1", "method='direct', threads=2", "threads=2"])
def test_a_long_call_can_be_stopped(text: str) -> None:
    """Ctrl-C ends a call that would take minutes."""
    code = (
        "import numpy as np, sys; from faltung.filters import correlate\n"
        f"image = np.zeros((400, 2000, 2000), np.uint8)[:, ::-1]; kernel = np.arange(-60, 61).reshape(11, 11)**3 % 17\n"
        "print('ready', flush=True)\n"
        f"try: [correlate(image, kernel, {text}) for _ in range(100)]\n"
        "except KeyboardInterrupt: print('stopped')"
    )  # the picture is never touched before, so that it takes no memory
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "stopped\n"
        assert process.wait(30) == 0


@pytest.mark.parametrize("shape", [(2**20, 2**21), (2**25, 2**25)])
def test_huge_answers_are_refused_before_anything_is_allocated(shape: tuple[int, int]) -> None:
    """In one line."""
    image = np.broadcast_to(np.float32(1), shape)
    with pytest.raises(FaltungError, match="correlate: Unable to allocate"):
        correlate(image, EDGE, padding="same")
    with pytest.raises(FaltungError, match="correlate: Unable to allocate"):
        correlate(image, np.ones((9, 9)), method="fft")


@pytest.mark.parametrize("shape", [(0, 5, 5), (2, 0, 5, 5)])
@pytest.mark.parametrize("method", ["auto", "direct", "sparse", "separable", "fft"])
def test_no_pictures_at_all(shape: tuple[int, ...], method: str) -> None:
    """An empty batch has an empty answer."""
    assert correlate(np.zeros(shape), np.ones((3, 3)), method=method).shape == (*shape[:-2], 3, 3)
    assert correlate(torch.zeros(shape), torch.ones(2, 3, 3)).shape == (*shape[:-2], 2, 3, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("size", [5, 40, 150])
def test_what_is_planned_is_done(dtype: str, size: int) -> None:
    """Answers are those of the planned way to the bit, however the call is made."""
    random = np.random.default_rng(size)
    image = random.integers(0, 256, (size, size)).astype(dtype)
    whole = np.dtype(dtype).kind == "u"
    for k in (1, 3, 5, 7, 15, 31):
        column, row = random.integers(1, 9, (k, 1)), random.integers(1, 9, (1, k))
        for kernel in (column * row, random.integers(-9, 9, (k, k))):
            taps = kernel.astype("int16" if whole else dtype) * (1 if whole else np.dtype(dtype).type(0.37))
            made = plan(image, taps, padding="same")
            asked = correlate(image, taps, padding="same", method=made.method)
            out = np.empty_like(asked)
            assert correlate(image, taps, padding="same", out=out) is out
            assert (out == asked).all()
            assert (correlate(image, taps, padding="same") == asked).all()
            assert (correlate(image[None], taps[None], padding="same")[0, 0] == asked).all()
