"""Layers as formulas: what an entry of Y is, as a sum over entries of W and X."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from faltung.formulas import (
    At,
    Between,
    Condition,
    Definition,
    Entry,
    Equal,
    Expression,
    Factor,
    Facts,
    Mapped,
    Over,
    Partial,
    Scalar,
    Symbol,
    Term,
    eliminate,
    floor,
)
from faltung.formulas.expressions import scalars
from faltung.formulas.scalars import Like
from faltung.gradient.layers import WEIGHTED, Axis, Layer

LETTERS = {"Y": ("i", "j"), "W": ("u", "v"), "X": ("alpha", "beta"), "tap": ("m", "n"), "padded": ("q", "r")}
"""Letters of the indices of each tensor; with more axes than letters the first is numbered."""

LOSS_BY_Y = "∂L/∂Y"


@dataclass(frozen=True)
class Indexed:
    """An entry of a tensor, and the ranges of its indices; where an axis has size 1, its index is 0."""

    entry: Entry
    ranges: tuple[Over, ...]

    def avoiding(self, taken: Sequence[Symbol]) -> "Indexed":
        """Return the same with indices primed where their names are taken."""
        moved = Term((self.entry,), self.ranges).fresh(taken)
        (entry,) = moved.factors
        assert isinstance(entry, Entry)
        return Indexed(entry, moved.over)

    @property
    def free(self) -> tuple[Symbol, ...]:
        """The indices that are not 0 once and for all."""
        return tuple(over.index for over in self.ranges)


def indexed(layer: Layer, tensor: str) -> Indexed:
    """Return an entry of X, W, b or Y of a layer with its usual indices."""
    inputs, outputs = total(layer.inputs, layer.groups), total(layer.outputs, layer.groups)
    o, c = index(layer, "o"), index(layer, "c")
    channels: dict[str, list[Over]] = {}
    if layer.groups is not None and layer.operator in WEIGHTED:
        channels = {"X": [Over.below(c, inputs)], "Y": [Over.below(o, outputs)], "b": [Over.below(o, outputs)]}
        if layer.operator == "conv":
            channels["W"] = [Over.below(o, outputs), Over.below(c, layer.inputs)]
        else:
            channels["W"] = [Over.below(c, inputs), Over.below(o, layer.outputs)]
    sizes: dict[str, list[Like]] = {
        "X": [axis.inputs for axis in layer.axes],
        "Y": [axis.outputs for axis in layer.axes],
        "W": [axis.kernel for axis in layer.axes],
        "b": [],
    }
    spatial = [Over.below(i, size) for i, size in zip(letters(tensor, layer), sizes[tensor], strict=False)]
    overs = [*channels.get(tensor, []), *spatial]
    single = {over.index: 0 for over in channels.get(tensor, []) if over.high == Scalar.of(1)}
    entry = Entry(tensor, tuple(Scalar.of(over.index).substitute(single) for over in overs))
    return Indexed(entry, tuple(over for over in overs if over.index not in single))


def letters(tensor: str, layer: Layer) -> list[Symbol]:
    """Return the names of a tensor's indices along the axes of a layer."""
    given = LETTERS.get(tensor, ())
    count = len(layer.axes)
    names = given[:count] if count <= len(given) else [f"{given[0]}_{n + 1}" for n in range(count)] if given else []
    return [index(layer, name) for name in names]


def index(layer: Layer, name: str) -> Symbol:
    """Return an index, primed where a parameter or a size of the layer has its name."""
    symbol = Symbol(name)
    while symbol.name in layer.names:
        symbol = symbol.primed()
    return symbol


def total(channels: Scalar, groups: Scalar | None) -> Scalar:
    """Return the channels of all groups."""
    return channels if groups is None else channels * groups


def form(layer: Layer) -> Definition:
    """Return what an entry of Y is; for a transposed convolution with its deltas, which say where an input goes."""
    left = indexed(layer, "Y").free
    makers = {"conv": _convolution, "tconv": _transposed, "avgpool": _average, "maxpool": _maximum}
    terms = [makers[layer.operator](layer, letters("Y", layer))]
    if layer.bias:
        terms.append(Term((Entry.of("b", *left[: len(left) - len(layer.axes)]),)))
    return Definition("Y", left, Expression(tuple(terms)))


