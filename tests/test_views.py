"""Windows cut out of a picture, mixed, and joined again: walks leap over them and read what NaN says."""

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import nn

import faltung
from faltung import views
from faltung.reads import Reads
from tests.nan_oracle import poisoned_reads
from tests.test_oracle import disagreement


class Windows(nn.Module):
    """Maps (n, *axes, c) cut into windows, rolled before and back behind; `mix` maps (windows, tokens, c).

    Parameters
    ----------
    window, shift : tuple of int
        One for each axis; where the window does not divide the size, zeros are put behind.
    mix : str
        What happens to the tokens of a window.
    shortcut : bool
        The input is added.
    """

    def __init__(self, window: tuple[int, ...], shift: tuple[int, ...], mix: str, shortcut: bool) -> None:
        super().__init__()
        self.window, self.shift, self.mix, self.shortcut = window, shift, mix, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of the same size."""
        axes, sizes, c = tuple(range(1, x.dim() - 1)), x.shape[1:-1], x.shape[-1]
        behind = [-size % w for size, w in zip(sizes, self.window, strict=True)]
        y = nn.functional.pad(x, (0, 0, *(side for more in reversed(behind) for side in (0, more))))
        counts = [size // w for size, w in zip(y.shape[1:-1], self.window, strict=True)]
        y = y.roll(tuple(-shift for shift in self.shift), axes)
        cut = [size for pair in zip(counts, self.window, strict=True) for size in pair]
        rank = len(axes)
        order = [0, *range(1, 2 * rank + 1, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1]
        padded = y.shape
        y = y.reshape(-1, *cut, c).permute(order)
        shape = y.shape
        y = self._mixed(y.reshape(-1, torch.Size(self.window).numel(), c))
        y = y.reshape(shape).permute([order.index(axis) for axis in range(len(order))]).reshape(padded)
        y = y.roll(self.shift, axes)[(slice(None), *(slice(size) for size in sizes))]
        return x + y if self.shortcut else y

    def _mixed(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.mix == "mean":
            return tokens - tokens.mean(1, keepdim=True)
        if self.mix == "channels":
            return tokens.softmax(-1)
        if self.mix == "fused":
            return nn.functional.scaled_dot_product_attention(tokens, tokens.flip(-1), tokens)
        b, t, c = tokens.shape
        heads = c // 2
        q, k, v = torch.stack([tokens, tokens * 2, tokens + 1]).view(3, b, t, heads, 2).transpose(2, 3).unbind(0)
        return ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(b, t, c)

    def __repr__(self) -> str:
        return f"Windows({self.window}, {self.shift}, {self.mix!r}, {self.shortcut})"


class Strided(nn.Module):
    """Neighbouring places of a map (n, *axes, c) laid side by side along c, as Swin merges its patches."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return half the places along every axis."""
        parts = [x]
        for axis in range(1, x.dim() - 1):
            size = x.shape[axis] // 2 * 2
            parts = [part.narrow(axis, 0, size)[(slice(None),) * axis + (slice(start, None, 2),)]
                     for part in parts for start in (0, 1)]  # fmt: skip
        return torch.cat(parts, -1)


