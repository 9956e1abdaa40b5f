"""Effective receptive fields measured: the mean absolute gradient of a unit by the input."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.effective.report import EffectiveField
from faltung.effective.running import Run, run_to, undisturbed
from faltung.effective.samples import Samples, as_arguments, samples, tensors_of
from faltung.errors import FaltungError
from faltung.exporting import exported
from faltung.network import Network
from faltung.region import Unit, name_unit
from faltung.tracing import capture
from faltung.words import count

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

Inputs = Any
"""A tensor for a model of one input, else a tuple of its arguments."""


def effective_receptive_field(
    model: "torch.nn.Module | ExportedProgram | Callable[..., Any]",
    *,
    unit: Unit,
    layer: str | None = None,
    inputs: Inputs = None,
    example: Inputs = None,
    input: int | str = 0,
    others: str = "random",
    n: int = 16,
    seed: int = 0,
    evaluate: bool = True,
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
    model : torch.nn.Module, torch.export.ExportedProgram or function
        Takes tensors whose first axis is the batch; the second axis of the one asked about is the channel.
    unit : mapping
        The unit, such as dict(y=3, x=4), or dict(c=7, y=3, x=4) for one channel alone.
    layer : str, optional
        The layer that the unit is in, as `faltung.capture` names it: a module of the model, such as
        "layer4.1.conv2", of which the (first) output is meant ("layer4.1.conv2@k" is its k-th further call), or any
        other layer of the table. The model's output where left out.
    inputs : torch.Tensor, shape (N, C, …), or tuple, optional
        What to average over; floating-point numbers. For a model of several inputs a tuple of its arguments: those
        with a first axis of N are taken picture by picture, any other serves all.
    example : torch.Tensor, shape (any, C, …), or tuple, optional
        In place of `inputs`: the gradient is averaged over `n` random normal inputs of this shape and type. An
        exported program brings its own.
    input : int or str
        By which of several inputs the gradient is taken: its number or name.
    others : {'random', 'fixed'}
        Further inputs, with an example: drawn anew for each sample if they are floating-point numbers, or as they
        stand in the example.
    n, seed : int
        How many random inputs, and the seed for them and for the signs.
    evaluate : bool
        Run in evaluation mode; False keeps the mode of each module.
    unknown : {'refuse', 'reads-all'}
        What to do about operators without a rule; see `faltung.capture`.

    Returns
    -------
    EffectiveField

    Raises
    ------
    FaltungError
        If there are no inputs or both kinds, they are not a batch of floating-point numbers with channels and
        places, the layer is unknown, the unit lies outside, or the gradient is 0 everywhere or not finite.
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
    from torch.export import ExportedProgram

    is_program = isinstance(model, ExportedProgram)
    if not (is_program or callable(model)):
        raise FaltungError(f"a gradient needs a torch.nn.Module or a function, not {type(model).__name__}")
    if is_program and inputs is None and example is None:
        example = _example_of(model)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    arguments = as_arguments(inputs, example)
    with undisturbed(model, tensors_of(arguments)[0], evaluate), torch.inference_mode(False), torch.enable_grad():
        chosen = input if isinstance(input, int) else _number_of(capture(model, *arguments, unknown=unknown), input)
        taken = samples(inputs, example, chosen, others, n, generator)
        program = exported(model, taken.arguments[0])
        net = capture(program, unknown=unknown)
        _check_shapes(net, taken)
        source = net.input(chosen)
        place = net.unit(unit, layer)
        field = net.receptive_field(unit=unit, layer=layer, input=source)
        window = tuple(slice(members.bounds.start, members.bounds.stop) for members in place)

        def score(activation: torch.Tensor) -> torch.Tensor:
            if tuple(activation.shape) != net.shape(layer):
                given, traced = ("x".join(map(str, shape)) for shape in (activation.shape, net.shape(layer)))
                raise FaltungError(f"{net.name(layer)} gives a tensor of {given} where {traced} was traced")
            part = activation[window]
            signs = torch.randint(0, 2, part.shape, generator=generator) * 2 - 1
            return (part * signs.to(part)).sum()

        run = run_to(model, program, net, layer)
        hidden = tuple(axis for axis, name in enumerate(net.maps[source].axes) if name not in field.axes)
        who = f"unit {name_unit(unit)} of {net.name(layer)}"
        total = np.zeros(field.shape)
        for number in range(len(taken)):
            gradient = _gradient(run, taken, number, score)
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
        raise FaltungError(f"{who} has gradient 0 by every pixel of {count(len(taken), 'input')}: there is no mass")
    by = "" if len(net.inputs) == 1 else f"{source} (the others {'given' if inputs is not None else others})"
    return EffectiveField(total / total.sum(), field, dict(unit), net.name(layer), len(taken), by)


def _gradient(run: Run, taken: Samples, number: int, score: "Callable[[torch.Tensor], torch.Tensor]") -> "torch.Tensor":
    """Return the gradient of a score of a layer's output by one input."""
    import torch

    arguments, leaf = taken.with_leaf(number)
    scores: list[torch.Tensor] = []
    run(arguments, lambda activation: scores.append(score(activation)))
    if not scores[0].requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(scores[0], [leaf], allow_unused=True)
    return torch.zeros_like(leaf) if gradient is None else gradient


def _number_of(net: Network, input: str) -> int:
    return net.inputs.index(net.input(input))


def _check_shapes(net: Network, taken: Samples) -> None:
    """Refuse pictures that an exported program does not take: it has one shape for good."""
    for name, tensor in zip(net.inputs, tensors_of(taken.arguments[0]), strict=True):
        if net.shape(name) != tuple(tensor.shape):
            wanted, given = ("x".join(map(str, shape)) for shape in (net.shape(name), tensor.shape))
            raise FaltungError(
                f"the exported program takes {name} of {wanted}, and one picture at a time is {given}: export it with "
                "a batch of one"
            )


def _example_of(program: "ExportedProgram") -> tuple[Any, ...]:
    """Return zeros of the shapes that an exported program takes."""
    import torch
    from torch.utils._pytree import tree_unflatten

    wanted = program.graph_signature.user_inputs
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    flat = [
        torch.zeros(values[name].shape, dtype=values[name].dtype)
        if hasattr(values.get(name), "shape")
        else values.get(name)
        for name in wanted
    ]
    arguments, named = tree_unflatten(flat, program.call_spec.in_spec)
    if named:
        raise FaltungError(f"the exported program takes inputs by name ({', '.join(named)}), which are not followed")
    return tuple(arguments)
