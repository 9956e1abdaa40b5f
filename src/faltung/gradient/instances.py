"""Random layers with numbers: what a derivation is checked on.

The layer is worked out here tap by tap, from the index map of its boundary and nothing else of the derivation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.boundary import index_map, most_padding
from faltung.errors import FaltungError
from faltung.formulas import Array, Computed, Instance, Scalar, Symbol, number
from faltung.formulas.evaluate import Tensor
from faltung.gradient import forms
from faltung.gradient.layers import WEIGHTED, Axis, Layer
from faltung.rules import OPERATORS, TransposedWindow, Window

Numbers = NDArray[Any]

TRIES = 2000
"""So often numbers are drawn until they make a layer."""

LOSS = "L"


@dataclass(frozen=True)
class AxisNumbers:
    """One axis of a layer in numbers."""

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    output_padding: int
    inputs: int
    outputs: int


@dataclass(frozen=True, eq=False)
class Case:
    """A layer with numbers for all its symbols, and its tensors.

    Parameters
    ----------
    axes : tuple of AxisNumbers
        First axis first.
    groups, inputs, outputs : int
        Groups, and channels of one group.
    instance : Instance
        The numbers as formulas want them: X, W, b, Y and L, and what pooling needs besides.
    """

    layer: Layer
    axes: tuple[AxisNumbers, ...]
    groups: int
    inputs: int
    outputs: int
    instance: Instance

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> "Case":
        """Return the case with some tensors replaced, and all others computed anew."""
        instance = Instance(self.instance.symbols, {**self.instance.tensors, **tensors})
        return Case(self.layer, self.axes, self.groups, self.inputs, self.outputs, instance)


def draw(layer: Layer, random: np.random.Generator) -> Case:
    """Draw numbers for the symbols and the tensors of a layer; the loss is a random quadratic function of Y.

    Raises
    ------
    FaltungError
        If no numbers are found that make the layer.
    """
    problem = ""
    for _ in range(TRIES):
        values = {symbol: int(random.integers(low, high + 1)) for symbol, (low, high) in _spans(layer).items()}
        try:
            axes = tuple(_sizes(layer, axis, values, random) for axis in layer.axes)
        except FaltungError as error:
            problem = str(error)
            continue
        return _with_tensors(layer, axes, values, random)
    raise FaltungError(f"no numbers make this {layer.operator} a layer: {problem}")


def cost(layer: Layer) -> int:
    """Return about how many taps or outputs the smallest case of a layer has, whichever are more along each axis."""
    total = 1
    for axis in layer.axes:
        k, s, before, after = (n.number or 1 for n in (axis.kernel, axis.stride, axis.before, axis.after))
        total *= max(k, (before + after) // s)
    return total


def _spans(layer: Layer) -> dict[Symbol, tuple[int, int]]:
    """Return the range that each symbol is drawn from: small, and smaller where there are many axes."""
    many = len(layer.axes) > 2
    spans: dict[Symbol, tuple[int, int]] = {}

    def span(scalar: Scalar, low: int, high: int) -> None:
        for symbol in scalar.symbols():
            least, most = spans.get(symbol, (low, high))
            spans[symbol] = max(least, low), max(min(most, high), low, least)

    for axis in layer.axes:
        span(axis.kernel, 1, 2 if many else 3)
        span(axis.stride, 1, 2 if many else 3)
        span(axis.dilation, 1, 2 if many else 3)
        span(axis.before, 0, 1 if many else 2)
        span(axis.after, 0, 1 if many else 2)
        if layer.operator == "tconv":
            span(axis.rest, 0, 2)
    for scalar in (layer.groups or Scalar.of(1), layer.inputs, layer.outputs):
        span(scalar, 1, 2)
    return spans


def _sizes(layer: Layer, axis: Axis, values: Mapping[Symbol, int], random: np.random.Generator) -> AxisNumbers:
    """Draw the size of X along an axis; the rules of the text form tell that of Y, or refuse."""
    k, s, d, before, after = (number(scalar, values) for scalar in axis.numbers())
    extra = number(axis.rest, values) if layer.operator == "tconv" else 0
    every = {"k": k, "s": s, "d": d, "p": (before, after), "op": extra, "ceil": int(layer.ceil)}
    rule = OPERATORS[layer.operator].row(**{key: every[key] for key in OPERATORS[layer.operator].defaults})
    assert isinstance(rule, Window | TransposedWindow)
    most = max(1, 4 - len(layer.axes))
    if layer.operator == "tconv":
        least = max(1, -((d * (k - 1) + extra - before - after) // s) + 1)
    else:
        least = max(1, d * (k - 1) + 1 - before - after)
        while (limit := most_padding(least, layer.boundary)) is not None and limit < max(before, after):
            least += 1
    inputs = least + int(random.integers(0, most + 1))
    outputs = rule.output_size(inputs, axis="x", layer=layer.operator)
    numbers = AxisNumbers(k, s, d, before, after, extra, inputs, outputs)
    if layer.operator == "maxpool" and (_table(layer, numbers) < 0).all(axis=1).any():
        raise FaltungError("a window of padding alone has no maximum")
    return numbers


def _with_tensors(
    layer: Layer, axes: tuple[AxisNumbers, ...], values: dict[Symbol, int], random: np.random.Generator
) -> Case:
    for axis, numbers in zip(layer.axes, axes, strict=True):
        values |= {axis.inputs: numbers.inputs, axis.outputs: numbers.outputs}
    symbols = Instance(values, {})
    groups, inputs, outputs = (
        number(scalar, values) for scalar in (layer.groups or Scalar.of(1), layer.inputs, layer.outputs)
    )
    shapes = {name: _shape(forms.indexed(layer, name), symbols) for name in "XWYb"}
    tensors: dict[str, Tensor] = {"X": Array(random.integers(-9, 10, shapes["X"]))}
    if layer.operator in WEIGHTED:
        tensors["W"] = Array(random.integers(-9, 10, shapes["W"]))
        tensors["b"] = Array(random.integers(-9, 10, shapes["b"]))
    case = Case(layer, axes, groups, inputs, outputs, symbols)
    if layer.operator == "maxpool":
        tensors |= argmax(case, tensors["X"].values)  # type: ignore[attr-defined]
    if layer.operator == "avgpool" and layer.divisor in ("padded", "pixels"):
        tensors["R"] = Array(_shares(case))
    square, linear = random.integers(-5, 6, (2, *shapes["Y"]))
    tensors["Y"] = Computed(lambda instance: forward(case, instance))
    tensors[LOSS] = Computed(lambda instance: _loss(instance.array("Y"), square, linear))
    return case.with_tensors(tensors)


def _shape(indexed: forms.Indexed, symbols: Instance) -> tuple[int, ...]:
    """Return the shape of a tensor from the ranges of its indices; an index that is 0 has an axis of size 1."""
    sizes = {Scalar.of(o.index): number(o.high or Scalar.of(1), symbols.symbols) for o in indexed.ranges}
    return tuple(sizes.get(index, 1) for index in indexed.entry.indices)


def _loss(y: Numbers, square: Numbers, linear: Numbers) -> Numbers:
    return np.asarray((square * y * y + linear * y).sum())


def forward(case: Case, instance: Instance) -> Numbers:
    """Return Y, whole or in fractions, from the X, W and b of an instance."""
    layer = case.layer
    if layer.operator == "maxpool":
        return instance.array("X")[_chosen(case, instance)]
    weighted = layer.operator in WEIGHTED
    spatial = len(case.axes)
    x = instance.array("X")
    kernel = tuple(axis.kernel for axis in case.axes)
    w = instance.array("W") if weighted else np.ones(kernel, dtype=np.int64)
    plain = layer.groups is None or not weighted
    x, w = (x[None], w[None, None]) if plain else (x, w)
    convolve = _transposed if layer.operator == "tconv" else _convolved
    y = convolve(case, x, w)
    if layer.bias:
        y = y + instance.array("b").reshape((-1,) + (1,) * spatial)
    y = y[0] if plain else y
    if layer.operator == "avgpool":
        share = instance.array("R") if "R" in instance.tensors else Fraction(1, divisor(case))
        return np.asarray(y.astype(object) * share)
    return y


def divisor(case: Case) -> int:
    """Return the number that average pooling divides by, the same for every window."""
    if isinstance(case.layer.divisor, Scalar):
        return number(case.layer.divisor, case.instance.symbols)
    return int(np.prod([axis.kernel for axis in case.axes]))


def _table(layer: Layer, axis: AxisNumbers) -> Numbers:
    """Return the pixel that tap m of output i reads, as [i, m]; -1 where there is none."""
    copied = index_map(axis.inputs, axis.before, axis.after, layer.boundary)
    copied += [None] * (axis.stride * axis.outputs + axis.dilation * axis.kernel)  # a window that hangs over the end
    rows = [[copied[axis.stride * i + axis.dilation * m] for m in range(axis.kernel)] for i in range(axis.outputs)]
    return np.array([[-1 if pixel is None else pixel for pixel in row] for row in rows])


def _convolved(case: Case, x: Numbers, w: Numbers) -> Numbers:
    bordered = np.pad(x, [(0, 0)] + [(0, 1)] * len(case.axes))  # index -1 reads a 0
    tables = [_table(case.layer, axis) for axis in case.axes]
    y = np.zeros((case.groups * case.outputs, *(axis.outputs for axis in case.axes)), dtype=np.int64)
    for tap in product(*(range(axis.kernel) for axis in case.axes)):
        rows = (table[:, m] for table, m in zip(tables, tap, strict=True))
        read = bordered[np.ix_(np.arange(len(x)), *rows)]
        for group in range(case.groups):
            own = slice(group * case.outputs, (group + 1) * case.outputs)
            seen = slice(group * case.inputs, (group + 1) * case.inputs)
            weights: Any = (own, slice(None), *tap)
            y[own] += np.tensordot(w[weights], read[seen], 1)
    return y


def _transposed(case: Case, x: Numbers, w: Numbers) -> Numbers:
    sizes = [axis.outputs for axis in case.axes]
    y = np.zeros((case.groups * case.outputs, *(size + 1 for size in sizes)), dtype=np.int64)
    for tap in product(*(range(axis.kernel) for axis in case.axes)):
        places = []
        for axis, m in zip(case.axes, tap, strict=True):
            at = axis.stride * np.arange(axis.inputs) + axis.dilation * m - axis.before
            places.append(np.where((at >= 0) & (at < axis.outputs), at, axis.outputs))  # the last is thrown away
        for group in range(case.groups):
            own = np.arange(group * case.outputs, (group + 1) * case.outputs)
            seen = slice(group * case.inputs, (group + 1) * case.inputs)
            weights: Any = (seen, slice(None), *tap)
            np.add.at(y, np.ix_(own, *places), np.tensordot(w[weights].T, x[seen], 1))
    return y[(slice(None), *map(slice, sizes))]


def argmax(case: Case, x: Numbers) -> dict[str, Tensor]:
    """Return the taps at which each window of X is largest, the first of equals."""
    tables = [_table(case.layer, axis) for axis in case.axes]
    shape = tuple(axis.outputs for axis in case.axes)
    best = np.full(shape, np.iinfo(np.int64).min)
    taps = np.zeros((len(shape), *shape), dtype=np.int64)
    for tap in product(*(range(axis.kernel) for axis in case.axes)):
        rows = [table[:, m] for table, m in zip(tables, tap, strict=True)]
        inside = np.ones(shape, dtype=bool)
        for place, row in enumerate(rows):
            inside &= (row >= 0).reshape([-1 if n == place else 1 for n in range(len(rows))])
        read = x[np.ix_(*rows)]
        better = inside & (read > best)
        best = np.where(better, read, best)
        for place, m in enumerate(tap):
            taps[place][better] = m
    return {forms.argmax_name(case.layer, place): Array(along) for place, along in enumerate(taps)}


def _chosen(case: Case, instance: Instance) -> tuple[Numbers, ...]:
    """Return the pixels of the maxima, an array for each axis."""
    spatial = len(case.axes)
    places = []
    for place, axis in enumerate(case.axes):
        starts = axis.stride * np.arange(axis.outputs) - axis.before
        starts = starts.reshape([-1 if n == place else 1 for n in range(spatial)])
        places.append(starts + axis.dilation * instance.array(forms.argmax_name(case.layer, place)))
    return tuple(places)


def _shares(case: Case) -> Numbers:
    """Return one over what each window counts: its positions on the padded axis, or its pixels."""
    shares: Numbers = np.array(Fraction(1), dtype=object)
    for axis in case.axes:
        starts = axis.stride * np.arange(axis.outputs) - axis.before
        ends = np.minimum(starts + axis.kernel, axis.inputs + axis.after)
        if case.layer.divisor == "pixels":
            starts, ends = np.maximum(starts, 0), np.minimum(ends, axis.inputs)
        along = np.array([Fraction(1, int(count)) for count in ends - starts], dtype=object)
        shares = np.multiply.outer(shares, along)
    return np.asarray(shares, dtype=object)
