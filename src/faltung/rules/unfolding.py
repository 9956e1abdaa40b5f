"""Windows laid out side by side, shuffles, diagonals and triangles: axes cut, exchanged and joined again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod

from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.region import Product
from faltung.relation import Along, AxisWise, InTurn, Reshape, Shape
from faltung.rules.axes import along, following
from faltung.rules.table import Call, Readings, axis, per_axis, rule
from faltung.rules.weights import kept


@rule("unfold", "unfold_copy")
def windows(call: Call) -> Readings:
    """Place j of window i, on a new last axis, reads input step*i + j."""
    size, step = call["size"], call["step"]
    rank = len(call.shape_of("self"))
    dim = axis(call["dimension"], rank)
    if not rank:
        return {"self": Reshape()}
    beside = (*call.shape[: dim + 1], size, *call.shape[dim + 1 : -1])
    order = [*range(dim + 1), rank, *range(dim + 1, rank)]
    inner = along(rank, {dim: Reads(step, [[place] for place in range(size)])})
    return {"self": InTurn((following(order), Reshape(), inner), (beside, _merged(beside, [dim])))}


def _merged(shape: Shape, pairs: Sequence[int]) -> Shape:
    """Return a shape with each axis of `pairs` joined with the next."""
    sizes: list[int] = []
    for number, size in enumerate(shape):
        if number - 1 in pairs:
            sizes[-1] *= size
        else:
            sizes.append(size)
    return tuple(sizes)


@rule("im2col")
def patches(call: Call) -> Readings:
    """Column i holds the patch under window i: row a of it reads stride*i + dilation*a - padding."""
    return {"self": _patches(call, call.shape_of("self"))}


@rule("col2im")
def patches_added(call: Call) -> Readings:
    """Every pixel reads all places of the columns that im2col would copy it to."""
    call.skip("output_size")
    return {"self": _backwards(_patches(call, call.shape))}


def _patches(call: Call, picture: Shape) -> InTurn:
    names = ("kernel_size", "dilation", "padding", "stride")
    kernel, dilation, padding, stride = (per_axis(call[name], 2) for name in names)
    *leading, height, width = picture
    rows, columns = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip((height, width), kernel, dilation, padding, stride, strict=True)
    )
    lead = len(leading)
    cut = (*leading, *kernel, rows, columns)
    ordered = (*leading, rows, kernel[0], columns, kernel[1])
    order = [*range(lead), lead + 2, lead, lead + 3, lead + 1]
    reads = {
        lead + number: Reads(s, [[d * place - p] for place in range(k)])
        for number, (k, d, p, s) in enumerate(zip(kernel, dilation, padding, stride, strict=True))
    }
    return InTurn(
        (Reshape(), following(order), Reshape(), along(lead + 2, reads)),
        (cut, ordered, _merged(ordered, [lead, lead + 2])),
    )


def _backwards(relation: InTurn) -> InTurn:
    """Return a chain of views and permutations read backwards."""
    turned = (_turned(step) if isinstance(step, AxisWise) else step for step in reversed(relation.relations))
    return InTurn(tuple(turned), relation.between[::-1])


def _turned(relation: AxisWise) -> AxisWise:
    """Return a relation in which every axis follows one of its own, read backwards."""
    pairs = [(source, number) for number, source in enumerate(relation.sources) if isinstance(source, Along)]
    pairs.sort(key=lambda pair: pair[0].axis)
    return AxisWise(tuple(Along(number, source.reads.transpose()) for source, number in pairs))


@rule("pixel_shuffle")
def pixels_from_channels(call: Call) -> Readings:
    """Pixel (y, x) of channel c reads channel (c*r + y mod r)*r + x mod r at (y // r, x // r)."""
    return {"self": tuple(_shuffles(len(call.shape), call["upscale_factor"]))}


@rule("pixel_unshuffle")
def channels_from_pixels(call: Call) -> Readings:
    """Pixel shuffling backwards."""
    return {"self": tuple(_turned(way) for way in _shuffles(len(call.shape), call["downscale_factor"]))}


def _shuffles(rank: int, factor: int) -> Iterable[AxisWise]:
    """Yield what each of the r*r phases of a shuffled picture reads: every r*r-th channel."""
    for row, column in product(range(factor), repeat=2):
        channel = Reads(factor * factor, [[row * factor + column]])
        y, x = (Reads(1, [[0] if place == phase else [] for place in range(factor)]) for phase in (row, column))
        yield along(rank, {rank - 3: channel, rank - 2: y, rank - 1: x})


@rule("channel_shuffle", "native_channel_shuffle")
def channels_shuffled(call: Call) -> Readings:
    """Channel groups*q + r reads channel q of group r."""
    groups = call["groups"]
    size = call.shape[1] // groups
    return {"self": along(len(call.shape), {1: Reads(1, [[group * size] for group in range(groups)])})}


@rule("diagonal", "linalg_diagonal", "diagonal_copy")
def diagonal(call: Call) -> Readings:
    """In a matrix of m columns as one row, the diagonal is every (m+1)-th place."""
    name = "A" if call.has("A") else "self"
    return {name: _diagonal(call.shape_of(name), call.shape, call["offset"], call["dim1"], call["dim2"])}


@rule("diag_embed")
def on_the_diagonal(call: Call) -> Readings:
    """A matrix whose diagonal reads the input; the rest is zero and reads nothing."""
    where = (call["offset"], call["dim1"], call["dim2"])
    return {"self": _backwards(_diagonal(call.shape, call.shape_of("self"), *where))}


@rule("diag")
def diagonal_either_way(call: Call) -> Readings:
    """The diagonal of a matrix, or the matrix with that diagonal."""
    shape, offset = call.shape_of("self"), call["diagonal"]
    if len(shape) == 2:
        return {"self": _diagonal(shape, call.shape, offset, 0, 1)}
    return {"self": _backwards(_diagonal(call.shape, shape, offset, 0, 1))}


@rule("diagflat")
def row_on_the_diagonal(call: Call) -> Readings:
    """A matrix whose diagonal reads the tensor as one row."""
    row = (prod(call.shape_of("self")),)
    matrix = _backwards(_diagonal(call.shape, row, call["offset"], 0, 1))
    return {"self": InTurn((*matrix.relations, Reshape()), (*matrix.between, row))}


@rule("diagonal_scatter")
def diagonal_overwritten(call: Call) -> Readings:
    """On the diagonal the source is read, elsewhere the tensor itself."""
    import numpy as np

    offset, *dims = (call[name] for name in ("offset", "dim1", "dim2"))
    rank = len(call.shape)
    rows, columns = (axis(dim, rank) for dim in dims)
    places = [np.arange(call.shape[n]).reshape([-1 if n == k else 1 for k in range(rank)]) for n in (rows, columns)]
    off = places[1] - places[0] != offset
    return {
        "self": kept(AxisWise.same(rank), off, call.shape),
        "src": _backwards(_diagonal(call.shape, call.shape_of("src"), offset, *dims)),
    }


def _diagonal(matrices: Shape, diagonals: Shape, offset: int, dim1: int, dim2: int) -> InTurn:
    rank = len(matrices)
    rows, columns = axis(dim1, rank), axis(dim2, rank)
    order = [number for number in range(rank) if number not in (rows, columns)] + [rows, columns]
    ordered = tuple(matrices[number] for number in order)
    start = offset if offset >= 0 else -offset * matrices[columns]
    step = along(rank - 1, {rank - 2: Reads(matrices[columns] + 1, [[start]])})
    back = following([order.index(number) for number in range(rank)])
    return InTurn((step, Reshape(), back), (_merged(ordered, [rank - 2]), ordered))


@dataclass(frozen=True)
class Triangle:
    """Every unit of the last two axes on one side of a diagonal reads its own place, the others nothing."""

    diagonal: int
    upper: bool

    def inputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return what the units read; see `Relation`."""
        for *leading, rows, columns in products:
            for row in rows:
                edge = row + self.diagonal
                kept = columns.clip(edge, inputs[-1]) if self.upper else columns.clip(0, edge + 1)
                if kept:
                    yield (*leading, IntervalSet.points([row]), kept)

    def outputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return the units that read; see `Relation`."""
        return self.inputs_of(products, outputs, inputs)


def _triangle(call: Call, upper: bool) -> Readings:
    return {"self": Triangle(call["diagonal"], upper)}


rule("tril")(partial(_triangle, upper=False))
rule("triu")(partial(_triangle, upper=True))
