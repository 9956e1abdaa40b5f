"""Exact weights: what is multiplied by exact zeros is not read, and everything else is.

The oracle is the derivative in float64: weights and numbers are positive, so that no two paths cancel, and an output
has a derivative by an input that is not 0 exactly where a path of weights that are not 0 leads there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import faltung
from faltung.errors import FaltungError
from faltung.rules import convolutions, normalisation, pointwise, products, weights
from faltung.rules.weights import as_products
from tests.nan_oracle import painted
from tests.test_rules_reductions import Who, assert_same, poisoned, stated


def positive(*shape: int, seed: int = 0) -> Tensor:
    """Return positive numbers, float64."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5


def sparse(*shape: int, seed: int = 0, share: float = 0.5) -> Tensor:
    """Return numbers some of which are exactly zero."""
    generator = torch.Generator().manual_seed(100 + seed)
    return positive(*shape, seed=seed) * (torch.rand(shape, generator=generator) < share)


def derived(function: Callable[..., Tensor], inputs: list[Tensor]) -> Who:
    """Return who reads whom: the derivatives that are not zero."""
    slopes = torch.autograd.functional.jacobian(function, tuple(inputs))
    outputs = function(*inputs).dim()
    found = []
    for slope in slopes:
        order = [*range(outputs, slope.dim()), *range(outputs)]
        found.append((slope.permute(order) != 0).numpy())
    return found


