"""What weights that are exactly zero leave unread, where exact weights are asked for (`faltung.capture`).

A weight of 0 takes what it is multiplied with out of a sum, whatever (finite) number that is: it does not count as
read. A mask over outputs alone leaves some of them without anything to read (`Kept`); one that couples inputs with
outputs, as a weight matrix does, becomes a union of relations that work axis by axis.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.region import Product, intersection
from faltung.relation import SAME, Along, AxisWise, InTurn, Only, Relation, Shape, whole
from faltung.rules.table import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

MOST_MASKS = 64
"""More different masks than this come from pruning, not from a design; following them would take forever."""

MOST_PARTS = 1024
"""A mask over outputs alone may have so many parts: one for each of its rows, if no two are alike."""


def numbers_of(weight: Tensor) -> Any:
    """Return the numbers of a weight as a tensor; refuse weights whose numbers are not known."""
    numbers = None if weight.values is None else weight.values()
    if numbers is None or numbers.is_meta:
        raise FaltungError("exact_weights needs the numbers of its weights: they are random, or on the meta device")
    return numbers.detach().cpu()


def nonzero(weight: Tensor) -> "Mask":
    """Return where the numbers of a weight are not 0."""
    found: Mask = (numbers_of(weight) != 0).numpy()
    return found


@dataclass(frozen=True)
class Kept:
    """Every unit inside some disjoint products reads its own place, the others nothing."""

    products: tuple[Product, ...]

    def inputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return what the units read; see `Relation`."""
        return intersection(products, self.products)

    def outputs_of(self, products: Sequence[Product], inputs: Shape, outputs: Shape) -> Iterable[Product]:
        """Return the units that read; see `Relation`."""
        return intersection(products, self.products)


def kept(relation: AxisWise, mask: "Mask", outputs: Shape) -> tuple[Relation, ...]:
    """Return what is left of a relation where only outputs under a mask read anything.

    Parameters
    ----------
    relation : AxisWise
        What every output would read.
    mask : ndarray of bool
        Where outputs read; stretched to their shape as PyTorch stretches tensors.
    outputs : tuple of int
        Shape of the output.

    Raises
    ------
    FaltungError
        If the mask has too many parts.
    """
    if mask.all():
        return (relation,)
    mask = mask.reshape((1,) * (len(outputs) - mask.ndim) + mask.shape)
    stretched = [axis for axis, (here, size) in enumerate(zip(mask.shape, outputs, strict=True)) if here < size]
    found = tuple(
        tuple(whole(outputs[axis]) if axis in stretched else places for axis, places in enumerate(factors))
        for factors in as_products(mask)
    )
    if len(found) > MOST_PARTS:
        raise FaltungError(f"its mask has {len(found)} parts; at most {MOST_PARTS} are followed")
    restricted: Relation = Kept(found)
    if len(found) == 1:  # a box: each axis keeps its own relation
        restricted = AxisWise(
            tuple(
                Along(axis, SAME if len(places) == size else Listed.of([o] if o in places else [] for o in range(size)))
                for axis, (places, size) in enumerate(zip(found[0], outputs, strict=True))
            )
        )
    return (restricted,) if relation == AxisWise.same(len(outputs)) else (InTurn((restricted, relation), (outputs,)),)


