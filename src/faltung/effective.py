"""The effective receptive field: how much of what a unit can see it really weighs.

The theoretical field says which pixels can matter, for all weights. How much each matters, for these weights
and pictures, is the size of the unit's gradient there. In deep networks that falls off like a bell: it grows
with the square root of the depth, the theoretical field with the depth itself (Luo, Li, Urtasun and Zemel,
Understanding the effective receptive field in deep convolutional neural networks, NeurIPS 2016). What random
weights give in the mean needs no weights at all: it is the number of paths from the unit to the pixel.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import faltung  # for capture, whose module has the same name: importing that would hide it
from faltung.errors import FaltungError, suggestion
from faltung.graph import ANY, Graph
from faltung.intervals import IntervalSet
from faltung.network import Network
from faltung.reads import Reads
from faltung.region import Region, Unit, name_unit
from faltung.relation import Along, AxisReads, AxisWise, Only, Whole
from faltung.words import count

if TYPE_CHECKING:
    import torch

Weights = NDArray[np.float64]

THRESHOLD = 0.0455
"""Luo et al. count a pixel to the effective field above 1 - 95.45 % of the peak: two standard deviations."""

DIGITS = 9
"""Distances are rounded to so many digits, that pixels equally far away are so despite rounding errors."""


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """How the weight of a unit is shared out over the pixels that it can see.

    Parameters
    ----------
    mass : ndarray, over the spatial axes of the input, such as (y, x)
        The share of each pixel; not negative, sums to 1, read-only. Exactly 0 outside `field`.
    field : Region
        The theoretical receptive field, in the same map.
    unit : dict of str to int
        The unit asked about; without c, all channels at its place.
    layer : str
        Its layer.
    inputs : int
        Over how many inputs the gradient was averaged; 0 for a prediction from the network's structure.
    """

    mass: Weights
    field: Region
    unit: dict[str, int]
    layer: str
    inputs: int

    def __post_init__(self) -> None:
        self.mass.setflags(write=False)

    @cached_property
    def centre(self) -> dict[str, float]:
        """The mean place of the mass, in pixels along each axis."""
        places = (
            float(np.tensordot(np.indices(self.mass.shape)[axis], self.mass, self.mass.ndim))
            for axis in range(self.mass.ndim)
        )
        return dict(zip(self.field.axes, places, strict=True))

    def within(self, radius: float) -> float:
        """Return the share of the mass within a Euclidean distance of its centre, in pixels, borders included.

        The distance is from the centre of the mass (not of the unit or the box) to the middle of the pixel: so
        it serves units at borders, even kernels and fields of any dimension alike.
        """
        distances, shares = self._from_the_centre
        inside = int(np.searchsorted(distances, radius, side="right"))
        return float(shares[inside - 1]) if inside else 0.0

    def radius(self, share: float = 0.5) -> float:
        """Return the smallest radius, in pixels, within which a share of the mass lies.

        Raises
        ------
        FaltungError
            If the share is not above 0 and up to 1.
        """
        if not 0 < share <= 1:
            raise FaltungError(f"a share of the mass is above 0 and at most 1, not {share}")
        distances, shares = self._from_the_centre
        return float(distances[np.searchsorted(shares, share - 10.0**-DIGITS)])

    def area(self, threshold: float = THRESHOLD) -> int:
        """Return how many pixels hold more than `threshold` times the largest mass.

        Luo et al. take 1 - 95.45 % and call the square root of this number the size of the effective field.
        """
        return int(np.count_nonzero(self.mass > threshold * self.mass.max()))

    def compare(self, after: "EffectiveField") -> "Change":
        """Return what changed from this field to another of the same map: before and after training, say.

        Raises
        ------
        FaltungError
            If the fields lie in maps of different axes or sizes.
        """
        mine, theirs = (
            " ".join(f"{axis}={size}" for axis, size in zip(one.field.axes, one.field.shape, strict=True))
            for one in (self, after)
        )
        if mine != theirs:
            raise FaltungError(f"effective fields of different maps cannot be compared: {mine} and {theirs}")
        return Change(self, after)

    @cached_property
    def _from_the_centre(self) -> tuple[Weights, Weights]:
        """Return the distances of all pixels, ascending, and the share of the mass up to each."""
        offsets = np.ogrid[tuple(slice(size) for size in self.mass.shape)]
        squares = np.zeros(self.mass.shape)
        for offset, middle in zip(offsets, self.centre.values(), strict=True):
            squares += np.square(offset - middle)
        distances: Weights = np.sqrt(squares).round(DIGITS).ravel()
        order = np.argsort(distances, kind="stable")
        shares: Weights = np.cumsum(self.mass.ravel()[order])
        return distances[order], shares / shares[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the field as plain numbers, lists and strings, ready for JSON.

        `mass` holds the box of the theoretical field (`field.box`), row by row; it is 0 everywhere else.
        """
        box = tuple(slice(along.start, along.stop) for along in self.field.box.values())
        return {
            "layer": self.layer,
            "unit": self.unit,
            "inputs": self.inputs,
            "centre": self.centre,
            "radius": {"50%": self.radius(0.5), "90%": self.radius(0.9)},
            "area": self.area(),
            "field": self.field.to_dict(),
            "mass": self.mass[box].tolist(),
        }

    def _facts(self) -> tuple[tuple[str, str], ...]:
        """Return what there is to say, as pairs of a heading and a text."""
        middle = "(" + ", ".join(f"{axis}={place:.1f}" for axis, place in self.centre.items()) + ")"
        size = " x ".join(str(len(along)) for along in self.field.box.values())
        return (
            ("unit", f"{self.layer} {name_unit(self.unit)}"),
            ("from", f"gradients of {count(self.inputs, 'input')}" if self.inputs else "path counts, no data"),
            ("centre of the mass", middle),
            ("half of the mass", f"within {self.radius(0.5):.1f} pixels"),
            ("90% of the mass", f"within {self.radius(0.9):.1f} pixels"),
            ("effective", f"{count(self.area(), 'pixel')} above {THRESHOLD:.2%} of the peak"),
            ("theoretical", f"{count(self.field.size, 'pixel')} in a box of {size}"),
        )

    def __str__(self) -> str:
        width = max(len(heading) for heading, _ in self._facts())
        return "\n".join(f"{heading.ljust(width)}  {text}" for heading, text in self._facts())

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{escape(heading)}</th><td>{escape(text)}</td></tr>" for heading, text in self._facts())
        return f"<table><tbody>{rows}</tbody></table>"


