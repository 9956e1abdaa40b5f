"""Effective fields of models with several inputs, of exported programs, and of layers that are no modules."""

import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import faltung
from faltung import FaltungError, effective_receptive_field
from faltung.effective import predicted_receptive_field, running


class Two(nn.Module):
    """Reads a picture, and a second one scaled by a number for each of a batch, with a table to add."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 5, padding=2)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, left: Tensor, right: Tensor, scale: Tensor, table: Tensor) -> Tensor:
        x = self.norm(self.first(left)) * scale[:, None, None, None]
        return F.relu_(x + torch.tanh(self.second(right))) + table


def arguments(n: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((n, 1, 8, 7), (n, 2, 8, 7), (n,), (8, 7))
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


@pytest.fixture
def model() -> Two:
    torch.manual_seed(0)
    return Two().eval()


@pytest.mark.parametrize(("name", "number"), [("left", 0), ("right", 1)])
def test_the_gradient_is_by_the_chosen_input(model: Two, name: str, number: int) -> None:
    """Picture by picture, with what belongs to it: absolute gradients by one input, averaged."""
    given = arguments(3)
    unit = {"c": 1, "y": 4, "x": 2}
    expected = np.zeros((8, 7))
    for k in range(3):
        one = [x[k : k + 1].clone() for x in given[:3]]
        one[number].requires_grad_()
        model(*one, given[3])[0, 1, 4, 2].backward()
        expected += one[number].grad.abs()[0].sum(0).double().numpy()
    for chosen in (name, number):
        found = effective_receptive_field(model, unit=unit, inputs=given, input=chosen)
        assert np.allclose(found.mass, expected / expected.sum(), atol=1e-7)
        assert found.by == f"{name} (the others given)"
        assert f"by                  {found.by}\n" in str(found)
        assert found.field == faltung.capture(model, *arguments(1)).receptive_field(unit=unit, input=number)


def test_other_inputs_are_drawn_or_stay_as_they_are() -> None:
    """With an example, a gate that is fixed at 0 closes a branch; drawn at random it does not."""

    def gated(x: Tensor, gate: Tensor, steps: Tensor) -> Tensor:
        unchanged = steps == 7  # whole numbers are not drawn
        return (F.conv1d(x, torch.ones(1, 1, 3), padding=1) * gate + x) * unchanged

    example = (torch.zeros(2, 1, 9), torch.zeros(2, 1, 1), torch.tensor([7]))
    ask = {"unit": {"x": 4}, "example": example, "n": 4}
    fixed = effective_receptive_field(gated, others="fixed", **ask)
    assert np.array_equal(fixed.mass, np.eye(9)[4])
    assert fixed.by == "inputs_0 (the others fixed)"
    drawn = effective_receptive_field(gated, **ask)
    assert np.count_nonzero(drawn.mass) == 3
    assert drawn.by == "inputs_0 (the others random)"
    assert np.array_equal(drawn.mass, effective_receptive_field(gated, **ask).mass)
    with pytest.raises(FaltungError, match=r"^others='zero' must be 'random' or 'fixed'$"):
        effective_receptive_field(gated, others="zero", **ask)


def test_a_prediction_says_by_which_input(model: Two) -> None:
    """Predictions of nets with several inputs are by one of them."""
    net = faltung.capture(model, *arguments(1))
    found = predicted_receptive_field(net, unit={"y": 4, "x": 2}, input="right")
    assert (found.by, found.field.size) == ("right", 25)


class Same(nn.Module):
    """Repeats its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1


class Residual(nn.Module):
    """A block with a skip, written over in place."""

    def __init__(self, marked: bool) -> None:
        super().__init__()
        self.entry, self.body = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Conv2d(3, 1, 1)
        self.mark = Same() if marked else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.entry(x)
        x = x + self.body(x)
        x = x if self.mark is None else self.mark(x)
        return self.head(x.mul_(2).relu_())


def twins() -> tuple[Residual, Residual]:
    """Return two models with the same weights, one of which has a module where the other has an addition."""
    torch.manual_seed(0)
    plain, marked = Residual(False), Residual(True)
    marked.load_state_dict(plain.state_dict())
    return plain, marked


