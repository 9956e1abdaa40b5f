"""A shift, a mirroring or a turn of the input followed through a network, layer by layer, to what stands in its way.

A layer commutes with it if its relation does (`passing`), if the operator does the same everywhere
(`faltung.rules.behaviour`) and if the numbers that it takes do (`constants`). What stands in the way is noted
with its layer, and the walk goes on as if it did not, so that all of it is found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import lcm

from faltung.equivariance.constants import looked_at, mirrored_alike
from faltung.equivariance.passing import NOT_FOLLOWED, Passed, Ways, follow, through
from faltung.equivariance.ways import Way
from faltung.graph import Graph, Layer
from faltung.relation import Along, AxisWise, Relation, Shape
from faltung.rules import behaviour
from faltung.rules.table import Call, Tensor

ALL = "all"
"""The kind of a culprit that pools or measures a whole axis."""


@dataclass(frozen=True)
class Culprit:
    """A layer that stands in the way, and why.

    Parameters
    ----------
    layer, operator : str
        Its name and what it does.
    reason : str
        In words.
    kind : str
        ``'position'`` (it does something else at another place), ``'all'`` (it pools or measures all of an axis),
        ``'random'``, ``'unproved'`` (nothing is known against it, and nothing for it), ``'kernel'`` (its weights are
        not their own mirror image).
    """

    layer: str
    operator: str
    reason: str
    kind: str = "position"

    def __str__(self) -> str:
        own = self.layer.rpartition(".")[2].rstrip("_0123456789") == self.operator.rstrip("_0123456789")
        return f"{self.layer} {self.reason}" if own else f"{self.layer} ({self.operator}) {self.reason}"

    def to_dict(self) -> dict[str, str]:
        """Return it as plain data."""
        return {"layer": self.layer, "operator": self.operator, "reason": self.reason, "kind": self.kind}


def only_unproved(culprits: Iterable[Culprit]) -> bool:
    """Say whether nothing is known against it, and only not enough for it."""
    return all(culprit.kind == "unproved" for culprit in culprits)


@dataclass(frozen=True)
class State:
    """What is known of a layer: how its units go when the input is moved.

    Parameters
    ----------
    step : int
        How far the input is shifted, in pixels; 1 for a mirroring or a turn.
    ways : mapping of int to Way
        Where its units go then, by axis; the others stay where they are.
    culprits : tuple of Culprit
        What stood in the way down to here.
    lost : bool
        Where its units go is not known.
    follows : set of int
        Its axes along which it lies over the axis that moves, also where its units are lost.
    everywhere : bool
        Borders are taken onto borders as well (mirrorings and turns alone).
    unweighed : tuple of str
        Layers whose kernels have to be symmetric, and whose numbers are not known.
    """

    step: int
    ways: Ways
    culprits: tuple[Culprit, ...] = ()
    lost: bool = False
    follows: frozenset[int] = frozenset()
    everywhere: bool = True
    unweighed: tuple[str, ...] = ()

    @classmethod
    def of_input(cls, ways: Ways) -> "State":
        """Return the state of an input that goes some ways."""
        return cls(1, ways, follows=frozenset(ways))


@dataclass(frozen=True)
class _Read:
    """A tensor that a layer reads: its relation, with the state of what moves, or the constant that it is."""

    relation: Relation
    shape: Shape
    source: str = ""
    state: State | None = None
    constant: Tensor | None = None


@dataclass
class Walk:
    """Follows ways from the inputs to every layer that reads them.

    Parameters
    ----------
    graph : Graph
        With sizes.
    start : mapping of str to State
        The inputs that move.
    axis : str
        The name of what moves, for reasons.
    image : str
        What a mirroring or a turn makes of a kernel, for reasons; empty for a shift, which may be made several times.
    """

    graph: Graph
    start: Mapping[str, State]
    axis: str
    image: str = ""
    states: dict[str, State] = field(default_factory=dict)

    @property
    def shifts(self) -> bool:
        """Whether it is a shift."""
        return not self.image

    def __post_init__(self) -> None:
        self.states.update(self.start)
        for layer in self.graph.layers:
            if any(edge.source in self.states for edge in layer.edges):
                self.states[layer.name] = self._layer(layer)

    def _reads(self, layer: Layer) -> Iterable[_Read]:
        for edge in layer.edges:
            for relation in edge.relations:
                shape = self.graph.maps[edge.source].shape
                yield _Read(relation, shape, edge.source, self.states.get(edge.source))
        if isinstance(layer.call, Call):
            tensors = dict(layer.call.tensors())
            for name, reading in layer.call.readings.items():
                tensor = tensors.get(name)
                if tensor is not None and not tensor.source:
                    for relation in reading if isinstance(reading, tuple) else (reading,):
                        yield _Read(relation, tensor.shape, constant=tensor)

    def _layer(self, layer: Layer) -> State:
        reads = list(self._reads(layer))
        states = [read.state for read in reads if read.state is not None]
        found = _Found(layer, self.axis, list(dict.fromkeys(c for state in states for c in state.culprits)))
        unweighed = tuple(dict.fromkeys(name for state in states for name in state.unweighed))
        outputs = self.graph.maps[layer.name].shape
        if any(state.lost for state in states):
            return _lost(reads, found, outputs)
        call = layer.call if isinstance(layer.call, Call) else None
        if call is not None and behaviour.draws(call):
            found.blame("draws random numbers: it is in training mode", "random")
        if any(state.ways for state in states) and not _is_same_everywhere(layer, call):
            found.blame("has no rule that says that it does the same everywhere", "unproved")
        passed = [(read, self._pass(read, call, outputs, found)) for read in reads if read.state is not None]
        if any(one.trouble for _, one in passed):
            trouble = next(one.trouble for _, one in passed if one.trouble)
            found.blame(trouble.format(self.axis), "unproved" if trouble in NOT_FOLLOWED else "position")
            return _lost(reads, found, outputs)
        step = lcm(*(read.state.step * one.factor for read, one in passed if read.state))
        ways = self._met(passed, step, found)
        joined = None if call is None else behaviour.joined_axis(call)
        if joined in ways:
            self._check_joined(passed, joined, found)
        times = self._check_what_stays(reads, passed, ways, joined, outputs, found)
        everywhere = all(one.everywhere for _, one in passed) and all(state.everywhere for state in states)
        if not self.shifts and ways:
            unweighed += self._check_kernel(layer, call, reads, found)
        return State(
            step * times,
            {axis: way.times(times) for axis, way in ways.items()} if self.shifts else ways,
            tuple(found.culprits),
            follows=frozenset(ways),
            everywhere=everywhere,
            unweighed=tuple(dict.fromkeys(unweighed)),
        )

    def _pass(self, read: _Read, call: Call | None, outputs: Shape, found: "_Found") -> Passed:
        state = read.state
        assert state is not None
        still = [axis for axis, size in enumerate(read.shape) if size > 1 and axis not in state.ways]
        one = through(read.relation, state.ways, still, read.shape, outputs, self.shifts)
        if one.trouble:
            return one
        kept = dict(one.ways)
        for axis in one.whole:
            way = state.ways[axis]
            whole_circle = way.block == way.around == read.shape[axis]
            granted = whole_circle if self.shifts else state.everywhere
            if call is not None and behaviour.is_normaliser(call):
                kept[axis] = way.times(one.factor) if self.shifts else way
            elif call is None or not behaviour.is_symmetric(call):
                granted = False
            if not granted:
                gone = call is not None and behaviour.is_symmetric(call)
                words = "reads all of {}" if call is None else behaviour.what_is_whole(call)
                found.blame(words.format(self.axis), ALL if gone or axis in kept else "position")
        if one.fixed:
            found.blame(f"reads fixed places of {self.axis}")
        return replace(one, ways=kept)

    def _met(self, passed: list[tuple[_Read, Passed]], step: int, found: "_Found") -> dict[int, Way]:
        """Return how a layer's units go by all that it reads; where that differs, the layer is to blame."""
        ways: dict[int, Way] = {}
        by: dict[int, str] = {}
        for read, one in passed:
            assert read.state is not None
            times = step // (read.state.step * one.factor)
            for axis, way in one.ways.items():
                moved = way.times(times) if self.shifts else way
                if ways.setdefault(axis, moved) != moved:
                    pairs = ((ways[axis], by[axis]), (moved, read.source))
                    rates = " and ".join(f"{way.offset} ({name})" for way, name in pairs)
                    shift = f"move by {rates} units when {self.axis} moves by {step}"
                    found.blame(f"joins branches that {shift if self.shifts else 'do not lie alike over ' + self.axis}")
                by.setdefault(axis, read.source)
        if any(axis in one.still for _, one in passed for axis in ways if axis not in one.ways):
            found.blame(f"joins branches that move along different axes with {self.axis}")
        return ways

    def _check_joined(self, passed: list[tuple[_Read, Passed]], axis: int, found: "_Found") -> None:
        if sum(axis in one.ways for _, one in passed) > 1:
            found.blame(f"puts pieces one behind the other along {self.axis}")

    def _check_what_stays(
        self,
        reads: list[_Read],
        passed: list[tuple[_Read, Passed]],
        ways: Mapping[int, Way],
        joined: int | None,
        outputs: Shape,
        found: "_Found",
    ) -> int:
        """Look at what does not move; return how many times the shift must be made before it looks as before."""
        times = 1
        if joined in ways:
            return times  # pieces that do not move stand beyond the border of the one that does
        for read in reads:
            if read.constant is not None and ways:
                looked = looked_at(read.constant, read.relation, ways, outputs, self.shifts)
                if looked.times:
                    times = lcm(times, looked.times)
                else:
                    found.blame(looked.reason.format(self.axis), "position" if looked.known else "unproved")
            elif read.state is None and read.constant is None and _follows(read, ways):
                found.blame(f"reads {read.source}, which does not move with {self.axis}")
        return times

    def _check_kernel(self, layer: Layer, call: Call | None, reads: list[_Read], found: "_Found") -> tuple[str, ...]:
        """Look at the weights of a convolution; return its name where they are not known."""
        if call is None:
            return (layer.name,) if behaviour.has_text_kernel(layer.operator) else ()
        held = behaviour.kernel(call)
        moving = next((read for read in reads if read.state is not None and read.state.ways), None)
        if held is None or moving is None or moving.state is None:
            return ()
        weight, axes = held
        if weight.source:
            found.blame("weighs by numbers that depend on the input", "unproved")
            return ()
        first, kernel = len(moving.shape) - axes, weight.shape[-axes:]
        ways = {axis: Way(axis, 1, 0, kernel[axis]) for axis in range(axes)}
        for axis, way in moving.state.ways.items():
            if axis >= first:
                ways[axis - first] = Way(way.to - first, way.sign, 0, kernel[axis - first])
        numbers = None if weight.values is None else weight.values()
        if numbers is None or numbers.is_meta:
            return (layer.name,)
        difference = mirrored_alike(numbers.detach(), ways)
        if difference:
            size = (
                "is of another size than" if difference == float("inf") else f"differs by up to {difference:.3g} from"
            )
            found.blame(f"has a kernel that {size} {self.image}", "kernel")
        return ()


