"""Effective receptive fields predicted: the number of paths from a unit to each pixel, without any data."""

from collections.abc import Sequence

import numpy as np

from faltung.effective.report import EffectiveField, Weights
from faltung.errors import FaltungError
from faltung.graph import ANY, Graph
from faltung.intervals import IntervalSet
from faltung.network import Network
from faltung.reads import Reads
from faltung.region import Unit, name_unit
from faltung.relation import Along, AxisReads, AxisWise, Only, Whole


def predicted_receptive_field(
    net: Network, *, unit: Unit, layer: str | None = None, input: int | str = 0
) -> EffectiveField:
    """Return the effective field that random weights give in the mean, from the network's structure alone.

    The mass is the square root of the path counts with even shares (`path_counts` with `fan_in=True`): the root
    mean square of the gradient, for weights with mean 0 and a variance of 1 / fan-in.

    Examples
    --------
    >>> import faltung
    >>> net = faltung.parse("20 x conv k=3 p=same").at(y=64, x=64)
    >>> print(predicted_receptive_field(net, unit=dict(y=32, x=32)))
    unit                conv20 (y=32, x=32)
    from                path counts, no data
    centre of the mass  (y=32.0, x=32.0)
    half of the mass    within 6.1 pixels
    90% of the mass     within 10.8 pixels
    effective           517 pixels above 4.55% of the peak
    theoretical         1,681 pixels in a box of 41 x 41
    """
    mass = np.sqrt(path_counts(net, unit, layer, input, fan_in=True))
    field = net.receptive_field(unit=unit, layer=layer, input=input)
    if not mass.any():
        raise FaltungError(f"unit {name_unit(unit)} of {net.name(layer)} reads no pixel: there is no mass")
    return EffectiveField(mass / mass.sum(), field, dict(unit), net.name(layer), 0)


def path_counts(
    net: Graph, unit: Unit, layer: str | None = None, input: int | str = 0, *, fan_in: bool = False
) -> Weights:
    """Return the number of paths from a unit to each pixel, through what each layer reads.

    This is the gradient of the unit where all weights are 1, and the mean squared gradient where they are
    independent with mean 0 and variance 1: two different paths share no product of weights, so all mixed terms
    vanish. It comes from the relations of the layers alone. A pooling layer counts as its window; a pointwise
    layer passes everything.

    Parameters
    ----------
    net : Network
        Parsed or captured, bound to sizes.
    unit, layer, input
        As in `Network.receptive_field`; without c, the paths of all channels are summed, without n the unit
        is in the first picture of the batch.
    fan_in : bool
        Share the weight of each unit out evenly over its taps, padding included, as weights of variance
        1 / fan-in do: the counts become the chances of a random walk. In a chain of layers that is mostly a
        matter of scale; where branches meet, it keeps the one with more taps from drowning the others. Beside a
        skip it matters how strong the branch is: torch.nn.Conv2d starts with a variance of 1 / (3 fan-in), and
        then the field is smaller than predicted.

    Returns
    -------
    ndarray, over the spatial axes of the input, such as (y, x)

    Raises
    ------
    FaltungError
        If a layer on the way is neither a window nor pointwise (it reads all of an axis, or moves data across
        axes), or there are more paths than a float can count.

    References
    ----------
    Luo, Li, Urtasun and Zemel, Understanding the effective receptive field in deep convolutional neural
    networks, NeurIPS 2016, section 2.

    Examples
    --------
    >>> import faltung
    >>> path_counts(faltung.parse("2 x conv k=3 p=1").at(x=7), dict(x=1))
    array([2., 3., 2., 1., 0., 0., 0.])
    """
    start, end = net.root(net.name(layer)), net.input(input)
    pending = {start: _at_the_unit(net, unit, layer)}
    for current in reversed(net.up_to(start)):
        if current.name not in pending:
            continue
        here = pending.pop(current.name)
        for edge in net.hops(current.name):
            (relation, *more), source = edge.relations, net.maps[edge.source]
            title = f"{current.name} ({current.operator})"
            if current.unknown or more or not isinstance(relation, AxisWise):
                raise FaltungError(f"{title} is neither a window nor pointwise: its paths cannot be counted")
            for entry, axis, size in zip(relation.sources, source.axes, source.shape, strict=True):
                if isinstance(entry, Whole) and axis not in ANY and size > 1:
                    raise FaltungError(f"{title} reads all of axis {axis}: its paths cannot be counted")
            with np.errstate(over="ignore", invalid="ignore"):  # too many are told below
                found = _through(relation, here, source.shape, net.maps[current.name].shape, fan_in)
                pending[edge.source] = pending[edge.source] + found if edge.source in pending else found
    axes, shape = net.maps[end].axes, net.maps[end].shape
    paths = np.broadcast_to(pending.get(end, np.zeros((1,) * len(shape))), shape)
    summed = paths.sum(tuple(place for place, axis in enumerate(axes) if axis in ANY))
    if not np.isfinite(summed).all():
        raise FaltungError(f"{net.name(layer)}: there are more paths than a float can count; ask with fan_in=True")
    return np.asarray(summed)


