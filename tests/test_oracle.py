"""Whole networks against oracles that know no rules: NaN, and where NaN cannot tell, derivatives.

Every element of every input, batch and channels included, against every unit of the output, borders included, in
both directions. Derivatives take over where NaN is left out (nanmean) or spreads before it is masked (causal
attention): in float64, with positive weights and numbers, through operators whose derivative is nowhere zero.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings

import faltung
from faltung import FaltungError, Network
from faltung.intervals import IntervalSet
from faltung.relation import SAME, Along, AxisWise, Only, Relation, Reshape, Whole
from faltung.rules.table import RULES, Call, Rule, everything
from tests.nan_oracle import painted, poisoned_reads, single, units
from tests.networks import NAN, OPERATORS, SMOOTH, Drawn, models

FIXED_BY_SIZE = "give the size instead"
"""Nearest neighbours by a factor where PyTorch's own kernels differ are refused, and say so."""


def captured(model: Drawn) -> Network:
    """Return the network of a model; a model that is refused with good reason is not counted."""
    try:
        return faltung.capture(model, *model.inputs())
    except FaltungError as error:
        assume(FIXED_BY_SIZE not in str(error))
        raise


def derivatives(model: Drawn) -> list[np.ndarray]:
    """Return, for each input, a bool array [input element..., output element...]: which derivatives are not 0."""
    inputs = [x.requires_grad_() for x in model.inputs()]
    y = model(*inputs)
    found = [np.zeros((*x.shape, *y.shape), dtype=bool) for x in inputs]
    for place in units(y.shape):
        slopes = torch.autograd.grad(y[place], inputs, retain_graph=True, allow_unused=True)
        for reads, slope in zip(found, slopes, strict=True):
            if slope is not None:
                reads[(..., *place)] = (slope != 0).numpy()
    return found


def disagreement(net: Network, told: list[np.ndarray]) -> str:
    """Compare a network's answers with an oracle's reads[input element][output element]; empty where all agree."""
    name, shape = net.name(None), net.shape(None)
    for place in units(shape):
        found = net.read_by([single(place)], None)
        for given_input, reads in zip(net.inputs, told, strict=True):
            assert reads.shape == (*net.shape(given_input), *shape), "the sizes differ"
            ours, truth = painted(found.get(given_input, ()), net.shape(given_input)), reads[(..., *place)]
            if not np.array_equal(ours, truth):
                return f"output {place} reads of {given_input}: {difference(ours, truth)}"
    for given_input, reads in zip(net.inputs, told, strict=True):
        for place in units(net.shape(given_input)):
            ours = painted(net.readers_of([single(place)], given_input, None).get(name, ()), shape)
            if not np.array_equal(ours, reads[place]):
                return f"{given_input} {place} is read by: {difference(ours, reads[place])}"
    return ""


def difference(ours: np.ndarray, truth: np.ndarray) -> str:
    """Return the places that only one side has."""
    too_many, missing = (list(zip(*np.nonzero(one & ~two), strict=True)) for one, two in ((ours, truth), (truth, ours)))
    parts = [("too many", too_many), ("missing", missing)]
    return "; ".join(f"{what} {[tuple(map(int, p)) for p in places[:5]]}" for what, places in parts if places)


def poison(model: Drawn) -> list[np.ndarray]:
    return poisoned_reads(model, *model.inputs())


# The oracle's verdicts


@given(models())
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_networks_read_what_nan_says(model):
    """NaN in an element of an input turns exactly those outputs NaN that read it."""
    found = disagreement(captured(model), poison(model))
    assert not found, found


@given(models(operators=SMOOTH, lifted=True))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_networks_read_what_derivatives_say(model):
    """An output has a derivative that is not 0 to exactly the elements that it reads."""
    found = disagreement(captured(model), derivatives(model))
    assert not found, found


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_is_drawn_and_right(name):
    """Every operator is drawn, captured and right, alone or after another: none is left out unnoticed."""
    told = OPERATORS[name]
    seen = []

    names = [name] if told.maps == 1 else [name, name, "scaled", "sliced"]

    @given(models(operators=names, longest=3, lifted=not told.nan))
    @settings(max_examples=4, suppress_health_check=list(HealthCheck))
    def compare(model: Drawn) -> None:
        found = disagreement(captured(model), poison(model) if told.nan else derivatives(model))
        assert not found, found
        seen.append(len(model.steps) > 1 or "ReLU" not in repr(model))

    compare()
    assert any(seen) or name == "relu"


