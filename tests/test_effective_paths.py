"""Paths counted through branches, views and whole axes: against gradients of nets whose weights are all alike."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import faltung
from faltung import FaltungError
from faltung.effective import counting, path_counts, predicted_receptive_field
from faltung.graph import Edge, FeatureMap, Layer
from faltung.network import Network
from faltung.reads import Reads
from faltung.relation import Along, AxisWise

Step = Callable[[Tensor], Tensor]


class Fill(nn.Module):
    """Convolutions and linear layers, made when they are first needed, all weights of which are alike.

    With `shares` a weight is 1 by the number of inputs, else 1.
    """

    def __init__(self, steps: list[Callable[["Fill", Tensor], Tensor]], shares: bool) -> None:
        super().__init__()
        self.steps, self.shares = steps, shares

    def weight(self, *shape: int) -> Tensor:
        return torch.full(shape, 1 / np.prod(shape[1:]) if self.shares else 1.0, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(self, x)
        return x


def conv(net: Fill, x: Tensor, k: int = 3, **how: int) -> Tensor:
    return F.conv2d(x, net.weight(x.shape[1], x.shape[1] // how.get("groups", 1), k, k), **how)


def whole(net: Fill, x: Tensor) -> Tensor:
    """Add up, or average, all places."""
    return x.mean((2, 3), keepdim=True) if net.shares else x.sum((2, 3), keepdim=True)


STEPS: dict[str, Callable[[Fill, Tensor], Tensor]] = {
    "convolution": lambda net, x: conv(net, x, padding=1),
    "groups": lambda net, x: conv(net, x, padding=1, groups=2),
    "dilated": lambda net, x: conv(net, x, dilation=2, padding=2),
    "skip": lambda net, x: x + conv(net, x, padding=1),
    "doubled": lambda net, x: x + x,
    "concatenated": lambda net, x: torch.cat([x, conv(net, x, padding=1)[:, :2]], 1),
    "stacked": lambda net, x: torch.stack([x, x.flip(2)], 2).flatten(1, 2)[:, :4],
    "padded": lambda net, x: F.pad(x, (1, 1, 2, 0), "reflect"),
    "rolled": lambda net, x: x.roll((1, -2), (2, 3)),
    "cropped": lambda net, x: x[..., 1:, :-1],
    "nearest": lambda net, x: F.interpolate(x, size=(7, 5)),
    "shuffled": lambda net, x: F.pixel_shuffle(x[:, :4], 2).repeat(1, 4, 1, 1),
    "unshuffled": lambda net, x: F.pixel_unshuffle(x[:, :1, :4, :4], 2),
    "global": lambda net, x: x + whole(net, x),
    "squeezed": lambda net, x: (
        x + F.linear(whole(net, x).flatten(1), net.weight(x.shape[1], x.shape[1]))[..., None, None]
    ),
    "flat": lambda net, x: F.linear(x.flatten(1), net.weight(2 * 9, x[0].numel())).view(1, 2, 3, 3).repeat(1, 2, 1, 1),
    "mixed": lambda net, x: F.linear(x, net.weight(5, x.shape[3])),
    "transposed": lambda net, x: x.transpose(2, 3),
    "patches": lambda net, x: F.unfold(x[:, :2], 2).reshape(1, 4, 2, -1),
    "folded": lambda net, x: F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1),
    "chosen": lambda net, x: x.index_select(3, torch.tensor([2, 0, 0])),
    "corners": lambda net, x: x.tril(1),
    "row": lambda net, x: x[:, :, 1:2].expand(-1, -1, 3, -1),
}
"""Steps that are linear with weights alike, on pictures of shape (1, 4, 3 or more, 3 or more)."""

NO_SHARES = {"folded"}
"""Steps that add up with weights of 1."""


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4), st.booleans(), st.data())
@settings(max_examples=60)
def test_path_counts_are_gradients_of_weights_alike(names: list[str], shares: bool, data: st.DataObject) -> None:
    """Through any steps the gradient of unit weights counts the paths, and that of even shares is the random walk."""
    if shares and NO_SHARES & set(names):
        shares = False
    model = Fill([STEPS[name] for name in names], shares)
    x = torch.zeros(1, 4, 6, 5, dtype=torch.float64, requires_grad=True)
    try:
        y = model(x)
    except (RuntimeError, IndexError):
        return  # too small by now
    if y.ndim != 4 or min(y.shape[1:]) < 1:
        return
    place = tuple(data.draw(st.integers(0, size - 1)) for size in y.shape[1:])
    net = faltung.capture(model, x)
    unit = dict(zip(net.map(None).axes[1:], place, strict=True))
    (gradient,) = torch.autograd.grad(y[(0, *place)], x)
    assert np.allclose(path_counts(net, unit, fan_in=shares), gradient[0].sum(0).numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_counted(name: str) -> None:
    """Each step by itself, after a convolution: none is left out unnoticed."""
    model = Fill([STEPS["convolution"], STEPS[name]], False)
    x = torch.zeros(1, 4, 6, 5, dtype=torch.float64, requires_grad=True)
    y = model(x)
    net = faltung.capture(model, x)
    for place in ((0, 0, 0), (3, 1, 1)):
        unit = dict(zip(net.map(None).axes[1:], place, strict=True))
        (gradient,) = torch.autograd.grad(y[(0, *place)], x, retain_graph=True)
        assert np.array_equal(path_counts(net, unit), gradient[0].sum(0).numpy())


def test_a_gate_counts_as_a_branch() -> None:
    """In a squeeze-and-excitation block the picture and its gate are two ways, as if they were added."""
    added = Fill([STEPS["convolution"], STEPS["squeezed"]], False)
    gated = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), Gate(4)).double()
    x = torch.zeros(1, 4, 6, 5, dtype=torch.float64)
    unit = {"y": 1, "x": 2}
    expected = path_counts(faltung.capture(added, x), unit)
    assert np.array_equal(path_counts(faltung.capture(gated, x), unit), expected)
    assert (expected > 0).all()


class Gate(nn.Module):
    """Squeeze and excitation (Hu et al. 2018) with one linear layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.linear(x.mean((2, 3))))[:, :, None, None]


