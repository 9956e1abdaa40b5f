"""Gradients computed as convolutions, against autograd; what they prove of receptive fields; worked examples."""

import json
import re
from fractions import Fraction
from itertools import chain, product
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch.nn import functional

import faltung
from faltung import FaltungError, gradient
from faltung.gradient.geometry import Geometry
from tests import strategies

CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
SPREAD = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
MODES = {"zero": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def whole(random: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(random.integers(-9, 10, shape)).double()


def drawn(random: np.random.Generator, transposed: bool):
    """Draw a layer that PyTorch accepts: its settings for faltung, X, W, Y, all of whole numbers."""
    while True:
        axes = int(random.integers(1, 4))
        groups, ins, outs, batch = (int(n) for n in random.integers(1, 3, 4))
        k, s, d = ([int(n) for n in random.integers(1, most, axes)] for most in (4, 4, 3))
        sizes = [int(n) for n in random.integers(1, 8 if axes == 1 else 5, axes)]
        sides = [(int(a), int(b)) for a, b in random.integers(0, 3, (axes, 2))]
        boundary = str(random.choice(["zero", "zero", "reflect", "replicate", "circular"]))
        x = whole(random, batch, groups * ins, *sizes).requires_grad_()
        shape = (groups * ins, outs) if transposed else (groups * outs, ins)
        w = whole(random, *shape, *k).requires_grad_()
        try:
            if transposed:
                p, boundary = [before for before, _ in sides], "zero"
                extra = [int(random.integers(0, max(a, b))) for a, b in zip(s, d, strict=True)]
                y, padding = SPREAD[axes](x, w, None, s, p, extra, groups, d), p
            else:
                flat = [side for pair in reversed(sides) for side in pair]
                padded = functional.pad(x, flat, MODES[boundary])
                y, padding = CONVOLVE[axes](padded, w, None, s, 0, d, groups), sides
        except RuntimeError:
            continue
        if y.numel():
            settings = {"stride": s, "padding": padding, "dilation": d, "groups": groups, "boundary": boundary}
            return settings | {"transposed": transposed}, x, w, y


KINDS = {
    "tensors": lambda t: t.detach(),
    "tensors of int64": lambda t: t.detach().long(),
    "arrays": lambda t: t.detach().numpy(),
    "arrays of int16": lambda t: t.detach().numpy().astype(np.int16),
}


@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "tconv"])
def test_gradients_are_autograds(transposed):
    """weight, input and bias are what autograd finds, to the bit, in every kind of array: 1,200 layers."""
    random = np.random.default_rng(11 + transposed)
    for number in range(600):
        given, x, w, y = drawn(random, transposed)
        dy = whole(random, *y.shape)
        dx, dw = torch.autograd.grad(y, (x, w), dy)
        kind = KINDS[list(KINDS)[number % len(KINDS)]]
        found = {
            "dw": gradient.weight(kind(x), kind(dy), list(w.shape[2:]), **given),
            "dx": gradient.input(kind(dy), kind(w), list(x.shape[2:]), **given),
            "db": gradient.bias(kind(dy)),
        }
        expected = {"dw": dw, "dx": dx, "db": dy.sum((0, *range(2, dy.ndim)))}
        for name, theirs in expected.items():
            ours = found[name]
            assert isinstance(ours, type(kind(x)))
            assert str(ours.dtype).removeprefix("torch.") == ("int64" if "int" in str(kind(x).dtype) else "float64")
            assert np.array_equal(np.asarray(ours, dtype=np.float64), theirs.numpy()), (name, given)


def test_without_output_padding_most_gradients_are_too_small():
    """A transposed convolution misses the size of X wherever the last window does not end at the border."""
    missed = shapes = 0
    for n, k, s, p in product(range(1, 13), range(1, 5), range(1, 5), range(3)):
        if n + 2 * p < k:
            continue
        x = torch.ones(1, 1, n, dtype=torch.float64, requires_grad=True)
        w = torch.ones(1, 1, k, dtype=torch.float64)
        y = functional.conv1d(x, w, None, s, p)
        (dx,) = torch.autograd.grad(y.sum(), x)
        assert torch.equal(gradient.input(torch.ones_like(y), w, n, stride=s, padding=p), dx)
        size = s * (y.numel() - 1) + k - 2 * p  # as torch.nn.ConvTranspose1d has it, without output padding
        assert (size == n) == ((n + 2 * p - k) % s == 0)
        missed, shapes = missed + (size != n), shapes + 1
    assert missed > shapes * 0.4