def _at_the_unit(net: Graph, unit: Unit, layer: str | None) -> Weights:
    """Return weights over a layer: 1 at the unit, 0 elsewhere. An axis of length 1 stands for equal weights."""
    here = net.map(layer)
    places = net.unit({"n": 0, **unit} if "n" in here.axes else unit, layer)
    weights = np.ones((1,) * len(here.shape))
    for place, (members, size) in enumerate(zip(places, here.shape, strict=True)):
        if len(members) < size:
            along = np.zeros(size)
            along[list(members)] = 1
            weights = weights * _laid_along(along, place, len(here.shape))
    return weights


def _through(
    relation: AxisWise, weights: Weights, inputs: Sequence[int], outputs: Sequence[int], fan_in: bool
) -> Weights:
    """Push weights over a layer's units back to what they read, axis by axis, clipped to the source.

    An axis of length 1 stands for equal weights all along it, which keeps channels cheap.
    """
    followed = [entry.axis for entry in relation.sources if isinstance(entry, Along)]
    for axis, size in enumerate(outputs):
        if axis not in followed:  # every output along this axis reads the same
            weights = weights.sum(axis, keepdims=True) * (size if weights.shape[axis] == 1 else 1)
    # one axis for each input axis, in its order, then those that nothing follows
    rest = [axis for axis in range(len(outputs)) if axis not in followed]
    weights = weights.transpose(*followed, *rest).reshape([weights.shape[axis] for axis in followed])
    for place, (entry, size) in enumerate(zip(relation.sources, inputs, strict=True)):
        if not isinstance(entry, Along):
            weights = np.expand_dims(weights, place)
            if isinstance(entry, Only):
                along = np.zeros(size)
                along[list(entry.places.clip(0, size))] = 1
                weights = weights * _laid_along(along, place, weights.ndim)
            read = size if isinstance(entry, Whole) else len(entry.places)
            weights = weights / (read if fan_in else 1)
        else:
            weights = _along(entry.reads, weights, place, size, outputs[entry.axis], fan_in)
    return weights


def _along(reads: AxisReads, weights: Weights, axis: int, inputs: int, outputs: int, fan_in: bool) -> Weights:
    """Push weights back along one axis: each output gives its weight to every input that it reads."""
    equal = weights.shape[axis] == 1
    if equal and reads == Reads(1, [[0]]) and inputs == outputs:
        return weights
    given = np.moveaxis(np.broadcast_to(weights, _with(weights.shape, axis, outputs)), axis, 0)
    taken = np.zeros((inputs, *given.shape[1:]))
    for output in np.flatnonzero(given.reshape(outputs, -1).any(1)).tolist():
        taps = reads.inputs_of(IntervalSet.points([output]))
        share = given[output] / (len(taps) if fan_in and taps else 1)
        for first, stop in taps.clip(0, inputs).intervals:
            taken[first:stop] += share
    if equal and inputs and (taken == taken[:1]).all():
        taken = taken[:1]
    return np.moveaxis(taken, 0, axis)


def _with(shape: Sequence[int], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _laid_along(values: Weights, axis: int, rank: int) -> Weights:
    return values.reshape(_with((1,) * rank, axis, len(values)))
