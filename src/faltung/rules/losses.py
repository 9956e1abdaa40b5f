"""Losses: place by place, row by row or class by class; added up, they read everything."""

from faltung.relation import AxisWise, Whole
from faltung.rules.reductions import reduced
from faltung.rules.table import Call, Readings, broadcast, everything, rule

NUMBERS = (
    "beta",
    "delta",
    "eps",
    "full",
    "ignore_index",
    "label_smoothing",
    "log_input",
    "log_target",
    "margin",
    "p",
    "pos_weight",
    "swap",
    "weight",
)
"""Arguments that change what is computed and not from what, or may be missing."""


def _added_up(call: Call) -> bool:
    """Say whether the losses of all places are added up to one; 0 stands for reduction='none'."""
    call.skip(*NUMBERS)
    reduction: int = call["reduction"]
    return reduction != 0


def _everything(call: Call) -> Readings:
    return {name: everything(tensor.shape) for name, tensor in call.tensors()}


@rule(
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
)
def loss_of_a_place(call: Call) -> Readings:
    """Every place has a loss of its own."""
    if _added_up(call):
        return _everything(call)
    return {name: broadcast(tensor.shape, call.shape) for name, tensor in call.tensors()}


@rule("cosine_embedding_loss", "multi_margin_loss", "multilabel_margin_loss", "triplet_margin_loss")
def loss_of_a_row(call: Call) -> Readings:
    """Every row, along the last axis, has a loss; targets are rows or have one number for each."""
    if _added_up(call):
        return _everything(call)
    rank = len(call.shape)
    return {
        name: everything(tensor.shape)  # a weight for each class
        if name == "weight"
        else AxisWise((*AxisWise.same(rank).sources, *(Whole(),) * (len(tensor.shape) - rank)))
        for name, tensor in call.tensors()
    }


@rule("cross_entropy_loss", "nll_loss_nd")
def loss_of_classes(call: Call) -> Readings:
    """Every place has a loss over the classes, axis 1 (0 without a batch); a target names a class, or weighs all.

    Which class it names, the data decide: all count as read.
    """
    shape, rank = call.shape_of("self"), len(call.shape)
    if _added_up(call):
        return _everything(call)
    classes = min(1, len(shape) - 1)
    over_classes = reduced(shape, {classes}, keepdim=False)
    of_target = call.shape_of("target")
    return {
        "self": over_classes,
        "target": over_classes if len(of_target) > rank else AxisWise.same(rank),
        **{name: everything(tensor.shape) for name, tensor in call.tensors() if name == "weight"},
    }
