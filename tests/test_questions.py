"""Causality and first sight, on networks whose answers are known otherwise."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import faltung
from faltung import FaltungError
from tests.strategies import chains


def looks_forward(reads: torch.Tensor) -> bool:
    """Say from a matrix of inputs by outputs whether any output reads a later input."""
    return bool(torch.tril(reads, -1).any())


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4))
@settings(max_examples=150)
def test_causality_is_what_nan_says(layers):
    """A stack of length-keeping convolutions is causal exactly if NaN never travels back in time."""
    from torch.nn import functional

    text, plan = [], []
    for k, d, ahead in layers:
        total = d * (k - 1)
        after = min(ahead, total)
        text.append(f"conv k={k} d={d} p={total - after}+{after}")
        plan.append((k, d, total - after, after))
    x = torch.zeros(12, 12, dtype=torch.float64).fill_diagonal_(torch.nan)[:, None]
    for k, d, before, after in plan:
        x = functional.conv1d(functional.pad(x, (before, after)), torch.ones(1, 1, k, dtype=x.dtype), dilation=d)
    answer = faltung.parse(", ".join(text)).at(x=12).is_causal()
    assert bool(answer) != looks_forward(torch.isnan(x[:, 0]))
    if not answer:
        first, last = answer.path[0], answer.path[-1]
        assert last.unit["x"] > first.unit["x"]
        assert torch.isnan(x[last.unit["x"], 0, first.unit["x"]])


class Masked(nn.Conv2d):
    """A convolution whose later taps, in reading order, are zero: PixelCNN's masks A and B."""

    def __init__(self, inputs: int, outputs: int, mask: str) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        with torch.no_grad():
            self.weight.fill_(1)
            self.weight[:, :, 1, 1 + (mask == "B") :] = 0
            self.weight[:, :, 2] = 0


def test_pixelcnn_is_causal_row_by_row_and_has_its_blind_spot():
    """Known from its weights' masks: nothing later is read, and a wedge to the upper right is never seen.

    Source: van den Oord et al., Conditional image generation with PixelCNN decoders, 2016, figure 1.
    """
    model = nn.Sequential(Masked(1, 1, "A"), *(Masked(1, 1, "B") for _ in range(3)))
    x = torch.zeros(1, 1, 11, 11)
    assert not faltung.capture(model, x).is_causal(("y", "x"))
    net = faltung.capture(model, x, exact_weights=True)
    assert net.is_causal(("y", "x"))
    assert net.is_causal("y")
    across = net.is_causal("x")
    assert not across  # rows above are read to the right
    assert across.path[-1].unit["x"] > across.path[0].unit["x"]
    field = net.receptive_field(unit={"y": 6, "x": 5})
    gradient = torch.autograd.functional.jacobian(lambda x: model(x)[0, 0, 6, 5], x)[0, 0]
    assert (gradient != 0).equal(torch.from_numpy(field.mask()))
    assert {"y": 6, "x": 5} not in field  # mask A: not even itself
    assert {"y": 5, "x": 7} not in field  # the blind spot: earlier in reading order, and never seen
    assert {"y": 5, "x": 6} in field


def test_a_layer_that_runs_ahead_is_not_causal():
    """Units that move by two pixels overtake their own place, though none of their taps looks forward."""
    answer = faltung.parse("conv k=1 s=2 p=0+9").at(x=10).is_causal()
    assert not answer
    assert answer.path[-1].unit["x"] == 2 * answer.path[0].unit["x"]


def test_wavenet_is_causal():
    """Dilated convolutions padded on the left alone read the past: 2^10 samples of it."""

    class WaveNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv1d(1, 1, 2, dilation=2**i) for i in range(10))

        def forward(self, x):
            for i, layer in enumerate(self.layers):
                x = x + torch.relu(layer(nn.functional.pad(x, (2**i, 0))))
            return x

    net = faltung.capture(WaveNet(), torch.zeros(1, 1, 4000))
    assert net.is_causal("x")
    assert net.receptive_field(unit={"x": 3000}).box == {"x": range(3000 - 1023, 3001)}
    assert str(net.is_causal()) == f"Causal along x: no unit of {net.name(None)} reads an input that comes later."


