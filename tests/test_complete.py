"""Layers that read the whole picture: what the table says of them holds for every single unit."""

from itertools import product
from math import prod

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from torch import nn

import faltung
from faltung import FaltungError
from faltung.complete import Completeness
from faltung.graph import ANY
from faltung.intervals import IntervalSet
from faltung.relation import whole
from tests.networks import NAN, Drawn, models


def every_unit_reads_all(net: faltung.Network, layer: str, given_input: str) -> bool:
    """Ask every unit of a layer, any channel of each, one by one."""
    here, picture = net.map(layer), net.map(given_input)
    shown = net.shown_axes(given_input)
    everything = prod(size for axis, size in zip(picture.axes, picture.shape, strict=True) if axis in shown)
    axes = [place for place, axis in enumerate(here.axes) if axis not in ANY]
    for places in product(*(range(here.shape[axis]) for axis in axes)):
        unit = [whole(size) for size in here.shape]
        for axis, place in zip(axes, places, strict=True):
            unit[axis] = IntervalSet.one(place)
        read = net.read_by([tuple(unit)], layer).get(given_input, ())
        if net.region(given_input, read, shown).size < everything:
            return False
    return bool(shown)


def compare(model: Drawn) -> None:
    try:
        net = faltung.capture(model, *model.inputs())
    except FaltungError:
        assume(False)
    for given_input in net.inputs:
        for row in net.table(given_input).rows:
            assert not row.complete or every_unit_reads_all(net, row.layer, given_input), row.layer


@given(models(operators=NAN, longest=6))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_what_is_called_complete_is_so(model):
    """Every unit of a layer called complete reads the whole picture, batch and channel left out."""
    compare(model)


def some(self, products, layer):
    return any(True for _ in products)


def all_units(self, layer):
    return [tuple(map(whole, self.graph.maps[layer].shape))] if self._units else []


BROKEN = {
    "some units for all": {"_reaches_both_ends": lambda self, layer: True, "_are_all": some},
    "all units for heirs": {"_heirs": all_units},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_not_proved_is_caught(broken, monkeypatch):
    """To look at some units or pixels instead of all says too much, and so does to take every unit for an heir."""
    for name, instead in BROKEN[broken].items():
        monkeypatch.setattr(Completeness, name, instead)
    checked = settings(max_examples=80, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    with pytest.raises(AssertionError):
        checked(given(models(operators=NAN, longest=6))(compare))()


def complete(model: nn.Module, *shape: int) -> list[bool]:
    return [row.complete for row in faltung.capture(model, torch.zeros(shape)).table().rows[1:]]


def test_padding_beyond_the_kernel_reads_nothing():
    """After a global mean everything is read, but not by units that lie in the padding alone."""
    padded = nn.Conv2d(1, 1, 1, padding=1)
    assert complete(nn.Sequential(nn.AdaptiveAvgPool2d(1), padded), 1, 1, 5, 5) == [True, False]
    assert complete(nn.Sequential(nn.AdaptiveAvgPool2d(1), padded, nn.AvgPool2d(3, 1)), 1, 1, 5, 5) == [
        True,
        False,
        True,
    ]


def test_one_channel_may_read_less():
    """Channels that read half of the picture each are no reason for a layer that reads one of them alone."""

    class Halves(nn.Module):
        def forward(self, x):
            left, right = x[..., :4].mean(-1, keepdim=True), x[..., 4:].mean(-1, keepdim=True)
            return torch.cat([left, right], 1)[:, :1] * 2

    net = faltung.capture(Halves(), torch.zeros(1, 1, 8))
    rows = {row.operator: row.complete for row in net.table().rows}
    assert rows["cat"]
    assert not rows["slice"]


def test_attention_sees_everything():
    """A token of global attention reads the picture, and so does all that follows, windows included."""

    class Tokens(nn.Module):
        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)
            tokens = tokens + nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            return tokens.transpose(1, 2).reshape(x.shape)[..., :-1]

    assert complete(Tokens(), 1, 4, 6, 6)[-3:] == [True, True, True]
