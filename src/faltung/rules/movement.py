"""Operators that move whole axes: views, permutations, slices, flips, rolls and repeats.

Their relatives have files of their own: `joining` (cat, stack, split), `unfolding` (patches, shuffles, diagonals),
`padding` and `indexing`; they are loaded with this one.
"""

from math import prod

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisReads, AxisWise, InTurn, Moved, Only, Relation, Reshape, Shape
from faltung.rules import indexing, joining, padding, unfolding  # noqa: F401  (each adds its rows to the table)
from faltung.rules.axes import along, following
from faltung.rules.table import Call, Readings, Tensor, axis, broadcast, rule


@rule(
    "view",
    "reshape",
    "_unsafe_view",
    "_reshape_alias",
    "view_copy",
    "flatten",
    "ravel",
    "unflatten",
    "squeeze",
    "squeeze_copy",
    "unsqueeze",
    "unsqueeze_copy",
    "view_as",
    "reshape_as",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
)
def view(call: Call) -> Readings:
    """The same units in row-major order; the shape of the output says all."""
    call.skip("size", "shape", "sizes", "dim", "start_dim", "end_dim", "other", "stride")
    if call.has("tensors"):
        return {("tensors", call.output): Reshape()}
    if call.get("dtype") is not None and call.shape_of("self") != call.shape:
        raise FaltungError(f"{call.operator} with dtype={call['dtype']} cuts units into others of another size")
    return {"self": Reshape()}


@rule(
    "permute",
    "permute_copy",
    "transpose",
    "transpose_copy",
    "swapaxes",
    "swapdims",
    "t",
    "t_copy",
    "numpy_T",
    "mT",
    "mH",
    "matrix_H",
    "adjoint",
    "movedim",
    "moveaxis",
)
def permutation(call: Call) -> Readings:
    """Output axis k is input axis `order[k]`."""
    order = _order(call, len(call.shape))
    return {"self": following([order.index(number) for number in range(len(order))])}


def _order(call: Call, rank: int) -> list[int]:
    order = list(range(rank))
    if call.has("dims"):
        return [axis(number, rank) for number in call["dims"]]
    if call.has("source"):
        given = (call["source"], call["destination"])
        sources, places = (
            [axis(number, rank) for number in (entry if isinstance(entry, list | tuple) else [entry])]
            for entry in given
        )
        order = [number for number in order if number not in sources]
        for place, source in sorted(zip(places, sources, strict=True)):
            order.insert(place, source)
        return order
    if call.operator in ("t", "t_copy", "numpy_T"):
        return order[::-1]
    pair = ("axis0", "axis1") if call.has("axis0") else ("dim0", "dim1")
    one, two = (axis(call[name], rank) for name in pair) if call.has(pair[0]) else (rank - 2, rank - 1)
    if rank:
        order[one], order[two] = order[two], order[one]
    return order


@rule("expand", "expand_copy", "expand_as", "broadcast_to", "broadcast_tensors")
def stretched(call: Call) -> Readings:
    """Axes of size 1 are repeated, new axes lead."""
    call.skip("size", "implicit", "other", "tensors")  # each of several tensors is an output of its own
    if call.has("tensors"):
        return {("tensors", call.output): broadcast(call["tensors"][call.output].shape, call.shape)}
    return {"self": broadcast(call.shape_of("self"), call.shape)}


@rule("meshgrid")
def grid(call: Call) -> Readings:
    """Output k holds tensor k along one axis: the k-th, but for the first two where indexing is 'xy'."""
    call.skip("tensors")  # the others give their length alone
    number = call.output
    if call.get("indexing", "ij") == "xy" and number < 2 <= len(call.shape):
        number = 1 - number
    (size,) = call["tensors"][call.output].shape or (0,)
    return {("tensors", call.output): AxisWise((Along(number, SAME),) if size else ())}


@rule("slice", "slice_copy")
def sliced(call: Call) -> Readings:
    """Output o reads input start + step*o; the shape of the output says where it ends."""
    shape = call.shape_of("self")
    dim = axis(call["dim"], len(shape))
    call.skip("end")
    start, step = slice_start(call["start"], shape[dim]), call["step"]
    return {"self": along(len(shape), {dim: Reads(step, [[start]])})}


