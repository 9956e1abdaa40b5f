"""Relations that are made of axes: most of them the same, some moved."""

from collections.abc import Mapping, Sequence

from faltung.relation import SAME, Along, AxisReads, AxisWise

NONE: Mapping[int, AxisReads] = {}


def along(rank: int, changed: Mapping[int, AxisReads]) -> AxisWise:
    """Return the relation that reads every axis in its own place, but for those given.

    >>> from faltung.reads import Reads
    >>> along(2, {1: Reads(1, [[-3]])}).sources[1]
    Along(axis=1, reads=Reads(stride=1, taps=[[-3]]))
    """
    return following(range(rank), changed)


def following(order: Sequence[int], changed: Mapping[int, AxisReads] = NONE) -> AxisWise:
    """Return the relation in which input axis k follows output axis `order[k]`.

    >>> following([1, 0]).sources[0]
    Along(axis=1, reads=Reads(stride=1, taps=[[0]]))
    """
    return AxisWise(tuple(Along(number, changed.get(place, SAME)) for place, number in enumerate(order)))
