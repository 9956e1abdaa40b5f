"""Rows of reductions, normalisation and products, against what PyTorch's operators really read.

Two oracles, neither of which knows our rules. `poisoned` puts NaN into one unit after the other and sees which
outputs turn NaN. Where NaN cannot tell (indices, counts, what passes NaN over, masks: 0 * NaN is NaN), `changed`
sees which outputs ever change when a unit is set to another number, from several starting points.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import faltung  # noqa: E402
from faltung.errors import FaltungError  # noqa: E402
from faltung.relation import AxisWise  # noqa: E402
from faltung.rules.attention import attention  # noqa: E402
from faltung.rules.table import RULES, Call, Tensor  # noqa: E402
from tests.nan_oracle import painted, poisoned_reads, single, units  # noqa: E402

F = torch.nn.functional
Who = list[np.ndarray]
"""For each input, a bool array [input unit..., output unit...]: who is read by whom."""


def drawn(*shapes: Sequence[int], seed: int = 0) -> list[Any]:
    """Return random float64 tensors."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tuple(shape), generator=generator, dtype=torch.float64) for shape in shapes]


def one(function: Callable[..., Any], output: int) -> Callable[..., Any]:
    """Return the function that gives one of several outputs."""

    def chosen(*inputs: Any) -> Any:
        result = function(*inputs)
        return result[output] if isinstance(result, tuple) else result

    return chosen


def poisoned(function: Callable[..., Any], inputs: Sequence[Any], output: int = 0) -> Who:
    """Return who reads whom: the outputs that turn NaN with a unit that is NaN."""
    return poisoned_reads(one(function, output), *inputs)


def changed(function: Callable[..., Any], inputs: Sequence[Any], output: int = 0) -> Who:
    """Return who reads whom: the outputs that some other number in a unit changes, from some starting point."""
    asked = one(function, output)
    shapes = [tensor.shape for tensor in inputs]
    starts = [list(inputs), drawn(*shapes, seed=1), drawn(*shapes, seed=2)]
    starts += [[torch.full(shape, value, dtype=torch.float64) for shape in shapes] for value in (-1.0, 0.0, 1.0)]
    found = [np.zeros((*shape, *asked(*inputs).shape), dtype=bool) for shape in shapes]
    for start in starts:
        before = asked(*start)
        for number, shape in enumerate(shapes):
            for place in units(shape):
                for value in (-7.0, 0.0, 0.3, 7.0):
                    copies = [entry.clone() for entry in start]
                    copies[number][place] = value
                    found[number][place] |= (asked(*copies) != before).numpy()
    return found


def stated(function: Callable[..., Any], inputs: Sequence[Any], output: int = 0, **how: Any) -> Who:
    """Return who reads whom as the captured network says, after checking that it says the same backwards."""
    net = faltung.capture(one(function, output), *inputs, **how)
    last = net.name(None)
    shape = net.maps[last].shape
    found = []
    for name, tensor in zip(net.inputs, inputs, strict=True):
        forwards, backwards = (np.zeros((*tensor.shape, *shape), dtype=bool) for _ in range(2))
        for place in units(tensor.shape):
            forwards[place] = painted(net.readers_of([single(place)], name, None).get(last, ()), shape)
        for place in units(shape):
            backwards[(..., *place)] = painted(net.read_by([single(place)], None).get(name, ()), tensor.shape)
        np.testing.assert_array_equal(forwards, backwards)
        found.append(backwards)
    return found


def assert_same(one: Who, two: Who) -> None:
    """Both say the same of every input."""
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)


REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum(),
    "sum, no axes": lambda x: x.sum(dim=[]),
    "sum, kept": lambda x: x.sum((0, -1), keepdim=True),
    "mean": lambda x: x.mean(),
    "mean, middle": lambda x: x.mean(1),
    "mean, kept": lambda x: x.mean((1, 2), keepdim=True),
    "prod": lambda x: x.prod(),
    "prod, last": lambda x: x.prod(-1, keepdim=True),
    "amax": lambda x: x.amax(),
    "amax, two": lambda x: x.amax((0, 2)),
    "amin": lambda x: x.amin(-2, keepdim=True),
    "max": lambda x: x.max(),
    "max along": lambda x: x.max(1),
    "max along, kept": lambda x: x.max(-1, keepdim=True),
    "min": lambda x: x.min(),
    "min along": lambda x: x.min(0),
    "aminmax": lambda x: torch.aminmax(x),
    "aminmax along": lambda x: torch.aminmax(x, dim=1, keepdim=True),
    "var": lambda x: x.var(),
    "var along": lambda x: x.var(1, unbiased=False),
    "std": lambda x: x.std((0, 2), correction=0, keepdim=True),
    "var_mean": lambda x: torch.var_mean(x, -1),
    "std_mean": lambda x: torch.std_mean(x, (0, 1), keepdim=True),
    "logsumexp": lambda x: x.logsumexp((1, 2)),
    "norm": lambda x: x.norm(),
    "norm along": lambda x: x.norm(p=1, dim=1, keepdim=True),
    "vector_norm": lambda x: torch.linalg.vector_norm(x, 3, (0, 1)),
    "linalg.norm": lambda x: torch.linalg.norm(x, dim=1),
    "matrix_norm": lambda x: torch.linalg.matrix_norm(x, "fro", (0, 2)),
    "normalize": lambda x: F.normalize(x, dim=1),
    "softmax": lambda x: x.softmax(1),
    "softmin": lambda x: F.softmin(x, dim=-1),
    "log_softmax": lambda x: x.log_softmax(0),
    "cumsum": lambda x: x.cumsum(1),
    "cumsum, last": lambda x: x.cumsum(-1),
    "cumprod": lambda x: x.cumprod(0),
    "cummax": lambda x: x.cummax(1),
    "logcumsumexp": lambda x: x.logcumsumexp(2),
    "quantile": lambda x: x.quantile(0.3, dim=1),
    "quantiles": lambda x: x.quantile(torch.tensor([0.3, 0.6], dtype=x.dtype), dim=1, keepdim=True),
    "median": lambda x: x.median(),
    "median along": lambda x: x.median(1),
    "fft": lambda x: torch.fft.fft(x, dim=1),
    "fft, cut": lambda x: torch.fft.fft(x, n=2, dim=1),
    "fft, padded": lambda x: torch.fft.fft(x, n=6),
    "rfft": lambda x: torch.fft.rfft(x, dim=1),
    "rfft, cut": lambda x: torch.fft.rfft(x, n=3),
    "irfft": lambda x: torch.fft.irfft(x * (1 + 1j), dim=1),
    "irfft, cut": lambda x: torch.fft.irfft(x * (1 + 1j), n=4),
    "irfft, cut oddly": lambda x: torch.fft.irfft(x * (1 + 1j), n=3),
    "irfft, uncut": lambda x: torch.fft.irfft(x * (1 + 1j), n=7),
    "hfft": lambda x: torch.fft.hfft(x * (1 + 1j), n=2),
    "ihfft": lambda x: torch.fft.ihfft(x),
    "fft2": lambda x: torch.fft.fft2(x),
    "ifft2": lambda x: torch.fft.ifft2(x, s=(2, -1)),
    "rfft2": lambda x: torch.fft.rfft2(x, dim=(0, 1)),
    "irfft2": lambda x: torch.fft.irfft2(x * (1 + 1j), s=(2, 4)),
    "fftn": lambda x: torch.fft.fftn(x),
    "ifftn": lambda x: torch.fft.ifftn(x, s=(2, 3)),
    "irfftn": lambda x: torch.fft.irfftn(x * (1 + 1j), dim=(2, 1)),
    "glu": lambda x: F.glu(x, dim=2),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "batch_norm, eval": lambda x: F.batch_norm(x, torch.zeros(3).double(), torch.ones(3).double()),
    "instance_norm": lambda x: F.instance_norm(x),
    "instance_norm, eval": lambda x: F.instance_norm(
        x, torch.zeros(3).double(), torch.ones(3).double(), use_input_stats=False
    ),
    "group_norm, one": lambda x: F.group_norm(x, 1),
    "group_norm, each": lambda x: F.group_norm(x, 3),
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "layer_norm, two": lambda x: F.layer_norm(x, (3, 4)),
    "native_layer_norm": lambda x: torch.native_layer_norm(x, (3, 4), None, None, 1e-5),
    "rms_norm": lambda x: F.rms_norm(x, (4,)),
    "local_response_norm": lambda x: F.local_response_norm(x, 2),
}
"""Functions of a tensor of shape (2, 3, 4)."""


