"""Where a pixel first comes into sight: layer by layer, the units that see it."""

from dataclasses import dataclass
from typing import Any

from faltung.graph import Graph
from faltung.region import Unit, name_unit
from faltung.verdict import Step, sees
from faltung.words import count


@dataclass(frozen=True)
class Sight:
    """What one layer sees of a pixel.

    Parameters
    ----------
    layer : str
        The layer.
    units : int
        How many of its units, channels not counted, see the pixel.
    nearest : dict of str to int, or None
        The one nearest to the place asked about; None where no unit sees it.
    place : dict of str to int
        The place asked about, in this layer.
    """

    layer: str
    units: int
    nearest: dict[str, int] | None
    place: dict[str, int]

    @property
    def sees(self) -> bool:
        """Whether the unit at the place itself sees the pixel."""
        return self.nearest == self.place


@dataclass(frozen=True)
class FirstSight:
    """How a pixel comes into sight, layer by layer.

    Parameters
    ----------
    pixel : dict of str to int
        The pixel.
    layers : tuple of Sight
        Each layer in order.
    layer : str or None
        The shallowest layer at which the unit at the place asked about sees the pixel; None where none does.
    path : tuple of Step
        From that unit to the pixel.
    """

    pixel: dict[str, int]
    layers: tuple[Sight, ...]
    layer: str | None
    path: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"Pixel {name_unit(self.pixel)} first comes into sight at {self.layer}."]
        if self.layer is None:
            lines = [f"Pixel {name_unit(self.pixel)} comes into sight at no layer."]
        for sight in self.layers:
            seen = "sees it"
            if not sight.sees:
                seen = f"does not; the nearest that does is {name_unit(sight.nearest)}" if sight.nearest else "does not"
            lines.append(f"{sight.layer}: {count(sight.units, 'unit')} see it; {name_unit(sight.place)} {seen}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data."""
        return {
            "pixel": self.pixel,
            "layer": self.layer,
            "path": [{"layer": step.layer, "unit": step.unit} for step in self.path],
            "layers": [
                {"layer": s.layer, "units": s.units, "nearest": s.nearest, "place": s.place, "sees": s.sees}
                for s in self.layers
            ],
        }


def first_sight(graph: Graph, pixel: Unit, at: Unit | None = None, input: int | str = 0) -> FirstSight:
    """Return how a pixel comes into sight of the units at a place, layer by layer.

    Parameters
    ----------
    pixel : mapping
        The pixel.
    at : mapping, optional
        A place of the input, such as a corner; in each layer the unit in proportion to it is meant. The pixel's
        own place where it is left out.
    """
    source = graph.input(input)
    target = graph.unit(pixel, source)
    place = {axis: int((at or pixel)[axis]) for axis in graph.shown_axes(source)}
    graph.unit(place, source)
    readers = graph.readers_of([target], source, None, every=True)
    below = graph.map(source)
    sights = []
    first: tuple[str, dict[str, int]] | None = None
    for layer in graph.up_to(graph.name(None)):
        here = graph.map(layer.name)
        if layer.passes or not set(graph.shown_axes(layer.name)) <= set(place):
            continue
        there = {
            axis: place[axis] * here.shape[here.axes.index(axis)] // below.shape[below.axes.index(axis)]
            for axis in graph.shown_axes(layer.name)
        }
        region = graph.region(layer.name, readers.get(layer.name, ()), graph.shown_axes(layer.name))
        nearest = region.nearest(there) if region else None
        sights.append(Sight(layer.name, region.size, nearest, there))
        if first is None and nearest == there:
            first = layer.name, there
    pixel = {axis: int(pixel[axis]) for axis in below.axes if axis in pixel}
    path = sees(graph, first[1], pixel, first[0], source).path if first else ()
    return FirstSight(pixel, tuple(sights), first[0] if first else None, path)
