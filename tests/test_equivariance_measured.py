"""What a model really does when its picture moves: in whole numbers, in float64, by less than a pixel, and drawn."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from skimage.data import chelsea
from torch import nn

import faltung
from faltung import FaltungError, draw
from faltung.equivariance import shift_consistency, sub_pixel
from faltung.equivariance.subpixel import shifted


def checked(model: Any, *shape: int, **options: Any) -> faltung.Equivariance:
    weights = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return faltung.check(model, torch.zeros(shape, dtype=None if weights is None else weights.dtype), **options)


# What is measured


def test_the_error_is_measured_in_whole_numbers_and_as_it_is():
    """In whole numbers the error on the lattice is exactly 0, in float64 it is rounding, and off it there is one."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)).eval()
    weights = [parameter.clone() for parameter in model.parameters()]
    report = checked(model, 1, 3, 40, 40, shifts=range(1, 5))
    by_kind = {(s.axis, s.by, s.whole): s for s in report.measured.shifts}
    assert {key for key in by_kind if key[2]} == {(axis, by, True) for axis in "yx" for by in (2, 4)}
    for (axis, by, whole), shift in by_kind.items():
        assert shift.on_lattice == (by % 2 == 0)
        assert (shift.largest == 0) if whole else (shift.relative < 1e-14) == shift.on_lattice
        clean = report.output().movement(axis).untouched
        assert shift.error.shape == clean.shape
        assert shift.compared == 8 * int((~torch.tensor(shift.error).isnan()).sum())
    assert all(torch.equal(*pair) for pair in zip(weights, model.parameters(), strict=True))
    assert model[0].weight.dtype == torch.float32


def test_the_measured_error_is_that_of_a_loop():
    """The error of a strided mean off its lattice, computed pixel by pixel."""
    report = checked(nn.AvgPool1d(2).double(), 1, 1, 8, shifts=[1])
    (shift,) = [s for s in report.measured.shifts if not s.whole]
    world = torch.randint(-8, 9, (1, 1, 9), generator=torch.Generator().manual_seed(0)).double().reshape(-1).tolist()
    before, after = ([(world[i + by] + world[i + by + 1]) / 2 for i in range(0, 8, 2)] for by in (0, 1))
    still = max(abs(a - b) for a, b in zip(after, before, strict=True))
    moved = max(abs(a - b) for a, b in zip(after, before[1:], strict=False))
    assert shift.largest == min(still, moved)


def test_deep_networks_stay_whole_with_fewer_weights():
    """Where whole numbers would grow beyond 2^53, fewer weights are kept, until they do not."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Conv1d(8, 8, 3) for _ in range(24))).eval()
    report = checked(model, 1, 8, 64)
    (whole,) = [s for s in report.measured.shifts if s.whole]
    assert whole.largest == 0 < whole.compared
    smooth = checked(nn.Sequential(nn.Conv1d(1, 2, 3), nn.GELU()), 1, 1, 16)
    assert not [s for s in smooth.measured.shifts if s.whole]


def test_an_exported_program_is_measured_as_well():
    """A program that torch.export made is proved and run like the model itself."""
    model = nn.Conv1d(1, 2, 3, stride=2).double().eval()
    program = torch.export.export(model, (torch.zeros(1, 1, 15, dtype=torch.float64),))
    report = faltung.check(program)
    assert report.output().movement("x").step == 2
    assert report.measured.worst(report.output().layer, "x", on_lattice=True).relative < 1e-14


# Less than a pixel


def waves(*frequencies: int, size: int = 32) -> torch.Tensor:
    """Return cosines that fit a circle, one picture each, shape (n, 1, size)."""
    places = torch.arange(size, dtype=torch.float64)
    return torch.stack([torch.cos(2 * torch.pi * f * places / size + f) for f in frequencies])[:, None]


def test_a_shift_by_less_than_a_pixel_is_that_of_the_wave():
    """A cosine shifted by t pixels is the cosine at places t further: the Fourier transform's definition of a shift."""
    places = torch.arange(32, dtype=torch.float64)
    for by in (0.25, 1.0, -2.5):
        moved = torch.stack([torch.cos(2 * torch.pi * f * (places + by) / 32 + f) for f in (1, 3, 7)])[:, None]
        assert torch.allclose(shifted(waves(1, 3, 7), by, 2), moved, atol=1e-12, rtol=0)
    picture = torch.randn(1, 2, 7, 6, dtype=torch.float64)
    assert torch.allclose(shifted(picture, 3, 2), picture.roll(-3, 2), atol=1e-12, rtol=0)


def test_the_lie_derivative_of_a_square_is_known():
    """The square of a wave of a quarter turn per pixel and more is aliased: the derivative is off by what folds back.

    x = cos(w p) squares to 1/2 + cos(2 w p)/2. Below half a turn it moves along; beyond, it is sampled as the wave of
    2 pi - 2 w, whose derivative has the other sign and size: off by 2 pi/2 in amplitude, over that of the square.
    """

    def squared(x: torch.Tensor) -> torch.Tensor:
        return x * x

    slow = sub_pixel(squared, waves(3))
    assert slow.lie < 1e-6
    assert max(slow.errors.values()) < 1e-12
    fast = sub_pixel(squared, waves(11))
    square = squared(waves(11))
    # d/dt of the square is -w sin(2 w p + ...); that of what stands there, on the circle, is that of frequency 32 - 22
    off = 2 * torch.pi * 32 / 32 / 2 * np.sqrt(0.5)
    assert fast.lie == pytest.approx(off / float(square.square().mean().sqrt()), rel=1e-4)
    assert fast.errors[1.0] < 1e-12


