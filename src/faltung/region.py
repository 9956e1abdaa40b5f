"""Sets of units over several axes, exact: unions of boxes, with holes.

A unit is named by its axes, from the last backwards x, y, z: `dict(y=3, x=4)`. A region is a union of
products of interval sets, one set per axis, because each branch of a network reads such a product.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from operator import index
from typing import TYPE_CHECKING, Any

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AXIS_NAMES = ("z", "y", "x")
"""The names of spatial axes; a map with two of them has y (rows, downwards) and x (columns, to the right)."""

MOST_MASK = 2**31
"""The largest mask that is made, in elements (bytes)."""

Unit = Mapping[str, int]
Product = tuple[IntervalSet, ...]


@dataclass(frozen=True)
class Region:
    """A set of units of one feature map.

    Build it with `Region.of`; the products it keeps are disjoint and in a unique form, so `==` compares sets.

    Parameters
    ----------
    axes : tuple of str
        Names of the axes, first to last, such as ("y", "x").
    shape : tuple of int
        Size of the feature map along each axis; the region lies inside it.
    products : tuple of tuples of IntervalSet
        Disjoint products, one interval set per axis.

    >>> row = (IntervalSet.points([2]), IntervalSet.of([(0, 5)]))
    >>> column = (IntervalSet.of([(0, 5)]), IntervalSet.points([2]))
    >>> cross = Region.of(("y", "x"), (5, 5), [row, column])
    >>> cross.size, cross.box, dict(y=0, x=0) in cross
    (9, {'y': range(0, 5), 'x': range(0, 5)}, False)
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    products: tuple[Product, ...]

    @classmethod
    def of(cls, axes: tuple[str, ...], shape: tuple[int, ...], products: Iterable[Product]) -> "Region":
        """Return the union of products, in any order and overlapping as they like, clipped to the map."""
        clipped = (
            tuple(members.clip(0, size) for members, size in zip(factors, shape, strict=True)) for factors in products
        )
        return cls(axes, shape, tuple(disjoint([factors for factors in clipped if all(factors)])))

    @classmethod
    def unit(cls, axes: tuple[str, ...], shape: tuple[int, ...], unit: Unit) -> "Region":
        """Return the region of one unit; it is empty where the unit lies outside."""
        return cls.of(axes, shape, [tuple(IntervalSet.points([place]) for place in coordinates(axes, unit))])

    def contains(self, unit: Unit) -> bool:
        """Say whether the unit is in the region; `unit in region` is the same."""
        return self._holds(coordinates(self.axes, unit))

    def __contains__(self, unit: Unit) -> bool:
        return self.contains(unit)

    def _holds(self, places: tuple[int, ...]) -> bool:
        return any(
            all(place in members for place, members in zip(places, factors, strict=True)) for factors in self.products
        )

    @property
    def size(self) -> int:
        """How many units the region has, holes left out."""
        return sum(prod(len(members) for members in factors) for factors in self.products)

    @property
    def bounding_box(self) -> dict[str, range]:
        """The tightest box around the region: a range per axis; empty ranges where it is empty."""
        bounds = {}
        for place, axis in enumerate(self.axes):
            ranges = [factors[place].bounds for factors in self.products]
            bounds[axis] = range(min(r.start for r in ranges), max(r.stop for r in ranges)) if ranges else range(0)
        return bounds

    @property
    def box(self) -> dict[str, range]:
        """Short for `bounding_box`."""
        return self.bounding_box

    def mask(self) -> "NDArray[np.bool_]":
        """Return a boolean array of the map's shape, True at the units of the region.

        Raises
        ------
        FaltungError
            If the map is too large to hold in memory.
        """
        import numpy as np

        if prod(self.shape) > MOST_MASK:
            sizes = "x".join(map(str, self.shape))
            raise FaltungError(f"a mask of {sizes} units is too large; at most {MOST_MASK} are made")
        mask = np.zeros(self.shape, dtype=bool)
        for factors in self.products:
            along = []
            for members, size in zip(factors, self.shape, strict=True):
                present = np.zeros(size, dtype=bool)
                for start, stop in members.intervals:
                    present[start:stop] = True
                along.append(present)
            mask[np.ix_(*along)] = True
        return mask

    def __and__(self, other: "Region") -> "Region":
        self._check_same_map(other)
        return Region.of(self.axes, self.shape, intersection(self.products, other.products))

    def __or__(self, other: "Region") -> "Region":
        self._check_same_map(other)
        return Region.of(self.axes, self.shape, self.products + other.products)

    def _check_same_map(self, other: "Region") -> None:
        if (self.axes, self.shape) != (other.axes, other.shape):
            raise FaltungError(f"regions of different maps cannot be combined: {self._map()} and {other._map()}")

    def _map(self) -> str:
        return " ".join(f"{axis}={size}" for axis, size in zip(self.axes, self.shape, strict=True))

    def __bool__(self) -> bool:
        return bool(self.products)

    def __iter__(self) -> Iterator[dict[str, int]]:
        """Yield each unit once."""
        for factors in self.products:
            for places in product(*factors):
                yield dict(zip(self.axes, places, strict=True))

    def nearest(self, unit: Unit) -> dict[str, int]:
        """Return the unit of the region nearest to `unit`: fewest steps along the longest axis, then in sum.

        Raises
        ------
        FaltungError
            If the region is empty.
        """
        if not self.products:
            raise FaltungError("an empty region has no nearest unit")
        best = nearest_places(self.products, coordinates(self.axes, unit))
        return dict(zip(self.axes, best, strict=True))

    def describe(self) -> str:
        """Return the region in words: `y 0..20 and x 619..639`."""
        if not self.products:
            return "nothing"
        return " together with ".join(
            " and ".join(f"{axis} {_words(members)}" for axis, members in zip(self.axes, factors, strict=True))
            for factors in self.products
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the region as plain numbers, lists and strings, ready for JSON.

        Ranges are pairs [first, last], both included; `parts` are disjoint products of lists of such ranges.
        """
        return {
            "size": self.size,
            "box": {axis: [box[0], box[-1]] if box else [] for axis, box in self.bounding_box.items()},
            "parts": [
                {
                    axis: [[start, stop - 1] for start, stop in members.intervals]
                    for axis, members in zip(self.axes, factors, strict=True)
                }
                for factors in self.products
            ],
        }

    def __repr__(self) -> str:
        return f"Region({self.describe()} of {self._map()})"


def intersection(one: Iterable[Product], two: Iterable[Product]) -> list[Product]:
    """Return products that hold the units of both unions."""
    pairs = [tuple([a & b for a, b in zip(first, second, strict=True)]) for first, second in product(one, two)]
    return [factors for factors in pairs if all([members.intervals for members in factors])]


def nearest_places(products: Iterable[Product], places: Sequence[int]) -> tuple[int, ...]:
    """Return the unit of some products nearest to a place: by the longest axis, then in sum."""

    def gaps(candidate: tuple[int, ...]) -> list[int]:
        return [abs(a - b) for a, b in zip(candidate, places, strict=True)]

    candidates = [
        tuple([members.nearest(place) for members, place in zip(factors, places, strict=True)]) for factors in products
    ]
    if len(candidates) == 1:
        return candidates[0]
    return min(candidates, key=lambda candidate: (max(gaps(candidate), default=0), sum(gaps(candidate)), candidate))


def coordinates(axes: tuple[str, ...], unit: Unit) -> tuple[int, ...]:
    """Return the coordinates of a unit named by its axes, in the order of `axes`.

    Raises
    ------
    FaltungError
        If the unit is not a mapping, an axis is missing or unknown, or a coordinate is not a whole number.

    >>> coordinates(("y", "x"), dict(x=639, y=0))
    (0, 639)
    """
    if not isinstance(unit, Mapping):
        example = ", ".join(f"{axis}=0" for axis in axes)
        raise FaltungError(f"{unit!r} does not name its axes; write dict({example})")
    for axis in unit:
        if axis not in axes:
            raise FaltungError(f"{name_unit(unit)}: there is no axis {axis!r}; the axes are {', '.join(axes)}")
    places = []
    for axis in axes:
        if axis not in unit:
            raise FaltungError(f"{name_unit(unit)}: axis {axis} is missing; the axes are {', '.join(axes)}")
        try:
            if isinstance(unit[axis], bool):
                raise TypeError
            places.append(index(unit[axis]))
        except TypeError:
            raise FaltungError(f"{axis}={unit[axis]!r} is not a whole number") from None
    return tuple(places)


def name_unit(unit: Unit) -> str:
    """Return a unit in words: `(y=0, x=639)`."""
    return "(" + ", ".join(f"{axis}={place}" for axis, place in unit.items()) + ")"


def disjoint(products: list[Product]) -> list[Product]:
    """Return disjoint products with the same union, in a unique form.

    Places along the first axis belong together where the cross-sections through the other axes are equal; the
    cross-sections are brought into the same form. The union alone decides the result.
    """
    products = joined(products)
    if len(products) <= 1 or not products[0]:
        return products[:1]
    if len(products[0]) == 1:
        return [(IntervalSet.of(pair for (members,) in products for pair in members.intervals),)]
    slabs: list[tuple[IntervalSet, list[Product]]] = []
    for first, *rest in products:
        remaining, cut = first, []
        for places, sections in slabs:
            common = places & remaining
            remaining = remaining - common
            cut += [(common, [*sections, tuple(rest)]), (places - common, sections)]
        slabs = [slab for slab in [*cut, (remaining, [tuple(rest)])] if slab[0]]
    by_section: dict[tuple[Product, ...], IntervalSet] = {}
    for places, sections in slabs:
        section = tuple(disjoint(sections))
        by_section[section] = by_section.get(section, IntervalSet()) | places
    return sorted(
        ((places, *factors) for section, places in by_section.items() for factors in section),
        key=lambda factors: [members.intervals for members in factors],
    )


def joined(products: list[Product]) -> list[Product]:
    """Return fewer products with the same union, which may overlap: quicker than `disjoint`.

    Those inside another one are left out, and those that differ along one axis alone become one.
    """
    if len(products) == 2:  # the common case: a branch beside a shortcut
        products = _outermost(products)
    if len(products) < 2:
        return products
    for axis in range(len(products[0])):
        alike: dict[Product, list[IntervalSet]] = {}
        for factors in products:
            alike.setdefault(factors[:axis] + factors[axis + 1 :], []).append(factors[axis])
        if len(alike) < len(products):
            products = [(*rest[:axis], _union(members), *rest[axis:]) for rest, members in alike.items()]
    return _outermost(products)


def _union(sets: list[IntervalSet]) -> IntervalSet:
    return sets[0] if len(sets) == 1 else IntervalSet.of(pair for members in sets for pair in members.intervals)


def _outermost(products: list[Product]) -> list[Product]:
    """Return the products that lie inside no other one: most branches are swallowed by the widest."""
    kept: list[Product] = []
    for one in products:
        if not any([_inside(one, other) for other in kept]):
            kept = [other for other in kept if not _inside(other, one)]
            kept.append(one)
    return kept


def _inside(one: Product, other: Product) -> bool:
    return all(a is b or a.issubset(b) for a, b in zip(one, other, strict=True))


def _words(members: IntervalSet) -> str:
    bounds = members.bounds
    if len(members.intervals) <= 3:
        return members.describe()
    return f"{len(members)} places in {bounds[0]}..{bounds[-1]}"
