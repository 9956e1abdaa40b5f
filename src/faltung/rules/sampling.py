"""Places that the data choose: rows of a table, pixels under a grid. All that may be chosen counts as read."""

from itertools import pairwise

from faltung.listed import Listed
from faltung.relation import SAME, Along, AxisWise, Relation, Whole
from faltung.rules.indexing import given, known
from faltung.rules.reductions import reduced
from faltung.rules.table import Call, Readings, everything, rule


@rule("embedding")
def embedding(call: Call) -> Readings:
    """Every output reads its own index, and the data decide which row of the table."""
    call.skip("padding_idx", "scale_grad_by_freq", "sparse")
    rank = len(call.shape_of("indices"))
    call.skip("weight")
    return {"indices": AxisWise.same(rank), "weight": AxisWise((Whole(), Along(rank, SAME)))}


@rule("embedding_bag")
def bag(call: Call) -> Readings:
    """A bag reads its own indices, from its offset to the next, and the data decide which rows of the table.

    Offsets that are not constant may share the indices out in any way.
    """
    call.skip("scale_grad_by_freq", "mode", "sparse", "padding_idx", "include_last_offset")
    indices, offsets, weights = call["indices"], call["offsets"], call["per_sample_weights"]
    found: dict[str | tuple[str, int], Relation] = {name: everything(tensor.shape) for name, tensor in call.tensors()}
    if call.output > 0:  # bookkeeping for the derivative
        return found
    found["weight"] = AxisWise((Whole(), Along(1, SAME)))
    if known(offsets):
        starts = [*given(offsets).tolist()[: call.shape[0]], indices.shape[0]]
        own = AxisWise((Along(0, Listed.of(range(*pair) for pair in pairwise(starts))),))
        found["indices"] = own
        if weights is not None:
            found["per_sample_weights"] = own
    return found


@rule("one_hot")
def one_hot(call: Call) -> Readings:
    """Every output reads its own index, whatever its class, the new last axis."""
    call.skip("num_classes")
    return {"self": AxisWise.same(len(call.shape) - 1)}


@rule("multinomial")
def drawn_from_rows(call: Call) -> Readings:
    """What is drawn reads all chances of its row."""
    call.skip("num_samples", "replacement", "generator")
    return {"self": reduced(call.shape_of("self"), {len(call.shape) - 1})}


@rule("bucketize", "searchsorted")
def sorted_in(call: Call) -> Readings:
    """Every value is compared with all borders of its row."""
    call.skip("out_int32", "right", "side", "self")
    found: dict[str | tuple[str, int], Relation] = {}
    for name, tensor in call.tensors():
        rank = len(tensor.shape)
        along_rows = AxisWise((*AxisWise.same(rank - 1).sources, Whole())) if rank > 1 else everything(tensor.shape)
        found[name] = AxisWise.same(rank) if name == "self" else along_rows
    return found


@rule("isin")
def among(call: Call) -> Readings:
    """Every element is looked for in all the others."""
    call.skip("assume_unique", "invert", "element", "elements", "test_element", "test_elements")
    return {
        name: AxisWise.same(len(tensor.shape)) if name == "elements" else everything(tensor.shape)
        for name, tensor in call.tensors()
    }


@rule("affine_grid_generator")
def affine_grid(call: Call) -> Readings:
    """Coordinate k of every place reads row k of its picture's matrix."""
    call.skip("size", "align_corners")
    return {"theta": AxisWise((Along(0, SAME), Along(len(call.shape) - 1, SAME), Whole()))}


@rule("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def grid_sampler(call: Call) -> Readings:
    """The data decide where in the picture an output looks: all of the space counts as read."""
    space = len(call.shape_of("input")) - 2
    call.skip("interpolation_mode", "padding_mode", "align_corners")
    places = (Along(number + 2, SAME) for number in range(space))
    return {
        "input": reduced(call.shape_of("input"), range(2, space + 2)),
        "grid": AxisWise((Along(0, SAME), *places, Whole())),
    }
