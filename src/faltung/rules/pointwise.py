"""Operators that work place by place, with arguments stretched to a common shape."""

from collections.abc import Mapping, Sequence
from typing import Any

from faltung.intervals import IntervalSet
from faltung.relation import SAME, Along, AxisWise, Only, Whole
from faltung.rules.table import Call, Reading, Readings, Tensor, broadcast, rule
from faltung.rules.weights import kept, nonzero

Name = str | tuple[str, int]

POINTWISE = (
    "alpha_dropout",
    "alias",
    "clone",
    "complex",
    "conj",
    "_conj",
    "_neg_view",
    "imag",
    "polar",
    "real",
    "resolve_conj",
    "resolve_neg",
    "contiguous",
    "detach",
    "dropout",
    "feature_dropout",
    "lift_fresh_copy",
    "native_dropout",
    "rrelu",
    "to",
    "_to_copy",
    "type_as",
    "fake_quantize_per_tensor_affine",
    "silu",
    "mish",
    "gelu",
    "hardswish",
    "hardsigmoid",
    "hardtanh",
    "relu6",
    "celu",
    "selu",
    "softplus",
    "softshrink",
    "hardshrink",
    "threshold",
    "logsigmoid",
    "log_sigmoid",
    "lerp",
    "addcdiv",
    "clamp",
    "clip",
    "nan_to_num",
    "rsub",
    "logit",
    "bernoulli",
)
"""Operators that PyTorch does not tag as pointwise, or not in every version, and that are."""


@rule(*POINTWISE)
def pointwise(call: Call) -> Readings:
    """Every output reads the unit at its own place in each argument; numbers do not matter."""
    return _in_place(call)


def _in_place(call: Call) -> dict[Name, AxisWise]:
    call.skip_rest()
    return {name: broadcast(tensor.shape, call.shape) for name, tensor in call.tensors()}


@rule("mul", "multiply")
def multiplied(call: Call) -> Readings:
    """Place by place; not where a constant factor is exactly zero, if exact weights are asked for."""
    found = _in_place(call)
    return _but_for_zeros(call, found, list(call.arguments.values())) if call.exact_weights else found


@rule("addcmul")
def product_added(call: Call) -> Readings:
    """A summand and a product, place by place; the product as above."""
    found = _in_place(call)
    if not call.exact_weights:
        return found
    product: dict[Name, AxisWise] = {name: found[name] for name in ("tensor1", "tensor2")}
    return {**found, **_but_for_zeros(call, product, [call[name] for name in ("tensor1", "tensor2", "value")])}


def _but_for_zeros(call: Call, found: Mapping[Name, AxisWise], factors: Sequence[Any]) -> dict[Name, Reading]:
    """Return what is read of the factors of a product where no constant among them is exactly zero."""
    import numpy as np

    constants = [factor for factor in factors if isinstance(factor, Tensor) and not factor.source]
    mask = np.asarray(0 not in [factor for factor in factors if not isinstance(factor, Tensor)])
    for constant in constants:
        mask = mask & nonzero(constant)
    return {name: kept(relation, mask, call.shape) for name, relation in found.items()}


@rule("where", "masked_fill")
def chosen(call: Call) -> Readings:
    """Place by place one of two; by a condition that is constant the chosen one, if exact weights are asked for."""
    found = _in_place(call)
    filled = call.operator == "masked_fill"
    condition = call["mask" if filled else "condition"]
    if not call.exact_weights or condition.source:
        return found
    true = nonzero(condition)
    chances = {"self": ~true, "value": true} if filled else {"self": true, "other": ~true}
    return {name: kept(found[name], mask, call.shape) for name, mask in chances.items() if name in found}


@rule("copy")
def copied(call: Call) -> Readings:
    """Overwriting reads the source alone."""
    call.skip_rest()
    return {"src": broadcast(call.shape_of("src"), call.shape)}


@rule("view_as_real")
def pairs_of_parts(call: Call) -> Readings:
    """Real and imaginary part, on a new last axis, read their number."""
    return {"self": AxisWise.same(len(call.shape_of("self")))}


@rule("view_as_complex")
def numbers_of_parts(call: Call) -> Readings:
    """A number reads both its parts, the last axis."""
    return {"self": AxisWise((*AxisWise.same(len(call.shape)).sources, Whole()))}


@rule("prelu")
def prelu(call: Call) -> Readings:
    """The slope belongs to the channel, axis 1."""
    (slopes,) = call.shape_of("weight")
    channel = Only(IntervalSet.points([0])) if slopes == 1 else Along(1, SAME)
    return {"self": broadcast(call.shape_of("self"), call.shape), "weight": AxisWise((channel,))}


@rule(
    "zeros_like",
    "ones_like",
    "full_like",
    "empty_like",
    "rand_like",
    "randn_like",
    "new_zeros",
    "new_ones",
    "new_full",
    "new_empty",
    "zero",
    "fill",
    "arange",
    "zeros",
    "ones",
    "full",
    "empty",
    "eye",
    "linspace",
    "scalar_tensor",
    "rand",
    "randn",
)
def made(call: Call) -> Readings:
    """What is made from a shape reads nothing of the tensor whose shape it takes."""
    call.skip_rest()
    return {}
