"""What a unit sees and what a pixel reaches: receptive and projective fields, exact."""

from faltung.graph import INPUT, Graph
from faltung.region import Region, Unit


def receptive_field(graph: Graph, unit: Unit, layer: str | None = None) -> Region:
    """Return the input pixels that a unit of `layer` (the last where None) reads.

    The unit is pushed back through the graph and clipped to each layer's real range: padding carries no
    information. Structure decides: a pixel outside is invisible for all weights.
    """
    return _within(graph, graph.read_by_region(graph.unit(unit, layer), layer), INPUT)


def projective_field(graph: Graph, pixel: Unit, layer: str | None = None) -> Region:
    """Return the units of `layer` (the last where None) that read an input pixel: the relation transposed."""
    return _within(graph, graph.readers_of_region(graph.unit(pixel, INPUT), INPUT, layer), graph.name(layer))


def _within(graph: Graph, regions: dict[str, Region], name: str) -> Region:
    return regions.get(name, Region.of(graph.axes, graph.shape(name), []))
