"""Numbers that do not move with the picture: whether they look the same after a shift, a mirroring or a turn.

A bias of one number per channel does; a position embedding or a mask does not, unless its pattern repeats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from faltung.equivariance.ways import Way
from faltung.relation import SAME, Along, AxisWise, Relation, Shape
from faltung.rules.table import Tensor

if TYPE_CHECKING:
    import torch

UNKNOWN = "takes {what} whose numbers are not known here (random, or on the meta device)"
VARIES = "takes {what} whose numbers differ along {{}}"
LOPSIDED = "takes {what} whose numbers are not the same from both ends of {{}}"
FOLLOWED = "takes {what} in a way that is not followed along {{}}"


@dataclass(frozen=True)
class Looked:
    """After how many shifts a constant looks as before; 0, with the reason, where it never does or is not known."""

    times: int
    reason: str = ""
    known: bool = True


def looked_at(constant: Tensor, relation: Relation, ways: Mapping[int, Way], outputs: Shape, shifts: bool) -> Looked:
    """Compare a constant with itself where a layer of shape `outputs` moves by `ways` (by axis of the layer)."""
    moving = set(ways)
    if isinstance(relation, AxisWise):
        along = {axis: source for axis, source in enumerate(relation.sources) if isinstance(source, Along)}
        met = {axis for axis, source in along.items() if source.axis in moving and constant.shape[axis] > 1}
        if not met:
            return Looked(1)
    shape = "x".join(map(str, constant.shape)) or "one number"
    named = constant.name and "lifted" not in constant.name
    what = f"{constant.name} ({shape})," if named else f"a tensor of {shape}"
    numbers = None if constant.values is None else constant.values()
    if numbers is None or numbers.is_meta:
        return Looked(0, UNKNOWN.format(what=what), known=False)
    numbers = numbers.detach().cpu()
    if not numbers.numel() or bool((numbers == numbers.reshape(-1)[0]).all()):
        return Looked(1)
    if not isinstance(relation, AxisWise) or any(along[axis].reads != SAME for axis in met):
        return Looked(0, FOLLOWED.format(what=what), known=False)
    laid = _laid_out(numbers, {along[axis].axis: axis for axis in met}, ways, outputs)
    times = returns(laid, ways, shifts)
    return Looked(times) if times else Looked(0, (VARIES if shifts else LOPSIDED).format(what=what))


def _laid_out(
    numbers: "torch.Tensor", axes: Mapping[int, int], ways: Mapping[int, Way], outputs: Shape
) -> "torch.Tensor":
    """Return a constant with one axis for each axis of the layer, of its size along those that move."""
    import torch

    others = [axis for axis in range(numbers.dim()) if axis not in axes.values()]
    rest = numbers.permute(*others, *axes.values()).reshape(-1, *(numbers.shape[axis] for axis in axes.values()))
    shape = [1] * len(outputs)
    for place, axis in axes.items():
        shape[place] = numbers.shape[axis]
    order = sorted(range(len(axes)), key=list(axes).__getitem__)
    laid = rest.permute(0, *(1 + number for number in order)).reshape(-1, *shape)
    turned = any(way.to != axis for axis, way in ways.items())
    stretched = [outputs[place] if turned and place in ways else size for place, size in enumerate(shape)]
    return torch.broadcast_to(laid, (laid.shape[0], *stretched))


def returns(numbers: "torch.Tensor", ways: Mapping[int, Way], shifts: bool) -> int:
    """Return after how many shifts numbers look as before; 0 for never. A mirroring or a turn is made once.

    The first axis of `numbers` holds whatever does not move; axis k + 1 is axis k of the ways. A pattern counts
    as one if it stands there at least twice.
    """
    met = {axis: way for axis, way in ways.items() if numbers.shape[axis + 1] > 1}
    if not met or not shifts:
        return int(_fixed(numbers, met))
    longest = min((way.around or way.block) // (2 * abs(way.offset)) for way in met.values())
    axis, way = next(iter(met.items()))
    start = 0 if way.offset > 0 else way.block - 1
    first = numbers.narrow(axis + 1, start, 1)
    rest = [other for other in range(numbers.dim()) if other != axis + 1]
    alike = (numbers == first).all(rest) if len(met) == 1 else None  # a cheap look, that long axes need
    for times in range(1, longest + 1):
        if alike is not None:
            goal = way.times(times).place(start)
            if goal is not None and goal < len(alike) and not alike[goal]:
                continue
        if _fixed(numbers, {axis: way.times(times) for axis, way in met.items()}):
            return times
    return 0


def _fixed(numbers: "torch.Tensor", ways: Mapping[int, Way]) -> bool:
    """Say whether numbers, read where the ways lead, are the numbers that stand there."""
    import torch

    here, there = followed(numbers, numbers, {axis + 1: replace(way, to=way.to + 1) for axis, way in ways.items()})
    return bool(torch.equal(here, there))


def followed(
    after: "torch.Tensor", before: "torch.Tensor", ways: Mapping[int, Way]
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the units of `after` that ways lead anywhere, and beside them the units of `before` where they lead."""
    import torch

    for axis, way in ways.items():
        kept = led(way, after.shape[axis], before.shape[way.to])
        after = after.index_select(axis, torch.tensor(list(kept), device=after.device).long())
        before = before.index_select(way.to, torch.tensor(list(kept.values()), device=before.device).long())
    return after, before.permute([ways[axis].to if axis in ways else axis for axis in range(before.dim())])


def led(way: Way, places: int, goals: int) -> dict[int, int]:
    """Return, for each of some places that a way leads anywhere, where it does."""
    pairs = ((place, way.place(place)) for place in range(places))
    return {place: goal for place, goal in pairs if goal is not None and goal < goals}


def mirrored_alike(weights: "torch.Tensor", ways: Mapping[int, Way]) -> float:
    """Return the largest difference between kernels and themselves, mirrored or turned by ways; 0.0 if there is none.

    The last axes of `weights` are spatial, and the ways are over them.
    """
    first = weights.dim() - len(ways)
    turned = weights
    for way in ways.values():
        if way.sign < 0:
            turned = turned.flip(first + way.to)
    turned = turned.permute(*range(first), *(first + ways[axis].to for axis in range(len(ways))))
    if turned.shape != weights.shape:
        return float("inf")
    return float((turned - weights).abs().max()) if weights.numel() else 0.0