def test_a_forgotten_output_padding_is_found(monkeypatch):
    """The comparison with autograd tells when the output padding is left out."""
    monkeypatch.setattr(Geometry, "output_padding", (0,))
    x = torch.ones(1, 1, 4, dtype=torch.float64, requires_grad=True)
    w = torch.ones(1, 1, 1, dtype=torch.float64)
    y = functional.conv1d(x, w, None, 2)
    (dx,) = torch.autograd.grad(y.sum(), x)
    assert gradient.input(torch.ones_like(y), w, 4, stride=2).shape != dx.shape


def test_exact_beyond_floats():
    """Whole numbers and fractions are exact where float64 is not."""
    large = np.array([[[2**60 + 1, 1]]])
    assert gradient.weight(large, np.array([[[1, 1]]]), 1).item() == 2**60 + 2
    halves = np.array([[[Fraction(1, 3), Fraction(1, 6)]]], dtype=object)
    assert gradient.weight(halves, np.array([[[1, 1]]], dtype=object), 1).item() == Fraction(1, 2)
    with pytest.raises(FaltungError, match=r"^gradient\.weight: sums of 2 products of up to .* may exceed int64; use"):
        gradient.weight(large * 4, large, 1)


def test_pooling_is_a_convolution():
    """Average pooling is a depthwise convolution with equal weights; so is its gradient."""
    random = np.random.default_rng(3)
    x = whole(random, 2, 3, 7, 6).requires_grad_()
    y = functional.avg_pool2d(x, 2, stride=3, padding=1)
    dy = whole(random, *y.shape)
    (dx,) = torch.autograd.grad(y, x, dy)
    quarter = torch.full((3, 1, 2, 2), 0.25, dtype=torch.float64)
    assert torch.equal(gradient.input(dy, quarter, (7, 6), stride=3, padding=1, groups=3), dx)


# Differentiable


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.booleans())
def test_derivatives_of_derivatives(seed, biased):
    """The layer made of these functions passes gradcheck and gradgradcheck, and is PyTorch's."""
    random = np.random.default_rng(seed)
    while True:
        given, x, w, y = drawn(random, transposed=False)
        if x.numel() + w.numel() < 40 and y.numel() < 20:
            break
    del given["transposed"]
    x, w = (torch.from_numpy(random.normal(size=t.shape)).requires_grad_() for t in (x, w))
    b = torch.from_numpy(random.normal(size=len(w))).requires_grad_() if biased else None
    layer = lambda *tensors: gradient.convolution(*tensors, **given)  # noqa: E731
    inputs = (x, w) if b is None else (x, w, b)
    assert torch.autograd.gradcheck(layer, inputs)
    assert torch.autograd.gradgradcheck(layer, inputs)
    padded = functional.pad(x, [side for pair in reversed(given["padding"]) for side in pair], MODES[given["boundary"]])
    theirs = CONVOLVE[x.ndim - 2](padded, w, b, given["stride"], 0, given["dilation"], given["groups"])
    assert torch.allclose(layer(*inputs), theirs, rtol=0, atol=1e-12)


def test_pytorchs_own_gradients_are_not_asked():
    """Neither the layer nor its first and second derivatives go through PyTorch's derivative of a convolution."""
    x = torch.ones(1, 2, 5, dtype=torch.float64, requires_grad=True)
    w = torch.ones(2, 1, 3, dtype=torch.float64, requires_grad=True)
    y = gradient.convolution(x, w, stride=2, padding=1, groups=2)
    (dx,) = torch.autograd.grad((y**2).sum(), x, create_graph=True)
    (dw,) = torch.autograd.grad((dx**2).sum(), w, create_graph=True)
    assert "CorrelatedBackward" in nodes(y)
    assert {"SpreadBackward", "WeighedBackward"} <= nodes(dw)
    for found in (y, dx, dw):
        assert not any("Convolution" in name for name in nodes(found))
    assert any("Convolution" in name for name in nodes(functional.conv1d(x, w, groups=2)))


