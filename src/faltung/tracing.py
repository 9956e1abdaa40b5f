"""A network from a PyTorch model: each operator of the traced program looked up in the table of rules."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from operator import getitem
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from faltung import rules
from faltung.axes import AxisNames
from faltung.errors import FaltungError
from faltung.exporting import exported
from faltung.graph import INPUT, Edge, FeatureMap, Layer
from faltung.network import Network
from faltung.relation import AxisWise
from faltung.rules.lookup import TAKE_NUMBERS, base_name, described, is_random, rule_of
from faltung.rules.table import Call, Rule, Tensor, UnknownOperator, everything

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import Node


def capture(model: Any, *inputs: Any, unknown: str = "refuse", exact_weights: bool = False) -> Network:
    """Return the network that a PyTorch model is for inputs of the given shapes.

    Parameters
    ----------
    model : torch.nn.Module, function or torch.export.ExportedProgram
        What to look at; it is not changed, and its parameters may be on the meta device. A module is captured in
        the mode it is in: batch normalisation in training mode reads the whole batch.
    *inputs : torch.Tensor
        Example inputs; their shapes count, their numbers do not.
    unknown : {'refuse', 'reads-all'}
        What to do about an operator without a rule: refuse it by name, or take it to read everything, which is
        sound but too much; the layer is marked.
    exact_weights : bool
        Taps and channels whose weights are exactly zero (masks) count as not read.

    Returns
    -------
    Network
        With the model's module names as layer names, bound to the shapes.

    Raises
    ------
    UnknownOperator
        If an operator has no rule; it names operator and layer.
    FaltungError
        If the model cannot be traced.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.MaxPool2d(2))
    >>> net = capture(model, torch.zeros(1, 3, 32, 32))
    >>> net.receptive_field(unit=dict(y=0, x=5), layer="1").box
    {'y': range(0, 3), 'x': range(9, 13)}
    """
    if unknown not in ("refuse", "reads-all"):
        raise FaltungError(f"unknown={unknown!r} must be 'refuse' or 'reads-all'")
    for family in iter_modules(rules.__path__):
        import_module(f"faltung.rules.{family.name}")
    return _Builder(exported(model, inputs), unknown == "reads-all", exact_weights).network()


def nodes(program: "ExportedProgram") -> dict[str, str]:
    """Return for each layer of a traced program, and each input, the name of its node."""
    builder = _Builder(program, reads_all=True, exact_weights=False)
    builder.network()
    return {name: node.name for node, name in builder.names.items()}


@dataclass
class _Builder:
    """Makes the layers, one node of the traced graph after the other."""

    program: "ExportedProgram"
    reads_all: bool
    exact_weights: bool
    layers: list[Layer] = field(default_factory=list)
    maps: dict[str, FeatureMap] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    """The layer of each node that depends on an input."""
    scopes: dict[str, str] = field(default_factory=dict)
    _known: dict[Any, Any] = field(default_factory=dict)
    _settled: dict[Any, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        signature = self.program.graph_signature  # it makes these anew at every access
        self._learned: Mapping[str, str] = signature.inputs_to_parameters
        self._kept: Mapping[str, str] = {
            **self._learned,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }

    def network(self) -> Network:
        """Return the network of all nodes that depend on an input."""
        axes = AxisNames()
        inputs = self._inputs()
        for node, name in inputs.items():
            shape = _shape(node)
            self.names[node], self.maps[name] = name, FeatureMap(axes.of_input(len(shape)), shape)
        titles = _Titles(node for node in self.program.graph.nodes if node.op == "call_function")
        for node in self.program.graph.nodes:
            if node.op != "call_function":
                continue
            if not _is_tensor(node):
                self._refuse_numbers(node)
                continue
            title = titles.of(node)
            layer = self._layer(node, title)
            if layer is None:
                continue
            shape = _shape(node)
            self.names[node] = title
            self.layers.append(layer)
            sources = [(relation, self.maps[edge.source]) for edge in layer.edges for relation in edge.relations]
            self.maps[title] = FeatureMap(axes.of_output(sources, shape), shape)
            for scope in titles.scopes(node):
                self.scopes[scope] = title
        taken = {layer.name for layer in self.layers} | set(inputs.values())
        scopes = {scope: title for scope, title in self.scopes.items() if scope not in taken}
        return Network(tuple(self.layers), self.maps, tuple(inputs.values()), scopes, self._outputs())

    def _inputs(self) -> "dict[Node, str]":
        wanted = set(self.program.graph_signature.user_inputs)
        nodes = [node for node in self.program.graph.nodes if node.op == "placeholder" and node.name in wanted]
        nodes = [node for node in nodes if _is_tensor(node)]
        if not nodes:
            raise FaltungError("the model has no tensor among its inputs")
        return {node: INPUT if len(nodes) == 1 else node.name for node in nodes}

    def _outputs(self) -> tuple[str, ...]:
        returned = {node.name: node for node in self.names}
        wanted = [name for name in self.program.graph_signature.user_outputs if isinstance(name, str)]
        found = tuple(self.names[returned[name]] for name in wanted if name in returned)
        if not found:
            raise FaltungError("no output of the model depends on an input")
        return found

    def _layer(self, node: "Node", title: str) -> Layer | None:
        """Return the layer of a node; None where it does not depend on an input."""
        asked: Any = node
        output: Any = 0
        if node.target is getitem:
            asked, output = node.args
        if not any(argument in self.names for argument in asked.all_input_nodes):
            return None
        target = asked.target
        if not hasattr(target, "_schema"):
            raise UnknownOperator(base_name(target), title)
        operator = base_name(target)
        arguments, parameters = self._arguments(asked)
        call = Call(operator, arguments, _shape(node), output, self.exact_weights)
        edges, unknown = self._edges(call, rule_of(target, operator), title)
        if not edges:
            # a constant as well, where the shape alone is taken of what depends on an input (expand_as, zeros_like)
            taken = (argument for argument in asked.all_input_nodes if argument not in self.names)
            self._settled[node] = not is_random(target) and "empty" not in operator and all(map(self._fixed, taken))
            return None
        return Layer(title, described(call), edges, self._passes(edges, call.shape), parameters, unknown, call)

    def _refuse_numbers(self, node: "Node") -> None:
        """Refuse a number taken out of the data: what depends on it cannot be followed."""
        name = base_name(node.target)
        if name in TAKE_NUMBERS and any(argument in self.names for argument in node.all_input_nodes):
            raise UnknownOperator(name, node.name, "it takes a number out of the data")

    def _edges(self, call: Call, rule: Rule | None, title: str) -> tuple[tuple[Edge, ...], str]:
        tensors = dict(call.tensors())
        if rule is None:
            if not self.reads_all:
                raise UnknownOperator(call.operator, title)
            readings: Mapping[Any, Any] = {name: everything(tensor.shape) for name, tensor in tensors.items()}
        else:
            try:
                readings = rule(call)
            except UnknownOperator:
                raise
            except FaltungError as error:
                raise FaltungError(f"layer {title}: {error}") from None
            if untold := call.untold(readings):
                raise UnknownOperator(call.operator, title, f"its rule does not read {', '.join(untold)}")
        call.readings = readings
        edges = []
        for name, reading in readings.items():
            tensor = tensors.get(name)
            if tensor is not None and tensor.source:
                edges.append(Edge(tensor.source, reading if isinstance(reading, tuple) else (reading,)))
        return tuple(edges), call.operator if rule is None else ""

    def _passes(self, edges: tuple[Edge, ...], shape: tuple[int, ...]) -> bool:
        return (
            len(edges) == 1
            and edges[0].relations == (AxisWise.same(len(shape)),)
            and self.maps[edges[0].source].shape == shape
        )

    def _arguments(self, node: "Node") -> tuple[dict[str, Any], int]:
        """Return a node's arguments by name, defaults filled in, and how many parameters are among them."""
        arguments: dict[str, Any] = {}
        for position, argument in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
            if position < len(node.args):
                given: Any = node.args[position]
            else:
                given = node.kwargs.get(argument.name, argument.default_value)
            arguments[argument.name] = self._value(given)
        learned = (argument for argument in node.all_input_nodes if argument.name in self._learned)
        count = sum(argument.meta["val"].numel() for argument in learned)
        return arguments, count

    def _value(self, given: Any) -> Any:
        if isinstance(given, list | tuple):
            return [self._value(entry) for entry in given]
        if not hasattr(given, "all_input_nodes"):
            return given
        value = given.meta.get("val")
        if not hasattr(value, "shape"):
            return value
        dtype = str(value.dtype).removeprefix("torch.")
        strided = str(value.layout) == "torch.strided"
        row_major = strided and value.is_contiguous() and value.storage_offset() == 0
        name, numbers = self.names.get(given, ""), self._numbers(given)
        kept = self._kept.get(given.name, "")
        return Tensor(tuple(value.shape), name, dtype, numbers, lambda: self._origin(given), row_major, kept)

    def _origin(self, node: "Node") -> Call | None:
        """Return the call that a tensor comes from; None for inputs, parameters and constants."""
        asked, output = node.args if node.target is getitem else (node, 0)
        if not hasattr(asked.target, "_schema"):  # type: ignore[union-attr]
            return None
        arguments, _ = self._arguments(asked)  # type: ignore[arg-type]
        return Call(base_name(asked.target), arguments, _shape(node), output)  # type: ignore[union-attr, arg-type]

    def _numbers(self, node: "Node") -> "Callable[[], torch.Tensor] | None":
        """Return what gives the numbers of a tensor, where they are the same in every run; else None."""
        return (lambda: self._evaluated(node)) if self._fixed(node) else None

    def _fixed(self, node: "Node") -> bool:
        """Say whether a tensor is a parameter, buffer or constant, or computed from such alone and not drawn."""
        if node not in self._settled:
            if node.op == "placeholder":
                known = node.name in self._kept
            else:
                known = not is_random(node.target) and all(map(self._fixed, node.all_input_nodes))
            self._settled[node] = known and not getattr(node.meta.get("val"), "is_meta", False)
        return self._settled[node]

    def _evaluated(self, node: "Node") -> Any:
        """Return a parameter, buffer or constant, or what is computed from such alone."""
        if node in self._known:
            return self._known[node]
        if node in self.names:  # its shape counts alone
            import torch

            return torch.zeros((), dtype=node.meta["val"].dtype).expand(_shape(node))
        if node.op == "placeholder":
            target = self._kept[node.name]
            state = self.program.state_dict if target in self.program.state_dict else self.program.constants
            found = state[target].detach().clone()  # what follows may write into it
        else:
            from torch.utils._pytree import tree_map

            arguments, options = tree_map(
                lambda given: self._evaluated(given) if hasattr(given, "all_input_nodes") else given,
                (tuple(node.args), dict(node.kwargs)),
            )
            found = node.target(*arguments, **options)  # type: ignore[operator]
        self._known[node] = found
        return found