def solved(layer: Layer, ranges: Sequence[Over] | None = None) -> Definition:
    """Return what an entry of Y is, without deltas: those of a transposed convolution are solved for its input.

    `ranges` are those of the indices of Y, if others than its sizes.
    """
    definition = form(layer)
    known = facts(layer, indexed(layer, "Y").ranges if ranges is None else ranges)
    return replace(definition, body=eliminate(definition.body, known, letters("X", layer))[0])


def with_loss_by_y(expression: Expression) -> Expression:
    """Write the derivatives of L by entries of Y as a tensor of its own, where they are given and not to be found."""
    return Expression(
        tuple(
            replace(
                term,
                factors=tuple(Entry(LOSS_BY_Y, f.by.indices) if isinstance(f, Partial) else f for f in term.factors),
            )
            for term in expression.terms
        )
    )


def facts(layer: Layer, ranges: Sequence[Over] = ()) -> Facts:
    """Return what is known of sizes: the window that starts last still lies within the padded axis.

    conv    N + p + p' = s*(N' - 1) + d*(k - 1) + 1 + rest
    tconv   N' + p + p' = s*(N - 1) + d*(k - 1) + 1 + rest
    """
    if layer.ceil or layer.operator == "maxpool":
        return Facts(tuple(ranges))
    sizes = {}
    for axis in layer.axes:
        large, small = (axis.outputs, axis.inputs) if layer.operator == "tconv" else (axis.inputs, axis.outputs)
        covered = axis.stride * (Scalar.of(small) - 1) + axis.extent
        sizes[large] = covered + axis.rest - axis.before - axis.after
    return Facts(tuple(ranges), sizes)


def sizes(layer: Layer) -> list[tuple[Symbol, Scalar]]:
    """Return the size of Y along each axis, as it follows from that of X."""
    if layer.operator == "tconv":
        return list(facts(layer).sizes.items())
    found = []
    for axis in layer.axes:
        room = Scalar.of(axis.inputs) + axis.before + axis.after - axis.extent
        found.append((axis.outputs, floor(room, axis.stride) + 1))
    return found


def position(axis: Axis, output: Scalar | Symbol, tap: Scalar | Symbol | At) -> Scalar:
    """Return the input position that a tap of an output reads: s*i + d*m - p."""
    return axis.stride * output + axis.dilation * tap - axis.before


def reach(layer: Layer, mapped: Mapped) -> Over:
    """Return the positions of the padded axis on which an index map is defined."""
    place = mapping_names(layer).index(mapped.name)
    axis = layer.axes[place]
    return Over(letters("padded", layer)[place], axis.before * -1, Scalar.of(axis.inputs) + axis.after)


def pieces(layer: Layer, mapped: Mapped) -> list[tuple[Scalar, Between]]:
    """Return an index map piece by piece: the pixel that a position q copies, and for which q.

    Before the first pixel, among the pixels, and behind the last.
    """
    over = reach(layer, mapped)
    q, size = Scalar.of(over.index), mapped.size
    outside = {
        "reflect": (q * -1, (size - 1) * 2 - q),
        "replicate": (Scalar.of(0), size - 1),
        "circular": (q + size, q - size),
    }
    assert over.low is not None
    assert over.high is not None
    zero, (before, behind) = Scalar.of(0), outside[mapped.boundary]
    return [
        (before, Between(over.low, q, zero)),
        (q, Between(zero, q, size)),
        (behind, Between(size, q, over.high)),
    ]


def mappings(layer: Layer) -> list[Mapped]:
    """Return the index maps through which a layer reads, of their own argument q."""
    found = {}
    for term in form(layer).body.terms:
        for scalar in scalars(term):
            for atom in scalar.atoms():
                if isinstance(atom, Mapped):
                    found[atom.name] = replace(atom, of=Scalar.of(reach(layer, atom).index))
    return list(found.values())


def mapping_names(layer: Layer) -> list[str]:
    """Return the names of the index maps of the axes."""
    return [f"rho_{n + 1}" for n in range(len(layer.axes))] if len(layer.axes) > 1 else ["rho"]


def _convolution(layer: Layer, outputs: Sequence[Symbol]) -> Term:
    """Y[o, i] = sum of W[o, c, m] X[C*floor(o/O) + c, s*i + d*m - p]."""
    taps = letters("tap", layer)
    over = [Over.below(m, axis.kernel) for m, axis in zip(taps, layer.axes, strict=True)]
    read, conditions = _read(layer, outputs, taps, over)
    weights: list[Scalar] = [Scalar.of(m) for m in taps]
    if layer.groups is not None:
        o, c = index(layer, "o"), index(layer, "c")
        group = block(layer, o)
        over.insert(0, Over.below(c, layer.inputs))
        weights = [Scalar.of(o), Scalar.of(c), *weights]
        read = [layer.inputs * group + c, *read]
    return (
        facts(layer, indexed(layer, "Y").ranges).tidy(
            Term((Entry("W", tuple(weights)), Entry("X", tuple(read))), tuple(over), tuple(conditions))
        )
        or Term()
    )