@dataclass(frozen=True)
class Change:
    """Two effective fields of one map, before and after; see `EffectiveField.compare`."""

    before: EffectiveField
    after: EffectiveField

    @property
    def growth(self) -> float:
        """By what factor the effective area grew."""
        return self.after.area() / self.before.area()

    @property
    def overlap(self) -> float:
        """The share of the mass that lies where it lay: 1 for equal fields, 0 for disjoint ones.

        The sum of the smaller of the two masses over all pixels, which is 1 less their total variation.
        """
        return float(np.minimum(self.before.mass, self.after.mass).sum())

    def __str__(self) -> str:
        before, after = self.before, self.after
        return (
            f"half of the mass  within {before.radius(0.5):.1f} -> {after.radius(0.5):.1f} pixels\n"
            f"90% of the mass   within {before.radius(0.9):.1f} -> {after.radius(0.9):.1f} pixels\n"
            f"effective         {before.area():,} -> {after.area():,} pixels\n"
            f"mass in place     {self.overlap:.0%}"
        )


def effective_receptive_field(
    model: "torch.nn.Module | Callable[..., Any]",
    *,
    unit: Unit,
    layer: str | None = None,
    inputs: "torch.Tensor | None" = None,
    example: "torch.Tensor | None" = None,
    n: int = 16,
    seed: int = 0,
    unknown: str = "refuse",
) -> EffectiveField:
    """Return how much each pixel weighs in a unit: the mean absolute gradient of the unit by the input.

    The gradient of each input is taken by itself, its absolute value summed over the input's channels and
    averaged over the inputs. Where the unit names no channel, all channels at its place are summed with random
    signs, drawn anew for every input: then no channel counts more than another, and channels with opposite
    weights do not cancel, as they would in a plain sum.

    The model runs in evaluation mode: dropout is off, and batch normalisation reads its running statistics. It
    is left as it was: modes, hooks, buffers, gradients and the state of the random numbers.

    Parameters
    ----------
    model : torch.nn.Module or function
        Takes one tensor whose first axis is the batch and whose second is the channel.
    unit : mapping
        The unit, such as dict(y=3, x=4), or dict(c=7, y=3, x=4) for one channel alone.
    layer : str, optional
        A module of the model, such as "layer4.1.conv2", whose (first) output the unit is in; its k-th further
        call is "layer4.1.conv2@k". The model's output where left out.
    inputs : torch.Tensor, shape (N, C, …), optional
        What to average over; floating-point numbers.
    example : torch.Tensor, shape (any, C, …), optional
        In place of `inputs`: the gradient is averaged over `n` random normal inputs of this shape and type.
    n, seed : int
        How many random inputs, and the seed for them and for the signs.
    unknown : {'refuse', 'reads-all'}
        What to do about operators without a rule; see `faltung.capture`.

    Returns
    -------
    EffectiveField

    Raises
    ------
    FaltungError
        If there are no inputs or both kinds, they are not a batch of floating-point numbers with channels and
        places, the layer is no module, the unit lies outside, or the gradient is 0 everywhere or not finite.
    RuntimeError
        If the gradient leaves the theoretical field: a defect of Faltung.

    References
    ----------
    Luo, Li, Urtasun and Zemel, Understanding the effective receptive field in deep convolutional neural
    networks, NeurIPS 2016.

    Examples
    --------
    >>> import torch
    >>> conv = torch.nn.Conv2d(1, 1, (1, 3), padding=(0, 1), bias=False)
    >>> conv.weight.data = torch.tensor([[[[1.0, -2.0, 1.0]]]])
    >>> effective_receptive_field(conv, unit=dict(y=0, x=2), example=torch.zeros(1, 1, 1, 5)).mass
    array([[0.  , 0.25, 0.5 , 0.25, 0.  ]])
    """
    import torch

    if not (isinstance(model, torch.nn.Module) or callable(model)) or isinstance(model, torch.export.ExportedProgram):
        raise FaltungError(f"a gradient needs a torch.nn.Module or a function, not {type(model).__name__}")
    generator = torch.Generator().manual_seed(seed)
    batch = _batch(inputs, example, n, generator)
    with _undisturbed(model, batch), torch.inference_mode(False), torch.enable_grad():
        net = faltung.capture(model, batch[:1], unknown=unknown)
        place = net.unit(unit, layer)
        field = net.receptive_field(unit=unit, layer=layer)
        window = tuple(slice(members.bounds.start, members.bounds.stop) for members in place)

        def score(activation: torch.Tensor) -> torch.Tensor:
            if tuple(activation.shape) != net.shape(layer):
                given, traced = ("x".join(map(str, shape)) for shape in (activation.shape, net.shape(layer)))
                raise FaltungError(f"{net.name(layer)} gives a tensor of {given} where {traced} was traced")
            chosen = activation[window]
            signs = torch.randint(0, 2, chosen.shape, generator=generator) * 2 - 1
            return (chosen * signs.to(chosen)).sum()

        hidden = tuple(axis for axis, name in enumerate(net.maps[net.inputs[0]].axes) if name not in field.axes)
        who = f"unit {name_unit(unit)} of {net.name(layer)}"
        total = np.zeros(field.shape)
        for number in range(len(batch)):
            gradient = _gradient(model, layer, batch[number : number + 1], score)
            magnitude = gradient.abs().to(torch.float64).sum(hidden).cpu().numpy()
            if not np.isfinite(magnitude).all():
                raise FaltungError(f"{who}: its gradient by input {number} is not finite")
            total += magnitude
    outside = int(np.count_nonzero(total[~field.mask()]))
    if outside:
        raise RuntimeError(
            f"{who} has a gradient at {count(outside, 'pixel')} outside its theoretical field {field!r}: "
            "this is a defect of Faltung, please report it"
        )
    if not total.any():
        raise FaltungError(f"{who} has gradient 0 by every pixel of {count(len(batch), 'input')}: there is no mass")
    return EffectiveField(total / total.sum(), field, dict(unit), net.name(layer), len(batch))


