"""What a closed form is: found by comparing it with the formulas of convolutions, not looked up.

Each name comes with the formula that it stands for, built by `forms` from the layer that the name speaks of. A
closed form gets the name if the two are the same up to the names of summation indices; else it gets none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from faltung.formulas import (
    TEXT,
    Entry,
    Equal,
    Expression,
    Factor,
    Over,
    Partial,
    Scalar,
    Symbol,
    Term,
    floor,
    render,
    same,
    turn,
)
from faltung.gradient import forms
from faltung.gradient.forms import LOSS_BY_Y
from faltung.gradient.layers import Axis, Layer

Indices = tuple[Scalar, ...]
Put = Mapping[str, Callable[[Indices], Sequence[Factor]]]
"""What stands for X and for W in the formula of a layer."""

Candidate = tuple[Expression, str]


def name(closed: Expression, what: str, layer: Layer, target: Indices) -> str:
    """Return what a closed form is, in words; nothing where it is none of what is known here.

    Parameters
    ----------
    closed : Expression
        The derivative.
    what : str
        Which, such as 'dL/dX'.
    layer : Layer
        Of which layer.
    target : tuple of Scalar
        The indices of the entry by which the loss is derived.
    """
    makers = {"dL/dW": _weights, "dL/dX": _inputs, "dL/db": _bias}
    if what not in makers:
        return ""
    return "; ".join(words for expression, words in makers[what](layer, target) if same(closed, expression))


def _weights(layer: Layer, target: Indices) -> list[Candidate]:
    """dL/dW: a cross-correlation with stride and dilation swapped, for each pair of channels."""
    lead, taps = target[: len(target) - len(layer.axes)], target[len(target) - len(layer.axes) :]
    convolution = layer.operator == "conv"
    axes = [
        _swapped(axis, *((axis.inputs, axis.outputs) if convolution else (axis.outputs, axis.inputs)))
        for axis in layer.axes
    ]
    of_x: Indices = ()
    of_y: Indices = ()
    if lead and convolution:
        of_x, of_y = (layer.inputs * forms.block(layer, lead[0]) + lead[1],), (Scalar.of(lead[0]),)
    elif lead:
        group = Scalar.of(0) if layer.groups == Scalar.of(1) else floor(lead[0], layer.inputs)
        of_x, of_y = (Scalar.of(lead[0]),), (layer.outputs * group + lead[1],)

    def x(at: Indices) -> Sequence[Factor]:
        return [Entry("X", of_x + at)]

    def y(at: Indices) -> Sequence[Factor]:
        return [_of_loss(of_y + at)]

    inner = Layer("conv", tuple(axes), boundary=layer.boundary)
    expression = _put(inner, taps, {"X": x, "W": y} if convolution else {"X": y, "W": x})
    picture, kernel = ("X", LOSS_BY_Y) if convolution else (LOSS_BY_Y, "X")
    channels = ", for each pair of channels" if lead else ""
    words = (
        f"{picture} cross-correlated with {kernel} as the kernel{channels}: stride and dilation have changed places "
        f"({_numbers(inner)}), and what goes beyond the size of W is cut off"
    )
    return [(expression, words)]


def _swapped(axis: Axis, picture: Symbol, kernel: Symbol) -> Axis:
    """Return the axis of the cross-correlation that gives dL/dW: its outputs are the taps of W.

    The size of its answer is the kernel's, which is no symbol of its own: any symbol will do, for no formula
    holds the size of what it gives.
    """
    size = Symbol("size of W", 1)
    return Axis(Scalar.of(kernel), axis.dilation, axis.stride, axis.before, axis.after, axis.rest, picture, size)


def _inputs(layer: Layer, target: Indices) -> list[Candidate]:
    """dL/dX: the transposed operator."""
    if layer.operator == "maxpool":
        return _scattered(layer, target)
    back = Layer(
        "conv" if layer.operator == "tconv" else "tconv",
        tuple(replace(axis, inputs=axis.outputs, outputs=axis.inputs) for axis in layer.axes),
        layer.groups if layer.operator != "avgpool" else None,
        layer.outputs,
        layer.inputs,
        ceil=layer.ceil,
    )
    put: Put = {"X": lambda at: [_of_loss(at)], "W": lambda at: [Entry("W", at)]}
    scale = Scalar.of(1)
    kernel = "W"
    if layer.operator == "avgpool":
        (own,) = forms.form(layer).body.terms
        scale, kernel = own.scale, "ones"
        weighed = any(isinstance(factor, Entry) and factor.tensor == "R" for factor in own.factors)
        shares: Callable[[Indices], list[Factor]] = lambda at: [Entry("R", at)] if weighed else []  # noqa: E731
        put = {"X": lambda at: [*shares(at), _of_loss(at)], "W": lambda at: []}
    lead = target[: len(target) - len(layer.axes)]
    spatial = target[len(lead) :]
    padded = forms.letters("padded", layer)
    maps = {mapped.name: mapped for mapped in forms.mappings(layer)}
    copied = [mapping in maps for mapping in forms.mapping_names(layer)]
    at = [q if mapped else a for q, a, mapped in zip(padded, spatial, copied, strict=True)]
    # what lies beyond Y counts at the positions of the padding too: the ranges there are the wider ones
    ranges = forms.indexed(back, "Y").ranges
    wide = [forms.reach(layer, maps[n]) if n in maps else None for n in forms.mapping_names(layer)]
    wider = (replace(o, low=w.low, high=w.high) if w else o for o, w in zip(ranges[len(lead) :], wide, strict=True))
    opened = _put(back, [*lead, *at], put, (*ranges[: len(lead)], *wider))
    terms = []
    for term in opened.terms:
        over, conditions = list(term.over), list(term.conditions)
        for mapped in maps.values():
            summed = forms.reach(layer, mapped)
            over.append(summed)
            conditions.append(Equal(Scalar.of(mapped), Scalar.of(spatial[padded.index(summed.index)])))
        terms.append(Term(term.factors, tuple(over), tuple(conditions), term.scale * scale))
    picture = (
        f"R·{LOSS_BY_Y}" if "R" in {f.tensor for t in terms for f in t.factors if isinstance(f, Entry)} else LOSS_BY_Y
    )
    kind = "cross-correlation" if back.operator == "conv" else "transposed convolution"
    words = f"the {kind} of {picture} with {kernel} ({_numbers(back)})"
    if scale != Scalar.of(1):
        words += f", times {render.scalar(scale, TEXT)}"
    if any(copied):
        words += ", over the whole padded picture, of which each position gives its value to the pixel that it copies"
    candidates = [(Expression(tuple(terms)), words)]
    if layer.operator == "conv" and not any(copied) and all(axis.stride == Scalar.of(1) for axis in layer.axes):
        candidates.append(_flipped(layer, target))
    return candidates


def _flipped(layer: Layer, target: Indices) -> Candidate:
    """dL/dX at stride 1: a convolution, which is the cross-correlation with the kernel flipped."""
    axes = []
    for axis in layer.axes:
        before, after = axis.extent - 1 - axis.before, axis.extent - 1 - axis.after
        axes.append(replace(axis, inputs=axis.outputs, outputs=axis.inputs, before=before, after=after))
    back = Layer("conv", tuple(axes), layer.groups, layer.outputs, layer.inputs)
    lead = len(target) - len(axes)

    def flipped(at: Indices) -> Sequence[Factor]:
        taps = tuple(axis.kernel - 1 - m for axis, m in zip(axes, at[lead and 2 :], strict=True))
        if not lead:
            return [Entry("W", taps)]
        group = forms.block(back, target[0])
        channels = layer.outputs * group + at[1], target[0] - layer.inputs * group
        return [Entry("W", (*channels, *taps))]

    expression = _put(back, target, {"X": lambda at: [_of_loss(at)], "W": flipped})
    for tap in forms.letters("tap", layer):
        expression = turn(expression, tap)
    padding = _numbers(back).partition("padding ")[2]
    return expression, f"at stride 1 also its convolution with W, that is with the kernel flipped (padding {padding})"


def _scattered(layer: Layer, target: Indices) -> list[Candidate]:
    """dL/dX of max pooling: each output's derivative goes to the pixel of its maximum."""
    outputs = forms.indexed(layer, "Y").avoiding([s for index in target for s in index.symbols()])
    read = forms.form(layer).body.substitute(dict(zip(forms.letters("Y", layer), outputs.free, strict=True)))
    (term,) = read.terms
    (factor,) = term.factors
    assert isinstance(factor, Entry)
    conditions = tuple(Equal(e, Scalar.of(a)) for e, a in zip(factor.indices, target, strict=True))
    summed = Term((_of_loss(tuple(map(Scalar.of, outputs.free))),), outputs.ranges, conditions)
    return [(Expression((summed,)), f"{LOSS_BY_Y} of each window, given to the pixel that was its maximum")]


