"""Which layers read the whole picture: every unit of theirs reads all of it, and more depth adds no context.

It is said only where it is proved, and left unsaid where a proof would take too long.
"""

from collections.abc import Iterable
from functools import cached_property
from itertools import product
from math import prod

from faltung.graph import ANY, Known
from faltung.intervals import IntervalSet
from faltung.lattice import Lattices
from faltung.reads import Reads
from faltung.region import Product, joined
from faltung.relation import Along, AxisWise, Only, clipped, whole

MOST_UNITS = 400
"""How many units of a layer are looked at one by one, where the axes cannot be looked at apart."""


class Completeness:
    """Finds the layers that read a whole picture; batch and channel stand for any. To be asked in the layers' order."""

    def __init__(self, lattices: Lattices) -> None:
        self.lattices, self.graph = lattices, lattices.graph
        picture = self.graph.maps[lattices.input]
        self.shown = [place for place, axis in enumerate(picture.axes) if axis not in ANY]
        self.shape = tuple(picture.shape[place] for place in self.shown)
        self._units: dict[str, list[Product]] = {}
        """For each layer, units that read the whole picture, each by itself and not as one of its channels."""
        self._known: Known = {}

    def of(self, layer: str) -> bool:
        """Say whether every unit of a layer reads the whole picture."""
        if not self.shown:
            return False
        self._units[layer] = self._heirs(layer)
        if self._are_all(self._units[layer], layer):
            return True
        complete = self._reaches_both_ends(layer) and (self._reads_the_same(layer) or self._units_read_all(layer))
        if complete and self._channels_agree(layer):
            self._units[layer] = [tuple(map(whole, self.graph.maps[layer].shape))]
        return complete

    def _heirs(self, layer: str) -> list[Product]:
        """Return units that read some unit that reads the whole picture."""
        above = self.graph.maps[layer].shape
        readers: list[Product] = []
        for edge in self.graph.hops(layer):
            units, below = self._units.get(edge.source, []), self.graph.maps[edge.source].shape
            for relation in edge.relations if units else ():
                readers += relation.outputs_of(units, below, above)
        return joined(clipped(readers, above))

    def _channels_agree(self, layer: str) -> bool:
        """Say whether a unit reads the same at each of its channels."""
        here = self.graph.maps[layer]
        some = {place for place, axis in enumerate(here.axes) if axis in ANY and here.shape[place] > 1}
        return not some & self._followed(layer)

    def _followed(self, layer: str) -> set[int]:
        """Return the axes of a layer that matter: units that differ along the others read the same."""
        relations = [relation for edge in self.graph.leaps(layer) for relation in edge.relations]
        axis_by_axis = [relation for relation in relations if isinstance(relation, AxisWise)]
        if not relations or len(axis_by_axis) < len(relations):
            return set(range(len(self.graph.maps[layer].axes)))
        return set().union(*map(_axes, axis_by_axis))

    def _are_all(self, products: Iterable[Product], layer: str) -> bool:
        region = self.graph.region(layer, products, self.graph.shown_axes(layer))
        return region.size == prod(region.shape)

    def _reaches_both_ends(self, layer: str) -> bool:
        """Say whether the first and the last unit along each axis would read it all, if there were no borders."""
        for place, size in zip(self.shown, self.shape, strict=True):
            entry = self.lattices.entries[layer][place]
            if isinstance(entry, Only) and len(entry.places) == size:
                continue
            if not isinstance(entry, Along) or not isinstance(entry.reads, Reads) or not all(entry.reads.taps):
                return False
            for end in (0, self.graph.maps[layer].shape[entry.axis] - 1):
                if not whole(size).issubset(entry.reads.inputs_of(IntervalSet.one(end))):
                    return False
        return True

    @cached_property
    def _readers_of_corners(self) -> list[dict[str, list[Product]]]:
        """The units that read the first and the last pixel, found once for all layers: most do not pass this."""
        source = self.lattices.input
        picture = self.graph.maps[source]
        corners: list[Product] = [
            tuple(
                IntervalSet.one(end % size) if place in self.shown else whole(size)
                for place, size in enumerate(picture.shape)
            )
            for end in (0, -1)
        ]
        last = self.graph.layers[-1].name if self.graph.layers else source
        return [self.graph.readers_of([corner], source, last, every=True) for corner in corners]

    def _reads_all(self, units: list[Product], layer: str) -> bool:
        read = self.graph.read_by(units, layer, self._known).get(self.lattices.input, [])
        return self._are_all(read, self.lattices.input)

    def _reads_the_same(self, layer: str) -> bool:
        """Say whether all units read the same of some source, and with it the whole picture."""
        here = self.graph.maps[layer]
        for edge in self.graph.leaps(layer):
            below = self.graph.maps[edge.source].shape
            for relation in edge.relations:
                if isinstance(relation, AxisWise) and all(here.axes[axis] in ANY for axis in _axes(relation)):
                    read = relation.inputs_of([tuple(map(whole, here.shape))], below, here.shape)
                    if self._reads_all(clipped(read, below), edge.source):
                        return True
        return False

    def _units_read_all(self, layer: str) -> bool:
        """Look at single units, any channel of each, those at the corners first.

        Where a unit reads a box, its axes may be looked at one by one; else each unit counts, if they are few.
        """
        if not all(self._are_all(seen.get(layer, ()), layer) for seen in self._readers_of_corners):
            return False
        here = self.graph.maps[layer]
        axes = [place for place in self._followed(layer) if here.axes[place] not in ANY]
        ends_first = [_ends_first(here.shape[axis]) for axis in axes]
        if self.lattices.boxes[layer]:
            units: Iterable[dict[int, int]] = (
                {**dict.fromkeys(axes, 0), axis: place}
                for axis, places in zip(axes, ends_first, strict=True)
                for place in places
            )
            units = units if axes else [{}]
        elif prod(map(len, ends_first)) <= MOST_UNITS:
            units = (dict(zip(axes, places, strict=True)) for places in product(*ends_first))
        else:
            return False
        return all(
            self._reads_all(
                [tuple(IntervalSet.one(unit[a]) if a in unit else whole(n) for a, n in enumerate(here.shape))], layer
            )
            for unit in units
        )


def _axes(relation: AxisWise) -> set[int]:
    """Return the axes of a layer that an axis of its source follows."""
    return {way.axis for way in relation.sources if isinstance(way, Along)}


def _ends_first(size: int) -> list[int]:
    return sorted(range(size), key=lambda place: min(place, size - 1 - place))