def nodes(tensor: torch.Tensor) -> set[str]:
    """Return the names of all functions that autograd would go through."""
    names, waiting = set(), [tensor.grad_fn]
    while waiting:
        function = waiting.pop()
        if function is not None:
            names.add(function.name())
            waiting += [source for source, _ in function.next_functions]
    return names


# Refusals

ONES = np.ones((1, 2, 5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient.weight(ONES, np.ones((1, 2, 4)), 3), "gradient.weight, axis x: dy has 4 positions, and this layer over 5 pixels has 3"),
        (lambda: gradient.weight(ONES, np.ones((2, 2, 3)), 3), "gradient.weight: x has a batch of 1 and dy one of 2"),
        (lambda: gradient.weight(ONES, np.ones((1, 3, 3)), 3, groups=2), "gradient.weight: 2 and 3 channels cannot be put into 2 groups"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3, 3)), 3), "gradient.weight: x of shape (1, 2, 5) and dy of shape (1, 2, 3, 3) differ in axes"),
        (lambda: gradient.weight(ONES, torch.ones(1, 2, 3), 3), "gradient.weight: x and dy must both be arrays or both be tensors"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3)), (3, 3)), "gradient.weight: kernel has 2 numbers, and there are 1 axes"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3)), 3.5), "gradient.weight: kernel must be a whole number or one for each axis, got 3.5"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3)), 9), "gradient.weight, axis x: a window of 9 (k=9, d=1) does not fit the padded input of 5 (n=5, p=0)"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3)), 3, padding="full"), "unknown padding 'full'; known: same, valid"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3)), 3, padding=(1, 1)), "gradient.weight: padding has 2 entries, and there are 1 axes"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3)), 3, padding=1.5), "gradient.weight: padding must be 'same', 'valid', a whole number, or for each axis a number or a pair (before, after), got 1.5"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 3)), 3, boundary="reflekt"), "unknown boundary 'reflekt'; did you mean reflect?"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 13)), 3, padding=5, boundary="reflect"), "gradient.weight, axis x: reflect padding of 5 needs at least 6 pixels, the axis has 5"),
        (lambda: gradient.weight(np.ones((2, 5)), np.ones((2, 3)), 3), "gradient.weight: x must have a batch, channels and 1 to 3 axes, got shape (2, 5)"),
        (lambda: gradient.weight(np.ones((0, 2, 5)), np.ones((0, 2, 3)), 3), "gradient.weight: x is empty, its shape is (0, 2, 5)"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 20)), 3, transposed=True), "gradient.weight, axis x: 5 pixels of X give 7 to 7 outputs, not 20 (k=3, s=1, d=1, p=0+0)"),
        (lambda: gradient.weight(ONES, np.ones((1, 2, 7)), 3, transposed=True, boundary="reflect"), "gradient.weight: a transposed convolution is padded with zeros, not with boundary 'reflect'"),
        (lambda: gradient.input(np.ones((1, 3, 3)), np.ones((2, 2, 3)), 5), "gradient.input: dy has 3 channels; w of shape (2, 2, 3) in 1 groups gives 2"),
        (lambda: gradient.input(np.ones((1, 2, 3)), np.ones((2, 2, 3)), 9), "gradient.input, axis x: dy has 3 positions, and this layer over 9 pixels has 7"),
        (lambda: gradient.input(np.ones((1, 2, 3)), np.ones((2, 2, 3)), 5, stride=0), "gradient.input, axis x: stride 0 must be at least 1"),
        (lambda: gradient.convolution(ONES, torch.ones(2, 2, 3)), "gradient.convolution: x and w must be tensors; derivatives of arrays are gradient.input and .weight"),
        (lambda: gradient.convolution(torch.ones(1, 3, 5), torch.ones(2, 2, 3)), "gradient.convolution: x has 3 channels; w of shape (2, 2, 3) in 1 groups reads 2"),
        (lambda: gradient.bias(np.ones(3)), "gradient.bias: dy must have a batch, channels and 1 to 3 axes, got shape (3,)"),
        (lambda: faltung.explain_gradient([[1, 2]], [1, 2]), "explain_gradient: x of shape (1, 2) and w of shape (2,) must have the same axes, 1 to 3 of them"),
        (lambda: faltung.explain_gradient([[1, 2]], [[1]], [[1]]), "explain_gradient: dy has shape (1, 1), and the layer's output (1, 2)"),
        (lambda: faltung.explain_gradient([[]], [[1]]), "explain_gradient: x is empty, its shape is (1, 0)"),
        (lambda: faltung.explain_gradient([1], [1, 2]), "explain_gradient, axis x: a window of 2 (k=2, d=1) does not fit the padded input of 1 (n=1, p=0)"),
        (lambda: faltung.explain_gradient(np.ones((150, 150)), [[1]]), "explain_gradient: 22500 outputs of 1 taps are 22500 products; at most 20000 are written out"),
    ],
    ids=lambda value: "" if callable(value) else value[:40],
)  # fmt: skip
def test_refusals(call, message):
    """What makes no layer is refused in one line."""
    with pytest.raises(FaltungError) as refused:
        call()
    assert str(refused.value) == message


