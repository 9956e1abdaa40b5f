"""Operators that move data read what NaN says that they read: every unit, both directions."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import faltung
from faltung.errors import FaltungError
from faltung.reads import Reads
from faltung.rules import table
from faltung.rules.axes import along
from tests.nan_oracle import assert_reads_exactly, poisoned_reads, single, units

Function = Callable[..., torch.Tensor]
aten = torch.ops.aten


def picture(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1 + torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


def check(cases: dict[str, tuple[Function, tuple[int, ...]]]) -> Any:
    """Return a parametrisation over functions and the shape of the picture that they take."""
    return pytest.mark.parametrize(("function", "shape"), cases.values(), ids=cases.keys())


VIEWS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "view": (lambda x: x.view(3, 8), (2, 3, 4)),
    "view to more": (lambda x: x.view(2, 3, 2, 2), (2, 3, 4)),
    "view inferred": (lambda x: x.view(-1, 6), (2, 3, 4)),
    "view dtype": (lambda x: x.view(torch.float64), (2, 3)),
    "reshape": (lambda x: x.reshape(4, 6), (2, 3, 4)),
    "_unsafe_view": (lambda x: aten._unsafe_view(x, [6, 4]), (2, 3, 4)),
    "flatten": (lambda x: x.flatten(1), (2, 3, 2, 2)),
    "flatten middle": (lambda x: x.flatten(1, 2), (2, 3, 2, 2)),
    "unflatten": (lambda x: x.unflatten(1, (2, 3)), (2, 6, 2)),
    "squeeze": (lambda x: x.squeeze(), (1, 3, 1, 2)),
    "squeeze dim": (lambda x: x.squeeze(2), (1, 3, 1, 2)),
    "squeeze dims": (lambda x: x.squeeze((0, 1)), (1, 3, 1, 2)),
    "unsqueeze": (lambda x: x.unsqueeze(1), (2, 3)),
    "unsqueeze last": (lambda x: x.unsqueeze(-1), (2, 3)),
    "view_as": (lambda x: x.view_as(torch.zeros(3, 2)), (2, 3)),
    "reshape_as": (lambda x: x.reshape_as(torch.zeros(3, 2)), (2, 3)),
    "ravel": (lambda x: aten.ravel(x), (2, 3)),
    "atleast_3d": (lambda x: torch.atleast_3d(x), (4,)),
    "transposed, then reshaped": (lambda x: x.transpose(1, 2).reshape(2, 12), (2, 3, 4)),
}


@check(VIEWS)
def test_views(function: Function, shape: tuple[int, ...]) -> None:
    """A view is the same units in row-major order."""
    assert_reads_exactly(function, picture(*shape))


PERMUTATIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "permute": (lambda x: x.permute(2, 0, 1), (2, 3, 4)),
    "permute negative": (lambda x: x.permute(0, -1, 1), (2, 3, 4)),
    "transpose": (lambda x: x.transpose(0, -1), (2, 3, 4)),
    "t": (lambda x: x.t(), (2, 3)),
    "t of a line": (lambda x: x.t(), (3,)),
    "T": (lambda x: x.T, (2, 3)),
    "mT": (lambda x: x.mT, (2, 3, 4)),
    "mH": (lambda x: x.mH, (2, 3, 4)),
    "adjoint": (lambda x: x.adjoint(), (2, 3, 4)),
    "movedim": (lambda x: x.movedim(0, 2), (2, 3, 2, 2)),
    "movedim back": (lambda x: x.movedim(-1, 1), (2, 3, 2, 2)),
    "movedim lists": (lambda x: x.movedim((0, 3), (2, 0)), (2, 3, 1, 2)),
    "moveaxis": (lambda x: torch.moveaxis(x, (2, 1), (0, -1)), (2, 3, 4)),
    "swapaxes": (lambda x: x.swapaxes(0, 1), (2, 3, 4)),
    "swapdims": (lambda x: x.swapdims(1, -1), (2, 3, 4)),
}


@check(PERMUTATIONS)
def test_permutations(function: Function, shape: tuple[int, ...]) -> None:
    """Axes change places, and every unit goes with them."""
    assert_reads_exactly(function, picture(*shape))


STRETCHES: dict[str, tuple[Function, tuple[int, ...]]] = {
    "expand": (lambda x: x.expand(2, 3, 4), (2, 1, 4)),
    "expand new axes": (lambda x: x.expand(2, -1, 4), (3, 1)),
    "expand_as": (lambda x: x.expand_as(torch.zeros(2, 3)), (2, 1)),
    "broadcast_to": (lambda x: x.broadcast_to(3, 2, 2), (2, 1)),
    "repeat": (lambda x: x.repeat(1, 3), (2, 3)),
    "repeat new axes": (lambda x: x.repeat(2, 2, 3), (2, 1)),
    "repeat once": (lambda x: x.repeat(1, 1), (2, 3)),
    "tile": (lambda x: x.tile(2), (2, 3)),
    "tile new axes": (lambda x: x.tile(2, 1, 2), (2, 3)),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, dim=1), (2, 3)),
    "repeat_interleave last": (lambda x: x.repeat_interleave(3, dim=-1), (2, 3)),
    "repeat_interleave row": (lambda x: x.repeat_interleave(2), (2, 3)),
    "meshgrid": (lambda x: torch.meshgrid(x, x.new_ones(2), x.new_ones(2), indexing="ij")[0], (3,)),
    "meshgrid xy": (lambda x: torch.meshgrid(x.new_ones(2), x, x.new_ones(2), indexing="xy")[1], (3,)),
    "meshgrid last": (lambda x: torch.meshgrid(x.new_ones(2), x.new_ones(2), x, indexing="xy")[2], (3,)),
}


@check(STRETCHES)
def test_stretches(function: Function, shape: tuple[int, ...]) -> None:
    """A unit that is repeated is read wherever it is repeated."""
    assert_reads_exactly(function, picture(*shape))


PARTS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "slice": (lambda x: x[:, 1:4], (2, 6)),
    "slice steps": (lambda x: x[:, 1::2], (2, 6)),
    "slice from behind": (lambda x: x[..., -3:-1], (2, 6)),
    "slice too far": (lambda x: x[..., -9:99], (2, 6)),
    "focus": (lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1), (1, 2, 4, 4)),
    "select": (lambda x: x[:, 1], (2, 3, 2)),
    "select from behind": (lambda x: x.select(1, -1), (2, 3, 2)),
    "narrow": (lambda x: x.narrow(1, 1, 2), (2, 4)),
    "narrow from behind": (lambda x: x.narrow(1, -3, 2), (2, 4)),
    "split": (lambda x: x.split(2, 1)[1], (2, 5)),
    "split last": (lambda x: x.split(2, -1)[2], (2, 5)),
    "split sizes": (lambda x: x.split([1, 3, 2], 1)[2], (2, 6)),
    "split_with_sizes": (lambda x: x.split_with_sizes([1, 3, 2], 1)[1], (2, 6)),
    "chunk": (lambda x: x.chunk(3, 1)[1], (2, 7)),
    "chunk last": (lambda x: x.chunk(3, 1)[2], (2, 7)),
    "tensor_split": (lambda x: x.tensor_split(3, 1)[1], (2, 8)),
    "tensor_split last": (lambda x: x.tensor_split(3, 1)[2], (2, 8)),
    "tensor_split places": (lambda x: x.tensor_split((2, -1), 1)[1], (2, 6)),
    "tensor_split last place": (lambda x: x.tensor_split((2, -1), 1)[2], (2, 6)),
    "hsplit": (lambda x: x.hsplit(2)[1], (2, 4)),
    "hsplit line": (lambda x: x.hsplit([1, 3])[2], (5,)),
    "vsplit": (lambda x: x.vsplit([1])[1], (3, 2)),
    "dsplit": (lambda x: x.dsplit(2)[1], (2, 1, 4)),
    "unbind": (lambda x: x.unbind(1)[2], (2, 3, 2)),
    "two parts": (lambda x: torch.mul(*x.chunk(2, 1)), (2, 4)),
    "slice_scatter": (lambda x: torch.slice_scatter(x, x[:, :2] * 2, 1, 1, 5, 2), (2, 6)),
    "select_scatter": (lambda x: torch.select_scatter(x, x[:, 0] * 2, 1, -1), (2, 4)),
}


@check(PARTS)
def test_parts(function: Function, shape: tuple[int, ...]) -> None:
    """What is cut out reads where it was cut, and nothing besides."""
    assert_reads_exactly(function, picture(*shape))


TURNS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "flip": (lambda x: x.flip(1), (2, 4)),
    "flip two": (lambda x: x.flip(0, -1), (2, 2, 3)),
    "flip none": (lambda x: x.flip([]), (2, 3)),
    "fliplr": (lambda x: torch.fliplr(x), (2, 3)),
    "flipud": (lambda x: torch.flipud(x), (2, 3)),
    "roll": (lambda x: x.roll(1, 1), (2, 4)),
    "roll back": (lambda x: x.roll(-3, 1), (2, 4)),
    "roll far": (lambda x: x.roll(9, -1), (2, 4)),
    "roll two": (lambda x: x.roll((1, -2), (0, 1)), (3, 4)),
    "roll twice": (lambda x: x.roll((1, 2), (1, 1)), (2, 5)),
    "roll as a row": (lambda x: x.roll(2), (2, 3)),
    "fftshift": (lambda x: torch.fft.fftshift(x), (3, 4)),
    "ifftshift": (lambda x: torch.fft.ifftshift(x), (3, 4)),
    "fftshift of an axis": (lambda x: torch.fft.fftshift(x, dim=-1), (2, 5)),
    "ifftshift of an axis": (lambda x: torch.fft.ifftshift(x, dim=1), (2, 5)),
    **{
        f"rot90 {k} {dims}": (lambda x, k=k, dims=dims: torch.rot90(x, k, dims), (2, 3, 4))
        for k, dims in product(range(-1, 5), [(0, 1), (2, 1)])
    },
}


@check(TURNS)
def test_turns(function: Function, shape: tuple[int, ...]) -> None:
    """Flips, rolls and quarter turns move every unit to one place."""
    assert_reads_exactly(function, picture(*shape))


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: torch.cat([x, y], 1), [(2, 3), (2, 2)]),
        (lambda x, y: torch.cat([x, y, x], -1), [(2, 1, 3), (2, 1, 2)]),
        (lambda x, y: torch.concat([x, y]), [(2, 2), (1, 2)]),
        (lambda x, y: torch.concatenate([y, x], 1), [(2, 2), (2, 1)]),
        (lambda x, y: torch.cat([x, torch.zeros(0), y], 1), [(2, 3), (2, 2)]),
        (lambda x, y: torch.stack([x, y], 1), [(2, 3), (2, 3)]),
        (lambda x, y: torch.stack([x, y], -1), [(2, 3), (2, 3)]),
        (lambda x, y: torch.stack([x, y, x]), [(2, 3), (2, 3)]),
        (lambda x, y: torch.hstack([x, y]), [(3,), (2,)]),
        (lambda x, y: torch.hstack([x, y]), [(2, 3), (2, 2)]),
        (lambda x, y: torch.vstack([x, y]), [(3,), (2, 3)]),
        (lambda x, y: torch.dstack([x, y]), [(2, 3), (2, 3, 2)]),
        (lambda x, y: torch.dstack([x, y]), [(3,), (3,)]),
        (lambda x, y: torch.column_stack([x, y]), [(3,), (3, 2)]),
        (lambda x, y: torch.broadcast_tensors(x, y)[0] * y, [(2, 1), (3,)]),
        (lambda x, y: torch.block_diag(x, y), [(2, 3), (1, 2)]),
        (lambda x, y: torch.block_diag(x, y, x), [(2,), ()]),
        (lambda x, y: x.diagonal_scatter(y), [(3, 3), (3,)]),
        (lambda x, y: x.diagonal_scatter(y, 1, -1, 0), [(3, 2, 4), (2, 2)]),
        (lambda x, y: torch.diff(x, prepend=y, append=x), [(2, 3), (2, 1)]),
        (lambda x, y: x.masked_scatter(torch.tensor([[True], [False]]), y), [(2, 3), (4,)]),
        (lambda x, y: x.masked_scatter(torch.tensor([[True, False, True]]), y), [(2, 3), (2, 2)]),
        (lambda x, y: x.masked_scatter(torch.tensor([[True], [False]]), y), [(3,), (4,)]),
    ],
)
def test_tensors_put_together(function: Function, shapes: list[tuple[int, ...]]) -> None:
    """Of what is joined, each output reads one tensor at one place."""
    assert_reads_exactly(function, *(picture(*shape) for shape in shapes))


UNFOLDINGS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "unfold": (lambda x: x.unfold(1, 3, 2), (2, 8, 2)),
    "unfold last": (lambda x: x.unfold(-1, 2, 1), (2, 5)),
    "unfold with gaps": (lambda x: x.unfold(0, 2, 3), (9, 2)),
    "patches": (lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2), (1, 2, 4, 4)),
    "im2col": (lambda x: functional.unfold(x, 3, padding=1), (1, 2, 3, 4)),
    "im2col unbatched": (lambda x: functional.unfold(x, 2), (2, 3, 4)),
    "im2col all": (
        lambda x: functional.unfold(x, (2, 3), dilation=(1, 2), padding=(1, 2), stride=(2, 1)),
        (2, 1, 4, 5),
    ),
    "col2im": (lambda x: functional.fold(x, (3, 4), 2), (1, 8, 6)),
    "col2im unbatched": (lambda x: functional.fold(x, (3, 4), 2, stride=1), (4, 6)),
    "col2im all": (
        lambda x: functional.fold(x, (4, 5), (2, 3), dilation=(1, 2), padding=(1, 2), stride=(2, 1)),
        (2, 6, 15),
    ),
    "pixel_shuffle": (lambda x: functional.pixel_shuffle(x, 2), (2, 8, 2, 3)),
    "pixel_shuffle 3": (lambda x: functional.pixel_shuffle(x, 3), (9, 2, 1)),
    "pixel_unshuffle": (lambda x: functional.pixel_unshuffle(x, 2), (2, 2, 4, 2)),
    "pixel_unshuffle 3": (lambda x: functional.pixel_unshuffle(x, 3), (1, 3, 6)),
    "channel_shuffle": (lambda x: functional.channel_shuffle(x, 2), (2, 6, 2, 1)),
    "channel_shuffle line": (lambda x: functional.channel_shuffle(x, 3), (1, 6, 2)),
    "native_channel_shuffle": (lambda x: functional.native_channel_shuffle(x, 3), (1, 6, 2)),
    **{
        f"{name.__name__} {offset}": (lambda x, name=name, offset=offset: name(x, offset), (3, 4))
        for name, offset in product((torch.diagonal, torch.diag, torch.tril, torch.triu), (-1, 0, 2))
    },
    "diagonal of axes": (lambda x: x.diagonal(-1, 2, 0), (4, 2, 3)),
    "tall diagonal": (lambda x: x.diagonal(), (5, 2)),
    "linalg diagonal": (lambda x: torch.linalg.diagonal(x, offset=1), (2, 3, 3)),
    "diag of a line": (lambda x: x.diag(-1), (3,)),
    "diag_embed": (lambda x: x.diag_embed(1), (2, 3)),
    "diag_embed axes": (lambda x: x.diag_embed(-1, 0, 2), (2, 3)),
    "tril of many": (lambda x: x.tril(-1), (2, 2, 4, 3)),
    "triu of many": (lambda x: x.triu(1), (2, 4, 3)),
    "diagflat": (lambda x: x.diagflat(), (2, 2)),
    "diagflat aside": (lambda x: x.diagflat(-1), (3,)),
    "as_strided": (lambda x: x.as_strided((2, 3), (3, 1), 1), (2, 5)),
    "as_strided windows": (lambda x: x.as_strided((4, 3), (1, 1)), (6,)),
    "as_strided patches": (lambda x: (x * 2).as_strided((2, 2, 2, 2), (8, 2, 4, 1)), (4, 4)),
    "as_strided still": (lambda x: x.as_strided((2, 2), (0, 1)), (3,)),
    "diff": (lambda x: x.diff(), (2, 5)),
    "diff twice": (lambda x: x.diff(n=2, dim=0), (4, 2)),
    "gradient": (lambda x: torch.gradient(x)[1], (3, 5)),
    "gradient of an axis": (lambda x: torch.gradient(x, spacing=2.0, dim=0)[0], (4, 2)),
    "gradient, second order": (lambda x: torch.gradient(x, dim=(1,), edge_order=2)[0], (2, 5)),
    "sum_to_size": (lambda x: x.sum_to_size(3, 1), (2, 3, 4)),
    "sum_to_size, none": (lambda x: x.sum_to_size(2, 3), (2, 3)),
}


@check(UNFOLDINGS)
def test_unfoldings(function: Function, shape: tuple[int, ...]) -> None:
    """Windows, shuffles and diagonals: every unit from its place, sums from all of theirs."""
    assert_reads_exactly(function, picture(*shape))


PADS: dict[str, tuple[Function, tuple[int, ...]]] = {
    **{
        f"{mode} {sides}": (
            lambda x, mode=mode, sides=sides: functional.pad(x, sides, mode),
            (1, 2, 4, 5)[-len(sides) :],
        )
        for mode, sides in product(
            ("reflect", "replicate", "circular"),
            [(1, 2), (3, 0), (-1, 2), (2, -1), (-1, -2), (0, 3)],
        )
        for sides in [(*sides, *(0, 0))]
    },
    "constant": (lambda x: functional.pad(x, (1, 2)), (2, 3)),
    "constant value": (lambda x: functional.pad(x, (1, 0, 2, 1), value=3.0), (2, 3)),
    "constant negative": (lambda x: functional.pad(x, (-1, 2, 1, -1)), (3, 4)),
    "constant channels": (lambda x: functional.pad(x, (0, 0, 0, 0, 1, 2)), (1, 2, 2, 2)),
    "constant_pad_nd": (lambda x: aten.constant_pad_nd(x, [1, 1, 0, 2], 2.0), (2, 3)),
    "reflection_pad1d": (lambda x: aten.reflection_pad1d(x, [2, 1]), (2, 4)),
    "reflection_pad2d": (lambda x: aten.reflection_pad2d(x, [2, 1, 0, 2]), (1, 3, 4)),
    "reflection_pad3d": (lambda x: aten.reflection_pad3d(x, [1, 1, 0, 1, 1, 0]), (1, 2, 2, 3)),
    "replication_pad1d": (lambda x: aten.replication_pad1d(x, [5, 1]), (2, 3)),
    "replication_pad2d": (lambda x: aten.replication_pad2d(x, [2, 1, 0, 4]), (1, 2, 3)),
    "replication_pad3d": (lambda x: aten.replication_pad3d(x, [1, 1, 0, 1, 1, 0]), (1, 2, 2, 2)),
    "_pad_circular": (lambda x: aten._pad_circular(x, [4, 1]), (1, 2, 4)),
}


@check(PADS)
def test_pads(function: Function, shape: tuple[int, ...]) -> None:
    """Padding reads the pixel that it copies; zeros read nothing; negative padding cuts off."""
    assert_reads_exactly(function, picture(*shape))


@given(
    pixels=st.integers(1, 6),
    before=st.integers(-5, 6),
    after=st.integers(-5, 6),
    mode=st.sampled_from(["constant", "reflect", "replicate", "circular"]),
)
@settings(max_examples=40, deadline=None)
def test_any_padding(pixels: int, before: int, after: int, mode: str) -> None:
    """Whatever PyTorch pads, the relation is exact; what it refuses, capture refuses."""
    line = picture(1, 1, pixels)
    try:
        empty = functional.pad(line, (before, after), mode).numel() == 0
    except RuntimeError:
        with pytest.raises(FaltungError):
            faltung.capture(lambda x: functional.pad(x, (before, after), mode), line)
        return
    if not empty:
        assert_reads_exactly(lambda x: functional.pad(x, (before, after), mode), line)


class Constant(torch.nn.Module):
    """A function of a tensor and a constant index."""

    index: torch.Tensor

    def __init__(self, function: Function, index: torch.Tensor) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("index", index)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the function of both."""
        return self.function(x, self.index)


