"""Effective receptive fields: gradients against their theory, and path counts against gradients."""

import json
from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from torch import nn
from torch.nn import functional

import faltung
from faltung import FaltungError, draw, effective_receptive_field
from faltung.effective import EffectiveField, gradient, path_counts, predicted_receptive_field
from tests.strategies import chains, nan_poisoned

EXAMPLE = torch.zeros(1, 3, 20, 24)


def positive(model: nn.Module) -> nn.Module:
    """Make all weights positive, so that no paths cancel."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return model


class Residual(nn.Module):
    """Two convolutions, one of them called twice, around them a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.reused = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.skip = nn.Conv2d(4, 4, 1)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x = self.entry(x)
        return self.reused(functional.relu_(self.reused(x))) + self.skip(x)


def linear_chain(depth: int, kernel: int = 3, channels: int = 8) -> nn.Sequential:
    widths = [3, *[channels] * depth]
    layers = [nn.Conv2d(a, b, kernel, padding="same", bias=False) for a, b in pairwise(widths)]
    return nn.Sequential(*layers)


@pytest.mark.parametrize("layer", [None, "entry", "reused", "reused@1", "skip"])
@pytest.mark.parametrize("unit", [{"y": 0, "x": 11}, {"y": 4, "x": 5}])
def test_positive_weights_use_the_whole_field(layer, unit):
    """Where no paths cancel, the gradient is positive on the theoretical field and 0 outside it."""
    torch.manual_seed(0)
    model = positive(Residual())
    found = effective_receptive_field(model, layer=layer, unit={**unit, "c": 1}, inputs=torch.rand(2, 3, 20, 24))
    theory = faltung.capture(model, EXAMPLE).receptive_field(unit=unit, layer=layer)
    assert found.field == theory
    assert np.array_equal(found.mass > 0, theory.mask())
    assert found.mass.sum() == pytest.approx(1)
    assert found.inputs == 2
    assert found.layer == (layer or "add_1")


def test_one_convolution_weighs_as_its_weights():
    """The mass of a single convolution is the magnitude of its weights, tap m at input i + m - p."""
    model = nn.Conv2d(3, 5, (3, 4), padding=1)
    weight = model.weight.detach().double().numpy()
    found = effective_receptive_field(model, unit={"c": 2, "y": 0, "x": 7}, example=EXAMPLE, n=3)
    expected = np.zeros((20, 24))
    expected[0:2, 6:10] = np.abs(weight[2]).sum(0)[1:]  # the first row reads padding
    assert np.allclose(found.mass, expected / expected.sum())


def test_channels_are_summed_with_random_signs():
    """Channels of opposite weights do not cancel, and the signs differ from input to input."""
    model = nn.Conv2d(2, 2, 1, bias=False)
    model.weight.data = torch.tensor([[1.0, 1.0], [-1.0, -1.0 / 3]]).reshape(2, 2, 1, 1)
    asked = {"unit": {"y": 1, "x": 1}, "example": torch.zeros(1, 2, 3, 3)}
    assert effective_receptive_field(model, n=8, **asked).mass[1, 1] == 1
    masses = {
        round(float(effective_receptive_field(tilted(), n=1, seed=seed, **asked).centre["x"]), 3) for seed in range(8)
    }
    assert masses == {0, 1}  # one input: its signs agree, or not


def tilted() -> nn.Module:
    """Two channels that add on one side where their signs agree, and on the other where they differ."""
    model = nn.Conv2d(2, 2, (1, 2), padding=(0, 1), bias=False)
    model.weight.data = torch.tensor([[1.0, 1.0], [1.0, -1.0]]).reshape(2, 1, 1, 2).expand(2, 2, 1, 2).clone()
    return model


