"""Shifts, mirrorings and turns: what is proved of a network is what PyTorch does, and who is blamed is to blame."""

import json
from collections import Counter
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import faltung
from faltung import FaltungError
from faltung.equivariance import checking, constants, passing, untouched, walk, ways
from faltung.equivariance.walk import Culprit
from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.relation import AxisWise
from faltung.rules import behaviour
from faltung.rules.table import RULES, SAME_EVERYWHERE
from tests import nets
from tests.moving import (
    WINDOWS,
    World,
    contradiction,
    gap,
    grown,
    mirror_contradiction,
    movable,
    numbered,
    picture,
    squares,
)
from tests.networks import Apply, Drawn

EASY = settings(suppress_health_check=list(HealthCheck))


def checked(model: Any, *shape: int, **options: Any) -> faltung.Equivariance:
    weights = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return faltung.check(model, torch.zeros(shape, dtype=None if weights is None else weights.dtype), **options)


# Random networks


@given(movable())
@settings(EASY, max_examples=80)
def test_what_is_proved_is_what_pytorch_does(model):
    """On the lattice an output is the output moved, to the bit, off it by no whole move, and NaN draws the map."""
    found, _ = contradiction(model)
    assert not found, found


def test_the_random_networks_compare_something():
    """Random networks have lattices with steps and without, and most of them an interior to compare."""
    told: Counter[str] = Counter()

    @given(movable())
    @settings(EASY, max_examples=30)
    def look(model: Drawn) -> None:
        told.update(contradiction(model)[1])

    look()
    assert told["map"] >= 30
    assert told["on"] > 100 < told["on"]
    assert told["off"] > 5 < told["none"]


@given(squares())
@settings(EASY, max_examples=60)
def test_mirrorings_and_turns_are_what_pytorch_does(model):
    """Granted, they hold to the bit, borders and all or inside; denied, they do not hold."""
    found, _ = mirror_contradiction(model)
    assert not found, found