def assert_exact(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Compare what a captured network says with derivatives, in both directions."""
    assert_same(stated(function, list(inputs), exact_weights=True), derived(function, list(inputs)))


W = sparse(4, 3, seed=1)
EMPTY_ROW = W.clone().index_fill_(0, torch.tensor([2]), 0)
BLOCKS = torch.block_diag(*(positive(2, 2, seed=seed) for seed in range(3)))
BATCH = sparse(2, 3, 4, seed=5)

BIAS = positive(4)
S_2_4_2 = sparse(2, 4, seed=2)
S_4_2_3_3 = sparse(4, 2, 3, seed=3)
S_2_4_4 = sparse(2, 4, seed=4)
S_4_2_6 = sparse(4, 2, seed=6)
S_3_3_7 = sparse(3, 3, seed=7)
S_2_4_3_8 = sparse(2, 4, 3, seed=8)
S_4_3_2_9 = sparse(4, 3, 2, seed=9)
P_3 = positive(3)
ZERO = torch.zeros((), dtype=torch.float64)

PRODUCTS: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "linear": (lambda x: F.linear(x, W, BIAS), [(2, 2, 3)]),
    "linear, a row of zeros": (lambda x: F.linear(x, EMPTY_ROW), [(2, 3)]),
    "linear, all zeros": (lambda x: F.linear(x, W * 0, BIAS), [(2, 3)]),
    "linear, one output": (lambda x: F.linear(x, W[0]), [(2, 3)]),
    "linear in blocks": (lambda x: F.linear(x, BLOCKS), [(2, 6)]),
    "linear twice": (lambda x: F.linear(F.linear(x, W), S_2_4_2), [(2, 3)]),
    "linear, constant data": (lambda w: F.linear(W, w), [(2, 3)]),
    "mm": (lambda x: torch.mm(x, W.T), [(2, 3)]),
    "mm, the constant first": (lambda x: torch.mm(W, x), [(3, 2)]),
    "matmul over the first axis": (lambda x: W @ x, [(2, 3, 2)]),
    "matmul, batches": (lambda x: x @ BATCH, [(2, 2, 3)]),
    "matmul, one batch": (lambda x: x @ BATCH, [(1, 2, 3)]),
    "matmul, a vector": (lambda x: x @ W[:, 1], [(2, 4)]),
    "bmm": (lambda x: torch.bmm(BATCH, x), [(2, 4, 2)]),
    "mv": (lambda x: torch.mv(W, x), [(3,)]),
    "dot": (lambda x: torch.dot(x, W[0]), [(3,)]),
    "outer": (lambda x: torch.outer(x, W[0]), [(2,)]),
    "outer, the constant first": (lambda x: torch.outer(W[1], x), [(2,)]),
    "addmm": (lambda a, x: torch.addmm(a, x, W.T), [(4,), (2, 3)]),
    "addmv": (lambda a, x: torch.addmv(a, W, x), [(4,), (3,)]),
    "baddbmm": (lambda a, x: torch.baddbmm(a, x, BATCH), [(2, 2, 4), (2, 2, 3)]),
    "addbmm": (lambda a, x: torch.addbmm(a, x, BATCH), [(2, 4), (2, 2, 3)]),
    "bilinear": (lambda x, y: F.bilinear(x, y, S_4_2_3_3), [(2, 2), (2, 3)]),
    "tensordot": (lambda x: torch.tensordot(x, BATCH, ([1, 2], [0, 1])), [(2, 2, 3)]),
    "inner": (lambda x: torch.inner(x, W), [(2, 3)]),
    "inner with a number": (lambda x: torch.inner(x, ZERO), [(2, 3)]),
    "multi_dot": (lambda x: torch.linalg.multi_dot([W, x, S_2_4_4]), [(3, 2)]),
    "vecdot": (lambda x: torch.linalg.vecdot(x, W), [(4, 3)]),
    "einsum": (lambda x: torch.einsum("bti,to->boi", x, W), [(2, 4, 2)]),
    "einsum, two constants": (lambda x: torch.einsum("bi,ij,jk->bk", x, W.T, S_4_2_6), [(2, 3)]),
    "einsum, two inputs": (lambda x, y: torch.einsum("bi,oi,bo->bo", x, W, y), [(2, 3), (2, 4)]),
    "einsum, of a diagonal": (lambda x: torch.einsum("iij,kj->ik", x, W), [(2, 2, 3)]),
    "einsum, with a diagonal": (lambda x: torch.einsum("bi,ii->b", x, S_3_3_7), [(2, 3)]),
    "einsum, stretched": (lambda x: torch.einsum("bi,oi->bo", x, W), [(2, 1)]),
    "einsum, dots": (lambda x: torch.einsum("...i,...oi->...o", x, S_2_4_3_8), [(2, 3)]),
    "kron": (lambda x: torch.kron(x, W), [(2, 2)]),
    "kron, constant first": (lambda x: torch.kron(W, x), [(2,)]),
    "mul": (lambda x: x * W, [(2, 4, 3)]),
    "mul, stretched": (lambda x: W[:, :1] * x, [(4, 3)]),
    "mul, the input stretched": (lambda x: x * W, [(4, 1)]),
    "mul by zero": (lambda x: x * 0.0 + P_3, [(2, 3)]),
    "mul by a number": (lambda x: 2.0 * x, [(2, 3)]),
    "mul by a zero tensor": (lambda x: torch.multiply(x, ZERO), [(2, 3)]),
    "mul in place": (lambda x: (x + 1).mul_(W), [(4, 3)]),
    "mul of two inputs": (lambda x, y: x * y, [(2, 3), (3,)]),
    "addcmul": (lambda x, y: torch.addcmul(x, y, W), [(4, 3), (4, 3)]),
    "addcmul, constant first": (lambda x, y: torch.addcmul(x, W, y, value=2), [(4, 3), (3,)]),
    "addcmul, value 0": (lambda x, y: torch.addcmul(x, y, y, value=0), [(3,), (3,)]),
    "batch_norm": (lambda x: F.batch_norm(x, BIAS, BIAS, W[:, 0], BIAS), [(2, 4, 2)]),
    "conv": (lambda x: F.conv1d(x, S_4_3_2_9, padding=1), [(1, 3, 4)]),
    "conv, all zeros": (lambda x: F.conv1d(x, torch.zeros(2, 3, 2, dtype=torch.float64)), [(1, 3, 4)]),
}
"""Functions with constant weights, and the shapes of their inputs."""


@pytest.mark.parametrize("name", PRODUCTS)
def test_an_output_reads_where_its_weights_are_not_zero(name: str) -> None:
    """The relation is the set of pairs with a derivative that is not zero: channel by channel, no more and no less."""
    function, shapes = PRODUCTS[name]
    assert_exact(function, *(positive(*shape, seed=9 + number) for number, shape in enumerate(shapes)))


NORMALISED: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], tuple[int, ...], tuple[int, ...]]] = {
    "batch_norm, training": (lambda x, w: F.batch_norm(x, None, None, w, training=True), (2, 3, 4), (3,)),
    "instance_norm": (lambda x, w: F.instance_norm(x, weight=w), (2, 3, 4), (3,)),
    "group_norm": (lambda x, w: F.group_norm(x, 2, w), (2, 4, 3), (4,)),
    "layer_norm": (lambda x, w: F.layer_norm(x, (3, 2), w), (2, 3, 2), (3, 2)),
    "rms_norm": (lambda x, w: F.rms_norm(x, (3,), w), (2, 3), (3,)),
}


@pytest.mark.parametrize("name", NORMALISED)
def test_a_pruned_channel_of_a_normalisation_reads_nothing(name: str) -> None:
    """Where the weight of a normalisation is zero, its output is its bias; elsewhere it reads as ever."""
    function, shape, weight = NORMALISED[name]
    mask = sparse(*weight, seed=3)
    assert 0 < mask.count_nonzero() < mask.numel()
    inputs = [positive(*shape)]
    ones = torch.ones(weight, dtype=torch.float64)
    everywhere = stated(lambda x: function(x, ones), inputs)[0]
    outputs = function(inputs[0], mask).shape
    of_last_axes = name in ("layer_norm", "rms_norm")
    behind = () if of_last_axes else (1,) * (len(outputs) - 2)
    left = np.broadcast_to((mask != 0).numpy().reshape(weight + behind), outputs)
    assert_same(stated(lambda x: function(x, mask), inputs, exact_weights=True), [everywhere & left])


@given(st.data())
@settings(max_examples=50)
def test_any_sum_of_products_with_constants(data: st.DataObject) -> None:
    """Whatever labels an input and one or two constants share with each other and the output, reads are exact."""
    sizes = dict(zip("abcde", (2, 3, 2, 3, 2), strict=True))
    term = st.lists(st.sampled_from("abcde"), unique=True, min_size=1, max_size=3)
    terms = [data.draw(term) for _ in range(data.draw(st.integers(2, 3)))]
    labels = sorted(set().union(*terms))
    output = data.draw(st.lists(st.sampled_from(labels), unique=True, max_size=4))
    seed = data.draw(st.integers(0, 99))
    constants = [sparse(*(sizes[label] for label in term), seed=seed, share=0.6) for term in terms[1:]]
    equation = f"{','.join(map(''.join, terms))}->{''.join(output)}"

    def function(x: Tensor) -> Tensor:
        return torch.einsum(equation, x, *constants)

    assert_exact(function, positive(*(sizes[label] for label in terms[0])))


@pytest.mark.parametrize(
    ("family", "broken", "name"),
    [
        (products, "linked", "linear"),
        (products, "linked", "matmul, batches"),
        (products, "nonzero", "einsum, two constants"),
        (pointwise, "kept", "mul"),
        (normalisation, "kept", "batch_norm"),
        (convolutions, "nonzero", "conv"),
    ],
)
def test_a_rule_that_overlooks_zeros_is_caught(
    family: Any, broken: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that takes some zeros for other numbers disagrees with the derivative."""
    wrong = {
        "linked": lambda relation, mask, axes, outputs: (relation,),
        "kept": lambda relation, mask, outputs: relation,
        "nonzero": lambda weight: weights.nonzero(weight) | (weight.shape[-1] == 2),
    }
    monkeypatch.setattr(family, broken, wrong[broken])
    with pytest.raises(AssertionError):
        test_an_output_reads_where_its_weights_are_not_zero(name)


CONSTANT = torch.tensor([[True, False, True], [False, False, True]])
CHOICES: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "where": (lambda x, y: torch.where(CONSTANT, x, y), [(2, 2, 3), (2, 3)]),
    "where, stretched": (lambda x, y: torch.where(CONSTANT[:, :1], x, y), [(2, 3), (1, 3)]),
    "where or a number": (lambda x: torch.where(CONSTANT, x, 0.0), [(2, 3)]),
    "masked_fill": (lambda x: x.masked_fill(CONSTANT, -1.0), [(2, 2, 3)]),
    "masked_fill with a tensor": (lambda x, y: x.masked_fill(CONSTANT, y), [(2, 3), ()]),
    "masked_fill, all": (lambda x: x.masked_fill(torch.ones(3, dtype=torch.bool), 1.0), [(2, 3)]),
    "masked_fill, none": (lambda x: x.masked_fill(torch.zeros(3, dtype=torch.bool), 1.0), [(2, 3)]),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_constant_condition_chooses_what_is_read(name: str) -> None:
    """Of two tensors each output reads the chosen one alone, as NaN says; without exact weights either may be."""
    function, shapes = CHOICES[name]
    inputs = [positive(*shape) for shape in shapes]
    assert_same(stated(function, inputs, exact_weights=True), poisoned(function, inputs))
    assert_same(stated(function, inputs), derived(lambda *x: sum(x).expand_as(function(*x)), inputs))


def test_a_condition_from_the_input_leaves_the_choice_open() -> None:
    """Where the data choose, condition and both tensors are read."""
    net = faltung.capture(lambda x, y: torch.where(x > 0, y, -y), torch.zeros(1, 1, 5), torch.zeros(1, 1, 5))
    assert [net.receptive_field(unit={"x": 2}, input=number).size for number in range(2)] == [1, 1]


LAYERS: dict[str, tuple[tuple[int, ...], Callable[[Tensor, Tensor], Tensor]]] = {
    "convolution": ((4, 4, 3), lambda x, w: F.conv1d(x, w, padding=1)),
    "groups": ((4, 2, 3), lambda x, w: F.conv1d(x, w, dilation=2, padding=2, groups=2)),
    "transposed": ((4, 4, 3), lambda x, w: F.conv_transpose1d(x, w, padding=1)),
    "over time": ((5, 5), F.linear),
    "over channels": ((4, 4), lambda x, w: torch.einsum("nct,cd->ndt", x, w)),
    "over both": ((4, 5, 4, 5), lambda x, w: torch.tensordot(x, w, 2)),
    "masked": ((4, 5), torch.mul),
    "gated": ((4, 1), torch.mul),
    "skip": ((5, 5), lambda x, w: x + F.linear(x, w)),
    "chosen": ((4, 5), lambda x, w: torch.where(w > 0, x, x.flip(2))),
}
"""Shapes of weights, and layers with them on tensors of shape (1, 4, 5)."""


@given(st.lists(st.tuples(st.sampled_from(sorted(LAYERS)), st.integers(0, 50)), min_size=1, max_size=4))
@settings(max_examples=25)
def test_networks_with_masks(steps: list[tuple[str, int]]) -> None:
    """Zeros of one layer after the other: an output has a derivative by exactly what it reads through all of them."""
    layers = [(LAYERS[name][1], sparse(*LAYERS[name][0], seed=seed, share=0.6)) for name, seed in steps]

    def network(x: Tensor) -> Tensor:
        for layer, weight in layers:
            x = layer(x, weight)
        return x

    assert_exact(network, positive(1, 4, 5))


class Masked(nn.Linear):
    """A linear layer with a mask over its weights."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0], dtype=torch.float64)
        self.register_buffer("mask", mask)
        nn.init.uniform_(self.weight, 0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


def made(order: list[int], hidden: int = 12) -> nn.Sequential:
    """MADE (Germain et al., Masked autoencoder for distribution estimation, 2015) with one hidden layer.

    Unit k of the hidden layer has degree m and sees inputs of an order up to m; an output sees lower degrees than its
    own order alone: section 3.1, equations 12 and 13.
    """
    degrees = torch.tensor([1 + k % (len(order) - 1) for k in range(hidden)])
    own = torch.tensor(order)
    return nn.Sequential(
        Masked((degrees[:, None] >= own[None, :]).double()),
        nn.ReLU(),
        Masked((own[:, None] > degrees[None, :]).double()),
    )


def test_made_is_autoregressive() -> None:
    """Output d of MADE reads exactly the inputs before d in its order; causal if the order is that of the axis."""
    torch.manual_seed(0)
    x = positive(1, 6)
    for order in ([1, 2, 3, 4, 5, 6], [3, 1, 6, 2, 5, 4]):
        model = made(order)
        assert_exact(model, x)
        net = faltung.capture(model, x, exact_weights=True)
        for d, own in enumerate(order):
            read = net.receptive_field(unit={"c": d}, channels=True)
            assert {place["c"] for place in read} == {other for other, rank in enumerate(order) if rank < own}
        assert bool(net.is_causal("c")) == (order == sorted(order))
        assert not faltung.capture(model, x).is_causal("c")


def test_a_masked_mixer_is_causal_along_time() -> None:
    """Mixing over time by a lower triangle keeps causality; one weight above the diagonal breaks it, with a path."""
    torch.manual_seed(0)
    steps = 7
    triangle = torch.ones(steps, steps, dtype=torch.float64).tril()
    band = triangle - triangle.tril(-3)

    class Mixer(nn.Module):
        def __init__(self, mask: Tensor) -> None:
            super().__init__()
            self.over_time, self.again = Masked(mask), Masked(band)
            self.over_channels = Masked(torch.ones(3, 3, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            x = x + torch.relu(self.over_time(x))
            x = x + self.over_channels(x.transpose(1, 2)).transpose(1, 2)
            return self.again(x)

    x = positive(1, 3, steps)
    assert faltung.capture(Mixer(triangle), x, exact_weights=True).is_causal("x")
    assert_exact(Mixer(band), x)
    net = faltung.capture(Mixer(band), x, exact_weights=True)
    assert net.receptive_field(unit={"x": 5}).box == {"x": range(1, 6)}
    ahead = triangle.clone()
    ahead[2, 4] = 1
    answer = faltung.capture(Mixer(ahead), x, exact_weights=True).is_causal("x")
    assert not answer
    assert answer.path[-1].unit["x"] > answer.path[0].unit["x"]


def test_a_branch_that_starts_at_zero_is_not_read() -> None:
    """ReZero (Bachlechner et al., 2020): a branch times a parameter that is 0 reads nothing until it is trained."""

    class ReZero(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = nn.Conv1d(1, 1, 5, padding=2)
            self.scale = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.scale * self.branch(x)

    model, x = ReZero(), torch.zeros(1, 1, 9)
    assert faltung.capture(model, x).receptive_field(unit={"x": 4}).size == 5
    assert faltung.capture(model, x, exact_weights=True).receptive_field(unit={"x": 4}).size == 1
    nn.init.ones_(model.scale)
    assert faltung.capture(model, x, exact_weights=True).receptive_field(unit={"x": 4}).size == 5


@given(st.data())
def test_masks_come_apart_into_disjoint_products(data: st.DataObject) -> None:
    """The products of a mask hold its places, each once."""
    shape = data.draw(st.lists(st.integers(1, 4), max_size=3))
    bits = data.draw(st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    mask = np.array(bits, dtype=bool).reshape(shape)
    found = list(as_products(mask))
    assert np.array_equal(painted(found, shape), mask)
    assert sum(int(painted([one], shape).sum()) for one in found) == mask.sum()


def test_weights_without_numbers_are_refused() -> None:
    """Exactness needs numbers: those that are random or on the meta device have none."""
    text = r"^layer .*: exact_weights needs the numbers of its weights: they are random, or"
    x = torch.zeros(2, 3)
    cases: list[tuple[Any, Tensor]] = [
        (nn.Linear(3, 4, device="meta"), x.to("meta")),
        (lambda x: x * torch.rand(3), x),
        (lambda x: x @ torch.rand_like(x).T, x),
        (nn.BatchNorm1d(3, device="meta"), x.to("meta")),
    ]
    for model, example in cases:
        faltung.capture(model, example)
        with pytest.raises(FaltungError, match=text):
            faltung.capture(model, example, exact_weights=True)


def test_constants_of_the_inputs_shape_have_numbers() -> None:
    """What takes the shape alone of an input, such as ones_like, is a constant."""
    net = faltung.capture(lambda x: x * torch.ones_like(x).triu(), torch.zeros(1, 1, 3, 3), exact_weights=True)
    seen = [[net.receptive_field(unit={"y": y, "x": x}).size for x in range(3)] for y in range(3)]
    assert seen == [[1, 1, 1], [0, 1, 1], [0, 0, 1]]


def test_conditions_of_many_parts_leave_the_choice_open() -> None:
    """A triangle over many steps is not taken apart: either tensor may be read, which is too much and not too little."""
    for steps, read in ((65, 0), (66, 1)):  # a row less has anything above the diagonal
        triangle = torch.ones(steps, steps).tril()
        net = faltung.capture(
            lambda x, t=triangle: x.masked_fill(t == 0, 0.0), torch.zeros(1, 1, steps, steps), exact_weights=True
        )
        assert net.receptive_field(unit={"y": 3, "x": 4}).size == read
        assert net.receptive_field(unit={"y": 3, "x": 3}).size == 1


def test_masks_without_a_plan_are_refused() -> None:
    """Random masks over several coupled axes have too many parts; over one pair of axes, any mask is followed."""
    pruned = sparse(40, 40, seed=1)
    assert_exact(lambda x: F.linear(x, pruned), positive(1, 40))
    many = sparse(2, 70, 9, 9, seed=1)
    with pytest.raises(FaltungError, match="its weights have more than 64 different masks, which are not followed"):
        faltung.capture(lambda x: torch.einsum("sij,bsij->bsi", x, many), positive(70, 9, 9), exact_weights=True)
    noise = sparse(12, 100, 30)
    with pytest.raises(FaltungError, match="its mask has 1200 parts; at most 1024 are followed"):
        faltung.capture(lambda x: x * noise, positive(1, 12, 100, 30), exact_weights=True)