# Worked by hand


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_worked_sums(seed):
    """Every sum that is written out adds up to the entry that autograd finds, product by product."""
    random = np.random.default_rng(seed)
    axes = int(random.integers(1, 3))
    shape = random.integers(1, 6, axes)
    k, s, d = (tuple(int(n) for n in random.integers(1, most, axes)) for most in (4, 3, 3))
    x, w = (random.integers(-9, 10, size) for size in (shape, k))
    boundary = str(random.choice(list(MODES)))
    sides = tuple((int(a), int(b)) for a, b in random.integers(0, 3, (axes, 2)))
    leaves = [torch.from_numpy(t).double()[None, None].requires_grad_() for t in (x, w)]
    try:
        padded = functional.pad(leaves[0], [side for pair in reversed(sides) for side in pair], MODES[boundary])
        y = CONVOLVE[axes](padded, leaves[1], None, s, 0, d)
    except RuntimeError:
        return
    dy = random.integers(-9, 10, y.shape[2:])
    dx, dw = torch.autograd.grad(y, leaves, torch.from_numpy(dy).double()[None, None])
    found = faltung.explain_gradient(x, w, dy, stride=s, padding=sides, dilation=d, boundary=boundary)
    given = {"X": x, "W": w, "∂L/∂Y": dy}
    assert np.array_equal(found.y, y.detach().numpy()[0, 0])
    for sums, theirs in ((found.weights, dw), (found.inputs, dx)):
        assert [entry.place for entry in sums] == list(np.ndindex(theirs.shape[2:]))
        for entry in sums:
            assert entry.total == theirs[0, 0][entry.place].item()
            assert entry.total == sum(one.value * other.value for one, other in entry.products)
            for factor in chain.from_iterable(entry.products):
                assert factor.value == given[factor.tensor][factor.place]
            written = re.fullmatch(r".* = (.*) = (.*)", str(entry))
            assert eval(written[1].replace("·", "*")) == int(written[2]) == entry.total


def test_worked_writings():
    """Text, table, page and plain data hold the same sums."""
    found = faltung.explain_gradient([[1, 2, 0], [0, 5, -1], [3, 1, 4]], [[1, 0], [2, -1]], [[1, 0], [0, -1]])
    assert str(found).splitlines()[:4] == [
        "∂L/∂W[u, v] = Σ_{0≤i<N′₁, 0≤j<N′₂} ∂L/∂Y[i, j] · X[i + u, j + v]",
        "",
        "∂L/∂W[0, 0] = 1·1 + 0·2 + 0·0 + (-1)·5 = -4",
        "∂L/∂W[0, 1] = 1·2 + 0·0 + 0·5 + (-1)·(-1) = 3",
    ]
    assert str(found).endswith("∂L/∂X[2, 2] = (-1)·(-1) = 1")
    console = Console(width=80, highlight=False)
    with console.capture() as captured:
        console.print(found)
    assert "[0, 1]   1·2 + 0·0 + 0·5 + (-1)·(-1)       3" in captured.get()
    page = ElementTree.fromstring(f"<div>{found._repr_html_()}</div>".replace("&#x2062;", ""))
    spans = [span for span in page.iter("span") if span.get("title") == "∂L/∂Y[1, 1] · X[1, 2]"]
    assert [span.text for span in spans] == ["(-1)·(-1)"]
    told = json.loads(json.dumps(found.to_dict()))
    assert told["dL/dW"][1]["total"] == 3
    assert told["dL/dX"][8]["text"] == "∂L/∂X[2, 2] = (-1)·(-1) = 1"
    assert told["closed_forms"]["dL/dW"]["text"] == str(found).splitlines()[0]
    floats = faltung.explain_gradient(torch.tensor([0.5, 0.25]), torch.tensor([2.0]))
    assert [str(entry) for entry in floats.inputs] == ["∂L/∂X[0] = 1·2 = 2", "∂L/∂X[1] = 1·2 = 2"]
    assert str(faltung.explain_gradient([1, 2], [1], stride=2).inputs[1]) == "∂L/∂X[1] = 0 = 0"


