"""Checks of parts 5 and 6: how far units see, and what moves when the net is changed."""

from collections.abc import Callable, Mapping
from operator import add, mul
from typing import Any, NamedTuple

import torch
from torch import nn

import faltung
from faltung.course.judging import NotYet, ask, filled, solved

Windows = list[tuple[int, int]]
"""Layers, the first one first: kernel and stride of each."""

SIGHTS: list[Windows] = [
    [(3, 1)],
    [(3, 1), (3, 1), (5, 1)],
    [(3, 2), (3, 1)],
    [(3, 1), (2, 2), (3, 1), (2, 2)],
    [(7, 2), (3, 2), (3, 1), (3, 2)],
]


class Facts(NamedTuple):
    """What can be predicted of features: rows, rows of the picture that a unit sees, and pixels that move it by 1."""

    size: int
    field: int
    step: int


def check_receptive_field(receptive_field: Callable[..., Any]) -> None:
    """Check `receptive_field(layers)`: how many pixels in a row a unit sees, and how many pixels apart units look.

    `layers` is a list of (kernel, stride), the first layer first.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    name = "receptive_field"
    given = []
    for layers in SIGHTS:
        found = ask(name, receptive_field, {"layers": layers})
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise NotYet(f"{name}: two numbers are wanted, (size, step), not {found!r}.")
        filled(name, *found)
        given.append(tuple(found))
    right = [_seen(layers) for layers in SIGHTS]
    mistakes: dict[str, Callable[[Windows], tuple[int, int]]] = {
        "kernels are added whole; a layer adds kernel - 1 steps to what is seen": lambda layers: _grown(layers, more=0),
        "step grows before it is used; a layer's windows step over what it reads, not over what it makes": (
            lambda layers: _grown(layers, early=True)
        ),
        "a layer's windows step over units that are already some pixels apart: (kernel - 1) · step": lambda layers: (
            _grown(layers, dense=True)
        ),
        "strides multiply, they do not add up": lambda layers: _grown(layers, after=add),
        "the step is not the last layer's stride alone; strides multiply": lambda layers: _grown(
            layers, after=lambda step, stride: stride
        ),
    }
    if given != right:
        known = next((f"{w}. " for w, wrong in mistakes.items() if [wrong(one) for one in SIGHTS] == given), "")
        at = next(at for at, numbers in enumerate(given) if numbers != right[at])
        raise NotYet(f"{name}: {known}{name}({SIGHTS[at]}) gives {given[at]}, it should be {right[at]}.")
    solved(name, f"it says what faltung says, for {len(SIGHTS)} nets")


def facts(features: nn.Module) -> Facts:
    """Return what is true of features of pictures, 1 x 28 x 28, along the rows, which are as the columns are.

    >>> facts(nn.Conv2d(1, 1, 3, stride=2))
    Facts(size=13, field=3, step=2)
    """
    example = torch.zeros(1, 1, 28, 28)
    last = faltung.capture(features.eval(), example).table().rows[-1]
    movement = faltung.check(features, example, measure=False).output().movement("y")
    return Facts(last.size[-1], last.receptive_field[0] or 0, movement.step)


def check_predictions(predictions: Mapping[str, Any], features: Mapping[str, nn.Module]) -> None:
    """Compare what was predicted of nets, (size, field, step) by name, with what is true of their features.

    Raises
    ------
    NotYet
        If something is not as predicted: what, and how it comes about layer by layer.
    """
    for name in features:
        said = predictions.get(name)
        filled("predictions", *(said if isinstance(said, tuple | list) else [said]))
        if not isinstance(said, tuple | list) or len(said) != 3:
            raise NotYet(f"predictions: three numbers are wanted of {name}, (size, field, step), not {said!r}.")
    off = []
    for name, module in features.items():
        filled("Net", module)
        truth = facts(module)
        rows = faltung.capture(module.eval(), torch.zeros(1, 1, 28, 28)).table().rows
        ways = {
            "size": [str(row.size[-1]) for row in rows],
            "field": [str(row.receptive_field[0]) for row in rows],
            "step": [str(row.stride[0]) for row in rows],
        }
        for what, number, is_so in zip(Facts._fields, predictions[name], truth, strict=True):
            if number != is_so:
                off.append(f"{name}: you say {what} {number}, and it goes {' → '.join(ways[what])}.")
    if off:
        raise NotYet("Compare layer by layer.\n" + "\n".join(off))
    solved("predictions", f"{3 * len(features)} numbers as predicted")


def _seen(layers: Windows) -> tuple[int, int]:
    last = faltung.parse(", ".join(f"conv k={kernel} s={stride}" for kernel, stride in layers)).table().rows[-1]
    size, step = last.receptive_field[0], last.stride[0]
    assert size is not None
    assert step is not None
    return size, int(step)


def _grown(
    layers: Windows, more: int = -1, early: bool = False, dense: bool = False, after: Callable[[int, int], int] = mul
) -> tuple[int, int]:
    """Return the field and the step as they grow, with mistakes."""
    size, step = 1, 1
    for kernel, stride in layers:
        now, step = step, after(step, stride)
        size += (kernel + more) * (1 if dense else step if early else now)
    return size, step
