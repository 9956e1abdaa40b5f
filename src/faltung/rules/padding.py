"""Padding, and cropping by negative padding: an index map for each axis (`faltung.boundary`)."""

from faltung.boundary import source
from faltung.errors import FaltungError
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import AxisReads
from faltung.rules.axes import along
from faltung.rules.table import Call, Readings, rule

MODES = {"constant": "zero", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
"""PyTorch's modes, as boundaries."""

OPERATORS = {
    "constant_pad_nd": "zero",
    "_pad_circular": "circular",
    **{f"reflection_pad{axes}d": "reflect" for axes in (1, 2, 3)},
    **{f"replication_pad{axes}d": "replicate" for axes in (1, 2, 3)},
}
"""Operators that have one boundary only."""


@rule("pad", *OPERATORS)
def padded(call: Call) -> Readings:
    """Position o copies pixel o - before, and beyond the border the pixel that the boundary names."""
    boundary = OPERATORS.get(call.operator) or MODES.get(call["mode"])
    if boundary is None:
        raise FaltungError(f"{call.operator} with mode={call['mode']!r}: the modes are {', '.join(MODES)}")
    sides = call["pad" if call.has("pad") else "padding"]
    call.skip("value")
    shape = call.shape_of("self")
    axes = range(len(shape) - 1, -1, -1)  # pairs of sides come last axis first
    pairs = zip(sides[::2], sides[1::2], strict=True)
    changed = {
        number: padding(shape[number], *pair, boundary) for number, pair in zip(axes, pairs, strict=False) if any(pair)
    }
    return {"self": along(len(shape), changed)}


def padding(pixels: int, before: int, after: int, boundary: str) -> AxisReads:
    """Return what each position of a padded axis copies; negative amounts cut pixels off.

    >>> padding(4, 2, 0, "reflect").taps[0], padding(4, -1, 3, "zero")
    (IntervalSet(2), Reads(stride=1, taps=[[1]]))
    """
    inside = Reads(1, [[-before]])
    if boundary == "zero" or max(before, after) <= 0:
        return inside
    # a circle closes over what is left of it; the other boundaries look at the whole axis
    first, left = (max(-before, 0), pixels + min(before, 0) + min(after, 0)) if boundary == "circular" else (0, pixels)
    places = (source(position - first, left, boundary) for position in range(-before, pixels + after))
    return Listed.of(([] if place is None else [first + place] for place in places), inside)