@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_output_reads_what_can_turn_it_nan(name: str) -> None:
    """The relation is the set of pairs in which NaN spreads: no more and no less."""
    inputs = drawn((2, 3, 4))
    for output in range(_floating_outputs(REDUCTIONS[name], inputs)):
        assert_same(stated(REDUCTIONS[name], inputs, output), poisoned(REDUCTIONS[name], inputs, output))


def _floating_outputs(function: Callable[..., Any], inputs: Sequence[Any]) -> int:
    result = function(*inputs)
    return sum(t.is_floating_point() or t.is_complex() for t in (result if isinstance(result, tuple) else (result,)))


@pytest.mark.parametrize(("channels", "groups"), [(4, 2), (6, 3), (6, 2), (4, 1)])
def test_a_channel_reads_its_group(channels: int, groups: int) -> None:
    """Group normalisation couples the channels of a group and no others; so do its statistics."""
    inputs = drawn((2, channels, 2, 2))
    for function in (
        lambda x: F.group_norm(x, groups),
        lambda x: torch.native_group_norm(x, None, None, 2, channels, 4, groups, 1e-5),
    ):
        outputs = len(function(*inputs)) if isinstance(function(*inputs), tuple) else 1
        for output in range(outputs):
            assert_same(stated(function, inputs, output), poisoned(function, inputs, output))


def test_statistics_of_a_batch() -> None:
    """In training the statistics that are returned read their channel, and the running ones their old value."""
    inputs = drawn((2, 3, 2), (3,), (3,))
    inputs[2] = inputs[2].abs()
    for training in (True, False):

        def function(x: Any, mean: Any, var: Any, training: bool = training) -> Any:
            aten = torch.ops.aten._native_batch_norm_legit_functional
            return aten(x, None, None, mean, var, training, 0.1, 1e-5)

        for output in range(5) if training else (0, 3, 4):
            assert_same(stated(function, inputs, output), poisoned(function, inputs, output))


def test_one_number_is_reduced_to_itself() -> None:
    """A tensor without axes is its own sum, along none, the first and the last."""
    inputs = drawn(())
    for function in (
        torch.sum,
        lambda x: x.sum(0),
        lambda x: x.amax(-1),
        lambda x: x.softmax(-1),
        lambda x: F.cosine_similarity(x, x, 0),
    ):
        assert_same(stated(function, inputs), [np.array(True)])


CHOSEN: dict[str, Callable[[Any], Any]] = {
    "argmax": lambda x: x.argmax(),
    "argmax along": lambda x: x.argmax(1, keepdim=True),
    "argmin": lambda x: x.argmin(-1),
    "max along": lambda x: x.max(1),
    "any": lambda x: (x > 0).any(),
    "any along": lambda x: (x > 0).any(1),
    "any of none": lambda x: (x > 0).any(dim=()),
    "any over two": lambda x: (x > 0).any(dim=(0, -1)),
    "all along": lambda x: (x > 0).all(2, keepdim=True),
    "count_nonzero": lambda x: x.count_nonzero(),
    "count_nonzero over two": lambda x: x.count_nonzero((0, 1)),
    "nansum": lambda x: x.nansum(1),
    "nanmean": lambda x: x.nanmean((0, 2), keepdim=True),
    "nanmedian": lambda x: x.nanmedian(1),
    "median along": lambda x: x.median(1),
    "mode": lambda x: x.mode(1),
    "kthvalue": lambda x: x.kthvalue(2, 1, keepdim=True),
    "sort": lambda x: x.sort(1),
    "sort, descending": lambda x: x.sort(0, descending=True),
    "stable sort": lambda x: x.sort(stable=True, dim=1),
    "argsort": lambda x: x.argsort(1),
    "msort": lambda x: torch.msort(x),
    "topk": lambda x: x.topk(2, 1),
    "cummax": lambda x: x.cummax(1)[0],
    "cummin": lambda x: x.cummin(2)[0],
    "sum of nothing": lambda x: x.sum((), keepdim=True),
}
"""Functions of a tensor of shape (2, 3, 2) whose outputs NaN does not mark, or marks too widely."""


@pytest.mark.parametrize("name", CHOSEN)
def test_an_output_reads_what_can_change_it(name: str) -> None:
    """The relation is the set of pairs in which some number changes some output (NaN is passed over, or no number)."""
    inputs = drawn((2, 3, 2))
    result = CHOSEN[name](*inputs)
    for output in range(len(result) if isinstance(result, tuple) else 1):
        assert_same(stated(CHOSEN[name], inputs, output), changed(CHOSEN[name], inputs, output))


