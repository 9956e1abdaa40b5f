"""Branches that a mirroring swaps: a net that answers the mean over a picture and its mirror image.

No layer of such a net need be symmetric, and a walk from layer to layer finds culprits. Yet what one branch makes of
the mirror image is what the other made of the picture. So every layer is written as an expression of the input, once
for the picture and once for its mirror image, and the two are compared. Equal expressions get equal numbers, by

    mirror(mirror(a)) = a
    layer(mirror(a)) = mirror(layer(a))        where the walk found nothing against the layer
    a + b = b + a,  (a + b) + c = a + (b + c)  and so for a product, a maximum and a minimum

Two calls of one operator with the same numbers and the same weights, by name, are the same function.
"""

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from faltung.equivariance.walk import Walk
from faltung.graph import Graph, Layer
from faltung.rules import behaviour
from faltung.rules.movement import FLIPS, flipped_axes
from faltung.rules.table import Call, Tensor

IN_ANY_ORDER = {"add": 0, "mul": 1, "maximum": None, "minimum": None}
"""Operators whose operands may change places and be bracketed otherwise, with the number that changes nothing."""


class Value(NamedTuple):
    """What a layer gives: the expression of that number, or its mirror image."""

    number: int
    mirrored: bool


class _Expressions:
    """Numbers for expressions; equal ones have the same."""

    def __init__(self, graph: Graph, walk: Walk) -> None:
        self.graph, self.walk = graph, walk
        self.numbers: dict[Hashable, int] = {}
        self.operands: dict[int, tuple[str, list[_Operand]]] = {}
        """Of sums and their like, with the operator."""
        self.flipped: dict[int, tuple[frozenset[int], int]] = {}
        """Of mirror images along further axes: which, and of what."""
        self.alike: set[int] = set()
        """Expressions that are their own mirror image; none of their values is called mirrored."""
        self.mirrored_axes = {name: self._axes_of(name) for name in walk.states}

    def number(self, expression: Hashable) -> int:
        return self.numbers.setdefault(expression, len(self.numbers))

    def _axes_of(self, name: str) -> tuple[int, ...] | None:
        """Return the axes along which a layer is mirrored with the input; None where that is not known."""
        state, shape = self.walk.states[name], self.graph.maps[name].shape
        if state.lost or any(way.to != place or not way.is_onto(shape[place]) for place, way in state.ways.items()):
            return None
        return tuple(sorted(state.ways))

    def of(self, mirrored: bool) -> dict[str, Value]:
        """Return every layer's value on the picture, or on its mirror image."""
        values = {
            name: Value(self.number(("input", name)), mirrored and name in self.walk.start)
            for name in self.graph.inputs
        }
        for layer in self.graph.layers:
            values[layer.name] = self._value(layer, values, mirrored)
        return values

    def _value(self, layer: Layer, values: dict[str, Value], mirrored: bool) -> Value:
        call = layer.call
        if not isinstance(call, Call) or not _is_a_function(layer, call, values):
            return Value(self.number(("alone", layer.name, mirrored)), False)
        if (turned := self._turned(layer, call, values)) is not None:
            return turned
        pieces = list(self._pieces(call, layer, values))
        others = tuple(piece for piece in pieces if not isinstance(piece, _Operand))
        operands = [piece for piece in pieces if isinstance(piece, _Operand)]
        in_any_order = call.operator in IN_ANY_ORDER and call.arguments.get("alpha", 1) == 1
        if in_any_order:
            operands = sorted(one for operand in operands for one in self._taken_apart(call.operator, operand))
        commutes, moves = self._commutes(layer), bool(self.mirrored_axes.get(layer.name))
        other_form = [operand.turned() for operand in operands] if commutes else operands
        other_form = sorted(other_form) if in_any_order else other_form
        form = min(operands, other_form)
        number = self.number((call.operator, call.output, others, tuple(form)))
        if in_any_order and set(others) <= _NOTHING_ELSE and (commutes or not moves):
            self.operands[number] = (call.operator, form)
        if commutes and moves and other_form == operands:
            self.alike.add(number)
        return Value(number, moves and other_form < operands)

    def _turned(self, layer: Layer, call: Call, values: dict[str, Value]) -> Value | None:
        """Return what a flip gives: the axes along which all is mirrored are taken apart from the rest of its axes."""
        axes = set(flipped_axes(call)) if call.operator in FLIPS else set()
        own = set(self.mirrored_axes.get(layer.edges[0].source) or ()) if axes else set()
        if not own or (own & axes and not own <= axes):
            return None
        number, mirrored = values[layer.edges[0].source]
        before, number = self.flipped.get(number, (frozenset(), number))
        rest = frozenset(axes - own) ^ before
        inner, number = number, self.number(("flip", rest, number)) if rest else number
        if rest:
            self.flipped[number] = (rest, inner)
            self.alike |= {number} if inner in self.alike else set()
        return Value(number, mirrored != (own <= axes) and number not in self.alike)

    def _commutes(self, layer: Layer) -> bool:
        """Say whether the layer makes of mirrored inputs the mirror image of what it makes of them."""
        state = self.walk.states.get(layer.name)
        sources = [edge.source for edge in layer.edges if edge.source in self.walk.states]
        return (
            state is not None
            and state.everywhere
            and layer.name not in state.unweighed
            and not any(culprit.layer == layer.name for culprit in state.culprits)
            and all(self.mirrored_axes[name] is not None for name in (layer.name, *sources))
        )

    def _pieces(self, call: Call, layer: Layer, values: dict[str, Value]) -> "Iterable[_Operand | Hashable]":
        """Yield the arguments of a call in their order: tensors of the graph, weights by name, and the rest."""

        def piece(name: str, given: Any) -> "Iterable[_Operand | Hashable]":
            if isinstance(given, list | tuple):
                yield (name, len(given))
                for entry in given:
                    yield from piece(name, entry)
            elif not isinstance(given, Tensor):
                told = (name, type(given).__name__, repr(given))
                yield _Operand(Value(self.number(told), False), False) if in_any_order and name == "other" else told
            elif given.source:
                yield (name, "computed")
                moves = bool(self.mirrored_axes.get(given.source)) and values[given.source].number not in self.alike
                yield _Operand(values[given.source], moves)
            else:
                yield (name, given.shape, layer.name if not given.name or "lifted" in given.name else given.name)

        in_any_order = call.operator in IN_ANY_ORDER
        for name, given in sorted(call.arguments.items()):
            if not (in_any_order and name == "other" and given == IN_ANY_ORDER[call.operator]):
                yield from piece("" if in_any_order and isinstance(given, Tensor) else name, given)

    def _taken_apart(self, operator: str, operand: "_Operand") -> "list[_Operand]":
        """Return the operands of a sum within a sum; else the operand itself."""
        inner, parts = self.operands.get(operand.value.number, ("", []))
        if inner != operator:
            return [operand]
        return [part.turned() for part in parts] if operand.value.mirrored else parts