def test_the_mean_of_single_fields_is_the_field_of_all():
    """Absolute gradients are averaged over inputs one by one: a linear unit's inputs cannot cancel either."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 1, 3, padding=1))
    inputs = torch.randn(3, 3, 9, 9)
    unit = {"c": 0, "y": 4, "x": 4}
    leaf = inputs.clone().requires_grad_()
    model(leaf)[:, 0, 4, 4].sum().backward()
    expected = leaf.grad.abs().mean(0).sum(0).double().numpy()
    found = effective_receptive_field(model, unit=unit, inputs=inputs)
    assert np.allclose(found.mass, expected / expected.sum(), atol=1e-7)


def test_the_layer_is_seen_before_later_layers_overwrite_it():
    """An activation that works in place does not reach back into the layer before it."""
    torch.manual_seed(0)
    inplace = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3))
    plain = deepcopy(inplace)
    plain[1].inplace = False
    ask = {"unit": {"y": 3, "x": 3}, "layer": "0", "example": EXAMPLE, "n": 2}
    assert np.array_equal(effective_receptive_field(inplace, **ask).mass, effective_receptive_field(plain, **ask).mass)
    overwrites_its_input = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3))
    inputs = torch.randn(2, 3, 9, 9)
    before = inputs.clone()
    assert effective_receptive_field(overwrites_its_input, unit={"y": 3, "x": 3}, inputs=inputs).inputs == 2
    assert torch.equal(inputs, before)


def test_dimensions_other_than_two():
    """Sound and volumes are asked like pictures, and functions like modules."""
    for axes, convolution in (("x", functional.conv1d), ("zyx", functional.conv3d)):
        weight = torch.ones(1, 1, *[3] * len(axes))
        unit = dict.fromkeys(axes, 2)
        example = torch.zeros(1, 1, *[7] * len(axes))
        found = effective_receptive_field(
            lambda x, convolution=convolution, weight=weight: convolution(x, weight), unit=unit, example=example, n=1
        )
        assert found.mass.ndim == len(axes)
        assert found.area() == 3 ** len(axes)
        assert found.centre == pytest.approx(dict.fromkeys(axes, 3))


def test_the_model_is_left_as_it_was():
    """Modes, buffers, parameters, gradients, hooks and random numbers stay; so do they after an error."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU(), Counting())
    model[1].eval()  # a part of it is frozen
    model[0].weight.requires_grad_(False)
    state = deepcopy(model.state_dict())
    buffers = [id(buffer) for buffer in model.buffers()]
    modes = [module.training for module in model.modules()]
    wishes = [parameter.requires_grad for parameter in model.parameters()]
    generator = torch.get_rng_state()
    asked = {"unit": {"y": 3, "x": 3}, "example": EXAMPLE, "n": 2}
    with torch.no_grad():
        effective_receptive_field(model, layer="3", **asked)
    with pytest.raises(FaltungError):
        effective_receptive_field(model, layer="3", unit={"y": 99, "x": 3}, example=EXAMPLE)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [id(buffer) for buffer in model.buffers()] == buffers
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == wishes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), generator)


class Counting(nn.Module):
    """Keeps its own books, in a buffer that it replaces and one that it changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("replaced", torch.zeros(1))
        self.register_buffer("changed", torch.zeros(1))

    def forward(self, x):
        self.replaced = self.replaced + 1
        self.changed += 1
        return x * 2


def test_the_seed_decides():
    """Random inputs and signs come from the seed alone."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    first, again, other = (
        effective_receptive_field(model, unit={"y": 3, "x": 3}, example=EXAMPLE, n=2, seed=seed).mass
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_effective_field_grows_with_the_root_of_the_depth():
    """Four times the depth: the theoretical width grows almost fourfold, the effective radius about twofold."""
    torch.manual_seed(0)
    unit = {"y": 32, "x": 32}
    shallow, deep = (
        effective_receptive_field(linear_chain(depth), unit=unit, example=torch.zeros(1, 3, 65, 65), n=8)
        for depth in (6, 24)
    )
    assert len(deep.field.box["x"]) / len(shallow.field.box["x"]) == 49 / 13
    assert 1.7 < deep.radius(0.5) / shallow.radius(0.5) < 2.4
    assert 1.7 < (deep.area() / shallow.area()) ** 0.5 < 2.6
    for depth in (6, 24):  # the counts are those of a sum of independent steps: variances add
        counts = path_counts(faltung.parse(f"{depth} x conv k=3 p=1").at(x=65), {"x": 32})
        variance = np.sum(counts * (np.arange(65) - 32) ** 2) / counts.sum()
        assert variance == pytest.approx(depth * (3**2 - 1) / 12)


def test_zeroed_outer_taps_shrink_the_effective_field():
    """Weights that leave their outer taps at 0 see less, and the theoretical field does not notice."""
    torch.manual_seed(0)
    model = linear_chain(5, kernel=5)
    ask = {"unit": {"y": 10, "x": 12}, "example": EXAMPLE, "n": 4}
    before = effective_receptive_field(model, **ask)
    for conv in model:
        inner = torch.zeros(5, 5)
        inner[1:4, 1:4] = 1
        conv.weight.data *= inner
    after = effective_receptive_field(model, **ask)
    assert before.field == after.field
    assert after.area() < before.area()
    assert after.radius() < before.radius()
    change = before.compare(after)
    assert change.growth == after.area() / before.area() < 1
    assert 0 < change.overlap < 1
    assert before.compare(before).overlap == pytest.approx(1)
    assert f"{before.area()} -> {after.area()} pixels" in str(change)