def slice_start(start: int | None, size: int) -> int:
    """Return where a slice starts, as Python counts.

    >>> slice_start(-3, 8), slice_start(None, 8), slice_start(-9, 8)
    (5, 0, 0)
    """
    return 0 if start is None else slice(start, None).indices(size)[0]


@rule("narrow", "narrow_copy")
def narrowed(call: Call) -> Readings:
    """Output o reads input start + o."""
    shape = call.shape_of("self")
    dim = axis(call["dim"], len(shape))
    start = call["start"]
    call.skip("length")
    if isinstance(start, Tensor):
        raise FaltungError("narrow with a tensor as start: where it starts is not known before the net runs")
    return {"self": along(len(shape), {dim: Reads(1, [[start % shape[dim] if start < 0 else start]])})}


@rule("select", "select_copy")
def selected(call: Call) -> Readings:
    """One place of an axis is read, and the axis is gone."""
    shape = call.shape_of("self")
    dim = axis(call["dim"], len(shape))
    return {"self": fixed(len(shape), dim, call["index"] % shape[dim])}


@rule("unbind", "unbind_copy")
def unbound(call: Call) -> Readings:
    """Output number k reads place k of an axis, and the axis is gone."""
    rank = len(call.shape_of("self"))
    return {"self": fixed(rank, axis(call["dim"], rank), call.output)}


def fixed(rank: int, dim: int, place: int) -> AxisWise:
    """Return the relation that reads one place of axis `dim`, which the output lacks."""
    return AxisWise(
        tuple(
            Only(IntervalSet.points([place])) if number == dim else Along(number - (number > dim), SAME)
            for number in range(rank)
        )
    )


@rule("slice_scatter")
def slice_overwritten(call: Call) -> Readings:
    """Inside the slice the source is read, outside the tensor itself."""
    dim = axis(call["dim"], len(call.shape))
    start, step = slice_start(call["start"], call.shape[dim]), call["step"]
    call.skip("end")
    inside = range(start, start + step * call.shape_of("src")[dim], step)
    return _overwritten(call, dim, inside, along(len(call.shape), {dim: Reads(step, [[start]]).transpose()}))


@rule("select_scatter")
def place_overwritten(call: Call) -> Readings:
    """At one place of an axis the source is read, elsewhere the tensor itself."""
    rank = len(call.shape)
    dim = axis(call["dim"], rank)
    place = call["index"] % call.shape[dim]
    thin = (*call.shape[:dim], 1, *call.shape[dim + 1 :])
    source = InTurn((along(rank, {dim: Reads(1, [[-place]])}), Reshape()), (thin,))
    return _overwritten(call, dim, range(place, place + 1), source)


def _overwritten(call: Call, dim: int, places: range, source: Relation) -> Readings:
    kept = Listed.of([] if place in places else [place] for place in range(call.shape[dim]))
    return {"self": along(len(call.shape), {dim: kept}), "src": source}


FLIPS = ("flip", "fliplr", "flipud")


def flipped_axes(call: Call) -> tuple[int, ...]:
    """Return the axes along which a flip gives the mirror image."""
    dims = {"fliplr": [1], "flipud": [0]}.get(call.operator) or call["dims"]
    return tuple(sorted(axis(dim, len(call.shape)) for dim in dims))


@rule(*FLIPS)
def flipped(call: Call) -> Readings:
    """Output o reads input n-1-o."""
    return {"self": along(len(call.shape), {number: mirror(call.shape[number]) for number in flipped_axes(call)})}


def mirror(size: int) -> Reads:
    """Return the relation in which output o reads input size-1-o."""
    return Reads(-1, [[size - 1]])


@rule("roll")
def rolled(call: Call) -> Readings:
    """Output o reads input (o - shift) mod n; without dims, of the tensor as one row."""
    shifts, dims = (
        list(value) if isinstance(value, list | tuple) else [value] for value in (call["shifts"], call["dims"])
    )
    shape = call.shape
    if not dims:
        row = (prod(shape),)
        turn = along(1, {0: rotation(row[0], sum(shifts))})
        return {"self": InTurn((Reshape(), turn, Reshape()), (row, row))}
    total = dict.fromkeys((axis(dim, len(shape)) for dim in dims), 0)
    for dim, shift in zip(dims, shifts, strict=True):
        total[axis(dim, len(shape))] += shift
    return {"self": along(len(shape), {dim: rotation(shape[dim], shift) for dim, shift in total.items()})}


