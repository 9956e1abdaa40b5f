"""Checking a network: shifts along every axis, mirrorings and quarter turns, each followed to every output."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from faltung.equivariance.report import Equivariance, Movement, Output, Symmetry, kind_of
from faltung.equivariance.swapped import swapped
from faltung.equivariance.untouched import complement, origins, touched
from faltung.equivariance.walk import Culprit, State, Walk
from faltung.equivariance.ways import Way
from faltung.errors import FaltungError
from faltung.graph import ANY, Graph
from faltung.region import Product, Region


def check(
    model: Any,
    *inputs: Any,
    axes: Sequence[str] | None = None,
    layer: str | None = None,
    shift: str = "crop",
    measure: bool = True,
    shifts: Sequence[int] | None = None,
    unknown: str = "refuse",
    seed: int = 0,
) -> Equivariance:
    """Say how a network answers to shifts of its input: by which lattice, on which units, and who stands in the way.

    Proved from the relations of its layers and from the numbers that they take; what is not proved is not granted.
    A model is run as well, on crops of a larger picture, and what it really did stands beside the proof.

    Parameters
    ----------
    model : Network, torch.nn.Module, function or torch.export.ExportedProgram
        A network from `faltung.parse` or `faltung.capture`, or a model.
    *inputs : torch.Tensor
        Example inputs of a model; their shapes count. None for a network.
    axes : sequence of str, optional
        Axes of the input to shift along, such as ``"yx"`` or ``["x"]``; all but the batch n and the channel c where
        left out. Several inputs that have the axis, and as many pixels along it as the first that has it, are
        shifted together; the others stay where they are.
    layer : str, optional
        Asks about an inner layer instead of the outputs.
    shift : {'crop', 'roll'}
        A camera moves over a larger picture, or the picture is rolled round (for circular padding).
    measure : bool
        Run the model as well, if it is one.
    shifts : sequence of int, optional
        The shifts to measure, in pixels; one step of the lattice and a few shifts off it where left out.
    unknown : {'refuse', 'reads-all'}
        What to do about an operator without a rule; see `faltung.capture`.
    seed : int
        Of the random pictures that are measured on.

    Returns
    -------
    Equivariance

    Raises
    ------
    FaltungError
        If the model cannot be captured, the network has no sizes, or an axis is unknown.

    Notes
    -----
    The lattice is the smallest step at which every layer, one by one, follows by whole units. Weights may grant
    more, and so may layers that undo one another, such as a pixel shuffle after its inverse.

    Examples
    --------
    >>> import torch, faltung
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    >>> report = faltung.check(model, torch.zeros(1, 3, 32, 32), measure=False)
    >>> report.output().movement("y").sentence()
    'shift the input by 4, the output moves by 1'
    """
    if shift not in ("crop", "roll"):
        raise FaltungError(f"shift={shift!r} must be 'crop' (a moving camera) or 'roll' (round a circle)")
    graph = _graph(model, inputs, unknown)
    report = prove(graph, axes=axes, layer=layer, shift=shift)
    if measure and not isinstance(model, Graph):
        from faltung.equivariance.measuring import measure as measured

        report = report.with_measured(measured(model, inputs, report, graph, shifts=shifts, seed=seed))
    return report


def _graph(model: Any, inputs: tuple[Any, ...], unknown: str) -> Graph:
    if isinstance(model, Graph):
        if inputs:
            raise FaltungError("a network has its sizes already; leave out the example inputs")
        if any(getattr(layer.call, "exact_weights", False) for layer in model.layers):
            raise FaltungError("a network captured with exact_weights=True reads by its weights; capture it without")
        return model
    from faltung.tracing import capture

    return capture(model, *inputs, unknown=unknown)


def prove(
    graph: Graph, *, axes: Sequence[str] | None = None, layer: str | None = None, shift: str = "crop"
) -> Equivariance:
    """Return what is proved about a network with sizes; see `check`."""
    moved = _moved(graph, axes)
    names = [graph.name(layer)] if layer is not None else list(dict.fromkeys(graph.outputs)) or [graph.name(None)]
    shifts = {axis: _shifted(graph, axis, places, shift == "roll") for axis, places in moved.items()}
    apart = {axis: touched([walk]) for axis, walk in shifts.items()}
    together = touched(list(shifts.values()))
    symmetries = [
        (axes, _mirrored(graph, axes, moved)) for axes in [*((axis,) for axis in moved), *combinations(moved, 2)]
    ]
    outputs = []
    for name in names:
        here = graph.map(name)
        outputs.append(
            Output(
                name,
                here.axes,
                here.shape,
                tuple(_movement(graph, name, axis, walk, apart[axis].get(name, [])) for axis, walk in shifts.items()),
                tuple(_symmetry(graph, axes, walk, name) for axes, walk in symmetries),
                Region.of(here.axes, here.shape, complement(together.get(name, []), here.shape)),
                tuple(origins(list(shifts.values()), name)),
            )
        )
    return Equivariance(shift, moved, tuple(outputs))


def _moved(graph: Graph, axes: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Return, for each axis to shift along, the inputs that are shifted with the place of the axis in each."""
    graph.map(None)
    found: dict[str, dict[str, int]] = {}
    known = dict.fromkeys(axis for name in graph.inputs for axis in graph.maps[name].axes if axis not in ANY)
    for axis in axes if axes is not None else known:
        if axis not in known:
            raise FaltungError(
                f"there is no axis {axis!r} to shift along; the inputs have {', '.join(known) or 'none'}"
            )
        sizes = {
            name: (graph.maps[name].axes.index(axis), graph.maps[name].shape[graph.maps[name].axes.index(axis)])
            for name in graph.inputs
            if axis in graph.maps[name].axes
        }
        size = next(iter(sizes.values()))[1]
        found[axis] = {name: place for name, (place, pixels) in sizes.items() if pixels == size}
    if not found:
        shapes = ", ".join("x".join(map(str, graph.maps[name].shape)) for name in graph.inputs)
        raise FaltungError(f"the input ({shapes}) has no axis to shift along, only batch and channel")
    return found