@given(chains(most=14), st.data())
@settings(max_examples=60)
def test_path_counts_are_products_of_what_layers_read(chain, data):
    """Paths are counted by the product of the layers' read-tables, which NaN reveals: borders, holes and all."""
    net = faltung.parse(chain.text).at(**chain.axes)
    sizes = (chain.size, *chain.sizes)
    table = np.eye(int(np.prod(chain.size)))
    for layer, size in zip(chain.layers, sizes, strict=False):
        reads = nan_poisoned(layer.apply, size).double().numpy()
        table = table @ reads.reshape(table.shape[1], -1)
    place = tuple(data.draw(st.integers(0, size - 1)) for size in sizes[-1])
    expected = table.reshape(*chain.size, *sizes[-1])[(..., *place)]
    unit = dict(zip(chain.axes, place, strict=True))
    assert np.array_equal(path_counts(net, unit), expected)
    assert np.array_equal(path_counts(net, unit) > 0, net.receptive_field(unit=unit).mask())
    shares = path_counts(net, unit, fan_in=True)
    assert np.array_equal(shares > 0, expected > 0)
    assert shares.sum() < 1 + 1e-9


@given(chains(most=14).filter(lambda chain: "pool" not in chain.text), st.data())
@settings(max_examples=60)
def test_path_counts_are_the_gradient_of_unit_weights(chain, data):
    """Where all weights are 1, the gradient by a pixel is the number of paths to it, exactly."""
    x = torch.zeros(1, 1, *chain.size, dtype=torch.float64, requires_grad=True)
    y = x
    for layer in chain.layers:
        y = layer.apply(y)
    place = tuple(data.draw(st.integers(0, size - 1)) for size in y.shape[2:])
    (gradient,) = torch.autograd.grad(y[(0, 0, *place)], x)
    counts = path_counts(faltung.parse(chain.text).at(**chain.axes), dict(zip(chain.axes, place, strict=True)))
    assert np.array_equal(counts, gradient[0, 0].numpy())


class Branched(nn.Module):
    """Strides, groups, a pool, a reused layer, a branch that joins by adding and one by stretching."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.grouped = nn.Conv2d(6, 6, 3, padding=1, groups=3, bias=False)
        self.down = nn.Conv2d(6, 6, 2, stride=2, bias=False)
        self.up = nn.ConvTranspose2d(6, 6, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.single = nn.Conv2d(6, 1, (1, 3), padding=(0, 1), bias=False)

    def forward(self, x):
        x = self.entry(x)
        y = self.grouped(self.grouped(x)) + x
        z = self.up(self.down(y)) + self.single(x)
        return z + functional.avg_pool2d(y, 3, stride=1, padding=1, divisor_override=1)


@pytest.mark.parametrize("unit", [{"y": 0, "x": 0}, {"y": 5, "x": 6, "c": 4}, {"y": 9, "x": 3}])
@pytest.mark.parametrize("layer", [None, "grouped@1", "up"])
def test_path_counts_of_branches_and_channels(unit, layer):
    """Channels and branches count as they are wired: the gradient of unit weights, summed over channels."""
    model = Branched().double()
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    example = torch.zeros(2, 3, 20, 16, dtype=torch.float64)
    net = faltung.capture(model, example)
    leaf = example.clone().requires_grad_()
    seen = []
    if layer:
        name, _, number = layer.partition("@")
        model.get_submodule(name).register_forward_hook(lambda _m, _i, output: seen.append(output))
    out = model(leaf)
    out = seen[int(number or 0)] if layer else out
    channels = unit.get("c", slice(None))
    (gradient,) = torch.autograd.grad(out[0, channels, unit["y"], unit["x"]].sum(), leaf)
    assert np.array_equal(path_counts(net, unit, layer), gradient.sum((0, 1)).numpy())


def test_mean_squared_gradients_are_proportional_to_path_counts():
    """With independent weights of mean 0 and variance 1, E |gradient|^2 is the number of paths."""
    generator = torch.Generator().manual_seed(0)
    draws = 40_000

    def weight(kernel: int) -> torch.Tensor:
        """One network for each group of channels, its weights +1 or -1."""
        return torch.randint(0, 2, (draws, 1, kernel), generator=generator) * 2.0 - 1

    x = torch.zeros(1, draws, 14, requires_grad=True)
    y = functional.conv1d(x, weight(3), padding=1, groups=draws)
    y = functional.conv1d(y, weight(3), padding=2, dilation=2, groups=draws)
    y = functional.conv1d(y, weight(4), stride=2, groups=draws)
    (gradient,) = torch.autograd.grad(y[0, :, 1].sum(), x)
    counts = path_counts(faltung.parse("conv k=3 p=1, conv k=3 d=2 p=2, conv k=4 s=2").at(x=14), {"x": 1})
    measured = gradient[0].double().square().mean(0).numpy()
    assert np.array_equal(measured > 0, counts > 0)
    assert np.allclose(measured, counts, rtol=0.04)  # four standard errors; other kernels differ by far more


def test_even_shares_predict_what_random_weights_do():
    """The prediction without data has the radii of a random convolutional network within 15 %, skips included."""
    torch.manual_seed(0)

    class Block(nn.Module):
        def __init__(self, convolution: nn.Module) -> None:
            super().__init__()
            self.convolution = convolution

        def forward(self, x):
            return x + self.convolution(x)

    plain = linear_chain(8, channels=32)
    skips = nn.Sequential(plain[0], *(Block(conv) for conv in plain[1:]))
    for model in (plain, skips):
        for conv in plain:
            nn.init.normal_(conv.weight, std=(9 * conv.in_channels) ** -0.5)
        example, unit = torch.zeros(1, 3, 25, 25), {"y": 12, "x": 12}
        measured = effective_receptive_field(model, unit=unit, example=example, n=32)
        predicted = predicted_receptive_field(faltung.capture(model, example), unit=unit)
        assert predicted.field == measured.field
        assert predicted.inputs == 0
        for share in (0.5, 0.9):
            assert predicted.radius(share) == pytest.approx(measured.radius(share), rel=0.15)
        assert measured.compare(predicted).overlap > 0.85


def bell(mass, unit=None) -> EffectiveField:
    """Return a field with a mass of one's own choice."""
    mass = np.asarray(mass, dtype=np.float64)
    axes = ("y", "x")[-mass.ndim :]
    everywhere = faltung.parse("conv k=99 p=49").at(**dict(zip(axes, mass.shape, strict=True)))
    unit = unit or dict.fromkeys(axes, 0)
    return EffectiveField(mass / mass.sum(), everywhere.receptive_field(unit=unit), unit, "conv1", 4)