def test_running_sums_are_causal_and_attention_is_not():
    """Without a period the units are looked at one by one."""
    assert faltung.capture(lambda x: x.cumsum(-1), torch.zeros(1, 1, 9)).is_causal()
    answer = faltung.capture(lambda x: x.softmax(-1), torch.zeros(1, 1, 9)).is_causal()
    assert not answer
    assert answer.to_dict()["causal"] is False
    assert "Not causal along x: softmax at x=4 reads the input at x=8." in str(answer)


def test_circular_padding_looks_forward():
    """The past of the first sample is the end of the signal: what holds away from the borders does not settle it."""
    weight = torch.ones(1, 1, 3)
    for mode, causal in (("circular", False), ("constant", True)):
        padded = faltung.capture(
            lambda x, mode=mode: nn.functional.conv1d(nn.functional.pad(x, (2, 0), mode=mode), weight),
            torch.zeros(1, 1, 12),
        )
        assert bool(padded.is_causal()) == causal
    assert not faltung.capture(lambda x: x.roll(1, -1), torch.zeros(1, 1, 12)).is_causal()


def test_what_reads_nothing_of_an_input_is_causal():
    """Of two inputs, one that a layer does not read cannot tell it the future."""
    net = faltung.capture(lambda a, b: (a.softmax(-1), b.cumsum(-1)), torch.zeros(1, 1, 5), torch.zeros(1, 1, 5))
    assert not net.is_causal(layer=net.outputs[0], input=0)
    assert net.is_causal(layer=net.outputs[0], input=1)


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        ("y", "conv2 has no axis 'y' along the input's; its axes are x"),
        ("x", "conv2 has 18 units along x and the input 20; they must be equal"),
    ],
)
def test_causality_refusals(axis, text):
    """An axis must be there, and as long as the input's."""
    with pytest.raises(FaltungError, match=f"^{re.escape(text)}$"):
        faltung.parse("conv k=3 p=1, conv k=3").at(x=20).is_causal(axis)


@given(chains(axes=1), st.data())
@settings(max_examples=150)
def test_first_sight_is_the_first_that_sees(chain, data):
    """Per layer, the units that see the pixel are counted, the nearest is one, and the first layer is the first."""
    net = faltung.parse(chain.text).at(**chain.axes)
    size = chain.size[0]
    pixel, at = {"x": data.draw(st.integers(0, size - 1))}, {"x": data.draw(st.integers(0, size - 1))}
    answer = net.first_sight(pixel=pixel, at=at)
    first = None
    for sight, units in zip(answer.layers, chain.sizes, strict=True):
        place = at["x"] * units[0] // size
        seeing = [x for x in range(units[0]) if pixel in net.receptive_field(unit={"x": x}, layer=sight.layer)]
        assert sight.place == {"x": place}
        assert sight.units == len(seeing)
        assert (sight.nearest is None) == (not seeing)
        if seeing:
            assert abs(sight.nearest["x"] - place) == min(abs(x - place) for x in seeing)
        if first is None and place in seeing:
            first = sight.layer
    assert answer.layer == first
    assert (answer.path == ()) == (first is None)


def test_first_sight_in_words():
    """The answer reads well and is plain data as well."""
    answer = faltung.parse("3 x conv k=3 p=1").at(x=20).first_sight(pixel={"x": 10}, at={"x": 12})
    assert str(answer).splitlines() == [
        "Pixel (x=10) first comes into sight at conv2.",
        "conv1: 3 units see it; (x=12) does not; the nearest that does is (x=11)",
        "conv2: 5 units see it; (x=12) sees it",
        "conv3: 7 units see it; (x=12) sees it",
    ]
    assert answer.to_dict()["path"][-1] == {"layer": "input", "unit": {"x": 10}}
