"""Derivations: the textbook's answers, every layer against autograd, and broken derivations found out."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from torch import nn

import faltung
from faltung import FaltungError
from faltung.boundary import source
from faltung.formulas import Divides, Expression, Scalar, StepFails, number, rules
from faltung.gradient import deriving, forms, instances, names
from faltung.gradient.checking import _forward, _leaves
from faltung.gradient.reading import read

GENERAL = "conv k=k s=s d=d p=p g=g"

WEIGHTED = {
    "simplest": ("conv", 2),
    "general, one axis": (GENERAL, 1),
    "general, two axes": (GENERAL, 2),
    "general, three axes": (GENERAL, 3),
    "one channel": ("conv k=k s=s d=d p=p", 2),
    "numbers": ("conv k=3x2 s=2x1 d=1x2 p=1+0x2", 2),
    "one tap": ("conv k=1 s=2 p=1", 1),
    "same": ("conv p=same d=d", 1),
    "reflect": ("conv k=k s=s d=d p=p boundary=reflect g=g", 1),
    "replicate": ("conv k=3 s=2 p=2 boundary=replicate", 2),
    "circular": ("conv k=k s=s p=p boundary=circular g=2", 2),
    "transposed": ("tconv k=k s=s d=d p=p op=q g=g", 1),
    "transposed, two axes": ("tconv k=3 s=2 p=1 op=1", 2),
    "transposed, sides differ": ("tconv k=k s=2 p=1+0", 1),
}
POOLS = {
    "average": ("avgpool k=k s=s p=p", 2),
    "average, windows hang over": ("avgpool k=3 s=2 p=1 ceil=1", 1),
    "average, sides differ": ("avgpool k=2 p=1+0 ceil=1", 1),
    "maximum": ("maxpool k=k s=s d=d p=p", 2),
    "maximum, windows hang over": ("maxpool k=3 s=2 p=1+0 ceil=1", 1),
    "maximum, three axes": ("maxpool k=2", 3),
}
MODULES = {
    "conv": nn.Conv2d(6, 4, 3, 2, 1, groups=2),
    "depthwise": nn.Conv1d(4, 4, 3, groups=4, padding="same"),
    "multiplied": nn.Conv1d(2, 6, 3, groups=2, padding=2, padding_mode="circular"),
    "one output": nn.Conv1d(3, 1, 2),
    "one input": nn.Conv1d(1, 4, 2),
    "one output, transposed": nn.ConvTranspose1d(3, 1, 3, 2),
    "one input, transposed": nn.ConvTranspose1d(1, 3, 3, 2),
    "one output in each group, transposed": nn.ConvTranspose1d(4, 2, 3, 2, groups=2),
    "one to one": nn.Conv3d(1, 1, 2, bias=False),
    "transposed": nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, groups=2),
    "depthwise transposed": nn.ConvTranspose1d(3, 3, 3, 2, groups=3, dilation=2),
    "average": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "average, three axes": nn.AvgPool3d(2, 3, 1, ceil_mode=True),
    "average by a number": nn.AvgPool2d(2, 1, divisor_override=5),
    "maximum": nn.MaxPool1d(3, 2, 1, dilation=2),
}
WEIGHTS = ("dY/dW", "dY/dX", "dY/db", "dL/dW", "dL/dX", "dL/db")
INPUTS = ("dY/dX", "dL/dX")

CASES = [
    *((what, *layer) for layer in WEIGHTED.values() for what in WEIGHTS),
    *((what, *layer) for layer in POOLS.values() for what in INPUTS),
    *(
        (what, layer, None)
        for layer in MODULES.values()
        for what in (WEIGHTS if hasattr(layer, "weight") else INPUTS)
        if not (what.endswith("b") and layer.bias is None)
    ),
]


@pytest.mark.parametrize(
    ("what", "layer", "axes"), CASES, ids=[f"{what} {layer} {axes}" for what, layer, axes in CASES]
)
def test_autograd_agrees_to_the_bit(what, layer, axes):
    """The closed form is what autograd finds, in every bit, and a derivative of the loss has a name."""
    found = faltung.derive(what, layer, axes=axes)
    checked = found.check(6, seed=1)
    assert checked.compared > 0
    assert checked.different == 0
    assert found.checked == 5
    assert bool(found.words) == what.startswith("dL")
    assert found.steps[-1].formula == found.closed_form


# The textbook


TEXTBOOK = {
    ("dY/dW", "conv", 2): "∂Y[i, j]/∂W[u, v] = X[i + u, j + v]",
    ("dY/dW", "conv s=s", 2): "∂Y[i, j]/∂W[u, v] = X[s·i + u, s·j + v]",
    ("dY/dW", "conv s=s d=d p=p", 1): "∂Y[i]/∂W[u] = X[s·i + d·u − p] · [0 ≤ s·i + d·u − p < N]",
    ("dY/dX", "conv", 1): "∂Y[i]/∂X[α] = W[α − i] · [0 ≤ α − i < k]",
    ("dY/dX", "conv s=s d=d p=p", 1): ("∂Y[i]/∂X[α] = W[(α + p − s·i)/d] · [d | α + p − s·i, 0 ≤ (α + p − s·i)/d < k]"),
    ("dY/db", "conv g=1", 1): "∂Y[o, i]/∂b[o′] = δ(o, o′)",
    ("dL/dW", "conv", 2): "∂L/∂W[u, v] = Σ_{0≤i<N′₁, 0≤j<N′₂} ∂L/∂Y[i, j] · X[i + u, j + v]",
    ("dL/dX", "conv", 2): (
        "∂L/∂X[α, β] = Σ_{0≤m,n<k} ∂L/∂Y[α − m, β − n] · W[m, n] · [0 ≤ α − m < N′₁, 0 ≤ β − n < N′₂]"
    ),
    ("dL/dX", "conv s=s d=d p=p", 1): (
        "∂L/∂X[α] = Σ_{0≤m<k} ∂L/∂Y[(α + p − d·m)/s] · W[m] · [s | α + p − d·m, 0 ≤ (α + p − d·m)/s < N′]"
    ),
    ("dL/dW", "conv g=1", 1): "∂L/∂W[o, c, u] = Σ_{0≤i<N′} ∂L/∂Y[o, i] · X[c, i + u]",
    ("dL/dX", GENERAL, 1): (
        "∂L/∂X[c, α] = Σ_{0≤r<O, 0≤m<k} ∂L/∂Y[O·⌊c/C⌋ + r, (α + p − d·m)/s] · W[O·⌊c/C⌋ + r, c mod C, m]"
        " · [s | α + p − d·m, 0 ≤ (α + p − d·m)/s < N′]"
    ),
    ("dL/db", "conv g=1", 1): "∂L/∂b[o] = Σ_{0≤i<N′} ∂L/∂Y[o, i]",
    ("dL/db", "conv", 1): "∂L/∂b = Σ_{0≤i<N′} ∂L/∂Y[i]",
    ("dL/dX", "tconv s=s", 1): "∂L/∂X[α] = Σ_{0≤m<k} ∂L/∂Y[s·α + m] · W[m]",
    ("dL/dX", "avgpool", 1): "∂L/∂X[α] = 1/k Σ_{0≤m<k} ∂L/∂Y[(α − m)/k] · [k | α − m, 0 ≤ (α − m)/k < N′]",
    ("dL/dX", "maxpool k=2", 1): "∂L/∂X[α] = Σ_{0≤i<N′} δ(2·i + A[i], α) · ∂L/∂Y[i]",
    ("dL/dX", "conv k=3 p=1 boundary=circular", 1): (
        "∂L/∂X[α] = Σ_{−1≤q<N + 1, 0≤m<3} δ(ρ(q), α) · ∂L/∂Y[q − m + 1] · W[m] · [0 ≤ q − m + 1 < N′]"
    ),
}


@pytest.mark.parametrize("asked", TEXTBOOK, ids=str)
def test_closed_forms(asked):
    """What is found is what stands in the books, with what must divide and be in range."""
    what, layer, axes = asked
    assert str(faltung.derive(what, layer, axes=axes).closed_form) == TEXTBOOK[asked]


def test_the_steps_of_the_sheet():
    """The sheet's question 2a, step by step."""
    found = faltung.derive("dY/dW", "conv")
    assert (
        str(found)
        == """\
∂Y/∂W of conv k=k

Y[i, j] = Σ_{0≤m,n<k} W[m, n] · X[i + m, j + n]
        the layer: cross-correlation
∂Y[i, j]/∂W[u, v] = ∂/∂W[u, v] (Σ_{0≤m,n<k} W[m, n] · X[i + m, j + n])
        write Y as the layer makes it
  = Σ_{0≤m,n<k} X[i + m, j + n] · ∂W[m, n]/∂W[u, v]
        differentiate under the sum; X does not depend on W
  = Σ_{0≤m,n<k} δ(m, u) · δ(n, v) · X[i + m, j + n]
        an entry differentiated by an entry is 1 where they are the same one, and 0 else
  = X[i + u, j + v]
        each delta leaves one summand: m = u, n = v

closed form  ∂Y[i, j]/∂W[u, v] = X[i + u, j + v]
for          0 ≤ i < N′₁, 0 ≤ j < N′₂, 0 ≤ u, v < k
where        N′₁ = N₁ − k + 1
             N′₂ = N₂ − k + 1
checked      Every step holds on 5 random instances, compared exactly."""
    )
    assert found.conditions == ("0 ≤ i < N′₁", "0 ≤ j < N′₂", "0 ≤ u, v < k")


