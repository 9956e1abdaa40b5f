"""Sets of units over several axes against Python's own sets."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung import region as region_module
from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.region import Region, joined

AXES, SHAPE = ("y", "x"), (6, 7)
members = st.frozensets(st.integers(-2, 8), max_size=5)
products = st.lists(st.tuples(members, members), max_size=5)


def region(parts, axes=AXES, shape=SHAPE) -> Region:
    return Region.of(axes, shape, [tuple(IntervalSet.points(m) for m in factors) for factors in parts])


def units(parts) -> set[tuple[int, int]]:
    inside = set(product(range(SHAPE[0]), range(SHAPE[1])))
    return {unit for factors in parts for unit in product(*factors)} & inside


@given(products, products)
@settings(max_examples=500)
def test_a_region_is_a_set(a, b):
    """Members, size, box, mask, union, intersection and equality are those of the set of units."""
    A, B, one, two = region(a), region(b), units(a), units(b)
    assert {(unit["y"], unit["x"]) for unit in A} == one
    assert A.size == len(one)
    assert len(list(A)) == len(one)  # disjoint: no unit twice
    assert bool(A) == bool(one)
    assert {(y, x) for y, x in product(range(-1, 8), repeat=2) if {"y": y, "x": x} in A} == one
    assert set(zip(*(index.tolist() for index in np.nonzero(A.mask())), strict=True)) == one
    assert {(unit["y"], unit["x"]) for unit in A | B} == one | two
    assert {(unit["y"], unit["x"]) for unit in A & B} == one & two
    assert (A == B) == (one == two)
    for place, axis in enumerate(AXES):
        along = [unit[place] for unit in one]
        assert A.box[axis] == (range(min(along), max(along) + 1) if along else range(0))
        assert A.bounding_box[axis] == A.box[axis]


@given(products)
def test_joined_products_are_the_same_set(parts):
    """Joining products that differ along one axis, and leaving out those inside others, changes no unit."""
    factors = [tuple(IntervalSet.points(m) for m in part) for part in parts]
    found = joined([part for part in factors if all(part)])
    assert {unit for part in found for unit in product(*part)} == {unit for part in parts for unit in product(*part)}
    assert len(found) <= len(factors)


def test_a_grid_of_products_is_joined_to_one():
    """Nine pieces of a box become the box, and what lies inside it is gone."""
    pieces = [tuple(IntervalSet.points(m) for m in part) for part in product([{0, 5}, {1}, {2}], repeat=2)]
    assert joined([*pieces, pieces[0]]) == [(IntervalSet.points([0, 1, 2, 5]),) * 2]


@given(products.filter(lambda parts: bool(units(parts))), st.integers(-3, 9), st.integers(-3, 9))
def test_the_nearest_unit_is_nearest(parts, y, x):
    """No unit has a shorter longest step, and among those none a shorter sum of steps."""

    def gaps(unit):
        steps = abs(unit[0] - y), abs(unit[1] - x)
        return max(steps), sum(steps)

    nearest = region(parts).nearest({"y": y, "x": x})
    assert gaps((nearest["y"], nearest["x"])) == min(map(gaps, units(parts)))


def test_overlaps_counted_twice_are_caught(monkeypatch):
    """Without the disjoint form, a cross of two bars counts its middle twice."""
    monkeypatch.setattr(region_module, "disjoint", lambda parts: parts)
    with pytest.raises(AssertionError):
        test_a_region_is_a_set()


def test_three_axes():
    """Nothing in a region knows how many axes there are."""
    cube = region([({0, 2}, {1}, {1, 2}), ({0}, {1, 2}, {2})], ("z", "y", "x"), (3, 3, 3))
    assert cube.size == 5
    assert cube.mask().sum() == 5
    assert {"z": 0, "y": 2, "x": 2} in cube


def test_to_dict_is_plain():
    """Ranges are [first, last], both included."""
    assert region([({1, 2}, {0, 1, 4})]).to_dict() == {
        "size": 6,
        "box": {"y": [1, 2], "x": [0, 4]},
        "parts": [{"y": [[1, 2]], "x": [[0, 1], [4, 4]]}],
    }


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda r: (1, 2) in r, r"\(1, 2\) does not name its axes; write dict\(y=0, x=0\)"),
        (lambda r: {"y": 1} in r, r"\(y=1\): axis x is missing; the axes are y, x"),
        (
            lambda r: {"y": 1, "x": 1, "c": 0} in r,
            r"\(y=1, x=1, c=0\): there is no axis 'c'; the axes are y, x",
        ),
        (lambda r: {"y": 1.0, "x": 1} in r, "y=1.0 is not a whole number"),
        (lambda r: {"y": True, "x": 1} in r, "y=True is not a whole number"),
        (lambda r: r & region([], shape=(6, 8)), "regions of different maps .*: y=6 x=7 and y=6 x=8"),
        (lambda r: region([]).nearest({"y": 1, "x": 1}), "an empty region has no nearest unit"),
        (lambda r: region([], shape=(2**20, 2**20)).mask(), "a mask of 1048576x1048576 units is too large"),
    ],
)
def test_refusals(act, text):
    """Axes are named, never bare pairs whose order must be guessed."""
    with pytest.raises(FaltungError, match=text):
        act(region([({1}, {1})]))
