"""Capturing PyTorch models: names, shapes, refusals, and nothing changed behind the user's back."""

import logging
import re
from dataclasses import dataclass

import pytest
import torch
from torch import nn

import faltung
from faltung import FaltungError, UnknownOperator
from faltung.relation import AxisWise
from faltung.rules.table import RULES


class Block(nn.Module):
    """Two convolutions and a shortcut, added in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.conv2(self.relu(self.bn1(self.conv1(x))))
        y += x
        return self.relu(y)


class Net(nn.Module):
    """A stem and one block used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 7, 2, 3)
        self.block = Block(4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.head(self.block(self.block(self.stem(x))))


def net(size: int = 32) -> faltung.Network:
    return faltung.capture(Net().eval(), torch.zeros(1, 3, size, size))


def poisoned(model, x, pixel) -> torch.Tensor:
    """Return which outputs turn NaN when one input does."""
    y = x.clone()
    y[pixel] = torch.nan
    return torch.isnan(model(y))


def test_layers_have_the_names_of_modules():
    """Layers are named by module path, a second call by @1, and containers mean their output."""
    names = [layer.name for layer in net().layers]
    assert names[:4] == ["stem", "block.conv1", "block.bn1", "block.relu"]
    assert {"block.conv1@1", "block.conv2@1", "head"} <= set(names)
    captured = net()
    assert captured.name("block") == "block.relu@1"
    assert captured.name("block@1") == "block.relu@3"
    assert captured.name(None) == "head"


def test_a_captured_net_answers_like_a_chain():
    """The same layers written as text and as modules give the same fields, sizes and table."""
    model = nn.Sequential(
        nn.Conv2d(1, 1, (3, 5), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
        nn.ConvTranspose2d(1, 1, 4, 2, 1, output_padding=1),
        nn.AvgPool2d(2),
        nn.Upsample(scale_factor=2),
    )
    captured = faltung.capture(model, torch.zeros(1, 1, 21, 26))
    text = "conv k=3x5 s=2x1 p=1x0 d=1x2, maxpool k=3 s=2 p=1 ceil=1, tconv k=4 s=2 p=1 op=1, avgpool k=2, upsample s=2"
    chain = faltung.parse(text).at(y=21, x=26)
    assert captured.shape(None)[2:] == chain.shape(None)
    for y in range(chain.shape(None)[0]):
        for x in range(chain.shape(None)[1]):
            unit = {"y": y, "x": x}
            assert captured.receptive_field(unit=unit) == chain.receptive_field(unit=unit)
    for one, two in zip(captured.table().rows, chain.table().rows, strict=True):
        assert (one.stride, one.receptive_field, one.smallest, one.start, one.border, one.read) == (
            two.stride, two.receptive_field, two.smallest, two.start, two.border, two.read,
        )  # fmt: skip


def test_channels_are_an_axis():
    """Grouped channels are told apart when asked for, and any channel is meant otherwise."""
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.Conv2d(8, 8, 1, groups=8))
    captured = faltung.capture(model, torch.zeros(1, 4, 9, 9))
    field = captured.receptive_field(unit={"c": 5, "y": 4, "x": 4}, channels=True)
    assert field.box == {"c": range(2, 4), "y": range(3, 6), "x": range(3, 6)}
    assert captured.receptive_field(unit={"y": 4, "x": 4}, channels=True).size == 36
    assert captured.receptive_field(unit={"y": 4, "x": 4}).size == 9
    assert not captured.sees(unit={"c": 5, "y": 4, "x": 4}, pixel={"c": 1, "y": 4, "x": 4})
    assert captured.sees(unit={"c": 5, "y": 4, "x": 4}, pixel={"c": 2, "y": 4, "x": 4})
    assert captured.projective_field(pixel={"c": 0, "y": 0, "x": 0}, channels=True).box["c"] == range(4)


def test_pictures_of_a_batch_do_not_see_each_other():
    """A unit of one picture reads no pixel of another, and the answer says so along the batch."""
    net = faltung.capture(nn.Conv2d(1, 1, 3, padding=1), torch.zeros(2, 1, 5, 5))
    verdict = net.sees(unit={"n": 0, "y": 2, "x": 2}, pixel={"n": 1, "y": 2, "x": 2})
    assert not verdict
    assert verdict.distance == {"n": 1, "y": 0, "x": 0}
    assert "lies 1 step along n from the nearest, (n=0, y=2, x=2)" in str(verdict)
    assert net.sees(unit={"y": 2, "x": 2}, pixel={"n": 1, "y": 2, "x": 2})


def test_writing_in_place_through_a_view_is_followed():
    """x[:, 0] = 0 changes x under another name: the net after it does not read channel 0."""

    def forward(x):
        y = x * 2
        y[:, 0] = 0
        return y.sum(1)

    def halves(x):
        y = x * 2
        first, _ = y.split([1, 2], 1)
        first.copy_(torch.ones_like(first))
        return y.sum(1)

    for model in (forward, halves):
        net = faltung.capture(model, torch.zeros(1, 3, 5, 5))
        field = net.receptive_field(unit={"y": 2, "x": 2}, channels=True)
        assert field.box == {"c": range(1, 3), "y": range(2, 3), "x": range(2, 3)}


def test_the_model_is_left_as_it_was():
    """Mode, parameters, buffers, hooks, gradients and the random state are untouched."""
    model = Net().train()
    seen = []
    model.head.register_forward_hook(lambda *_: seen.append(1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    faltung.capture(model, torch.zeros(2, 3, 16, 16))
    assert model.training
    assert model.block.bn1.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert len(model.head._forward_hooks) == 1
    assert all(parameter.grad is None for parameter in model.parameters())


def test_training_mode_reads_the_batch():
    """Batch normalisation in training mode reads its whole channel; in evaluation it reads its own place."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    x = torch.zeros(2, 1, 8, 8)
    assert faltung.capture(model.train(), x).receptive_field(unit={"y": 0, "x": 0}).size == 64
    assert faltung.capture(model.eval(), x).receptive_field(unit={"y": 0, "x": 0}).size == 9


def test_no_weights_are_needed():
    """On the meta device a model has shapes and no numbers, at any size."""
    with torch.device("meta"):
        model = Net().eval()
        captured = faltung.capture(model, torch.zeros(1, 3, 4096, 4096))
    assert captured.shape("head") == (1, 2, 2048, 2048)
    assert captured.receptive_field(unit={"y": 1000, "x": 1000}).box["y"] == range(1989, 2012)


def test_several_inputs_and_outputs():
    """Inputs are chosen by number or name, outputs are layers, also of dicts and dataclasses."""

    @dataclass
    class Out:
        first: torch.Tensor
        second: torch.Tensor

    torch.export.register_dataclass(Out, serialized_type_name="tests.Out")

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv1d(1, 1, 3), nn.Conv1d(2, 1, 5)

        def forward(self, left, right):
            return {"sum": self.a(left)[..., :6] + self.b(right), "out": Out(self.a(left), right)}

    captured = faltung.capture(Two(), torch.zeros(1, 1, 10), torch.zeros(1, 2, 10))
    assert captured.inputs == ("left", "right")
    assert captured.receptive_field(unit={"x": 2}).box == {"x": range(2, 5)}
    assert captured.receptive_field(unit={"x": 2}, input="right").box == {"x": range(2, 7)}
    assert captured.receptive_field(unit={"x": 2}, layer="a@1", input=1).size == 0
    with pytest.raises(FaltungError, match=r"^there is no input 2; the inputs are 0 \(left\), 1 \(right\)$"):
        captured.receptive_field(unit={"x": 2}, input=2)


def test_one_tensor_may_stand_for_several_inputs():
    """The same example given twice is two inputs, each read for itself."""
    x = torch.zeros(1, 1, 9)
    net = faltung.capture(lambda a, b: nn.functional.conv1d(a, torch.ones(1, 1, 3), padding=1) + b, x, x)
    assert [net.receptive_field(unit={"x": 4}, input=number).size for number in range(2)] == [3, 1]


def test_merged_axes_join_their_names_and_part_again():
    """Tokens of a transformer are yx, and are y and x again after the view back."""

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, 4)
            self.norm = nn.LayerNorm(8)

        def forward(self, x):
            tokens = self.norm(self.patches(x).flatten(2).transpose(1, 2))
            return tokens.transpose(1, 2).reshape(1, 8, 4, 4)

    captured = faltung.capture(Tokens(), torch.zeros(1, 3, 16, 16))
    assert captured.map("norm").axes == ("n", "yx", "c")
    assert captured.map(None).axes == ("n", "c", "y", "x")
    assert captured.receptive_field(unit={"yx": 5}, layer="norm").box == {"y": range(4, 8), "x": range(4, 8)}
    assert captured.receptive_field(unit={"y": 1, "x": 1}).box == {"y": range(4, 8), "x": range(4, 8)}


def test_an_unknown_operator_is_refused_by_name():
    """No rule, no guess: the operator and its layer are named, or it is taken to read all and marked."""

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return torch.linalg.inv(self.conv(x))

    with pytest.raises(UnknownOperator, match=r"^unknown operator linalg_inv at layer linalg_inv: it has no rule; "):
        faltung.capture(Odd(), torch.zeros(1, 1, 6, 6))
    captured = faltung.capture(Odd(), torch.zeros(1, 1, 6, 6), unknown="reads-all")
    assert captured.receptive_field(unit={"y": 0, "x": 0}).size == 36
    assert captured.table().rows[-1].unknown == "linalg_inv"
    with pytest.raises(FaltungError, match=r"^unknown='guess' must be 'refuse' or 'reads-all'$"):
        faltung.capture(Odd(), torch.zeros(1, 1, 6, 6), unknown="guess")


def test_rules_of_ones_own(monkeypatch):
    """register_rule makes an operator known; a rule that leaves an argument unread is refused."""
    monkeypatch.setattr("faltung.rules.table.RULES", RULES)
    library = torch.library.Library("faltung_tests", "DEF")
    library.define("mirror(Tensor x, int axis) -> Tensor")
    library.impl("mirror", lambda x, axis: x.flip(axis), "CompositeExplicitAutograd")
    library.impl("mirror", lambda x, axis: torch.empty_like(x), "Meta")

    def model(x):
        return torch.ops.faltung_tests.mirror(x, -1)

    x = torch.zeros(1, 1, 8)
    with pytest.raises(UnknownOperator, match="unknown operator faltung_tests::mirror at layer mirror"):
        faltung.capture(model, x)
    faltung.register_rule("faltung_tests::mirror", lambda call: {"x": AxisWise.same(len(call.shape))})
    with pytest.raises(UnknownOperator, match="its rule does not read axis"):
        faltung.capture(model, x)

    def mirror(call):
        call.skip("axis")
        return {"x": AxisWise.same(len(call.shape))}

    faltung.register_rule("faltung_tests::mirror", mirror)
    assert faltung.capture(model, x).receptive_field(unit={"x": 2}).box == {"x": range(2, 3)}

    def forgetful(call):
        assert call["axis"] == len(call.shape_of("x")) - 4
        return {}

    faltung.register_rule("faltung_tests::mirror", forgetful)
    with pytest.raises(UnknownOperator, match="its rule does not read x"):  # looked at, and left out of the readings
        faltung.capture(model, x)
    with pytest.raises(FaltungError, match="must be a function of a Call, not int"):
        faltung.register_rule("faltung_tests::mirror", 3)
    RULES.pop("faltung_tests::mirror")


def test_outputs_are_the_models_and_parameters_may_be_made():
    """Changed buffers are no outputs, and operators on parameters alone need no rule."""

    class Changed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, x):
            y = x * 2
            y[:, 0].add_(1)
            return self.norm(y)

    assert faltung.capture(Changed().train(), torch.zeros(3, 2, 5)).map(None).shape == (3, 2, 5)
    spectral = nn.utils.parametrizations.spectral_norm(nn.Conv1d(1, 1, 3))
    assert faltung.capture(spectral, torch.zeros(1, 1, 9)).receptive_field(unit={"x": 2}).size == 3


def test_exactly_zero_weights_can_count_as_unread():
    """With exact_weights, masked taps and channels are holes; NaN agrees when the zeros are left out."""
    conv = nn.Conv2d(2, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1)
        conv.weight[:, :, 1, 2:] = 0
        conv.weight[:, :, 2] = 0
        conv.weight[0, 1] = 0
    x = torch.zeros(1, 2, 7, 7)
    full = faltung.capture(conv, x)
    exact = faltung.capture(conv, x, exact_weights=True)
    unit = {"c": 0, "y": 3, "x": 3}
    assert full.receptive_field(unit=unit, channels=True).size == 18
    field = exact.receptive_field(unit=unit, channels=True)
    read = {(0, 2, 2), (0, 2, 3), (0, 2, 4), (0, 3, 2), (0, 3, 3)}
    assert {tuple(place.values()) for place in field} == read
    transposed = nn.ConvTranspose2d(1, 1, 3, 2, bias=False)
    with torch.no_grad():
        transposed.weight.fill_(1)
        transposed.weight[..., 1] = 0
    net = faltung.capture(transposed, torch.zeros(1, 1, 4, 4), exact_weights=True)
    x = torch.zeros(1, 1, 4, 4)
    for place in range(9):
        gradient = torch.autograd.functional.jacobian(lambda x, place=place: transposed(x)[0, 0, 4, place], x)[0, 0]
        assert (gradient != 0).equal(torch.from_numpy(net.receptive_field(unit={"y": 4, "x": place}).mask()))


def test_the_table_says_when_the_whole_picture_is_read():
    """After a global mean every unit reads all that anyone reads: pixels that a stride skips are not among it."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, stride=2), nn.AdaptiveAvgPool2d(1), nn.Conv2d(1, 1, 1))
    rows = faltung.capture(model, torch.zeros(1, 1, 9, 9)).table().rows
    assert [row.complete for row in rows] == [False, False, False, False]
    assert rows[-1].read == pytest.approx(25 / 81)
    model[0] = nn.Conv2d(1, 1, 3, stride=2, padding=1)
    rows = faltung.capture(model, torch.zeros(1, 1, 9, 9)).table().rows
    assert [row.complete for row in rows] == [False, False, True, True]


def test_masks_applied_in_forward_are_followed():
    """Weights computed from parameters and buffers alone are numbers too."""

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, 1, 5))
            self.register_buffer("mask", torch.tensor([[[1.0, 0, 1, 0, 0]]]))

        def forward(self, x):
            return nn.functional.conv1d(x, self.weight * self.mask, padding=2)

    net = faltung.capture(Masked(), torch.zeros(1, 1, 9), exact_weights=True)
    assert [place["x"] for place in net.receptive_field(unit={"x": 4})] == [2, 4]
    with pytest.raises(FaltungError, match=r"^layer conv1d: exact_weights needs the numbers of its weights"):
        faltung.capture(Masked().to("meta"), torch.zeros(1, 1, 9, device="meta"), exact_weights=True)


def test_numbers_that_vary_are_not_taken_for_constants():
    """Indices drawn at random are not known: all that they may choose is read. Made from a shape alone, they are."""
    chosen = faltung.capture(lambda x: x[:, :, torch.randint(0, 9, (4,))], torch.zeros(1, 1, 9))
    assert chosen.receptive_field(unit={"x": 0}).size == 9
    made = faltung.capture(lambda x: x.index_select(2, torch.zeros_like(x[0, 0, :3]).long()), torch.zeros(1, 1, 9))
    assert [place["x"] for place in made.receptive_field(unit={"x": 2})] == [0]
    fixed = faltung.capture(lambda x: x.index_select(2, torch.arange(3) * 2), torch.zeros(1, 1, 9))
    assert [place["x"] for place in fixed.receptive_field(unit={"x": 1})] == [2]


def test_windows_of_a_picture_keep_their_axes():
    """Partition into windows and back, as Swin does it, gives y and x again, and the batch of one its name."""

    def forward(x):
        windows = x.permute(0, 2, 3, 1).reshape(1, 2, 4, 2, 4, 3).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 3)
        windows = windows - windows.mean(1, keepdim=True)
        back = windows.reshape(1, 2, 2, 4, 4, 3).permute(0, 1, 3, 2, 4, 5).reshape(1, 8, 8, 3)
        return back.permute(0, 3, 1, 2)

    net = faltung.capture(forward, torch.zeros(1, 3, 8, 8))
    assert net.map(None).axes == ("n", "c", "y", "x")
    assert net.receptive_field(unit={"y": 3, "x": 4}).box == {"y": range(4), "x": range(4, 8)}


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: faltung.capture(3, torch.zeros(1)), "a model is a torch.nn.Module or a function, not int"),
        (lambda: faltung.capture(Net()), "capture needs example inputs, such as torch.zeros(1, 3, 224, 224)"),
        (lambda: faltung.capture(lambda x: torch.zeros_like(x * 2), torch.zeros(1)), "no output of the model depends on an input"),
        (lambda: faltung.capture(lambda x: x.item() * x, torch.zeros(1)), "unknown operator item at layer item: it takes a number out of the data"),
        (lambda: faltung.capture(lambda x: x if x.sum() > 0 else -x, torch.zeros(1)), "Function cannot be traced by torch.export: GuardOnDataDependentSymNode"),
        (lambda: faltung.capture(lambda x: x[:, torch.tensor([True, False])], torch.zeros(1, 2)), "the size of its output depends on the data"),
        (lambda: faltung.capture(lambda x: x.unique(), torch.zeros(4)), "unknown operator _unique2 at layer _unique2: the size of its output depends on the data"),
        (lambda: faltung.capture(nn.CrossMapLRN2d(2), torch.zeros(1, 4, 5, 5)), "CrossMapLRN2d: torch.export cannot tell what it writes in place: RuntimeError"),
        (lambda: faltung.capture(Net().eval(), torch.zeros(1, 4, 8, 8)), "Net cannot be traced by torch.export: RuntimeError"),
        (lambda: net().receptive_field(unit={"y": 0, "x": 0}, layer="block.conv9"), "unknown layer 'block.conv9'; did you mean block.conv"),
        (lambda: net().receptive_field(unit={"y": 0}), "axis x is missing; the axes are n, c, y, x"),
        (lambda: net().receptive_field(unit={"c": 9, "y": 0, "x": 0}), "unit (c=9, y=0, x=0) lies outside head: c=9 is not in 0..1"),
    ],
)  # fmt: skip
def test_refusals(act, text):
    """Each refusal is one line that names the offender."""
    with pytest.raises(FaltungError, match=re.escape(text)) as refused:
        act()
    assert "\n" not in str(refused.value)


def test_a_refusal_prints_nothing(monkeypatch):
    """What torch.export logs when it fails, a traceback among it, does not reach the terminal."""
    records = []
    monkeypatch.setattr(logging.Logger, "handle", lambda logger, record: records.append(record))
    with pytest.raises(FaltungError, match="Output size is too small"):
        faltung.capture(torch.nn.MaxPool3d(5), torch.zeros(1, 1, 4, 4, 4))
    assert not [record for record in records if record.levelno >= logging.WARNING]