def test_zeros_in_weights_are_no_paths() -> None:
    """With exact weights, masks over convolutions and linear layers are counted tap by tap and channel by channel."""
    generator = torch.Generator().manual_seed(0)

    def mask(*shape: int) -> Tensor:
        return (torch.rand(shape, generator=generator) < 0.5).double()

    kernel, matrix, gate = mask(3, 2, 3, 3), mask(4, 5), mask(1, 3, 1, 4)

    def function(x: Tensor) -> Tensor:
        return F.linear(F.conv2d(x, kernel, padding=1), matrix) * gate

    x = torch.zeros(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    net = faltung.capture(function, x, exact_weights=True)
    y = function(x)
    for place in ((0, 0), (1, 2), (5, 3)):
        (gradient,) = torch.autograd.grad(y[(0, slice(None), *place)].sum(), x, retain_graph=True)
        unit = dict(zip(("y", net.map(None).axes[3]), place, strict=True))
        assert np.array_equal(path_counts(net, unit), gradient[0].sum(0).numpy())


def test_mean_squared_gradients_follow_the_counts_of_branches() -> None:
    """Averaged over many random networks with a skip, a global mean and a linear layer, squares are as counted."""
    generator = torch.Generator().manual_seed(0)
    draws, size = 60_000, 8

    def signs(*shape: int) -> Tensor:
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.float32) * 2 - 1

    x = torch.zeros(1, draws, size, requires_grad=True)
    y = F.conv1d(x, signs(draws, 1, 3), padding=1, groups=draws)
    y = y + F.conv1d(y, signs(draws, 1, 3), padding=1, groups=draws)
    y = torch.cat([y * signs(draws, 1), y.sum(-1, keepdim=True) * signs(draws, 1)], 2)
    y = torch.einsum("ncx,cxo->nco", y, signs(draws, size + 1, 2))
    (gradient,) = torch.autograd.grad(y[0, :, 0].sum(), x)

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.entry, self.body = (nn.Conv1d(1, 1, 3, padding=1) for _ in range(2))
            self.one, self.all = (nn.Conv1d(1, 1, 1) for _ in range(2))
            self.linear = nn.Linear(size + 1, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.entry(x)
            x = x + self.body(x)
            return self.linear(torch.cat([self.one(x), self.all(x.sum(-1, keepdim=True))], 2))

    net = faltung.capture(One(), torch.zeros(1, 1, size))
    counts = path_counts(net, {net.map(None).axes[2]: 0})
    measured = gradient[0].double().square().mean(0).numpy()
    assert np.allclose(measured, counts, rtol=0.04)


def overlapping(*taps: range) -> Network:
    """Return a net of one layer that reads some windows, overlapping as they may."""
    relations = tuple(AxisWise((Along(0, Reads(1, [window])),)) for window in taps)
    maps = {"input": FeatureMap(("x",), (9,)), "layer": FeatureMap(("x",), (9,))}
    return Network((Layer("layer", "odd", (Edge("input", relations),)),), maps)


def test_what_is_read_twice_is_read_once() -> None:
    """The union of overlapping relations counts each input once; that of disjoint ones adds up."""
    assert path_counts(overlapping(range(-1, 2), range(0, 3)), {"x": 4}).tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]
    assert path_counts(overlapping(range(-2, 0), range(1, 2)), {"x": 4}).tolist() == [0, 0, 1, 1, 0, 1, 0, 0, 0]
    shares = path_counts(overlapping(range(-1, 2), range(0, 3)), {"x": 4}, fan_in=True)
    assert shares.tolist() == [0, 0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0]
    shares = path_counts(overlapping(range(-2, 0), range(1, 2)), {"x": 0}, fan_in=True)
    assert shares == pytest.approx([0, 1 / 3, *[0] * 7])  # two of three taps read padding