def _bias(layer: Layer, target: Indices) -> list[Candidate]:
    """dL/db: a sum over all positions."""
    outputs = forms.indexed(layer, "Y")
    spatial = outputs.ranges[len(outputs.ranges) - len(layer.axes) :]
    at = (*map(Scalar.of, target), *(Scalar.of(over.index) for over in spatial))
    words = f"the sum of {LOSS_BY_Y} over all positions" + (" of the channel" if target else "")
    return [(Expression((Term((_of_loss(at),), spatial),)), words)]


def _of_loss(at: Indices) -> Partial:
    return Partial(Expression.of(Entry("L")), Entry("Y", at))


def _put(
    layer: Layer, outputs: Sequence[Scalar | Symbol], put: Put, ranges: Sequence[Over] | None = None
) -> Expression:
    """Return the formula of a layer at some outputs, with something else for its X and W."""
    definition = forms.solved(layer, ranges)
    opened = definition.at(Entry.of("Y", *outputs))
    return Expression(
        tuple(
            replace(
                term,
                factors=tuple(new for f in term.factors if isinstance(f, Entry) for new in put[f.tensor](f.indices)),
            )
            for term in opened.terms
        )
    )


def _numbers(layer: Layer) -> str:
    """Return stride, dilation and padding in words, one number where all axes have the same."""
    said = []
    for what in ("stride", "dilation", "before"):
        values = list(dict.fromkeys(getattr(axis, what) for axis in layer.axes))
        said.append(f"{what.replace('before', 'padding')} {' and '.join(render.scalar(v, TEXT) for v in values)}")
    return ", ".join(said)