LINE, MASK = torch.tensor([2, 0, 2]), torch.tensor([True, False, True])
INDEXED: dict[str, tuple[Function, torch.Tensor, bool]] = {
    "index_select": (lambda x, i: x.index_select(1, i), LINE, True),
    "index": (lambda x, i: x[:, i], LINE, True),
    "index from behind": (lambda x, i: x[i - 3], LINE, False),
    "index two": (lambda x, i: x[i, i], LINE, True),
    "take": (lambda x, i: x.take(i), LINE, True),
    "take_along_dim": (lambda x, i: x.take_along_dim(i, 1), LINE.reshape(3, 1), True),
    "gather": (lambda x, i: x.gather(1, i), LINE.reshape(3, 1), True),
    "gather rows": (lambda x, i: x.gather(0, i), LINE.reshape(1, 3), True),
    "index_put": (lambda x, i: (x + 1).index_put((i[:2],), x[0]), LINE, False),
    "index_put by mask": (lambda x, i: torch.index_put(x, (i,), x[0, 0]), MASK, True),
    "scatter": (lambda x, i: x.scatter(1, i, 0.0), LINE.reshape(3, 1), False),
    "scatter source": (lambda x, i: x.scatter(1, i, x * 2), LINE.reshape(3, 1), False),
    "scatter_add": (lambda x, i: x.scatter_add(1, i, x * 2), LINE.reshape(3, 1), False),
    "scatter_reduce": (lambda x, i: x.scatter_reduce(0, i, x * 2, "sum"), LINE.reshape(1, 3), False),
    "index_add": (lambda x, i: x.index_add(0, i, x * 2), LINE, False),
    "index_copy": (lambda x, i: x.index_copy(0, i, x * 2), LINE, False),
    "index_fill": (lambda x, i: x.index_fill(1, i, 0.0), LINE, False),
}