def _transposed(layer: Layer, outputs: Sequence[Symbol]) -> Term:
    """Y[o, i] = sum of X[c, a] W[c, o, m] over all a and m with i = s*a + d*m - p."""
    taps, inputs = letters("tap", layer), letters("X", layer)
    over = [Over.below(a, axis.inputs) for a, axis in zip(inputs, layer.axes, strict=True)]
    over += [Over.below(m, axis.kernel) for m, axis in zip(taps, layer.axes, strict=True)]
    conditions = [
        Equal(Scalar.of(i), position(axis, a, m))
        for i, a, m, axis in zip(outputs, inputs, taps, layer.axes, strict=True)
    ]
    weights: list[Scalar] = [Scalar.of(m) for m in taps]
    read: list[Scalar] = [Scalar.of(a) for a in inputs]
    if layer.groups is not None:
        o, c = index(layer, "o"), index(layer, "c")
        group = block(layer, o)
        over.insert(0, Over.below(c, layer.inputs))
        weights = [layer.inputs * group + c, Scalar.of(o) - layer.outputs * group, *weights]
        read = [layer.inputs * group + c, *read]
    return (
        facts(layer, indexed(layer, "Y").ranges).tidy(
            Term((Entry("W", tuple(weights)), Entry("X", tuple(read))), tuple(over), tuple(conditions))
        )
        or Term()
    )


def _average(layer: Layer, outputs: Sequence[Symbol]) -> Term:
    """Y[i] = sum of X[s*i + m - p] over the window, by what it is divided by."""
    taps = letters("tap", layer)
    over = [Over.below(m, axis.kernel) for m, axis in zip(taps, layer.axes, strict=True)]
    read, conditions = _read(layer, outputs, taps, over)
    factors: list[Factor] = [Entry("X", tuple(read))]
    scale = Scalar.of(1)
    if isinstance(layer.divisor, Scalar):
        scale = scale / layer.divisor
    elif layer.divisor == "kernel":
        for axis in layer.axes:
            scale = scale / axis.kernel
    else:
        factors.insert(0, Entry.of("R", *outputs))
    return (
        facts(layer, indexed(layer, "Y").ranges).tidy(Term(tuple(factors), tuple(over), tuple(conditions), scale))
        or Term()
    )


def _maximum(layer: Layer, outputs: Sequence[Symbol]) -> Term:
    """Y[i] = X[s*i + d*A[i] - p], where A[i] is the tap at which the window is largest."""
    places = tuple(map(Scalar.of, outputs))
    read = [
        position(axis, i, At(argmax_name(layer, n), places))
        for n, (axis, i) in enumerate(zip(layer.axes, outputs, strict=True))
    ]
    return Term((Entry("X", tuple(read)),))


def argmax_name(layer: Layer, place: int) -> str:
    """Return the name of the tensor of the taps at which maxima were found, along an axis."""
    return f"A_{place + 1}" if len(layer.axes) > 1 else "A"


def _read(
    layer: Layer, outputs: Sequence[Symbol], taps: Sequence[Symbol], over: Sequence[Over]
) -> tuple[list[Scalar], list[Condition]]:
    """Return the pixels that a window reads, and the conditions under which they are there."""
    read, conditions = [], []
    known = facts(layer, indexed(layer, "Y").ranges)
    for place, (axis, i, m) in enumerate(zip(layer.axes, outputs, taps, strict=True)):
        at = position(axis, i, m)
        inside = Between(Scalar.of(0), at, Scalar.of(axis.inputs))
        if layer.boundary == "zero":
            conditions.append(inside)
            read.append(at)
        elif known.hold(inside, over):
            read.append(at)
        else:
            name = mapping_names(layer)[place]
            read.append(Scalar.of(Mapped(layer.boundary, name, at, Scalar.of(axis.inputs))))
    return read, list(conditions)


def block(layer: Layer, output: Symbol | Scalar) -> Scalar:
    """Return the group of an output channel; 0 where there is one group only."""
    if layer.groups is not None and layer.groups.number == 1:
        return Scalar.of(0)
    return floor(output, layer.outputs)
