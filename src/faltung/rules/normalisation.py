"""Normalisation: what an output shares its statistics with, and the weight of its own place or channel.

A channel whose weight is exactly zero, as a pruned one's, reads nothing where exact weights are asked for.
"""

from collections.abc import Iterable

from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisWise, Relation, Whole
from faltung.rules.reductions import reduced
from faltung.rules.table import Call, Reading, Readings, Tensor, axis, broadcast, rule
from faltung.rules.weights import kept, nonzero

CHANNEL = AxisWise((Along(1, SAME),))
"""The relation to a vector with one number for each channel, axis 1."""

Found = dict[str | tuple[str, int], Relation]


@rule(
    "batch_norm",
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_functional",
    "_native_batch_norm_legit_no_training",
)
def batch_norm(call: Call) -> Readings:
    """In training a channel is normalised by its statistics over batch and space; else place by place.

    The further outputs are statistics of each channel, and the running ones where they are returned.
    """
    shape = call.shape_of("input")
    call.skip("momentum", "eps", "cudnn_enabled", "running_mean", "running_var", "weight", "bias")
    shared = set(range(len(shape))) - {1} if call.get("training", False) else set()
    if call.output == 0:
        running = () if shared else ("running_mean", "running_var")
        return {
            "input": _weighted(call, reduced(shape, shared), len(shape) - 2),
            **_given(call, ("weight", "bias", *running), CHANNEL),
        }
    call.skip("input")  # without training its statistics are not taken
    updated = {3: ("running_mean",), 4: ("running_var",)}.get(call.output, ())
    own: Found = {"input": reduced(shape, shared, keepdim=False)} if shared else {}
    return {**own, **_given(call, updated, AxisWise.same(1))}


@rule("instance_norm")
def instance_norm(call: Call) -> Readings:
    """A channel is normalised by its statistics over space, or by the running ones."""
    shape = call.shape_of("input")
    call.skip("momentum", "eps", "cudnn_enabled", "running_mean", "running_var", "weight", "bias")
    own = call["use_input_stats"]
    running = () if own else ("running_mean", "running_var")
    return {
        "input": _weighted(call, reduced(shape, range(2, len(shape)) if own else ()), len(shape) - 2),
        **_given(call, ("weight", "bias", *running), CHANNEL),
    }


@rule("group_norm", "native_group_norm")
def group_norm(call: Call) -> Readings:
    """A channel is normalised by the statistics of its group over space; the further outputs are these."""
    shape = call.shape_of("input")
    groups = call["num_groups"] if call.has("num_groups") else call["group"]
    call.skip("eps", "cudnn_enabled", "N", "C", "HxW", "weight", "bias")
    size = shape[1] // groups
    phases = size if call.output == 0 else 1
    space = len(shape) - 2
    relation = AxisWise((Along(0, SAME), Along(1, Reads(size, [range(size)] * phases)), *(Whole(),) * space))
    if call.output > 0:
        return {"input": relation}
    return {"input": _weighted(call, relation, space), **_given(call, ("weight", "bias"), CHANNEL)}


@rule("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")
def layer_norm(call: Call) -> Readings:
    """The last axes are normalised together; the further outputs are their statistics."""
    shape = call.shape_of("input")
    call.skip("eps", "cudnn_enable", "weight", "bias")
    last = range(len(shape) - len(call["normalized_shape"]), len(shape))
    place = AxisWise(tuple(Along(number, SAME) for number in last))
    if call.output > 0:
        return {"input": reduced(shape, last)}
    return {"input": _weighted(call, reduced(shape, last)), **_given(call, ("weight", "bias"), place)}


@rule("_weight_norm")
def weight_norm(call: Call) -> Readings:
    """A slice along `dim` is divided by its norm; -1 says that all of it is (torch.nn.utils.weight_norm)."""
    shape = call.shape_of("v")
    kept = set() if call["dim"] == -1 else {axis(call["dim"], len(shape))}
    return {
        "v": reduced(shape, set(range(len(shape))) - kept),
        "g": broadcast(call.shape_of("g"), call.shape),
    }


def _weighted(call: Call, relation: AxisWise, behind: int = 0) -> Reading:
    """Return what is read where the weight, with so many axes of the output behind its own, is not exactly zero."""
    weight = call.get("weight")
    if not call.exact_weights or not isinstance(weight, Tensor) or weight.source:
        return relation
    mask = nonzero(weight)
    return kept(relation, mask.reshape(mask.shape + (1,) * behind), call.shape)


def _given(call: Call, names: Iterable[str], relation: Relation) -> Found:
    """Return the relation for each of the arguments that are tensors."""
    return {name: relation for name in names if isinstance(call.get(name), Tensor)}