@st.composite
def windowed(draw):
    """Draw one or two layers of windows and an input for them: a line or a picture, channels last."""
    rank = draw(st.integers(1, 2))
    sizes = [draw(st.integers(2, 9 if rank == 1 else 5)) for _ in range(rank)]
    layers = []
    for number in range(draw(st.integers(1, 2))):
        window = tuple(draw(st.integers(1, min(size, 4))) for size in sizes)
        shift = tuple(draw(st.integers(0, w - 1)) for w in window)
        mix = draw(st.sampled_from(["mean", "channels", "fused", "attention"]))
        layers.append(Windows(window, shift, mix, draw(st.booleans())))
        if number == 0 and min(sizes) > 3 and draw(st.booleans()):
            layers.append(Strided())
            sizes = [size // 2 for size in sizes]
    batch = draw(st.integers(1, 2)) if rank == 1 else 1
    first = [size * 2 if any(isinstance(layer, Strided) for layer in layers) else size for size in sizes]
    x = torch.linspace(0.5, 1.5, batch * 2 * torch.Size(first).numel(), dtype=torch.float64)
    return nn.Sequential(*layers), x.reshape(batch, *first, 2)


@given(windowed())
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_windows_read_what_nan_says(drawn):
    """Shifted windows, padded or not, with whatever mixes their tokens: every unit, both ways."""
    model, x = drawn
    found = disagreement(faltung.capture(model, x), poisoned_reads(model, x))
    assert not found, found


def test_windows_that_are_not_read_whole_are_caught(monkeypatch):
    """A leap that forgets that all tokens of a window are read disagrees with NaN."""
    monkeypatch.setattr(views, "Reads", lambda stride, taps: Reads(1, [[0]]))

    @given(windowed())
    @settings(max_examples=60, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def compare(drawn) -> None:
        model, x = drawn
        found = disagreement(faltung.capture(model, x), poisoned_reads(model, x))
        assert not found, found

    with pytest.raises(AssertionError, match=r"too many|missing"):
        compare()


def shifted() -> faltung.Network:
    """Return two layers of attention in windows of 4x4, the second shifted by 2, on a picture of 32x32."""
    model = nn.Sequential(Windows((4, 4), (0, 0), "attention", True), Windows((4, 4), (2, 2), "attention", True))
    return faltung.capture(lambda x: model(x.permute(0, 2, 3, 1)), torch.zeros(1, 2, 32, 32))


def test_attention_in_windows_is_one_step():
    """Where windows are joined to a picture again, a unit reads its window of the picture before, axis by axis."""
    net = shifted()
    maps = [layer.name for layer in net.layers if net.shape(layer.name) == (1, 32, 32, 2) and not layer.passes]
    leapt = [name for name in maps if net.leaps(name) != net.hops(name)]
    assert len(leapt) == 2
    for name in leapt:
        ((relation,),) = [edge.relations for edge in net.leaps(name)]
        assert [str(way) for way in relation.sources[1:3]] == [
            f"Along(axis={axis}, reads=Reads(stride=4, taps=[[0..3], [0..3], [0..3], [0..3]]))" for axis in (1, 2)
        ]


def test_shifted_windows_have_a_period():
    """By hand: unit u sees its window's 4 pixels, then the two windows of 4 that the shifted window lies over."""
    net = shifted()
    first, last = [row for row in net.table().rows if row.operator == "add"]
    assert (first.stride, first.smallest, first.receptive_field) == ((1, 1), (4, 4), (4, 4))
    assert (last.stride, last.smallest, last.receptive_field, last.read) == ((1, 1), (8, 8), (8, 8), 1)
    for unit in range(8, 24):
        box = net.receptive_field(unit={"y": unit, "x": 15}).box
        start = (unit + 2) // 4 * 4 - 4
        assert box == {"y": range(start, start + 8), "x": range(12, 20)}
    corner = net.receptive_field(unit={"y": 0, "x": 15})
    assert corner.size == 8 * 8  # rolled, the first rows and the last ones share a window
    assert {"y": 31, "x": 15} in corner


def test_paths_name_what_is_leapt_over():
    """A path through windows names the layers between, and each of its units reads the next."""
    net = shifted()
    verdict = net.sees(unit={"y": 13, "x": 14}, pixel={"y": 8, "x": 19})
    assert any(step.layer.startswith("softmax") for step in verdict.path)
    for reader, read in zip(verdict.path, verdict.path[1:], strict=False):
        units, asked = net.unit(reader.unit, reader.layer), net.unit(read.unit, read.layer)
        edges = [edge for edge in net.hops(reader.layer) if edge.source == read.layer]
        found = [factors for edge in edges for factors in net.read_through(edge, [units], net.root(reader.layer))]
        assert any(all(a & b for a, b in zip(factors, asked, strict=True)) for factors in found)
    assert verdict.path[-1].unit == {"y": 8, "x": 19}


def test_an_axis_of_size_1_may_be_gone():
    """A view drops it; what follows reads all of it."""
    net = faltung.capture(lambda x: x.reshape(12)[1:], torch.zeros(1, 3, 2, 2, 1))
    assert net.table().rows[-1].layer == net.name(None)