def _shifted(graph: Graph, axis: str, places: dict[str, int], rolls: bool) -> Walk:
    start = {}
    for name, place in places.items():
        size = graph.maps[name].shape[place]
        start[name] = State.of_input({place: Way(place, 1, 1, size, size if rolls else 0)})
    return Walk(graph, start, axis)


def _mirrored(graph: Graph, axes: tuple[str, ...], moved: dict[str, dict[str, int]]) -> Walk | str:
    """Return the walk of a mirroring of one axis or a quarter turn of two; or why there is none."""
    start = {}
    for name, place in moved[axes[0]].items():
        sizes = graph.maps[name].shape
        if len(axes) == 1:
            ways = {place: Way(place, -1, sizes[place] - 1, sizes[place])}
        elif name not in moved[axes[1]]:
            continue
        else:
            other = moved[axes[1]][name]
            if sizes[place] != sizes[other]:
                return f"is not square ({sizes[place]} x {sizes[other]})"
            ways = {
                place: Way(other, -1, sizes[place] - 1, sizes[place]),
                other: Way(place, 1, 0, sizes[other]),
            }
        start[name] = State.of_input(ways)
    image = f"its mirror image along {axes[0]}" if len(axes) == 1 else "itself turned by a quarter"
    return Walk(graph, start, " and ".join(axes), image)


def _movement(graph: Graph, name: str, axis: str, walk: Walk, found: list[Product]) -> Movement:
    here = graph.maps[name]
    shown = graph.shown_axes(name)
    spatial = [[factors[here.axes.index(one)] for one in shown] for factors in found]
    shape = tuple(here.shape[here.axes.index(one)] for one in shown)
    clean = Region.of(shown, shape, complement([tuple(factors) for factors in spatial], shape))
    state = walk.states.get(name)
    if state is None:
        return Movement(axis, "invariant", 0, {}, (), clean)
    kind = "none" if state.lost else kind_of(bool(state.ways), state.culprits)
    moves = {here.axes[place]: way.offset for place, way in state.ways.items()}
    closed = bool(state.ways) and all(way.around == here.shape[place] for place, way in state.ways.items())
    step = 0 if state.lost else state.step
    return Movement(axis, kind, step, moves, state.culprits, clean, closed, tuple(state.ways.items()))


def _symmetry(graph: Graph, axes: tuple[str, ...], walk: Walk | str, layer: str) -> Symmetry:
    name = f"flip {axes[0]}" if len(axes) == 1 else f"turn {axes[0]}{axes[1]}"
    if isinstance(walk, str):
        return Symmetry(name, (Culprit("the input", "picture", walk),), axes=axes)
    state = walk.states.get(layer)
    if state is None:
        return Symmetry(name, axes=axes)
    if (state.culprits or state.unweighed) and len(axes) == 1 and swapped(graph, walk, layer):
        return Symmetry(name, axes=axes, ways=tuple(state.ways.items()), by_branches=True)
    unweighed = () if state.culprits else state.unweighed
    return Symmetry(name, state.culprits, state.everywhere, unweighed, axes, tuple(state.ways.items()))