def test_the_operators_that_are_drawn():
    """The list stands here, so that one that is no longer drawn is missed."""
    drawn = """
    adaptive_avg_pool adaptive_max_pool add antialiased area attention avg_pool batch_norm cat causal_attention
    channel_shuffle chunk conv conv_same conv_transposed cubic_interpolation diagonal differences einsum excite expanded
    flattened flipped focus gate group_norm halves_exchanged in_place instance_norm kronecker largest layer_norm linear
    linear_interpolation
    local_response_norm lower_triangle lp_pool max_pool mean mean_of_numbers nearest overlapped pad pad_from_itself
    patches permuted pixel_shuffle pixel_unshuffle prelu product relu repeated repeated_in_place rms_norm rolled
    running_sum scaled selected skip sliced softmax spectrogram spectrum stack unflattened viewed windowed
    """
    assert set(OPERATORS) == set(drawn.split())
    assert set(OPERATORS) == set(NAN) | set(SMOOTH)


# Rules broken on purpose


def blind(**told: Any) -> Callable[[Rule], Rule]:
    """Return what breaks a rule by telling it other arguments than the operator has."""

    def broken(rule: Rule) -> Rule:
        def tampered(call: Call) -> Any:
            changed = {name: value(call.arguments) if callable(value) else value for name, value in told.items()}
            return rule(replace(call, arguments={**call.arguments, **changed}))

        return tampered

    return broken


def instead(change: Callable[[Call], Relation]) -> Callable[[Rule], Rule]:
    """Return what breaks a rule by reading every tensor through another relation."""

    def broken(rule: Rule) -> Rule:
        def tampered(call: Call) -> Any:
            call.skip_rest()
            return {name: change(replace(call, arguments={"self": tensor})) for name, tensor in call.tensors()}

        return tampered

    return broken


def changed(change: Callable[[Along | Only | Whole], Along | Only | Whole]) -> Callable[[Rule], Rule]:
    """Return what breaks a rule by changing how it reads each axis."""

    def one(relation: Relation) -> Relation:
        return AxisWise(tuple(map(change, relation.sources))) if isinstance(relation, AxisWise) else relation

    def broken(rule: Rule) -> Rule:
        def tampered(call: Call) -> Any:
            return {
                name: tuple(map(one, reading)) if isinstance(reading, tuple) else one(reading)
                for name, reading in rule(call).items()
            }

        return tampered

    return broken


def first_alone(rule: Rule) -> Rule:
    """Break a rule so that all tensors but the first are forgotten."""

    def tampered(call: Call) -> Any:
        name, relation = next(iter(rule(call).items()))
        call.skip_rest()
        return {name: relation}

    return tampered


in_place = instead(lambda call: AxisWise.same(len(call.shape)))
as_a_view = instead(lambda call: Reshape())
all_of_it = instead(lambda call: everything(call.shape_of("self")))
not_whole = changed(lambda way: Only(IntervalSet.points([0])) if isinstance(way, Whole) else way)
not_listed = changed(lambda way: Along(way.axis, SAME) if isinstance(way, Along) else way)

