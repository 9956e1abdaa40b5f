"""A graph of named layers: who reads whom, their feature maps, and units traced through them.

The questions stand on two walks: `read_by` goes back from units to everything they read, and `readers_of` goes
forward. Both clip at every layer, because zero padding inside a network carries no information and is not the
picture continued.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from faltung.errors import FaltungError, UnknownName
from faltung.intervals import IntervalSet
from faltung.region import Product, Region, Unit, coordinates, disjoint, joined, name_unit
from faltung.relation import Relation, clipped, whole
from faltung.views import stepped_over

INPUT = "input"
"""The name of a single input among the layers."""

ANY = ("n", "c")
"""Axes that a unit may leave out, meaning any: the batch and the channel."""


Known = dict[tuple[str, tuple[Product, ...]], dict[str, list[Product]]]
"""What units of a layer read, remembered between walks."""


@dataclass(frozen=True)
class FeatureMap:
    """The units of a layer: its axes, first to last, with their sizes."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Edge:
    """What a layer reads from one source: the union of some relations."""

    source: str
    relations: tuple[Relation, ...]


@dataclass(frozen=True)
class Layer:
    """A named operator and what it reads.

    Parameters
    ----------
    name, operator : str
        Its name in the network, and what it does.
    edges : tuple of Edge
        Its sources; several mean that it reads them all (add, concatenate).
    passes : bool
        Each unit reads the unit at its own place and nothing else: the walks step over such layers.
    parameters : int
        How many learned numbers it holds.
    unknown : str
        Name of an operator that has no rule and is taken to read everything; empty otherwise.
    call : Call, optional
        The call of the model that it stands for, with the constants that it takes; None for layers from text.
    """

    name: str
    operator: str
    edges: tuple[Edge, ...]
    passes: bool = False
    parameters: int = 0
    unknown: str = ""
    call: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Graph:
    """Layers in an order in which each reads only inputs and earlier layers, with their feature maps.

    `maps` is empty until the sizes are known.
    """

    layers: tuple[Layer, ...]
    maps: Mapping[str, FeatureMap] = field(default_factory=dict)
    inputs: tuple[str, ...] = (INPUT,)
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Further names of layers: modules that hold several, by the layer that gives their output."""
    outputs: tuple[str, ...] = ()
    """The layers that a model returns; the last one where there are none."""

    def __post_init__(self) -> None:
        known = set(self.inputs)
        for layer in self.layers:
            for edge in layer.edges:
                if edge.source not in known:
                    raise FaltungError(f"layer {layer.name} reads {edge.source!r}, which is no earlier layer")
            if layer.name in known:
                raise FaltungError(f"two layers are named {layer.name!r}")
            known.add(layer.name)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate((*self.inputs, *(layer.name for layer in self.layers)))}

    @cached_property
    def _hops(self) -> dict[str, tuple[Edge, ...]]:
        """For each layer that does not pass, its edges, with passing sources stepped over."""
        return {
            layer.name: tuple(Edge(self._roots[edge.source], edge.relations) for edge in layer.edges)
            for layer in self.layers
            if not layer.passes
        }

    @cached_property
    def _leaps(self) -> dict[str, tuple[Edge, ...]]:
        """The same, with views stepped over as well where axes are cut and joined again."""
        leaps = dict(self._hops)
        for name in leaps:
            found = stepped_over(name, self._relations, self.shape) if self.maps else None
            if found is not None:
                sources = dict.fromkeys(source for source, _ in found)
                leaps[name] = tuple(
                    Edge(source, tuple(relation for other, relation in found if other == source)) for source in sources
                )
        return leaps

    def _relations(self, name: str) -> list[tuple[str, Relation]]:
        return [(edge.source, relation) for edge in self.hops(name) for relation in edge.relations]

    @cached_property
    def _roots(self) -> dict[str, str]:
        """For each layer, the layer whose units its own repeat place by place."""
        roots = {name: name for name in self.inputs}
        for layer in self.layers:
            roots[layer.name] = roots[layer.edges[0].source] if layer.passes else layer.name
        return roots

    def name(self, name: str | None) -> str:
        """Return the name of a layer after checking it; the last layer's where `name` is None."""
        if name is None:
            return self.outputs[0] if self.outputs else (*self.inputs, *(layer.name for layer in self.layers))[-1]
        name = self.scopes.get(name, name)
        if name not in self._places:
            raise UnknownName("layer", str(name), [*self._places, *self.scopes])
        return name

    def input(self, which: int | str = 0) -> str:
        """Return the name of an input, given by its number or name."""
        if which in self.inputs:
            return str(which)
        if isinstance(which, int) and 0 <= which < len(self.inputs):
            return self.inputs[which]
        names = ", ".join(f"{number} ({name})" for number, name in enumerate(self.inputs))
        raise FaltungError(f"there is no input {which!r}; the inputs are {names}")

    def layer(self, name: str) -> Layer | None:
        """Return a layer by name; None for an input."""
        place = self._places[self.name(name)] - len(self.inputs)
        return self.layers[place] if place >= 0 else None

    def depth(self, name: str) -> int:
        """Return how many layers stand up to and with this one in the order."""
        return self._places[name] - len(self.inputs) + 1

    def up_to(self, name: str) -> Sequence[Layer]:
        """Return the layers up to and with this one."""
        return self.layers[: self.depth(name)]

    def map(self, name: str | None) -> FeatureMap:
        """Return the feature map of a layer; the last layer's where `name` is None."""
        if not self.maps:
            raise FaltungError("the network has no sizes yet; bind it to an input size with .at(y=…, x=…)")
        return self.maps[self.name(name)]

    def shape(self, name: str | None) -> tuple[int, ...]:
        """Return the size of a layer's feature map per axis."""
        return self.map(name).shape

    def unit(self, unit: Unit, layer: str | None) -> Product:
        """Return the units meant by `unit`: batch and channel may be left out. Refuse one that lies outside."""
        name, here = self.name(layer), self.map(layer)
        if isinstance(unit, Mapping):
            places = coordinates(
                here.axes, {**unit, **{axis: 0 for axis in ANY if axis in here.axes and axis not in unit}}
            )
        else:
            places = coordinates(tuple(axis for axis in here.axes if axis not in ANY), unit)
        product: list[IntervalSet] = []
        for axis, size, place in zip(here.axes, here.shape, places, strict=True):
            if not 0 <= place < size:
                what = "pixel" if name in self.inputs else "unit"
                raise FaltungError(
                    f"{what} {name_unit(unit)} lies outside {name}: {axis}={place} is not in 0..{size - 1}"
                )
            product.append(IntervalSet.points([place]) if axis in unit else whole(size))
        return tuple(product)

    def region(self, name: str, products: Iterable[Product], axes: Sequence[str]) -> Region:
        """Return the region of a layer over some of its axes that products over all of them cover."""
        here = self.maps[name]
        chosen = [place for place, axis in enumerate(here.axes) if axis in axes]
        return Region.of(
            tuple(here.axes[place] for place in chosen),
            tuple(here.shape[place] for place in chosen),
            [tuple(factors[place] for place in chosen) for factors in products],
        )

    def shown_axes(self, name: str, also: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the axes over which a layer's regions are told: the batch and the channel only if asked for."""
        return tuple(axis for axis in self.maps[name].axes if axis not in ANY or axis in also)

    def read_through(self, edge: Edge, products: Sequence[Product], layer: str) -> list[Product]:
        """Return the units of an edge's source that units of its layer read, clipped to the source."""
        inputs, outputs = self.maps[edge.source].shape, self.maps[layer].shape
        found = [factors for relation in edge.relations for factors in relation.inputs_of(products, inputs, outputs)]
        return clipped(found, inputs)

    def read_by(
        self, products: Sequence[Product], layer: str | None, known: Known | None = None
    ) -> dict[str, list[Product]]:
        """Return, for each input, the pixels that units of `layer` read; inputs not read are left out.

        Several walks that share `known` go the same way once only.
        """
        start = self._roots[self.name(layer)]
        pending: dict[str, list[Product]] = {start: list(products)}
        found: dict[str, list[Product]] | None = None
        passed = []
        for current in reversed(self.up_to(start)):
            if current.name not in pending:
                continue
            here = joined(pending.pop(current.name))
            if known is not None and not pending:  # all ways lead through these units
                passed.append((current.name, tuple(here)))
                found = known.get(passed[-1])
                if found is not None:
                    break
            for edge in self._leaps[current.name]:
                read = self.read_through(edge, here, current.name)
                if read:
                    pending.setdefault(edge.source, []).extend(read)
        if found is None:
            found = {name: disjoint(read) for name, read in pending.items()}
        if known is not None:
            known.update(dict.fromkeys(passed, found))
        return found

    def readers_of(
        self,
        products: Sequence[Product],
        source: str,
        last: str | None,
        *,
        every: bool = False,
        leaping: bool = True,
    ) -> dict[str, list[Product]]:
        """Return, for `last` and each layer on the way to it, the units that read units of an input or layer.

        Layers that repeat another one's units or that none of the units reach are left out. With `every` all layers up
        to `last` count, those too that it does not depend on; without `leaping` those too that walks leap over.
        """
        edges = self._leaps if leaping else self._hops
        last = self.name(last)
        layers = self.layers[max(self.depth(source), 0) : self.depth(last)]
        wanted = {self._roots[last]}
        for current in reversed(layers):
            if current.name in wanted:
                wanted.update(edge.source for edge in edges[current.name])
        found: dict[str, list[Product]] = {source: list(products)}
        for current in layers:
            if current.passes or not (every or current.name in wanted):
                continue
            outputs = self.maps[current.name].shape
            here = [
                factors
                for edge in edges[current.name]
                if edge.source in found
                for relation in edge.relations
                for factors in relation.outputs_of(found[edge.source], self.maps[edge.source].shape, outputs)
            ]
            here = clipped(here, outputs)
            if here:
                found[current.name] = joined(here)
        if self._roots[last] in found:
            found[last] = found[self._roots[last]]
        return found

    def leaps(self, name: str) -> tuple[Edge, ...]:
        """Return the edges of a layer, with views stepped over as well where axes are cut and joined again."""
        return self._leaps.get(self._roots[name], ())

    def hops(self, name: str) -> tuple[Edge, ...]:
        """Return the edges of a layer, passing layers stepped over; none for an input."""
        return self._hops.get(self._roots[name], ())

    def root(self, name: str) -> str:
        """Return the layer whose units this layer's repeat place by place."""
        return self._roots[name]
