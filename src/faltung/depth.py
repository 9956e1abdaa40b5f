"""With how many copies of its last layer on top a unit would first see a pixel.

A window layer that keeps the size reads, copy by copy, ever more of the places around a unit. Along an axis whose taps
are evenly spaced and hold their own place, the places grow by as many on each side at every copy, and the copy that
reaches is found by a division; otherwise copies are put on top one by one.
"""

from dataclasses import dataclass
from itertools import pairwise

from faltung.graph import ANY, FeatureMap, Graph, Layer
from faltung.intervals import IntervalSet
from faltung.reads import Reads
from faltung.region import Product, intersection
from faltung.relation import SAME, Along, AxisWise, Shape, clipped

MOST_COPIES = 100_000
"""How many further layers are tried one by one before the search gives up."""


def depth(graph: Graph, asked: Product, readers: dict[str, list[Product]], name: str) -> tuple[int | None, str, str]:
    """Return with how many layers in all a unit would first see a pixel, copies of which layer, and else why not.

    Parameters
    ----------
    asked : product
        The unit, which does not see the pixel.
    readers : dict of str to list of products
        For each layer, the units that read the pixel.
    name : str
        The unit's layer; copies of the last layer up to it that keeps the size and widens the field go on top.
    """
    if name not in readers:
        return None, "", f"no unit of {name} reads that pixel"
    layer = _widening(graph, name)
    if layer is None:
        return None, "", f"no layer up to {name} keeps the size and widens the field"
    relation = layer.edges[0].relations[0]
    assert isinstance(relation, AxisWise)
    copies, reason = _copies(relation, asked, readers[name], graph.shape(name))
    if copies is None:
        return None, layer.name, reason.format(layer.name)
    return graph.depth(name) + copies, layer.name, ""


def _copies(relation: AxisWise, unit: Product, goal: list[Product], shape: Shape) -> tuple[int | None, str]:
    """Return how many copies reach the goal first; else None and the reason."""
    again = "further copies of {} read the same units again"

    def one_more(units: list[Product]) -> list[Product]:
        return clipped(relation.inputs_of(units, shape, shape), shape)

    reached = one_more([unit])
    if intersection(reached, goal):
        return 1, ""
    growths = _growths(relation, reached, one_more(reached))
    if growths:
        further = [_together(growths, factors) for factors in goal]
        fewest = min((copies for copies in further if copies is not None), default=None)
        return (None, again) if fewest is None else (1 + fewest, "")
    remembered, remember_at = reached, 2
    for copies in range(2, MOST_COPIES + 1):
        reached = one_more(reached)
        if intersection(reached, goal):
            return copies, ""
        if reached == remembered:
            return None, again
        if copies == remember_at:  # Brent's cycle detection: a state that comes back ends the search
            remembered, remember_at = reached, 2 * remember_at
    return None, f"not within {MOST_COPIES:,} copies of {{}}"


@dataclass(frozen=True)
class _Growth:
    """Evenly spaced places along an axis, to which every copy adds as many below and above, up to the ends."""

    places: IntervalSet
    step: int = 1
    below: int = 0
    above: int = 0

    def copies_to(self, goal: IntervalSet) -> int | None:
        """Return after how many copies the places meet the goal; None for never."""
        if self.places & goal:
            return 0
        first, last = self.places.bounds[0], self.places.bounds[-1]
        mirrored = IntervalSet(tuple((1 - stop, 1 - start) for start, stop in reversed(goal.intervals)))
        gaps = [(self._gap(last, goal), self.above), (self._gap(-first, mirrored), self.below)]
        return min((-(-gap // growth) for gap, growth in gaps if gap and growth), default=None)

    def _gap(self, last: int, goal: IntervalSet) -> int:
        """Return how far behind the last place the next one of the goal lies, in steps of the places; 0 for none."""
        for start, stop in goal.intervals:
            gap = -(-max(start - last, 1) // self.step) * self.step
            if last + gap < stop:
                return gap
        return 0


def _growths(relation: AxisWise, reached: list[Product], further: list[Product]) -> list[_Growth]:
    """Return how what is reached grows along each axis from here on, if that is evenly; else nothing."""
    found: list[_Growth] = []
    if not further:
        return found
    for axis, (places, after) in enumerate(zip(*reached, *further, strict=True)):
        way = relation.sources[axis]
        if places == after:
            found.append(_Growth(places))
        elif isinstance(way, Along) and way.axis == axis and isinstance(way.reads, Reads):
            taps = way.reads.taps[0]
            step = _spacing(taps)
            if (
                not way.reads.stride == way.reads.period == 1
                or not step
                or 0 not in taps
                or _spacing(places) not in (0, step)
            ):
                return []
            found.append(_Growth(places, step, -taps.bounds[0], taps.bounds[-1]))
        else:
            return []
    return found


def _spacing(places: IntervalSet) -> int | None:
    """Return how far evenly spaced places lie apart, 0 for a single one; None where they are not even."""
    if len(places.intervals) == 1:
        return int(len(places) > 1)
    gaps = {b[0] - a[0] for a, b in pairwise(places.intervals)}
    return gaps.pop() if len(gaps) == 1 and len(places) == len(places.intervals) else None


def _together(growths: list[_Growth], goal: Product) -> int | None:
    """Return after how many copies the places meet a goal along all axes; None for never."""
    copies = [growth.copies_to(places) for growth, places in zip(growths, goal, strict=True)]
    return None if None in copies else max([number for number in copies if number is not None], default=None)


def _widening(graph: Graph, name: str) -> Layer | None:
    """Return the last layer, up to `name`, that can be put on top of it and adds context."""
    here = graph.map(name)
    for layer in reversed(graph.up_to(name)):
        if len(layer.edges) == len(layer.edges[0].relations) == 1 and not layer.passes:
            relation, below = layer.edges[0].relations[0], graph.map(layer.edges[0].source)
            if (
                isinstance(relation, AxisWise)
                and here.axes == below.axes == graph.map(layer.name).axes
                and _keeps(relation, below, graph.map(layer.name))
            ):
                return layer
    return None


def _keeps(relation: AxisWise, below: FeatureMap, above: FeatureMap) -> bool:
    """Say whether a window layer keeps the size along every spatial axis, whatever it is, and widens one."""
    widens = False
    for place, (axis, source) in enumerate(zip(below.axes, relation.sources, strict=True)):
        if axis in ANY:
            continue
        if not isinstance(source, Along) or source.axis != place or not isinstance(source.reads, Reads):
            return False
        if not source.reads.stride == source.reads.period == 1 or below.shape[place] != above.shape[place]:
            return False
        widens |= source.reads != SAME
    return widens
