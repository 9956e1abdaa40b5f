"""Losses, against NaN; against change where a target chooses what is read, or NaN is no class."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from faltung.rules import losses
from tests.test_rules_reductions import assert_same, changed, drawn, poisoned, stated

PLACES: dict[str, Callable[..., Any]] = {
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    "smooth l1": F.smooth_l1_loss,
    "huber": F.huber_loss,
    "soft margin": F.soft_margin_loss,
    "poisson": F.poisson_nll_loss,
    "kl": lambda x, y, reduction="mean": F.kl_div(
        x, y, reduction="batchmean" if reduction == "mean" else reduction, log_target=True
    ),
    "logits": F.binary_cross_entropy_with_logits,
    "hinge embedding": lambda x, y, **how: F.hinge_embedding_loss(x, torch.ones_like(y), **how) + 0 * y.sum(),
}
"""Losses of a place: functions of two tensors of shape (2, 3)."""


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", PLACES)
def test_a_loss_of_a_place(name: str, reduction: str) -> None:
    """A place's loss reads its own numbers; a sum or mean of losses reads all."""
    inputs = drawn((2, 3), (2, 3))

    def function(*inputs: Any) -> Any:
        return PLACES[name](*inputs, reduction=reduction)

    assert_same(stated(function, inputs), poisoned(function, inputs))


ROWS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "cross entropy, classes": (F.cross_entropy, [(2, 3), (2, 3)]),
    "cross entropy, pictures": (F.cross_entropy, [(2, 3, 2), (2, 3, 2)]),
    "cross entropy, weights": (
        lambda x, w, **how: F.cross_entropy(x, torch.full((2, 3), 0.5), w, **how),
        [(2, 3), (3,)],
    ),
    "triplet": (F.triplet_margin_loss, [(2, 3), (2, 3), (2, 3)]),
    "triplet, one row": (F.triplet_margin_loss, [(3,), (3,), (3,)]),
    "margin ranking": (F.margin_ranking_loss, [(3,), (3,), (3,)]),
}


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("name", ROWS)
def test_a_loss_of_a_row(name: str, reduction: str) -> None:
    """The loss of a row, or of a place over its classes, reads all of it and no other."""
    function, shapes = ROWS[name]
    inputs = drawn(*shapes)

    def reduced(*inputs: Any) -> Any:
        return function(*inputs, reduction=reduction)

    assert_same(stated(reduced, inputs), poisoned(reduced, inputs))


CLASSES = torch.tensor([2, 0])
CHOOSING: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "cross entropy, a class": (lambda x, **how: F.cross_entropy(x, CLASSES, **how), [(2, 3)]),
    "cosine embedding": (
        lambda x, y, t, **how: F.cosine_embedding_loss(x, y, (t > 0) * 2 - 1, **how),
        [(2, 3), (2, 3), (2,)],
    ),
    "binary cross entropy": (
        lambda x, y, **how: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), **how),
        [(2, 2), (2, 2)],
    ),
    "multi margin": (lambda x, **how: F.multi_margin_loss(x, CLASSES, margin=9.0, **how), [(2, 3)]),
}


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("name", CHOOSING)
def test_a_loss_with_a_target(name: str, reduction: str) -> None:
    """What any target may make count is read: some number in it changes the loss."""
    function, shapes = CHOOSING[name]
    inputs = drawn(*shapes)

    def reduced(*inputs: Any) -> Any:
        return function(*inputs, reduction=reduction)

    assert_same(stated(reduced, inputs), changed(reduced, inputs))


def test_the_class_that_counts_is_not_known_before_the_net_runs() -> None:
    """The negative log likelihood reads one class, which the target names: all of a place count as read, and no other's."""
    (found,) = stated(lambda x: F.nll_loss(x, CLASSES, reduction="none"), drawn((2, 3)))
    assert (found == torch.eye(2, dtype=torch.bool)[:, None, :].expand(2, 3, 2).numpy()).all()
    (told,) = poisoned(lambda x: F.nll_loss(x, CLASSES, reduction="none"), drawn((2, 3)))
    assert (told <= found).all()


def test_a_rule_that_overlooks_the_reduction_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that adds losses up which are not differs from NaN."""
    told = losses._added_up
    monkeypatch.setattr(losses, "_added_up", lambda call: told(call) or True)
    for broken in (lambda: test_a_loss_of_a_place("mse", "none"), lambda: test_a_loss_of_a_row("triplet", "none")):
        with pytest.raises(AssertionError):
            broken()