class _Titles:
    """Names for nodes: the path of the module that calls the operator, where that tells them apart."""

    def __init__(self, nodes: "Iterable[Node]") -> None:
        self._direct: dict[str, int] = {}
        self._outer: set[str] = set()
        """Modules that call other modules: their operators need a name of their own."""
        for node in filter(_is_tensor, nodes):
            *outer, path = ["", *self.scopes(node)]
            self._direct[path] = self._direct.get(path, 0) + 1
            self._outer.update(outer)
        self._taken: set[str] = set()

    def of(self, node: "Node") -> str:
        """Return the name of a node's layer."""
        path = ["", *self.scopes(node)][-1]
        own = path and self._direct[path] == 1 and path not in self._outer
        title = path if own else ".".join(filter(None, [path, node.name]))
        if title in self._taken or title == INPUT:
            title = f"{title}.{node.name}"
        self._taken.add(title)
        return title

    def scopes(self, node: "Node") -> list[str]:
        """Return the paths of all modules that a node runs in, outermost first."""
        stack = node.meta.get("nn_module_stack") or {}
        return [path for path in (_labelled(key, entry[0]) for key, entry in stack.items()) if path]


def _labelled(key: str, path: str) -> str:
    """Return a module's path with the number of the call, where it is called more than once."""
    _, at, number = key.rpartition("@")
    return f"{path}@{number}" if at and number.isdecimal() else path


def _is_tensor(node: "Node") -> bool:
    return hasattr(node.meta.get("val"), "shape")


def _shape(node: "Node") -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in node.meta["val"].shape)
    except Exception:  # a size that torch.export knows only by a symbol
        asked: Any = node.args[0] if node.target is getitem else node
        why = "the size of its output depends on the data"
        raise UnknownOperator(base_name(asked.target), asked.name, why) from None