def _batch(
    inputs: "torch.Tensor | None", example: "torch.Tensor | None", n: int, generator: "torch.Generator"
) -> "torch.Tensor":
    """Return the inputs: those given, or random ones."""
    import torch

    given = example if inputs is None else inputs
    if given is None or (inputs is not None and example is not None):
        raise FaltungError("give either inputs, or an example such as torch.zeros(1, 3, 64, 64) for random ones")
    if not isinstance(given, torch.Tensor) or not given.is_floating_point():
        kind = given.dtype if isinstance(given, torch.Tensor) else type(given).__name__
        raise FaltungError(f"inputs must be a tensor of floating-point numbers, not {kind}: others have no gradient")
    if given.ndim < 3 or not given.numel():
        raise FaltungError(
            f"inputs of shape {tuple(given.shape)}: they need a batch, a channel and at least one further axis, "
            "none of them empty"
        )
    if inputs is not None:
        return inputs.detach()
    if n < 1:
        raise FaltungError(f"n={n} random inputs; at least 1 is needed")
    drawn = torch.randn((n, *given.shape[1:]), generator=generator, dtype=torch.float64)
    return drawn.to(given.device, given.dtype)


def _gradient(
    model: "torch.nn.Module | Callable[..., Any]",
    layer: str | None,
    one: "torch.Tensor",
    score: "Callable[[torch.Tensor], torch.Tensor]",
) -> "torch.Tensor":
    """Return the gradient of a score of a layer's output by one input."""
    import torch

    leaf = one.clone().requires_grad_()
    scores: list[torch.Tensor] = []
    if layer is None:
        scores.append(score(_first_tensor(model(leaf.clone()))))  # the clone may be overwritten in place
    else:
        module, wanted = _module(model, layer)
        calls = 0

        def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
            nonlocal calls
            if calls == wanted:  # scored at once: later layers may overwrite the output in place
                scores.append(score(_first_tensor(output)))
            calls += 1

        handle = module.register_forward_hook(hook)
        try:
            model(leaf.clone())
        finally:
            handle.remove()
        if not scores:
            raise FaltungError(f"layer {layer} did not run: its module was called {count(calls, 'time')}")
    if not scores[0].requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(scores[0], [leaf], allow_unused=True)
    return torch.zeros_like(leaf) if gradient is None else gradient