def test_conditions_are_kept():
    """What must divide and every range stand in the conditions, and what sizes and maps are beside them."""
    found = faltung.derive("dL/dX", "conv k=3 s=s p=p boundary=reflect", axes=1)
    assert found.conditions == ("ρ(q) = α", "s | q + p − m", "0 ≤ (q + p − m)/s < N′", "0 ≤ α < N")
    assert found.where == (
        "N′ = ⌊(N + 2·p − 3)/s⌋ + 1",
        "ρ(q) = −q for −p ≤ q < 0",
        "ρ(q) = q for 0 ≤ q < N",
        "ρ(q) = 2·N − q − 2 for N ≤ q < N + p",
    )
    shares = faltung.derive("dL/dX", nn.AvgPool1d(3, 2, 1, count_include_pad=False))
    assert shares.where == ("N′ = ⌊(N − 1)/2⌋ + 1", "R[i] = one over the window's pixels")


def test_names_are_found_and_not_given():
    """A closed form is called a convolution because it is the formula of one; another formula is not."""
    found = faltung.derive("dL/dW", "conv k=k s=s d=d p=p g=g", axes=1)
    assert found.words == (
        "X cross-correlated with ∂L/∂Y as the kernel, for each pair of channels: stride and dilation have changed "
        "places (stride d, dilation s, padding p), and what goes beyond the size of W is cut off"
    )
    assert faltung.derive("dL/dX", "conv d=2 p=1", axes=1).words == (
        "the transposed convolution of ∂L/∂Y with W (stride 1, dilation 2, padding 1); at stride 1 also its "
        "convolution with W, that is with the kernel flipped (padding 2·k − 3)"
    )
    assert faltung.derive("dL/dX", "avgpool k=3", axes=2).words == (
        "the transposed convolution of ∂L/∂Y with ones (stride 3, dilation 1, padding 0), times 1/9"
    )
    by = found.closed_form.left.terms[0].factors[0].by.indices
    (u,) = by[-1].symbols()
    moved = found.closed_form.right.substitute({u: Scalar.of(u) + 1})
    assert names.name(found.closed_form.right, "dL/dW", found.layer, by) == found.words
    assert names.name(moved, "dL/dW", found.layer, by) == ""
    strided = read("conv k=k s=2 d=d p=p g=g", 1, {})
    assert names.name(found.closed_form.right, "dL/dW", strided, by) == ""