def test_within_radius_and_area_by_hand():
    """Shares of a mass that can be summed in the head: rings at distance 0, 1, the root of 2 and 2."""
    found = bell(
        [
            [0, 0, 4, 0, 0],
            [0, 5, 10, 5, 0],
            [4, 10, 24, 10, 4],
            [0, 5, 10, 5, 0],
            [0, 0, 4, 0, 0],
        ]
    )
    assert found.centre == pytest.approx({"y": 2, "x": 2})
    expected = {-1: 0, 0: 0.24, 0.99: 0.24, 1: 0.64, 1.4: 0.64, 1.42: 0.84, 1.99: 0.84, 2: 1, 9: 1}
    assert {radius: found.within(radius) for radius in expected} == pytest.approx(expected)
    assert [found.radius(share) for share in (0.1, 0.24, 0.25, 0.64, 0.9, 1)] == pytest.approx([0, 0, 1, 1, 2, 2])
    assert (found.area(), found.area(0.2), found.area(0.5)) == (13, 9, 1)
    assert bell([1, 3]).centre == pytest.approx({"x": 0.75})
    with pytest.raises(ValueError, match="read-only"):
        found.mass[0, 0] = 1


def test_a_field_tells_itself():
    """As text, as a table and as JSON, whose mass is the box of the theoretical field."""
    model = nn.Conv2d(3, 2, 3, padding=1)
    found = effective_receptive_field(model, unit={"y": 0, "x": 7}, example=EXAMPLE, n=1)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["field"]["box"] == {"y": [0, 1], "x": [6, 8]}
    assert np.array_equal(told["mass"], found.mass[0:2, 6:9])
    assert (told["inputs"], told["unit"], told["area"]) == (1, {"y": 0, "x": 7}, found.area())
    assert told["radius"] == {"50%": found.radius(0.5), "90%": found.radius(0.9)}
    assert "gradients of 1 input\n" in str(found)
    assert str(found).endswith("theoretical         6 pixels in a box of 2 x 3")
    assert "<th>theoretical</th><td>6 pixels in a box of 2 x 3</td>" in found._repr_html_()
    net = faltung.parse("conv k=3").at(x=9)
    assert "path counts, no data" in str(predicted_receptive_field(net, unit={"x": 2}))


