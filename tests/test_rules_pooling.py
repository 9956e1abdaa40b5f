"""Unpooling: units put back to where a pooling found them. Pooling itself is drawn by tests/networks.py."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import faltung
from faltung.reads import Reads
from tests.nan_oracle import units
from tests.test_rules_reductions import assert_same, stated


class Unpooled(nn.Module):
    """Pooled, and put back to where the largest were found."""

    def __init__(self, axes: int, *window: int) -> None:
        super().__init__()
        self.pool: Any = getattr(nn, f"MaxPool{axes}d")(*window, return_indices=True)
        self.unpool = getattr(nn, f"MaxUnpool{axes}d")(*window)

    def forward(self, x: Tensor) -> Tensor:
        y, places = self.pool(x)
        return self.unpool(2 * y, places, output_size=x.shape)


def ever_changed(model: nn.Module, shape: tuple[int, ...], draws: int = 250) -> np.ndarray:
    """Return who reads whom: the outputs that another number in a pixel changes, from any of many starting points."""
    generator = torch.Generator().manual_seed(0)
    found = np.zeros((*shape, *shape), dtype=bool)
    for _ in range(draws):
        x = torch.randn(shape, generator=generator)
        before = model(x)
        for place in units(shape):
            y = x.clone()
            y[place] = torch.randn((), generator=generator) * 2
            found[place] |= (model(y) != before).numpy()
    return found


@pytest.mark.parametrize(
    ("window", "shape"),
    [((2,), (1, 2, 7)), ((3, 2, 1), (1, 1, 8)), ((2, 3), (1, 1, 8)), ((2,), (1, 1, 4, 3)), ((2,), (1, 1, 2, 3, 2))],
)
def test_a_unit_is_put_back_into_its_window(window: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """An output of unpooling reads the pixels of the windows that hold it: those that can change it, and no others."""
    model = Unpooled(len(shape) - 2, *window)
    assert_same(stated(model, [torch.zeros(shape)]), [ever_changed(model, shape)])


def test_indices_from_elsewhere_may_name_any_place() -> None:
    """Without a pooling of the same size, every output reads all units of its channel, and all their indices."""

    class Given(nn.Module):
        def forward(self, x: Tensor, places: Tensor) -> Tensor:
            return nn.functional.max_unpool2d(x, places.long(), 2)

    class Resized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y, places = nn.functional.max_pool2d(x, 2, return_indices=True)
            return nn.functional.max_unpool2d(y, places, 2, output_size=(5, 5))

    class Values(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            largest, _ = nn.functional.max_pool2d(x, 2, return_indices=True)
            return nn.functional.max_unpool2d(largest.double(), largest, 2)

    x = torch.zeros(1, 2, 4, 4)
    assert faltung.capture(Values(), x.long()).receptive_field(unit={"c": 0, "y": 0, "x": 0}).size == 16
    net = faltung.capture(Given(), x, x)
    assert [net.receptive_field(unit={"c": 0, "y": 7, "x": 7}, input=k).size for k in range(2)] == [16, 16]
    assert faltung.capture(Resized(), x).receptive_field(unit={"c": 0, "y": 4, "x": 4}).size == 16


def test_an_unpooling_that_looks_in_one_place_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that puts every unit into the first place of its window differs from what changes."""
    first = type("First", (), {"reads": Reads(2, [[0]])})
    monkeypatch.setattr(sys.modules["faltung.rules.pooling"], "_chosen_by", lambda *_: [first])
    with pytest.raises(AssertionError):
        test_a_unit_is_put_back_into_its_window((2,), (1, 2, 7))