def test_a_rectifier_keeps_whole_pixels_and_no_others():
    """ReLU commutes with shifts by whole pixels exactly, and not with others; a convolution on a circle with all."""
    cat = torch.tensor(chelsea()).permute(2, 0, 1)[None] / 255
    rectified = sub_pixel(nn.ReLU(), cat - cat.mean(), shifts=(0.5, 1.0))
    assert rectified.errors[1.0] < 1e-12 < 0.01 < rectified.errors[0.5]
    assert rectified.lie > 0.05
    torch.manual_seed(0)
    circle = sub_pixel(nn.Conv2d(3, 2, 5, padding=2, padding_mode="circular"), cat, axis="y", shifts=(0.5,))
    assert circle.errors[0.5] < 1e-12
    assert circle.lie < 1e-9


def test_strides_are_told_from_what_lies_between():
    """A strided layer moves along at the lattice's step, and not in between; units at the border are left out."""
    torch.manual_seed(0)
    found = sub_pixel(nn.Conv1d(1, 4, 5, stride=2, padding=2), torch.randn(2, 1, 33), shifts=(1.0, 2.0))
    assert found.step == 2
    assert found.errors[2.0] < 1e-12 < 0.1 < found.errors[1.0]
    assert str(found).startswith("conv1d along x, relative error by shift: 1: ")
    assert json.loads(json.dumps(found.to_dict()))["errors"].keys() == {"1", "2"}
    with pytest.raises(FaltungError, match="does not move with x in any known way: cumsum reads x by no period"):
        sub_pixel(lambda x: x.cumsum(-1), torch.zeros(1, 1, 8))


# Classifiers


def test_the_share_of_equal_classes():
    """A class that is the parity of the crop's place is the same for every second pair, one that is none for all."""
    places = torch.arange(40)[:, None] + torch.arange(40)
    pictures = torch.stack([places, places + 1])[:, None].float()

    def parity(crops: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot(crops[:, 0, 0, 0].long() % 2, 2).float()

    found = shift_consistency(parity, pictures, size=20, pairs=400)
    assert abs(found.share - 0.5) < 4 * found.error < 0.1
    assert found.pairs == 800
    assert found.farthest <= 20
    near = shift_consistency(parity, pictures, size=20, pairs=50, shift=3)
    assert near.farthest <= 3
    assert shift_consistency(parity, pictures, size=(20, 38), pairs=50, shift=0).share == 1
    assert str(near).endswith(f"of {near.pairs} pairs of crops got the same class, shifted by up to 3 pixels")
    assert set(near.to_dict()) == {"share", "error", "pairs", "farthest"}


def test_a_classifier_on_a_circle_is_consistent_on_its_lattice():
    """Pooled over a circle with stride 2, the class of a cat rolled by 2 is that of the cat, whatever the weights."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1, padding_mode="circular"),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
    ).double()
    report = checked(model, 1, 1, 100, 100, shift="roll", measure=False)
    assert [(m.kind, m.step) for m in report.output().movements] == [("invariant", 2)] * 2
    cat = torch.tensor(chelsea()).double().mean(-1)[None, None, 50:150, 100:200]
    with torch.no_grad():
        assert torch.equal(model(cat), model(cat.roll((4, -2), (2, 3))))
        assert not torch.equal(model(cat), model(cat.roll(1, 2)))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": 20}, "crops of 20x20 must be smaller than the pictures of 20x24, along each axis"),
        ({"size": (4, 4, 4)}, "crops of 4x4x4 must be smaller than the pictures of 20x24"),
        ({"size": 4, "pairs": 0}, "at least one pair is needed"),
    ],
)
def test_crops_that_do_not_fit(options, text):
    """What cannot be cropped is refused in one line."""
    with pytest.raises(FaltungError, match=text):
        shift_consistency(lambda crops: crops.mean((2, 3)), torch.zeros(1, 3, 20, 24), **options)
    with pytest.raises(
        FaltungError, match=r"a classifier gives scores of shape \(n, classes\), and this one gives 1x3x4x4"
    ):
        shift_consistency(lambda crops: crops, torch.zeros(1, 3, 20, 24), size=4)


# Pictures


@pytest.fixture
def ax():
    """Give fresh axes and close them."""
    figure, ax = pyplot.subplots()
    yield ax
    pyplot.close(figure)


def test_the_lattice_is_drawn_over_the_output(ax):
    """Untouched units are orange, touched ones grey, and dots stand P apart on the untouched ones."""
    report = faltung.check(faltung.parse("conv k=3 p=1, tconv k=2 s=2").at(y=6, x=8))
    assert draw.lattice(report, ax=ax) is ax
    colours = np.asarray(ax.images[-1].get_array())
    clean = report.output().untouched.mask()
    assert colours.shape == (*clean.shape, 3)
    assert len({tuple(colour) for colour in colours[clean]}) == len({tuple(colour) for colour in colours[~clean]}) == 1
    assert not (colours[clean][0] == colours[~clean][0]).any()
    (dots,) = ax.lines
    assert {(int(y), int(x)) for x, y in dots.get_xydata()} == {
        (y, x) for y in range(0, 12, 2) for x in range(0, 16, 2) if clean[y, x]
    }
    assert ax.get_title() == "output tconv1, 50% untouched\ny: 1 pixels move it by 2\nx: 1 pixels move it by 2"
    line = faltung.check(faltung.parse("conv k=3 s=2").at(x=9))
    assert draw.lattice(line, ax=ax).get_xlabel() == "x"


def test_the_error_is_drawn_against_the_shift(ax):
    """Each shift is a point at its error, in the colour of the lattice or of what lies off it."""
    report = checked(nn.AvgPool1d(2), 1, 1, 16, shifts=range(1, 5))
    assert draw.shift_error(report.measured, ax=ax) is ax
    drawn = {tuple(map(float, point)) for line in ax.lines for point in line.get_xydata()}
    assert drawn == {(s.by, s.relative) for s in report.measured.shifts if not s.whole}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["on the lattice", "off it"]
    found = sub_pixel(nn.ReLU(), waves(5))
    pyplot.close(draw.shift_error(found).figure)
    with pytest.raises(FaltungError, match="nothing was measured of any output along z"):
        draw.shift_error(report.measured, axis="z", ax=ax)


def test_the_error_map_is_drawn(ax):
    """Where an output was compared its error is drawn, elsewhere nothing."""
    report = checked(nn.AvgPool2d(2), 1, 1, 8, 8)
    shift = report.measured.worst("avg_pool2d", "y", on_lattice=False)
    draw.error_map(shift, ax=ax)
    shown = ax.images[-1].get_array()
    assert np.array_equal(np.isnan(shift.error), np.ma.getmaskarray(shown))
    assert ax.get_title() == "output avg_pool2d, y shifted by 1, off the lattice"
    axes = draw.equivariance(report)
    assert [one.get_title().splitlines()[0] for one in axes] == [
        "output avg_pool2d, 100% untouched",
        *["output avg_pool2d"] * 2,
    ]
    pyplot.close(axes[0].figure)
    deep = faltung.check(faltung.parse("conv k=3").at(z=5, y=5, x=5))
    with pytest.raises(FaltungError, match="conv1 has 3 axes besides batch and channel; one or two can be drawn"):
        draw.lattice(deep, ax=ax)


# The command line

MODEL = """
import torch
from torch import nn

class Model(nn.Sequential):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 3))

