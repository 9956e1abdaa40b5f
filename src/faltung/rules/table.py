"""The rows of PyTorch's operators: a rule for each, found by the operator's name.

A rule takes a `Call` and returns, for each tensor argument that is read, the relations to it. Every argument
that a rule does not look at is refused: an attribute that nobody reads is how tools come to be silently wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.relation import SAME, Along, AxisWise, Only, Relation, Shape, Whole


class UnknownOperator(FaltungError):
    """An operator without a rule: what it reads is not known, and it is never guessed."""

    def __init__(self, operator: str, layer: str, why: str = "it has no rule") -> None:
        super().__init__(
            f"unknown operator {operator} at layer {layer}: {why}; give it one with faltung.register_rule, or take it "
            "to read everything with unknown='reads-all'"
        )
        self.operator = operator
        self.layer = layer


@dataclass(frozen=True)
class Tensor:
    """A tensor argument of a call: its shape and dtype, and its source (empty for parameters and constants)."""

    shape: Shape
    source: str = ""
    dtype: str = "float32"
    values: Callable[[], Any] | None = None
    """Gives the numbers of a parameter or constant, to those who must know them; None for what is computed."""
    origin: "Callable[[], Call | None] | None" = None
    """Gives the call that the tensor comes from, to those whose rule depends on it."""
    row_major: bool = False
    """Its units lie in memory of their own, in row-major order."""
    name: str = ""
    """Of a parameter or buffer, as the model has it."""


Reading = Relation | tuple[Relation, ...]
Readings = Mapping[str | tuple[str, int], Reading]
"""For each tensor argument that is read (the number within a list second), its relation or the union of some."""


@dataclass
class Call:
    """One operator applied: its arguments by name, and the shape of its output.

    `call["stride"]` gives an argument and notes that it was looked at.
    """

    operator: str
    arguments: dict[str, Any]
    shape: Shape
    """Of the output that is asked about."""
    output: int = 0
    """Which output, for operators with several."""
    exact_weights: bool = False
    """Taps and channels whose weights are exactly zero count as not read."""
    seen: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    readings: Readings = field(default_factory=dict)
    """What its rule said, constants included."""

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument, or a default where the operator has none of this name."""
        self.seen.add(name)
        return self.arguments.get(name, default)

    def has(self, name: str) -> bool:
        """Say whether the operator has an argument of this name."""
        return name in self.arguments

    def skip(self, *names: str) -> None:
        """Note that arguments do not matter to what is read; of a tensor, that none of its numbers is read."""
        self.seen.update(names)
        self.skipped.update(names)

    def skip_rest(self) -> None:
        """Note that no other argument matters to what is read."""
        self.skip(*self.arguments)

    def shape_of(self, name: str) -> Shape:
        """Return the shape of a tensor argument."""
        tensor = self[name]
        assert isinstance(tensor, Tensor)
        return tensor.shape

    def tensors(self) -> Iterable[tuple[str | tuple[str, int], Tensor]]:
        """Yield all tensor arguments with their names."""
        for name, value in self.arguments.items():
            if isinstance(value, Tensor):
                yield name, value
            elif isinstance(value, list | tuple):
                for number, entry in enumerate(value):
                    if isinstance(entry, Tensor):
                        yield (name, number), entry

    def untold(self, readings: Readings) -> list[str]:
        """Return the arguments that a rule has neither looked at nor skipped, and the read tensors it leaves out."""
        told = {name if isinstance(name, str) else name[0] for name in readings}
        forgotten = {
            name if isinstance(name, str) else name[0]
            for name, tensor in self.tensors()
            if tensor.source and name not in readings
        }
        return sorted((set(self.arguments) - self.seen - told) | (forgotten - self.skipped))


Rule = Callable[[Call], Readings]

RULES: dict[str, Rule] = {}

SAME_EVERYWHERE: set[str] = set()
"""Operators of users, who say that they do the same at every place of the axes that their rules follow."""


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators, by their names without overload, such as "conv2d" for aten::conv2d."""

    def register(function: Rule) -> Rule:
        for operator in operators:
            assert operator not in RULES, operator
            RULES[operator] = function
        return function

    return register


def register_rule(operator: str, rule: Rule, *, same_everywhere: bool = False) -> None:
    """Give an operator of yours a rule, or replace the one that it has.

    Parameters
    ----------
    operator : str
        Its name with its namespace, such as "mylib::mirror"; PyTorch's own go without: "relu".
    rule : callable
        Takes a `Call` and returns, for each tensor argument that is read, its relation.
    same_everywhere : bool
        It does the same at every place of the axes that its rule follows: nothing in it depends on where a place
        lies. `faltung.check` grants it a lattice only then.

    >>> from faltung.relation import AxisWise
    >>> register_rule("mylib::twice", lambda call: {"x": AxisWise.same(len(call.shape_of("x")))})
    """
    if not callable(rule):
        raise FaltungError(f"the rule of {operator} must be a function of a Call, not {type(rule).__name__}")
    RULES[operator] = rule
    (SAME_EVERYWHERE.add if same_everywhere else SAME_EVERYWHERE.discard)(operator)


def broadcast(shape: Shape, output: Shape) -> AxisWise:
    """Return the relation of a pointwise operator to an argument that is stretched to the output's shape."""
    offset = len(output) - len(shape)
    return AxisWise(
        tuple(
            Only(IntervalSet.points([0])) if size == 1 and output[offset + axis] != 1 else Along(offset + axis, SAME)
            for axis, size in enumerate(shape)
        )
    )


def everything(shape: Shape) -> AxisWise:
    """Return the relation of what reads all of a tensor."""
    return AxisWise((Whole(),) * len(shape))


def per_axis(value: Any, axes: int) -> tuple[Any, ...]:
    """Return an argument that is a number or a list of one for every axis, as one for each axis."""
    entries = tuple(value) if isinstance(value, list | tuple) else (value,)
    return entries * axes if len(entries) == 1 else entries


def axis(number: int, rank: int) -> int:
    """Return an axis number counted from the front."""
    return number % rank if rank else 0