@st.composite
def circles(draw):
    """Draw a network of circular convolutions, pooling and shuffles, and whether every stride divides its circle."""
    axes = draw(st.integers(1, 2))
    sizes = [draw(st.sampled_from([16, 18, 24])) for _ in range(axes)]
    shape = (1, 2, *sizes)
    steps: list[tuple[nn.Module, tuple[int, ...]]] = []
    divides = True
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "conv", "pool", "relu", "roll"]))
        if kind == "conv":
            k, d = [draw(st.sampled_from([1, 3, 5])) for _ in range(axes)], draw(st.integers(1, 2))
            s = draw(st.integers(1, 3))
            p = tuple(d * (one - 1) // 2 for one in k)
            if any(one > size for one, size in zip(p, sizes, strict=True)):
                continue
            made = (nn.Conv1d, nn.Conv2d)[axes - 1](2, 2, k, s, p, d, padding_mode="circular")
        elif kind == "pool":
            s = draw(st.integers(2, 3))
            made = (nn.MaxPool1d, nn.MaxPool2d)[axes - 1](s)
        else:
            s, made = 1, nn.ReLU() if kind == "relu" else Apply(torch.roll, [3] * axes, list(range(2, 2 + axes)))
        if min(sizes) // s < 2:
            continue
        divides &= all(size % s == 0 for size in sizes)
        sizes = [-(-size // s) if kind == "conv" else size // s for size in sizes]
        steps.append((numbered(made, number), (len(steps),)))
    return Drawn([shape], steps or [(nn.ReLU(), (0,))]), divides


@given(circles())
@settings(EASY, max_examples=50)
def test_circular_padding_has_no_border_where_sizes_divide(drawn):
    """Rolled by S, a network on circles gives its output rolled by P, on every unit, if every stride divides."""
    model, divides = drawn
    report = faltung.check(model, *model.inputs(), shift="roll", measure=False)
    output = report.output()
    assert all(movement.kind == "lattice" for movement in output.movements)
    if not divides:
        assert not all(movement.closed for movement in output.movements)
        return
    assert not output.borders
    assert output.share == 1
    x = picture(model.shapes[0], 3)
    for number, movement in enumerate(output.movements):
        assert movement.closed
        rolled = model(x.roll(-movement.step, 2 + number))
        assert torch.equal(rolled, model(x).roll(-movement.moves[movement.axis], 2 + number))


def test_on_a_line_circular_padding_is_a_border():
    """A moving camera does not see what circular padding copies: the same network has a border then."""
    model = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")
    assert checked(model, 1, 1, 16, shift="roll").output().share == 1
    on_a_line = checked(model, 1, 1, 16).output()
    assert on_a_line.untouched.size == 14
    assert on_a_line.borders == ("pad",)


# Who is to blame


class Embedding(nn.Module):
    """A learned number for each place, added."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(shape[1:]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.position


class Mask(nn.Module):
    """A number for each place of the last axis, multiplied."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mask", torch.linspace(0.5, 1, shape[-1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask


class Recurrent(nn.Module):
    """A state that goes along the last axis."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.state = nn.GRU(shape[1], shape[1], batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.movedim(1, -1)
        return self.state(rows.reshape(-1, *rows.shape[-2:]))[0].reshape(rows.shape).movedim(-1, 1)


class Flattened(nn.Module):
    """All places to all places, each by a weight of its own."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        size = torch.Size(shape[1:]).numel()
        self.mixed = nn.Linear(size, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mixed(x.flatten(1)).reshape(x.shape)


def training(module: nn.Module) -> nn.Module:
    module.train()
    module.drawn_in_training = True
    return module


def coordinates(x: torch.Tensor) -> torch.Tensor:
    """Add the place along the last axis (as CoordConv has it)."""
    return x + torch.linspace(-1, 1, x.shape[-1]).expand_as(x[:, :1])


def shown_halved(x: torch.Tensor) -> torch.Tensor:
    """Add a copy that is half as fast."""
    return x + functional.interpolate(x, scale_factor=2, mode="nearest")[..., : x.shape[-1]]


def attended(x: torch.Tensor) -> torch.Tensor:
    """Self-attention over all places of the last axis."""
    tokens = x.movedim(1, -1)
    return functional.scaled_dot_product_attention(tokens, tokens, tokens).movedim(-1, 1)


def written(x: torch.Tensor) -> torch.Tensor:
    """Overwrite one place."""
    return x.index_fill(-1, torch.tensor([3]), 0.5)


CULPRITS: dict[str, tuple[Callable[[tuple[int, ...]], nn.Module], str]] = {
    "position embedding": (Embedding, "takes steps.N.position (…), whose numbers differ along x"),
    "mask": (Mask, "takes steps.N.mask (…), whose numbers differ along x"),
    "coordinates": (lambda shape: Apply(coordinates), "takes a tensor of … whose numbers differ along x"),
    "noise": (
        lambda shape: Apply(lambda x: x + torch.randn(x.shape)),
        "takes a tensor of … whose numbers are not known here (random, or on the meta device)",
    ),
    "dropout": (lambda shape: training(nn.Dropout(0.5)), "draws random numbers: it is in training mode"),
    "batch statistics": (
        lambda shape: training({3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](shape[1])),
        "takes batch statistics over all of x in training mode",
    ),
    "instance norm": (
        lambda shape: {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d}[len(shape)](shape[1]),
        "takes statistics over all of x",
    ),
    "group norm": (lambda shape: nn.GroupNorm(1, shape[1]), "takes statistics over all of x"),
    "layer norm over places": (lambda shape: nn.LayerNorm(shape[-1]), "takes statistics over all of x"),
    "softmax": (lambda shape: nn.Softmax(-1), "is a softmax over all of x"),
    "attention": (lambda shape: Apply(attended), "attends to all of x"),
    "squeeze and excite": (lambda shape: Apply(lambda x: x * x.mean(-1, keepdim=True)), "pools over all of x"),
    "adaptive pooling": (
        lambda shape: {3: nn.AdaptiveAvgPool1d, 4: nn.AdaptiveAvgPool2d}[len(shape)](
            max(n for n in (5, 7, 11) if shape[-1] % n)
        ),
        "reads x by no period (…)",
    ),
    "aligned corners": (
        lambda shape: Apply(
            lambda x: functional.interpolate(
                x, scale_factor=2.0, mode={3: "linear", 4: "bilinear"}[len(shape)], align_corners=True
            )
        ),
        "reads x by no period (…)",
    ),
    "flatten and linear": (Flattened, "has a weight of its own for each place of x"),
    "recurrence": (Recurrent, "reads x by no period (…)"),
    "running sum": (lambda shape: Apply(lambda x: x.cumsum(-1)), "reads x by no period (…)"),
    "spectrum": (lambda shape: Apply(lambda x: torch.fft.fft(x, dim=-1).real), "reads all of x"),
    "a branch flipped": (
        lambda shape: Apply(lambda x: x + x.flip(-1)),
        "joins branches that move by … and … units when x moves by …",
    ),
    "a branch slower": (
        lambda shape: Apply(shown_halved),
        "joins branches that move by … and … units when x moves by …",
    ),
    "one place": (lambda shape: Apply(lambda x: x + x[..., :1]), "…"),
    "written over": (lambda shape: Apply(written), "has no rule that says that it does the same everywhere"),
    "triangle": (lambda shape: Apply(lambda x: x.tril()), "has no rule that says that it does the same everywhere"),
}


def fits(reason: str, told: str) -> bool:
    """Say whether a reason is as told, `…` standing for anything and N for a number."""
    import re

    pattern = re.escape(told).replace("…", ".*").replace(r"\.N\.", r"\.\d+\.")
    return re.fullmatch(pattern, reason) is not None


@pytest.mark.parametrize("name", CULPRITS)
def test_a_planted_culprit_is_the_one_named(name):
    """In a network that has a lattice, one layer that breaks it is planted: it is named, and no other."""
    factory, told = CULPRITS[name]

    @given(grown((1, 2, 22), WINDOWS, longest=2), grown((1, 2, 12, 14), WINDOWS, longest=2), st.booleans())
    @settings(EASY, max_examples=2)
    def plant(line: Drawn, plane: Drawn, flat: bool) -> None:
        base = plane if name in ("triangle", "layer norm over places") and flat else line
        shape = base(*base.inputs()).shape
        if shape[-1] < 6:
            return
        planted = factory(tuple(shape))
        if not getattr(planted, "drawn_in_training", False):
            planted.eval()
        count = len(base.steps)
        model = Drawn(
            base.shapes,
            [*zip(base.steps, base.sources, strict=True), (planted.double(), (count,)), (nn.ReLU(), (count + 1,))],
        )
        found = faltung.check(model, *model.inputs(), axes="x", measure=False)
        assert found.guilty, model
        assert all(layer.startswith(f"steps.{count}") for layer in found.guilty), found
        assert any(fits(culprit.reason, told) for culprit in found.culprits), found.culprits
        assert not found.holds("interior")
        seen.append(name)

    seen: list[str] = []
    plant()
    assert seen


def test_without_the_culprit_nobody_is_blamed():
    """The same networks with nothing planted have a lattice."""

    @given(grown((1, 2, 22), WINDOWS, longest=2))
    @settings(EASY, max_examples=15)
    def look(model: Drawn) -> None:
        found = faltung.check(model, *model.inputs(), measure=False)
        assert found.output().movement("x").kind == "lattice"
        assert not found.guilty

    look()


def test_all_culprits_are_found_in_one_go():
    """The walk goes on behind a culprit, as if it were none, and finds the next."""
    model = nn.Sequential(nn.Conv1d(1, 2, 3), Embedding((1, 2, 18)), nn.ReLU(), nn.InstanceNorm1d(2), Mask((1, 2, 18)))
    assert checked(model.eval(), 1, 1, 20, measure=False).guilty == ("1", "3", "4")


def test_constants_that_repeat_make_the_lattice_coarser():
    """A mask with a pattern of 3 lets shifts by 3 of its places through; numbers per channel let all through."""
    pattern = torch.tensor([1.0, 2.0, 5.0]).repeat(8)
    weight = torch.tensor([[[1.0, 2]], [[3, -1]], [[1, 1]], [[2, 5]]])

    def masked(x: torch.Tensor) -> torch.Tensor:
        return functional.conv1d(x, weight.to(x), stride=2) * pattern + torch.arange(4.0)[:, None]

    movement = checked(masked, 1, 1, 48, measure=False).output().movement("x")
    assert (movement.kind, movement.step, movement.moves) == ("lattice", 6, {"x": 3})
    world = World.of(masked, (1, 1, 48), 2, 12)
    clean = torch.ones(1, 4, 24, dtype=torch.bool)
    assert gap(world.at(0), world.at(6), clean, 2, 3) == 0
    assert all(gap(world.at(0), world.at(by), clean, 2, by // 2) for by in (2, 4))


def test_relative_position_biases_are_the_same_everywhere():
    """Scores of pairs of places move along both axes at once: a bias of their distance lets that through."""

    def scores(bias: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: x.mT @ x + bias

    places = torch.arange(12)
    toeplitz = (places[:, None] - places).double()
    movement = checked(scores(toeplitz.abs()), 1, 3, 12, measure=False).output().movement("x")
    assert (movement.kind, movement.step) == ("lattice", 1)
    assert list(movement.moves.values()) == [1, 1]
    found = checked(scores(toeplitz * places), 1, 3, 12, measure=False)
    assert [culprit.layer for culprit in found.culprits] == ["add"]


def test_tokens_keep_their_lattice():
    """Patches, flattened to tokens, mixed feature by feature and put back, move by whole patches along both axes."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.mix, self.norm = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.LayerNorm(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = self.patch(x)
            return self.norm(self.mix(rows.flatten(2).mT)).mT.reshape(rows.shape)

    report = checked(Tokens().eval(), 1, 3, 24, 32)
    assert [(m.kind, m.step, m.moves) for m in report.output().movements] == [
        ("lattice", 4, {"y": 1}),
        ("lattice", 4, {"x": 1}),
    ]
    assert all(shift.relative < 1e-12 for shift in report.measured.shifts if shift.on_lattice)
    inner = checked(Tokens().eval(), 1, 3, 24, 32, layer="mix").output()
    assert [m.moves for m in inner.movements] == [{"yx": 8}, {"yx": 1}]


def test_windows_of_a_picture_make_its_lattice():
    """Statistics inside windows of 4 (as Swin cuts them) leave the shifts by whole windows, and one picture of them."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        cut = x.permute(0, 2, 3, 1).reshape(1, 4, 4, 3, 4, 3).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 3)
        cut = cut - cut.mean(1, keepdim=True)
        return cut.reshape(1, 4, 3, 4, 4, 3).permute(0, 1, 3, 2, 4, 5).reshape(1, 16, 12, 3).permute(0, 3, 1, 2)

    report = checked(forward, 1, 3, 16, 12)
    assert [(m.step, m.moves[m.axis]) for m in report.output().movements] == [(4, 4), (4, 4)]
    assert not report.measured.against()
    assert all(shift.relative > 0.1 for shift in report.measured.shifts if not shift.on_lattice)


@pytest.mark.parametrize(
    ("model", "shape", "step"),
    [
        (nets.vgg(2, 2, 3, 3, 3), (1, 3, 64, 64), 32),
        (nets.alexnet(), (1, 3, 224, 224), 16 * 2),
        (nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.MaxPool2d(3, 2, 1)), (1, 3, 64, 64), 4),
    ],
)
def test_published_networks_have_the_product_of_their_strides(model, shape, step):
    """Five halvings make 32 (Azulay and Weiss 2018 count the subsampling factor so), for VGG and AlexNet alike."""
    report = checked(model.eval(), *shape, measure=False)
    assert [(m.kind, m.step, m.moves[m.axis]) for m in report.output().movements] == [("lattice", step, 1)] * 2


def test_a_classifier_that_pools_everything_is_told_apart():
    """What is pooled over the picture does not move: it is neither granted nor put down to a position."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double().eval()
    movement = checked(model, 1, 1, 21, 21, measure=False).output().movement("y")
    assert (movement.kind, movement.step, movement.exact) == ("pooled", 2, False)
    assert movement.sentence().startswith("none: it is pooled, and shifts by 2 change it by what enters and leaves")
    circle = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1, padding_mode="circular"), *list(model)[1:]).double().eval()
    rolled = checked(circle, 1, 1, 20, 20, shift="roll").output().movement("y")
    assert (rolled.kind, rolled.step) == ("invariant", 2)
    x = picture((1, 1, 20, 20))
    assert torch.allclose(circle(x), circle(x.roll(2, 2)), atol=1e-12, rtol=0)
    assert not torch.allclose(circle(x), circle(x.roll(1, 2)), atol=1e-3, rtol=0)


def test_a_circle_keeps_statistics_and_softmax():
    """Rolling changes the order of places alone: what does not depend on it, statistics and maxima, is granted."""
    model = nn.Sequential(nn.Conv1d(1, 3, 3, padding=1, padding_mode="circular"), nn.InstanceNorm1d(3), nn.Softmax(-1))
    report = checked(model.eval(), 1, 1, 16, shift="roll")
    assert report.output().movement("x").kind == "lattice"
    assert all(shift.relative < 1e-12 for shift in report.measured.shifts)
    assert checked(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), 1, 1, 16, shift="roll", measure=False).guilty == (
        "1",
    )


def test_several_inputs_move_together_and_others_stay():
    """Inputs that are as large along an axis are shifted together; one that is smaller stays, and is to blame."""
    together = faltung.check(lambda x, y: x + y, torch.zeros(1, 1, 9), torch.zeros(1, 1, 9), measure=False)
    assert together.output().movement("x").kind == "lattice"
    apart = faltung.check(lambda x, y: x[..., :5] + y, torch.zeros(1, 1, 9), torch.zeros(1, 1, 5), measure=False)
    assert [culprit.reason for culprit in apart.culprits] == ["reads inputs_1, which does not move with x"]
    scaled = faltung.check(lambda x, y: x * y, torch.zeros(1, 4, 9), torch.zeros(1, 4, 1), measure=False)
    assert scaled.output().movement("x").kind == "lattice"


def test_several_outputs_are_told_apart():
    """Each output has a verdict of its own, in the order of the model."""
    report = checked(lambda x: (x[..., ::2], x.mean(-1)), 1, 2, 12)
    assert [(output.layer, output.movement("x").kind) for output in report.outputs] == [
        ("slice_1", "lattice"),
        ("mean", "pooled"),
    ]
    assert report.measured.worst("slice_1", "x", on_lattice=True).largest == 0


# Mirrorings and turns


def test_a_mirrored_picture_needs_mirrored_kernels_and_windows():
    """A 3x3 mean is symmetric: with stride 2 it sees an odd picture from both ends alike, and an even one not."""
    mean = nn.AvgPool2d(3, 2, 1)
    odd, even = (checked(mean, 1, 1, size, size, measure=False).output().symmetries for size in (9, 10))
    assert [symmetry.sentence() for symmetry in odd] == ["yes", "yes", "yes"]
    assert [symmetry.holds for symmetry in even] == [False] * 3
    assert even[0].sentence() == "no: avg_pool2d (avg_pool2d k=3 s=2 p=1) does not read y from both ends alike"


def test_a_pinwheel_turns_and_has_no_mirror_image():
    """A kernel that is itself turned by a quarter, and not mirrored, grants turns and no mirroring."""
    model = nn.Conv2d(1, 1, 5, padding=2, dtype=torch.float64)
    with torch.no_grad():
        arm = torch.zeros(5, 5)
        arm[0, 1], arm[1, 2] = 5, 2
        model.weight.copy_(sum(torch.rot90(arm, turns) for turns in range(4)))
    report = checked(model, 1, 1, 8, 8)
    assert [(s.name, s.holds) for s in report.output().symmetries] == [
        ("flip y", False),
        ("flip x", False),
        ("turn yx", True),
    ]
    assert [(one.name, one.relative < 1e-14) for one in report.measured.mirrored] == [("turn yx", True)]
    assert "has a kernel that differs by up to 5 from its mirror image along y" in str(report)


def test_chains_of_text_leave_their_kernels_open():
    """Without weights, mirror images are granted if the kernels are symmetric, by name."""
    report = faltung.check(faltung.parse("conv k=3 p=1, maxpool k=2, tconv k=2 s=2").at(y=8, x=8))
    assert [s.sentence() for s in report.output().symmetries] == [
        "yes, if the kernels of conv1, tconv1 are symmetric"
    ] * 3
    off_centre = faltung.check(faltung.parse("avgpool k=3 s=1 p=1, conv k=2").at(x=8)).output().symmetries[0]
    assert off_centre.sentence() == "yes, if the kernels of conv1 are symmetric"
    assert off_centre.ways[0][1].offset == 6
    with_hole = faltung.check(faltung.parse("conv k=3 p=2+0").at(x=8)).output().symmetries[0]
    assert with_hole.sentence() == "yes away from the borders, and moved, if the kernels of conv1 are symmetric"
    oblong = faltung.check(faltung.parse("avgpool k=2").at(y=8, x=6)).output().symmetries[2]
    assert oblong.sentence() == "no: the input (picture) is not square (8 x 6)"


# Teeth: a rule broken on purpose is caught


def caught(look: Callable[[Drawn], str], networks: Any, most: int = 60) -> bool:
    """Say whether a random network contradicts what is told now."""
    found: list[str] = []

    @given(networks)
    @settings(EASY, max_examples=most)
    def search(model: Drawn) -> None:
        if not found:
            said = look(model)
            if said:
                found.append(said)

    search()
    return bool(found)


BROKEN: dict[str, tuple[Any, str, Any, tuple[str, ...]]] = {
    "strides need not divide": (passing, "turns", lambda way, reads: 1, WINDOWS),
    "no border": (untouched, "reading_beyond", lambda reads, inputs, outputs: IntervalSet(), WINDOWS),
    "padding that copies is none": (untouched, "deviating", lambda *_: IntervalSet(), ("conv_same", "pad_from_itself")),
    "a border stays where it is": (untouched, "clipped", lambda products, shape: [], WINDOWS),
    "twice as coarse": (passing, "turns", lambda way, reads: 2 * ways.turns(way, reads), WINDOWS),
    "branches always meet": (walk._Found, "blame", lambda self, reason, kind="position": None, ("conv", "skip")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_caught(name, monkeypatch):
    """Each rule, broken on purpose, makes a random network contradict what is told of it."""
    where, what, instead, operators = BROKEN[name]
    monkeypatch.setattr(where, what, instead)

    def look(model: Drawn) -> str:
        try:
            return contradiction(model)[0]
        except (ZeroDivisionError, FaltungError, AssertionError) as error:
            return str(error) or "fails"

    assert caught(look, grown((1, 2, 30), operators, longest=4))


MIRRORS_BROKEN: dict[str, tuple[Any, str, Any]] = {
    "every kernel is symmetric": (walk, "mirrored_alike", lambda weights, ways: 0.0),
    "every window is": (
        passing,
        "image",
        lambda sign, offset, one, two: offset if sign > 0 else offset // abs(one.stride) * one.period,
    ),
    "borders are": (walk.Walk, "_check_kernel", lambda *_: ()),
}


@pytest.mark.parametrize("name", MIRRORS_BROKEN)
def test_a_broken_rule_of_mirrors_is_caught(name, monkeypatch):
    """Symmetries that are granted without looking at kernels or windows do not hold."""
    where, what, instead = MIRRORS_BROKEN[name]
    monkeypatch.setattr(where, what, instead)
    assert caught(lambda model: mirror_contradiction(model)[0], grown((1, 1, 16, 16), WINDOWS, longest=2), 30)


@pytest.mark.parametrize(
    ("where", "what", "instead", "planted"),
    [
        (walk, "looked_at", lambda *_: constants.Looked(1), "position embedding"),
        (behaviour, "is_same_everywhere", lambda call: True, "written over"),
        (behaviour, "draws", lambda call: False, "dropout"),
        (behaviour, "is_symmetric", lambda call: True, ""),
    ],
)
def test_a_culprit_that_is_overlooked_is_measured(where, what, instead, planted, monkeypatch):
    """If the proof overlooked a culprit, the measurement beside it would contradict, and the requirement fail."""
    monkeypatch.setattr(where, what, instead)
    if not planted:
        assert (
            checked(nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), 1, 1, 9, measure=False).output().movement("x").kind
            == "pooled"
        )
        return
    layer = CULPRITS[planted][0]((1, 2, 18))
    model = nn.Sequential(nn.Conv1d(1, 2, 3).eval(), layer if planted == "dropout" else layer.eval())
    report = checked(model.double(), 1, 1, 20)
    assert not report.guilty
    held = report.holds("interior")
    assert not held
    assert "a defect of Faltung" in str(held)


# What is required, and what is said


def test_requirements():
    """`interior` wants a lattice and units untouched, `lattice=S` whole moves for S, `none` nothing."""
    net = faltung.parse("conv k=3 s=2, conv k=3 s=2").at(x=32)
    report = faltung.check(net)
    assert bool(report)
    assert [bool(report.holds(f"lattice={step}")) for step in (1, 2, 4, 6, 8)] == [False, False, True, False, True]
    assert (
        str(report.holds("lattice=2"))
        == "lattice=2 does not hold: conv2 moves by whole units when x is shifted by 4, not by 2"
    )
    touched = faltung.check(faltung.parse("4 x conv k=5 p=same").at(x=9))
    assert not touched
    assert str(touched.holds("interior")) == (
        "interior does not hold: no unit of conv4 is untouched by a border; it comes in at conv1, conv2, conv3, conv4"
    )
    assert touched.holds("lattice=1")
    odd = checked(nn.AdaptiveAvgPool1d(3), 1, 1, 8, measure=False)
    assert str(odd.holds("lattice=4")) == (
        "lattice=4 does not hold: along x, adaptive_avg_pool1d reads x by no period (8 places, 3 outputs)"
    )
    assert odd.holds("none")


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (
            lambda: checked(nn.ReLU(), 1, 1, 9).holds("edge"),
            "require='edge' must be 'interior', 'lattice=S' with a whole number S, or 'none'",
        ),
        (
            lambda: checked(nn.ReLU(), 1, 1, 9, shift="zeros"),
            r"shift='zeros' must be 'crop' \(a moving camera\) or 'roll' \(round a circle\)",
        ),
        (lambda: checked(nn.ReLU(), 4, 3), r"the input \(4x3\) has no axis to shift along, only batch and channel"),
        (lambda: checked(nn.ReLU(), 1, 1, 9, axes="y"), "there is no axis 'y' to shift along; the inputs have x"),
        (lambda: faltung.check(faltung.parse("conv k=3")), "the network has no sizes yet"),
        (
            lambda: faltung.check(faltung.parse("conv k=3").at(x=9), torch.zeros(1)),
            "a network has its sizes already; leave out the example inputs",
        ),
        (lambda: checked(nn.ReLU(), 1, 1, 9, layer="conv"), "unknown layer 'conv'"),
    ],
)
def test_errors(act, text):
    """A user's mistake is one line that says what was wrong and what is right."""
    with pytest.raises(FaltungError, match=text):
        act()


def test_the_report_in_words():
    """A report names the lattice, the untouched units, the layers at the border, and what was measured."""
    model = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.ReLU(), nn.MaxPool2d(2))
    report = checked(model, 1, 1, 12, 12)
    assert str(report).splitlines() == [
        "output 2 (1x1x6x6), when a camera moves over a larger picture:",
        "  y        shift the input by 2, the output moves by 1",
        "  x        shift the input by 2, the output moves by 1",
        "  border   leaves 16 of 36 units untouched (y 1..4 and x 1..4); it comes in at 0",
        "  flip y   yes",
        "  flip x   yes",
        "  turn yx  yes",
        *str(report.measured).splitlines(),
    ]
    assert "y shifted by 2: 0 of the largest output in float64; by 1: 0." in str(report.measured)
    assert report._repr_html_().startswith("<table><tbody><tr><td>2</td><th>y</th>")
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["outputs"][0]["movements"][0]["shift"] == 2
    assert plain["measured"]["contradictions"] == []
    guilty = checked(Embedding((1, 1, 12)), 1, 1, 12, measure=False)
    assert guilty.output().movement("x").sentence() == "none; it would be 1 to 1 but for what stands in the way"
    assert guilty.culprits == (Culprit("add", "add", "takes position (1x12), whose numbers differ along x"),)
    assert str(checked(lambda x: x.tril(), 1, 1, 4, 4, measure=False).output().movement("y").sentence()) == "not proved"


def test_it_prints_in_a_terminal():
    """A report is a table in a terminal."""
    from rich.console import Console

    console = Console(width=100, record=True, file=StringIO())
    console.print(checked(nn.AvgPool1d(2), 1, 1, 8, measure=False))
    assert "shift the input by 2, the output moves by 1" in console.export_text()


# Ways


def test_images_of_relations_are_found_by_search():
    """reads(sign*i + offset') = sign*reads(i) + offset: what is found holds for every place, and nothing else does."""
    for stride, taps in (
        (1, [[0, 1]]),
        (2, [[-1, 0, 1]]),
        (1, [[0], [0, 1]]),
        (3, [[0, 2], [1]]),
        (-1, [[4]]),
        (2, [[0], [1, 5]]),
    ):
        reads = Reads(stride, taps)
        for sign in (1, -1):
            for offset in range(-6, 7):
                told = ways.image(sign, offset, reads, reads)

                def holds(moved: int, reads: Reads = reads, sign: int = sign, offset: int = offset) -> bool:
                    return all(
                        set(reads.inputs_of(IntervalSet.one(sign * place + moved)))
                        == {sign * tap + offset for tap in reads.inputs_of(IntervalSet.one(place))}
                        for place in range(-12, 13)
                    )

                assert (told is not None and holds(told)) or not any(holds(moved) for moved in range(-30, 31))


def test_an_inner_layer_is_asked_by_name():
    """With `layer` the verdict, and the measurement, are those of an inner module."""
    model = nn.Sequential(nn.Conv1d(1, 2, 3, 2), nn.Flatten(), nn.Linear(14, 3)).eval()
    assert not checked(model, 1, 1, 15, measure=False)
    inner = checked(model, 1, 1, 15, layer="0")
    assert inner.holds("lattice=2")
    assert {shift.layer for shift in inner.measured.shifts} == {"0"}


def test_operators_of_ones_own_are_granted_if_they_say_so():
    """A rule says what is read; that the same is done everywhere has to be said as well."""
    library = torch.library.Library("faltung_moving", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: 2 * x, "CompositeExplicitAutograd")
    library.impl("twice", lambda x: torch.empty_like(x), "Meta")

    def rule(call: Any) -> Any:
        return {"x": AxisWise.same(len(call.shape_of("x")))}

    def asked() -> Any:
        return checked(lambda x: torch.ops.faltung_moving.twice(x), 1, 1, 8, measure=False).output().movement("x")

    try:
        faltung.register_rule("faltung_moving::twice", rule)
        assert asked().sentence() == "not proved; it would be 1 to 1 but for what stands in the way"
        faltung.register_rule("faltung_moving::twice", rule, same_everywhere=True)
        assert asked().kind == "lattice"
    finally:
        RULES.pop("faltung_moving::twice", None)
        SAME_EVERYWHERE.discard("faltung_moving::twice")


def test_what_is_said_to_be_the_same_everywhere_exists():
    """No name in the list is one that no rule has."""
    checked(nn.ReLU(), 1, 1, 8, measure=False)  # all families of rules are loaded
    assert not behaviour.SAME - RULES.keys()


def test_what_checks_needs_no_numbers_of_the_model():
    """A model on the meta device is checked as well: what depends on its numbers is not granted."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv1d(1, 2, 3), Embedding((1, 2, 18)))
    report = checking.check(model, torch.zeros(1, 1, 20, device="meta"), measure=False)
    assert [culprit.kind for culprit in report.culprits] == ["unproved"]
    assert (
        report.output()
        .symmetries[0]
        .sentence()
        .startswith("not proved: 1 (add) takes 1.position (2x18), whose numbers are not known")
    )
