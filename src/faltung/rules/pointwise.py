"""Operators that work place by place, with arguments stretched to a common shape."""

from collections.abc import Mapping, Sequence
from typing import Any

from faltung.intervals import IntervalSet
from faltung.relation import SAME, Along, AxisWise, Only, Whole
from faltung.rules.table import Call, Reading, Readings, Tensor, broadcast, rule
from faltung.rules.weights import MOST_MASKS, as_products, kept, nonzero

Name = str | tuple[str, int]

POINTWISE = (
    "absolute",
    "addcdiv",
    "alias",
    "alias_copy",
    "alpha_dropout",
    "__and__",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "binomial",
    "celu",
    "chalf",
    "clamp",
    "clip",
    "clone",
    "complex",
    "_conj",
    "conj",
    "contiguous",
    "detach",
    "detach_copy",
    "divide",
    "dropout",
    "fake_quantize_per_tensor_affine",
    "feature_alpha_dropout",
    "feature_dropout",
    "fix",
    "floor_divide",
    "gelu",
    "greater",
    "greater_equal",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "imag",
    "isclose",
    "isreal",
    "lerp",
    "less",
    "less_equal",
    "lift",
    "lift_fresh",
    "lift_fresh_copy",
    "log_sigmoid",
    "logit",
    "logsigmoid",
    "mish",
    "nan_to_num",
    "native_dropout",
    "_neg_view",
    "negative",
    "not_equal",
    "__or__",
    "pin_memory",
    "poisson",
    "polar",
    "_prelu_kernel",
    "real",
    "relu6",
    "resolve_conj",
    "resolve_neg",
    "rrelu",
    "rsub",
    "selu",
    "silu",
    "softplus",
    "softshrink",
    "special_digamma",
    "special_erf",
    "special_erfc",
    "special_erfinv",
    "special_exp2",
    "special_expit",
    "special_expm1",
    "special_gammainc",
    "special_gammaincc",
    "special_gammaln",
    "special_i0",
    "special_log1p",
    "special_logit",
    "special_multigammaln",
    "special_ndtr",
    "special_polygamma",
    "special_psi",
    "special_round",
    "special_sinc",
    "special_xlogy",
    "subtract",
    "threshold",
    "to",
    "_to_copy",
    "true_divide",
    "type_as",
    "__xor__",
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
    """Place by place one of two; by a condition that is constant the chosen one, if exact weights are asked for.

    A condition of many parts, such as a triangle over many steps, leaves the choice open: what follows it (a softmax,
    say) reads whole rows, and cannot tell.
    """
    found = _in_place(call)
    filled = call.operator == "masked_fill"
    condition = call["mask" if filled else "condition"]
    if not call.exact_weights or condition.source:
        return found
    true = nonzero(condition)
    if sum(1 for _ in as_products(true)) > MOST_MASKS:
        return found
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
    slopes = call.shape_of("weight")
    channel = Along(1, SAME) if max(slopes, default=1) > 1 else Only(IntervalSet.points([0]))
    return {"self": broadcast(call.shape_of("self"), call.shape), "weight": AxisWise((channel,) * len(slopes))}


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
    "randint_like",
    "new_empty_strided",
    "cauchy",
    "exponential",
    "geometric",
    "log_normal",
    "random",
    "uniform",
)
def made(call: Call) -> Readings:
    """What is made from a shape, or drawn, reads nothing of the tensor whose shape it takes."""
    call.skip_rest()
    return {}


@rule("bernoulli", "normal")
def drawn(call: Call) -> Readings:
    """What is drawn reads the chances, means and deviations that are given, and not what it overwrites."""
    found = _in_place(call)
    return (
        found if not any(call.has(name) for name in ("p", "mean")) else {n: r for n, r in found.items() if n != "self"}
    )
