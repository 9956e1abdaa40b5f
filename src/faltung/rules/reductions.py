"""Reductions and their kin: the reduced axes are read whole, or up to an output's own place; the others in step."""

from collections.abc import Collection

from faltung.listed import Listed
from faltung.relation import SAME, Along, AxisWise, Only, Shape, Whole
from faltung.rules.axes import along
from faltung.rules.table import Call, Readings, axis, broadcast, everything, rule

NUMBERS = (
    "correction",
    "descending",
    "dtype",
    "half_to_float",
    "interpolation",
    "k",
    "largest",
    "ord",
    "p",
    "sorted",
    "stable",
    "unbiased",
)
"""Arguments that change what is computed and not from what."""


def reduced(shape: Shape, axes: Collection[int], keepdim: bool = True, first: int = 0) -> AxisWise:
    """Return the relation that reads some axes whole and the others in step.

    Parameters
    ----------
    shape : tuple of int
        Of the input.
    axes : collection of int
        Those that are read whole, counted from the front.
    keepdim : bool
        They have a place in the output as well.
    first : int
        The output's axis that the input's first axis belongs to.
    """
    sources: list[Along | Only | Whole] = []
    place = first
    for number in range(len(shape)):
        if number in axes:
            sources.append(Whole())
            place += keepdim
        else:
            sources.append(Along(place, SAME))
            place += 1
    return AxisWise(tuple(sources))


def axes_of(call: Call, shape: Shape) -> Collection[int]:
    """Return the reduced axes: those of `dim`, or all where there is none.

    Some operators take an empty list to mean every axis and some to mean none (torch.sum, torch.any): the
    size of the output tells.
    """
    dim = call.get("dim")
    if isinstance(dim, int):
        return {axis(dim, len(shape))}
    if dim:
        return {axis(number, len(shape)) for number in dim}
    return () if dim is not None and call.shape == shape else range(len(shape))


@rule(
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "frobenius_norm",
    "kthvalue",
    "linalg_matrix_norm",
    "linalg_norm",
    "linalg_vector_norm",
    "logsumexp",
    "mean",
    "median",
    "mode",
    "nanmean",
    "nanmedian",
    "nansum",
    "nuclear_norm",
    "norm",
    "prod",
    "special_logsumexp",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
)
def reduction(call: Call) -> Readings:
    """Every output reads all of the reduced axes, at its own place of the others."""
    shape = call.shape_of("self")
    call.skip(*NUMBERS)
    return {"self": reduced(shape, axes_of(call, shape), call.get("keepdim", False))}


@rule("sum_to_size")
def summed_to_size(call: Call) -> Readings:
    """Axes that the size lacks, or has as 1, are summed over: stretching backwards."""
    shape = call.shape_of("self")
    call.skip("size")
    new = len(shape) - len(call.shape)
    return {
        "self": AxisWise(
            tuple(
                Whole() if axis < new or call.shape[axis - new] != size else Along(axis - new, SAME)
                for axis, size in enumerate(shape)
            )
        )
    }


@rule("bincount", "dist", "histc")
def counted(call: Call) -> Readings:
    """A distance or a histogram of everything."""
    call.skip("bins", "min", "max", "minlength", "p")
    return {name: everything(tensor.shape) for name, tensor in call.tensors()}


@rule("max", "min")
def extremum(call: Call) -> Readings:
    """Of one tensor a reduction; of two, place by place."""
    if call.has("other"):
        return {name: broadcast(tensor.shape, call.shape) for name, tensor in call.tensors()}
    return reduction(call)


@rule("quantile", "nanquantile")
def quantile(call: Call) -> Readings:
    """A reduction for each of the wanted quantiles; a list of them is the first axis of the output."""
    shape = call.shape_of("self")
    call.skip(*NUMBERS)
    wanted = call.shape_of("q") if any(name == "q" for name, _ in call.tensors()) else ()
    call.skip("q")
    return {
        "self": reduced(shape, axes_of(call, shape), call["keepdim"], first=len(wanted)),
        "q": AxisWise.same(len(wanted)),
    }


@rule(
    "_log_softmax",
    "_safe_softmax",
    "_softmax",
    "argsort",
    "log_softmax",
    "softmax",
    "sort",
    "special_log_softmax",
    "special_softmax",
    "topk",
)
def over_an_axis(call: Call) -> Readings:
    """Every output reads all of one axis; in a sorted axis the data decide which unit that is."""
    shape = call.shape_of("self")
    call.skip(*NUMBERS)
    return {"self": reduced(shape, {axis(call["dim"], len(shape))})}


@rule("msort")
def sorted_first_axis(call: Call) -> Readings:
    """Sorted along the first axis."""
    return {"self": reduced(call.shape_of("self"), {0})}


@rule("cummax", "cummin", "cumprod", "cumsum", "logcumsumexp")
def running(call: Call) -> Readings:
    """Output o reads inputs 0 .. o of its axis."""
    shape = call.shape_of("self")
    call.skip("dtype")
    chosen = axis(call["dim"], len(shape))
    return {"self": along(len(shape), {chosen: up_to(shape[chosen])} if shape else {})}


def up_to(outputs: int) -> Listed:
    """Return the relation in which output o reads inputs 0 .. o."""
    return Listed.of(range(o + 1) for o in range(outputs))
