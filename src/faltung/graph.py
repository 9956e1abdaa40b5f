"""A graph of named layers: who reads whom, the sizes of the feature maps, and units traced through it.

The questions stand on two walks: `read_by_region` goes back from units to everything they read, and
`readers_of_region` goes forward. Both clip at every layer, because zero padding inside a network carries no
information and is not the picture continued.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from faltung.errors import FaltungError, UnknownName
from faltung.reads import Reads
from faltung.region import AXIS_NAMES, Product, Region, Unit, coordinates, name_unit
from faltung.rules import AxisRule

INPUT = "input"
"""The name of the input among the layers."""

MOST_SIZE = 2**40
"""The largest size of a feature map along one axis; more comes from a slip."""


@dataclass(frozen=True)
class Edge:
    """What a layer reads from one source: one rule per axis, or a single rule for every axis."""

    source: str
    rules: tuple[AxisRule, ...]

    def rule(self, axis: int) -> AxisRule:
        """Return the rule of the axis with this number."""
        return self.rules[axis] if len(self.rules) > 1 else self.rules[0]


@dataclass(frozen=True)
class Layer:
    """A named operator and what it reads; several edges mean that it reads the union (add, concatenate)."""

    name: str
    operator: str
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Graph:
    """Layers in an order in which each reads only earlier ones, with the sizes of their feature maps.

    `axes` and `sizes` are empty until the graph is bound to an input size by `at`.
    """

    layers: tuple[Layer, ...]
    axes: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {INPUT}
        for layer in self.layers:
            for edge in layer.edges:
                if edge.source not in known:
                    raise FaltungError(f"layer {layer.name} reads {edge.source!r}, which is no earlier layer")
            if layer.name in known:
                raise FaltungError(f"two layers are named {layer.name!r}")
            known.add(layer.name)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {layer.name: place for place, layer in enumerate(self.layers)}

    def place(self, name: str | None) -> int:
        """Return the place of a layer in the order; -1 for the input, the last layer where `name` is None."""
        if name is None:
            return len(self.layers) - 1
        if name == INPUT:
            return -1
        if name not in self._places:
            raise UnknownName("layer", str(name), [INPUT, *self._places])
        return self._places[name]

    def name(self, name: str | None) -> str:
        """Return the name of a layer after checking it; the last layer's where `name` is None."""
        place = self.place(name)
        return self.layers[place].name if place >= 0 else INPUT

    def bound_sizes(self, sizes: Mapping[str, int]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
        """Return the axes and every layer's size for an input of the given size per axis.

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
            _check_size("input", axis, size)
        bound = {INPUT: shape}
        for layer in self.layers:
            branches = [_output_shape(layer, edge, axes, bound[edge.source]) for edge in layer.edges]
            if len(set(branches)) > 1:
                given = " and ".join("x".join(map(str, branch)) for branch in dict.fromkeys(branches))
                raise FaltungError(f"{layer.name}: branches of sizes {given} meet; they must be equal")
            bound[layer.name] = branches[0]
        return axes, bound

    def shape(self, name: str | None) -> tuple[int, ...]:
        """Return the size of a layer's feature map per axis; the last layer's where `name` is None."""
        if not self.axes:
            raise FaltungError("the network has no sizes yet; bind it to an input size with .at(y=…, x=…)")
        return self.sizes[self.name(name)]

    def unit(self, unit: Unit, layer: str | None) -> Region:
        """Return the region of one unit of a layer; refuse one that lies outside."""
        shape, name = self.shape(layer), self.name(layer)
        for axis, place, size in zip(self.axes, coordinates(self.axes, unit), shape, strict=True):
            if not 0 <= place < size:
                what = "pixel" if name == INPUT else "unit"
                raise FaltungError(
                    f"{what} {name_unit(unit)} lies outside {name}: {axis}={place} is not in 0..{size - 1}"
                )
        return Region.unit(self.axes, shape, unit)

    def read_by_region(self, region: Region, layer: str | None) -> dict[str, Region]:
        """Return, for each layer and the input, the units that a region of `layer` reads.

        Layers that it does not read are left out; `layer` itself stands with the region.
        """
        place = self.place(layer)
        traced: dict[str, list[Product]] = {self.name(layer): list(region.products)}
        regions: dict[str, Region] = {}
        for current in (*reversed(self.layers[: place + 1]), None):
            name = current.name if current else INPUT
            if name not in traced:
                continue
            regions[name] = Region.of(self.axes, self.sizes[name], traced.pop(name))
            for edge in current.edges if current else ():
                traced.setdefault(edge.source, []).extend(
                    read_through(edge, regions[name], self.sizes[edge.source]).products
                )
        return {name: region for name, region in regions.items() if region}

    def readers_of_region(self, region: Region, layer: str | None, last: str | None) -> dict[str, Region]:
        """Return, for each layer up to `last`, the units that read the region of `layer`, directly or not.

        Layers that do not read it are left out; `layer` itself stands with the region.
        """
        regions = {self.name(layer): region}
        for current in self.layers[self.place(layer) + 1 : self.place(last) + 1]:
            found: list[Product] = []
            for edge in current.edges:
                if edge.source in regions:
                    relations = [transposed(edge.rule(axis).reads) for axis in range(len(self.axes))]
                    found += _images(relations, regions[edge.source])
            reached = Region.of(self.axes, self.sizes[current.name], found)
            if reached:
                regions[current.name] = reached
        return regions

    @cached_property
    def relations(self) -> dict[str, tuple[Reads | None, ...]]:
        """For each layer and axis the relation to the input; None where branches move at different rates.

        It is the relation of the unbounded network: borders are not part of it.
        """
        count = max((len(edge.rules) for layer in self.layers for edge in layer.edges), default=1)
        count = len(self.axes) or count
        composed: dict[str, tuple[Reads | None, ...]] = {INPUT: (Reads(1, [[0]]),) * count}
        for layer in self.layers:
            composed[layer.name] = tuple(
                _meet([(edge.rule(axis).reads, composed[edge.source][axis]) for edge in layer.edges])
                for axis in range(count)
            )
        return composed


def read_through(edge: Edge, region: Region, shape: tuple[int, ...]) -> Region:
    """Return the units of a source of the given shape that the units of a region read through an edge."""
    relations = [edge.rule(axis).reads for axis in range(len(region.axes))]
    return Region.of(region.axes, shape, _images(relations, region))


@lru_cache(maxsize=4096)
def transposed(relation: Reads) -> Reads:
    """Return `relation.transpose()`, remembered: layers of a network repeat."""
    return relation.transpose()


def _images(relations: list[Reads], region: Region) -> list[Product]:
    return [
        tuple(relation.inputs_of(members) for relation, members in zip(relations, factors, strict=True))
        for factors in region.products
    ]


def _meet(branches: list[tuple[Reads, Reads | None]]) -> Reads | None:
    met: Reads | None = None
    for outer, inner in branches:
        if inner is None:
            return None
        composed = outer.compose(inner)
        if met is not None and not met.same_rate(composed):
            return None
        met = composed if met is None else met.union(composed)
    return met


def _output_shape(
    layer: Layer, edge: Edge, axes: tuple[str, ...], source: tuple[int, ...]
) -> tuple[int, ...]:
    if len(edge.rules) not in (1, len(axes)):
        raise FaltungError(
            f"{layer.name} ({layer.operator}) has numbers for {len(edge.rules)} axes, and the input has "
            f"{len(axes)}: {', '.join(axes)}"
        )
    shape = []
    for place, (axis, inputs) in enumerate(zip(axes, source, strict=True)):
        size = edge.rule(place).output_size(inputs, axis=axis, layer=layer.name)
        _check_size(layer.name, axis, size)
        shape.append(size)
    return tuple(shape)


def _check_size(name: str, axis: str, size: int) -> None:
    if not 1 <= size <= MOST_SIZE:
        raise FaltungError(f"{name}, axis {axis}: a size of {size} is not in 1..{MOST_SIZE}")
