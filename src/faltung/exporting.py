"""A PyTorch model as torch.export traces it: a program of operators, or one line that says why not.

The model runs on fake tensors that have shapes and no numbers: nothing is computed, the time does not grow with
the picture, and parameters may live on the meta device. Naming a model runs its Python code.
"""

import logging
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from operator import getitem
from typing import TYPE_CHECKING, Any

from faltung.errors import FaltungError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.export import ExportedProgram


def exported(model: Any, inputs: tuple[Any, ...]) -> "ExportedProgram":
    """Return a model as torch.export traces it, with what is written in place told by name."""
    program = _traced(model, inputs)
    if _overwritten_and_read(program):
        try:
            with _quiet():
                program = program.run_decompositions({})
        except Exception as error:  # torch cannot, with sizes that it takes for unknown
            first = (str(error).strip().splitlines() or [""])[0]
            why = f"torch.export cannot tell what it writes in place: {type(error).__name__}: {first}"
            raise FaltungError(f"{type(model).__name__}: {why}") from error
    return program


def _traced(model: Any, inputs: tuple[Any, ...]) -> "ExportedProgram":
    import torch
    from torch.export import ExportedProgram, export

    if isinstance(model, ExportedProgram):
        return model
    if not isinstance(model, torch.nn.Module):
        if not callable(model):
            raise FaltungError(f"a model is a torch.nn.Module or a function, not {type(model).__name__}")
        model = _Function(model).module
    if not inputs:
        raise FaltungError("capture needs example inputs, such as torch.zeros(1, 3, 224, 224)")
    from torch.utils._pytree import tree_map

    # torch.export takes a tensor that is given twice for one input: each place gets an object of its own
    inputs = tree_map(lambda given: given.detach() if isinstance(given, torch.Tensor) else given, inputs)
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            return export(model, inputs, strict=False)
    except FaltungError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        why = f"torch.export: {type(error).__name__}: {lines[0]}"
        if _is_packed(error):
            why = "torch.export: packed sequences have lengths that are not known"
        raise FaltungError(f"{type(model).__name__} cannot be traced by {why}") from error


def _is_packed(error: Exception) -> bool:
    """Say whether a trace broke where a packed sequence was at hand."""
    from torch.nn.utils.rnn import PackedSequence

    place = error.__traceback__
    while place is not None:
        if any(isinstance(value, PackedSequence) for value in place.tb_frame.f_locals.values()):
            return True
        place = place.tb_next
    return False


class _Function:
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import torch

        class Function(torch.nn.Module):
            def forward(self, *inputs: Any) -> Any:
                return function(*inputs)

        self.module = Function()


@contextmanager
def _quiet() -> "Iterator[None]":
    """Keep what torch.export warns of and logs (deprecations, its own tracebacks) from users, who get one line."""
    logged = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logged)


def _overwritten_and_read(program: "ExportedProgram") -> bool:
    """Say whether a tensor is changed in place and then read under another name: then names do not tell all."""
    family: dict[Any, Any] = {}
    changed: dict[Any, set[Any]] = {}
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        for argument in node.all_input_nodes:
            owner = family.get(argument, argument)
            if owner in changed and argument not in changed[owner]:
                return True
        family[node] = node
        if node.target is getitem:  # one of several views, such as those of split
            family[node] = family.get(node.args[0], node.args[0])
        if schema is None:
            continue
        for position, argument in enumerate(schema.arguments):
            alias = argument.alias_info
            given = node.args[position] if position < len(node.args) else node.kwargs.get(argument.name)
            if alias is None or not hasattr(given, "all_input_nodes"):
                continue
            family[node] = family.get(given, given)
            if alias.is_write:
                if family[node] is not given:
                    return True
                changed[family[node]] = {node}
            elif family[node] in changed:
                changed[family[node]].add(node)
    return False