def test_a_gradient_outside_the_theory_is_a_defect(monkeypatch):
    """Were the theoretical field too small, the answer would not be given."""
    narrow = faltung.capture(nn.Conv2d(3, 4, 1), EXAMPLE)
    monkeypatch.setattr(gradient, "capture", lambda *_inputs, **_settings: narrow)
    with pytest.raises(RuntimeError, match=r"gradient at 8 pixels outside its theoretical field .* please report it"):
        effective_receptive_field(nn.Conv2d(3, 4, 3, padding=1), unit={"y": 3, "x": 3}, example=EXAMPLE)


def test_the_picture_shows_mass_box_and_circles():
    """The heat is the mass by its peak; the box is the theoretical one; a circle for each share."""
    net = faltung.parse("4 x conv k=3 p=same").at(y=20, x=30)
    found = predicted_receptive_field(net, unit={"y": 9, "x": 12})
    figure, ax = pyplot.subplots()
    assert draw.effective(found, title="T", ax=ax) is ax
    assert np.allclose(ax.images[0].get_array(), found.mass / found.mass.max())
    box, half, most = ax.patches
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (7.5, 4.5, 9, 9)
    assert half.center == pytest.approx((12, 9))
    assert (half.radius, most.radius) == (found.radius(0.5), found.radius(0.9))
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["50%", "90%"]
    ax.clear()
    draw.effective(found, image=np.zeros((20, 30, 3)), shares=(), ax=ax)
    assert len(ax.images) == 2
    assert np.allclose(ax.images[1].get_alpha(), np.sqrt(found.mass / found.mass.max()))
    pyplot.close(figure)


def ask(model=None, **settings):
    """Ask for a unit that every 3x3 convolution has."""
    settings = {"unit": {"y": 0, "x": 0}, "example": EXAMPLE, **settings}
    return effective_receptive_field(model or nn.Conv2d(3, 4, 3), **settings)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: ask(3), "a gradient needs a torch.nn.Module or a function, not int"),
        (lambda: ask(example=None), r"give either inputs, or an example such as torch.zeros\(1, 3, 64, 64\) for ran"),
        (lambda: ask(inputs=EXAMPLE), "give either inputs, or an example"),
        (lambda: ask(example=EXAMPLE.long()), "inputs must be a tensor of floating-point numbers, not torch.int64: o"),
        (lambda: ask(example=[1.0]), "inputs must be a tensor of floating-point numbers, not list: others have no gr"),
        (lambda: ask(example=torch.zeros(1, 3)), r"inputs of shape \(1, 3\): they need a batch, a channel and at le"),
        (lambda: ask(example=None, inputs=EXAMPLE[:0]), r"inputs of shape \(0, 3, 20, 24\): they need a batch"),
        (lambda: ask(n=0), "n=0 random inputs; at least 1 is needed"),
        (lambda: ask(unit={"y": 0, "x": 22}), r"unit \(y=0, x=22\) lies outside conv2d: x=22 is not in 0..21"),
        (lambda: ask(Residual(), layer="entri"), "unknown layer 'entri'; did you mean entry"),
        (lambda: ask(lambda x: x * 0), r"unit \(y=0, x=0\) of mul has gradient 0 by every pixel of 16 inputs: ther"),
        (lambda: ask(lambda x: (x * 0).sqrt()), r"unit \(y=0, x=0\) of sqrt: its gradient by input 0 is not finite"),
        (lambda: bell([1, 2]).radius(0), "a share of the mass is above 0 and at most 1, not 0"),
        (lambda: bell([1, 2]).radius(1.1), "a share of the mass is above 0 and at most 1, not 1.1"),
        (
            lambda: bell([1, 2]).compare(bell([1, 2, 3])),
            "effective fields of different maps cannot be compared: x=2 and x=3",
        ),
        (
            lambda: path_counts(faltung.parse("200 x conv k=300 p=same").at(x=40), {"x": 20}),
            "conv200: there are more paths than a float can count; ask with fan_in=True",
        ),
        (
            lambda: predicted_receptive_field(faltung.parse("tconv k=1 s=2").at(x=4), unit={"x": 1}),
            r"unit \(x=1\) of tconv1 reads no pixel: there is no mass",
        ),
        (lambda: draw.effective(bell([1, 2])), "a field over x cannot be drawn; it must be over y, x"),
        (
            lambda: draw.effective(bell([[1, 2]]), image=np.zeros((9, 8))),
            "the picture has 9x8 pixels and the map 1x2; they must be equal",
        ),
    ],
)
def test_refusals(act, text):
    """What cannot be answered is refused in one line that names the offender and the rule."""
    with pytest.raises(FaltungError, match=f"^{text}") as caught:
        act()
    assert "\n" not in str(caught.value)
    pyplot.close("all")