def test_overlaps_that_go_unnoticed_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all unions taken for disjoint, what is read twice would count twice."""
    monkeypatch.setattr(counting, "_apart", lambda *_: True)
    with pytest.raises(AssertionError):
        test_what_is_read_twice_is_read_once()


def test_a_view_that_mixes_rows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reshape that takes equal weights for granted miscounts."""
    wrong = counting._reshaped
    monkeypatch.setattr(
        counting, "_reshaped", lambda w, inputs, outputs: wrong(w[:, :1] if w.ndim > 1 else w, inputs, outputs)
    )
    with pytest.raises(AssertionError):
        test_every_step_is_counted("patches")


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (lambda x: x.softmax(-1), r"softmax \(softmax\) reads all of axis x and does not just add it up"),
        (lambda x: F.layer_norm(x, x.shape[2:]), r"layer_norm \(layer_norm\) reads all of axis y and does not just"),
        (lambda x: F.group_norm(x, 1), r"group_norm \(group_norm\) reads all of axis y and does not just add it up"),
        (lambda x: F.scaled_dot_product_attention(x, x, x), r"\(scaled_dot_product_attention\) reads all of axis"),
        (lambda x: x.sort(-1)[0], r"reads all of axis x and does not just add it up: its paths cannot be counted"),
        (lambda x: F.interpolate(x, size=(200, 200)).tril(), r"tril \(tril\) has too many units to count its paths"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_name(model: Step, text: str) -> None:
    """What weighs its inputs by the data has no count."""
    net = faltung.capture(model, torch.zeros(1, 2, 6, 5))
    with pytest.raises(FaltungError, match=text):
        path_counts(net, {"y": 0, "x": 0})


def test_unknown_operators_have_no_paths() -> None:
    """What is taken to read everything is not counted."""
    net = faltung.capture(torch.linalg.inv, torch.zeros(1, 1, 4, 4), unknown="reads-all")
    with pytest.raises(FaltungError, match=r"linalg_inv \(linalg_inv\) is unknown: its paths cannot be counted"):
        predicted_receptive_field(net, unit={"y": 0, "x": 0})