def rotation(size: int, shift: int) -> AxisReads:
    """Return the relation in which output o reads input (o - shift) mod size; where no end comes round, o - shift."""
    if not size or shift % size == 0:
        return SAME
    nearest = (shift + size // 2) % size - size // 2
    return Listed.of(([(place - shift) % size] for place in range(size)), Reads(1, [[-nearest]]))


@rule("fft_fftshift", "fft_ifftshift")
def halves_exchanged(call: Call) -> Readings:
    """Rolled by half of each axis: the first unit comes to n//2, or goes back from there."""
    shape, dims = call.shape, call["dim"]
    places = range(len(shape)) if dims is None else [axis(dim, len(shape)) for dim in dims]
    sign = 1 if call.operator == "fft_fftshift" else -1
    return {"self": along(len(shape), {dim: rotation(shape[dim], sign * (shape[dim] // 2)) for dim in places})}


@rule("rot90")
def turned(call: Call) -> Readings:
    """Quarter turns in the plane of two axes: flips and a transposition."""
    rank = len(call.shape)
    one, two = (axis(dim, rank) for dim in call["dims"])
    quarters = call["k"] % 4
    shape = call.shape_of("self")
    order = list(range(rank))
    if quarters % 2:
        order[one], order[two] = two, one
    backwards = {0: (), 1: (two,), 2: (one, two), 3: (one,)}[quarters]
    return {"self": following(order, {number: mirror(shape[number]) for number in backwards})}


@rule("repeat", "tile")
def repeated(call: Call) -> Readings:
    """Output o reads input o mod n; new axes lead."""
    call.skip("repeats", "dims")
    shape = call.shape_of("self")
    return {"self": _stretched_axes(shape, call.shape)}


def _stretched_axes(shape: Shape, outputs: Shape) -> AxisWise:
    offset = len(outputs) - len(shape)
    return AxisWise(
        tuple(
            Along(offset + number, SAME)
            if outputs[offset + number] == size
            else Only(IntervalSet.points([0]))
            if size == 1
            else Along(offset + number, Listed.of([output % size] for output in range(outputs[offset + number])))
            for number, size in enumerate(shape)
        )
    )


@rule("repeat_interleave")
def repeated_in_place(call: Call) -> Readings:
    """Output o reads input floor(o / repeats); without dim, of the tensor as one row."""
    repeats = call["repeats"]
    if not isinstance(repeats, int):
        raise FaltungError("repeat_interleave with a tensor of repeats: how often each is repeated is not followed")
    call.skip("output_size")
    shape = call.shape_of("self")
    spread = Reads(1, [[0]] * max(repeats, 1))
    if call["dim"] is None:
        return {"self": InTurn((along(1, {0: spread}), Reshape()), ((prod(shape),),))}
    return {"self": along(len(shape), {axis(call["dim"], len(shape)): spread})}


MOST_STRIDED = 2**22
"""The largest output of as_strided that is followed, in units: it takes a table of its size."""


@rule("as_strided", "as_strided_copy")
def strided(call: Call) -> Readings:
    """Unit (i, j, …) reads place start + i*s + j*t + … of the memory, if its tensor lies there row by row."""
    import numpy as np

    tensor, strides = call["self"], call["stride"]
    start = call["storage_offset"] or 0
    call.skip("size")
    what = f"{call.operator} with stride={strides}"
    if not tensor.row_major:
        raise FaltungError(f"{what} reads memory, in which its tensor does not lie row by row")
    if prod(call.shape) > MOST_STRIDED:
        raise FaltungError(f"{what} has {prod(call.shape)} units; at most {MOST_STRIDED} are followed")
    places = np.full(call.shape, start)
    for number, (size, step) in enumerate(zip(call.shape, strides, strict=True)):
        places += (np.arange(size) * step).reshape([-1 if number == other else 1 for other in range(len(strides))])
    if places.size and places.max() >= prod(tensor.shape):
        raise FaltungError(f"{what} reads memory beyond its tensor of {prod(tensor.shape)} units")
    return {"self": Moved(places)}