BROKEN = [
    ("conv", "conv1d conv2d conv3d", {"no dilation": blind(dilation=1), "no stride": blind(stride=1)}),
    ("conv", "conv1d conv2d conv3d", {"no padding": blind(padding=0), "no groups": blind(groups=1)}),
    ("conv_same", "conv1d conv2d conv3d", {"'same' as 'valid'": blind(padding="valid")}),
    (
        "conv_transposed",
        "conv_transpose1d conv_transpose2d conv_transpose3d",
        {"no dilation": blind(dilation=1, output_padding=0), "no padding": blind(padding=0), "one channel": not_whole},
    ),
    (
        "max_pool",
        "max_pool1d max_pool2d max_pool3d",
        {"no dilation": blind(dilation=1), "no padding": blind(padding=0), "stride of the kernel": blind(stride=[])},
    ),
    ("avg_pool", "avg_pool1d avg_pool2d avg_pool3d", {"no padding": blind(padding=0)}),
    (
        "adaptive_avg_pool",
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d",
        {"all of the axis": all_of_it, "no windows": not_listed},
    ),
    (
        "linear_interpolation",
        "upsample_linear1d upsample_bilinear2d upsample_trilinear3d",
        {"the other align_corners": blind(align_corners=lambda given: not given["align_corners"])},
    ),
    (
        "nearest",
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d",
        {"no scale": not_listed},
    ),
    ("pad", "pad", {"sides exchanged": blind(pad=lambda given: given["pad"][::-1])}),
    ("pad_from_itself", "pad", {"constant": blind(mode="constant"), "replicate": blind(mode="replicate")}),
    ("pixel_shuffle", "pixel_shuffle", {"a view": as_a_view}),
    ("pixel_unshuffle", "pixel_unshuffle", {"a view": as_a_view}),
    ("channel_shuffle", "channel_shuffle", {"no shuffle": in_place}),
    ("sliced", "slice", {"no step": blind(step=1), "no start": blind(start=0)}),
    ("selected", "select", {"the first": blind(index=0)}),
    ("flipped", "flip", {"no flip": in_place, "all of it": all_of_it}),
    (
        "rolled",
        "roll",
        {"no shift": in_place, "one further": blind(shifts=lambda given: [s + 1 for s in given["shifts"]])},
    ),
    ("permuted", "permute", {"a view": as_a_view}),
    ("viewed", "reshape view", {"all of it": all_of_it}),
    ("patches", "im2col", {"no dilation": blind(dilation=[1, 1])}),
    ("windowed", "unfold", {"no step": blind(step=1)}),
    ("repeated_in_place", "repeat_interleave", {"all of it": all_of_it}),
    ("cat", "cat", {"the first alone": first_alone, "one over the other": in_place}),
    ("mean", "mean sum", {"one place": not_whole, "all of it": all_of_it}),
    ("running_sum", "cumsum", {"all of it": all_of_it, "no sum": not_listed}),
    ("softmax", "softmax log_softmax", {"place by place": in_place, "all of it": all_of_it}),
    ("batch_norm", "batch_norm", {"never in training": blind(training=False), "always": blind(training=True)}),
    ("layer_norm", "layer_norm", {"place by place": not_whole, "all of it": all_of_it}),
    ("group_norm", "group_norm", {"one group": blind(num_groups=1)}),
    ("instance_norm", "instance_norm", {"running statistics": blind(use_input_stats=False)}),
    ("linear", "linear", {"one channel": not_whole}),
    ("product", "matmul", {"one place": not_whole, "the first alone": first_alone}),
    ("attention", "scaled_dot_product_attention", {"one place": not_whole}),
    ("causal_attention", "scaled_dot_product_attention", {"not causal": blind(is_causal=False)}),
]
"""What is drawn, whose rules are broken, and how.

Sizes are PyTorch's own: ceil_mode and output_padding change nothing else, and nothing else is there to break.
"""


@pytest.mark.parametrize(
    ("name", "rules", "tamper"),
    [
        pytest.param(name, rules.split(), tamper, id=f"{name}, {how}")
        for name, rules, ways in BROKEN
        for how, tamper in ways.items()
    ],
)
def test_a_broken_rule_is_caught(name, rules, tamper, monkeypatch):
    """The oracle has teeth: each rule broken on purpose, one attribute unread, disagrees with it."""
    faltung.capture(torch.nn.ReLU(), torch.zeros(1))  # loads the rules
    for rule in rules:
        monkeypatch.setitem(RULES, rule, tamper(RULES[rule]))
    told = OPERATORS[name]

    @given(models(operators=[name], longest=3 if told.maps > 1 else 1, lifted=not told.nan))
    @settings(max_examples=150, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def compare(model: Drawn) -> None:
        found = disagreement(captured(model), poison(model) if told.nan else derivatives(model))
        assert not found, found

    with pytest.raises(AssertionError, match=r"too many|missing"):
        compare()
