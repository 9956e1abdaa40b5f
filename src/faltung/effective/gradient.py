"""Effective receptive fields measured: the mean absolute gradient of a unit by the input."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.effective.report import EffectiveField
from faltung.errors import FaltungError, suggestion
from faltung.region import Unit, name_unit
from faltung.tracing import capture
from faltung.words import count

if TYPE_CHECKING:
    import torch


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
        net = capture(model, batch[:1], unknown=unknown)
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
