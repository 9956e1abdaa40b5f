"""Tensors put together along an axis, and taken apart."""

from collections.abc import Sequence
from itertools import accumulate

from faltung.errors import FaltungError
from faltung.reads import Reads
from faltung.relation import AxisWise, InTurn, Relation, Reshape, Shape
from faltung.rules.axes import along
from faltung.rules.table import Call, Readings, axis, rule


@rule("cat", "concat", "concatenate")
def joined(call: Call) -> Readings:
    """Each tensor is read from where it starts."""
    shapes = [tensor.shape for tensor in call["tensors"]]
    # empty tensors of one axis are left out, as PyTorch has it
    return _joined([shape if len(shape) == len(call.shape) else None for shape in shapes], shapes, call)


@rule("stack")
def stacked(call: Call) -> Readings:
    """Tensor k is read at place k of a new axis."""
    dim = axis(call["dim"], len(call.shape))
    shapes = [tensor.shape for tensor in call["tensors"]]
    return _joined([(*shape[:dim], 1, *shape[dim:]) for shape in shapes], shapes, call)


@rule("hstack", "vstack", "row_stack", "dstack", "column_stack")
def stacked_as_pictures(call: Call) -> Readings:
    """Tensors are given the axes they lack, then joined along the first, second or third."""
    shapes = [tensor.shape for tensor in call["tensors"]]
    thick = {"hstack": _line, "vstack": _rows, "row_stack": _rows, "dstack": _planes, "column_stack": _columns}
    return _joined([thick[call.operator](shape) for shape in shapes], shapes, call)


def _joined(thick: Sequence[Shape | None], shapes: Sequence[Shape], call: Call) -> Readings:
    """Return the readings of tensors that are reshaped to `thick` and put one behind the other."""
    rank = len(call.shape)
    fixed = {"hstack": 1 if rank > 1 else 0, "vstack": 0, "row_stack": 0, "dstack": 2, "column_stack": 1}
    dim = fixed[call.operator] if call.operator in fixed else axis(call["dim"], rank)
    sizes = [shape[dim] if shape else 0 for shape in thick]
    starts = accumulate(sizes, initial=0)
    return {
        ("tensors", number): _placed(rank, dim, start, after, before)
        for number, (start, after, before) in enumerate(zip(starts, thick, shapes, strict=False))
        if after is not None
    }


def _placed(rank: int, dim: int, start: int, after: Shape, before: Shape) -> Relation:
    shift = along(rank, {dim: Reads(1, [[-start]])})
    return shift if after == before else InTurn((shift, Reshape()), (after,))


def _line(shape: Shape) -> Shape:
    return shape or (1,)


def _rows(shape: Shape) -> Shape:
    return shape if len(shape) > 1 else (1, *_line(shape))


def _planes(shape: Shape) -> Shape:
    return shape if len(shape) > 2 else (*_rows(shape), 1)


def _columns(shape: Shape) -> Shape:
    return shape if len(shape) > 1 else (*_line(shape), 1)


@rule("block_diag")
def on_the_diagonal(call: Call) -> Readings:
    """Matrices in a row down the diagonal; a line is a matrix of one row."""
    shapes = [_rows(tensor.shape) for tensor in call["tensors"]]
    corners = [tuple(sum(shape[axis] for shape in shapes[:number]) for axis in (0, 1)) for number in range(len(shapes))]
    shifts = (along(2, {0: Reads(1, [[-row]]), 1: Reads(1, [[-column]])}) for row, column in corners)
    return {
        ("tensors", number): shift if len(tensor.shape) == 2 else InTurn((shift, Reshape()), (shape,))
        for number, (shift, tensor, shape) in enumerate(zip(shifts, call["tensors"], shapes, strict=True))
    }


@rule("split", "unsafe_split", "split_with_sizes", "unsafe_split_with_sizes", "split_copy", "split_with_sizes_copy")
def split(call: Call) -> Readings:
    """Part k starts where the parts before it end."""
    given = call[next(name for name in ("split_sizes", "split_size") if call.has(name))]
    start = sum(given[: call.output]) if isinstance(given, list | tuple) else given * call.output
    return _part(call, axis(call["dim"], len(call.shape)), start)


@rule("chunk", "unsafe_chunk")
def chunked(call: Call) -> Readings:
    """All parts but the last have ceil(n / chunks) places."""
    dim = axis(call["dim"], len(call.shape))
    return _part(call, dim, -(-call.shape_of("self")[dim] // call["chunks"]) * call.output)


@rule("tensor_split", "hsplit", "vsplit", "dsplit")
def split_evenly(call: Call) -> Readings:
    """Parts are cut at the given places, or differ by one place at most, the larger ones first."""
    if call.has("tensor_indices_or_sections"):
        raise FaltungError("tensor_split with tensor_indices_or_sections: the places are not known before the net runs")
    rank = len(call.shape)
    fixed = {"hsplit": 1 if rank > 1 else 0, "vsplit": 0, "dsplit": 2}
    dim = fixed[call.operator] if call.operator in fixed else axis(call["dim"], rank)
    size = call.shape_of("self")[dim]
    if call.has("indices"):
        cuts = [0, *call["indices"]]
        return _part(call, dim, slice(cuts[call.output], None).indices(size)[0])
    least, larger = divmod(size, call["sections"])
    return _part(call, dim, least * call.output + min(call.output, larger))


def _part(call: Call, dim: int, start: int) -> dict[str | tuple[str, int], Relation]:
    relation: AxisWise = along(len(call.shape), {dim: Reads(1, [[start]])})
    return {"self": relation}