class _Operand(NamedTuple):
    """A tensor that a layer reads, and whether it is mirrored with the input."""

    value: Value
    moves: bool

    def turned(self) -> "_Operand":
        """Return its mirror image."""
        return _Operand(Value(self.value.number, self.value.mirrored != self.moves), self.moves)


_NOTHING_ELSE: frozenset[Hashable] = frozenset((("", "computed"), ("alpha", "int", "1")))
"""The other arguments of a sum of computed tensors."""


def _is_a_function(layer: Layer, call: Call, values: dict[str, Value]) -> bool:
    """Say whether equal arguments make equal answers, and all of them are known."""
    known = all(tensor.source in values for _, tensor in call.tensors() if tensor.source)
    return known and not layer.unknown and not behaviour.draws(call)


def swapped(graph: Graph, walk: Walk, layer: str) -> bool:
    """Say whether the mirrored input gets a layer's answer mirrored, or the same where no such axis is left.

    Parameters
    ----------
    graph : Graph
        With sizes.
    walk : Walk
        Of the mirroring of one axis.
    layer : str
        One that depends on what is mirrored.
    """
    calls = [one.call for one in graph.layers if isinstance(one.call, Call)]
    if not any(call.operator in FLIPS for call in calls):
        return False
    expressions = _Expressions(graph, walk)
    still, moved = expressions.of(False)[layer], expressions.of(True)[layer]
    stays = not expressions.mirrored_axes[layer] and walk.axis not in graph.maps[layer].axes
    either = stays or still.number in expressions.alike
    return still.number == moved.number and (either or still.mirrored != moved.mirrored)