def body():
    return nn.Sequential(*list(Model())[:2])
"""


def test_the_exit_code_says_whether_a_requirement_holds(run, tmp_path):
    """0 where it holds or none is made, 1 with the guilty layer where it does not, 2 for a mistake."""
    (tmp_path / "model.py").write_text(MODEL)
    body, model = f"{tmp_path}/model.py:body", f"{tmp_path}/model.py:Model"
    code, said, _ = run(
        "check", body, "--input", "1x1x16x16", "--require", "lattice=2", "--plot", tmp_path / "plot.png"
    )
    assert code == 0
    assert said.splitlines()[-1] == "lattice=2 holds"
    assert (tmp_path / "plot.png").stat().st_size > 1000
    code, said, _ = run("check", model, "--input", "1x1x16x16", "--require", "interior")
    assert code == 1
    assert "interior does not hold: along y, 3 (linear) has a weight of its own for each place of y" in said
    assert run("check", model, "--input", "1x1x16x16", "--no-measure")[0] == 0
    assert run("check", model, "--input", "1x1x16x16", "--layer", "1", "--require", "interior")[0] == 0
    code, said, error = run("check", body, "--input", "1x1x16x16", "--require", "everything")
    assert (code, said, error.splitlines()[-1]) == (
        2, "", "faltung: require='everything' must be 'interior', 'lattice=S' with a whole number S, or 'none'"
    )  # fmt: skip


def test_json_on_the_command_line(run, tmp_path):
    """--json has the whole report and the requirement, and the same exit code."""
    (tmp_path / "model.py").write_text(MODEL)
    code, said, _ = run(
        "check", f"{tmp_path}/model.py:Model", "--input", "1x1x16x16", "--require", "interior", "--json"
    )
    told = json.loads(said)
    assert code == 1
    assert told["guilty"] == ["3"]
    assert not told["requirement"]["holds"]
    code, said, _ = run("check", "conv k=3 s=2", "--input", "9x9", "--axes", "x", "--json", "--require", "lattice=2")
    told = json.loads(said)
    assert code == 0
    assert [movement["axis"] for movement in told["outputs"][0]["movements"]] == ["x"]
    code, said, _ = run("check", "conv k=3", "--input", "9", "--shift", "roll")
    assert code == 0
    assert said.startswith("output conv1 (7), when the picture is rolled round:")
