"""Networks described before their input size is known: layers with a rule per axis, bound to sizes by `at`."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from faltung.errors import FaltungError
from faltung.graph import INPUT, Edge, FeatureMap, Layer
from faltung.network import Network
from faltung.region import AXIS_NAMES, coordinates
from faltung.relation import Along, AxisWise
from faltung.rules import AxisRule

MOST_SIZE = 2**40
"""The largest size of a feature map along one axis; more comes from a slip."""


@dataclass(frozen=True)
class Branch:
    """What a layer reads from one source: one rule per axis, or a single rule for every axis."""

    source: str
    rules: tuple[AxisRule, ...]

    def over(self, axes: int) -> tuple[AxisRule, ...]:
        """Return a rule for each of some axes."""
        return self.rules if len(self.rules) > 1 else self.rules * axes


@dataclass(frozen=True)
class PlannedLayer:
    """A layer of a plan: several branches mean that it reads them all."""

    name: str
    operator: str
    branches: tuple[Branch, ...]

    def over(self, axes: int) -> Layer:
        """Return the layer over some axes."""
        edges = (
            Edge(
                branch.source,
                (AxisWise(tuple(Along(axis, rule.reads) for axis, rule in enumerate(branch.over(axes)))),),
            )
            for branch in self.branches
        )
        return Layer(self.name, self.operator, tuple(edges))


@dataclass(frozen=True, repr=False)
class Plan(Network):
    """A network from rules; before `at` its table has no sizes, and units cannot be asked about."""

    planned: tuple[PlannedLayer, ...] = field(default=())

    @classmethod
    def of(cls, planned: Iterable[PlannedLayer]) -> "Plan":
        """Return the plan of some layers, each reading earlier ones or the input."""
        planned = tuple(planned)
        axes = max((len(branch.rules) for layer in planned for branch in layer.branches), default=1)
        fitting = all(len(branch.rules) in (1, axes) for layer in planned for branch in layer.branches)
        return cls(tuple(layer.over(axes) for layer in planned) if fitting else (), planned=planned)

    def at(self, **sizes: int) -> "Plan":
        """Return the network bound to an input size, such as `net.at(y=428, x=640)`.

        Raises
        ------
        FaltungError
            If the axes are not x, or y and x, or z, y and x; a size is not positive; a layer has numbers for
            another count of axes; a window does not fit; or branches that meet differ in size.
        """
        axes = AXIS_NAMES[-len(sizes) :] if sizes else ()
        if not sizes or set(sizes) != set(axes):
            raise FaltungError(
                f"axes {', '.join(sizes) or 'none'}: name them x, or y and x, or z, y and x (x is the last)"
            )
        shape = coordinates(axes, sizes)
        for axis, size in zip(axes, shape, strict=True):
            _check_size(INPUT, axis, size)
        shapes = {INPUT: shape}
        for layer in self.planned:
            branches = [_output_shape(layer, branch, axes, shapes[branch.source]) for branch in layer.branches]
            if len(set(branches)) > 1:
                given = " and ".join("x".join(map(str, branch)) for branch in dict.fromkeys(branches))
                raise FaltungError(f"{layer.name}: branches of sizes {given} meet; they must be equal")
            shapes[layer.name] = branches[0]
        return Plan(
            tuple(layer.over(len(axes)) for layer in self.planned),
            {name: FeatureMap(axes, shape) for name, shape in shapes.items()},
            planned=self.planned,
        )


def _output_shape(
    layer: PlannedLayer, branch: Branch, axes: tuple[str, ...], source: tuple[int, ...]
) -> tuple[int, ...]:
    if len(branch.rules) not in (1, len(axes)):
        raise FaltungError(
            f"{layer.name} ({layer.operator}) has numbers for {len(branch.rules)} axes, and the input has "
            f"{len(axes)}: {', '.join(axes)}"
        )
    shape = []
    for rule, axis, inputs in zip(branch.over(len(axes)), axes, source, strict=True):
        size = rule.output_size(inputs, axis=axis, layer=layer.name)
        _check_size(layer.name, axis, size)
        shape.append(size)
    return tuple(shape)


def _check_size(name: str, axis: str, size: int) -> None:
    if not 1 <= size <= MOST_SIZE:
        raise FaltungError(f"{name}, axis {axis}: a size of {size} is not in 1..{MOST_SIZE}")