def told(model: Any, *inputs: torch.Tensor) -> dict[str, set[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """Return for each input the pairs (place, output that reads it) of a captured model."""
    network = faltung.capture(model, *inputs)
    shape = network.maps[network.name(None)].shape
    pairs: dict[str, set[Any]] = {name: set() for name in network.inputs}
    for place in units(shape):
        for name, products in network.read_by([single(place)], None).items():
            pairs[name] |= {(pixel, place) for factors in products for pixel in product(*factors)}
    return pairs


@pytest.mark.parametrize(("function", "index", "exact"), INDEXED.values(), ids=INDEXED.keys())
def test_indexing(function: Function, index: torch.Tensor, exact: bool) -> None:
    """A constant index is followed exactly where it can be; nothing that is read is ever left out."""
    x = picture(3, 4)
    (pairs,) = told(Constant(function, index), x).values()
    (truth,) = poisoned_reads(lambda x: function(x, index), x)
    found = {(tuple(place[:2]), tuple(place[2:])) for place in truth_places(truth)}
    assert found <= pairs
    if exact:
        assert found == pairs


@pytest.mark.parametrize(("function", "index", "exact"), INDEXED.values(), ids=INDEXED.keys())
def test_an_index_from_the_data(function: Function, index: torch.Tensor, exact: bool) -> None:
    """Where the data say what is read, all that any index may reach counts as read, and the index too."""
    if index.dtype == torch.bool:
        return
    x = picture(3, 4)
    pairs = told(function, x, index)
    truth: set[Any] = set()
    for number in range(3):
        (reads,) = poisoned_reads(lambda x, number=number: function(x, (index + number) % 3), x)
        truth |= {(tuple(place[:2]), tuple(place[2:])) for place in truth_places(reads)}
    assert truth <= pairs["x" if "x" in pairs else next(iter(pairs))]
    assert all(pairs.values())


def truth_places(truth: Any) -> list[tuple[int, ...]]:
    return [tuple(int(number) for number in place) for place in zip(*truth.nonzero(), strict=True)]


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_chains_of_moves(data: st.DataObject) -> None:
    """Moves after moves: what is read stays exact through every one."""
    steps = data.draw(
        st.lists(
            st.sampled_from(
                [
                    lambda x: x.transpose(1, 2),
                    lambda x: x.flip(2),
                    lambda x: x.roll((1, 1), (1, 2)),
                    lambda x: x[:, 1:],
                    lambda x: torch.cat([x, x.flip(1)], 2)[:, :, :6],
                    lambda x: x.reshape(x.shape[0], x.shape[2], x.shape[1]),
                    lambda x: x.repeat_interleave(2, 1)[:, :5],
                    lambda x: functional.pad(x, (1, 1), "replicate")[..., ::2],
                    lambda x: x.unfold(1, 1, 1).squeeze(-1),
                ]
            ),
            min_size=2,
            max_size=5,
        )
    )

    def function(x: torch.Tensor) -> torch.Tensor:
        for step in steps:
            x = step(x) if x.shape[1] > 1 else x.transpose(1, 2)
        return x

    assert_reads_exactly(function, picture(1, 3, 4))


REFUSED: dict[str, tuple[Function, str]] = {
    "as_strided of a view": (lambda x: x.t().as_strided((2, 2), (1, 1)), "does not lie row by row"),
    "as_strided of a part": (lambda x: x[1:].as_strided((2, 2), (1, 1), 0), "does not lie row by row"),
    "as_strided beyond": (lambda x: x[:1].as_strided((2, 3), (3, 1)), r"beyond its tensor of 3 units"),
    "as_strided, large": (lambda x: x.as_strided((2**12, 2**11), (0, 0)), "at most 4194304 are followed"),
    "gradient": (lambda x: torch.gradient(x, spacing=[torch.arange(3.0)], dim=1)[0], "tensors as spacing"),
    "view dtype": (lambda x: x.view(torch.float32), "dtype"),
    "tensor of repeats": (lambda x: x.repeat_interleave(torch.tensor([1, 2]), 0, output_size=3), "repeats"),
}


@pytest.mark.parametrize(("function", "word"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_known_is_refused(function: Function, word: str) -> None:
    """What shapes do not tell is refused by the argument's name."""
    with pytest.raises(FaltungError, match=word):
        faltung.capture(function, picture(2, 3))


def test_a_broken_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flip that is off by one contradicts NaN."""
    faltung.capture(lambda x: x.flip(1), picture(2, 3))
    monkeypatch.setitem(table.RULES, "flip", lambda call: {"self": along(2, {1: Reads(-1, [[len(call["dims"])]])})})
    with pytest.raises(AssertionError, match="as told"):
        assert_reads_exactly(lambda x: x.flip(1), picture(2, 3))
