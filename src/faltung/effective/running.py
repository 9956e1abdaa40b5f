"""A model run up to a layer, by a hook on its module or node by node, and left as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from faltung.errors import FaltungError
from faltung.network import Network
from faltung.tracing import nodes
from faltung.words import count

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

Take = Callable[["torch.Tensor"], None]
Run = Callable[[tuple[Any, ...], Take], None]
"""Runs a model on arguments, and gives the wanted activation away as soon as it is there."""


def run_to(model: Any, program: "ExportedProgram", net: Network, layer: str | None) -> Run:
    """Return what runs a model up to a layer.

    A module's output is caught by a hook. Any other layer is a node of the traced program, which is run in its
    place; there the backward passes of custom autograd functions are those of what they compute.
    """
    import torch
    from torch.export import ExportedProgram

    called: Any = model.module() if isinstance(model, ExportedProgram) else model
    if layer is None:
        return lambda arguments, take: take(_first_tensor(called(*arguments)))
    modules = dict(model.named_modules(remove_duplicate=False)) if isinstance(model, torch.nn.Module) else {}
    path, _, number = layer.rpartition("@") if "@" in layer else (layer, "", "0")
    if path in modules and number.isdecimal():
        return lambda arguments, take: _hooked(called, modules[path], int(number), layer, arguments, take)
    wanted = nodes(program)[net.name(layer)]
    graph: Any = program.module()
    return lambda arguments, take: _interpreted(graph, wanted, arguments, take)


def _hooked(
    model: Any, module: "torch.nn.Module", wanted: int, layer: str, arguments: tuple[Any, ...], take: Take
) -> None:
    calls = 0

    def hook(_module: "torch.nn.Module", _inputs: Any, output: Any) -> None:
        nonlocal calls
        if calls == wanted:  # taken at once: later layers may overwrite the output in place
            take(_first_tensor(output))
        calls += 1

    handle = module.register_forward_hook(hook)
    try:
        model(*arguments)
    finally:
        handle.remove()
    if calls <= wanted:
        raise FaltungError(f"layer {layer} did not run: its module was called {count(calls, 'time')}")


class _Reached(Exception):
    """The wanted node was run."""


def _interpreted(graph: Any, wanted: str, arguments: tuple[Any, ...], take: Take) -> None:
    from torch.fx import Interpreter

    class UpTo(Interpreter):
        def run_node(self, n: Any) -> Any:
            found = super().run_node(n)
            if n.name == wanted:
                take(found)
                raise _Reached
            return found

    with suppress(_Reached):
        UpTo(graph).run(*arguments)


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
def undisturbed(model: Any, tensor: "torch.Tensor", evaluate: bool) -> Iterator[None]:
    """Run a model, in evaluation mode if wanted, and leave modes, buffers and random numbers as they were.

    cuDNN and NNPACK are off: their fast convolutions (Winograd, Fourier) leave rounding errors where the
    gradient is exactly 0.
    """
    import torch

    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    modes = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    numbers = [{name: one.clone() for name, one in own.items() if one is not None} for own in buffers]
    devices = [tensor.device] if tensor.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=False),
        torch.backends.nnpack.flags(enabled=False),
    ):
        try:
            for module in modules:
                module.training = module.training and not evaluate
            yield
        finally:
            for module, mode, own, kept in zip(modules, modes, buffers, numbers, strict=True):
                module.training = mode
                module._buffers.update(own)
                with torch.no_grad():
                    for name, value in kept.items():
                        own[name].copy_(value)  # type: ignore[union-attr]