# What the steps are checked on


@pytest.mark.parametrize("layer", [*WEIGHTED.values(), *POOLS.values()], ids=str)
def test_the_layers_are_pytorchs(layer):
    """The layer that the first step is checked on is PyTorch's, and so are the sizes that are told."""
    text, axes = layer
    spec, random = read(text, axes, {}), np.random.default_rng(5)
    for _ in range(10):
        case = instances.draw(spec, random)
        y, maxima = _forward(case, _leaves(case))
        case = case.with_tensors(maxima)
        ours = instances.forward(case, case.instance).astype(np.float64)
        assert np.allclose(ours, y.detach().numpy(), rtol=1e-15, atol=0)
        if not spec.ceil:
            assert [number(size, case.instance.symbols) for _, size in forms.sizes(spec)] == list(y.shape[-axes:])


@pytest.mark.parametrize("boundary", ["reflect", "replicate", "circular"])
def test_pieces_of_index_maps(boundary):
    """The pieces that an index map is written in are the pixels that the boundary copies."""
    spec = read(f"conv k=k p=2+3 boundary={boundary}", 1, {})
    (mapped,) = forms.mappings(spec)
    sizes = {spec.axes[0].inputs: 5}
    ((q, *_),) = [list(mapped.of.symbols())]
    found = {}
    for value, between in forms.pieces(spec, mapped):
        ends = [number(end, sizes) for end in (between.low, between.high)]
        found |= {at: number(value, sizes | {q: at}) for at in range(*ends)}
    assert found == {at: source(at, 5, boundary) for at in range(-2, 8)}


