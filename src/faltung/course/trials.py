"""The layers that parts 1 and 2 are tried with, and torch's answers to them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from faltung.course.judging import ask, judge, solved

SHAPES = [
    # x, w, stride, padding
    ((1, 1, 5, 5), (1, 1, 3, 3), 1, 0),
    ((1, 3, 5, 6), (2, 3, 3, 3), 1, 0),
    ((2, 3, 5, 6), (4, 3, 3, 3), 1, 0),
    ((2, 2, 5, 6), (3, 2, 3, 3), 1, 1),
    ((2, 2, 7, 8), (3, 2, 3, 3), 2, 0),
    ((2, 3, 8, 7), (4, 3, 3, 2), 2, 1),
    ((1, 2, 9, 9), (2, 2, 4, 4), 3, 2),
]
"""From the simplest on, so that what is said is about the first thing that is missing."""


class Trial(NamedTuple):
    """One layer with whole numbers: x is N x C x H x W, w is O x C x h x w, b has O numbers, dy is the output's."""

    x: Tensor
    w: Tensor
    b: Tensor
    dy: Tensor
    stride: int
    padding: int

    def output(self, **changed: Any) -> Tensor:
        """Return torch's output, with some of the above changed."""
        x, w, b, _, stride, padding = self._replace(**changed)
        return conv2d(x, w, b, stride, padding)

    def weights(self, **changed: Any) -> Tensor:
        """Return autograd's dL/dw, with some of the above changed."""
        return self._gradient("w", changed)

    def input(self, **changed: Any) -> Tensor:
        """Return autograd's dL/dx, with some of the above changed."""
        return self._gradient("x", changed)

    def _gradient(self, name: str, changed: dict[str, Any]) -> Tensor:
        trial = self._replace(**changed | {"b": None})
        asked: Tensor = getattr(trial, name).clone().requires_grad_()
        return torch.autograd.grad(trial.output(**{name: asked}), asked, trial.dy)[0]


def trials() -> Iterator[Trial]:
    """Give every layer, with the same numbers each time.

    >>> [tuple(trial.output().shape) for trial in trials()][:2]
    [(1, 1, 3, 3), (1, 2, 3, 4)]
    """
    for seed, (picture, kernel, stride, padding) in enumerate(SHAPES):
        x, w, b = whole(*picture, seed=seed), whole(*kernel, seed=seed + 50), whole(kernel[0], seed=seed + 90)
        yield Trial(x, w, b, whole(*conv2d(x, w, b, stride, padding).shape, seed=seed + 130), stride, padding)


def whole(*shape: int, seed: int) -> Tensor:
    """Return random whole numbers of 1 to 4 with either sign in float64, so that sums of them are exact.

    >>> whole(3, seed=0).abs() >= 1
    tensor([True, True, True])
    """
    random = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 5, shape, generator=random)
    return (sizes * (2 * torch.randint(0, 2, shape, generator=random) - 1)).double()


def try_all(
    name: str,
    function: Callable[..., Any],
    takes: Callable[[Trial], dict[str, Any]],
    right: Callable[[Trial], Tensor],
    mistakes: dict[str, Callable[[Trial], Tensor]],
    shape: str,
) -> None:
    """Judge a function on every trial: what it takes, what is right, what comes of mistakes, words for the shape."""
    for trial in trials():
        arguments = takes(trial)
        wrong = {words: mistake(trial) for words, mistake in mistakes.items()}
        judge(name, ask(name, function, arguments), right(trial), arguments, wrong, shape)
    solved(name, f"it gives what torch gives, for {len(SHAPES)} layers")