@dataclass
class _Found:
    """Collects what stands in the way at one layer."""

    layer: Layer
    axis: str
    culprits: list[Culprit]

    def blame(self, reason: str, kind: str = "position") -> None:
        """Note a reason against the layer, once."""
        culprit = Culprit(self.layer.name, self.layer.operator, reason, kind)
        if culprit not in self.culprits:
            self.culprits.append(culprit)


def _lost(reads: list[_Read], found: _Found, outputs: Shape) -> State:
    follows = [follow(read.relation, read.state.follows, read.shape, outputs) for read in reads if read.state]
    return State(1, {}, tuple(found.culprits), lost=True, follows=frozenset().union(*follows))


def _is_same_everywhere(layer: Layer, call: Call | None) -> bool:
    if call is None:
        return not layer.unknown and behaviour.is_text_operator(layer.operator)
    return not layer.unknown and behaviour.is_same_everywhere(call)


def _follows(read: _Read, ways: Mapping[int, Way]) -> bool:
    """Say whether a tensor that does not move lies along an axis that does."""
    if not ways:
        return False
    if not isinstance(read.relation, AxisWise):
        return True
    return any(
        isinstance(source, Along) and source.axis in ways and size > 1
        for source, size in zip(read.relation.sources, read.shape, strict=True)
    )