PRODUCTS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "max of two": (torch.max, [(2, 3), (3,)]),
    "min of two": (torch.min, [(2, 1), (2, 3)]),
    "linear": (F.linear, [(2, 3, 4), (5, 4), (5,)]),
    "linear, no bias": (F.linear, [(4,), (5, 4)]),
    "linear, one output": (F.linear, [(2, 4), (4,)]),
    "matmul of vectors": (torch.matmul, [(3,), (3,)]),
    "matmul, vector first": (torch.matmul, [(3,), (2, 3, 4)]),
    "matmul, vector last": (torch.matmul, [(2, 2, 3), (3,)]),
    "matmul": (torch.matmul, [(2, 3), (3, 4)]),
    "matmul, stretched": (torch.matmul, [(2, 1, 2, 3), (3, 3, 2)]),
    "mm": (torch.mm, [(2, 3), (3, 2)]),
    "bmm": (torch.bmm, [(2, 2, 3), (2, 3, 2)]),
    "mv": (torch.mv, [(2, 3), (3,)]),
    "dot": (torch.dot, [(3,), (3,)]),
    "vdot": (torch.vdot, [(3,), (3,)]),
    "outer": (torch.outer, [(3,), (2,)]),
    "inner": (torch.inner, [(2, 3), (2, 2, 3)]),
    "inner with a number": (torch.inner, [(2, 3), ()]),
    "addmm": (torch.addmm, [(2, 4), (2, 3), (3, 4)]),
    "addmm, stretched": (lambda a, b, c: torch.addmm(a, b, c, beta=2, alpha=3), [(4,), (2, 3), (3, 4)]),
    "addmm, beta 0": (lambda a, b, c: torch.addmm(a, b, c, beta=0), [(2, 4), (2, 3), (3, 4)]),
    "addmv": (torch.addmv, [(2,), (2, 3), (3,)]),
    "addr": (torch.addr, [(2, 3), (2,), (3,)]),
    "addbmm": (torch.addbmm, [(2, 2), (2, 2, 3), (2, 3, 2)]),
    "baddbmm": (torch.baddbmm, [(1, 2), (2, 2, 3), (2, 3, 2)]),
    "einsum": (lambda a, b: torch.einsum("bij,bkj->bik", a, b), [(2, 2, 3), (2, 3, 3)]),
    "einsum, no output": (lambda a, b: torch.einsum("ij, jk", a, b), [(2, 3), (3, 2)]),
    "einsum, swapped": (lambda a: torch.einsum("ba", a), [(2, 3)]),
    "einsum, capitals first": (lambda a: torch.einsum("bA", a), [(2, 3)]),
    "einsum, dots": (lambda a, b: torch.einsum("...ij,j...->...i", a, b), [(2, 2, 3), (3, 2)]),
    "einsum, dots, no output": (lambda a, b: torch.einsum("i...,...", a, b), [(2, 3), (2, 1)]),
    "einsum, summed dots": (lambda a: torch.einsum("...i->i", a), [(2, 3, 2)]),
    "einsum, stretched": (lambda a, b: torch.einsum("bi,bi->bi", a, b), [(1, 3), (2, 3)]),
    "einsum, trace": (lambda a: torch.einsum("ii", a), [(3, 3)]),
    "einsum, diagonals": (lambda a: torch.einsum("ibib->bi", a), [(3, 2, 3, 2)]),
    "einsum, diagonal times": (lambda a, b: torch.einsum("iij,j->i", a, b), [(2, 2, 3), (3,)]),
    "einsum of three": (lambda a, b, c: torch.einsum("i,ij,jk->k", a, b, c), [(2,), (2, 3), (3, 2)]),
    "trace": (torch.trace, [(2, 3)]),
    "multi_dot": (lambda *m: torch.linalg.multi_dot(m), [(2, 3), (3, 2), (2, 4)]),
    "multi_dot, vectors": (lambda *m: torch.linalg.multi_dot(m), [(3,), (3, 2), (2,)]),
    "multi_dot, vector first": (lambda *m: torch.linalg.multi_dot(m), [(3,), (3, 2), (2, 2)]),
    "tensordot": (lambda a, b: torch.tensordot(a, b, ([2, 0], [-3, 1])), [(2, 2, 3), (3, 2, 2)]),
    "tensordot of none": (lambda a, b: torch.tensordot(a, b, 0), [(2, 2), (3,)]),
    "bilinear": (F.bilinear, [(2, 2), (2, 3), (2, 2, 3), (2,)]),
    "bilinear, no bias": (F.bilinear, [(2, 2), (2, 3), (2, 2, 3)]),
    "cdist": (torch.cdist, [(2, 2, 3), (2, 3)]),
    "cdist, p": (lambda a, b: torch.cdist(a, b, p=1.0), [(2, 3), (4, 3)]),
    "cosine_similarity": (F.cosine_similarity, [(2, 3, 2), (2, 3, 2)]),
    "cosine_similarity, stretched": (lambda a, b: F.cosine_similarity(a, b, dim=-1), [(2, 1, 3), (2, 3)]),
    "pairwise_distance": (F.pairwise_distance, [(2, 3), (2, 3)]),
    "pairwise_distance, kept": (lambda a, b: F.pairwise_distance(a, b, keepdim=True), [(2, 3), (3,)]),
    "vecdot": (lambda a, b: torch.linalg.vecdot(a, b, dim=0), [(3, 2), (3, 1)]),
    "cross": (lambda a, b: torch.linalg.cross(a, b, dim=1), [(2, 3, 2), (2, 3, 1)]),
    "kron": (torch.kron, [(2, 2), (1, 3)]),
    "kron of a line": (torch.kron, [(2,), (2, 3)]),
    "kron with a number": (torch.kron, [(2, 2), ()]),
    "pdist": (F.pdist, [(4, 3)]),
    "dist": (torch.dist, [(2, 3), (2, 3)]),
    "frobenius_norm": (lambda x: torch.ops.aten.frobenius_norm.dim(x, [1]), [(2, 3)]),
    "prelu with a number": (lambda x, w: F.prelu(-x.abs(), w), [(2, 3), ()]),
    "prelu": (lambda x, w: F.prelu(-x.abs(), w), [(2, 3, 2), (3,)]),
    "subtract": (torch.subtract, [(2, 3), (3,)]),
    "divide": (torch.divide, [(2, 1), (3,)]),
    "arctan2": (torch.arctan2, [(2, 3), (2, 3)]),
    "floor_divide": (torch.floor_divide, [(2, 3), (3,)]),
    "normal": (lambda mean: torch.normal(mean, 1.0), [(2, 3)]),
    "batch_norm": (
        lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b),
        [(2, 3, 2), (3,), (3,), (3,), (3,)],
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (2, 2), w, b), [(2, 2, 2), (2, 2), (2, 2)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (3,), w), [(2, 3), (3,)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4), (4,), (4,)]),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, weight=w, bias=b), [(2, 2, 3), (2,), (2,)]),
    "weight_norm": (lambda v, g: torch._weight_norm(v, g, 0), [(2, 3, 2), (2, 1, 1)]),
    "weight_norm, last": (lambda v, g: torch._weight_norm(v, g, 2), [(2, 3, 2), (1, 1, 2)]),
    "attention": (F.scaled_dot_product_attention, [(2, 2, 3), (2, 4, 3), (2, 4, 2)]),
    "attention, mask": (F.scaled_dot_product_attention, [(1, 2, 2, 2), (1, 2, 3, 2), (1, 2, 3, 2), (2, 3)]),
    "attention, mask for all": (F.scaled_dot_product_attention, [(1, 2, 2, 2), (1, 2, 3, 2), (1, 2, 3, 2), (2, 1, 3)]),
}
"""Functions of several tensors, with their shapes."""

