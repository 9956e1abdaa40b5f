"""Names for the axes of a model's tensors: an axis keeps its name as long as it can be followed.

The axes of a picture are n, c, y, x. A layer's axis that moves along the picture's y is y as well; merged axes
join their names ("yx" for the tokens of a transformer), and get them back when they are split in the same way;
an axis that follows none is the channel c, or else d0, d1, … by its place.
"""

from collections.abc import Iterable, Sequence
from math import prod

from faltung.graph import FeatureMap
from faltung.relation import Along, AxisWise, InTurn, Relation, Reshape, Shape, matching_axes

INPUT_AXES = ((), ("x",), ("n", "c"), ("n", "c", "x"), ("n", "c", "y", "x"), ("n", "c", "z", "y", "x"))
"""By rank: the last axes backwards are x, y, z; before them the channel and the batch."""


class AxisNames:
    """Hands out names, and remembers what was merged and split."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, Shape], tuple[str, ...]] = {}
        """For a name and the sizes it may be split into, the names of the parts."""

    def of_input(self, rank: int) -> tuple[str, ...]:
        """Return the names of an input's axes."""
        return INPUT_AXES[rank] if rank < len(INPUT_AXES) else tuple(f"d{axis}" for axis in range(rank))

    def of_output(self, sources: Iterable[tuple[Relation, FeatureMap]], shape: Shape) -> tuple[str, ...]:
        """Return the names of a layer's axes from those of the maps that it reads."""
        found: list[str] = [""] * len(shape)
        sources = list(sources)
        followed = [self._through(relation, below, shape) for relation, below in sources]
        in_place = [below.axes for _, below in sources if len(below.axes) == len(shape)]  # what is read whole stays
        for names in (*followed, *in_place):
            for axis, name in enumerate(names):
                if name and not found[axis] and name not in found:
                    found[axis] = name
        if found and not found[0] and shape[0] == 1 and "n" not in found:
            found[0] = "n"  # a batch of one, lost among merged axes
        for axis, name in enumerate(found):
            if not name:
                found[axis] = "c" if "c" not in found else f"d{axis}"
        return tuple(found)

    def _through(self, relation: Relation, below: FeatureMap, shape: Shape) -> Sequence[str]:
        if isinstance(relation, InTurn):
            here = below
            shapes = (shape, *relation.between)
            for step, above in zip(reversed(relation.relations), reversed(shapes), strict=True):
                here = FeatureMap(tuple(self._through(step, here, above)), above)
            return here.axes
        names = [""] * len(shape)
        if isinstance(relation, AxisWise):
            for source, name in zip(relation.sources, below.axes, strict=True):
                if isinstance(source, Along) and not names[source.axis]:
                    names[source.axis] = name
        elif isinstance(relation, Reshape):
            for merged, split in matching_axes(shape, below.shape):
                self._regroup(names, shape, merged, below, split)
        elif len(shape) == len(below.shape):
            names = list(below.axes)
        return names

    def _regroup(self, names: list[str], shape: Shape, above: range, below: FeatureMap, under: range) -> None:
        old = [(below.axes[axis], below.shape[axis]) for axis in under if below.shape[axis] > 1]
        new = [axis for axis in above if shape[axis] > 1]
        old = old or [(below.axes[axis], 1) for axis in under][:1]
        new = new or list(above)[:1]
        if not old or not new:
            return
        sizes = tuple(size for _, size in old)
        joined = self._joined(tuple(name for name, _ in old), sizes)
        if len(new) == 1:
            names[new[0]] = joined
            return
        wanted = tuple(shape[axis] for axis in new)
        parts = self._parts.get((joined, wanted))
        if parts is None:
            parts = tuple(f"{joined}{number}" for number in range(len(new)))
            self._parts[joined, wanted] = parts
        for axis, name in zip(new, parts, strict=True):
            names[axis] = name

    def _joined(self, names: tuple[str, ...], sizes: Shape) -> str:
        """Return the name of merged axes: the one that they were split from, or their names in a row."""
        if len(names) == 1:
            return names[0]
        for (whole, parts_sizes), parts in self._parts.items():
            if parts == names and parts_sizes == sizes:
                return whole
        joined = "".join(names)
        self._parts[joined, sizes] = names
        assert prod(sizes) > 0
        return joined
