"""Operators that work place by place, with arguments stretched to a common shape."""

from faltung.intervals import IntervalSet
from faltung.relation import SAME, Along, AxisWise, Only, Whole
from faltung.rules.table import Call, Readings, broadcast, rule

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
    "addcmul",
    "addcdiv",
    "masked_fill",
    "where",
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
    call.skip_rest()
    return {name: broadcast(tensor.shape, call.shape) for name, tensor in call.tensors()}


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