SPREADING = {"batch_norm": lambda inputs: [inputs[0], inputs[1], inputs[2].abs(), *inputs[3:]]}
"""What some inputs must be."""


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_reads_what_can_turn_it_nan(name: str) -> None:
    """The relation to every factor is the set of pairs in which NaN spreads."""
    function, shapes = PRODUCTS[name]
    inputs = SPREADING.get(name, list)(drawn(*shapes))
    assert_same(stated(function, inputs), poisoned(function, inputs))


def test_heads_that_share_a_key_read_it() -> None:
    """With enable_gqa head h reads the keys and values of head h // shared (by change: kernels may stop NaN)."""
    inputs = drawn((1, 4, 2, 2), (1, 2, 2, 2), (1, 1, 2, 2))

    def function(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    assert_same(stated(function, inputs), changed(function, inputs))


@pytest.mark.parametrize(("queries", "keys"), [(3, 3), (2, 4), (4, 2)])
def test_causal_attention_reads_up_to_its_own_place(queries: int, keys: int) -> None:
    """With is_causal query o reads keys and values 0 .. o (by change: a masked 0 times NaN is NaN)."""
    inputs = drawn((1, queries, 2), (1, keys, 2), (1, keys, 2))

    def function(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    found = stated(function, inputs)
    assert not found[0][:, 1:, :, :, 0].any()
    assert found[0][:, 0, :, :, 0].all()
    # the first query sees one key, whose weight is 1 whatever query and key say: change cannot tell
    for reads in found[:2]:
        reads[..., 0, :] = False
    assert_same(found, changed(function, inputs))


def test_a_constant_mask_counts_if_exact_weights_are_asked_for() -> None:
    """Keys that a constant mask hides from all heads are not read; otherwise all of them may be."""
    mask = torch.tensor([[True, False, True], [True, True, False]])
    infinite = torch.zeros(2, 3, dtype=torch.float64).masked_fill(~mask, -float("inf"))
    inputs = drawn((1, 2, 2), (1, 3, 2), (1, 3, 2))
    for given in (mask, infinite, mask[None]):

        def masked(q: Any, k: Any, v: Any, given: Any = given) -> Any:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=given)

        assert_same(stated(masked, inputs, exact_weights=True), changed(masked, inputs))
        assert_same(stated(masked, inputs), stated(F.scaled_dot_product_attention, inputs))


def test_the_picture_is_read_where_the_data_say() -> None:
    """An output of grid_sample reads its own place of the grid, and may read all of the picture's space."""
    picture, grid = drawn((2, 2, 2, 3), (2, 3, 2, 2))
    inputs = [picture, grid.tanh()]

    def function(picture: Any, grid: Any) -> Any:
        return F.grid_sample(picture, grid, align_corners=False, padding_mode="border")

    found = stated(function, inputs)
    np.testing.assert_array_equal(found[1], changed(function, inputs)[1])
    same = np.einsum("na,cb->ncab", np.eye(2), np.eye(2)).astype(bool)[:, :, None, None, :, :, None, None]
    np.testing.assert_array_equal(found[0], np.broadcast_to(same, found[0].shape))


def test_an_embedding_reads_its_own_index() -> None:
    """Every output reads one index (by change), and may read any row of the table, at its own column."""
    table = drawn((20, 3))[0]

    def function(x: Any) -> Any:
        return F.embedding((x * 2 + 15).round().long().clamp(0, 19), table)

    inputs = drawn((2, 3))
    assert_same(stated(function, inputs), changed(function, inputs))

    def looked_up(table: Any) -> Any:
        return F.embedding(torch.tensor([[0, 1, 1]]), table)

    (found,) = stated(looked_up, drawn((4, 2)))
    np.testing.assert_array_equal(found, np.broadcast_to(np.eye(2, dtype=bool)[None, :, None, None], (4, 2, 1, 3, 2)))


@pytest.mark.parametrize(("operator", "wrong"), [("softmax", "cumsum"), ("cumsum", "softmax"), ("glu", "relu")])
def test_a_broken_rule_is_caught(operator: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that reads too little, too much or elsewhere differs from what NaN shows."""
    functions = {"softmax": lambda x: x.softmax(1), "cumsum": lambda x: x.cumsum(1), "glu": lambda x: F.glu(x, 1)}
    inputs = drawn((2, 4))
    assert_same(stated(functions[operator], inputs), poisoned(functions[operator], inputs))

    def same(call: Call) -> Any:
        call.skip_rest()
        return {"self": AxisWise.same(2)}

    monkeypatch.setitem(RULES, operator, RULES.get(wrong, same))
    with pytest.raises(AssertionError):
        assert_same(stated(functions[operator], inputs), poisoned(functions[operator], inputs))


def test_a_mask_without_numbers_is_refused_by_name() -> None:
    """Exact weights need numbers: a mask on the meta device has none."""
    arguments = {
        "query": Tensor((2, 3), "q"),
        "key": Tensor((2, 3), "k"),
        "value": Tensor((2, 3), "v"),
        "attn_mask": Tensor((2, 2), values=lambda: torch.zeros(2, 2, device="meta")),
        "dropout_p": 0.0,
        "is_causal": False,
        "scale": None,
        "enable_gqa": False,
    }
    with pytest.raises(FaltungError, match="exact_weights needs the numbers of its weights"):
        attention(Call("scaled_dot_product_attention", arguments, (2, 3), exact_weights=True))
