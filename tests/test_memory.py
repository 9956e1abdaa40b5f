"""Memory does not grow with the area of a picture: sets of units are kept by their ends, never unit by unit."""

import tracemalloc
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

import faltung
from faltung.rules.resampling import resized

SIDE = 4096
"""Pixels of a side."""

A_MAP = SIDE * SIDE // 8
"""Bytes of the smallest thing that holds a feature map: one bit for each place, of one channel (2 MiB)."""


class Windowed(nn.Module):
    """Every kind of windowed operator: sizes s/2, s/4, s/2, s."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.pool = nn.Conv2d(3, 4, 3, 2, 1), nn.MaxPool2d(3, 2, 1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.last = nn.Conv2d(12, 2, 3, padding=2, dilation=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of the size of the picture."""
        half = self.down(x)
        quarter = self.pool(half)
        both = [half, self.up(quarter), interpolate(quarter, scale_factor=2.0, mode="bilinear")]
        return self.last(interpolate(torch.cat(both, 1), scale_factor=2.0, mode="nearest"))


def peak(action: Callable[[], object]) -> int:
    """Return how many bytes an action holds at most, beyond those that were held before."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def capture(side: int) -> faltung.Network:
    """Capture without weights and pixels: the rest is what PyTorch and the network take."""
    with torch.device("meta"):
        return faltung.capture(Windowed().eval(), torch.zeros(1, 3, side, side))


UNIT, CORNER = {"y": SIDE // 2, "x": SIDE // 3}, {"y": 0, "x": 0}

QUESTIONS = {
    "table": lambda net: str(net.table()),
    "receptive field": lambda net: net.receptive_field(unit=UNIT).to_dict(),
    "projective field": lambda net: net.projective_field(pixel=UNIT).to_dict(),
    "yes": lambda net: str(net.sees(unit=UNIT, pixel=UNIT)),
    "no": lambda net: str(net.sees(unit=UNIT, pixel=CORNER)),
    "first sight": lambda net: str(net.first_sight(pixel=UNIT, at=CORNER)),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_hold_no_map(question):
    """No question about a picture of 16.8 megapixels holds as much as a bit for each of its pixels."""
    net = capture(SIDE)
    assert peak(lambda: QUESTIONS[question](net)) < A_MAP


def test_capture_holds_no_map():
    """What PyTorch holds for small pictures left out, capturing holds no map of the large one."""
    capture(8)  # loads what is loaded late
    resized.cache_clear()
    assert peak(lambda: capture(SIDE)) - peak(lambda: capture(SIDE // 64)) < A_MAP


def test_a_map_is_noticed():
    """The measure has teeth: a region painted as a mask is a map, and so is a product of places one by one."""
    field = capture(SIDE).receptive_field(unit=UNIT)
    assert peak(field.mask) > A_MAP
    assert peak(lambda: [(y, x) for y in range(SIDE // 16) for x in range(SIDE // 16)]) > A_MAP
