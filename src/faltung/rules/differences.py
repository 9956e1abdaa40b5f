"""Finite differences along an axis."""

from faltung.errors import FaltungError
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import InTurn
from faltung.rules.axes import along
from faltung.rules.table import Call, Readings, Tensor, axis, rule


@rule("diff")
def differences(call: Call) -> Readings:
    """The n-th difference at o reads inputs o .. o+n, of the tensors that are put before and behind as well."""
    rank = len(call.shape_of("self"))
    dim = axis(call["dim"], rank)
    steps = along(rank, {dim: Reads(1, [range(call["n"] + 1)])})
    parts = {name: call[name] for name in ("prepend", "self", "append") if isinstance(call[name], Tensor)}
    sizes = [part.shape[dim] for part in parts.values()]
    row = (*call.shape[:dim], sum(sizes), *call.shape[dim + 1 :])
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return {
        name: InTurn((steps, along(rank, {dim: Reads(1, [[-start]])})), (row,))
        for name, start in zip(parts, starts, strict=True)
    }


@rule("gradient")
def slopes(call: Call) -> Readings:
    """The slope along an axis reads both neighbours, at the ends the first two or three units (torch.gradient)."""
    shape = call.shape_of("self")
    dims = call["dim"] if call["dim"] is not None else list(range(len(shape)))
    dim = axis((dims if isinstance(dims, list) else [dims])[call.output], len(shape))
    spacing = call.get("spacing")
    if any(isinstance(entry, Tensor) for entry in (spacing if isinstance(spacing, list) else [])):
        raise FaltungError("gradient with tensors as spacing: what the middle unit weighs is not known")
    reach, size = call["edge_order"] + 1, shape[dim]
    taps = [range(reach), *([o - 1, o + 1] for o in range(1, size - 1)), range(size - reach, size)]
    return {"self": along(len(shape), {dim: Listed.of(taps, Reads(1, [[-1, 1]]))})}
