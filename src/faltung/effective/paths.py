"""Effective receptive fields predicted: the number of paths from a unit to each pixel, without any data."""

from collections.abc import Sequence

import numpy as np

from faltung.effective.counting import laid_along, pushed_back
from faltung.effective.report import EffectiveField, Weights
from faltung.errors import FaltungError
from faltung.graph import ANY, FeatureMap, Graph, Layer
from faltung.network import Network
from faltung.region import Unit, name_unit
from faltung.relation import AxisWise, InTurn, Relation, Whole
from faltung.rules.lookup import ADDS_UP


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
    by = net.input(input) if len(net.inputs) > 1 else ""
    return EffectiveField(mass / mass.sum(), field, dict(unit), net.name(layer), 0, by)


def path_counts(
    net: Graph, unit: Unit, layer: str | None = None, input: int | str = 0, *, fan_in: bool = False
) -> Weights:
    """Return the number of paths from a unit to each pixel, through what each layer reads.

    This is the gradient of the unit where all weights are 1, and the mean squared gradient where they are
    independent with mean 0 and variance 1: two different paths share no product of weights, so all mixed terms
    vanish. It comes from the relations of the layers alone: through windows, branches that are added or
    concatenated, views, and layers that add up all of an axis (means, linear layers). A pooling layer counts as its
    window; a pointwise layer passes everything, and so does each factor of a product, such as the gate of a
    squeeze-and-excitation block.

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
        If a layer on the way reads all of an axis and does not just add it up (normalisation, softmax, attention,
        what the data choose), or there are more paths than a float can count.

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
            source = net.maps[edge.source]
            _check(current, edge.relations, source)
            with np.errstate(over="ignore", invalid="ignore"):  # too many are told below
                found = pushed_back(edge.relations, here, source.shape, net.maps[current.name].shape, fan_in)
                if found is None:
                    raise FaltungError(f"{_title(current)} has too many units to count its paths one by one")
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
            weights = weights * laid_along(along, place, len(here.shape))
    return weights


def _check(layer: Layer, relations: Sequence[Relation], source: FeatureMap) -> None:
    """Refuse a layer that weighs what it reads by the data: its units have no share of their own in it."""
    if layer.unknown:
        raise FaltungError(f"{_title(layer)} is unknown: its paths cannot be counted")
    if ADDS_UP.fullmatch(layer.operator.split()[0]):
        return
    for relation in relations:
        last = relation.relations[-1] if isinstance(relation, InTurn) else relation
        if isinstance(last, AxisWise):
            for entry, axis, size in zip(last.sources, source.axes, source.shape, strict=True):
                if isinstance(entry, Whole) and axis not in ANY and size > 1:
                    what = f"{_title(layer)} reads all of axis {axis} and does not just add it up"
                    raise FaltungError(f"{what}: its paths cannot be counted")


def _title(layer: Layer) -> str:
    return f"{layer.name} ({layer.operator})"