def test_layers_that_are_no_modules_are_asked_about() -> None:
    """A sum is a layer of the table; its field is that of a module in its place, before it is written over."""
    plain, marked = twins()
    ask = {"unit": {"y": 4, "x": 4}, "example": torch.zeros(1, 1, 9, 9), "n": 3}
    found = effective_receptive_field(plain, layer="add", **ask)
    assert np.allclose(found.mass, effective_receptive_field(marked, layer="mark", **ask).mass, atol=1e-7)
    assert np.count_nonzero(found.mass) == 25
    as_function = effective_receptive_field(lambda x: plain(x), layer="add", **ask)
    assert np.allclose(as_function.mass, found.mass, atol=1e-7)


def test_exported_programs_are_models() -> None:
    """A program gives what its model gives, for every layer, saved and loaded; it brings its own example."""
    model, _ = twins()
    x = torch.zeros(1, 1, 9, 9)
    program = torch.export.export(model.eval(), (x,), strict=False)
    stored = io.BytesIO()
    torch.export.save(program, stored)
    stored.seek(0)
    loaded = torch.export.load(stored)
    for layer in (None, "add"):
        ask = {"unit": {"y": 4, "x": 4}, "layer": layer, "n": 3}
        expected = effective_receptive_field(model, example=x, **ask)
        for one in (loaded,) if layer else (program,):
            found = effective_receptive_field(one, **ask)
            assert np.allclose(found.mass, expected.mass, atol=1e-7)
            assert found.field == expected.field
    pictures = torch.randn(2, 1, 9, 9)
    given = effective_receptive_field(program, unit={"y": 4, "x": 4}, inputs=pictures)
    assert given.inputs == 2
    assert np.allclose(given.mass, effective_receptive_field(model, unit={"y": 4, "x": 4}, inputs=pictures).mass)


def test_modes_are_kept_if_wanted() -> None:
    """In training mode batch normalisation reads the picture's statistics, and every pixel counts."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ask = {"unit": {"y": 2, "x": 2}, "example": torch.zeros(1, 1, 8, 8), "n": 2}
    assert np.count_nonzero(effective_receptive_field(model, **ask).mass) == 9
    assert np.count_nonzero(effective_receptive_field(model, evaluate=False, **ask).mass) == 64
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_layer_taken_for_another_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a node run that is not the layer asked about, its gradient would not fit the theory."""
    plain, _ = twins()
    monkeypatch.setattr(running, "nodes", lambda _: {"add": "conv2d"})
    with pytest.raises(AssertionError):
        test_layers_that_are_no_modules_are_asked_about()
    monkeypatch.setattr(running, "nodes", lambda _: {"conv2d": "add", "entry": "add"})
    with pytest.raises(RuntimeError, match="outside its theoretical field"):
        effective_receptive_field(
            lambda x: plain(x), layer="conv2d", unit={"y": 4, "x": 4}, example=torch.zeros(1, 1, 9, 9)
        )


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: effective_receptive_field(Two(), unit={"y": 0, "x": 0}, example=arguments(1), input=5), "there is no input 5 among the 4 tensors that are given"),
        (lambda: effective_receptive_field(Two(), unit={"y": 0, "x": 0}, example=arguments(1), input=2), r"inputs of shape \(1,\): they need a batch, a channel and at least one"),
        (lambda: effective_receptive_field(Two(), unit={"y": 0, "x": 0}, example=arguments(1), input="rigth"), "there is no input 'rigth'; the inputs are 0"),
        (lambda: effective_receptive_field(Two(), unit={"y": 0, "x": 0}, example=()), "inputs must be a tensor of floating-point numbers, not tuple"),
        (lambda: effective_receptive_field(program(2), unit={"y": 0, "x": 0}), "the exported program takes input of 2x1x9x9, and one picture at a time is 1x1x9x9: export it with a batch of one"),
        (lambda: effective_receptive_field(program(1, named=True), unit={"y": 0, "x": 0}), r"the exported program takes inputs by name \(x\), which are not followed"),
    ],
)  # fmt: skip
def test_refusals(act, text: str) -> None:
    """What cannot be asked is refused in one line."""
    with pytest.raises(FaltungError, match=f"^{text}"):
        act()


def program(batch: int, named: bool = False) -> torch.export.ExportedProgram:
    x = torch.zeros(batch, 1, 9, 9)
    model = Residual(False).eval()
    return torch.export.export(model, () if named else (x,), {"x": x} if named else None, strict=False)
