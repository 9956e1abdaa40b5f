"""Places that the data choose: rows of a table, pixels under a grid. All that may be chosen counts as read."""

from faltung.relation import SAME, Along, AxisWise, Whole
from faltung.rules.reductions import reduced
from faltung.rules.table import Call, Readings, rule


@rule("embedding")
def embedding(call: Call) -> Readings:
    """Every output reads its own index, and the data decide which row of the table."""
    call.skip("padding_idx", "scale_grad_by_freq", "sparse")
    rank = len(call.shape_of("indices"))
    call.skip("weight")
    return {"indices": AxisWise.same(rank), "weight": AxisWise((Whole(), Along(rank, SAME)))}


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