FIXED = rules._fixed
BROKEN = {
    "deltas without divisibility": (rules, "divides", lambda by, value: rules.Divides(Scalar.of(1), value)),
    "deltas without a range": (rules, "_fixed", lambda *given: replace(FIXED(*given), conditions=tuple(c for c in FIXED(*given).conditions if isinstance(c, Divides)))),
    "entries that are all the same": (deriving, "deltas", lambda e: Expression(tuple(replace(t, factors=t.factors[:-1]) for t in e.terms))),
    "a product without its factor": (deriving, "differentiate", lambda e: Expression(tuple(replace(t, factors=t.factors[1:]) for t in rules.differentiate(e).terms))),
    "padding on the wrong side": (forms, "position", lambda axis, i, m: axis.stride * i + axis.dilation * m + axis.before),
    "stride and dilation swapped": (forms, "position", lambda axis, i, m: axis.dilation * i + axis.stride * m - axis.before),
    "groups out of step": (forms, "block", lambda layer, o: Scalar.of(0)),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_rule_is_found(broken, monkeypatch):
    """No derivation is handed out whose steps numbers refute."""
    where, name, replacement = BROKEN[broken]
    monkeypatch.setattr(where, name, replacement)
    with pytest.raises((StepFails, IndexError)):
        faltung.derive("dL/dX", GENERAL, axes=1)


def test_a_wrong_closed_form_differs_from_autograd():
    """Check counts what differs."""
    right, wrong = (faltung.derive("dL/dX", f"conv k=3 s=2 p={p}", axes=1) for p in (1, 2))
    assert right.check(5).different == 0
    mixed = replace(right, closed_form=wrong.closed_form)
    assert 0 < mixed.check(5).different <= mixed.check(5).compared
    shifted = replace(right, closed_form=replace(right.closed_form, right=Expression(())))
    assert shifted.check(5).different > 0


def test_a_derivation_is_verified_anew():
    """Verify takes instances of one's own."""
    found, random = faltung.derive("dL/dX", GENERAL), np.random.default_rng(9)
    assert found.verify(instances.draw(found.layer, random).instance for _ in range(8)) == 8


def test_large_layers():
    """A layer of many taps is checked once, and says so."""
    found = faltung.derive("dY/dW", "conv k=300", axes=1)
    assert str(found).endswith("checked      Every step holds on 1 random instance, compared exactly.")


def test_more_axes_than_pytorch_has():
    """Four axes are derived and verified; there is no layer to compare them with."""
    found = faltung.derive("dY/dW", "conv", axes=4)
    assert str(found.closed_form) == ("∂Y[i₁, i₂, i₃, i₄]/∂W[u₁, u₂, u₃, u₄] = X[i₁ + u₁, i₂ + u₂, i₃ + u₃, i₄ + u₄]")
    with pytest.raises(FaltungError, match=r"^PyTorch has no conv of 4 axes to compare with; at most 3$"):
        found.check()


# How a layer is said


def test_layers_are_said_in_many_ways():
    """Text, keywords and modules that mean one layer give one derivation."""
    written = faltung.derive("dL/dX", "conv k=3x5 s=2 p=1+0x2 g=2").closed_form
    said = faltung.derive("dL/dX", kernel=(3, 5), stride=2, dilation=1, padding=((1, 0), 2), groups=2).closed_form
    assert str(said) == str(written)
    assert str(faltung.derive("dL/dX", "conv", stride="t", padding="same").layer.text) == "conv k=k s=t p=same"
    assert faltung.derive("dY/dX", nn.Conv2d(4, 8, (3, 5), 2, 1, groups=2)).layer.text == "conv k=3x5 s=2 p=1 g=2"
    assert faltung.derive("dY/dX", nn.ConvTranspose1d(4, 4, 4, 2, 1)).layer.text == "tconv k=4 s=2 p=1 g=1"
    assert faltung.derive("dY/dX", nn.MaxPool2d(2, ceil_mode=True)).layer.text == "maxpool k=2 ceil=1"
    assert faltung.derive("dY/dX", nn.Conv1d(1, 1, 3, padding="same", bias=False)).layer.text == "conv k=3 p=1"


def test_names_that_are_taken_step_aside():
    """A parameter may be called what a size or an index is called; the other gets a prime."""
    found = faltung.derive("dY/dW", "conv k=m s=N p=i", axes=1)
    assert str(found.closed_form) == "∂Y[i′]/∂W[u] = X[N·i′ + u − i] · [0 ≤ N·i′ + u − i < M]"
    assert found.check(5).different == 0


@pytest.mark.parametrize(
    ("what", "layer", "settings", "message"),
    [
        ("dL/dQ", "conv", {}, "unknown derivative 'dL/dQ'; did you mean dL/db or dL/dX?"),
        ("dL/dX", "convv", {}, "unknown operator 'convv'; did you mean conv or tconv?"),
        ("dL/dX", "upsample s=2", {}, "unknown operator 'upsample'; known: avgpool, conv, maxpool, tconv"),
        ("dL/dX", "", {}, "unknown operator ''; known: avgpool, conv, maxpool, tconv"),
        ("dL/dX", "conv k=3 q=2", {}, "conv has no key 'q'; it has k, s, d, p, g, boundary"),
        ("dL/dX", "avgpool d=2", {}, "avgpool has no key 'd'; it has k, s, p, ceil"),
        ("dL/dX", "conv s", {}, "'s' in 'conv s': expected key=value, such as s=2 or s=s"),
        ("dL/dX", "conv s=2 s=3", {}, "'s=3' in 'conv s=2 s=3': s is given twice"),
        ("dL/dX", "conv k=0", {}, "conv: k 0 must be at least 1"),
        ("dL/dX", "conv p=-1", {}, "conv: p -1 must be at least 0"),
        ("dL/dX", "conv k=1.5", {}, "conv: k must be a whole number or a name, got '1.5'"),
        ("dL/dX", "conv", {"stride": 2.5}, "conv: s must be a whole number or a name, got 2.5"),
        ("dL/dX", "conv k=X", {}, "conv: k cannot be called X, which is a tensor's name"),
        ("dL/dX", "conv k=3x3", {"axes": 1}, "conv: k has 2 entries, and there are 1 axes"),
        ("dL/dX", "conv k=3x3 s=1x2x3", {}, "conv: k has 2 entries, and there are 3 axes"),
        ("dL/dX", "conv", {"axes": 7}, "7 axes; 1 to 6 are derived"),
        ("dL/dX", "conv boundary=reflekt", {}, "unknown boundary 'reflekt'; did you mean reflect?"),
        ("dL/dX", "tconv boundary=reflect", {}, "tconv is padded with zeros, not with boundary reflect"),
        ("dL/dX", "maxpool k=2 p=2", {}, "maxpool: padding 2 is more than half of the pooling kernel of 2"),
        ("dL/dX", "tconv k=2 op=1", {}, "tconv: output padding 1 must be smaller than the stride 1 or the dilation 1"),
        ("dL/dX", "conv p=1+2+3", {}, "conv: p must be one number or before+after, got '1+2+3'"),
        ("dL/dW", "maxpool", {}, "maxpool has no weights, so there is no dL/dW; ask for dY/dX or dL/dX"),
        ("dY/db", "avgpool", {}, "avgpool has no bias, so there is no dY/db; ask for dY/dX or dL/dX"),
        ("dL/db", nn.Conv2d(1, 1, 3, bias=False), {}, "this conv has no bias, so there is no dL/db"),
        ("dL/dX", nn.Linear(2, 2), {}, "Linear is not derived; a Conv, ConvTranspose, AvgPool or MaxPool of 1 to 3 axes is"),
        ("dL/dX", nn.Conv2d(1, 1, 3), {"axes": 3}, "Conv2d has 2 axes, not 3"),
        ("dL/dX", "conv k=99", {}, "conv k=99 over 2 axes is too large to be checked by adding up its sums; put a name in place of a large number, such as k=k"),
        ("dL/dX", 3, {}, "int is not derived; a Conv, ConvTranspose, AvgPool or MaxPool of 1 to 3 axes is"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_refusals(what, layer, settings, message):
    """What cannot be derived is refused in one line."""
    with pytest.raises(FaltungError) as refused:
        faltung.derive(what, layer, **settings)
    assert str(refused.value) == message


def test_a_layer_that_pytorch_refuses(monkeypatch):
    """If PyTorch takes no layer that is drawn, the check says so."""
    from faltung.gradient import checking

    def refuse(*given):
        raise RuntimeError("no\n such layer")

    monkeypatch.setattr(checking, "_forward", refuse)
    with pytest.raises(FaltungError, match=r"^PyTorch refuses this conv: no such layer$"):
        faltung.derive("dY/dW", "conv", axes=1).check(2)


@pytest.mark.parametrize("n", [0, 100_001])
def test_refused_checks(n):
    """A check of nothing, or of far too much, is refused."""
    with pytest.raises(FaltungError, match=rf"^{n} layers to check; it must be in 1\.\.100000$"):
        faltung.derive("dY/dW", "conv").check(n)


# How it is written


def test_every_writing():
    """LaTeX, MathML and plain data say the same, and are well formed."""
    found = faltung.derive("dL/dX", "conv k=3 p=1 boundary=replicate g=2")
    assert found._repr_latex_() == f"$$\n{found.latex()}\n$$"
    assert found.latex().count("\\\\\n") == 2 * len(found.steps) - 1 + 1 + len(found.where)
    rows = ElementTree.fromstring(found.mathml()).iter("mtr")
    assert len(list(rows)) == 2 * len(found.steps) + 1 + len(found.where)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["closed_form"]["text"] == str(found.closed_form)
    assert told["steps"][-1]["reason"] == "only the channels of one group count"
    assert (told["layer"], told["axes"], told["checked"]) == ("conv k=3 p=1 g=2 boundary=replicate", 2, 5)
    for step in told["steps"]:
        ElementTree.fromstring(step["mathml"])


def test_command(run, monkeypatch):
    """`faltung derive` prints the derivation, fitted to the terminal."""
    monkeypatch.setenv("COLUMNS", "90")
    code, said, _ = run("derive", "dL/dX", "conv s=2 p=1", "--axes", "1", "--check", "20")
    assert code == 0
    assert said.startswith("∂L/∂X of conv k=k s=2 p=1\n")
    assert "\nclosed form  ∂L/∂X[α] = Σ_{0≤m<k} ∂L/∂Y[(α − m + 1)/2] · W[m]" in said
    assert said.rstrip().endswith(
        "numbers of 20 random layers compared with PyTorch's autograd in float64, 0 different."
    )
    assert all(len(line) <= 90 for line in said.splitlines()[:-1])
    code, said, _ = run("derive", "dY/dW")
    assert code == 0
    assert said.startswith("∂Y/∂W of conv k=k s=s d=d p=p g=g\n")


def test_command_writings(run):
    """--latex, --mathml and --json print what the derivation gives."""
    found = faltung.derive("dL/dW", "conv")
    assert run("derive", "dL/dW", "conv", "--latex")[1].strip() == found.latex()
    assert run("derive", "dL/dW", "conv", "--mathml")[1].strip() == found.mathml()
    code, said, errors = run("derive", "dL/dW", "conv", "--json", "--check", "3")
    told = json.loads(said)
    assert (code, told.pop("autograd")["different"]) == (0, 0)
    assert told == json.loads(json.dumps(found.to_dict()))
    assert "0 different" in errors


def test_command_refusals(run):
    """A mistake is one line and exit code 2; a difference would be exit code 1."""
    code, said, errors = run("derive", "dL/dW", "conv", "--latex", "--json")
    assert (code, said, errors) == (2, "", "faltung: --latex, --mathml and --json exclude each other\n")
    code, said, errors = run("derive", "dL/dW", "maxpool")
    assert (code, said) == (2, "")
    assert errors == "faltung: maxpool has no weights, so there is no dL/dW; ask for dY/dX or dL/dX\n"


def test_command_tells_a_difference(run, monkeypatch):
    """If a closed form ever differed from autograd, the exit code would be 1."""
    from faltung.gradient import checking

    monkeypatch.setattr(checking, "_floats", lambda values: np.arange(values.size) / 3 + np.float64(values.sum() != 0))
    monkeypatch.setattr(checking, "_ours", lambda derivation, case: np.full(1, np.pi))
    monkeypatch.setattr(checking, "_loss", lambda derivation, case, random: (np.full(1, np.pi), np.full(1, 3.0)))
    code, said, _ = run("derive", "dL/dW", "conv", "--check", "2")
    assert code == 1
    assert said.rstrip().endswith("2 different.")
