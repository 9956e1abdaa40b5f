"""What a unit sees and what a pixel reaches: receptive and projective fields, exact."""

from faltung.graph import Graph
from faltung.region import Region, Unit


def receptive_field(
    graph: Graph, unit: Unit, layer: str | None = None, input: int | str = 0, *, channels: bool = False
) -> Region:
    """Return the input pixels that a unit of `layer` (the last where None) reads.

    The unit is pushed back through the graph and clipped to each layer's real range: padding carries no
    information. Structure decides: a pixel outside is invisible for all weights.
    """
    name = graph.input(input)
    read = graph.read_by([graph.unit(unit, layer)], layer)
    return graph.region(name, read.get(name, ()), graph.shown_axes(name, "c" if channels else ""))


def projective_field(
    graph: Graph, pixel: Unit, layer: str | None = None, input: int | str = 0, *, channels: bool = False
) -> Region:
    """Return the units of `layer` (the last where None) that read an input pixel: the relation transposed."""
    name, last = graph.input(input), graph.name(layer)
    readers = graph.readers_of([graph.unit(pixel, name)], name, last)
    return graph.region(last, readers.get(last, ()), graph.shown_axes(last, "c" if channels else ""))
