"""Indexing by tensors: exact where the index is a constant, all that it may reach where it is not.

A constant index is followed by running the operator on a tensor that holds its own indices.
"""

from collections.abc import Mapping
from typing import Any

from faltung.listed import Listed
from faltung.relation import SAME, Along, AxisReads, AxisWise, Moved, Only, Relation, Shape, Whole, whole
from faltung.rules.axes import along
from faltung.rules.table import Call, Readings, Tensor, axis, broadcast, everything, rule

Found = dict[str | tuple[str, int], Relation]


def known(value: Any) -> bool:
    """Say whether an argument's numbers are all known: it is no tensor, or one that is at hand."""
    if isinstance(value, list | tuple):
        return all(known(entry) for entry in value)
    return not isinstance(value, Tensor) or _numbers(value) is not None


def _numbers(tensor: Tensor) -> Any:
    """Return the numbers of a constant as a tensor; None for what is computed, and on the meta device."""
    numbers = None if tensor.source or tensor.values is None else tensor.values()
    return None if numbers is None or numbers.is_meta else numbers.detach().cpu()


def given(value: Any) -> Any:
    """Return an argument with its tensors as numbers."""
    if isinstance(value, list | tuple):
        return [given(entry) for entry in value]
    return _numbers(value) if isinstance(value, Tensor) else value


def indices(shape: Shape) -> Any:
    """Return a tensor that holds its own linear indices."""
    import torch

    return torch.arange(torch.Size(shape).numel()).reshape(shape)


def run(operator: str, **arguments: Any) -> Any:
    """Run one of PyTorch's operators, and return its result as an array."""
    import torch

    return getattr(torch.ops.aten, operator)(**arguments).numpy()


@rule("index_select")
def places_selected(call: Call) -> Readings:
    """Output o of an axis reads input index[o]."""
    shape = call.shape_of("self")
    dim = axis(call["dim"], len(shape))
    index = call["index"]
    if not shape:
        return {"self": AxisWise(()), "index": everything(index.shape)}
    if known(index):
        return {"self": along(len(shape), {dim: Listed.of([place] for place in given(index).reshape(-1).tolist())})}
    return {"self": _all_along(shape, dim), "index": AxisWise((Along(dim, SAME),) * len(index.shape))}


@rule("gather")
def gathered(call: Call) -> Readings:
    """Output o reads its own place in the index, and one place along an axis of the tensor."""
    call.skip("sparse_grad")
    shape, dim = call.shape_of("self"), call["dim"]
    if known(call["index"]):
        return _followed(call)
    return {"self": _all_along(shape, axis(dim, len(shape))), "index": broadcast(call.shape_of("index"), call.shape)}


@rule("take", "take_along_dim", "index", "_unsafe_index")
def indexed(call: Call) -> Readings:
    """Any place may be read; the tensor's own axes do not tell which."""
    call.skip("dim", "index", "indices")
    tensors = {name: tensor for name, tensor in call.tensors() if name != "self"}
    if all(known(tensor) for tensor in tensors.values()):
        return _followed(call)
    return {"self": everything(call.shape_of("self")), **_all_of(tensors)}


def _followed(call: Call) -> Readings:
    shape = call.shape_of("self")
    arguments = {name: indices(shape) if name == "self" else given(value) for name, value in call.arguments.items()}
    return {"self": Moved(run(call.operator, **arguments))}


def _all_of(tensors: Mapping[str | tuple[str, int], Tensor]) -> Found:
    return {name: everything(tensor.shape) for name, tensor in tensors.items()}


def _all_along(shape: Shape, dim: int) -> AxisWise:
    return AxisWise(tuple(Whole() if number == dim else Along(number, SAME) for number in range(len(shape))))


@rule("scatter", "scatter_add", "scatter_reduce")
def scattered(call: Call) -> Readings:
    """An output may keep its own place, or take any place along an axis of the source; only the index knows."""
    call.skip("value", "reduce", "include_self")
    rank = len(call.shape)
    dim = axis(call["dim"], rank)
    reach = call.shape_of("index")
    found: Found = {"self": AxisWise.same(rank), "index": _all_along(reach, dim)}
    if call.has("src"):
        shape = call.shape_of("src")
        found["src"] = AxisWise(
            tuple(
                Only(whole(reach[number])) if number == dim else Along(number, _first(reach[number], size))
                for number, size in enumerate(shape)
            )
        )
    return found


def _first(count: int, size: int) -> AxisReads:
    """Return the relation that reads its own place up to a count."""
    return SAME if count >= size else Listed.of([place] for place in range(count))


@rule("index_add", "index_copy", "index_fill", "index_reduce")
def places_overwritten(call: Call) -> Readings:
    """An output may keep its own place, or take any place along an axis of the source; only the index knows."""
    call.skip("alpha", "reduce", "include_self", "value")
    dim = axis(call["dim"], len(call.shape))
    found: Found = {"self": AxisWise.same(len(call.shape)), "index": everything(call.shape_of("index"))}
    if call.has("source"):
        found["source"] = _all_along(call.shape_of("source"), dim)
    if isinstance(call.get("value"), Tensor):
        found["value"] = everything(call.shape_of("value"))
    return found


@rule("masked_scatter")
def masked_overwritten(call: Call) -> Readings:
    """Under the mask the units of the source follow one another; elsewhere the tensor's own are kept."""
    own, shape, of_source, mask = call.shape_of("self"), call.shape, call.shape_of("source"), call["mask"]
    if not known(mask):
        return {
            "self": broadcast(own, shape),
            "mask": everything(mask.shape),  # how many are taken before
            "source": everything(of_source),
        }
    kept = run("masked_scatter", self=indices(own).expand(shape), mask=given(mask), source=indices(of_source) * 0 - 1)
    taken = run("masked_scatter", self=indices(shape) * 0 - 1, mask=given(mask), source=indices(of_source))
    return {"self": Moved(kept), "source": Moved(taken)}


@rule("index_put", "_unsafe_index_put", "_index_put_impl")
def put(call: Call) -> Readings:
    """An output keeps its own place, or takes one of the values where the index says so."""
    call.skip("unsafe")
    shape, values = call.shape_of("self"), call.shape_of("values")
    tensors = {name: tensor for name, tensor in call.tensors() if name not in ("self", "values")}
    accumulated = call["accumulate"]
    if not accumulated and known(call["indices"]):
        where = {"indices": given(call["indices"])}
        ones = run("index_put", self=indices(shape) * 0, values=indices(()) + 1, accumulate=True, **where)
        if ones.max(initial=0) <= 1:  # where two values meet, which one stays is left open
            kept = run("index_put", self=indices(shape), values=indices(()) - 1, **where)
            taken = run("index_put", self=indices(shape) * 0 - 1, values=indices(values), **where)
            return {"self": Moved(kept), "values": Moved(taken)}
    return {"self": AxisWise.same(len(shape)), "values": everything(values), **_all_of(tensors)}