# The theorem between 2a and 2b


@settings(max_examples=60)
@given(strategies.chains(), st.data())
def test_the_support_of_a_gradient_is_the_receptive_field(drawn, data):
    """With positive weights and no rectifier, a unit's gradient is not 0 exactly where the unit can see."""
    net = faltung.parse(drawn.text).at(**drawn.axes)
    place = tuple(data.draw(st.integers(0, size - 1)) for size in drawn.sizes[-1])
    x = torch.linspace(1, 2, int(np.prod(drawn.size)), dtype=torch.float64).reshape(1, 1, *drawn.size).requires_grad_()
    y = x
    for layer in drawn.layers:
        y = summed(layer, y)
    (dx,) = torch.autograd.grad(y[(0, 0, *place)], x)
    names = list(drawn.axes)
    field = net.receptive_field(unit=dict(zip(names, place, strict=True)))
    seen = {at for at in np.ndindex(*drawn.size) if dict(zip(names, at, strict=True)) in field}
    assert {tuple(at) for at in torch.nonzero(dx[0, 0]).tolist()} == seen


def summed(layer: strategies.Drawn, x: torch.Tensor) -> torch.Tensor:
    """Apply a layer; in place of a maximum, of which one pixel wins, the sum of the window as NaN tells it."""
    if not layer.text.startswith("maxpool"):
        return layer.apply(x)
    every = strategies.nan_poisoned(layer.apply, tuple(x.shape[2:])).double()
    axes = x.ndim - 2
    return torch.tensordot(x[0, 0], every, dims=axes)[None, None]


@settings(max_examples=30)
@given(strategies.layers(2), st.integers(3, 7), st.integers(3, 7), st.data())
def test_a_closed_form_reads_the_receptive_field(layer, height, width, data):
    """Where dY/dX is not 0 for positive weights, by its closed form, there the layer's unit sees."""
    operator = layer.text.split()[0]
    if operator in ("upsample", "maxpool"):
        return
    try:
        net = faltung.parse(layer.text).at(y=height, x=width)
        found = faltung.derive("dY/dX", layer.text, axes=2)
    except FaltungError:
        return
    sizes = net.shape(net.layers[-1].name)
    unit = tuple(data.draw(st.integers(0, size - 1)) for size in sizes)
    support = support_of(found, (height, width), sizes, unit)
    field = net.receptive_field(unit={"y": unit[0], "x": unit[1]})
    assert support == {(y, x) for y in range(height) for x in range(width) if {"y": y, "x": x} in field}


def support_of(found, pixels, sizes, unit):
    """Return where the closed form of dY/dX at one output is not 0, all weights being 1."""
    from faltung.formulas import Array, Instance, all_points, evaluate

    symbols = {}
    for axis, inputs, outputs in zip(found.layer.axes, pixels, sizes, strict=True):
        symbols |= {axis.inputs: inputs, axis.outputs: outputs}
    kernel = tuple(axis.kernel.number for axis in found.layer.axes)
    tensors = {"W": Array(np.ones(kernel, dtype=np.int64)), "R": Array(np.ones(sizes, dtype=np.int64))}
    instance = Instance(symbols, tensors)
    points, shape = all_points(found.own, instance)
    values = evaluate(found.closed_form.right, instance, points).reshape(shape)[unit]
    return {tuple(at) for at in np.argwhere(values != 0).tolist()}