def linked(
    relation: AxisWise, mask: "Mask", axes: Sequence[tuple[int | None, int | None]], outputs: Shape
) -> tuple[Relation, ...]:
    """Return what is left of a relation where a mask couples inputs with outputs.

    Parameters
    ----------
    relation : AxisWise
        What every output would read.
    mask : ndarray of bool
        Which pairs are read, over axes of the input, of the output, and of both.
    axes : sequence of pairs
        For each axis of the mask the axis of the input and that of the output that it runs along, one of which may
        be None: output o reads input i if the mask is true at their places.
    outputs : tuple of int
        Shape of the output.

    Raises
    ------
    FaltungError
        If the mask has too many different parts.
    """
    if mask.all():
        return (relation,)
    if not any(output is None for _, output in axes):
        sizes = {output: size for (_, output), size in zip(axes, mask.shape, strict=True)}
        order = sorted(range(mask.ndim), key=lambda place: axes[place][1] or 0)
        return kept(relation, mask.transpose(order).reshape([sizes.get(a, 1) for a in range(len(outputs))]), outputs)
    ones = [place for place, (_, output) in enumerate(axes) if output is None]
    twos = [place for place, (source, _) in enumerate(axes) if source is None]
    matrix = [twos[-1], ones[-1]] if twos else []  # followed by one relation of one axis, whatever it holds
    others = [place for place in range(mask.ndim) if place not in matrix]
    blocks = mask.transpose([*others, *matrix]).reshape(-1, *(mask.shape[place] for place in matrix))
    found: list[Relation] = []
    for block, where in _different(blocks):
        if matrix:
            rows, columns = (axes[place] for place in matrix)
            sources = list(relation.sources)
            sources[columns[0] or 0] = Along(rows[1] or 0, listed(block))
            coupled = AxisWise(tuple(sources))
        else:
            coupled = relation
        for factors in as_products(where.reshape([mask.shape[place] for place in others])):
            places = [(axes[place], part) for place, part in zip(others, factors, strict=True)]
            found += _restricted(coupled, places, outputs)
            if len(found) > MOST_MASKS:
                raise FaltungError(f"its weights have more than {MOST_MASKS} different masks, which are not followed")
    return tuple(found) or nothing(relation, outputs)


def nothing(relation: AxisWise, outputs: Shape) -> tuple[Relation, ...]:
    """Return a relation of which nothing is left: no output reads anything, though the axes correspond as they did."""
    return (InTurn((Kept(()), relation), (outputs,)),)


def _restricted(
    relation: AxisWise, places: Sequence[tuple[tuple[int | None, int | None], IntervalSet]], outputs: Shape
) -> tuple[Relation, ...]:
    """Return a relation that reads some places of some axes alone, or is read from some places alone."""
    import numpy as np

    sources = list(relation.sources)
    mask = np.ones((1,) * len(outputs), dtype=bool)
    for (source, output), members in places:
        if output is None:
            sources[source or 0] = Only(members)
            continue
        along = np.zeros(outputs[output], dtype=bool)
        along[list(members)] = True
        mask = mask & along.reshape([-1 if axis == output else 1 for axis in range(len(outputs))])
    return kept(AxisWise(tuple(sources)), mask, outputs)


def listed(mask: "Mask") -> Listed:
    """Return the relation in which output o reads input i where `mask[o, i]`."""
    return Listed(tuple(map(_interval_set, mask)))


def as_products(mask: "Mask") -> Iterator[Product]:
    """Yield disjoint products that hold the true places of a mask.

    >>> import numpy as np
    >>> list(as_products(np.array([[True, True, False], [True, True, False], [False, False, True]])))
    [(IntervalSet(0..1), IntervalSet(0..1)), (IntervalSet(2), IntervalSet(2))]
    """
    if mask.ndim == 0:
        yield from [()] if mask else []
    elif mask.ndim == 1:
        yield from [(_interval_set(mask),)] if mask.any() else []
    else:
        for section, places in _different(mask):
            for rest in as_products(section):
                yield (_interval_set(places), *rest)


def _different(blocks: "Mask") -> Iterator[tuple["Mask", "Mask"]]:
    """Yield the different blocks along the first axis that are not empty, each with the places where it stands."""
    import numpy as np

    places: dict[bytes, list[int]] = {}
    for place, bits in enumerate(np.packbits(blocks.reshape(len(blocks), -1), axis=1)):
        places.setdefault(bits.tobytes(), []).append(place)
    for members in places.values():
        if blocks[members[0]].any():
            where = np.zeros(len(blocks), dtype=bool)
            where[members] = True
            yield blocks[members[0]], where


def _interval_set(mask: Any) -> IntervalSet:
    """Return the places of a line at which it is true."""
    import numpy as np

    padded = np.zeros(len(mask) + 2, dtype=bool)
    padded[1:-1] = mask
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return IntervalSet(tuple(zip(edges[::2], edges[1::2], strict=True)))