def _module(model: "torch.nn.Module | Callable[..., Any]", layer: str) -> "tuple[torch.nn.Module, int]":
    """Return the module of a layer, and after how many earlier calls it is meant."""
    import torch

    modules = dict(model.named_modules(remove_duplicate=False)) if isinstance(model, torch.nn.Module) else {}
    path, _, number = layer.rpartition("@") if "@" in layer else (layer, "", "0")
    if path not in modules or not number.isdecimal():
        known = [name for name in modules if name]
        hint = suggestion(path, known) if known else "the model has none"
        raise FaltungError(f"layer {layer} is no module, and only the output of a module can be had; {hint}")
    return modules[path], int(number)


def _first_tensor(output: Any) -> "torch.Tensor":
    """Return the first tensor in what a module returns."""
    import torch

    pending = [output]
    while pending:
        here = pending.pop(0)
        if isinstance(here, torch.Tensor):
            return here
        if isinstance(here, dict):
            pending = [*here.values(), *pending]
        elif isinstance(here, list | tuple):
            pending = [*here, *pending]
        elif hasattr(here, "__dict__"):
            pending = [*vars(here).values(), *pending]
    raise FaltungError(f"there is no tensor in an output of type {type(output).__name__}")


@contextmanager
def _undisturbed(model: "torch.nn.Module | Callable[..., Any]", batch: "torch.Tensor") -> Iterator[None]:
    """Run a model in evaluation mode, and leave modes, buffers and random numbers as they were.

    cuDNN and NNPACK are off: their fast convolutions (Winograd, Fourier) leave rounding errors where the
    gradient is exactly 0.
    """
    import torch

    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    modes = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    numbers = [{name: one.clone() for name, one in own.items() if one is not None} for own in buffers]
    devices = [batch.device] if batch.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=False),
        torch.backends.nnpack.flags(enabled=False),
    ):
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode, own, kept in zip(modules, modes, buffers, numbers, strict=True):
                module.training = mode
                module._buffers.update(own)
                with torch.no_grad():
                    for name, value in kept.items():
                        own[name].copy_(value)  # type: ignore[union-attr]


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
