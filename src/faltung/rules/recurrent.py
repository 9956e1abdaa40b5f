"""Recurrent layers: a state carries on what was read, forwards and in the other direction backwards.

Place t of a layer reads the layer below at 0 .. t, or t .. T-1 backwards; the gates mix all features, and only
the cell of an LSTM goes on feature by feature (torch.nn.LSTM). A layer above two directions reads all places.
"""

from collections.abc import Sequence

from faltung.errors import FaltungError
from faltung.listed import Listed
from faltung.relation import SAME, Along, AxisWise, Only, Relation, Shape, Whole, whole
from faltung.rules.reductions import up_to
from faltung.rules.table import Call, Readings, everything, rule

Found = tuple[Relation, ...]


@rule("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(call: Call) -> Readings:
    """The outputs read the sequence and the initial states; parameters count as read whole."""
    if call.has("batch_sizes"):
        raise FaltungError("batch_sizes: packed sequences have lengths that are not known")
    call.skip("has_biases", "dropout", "train", "hx", "params")
    shape = call.shape_of("input")
    batch, time = (0, 1) if call["batch_first"] else (1, 0)
    layers, directions = call["num_layers"], 1 + call["bidirectional"]
    found: dict[str | tuple[str, int], Found] = {
        name: (everything(tensor.shape),) for name, tensor in call.tensors() if name[0] == "params"
    }
    states = {name: tensor.shape for name, tensor in call.tensors() if name == "hx" or name[0] == "hx"}
    projected = len({state[2] for state in states.values()}) > 1
    for name, state in states.items():
        own = name == ("hx", 1) and not (projected and call.output < 2)
        if call.output == 0:
            found[name] = _states_of_outputs(state, call.shape, batch, layers, directions, own)
        else:
            found[name] = _states_of_states(state, directions, own and shape[time] == 1)
    if call.output == 0:
        found["input"] = _sequence(shape, call.shape, batch, layers, directions)
    else:
        found["input"] = (AxisWise(tuple(Along(1, SAME) if number == batch else Whole() for number in range(3))),)
    return found


@rule("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def cell(call: Call) -> Readings:
    """One step: the gates mix all features; the cell of an LSTM goes on feature by feature."""
    mixed = AxisWise((Along(0, SAME), Whole()))
    found: dict[str | tuple[str, int], Relation] = {name: everything(tensor.shape) for name, tensor in call.tensors()}
    call.skip("hx", "w_ih", "w_hh", "b_ih", "b_hh")
    for name in found:
        if name in ("input", "hx") or name[0] == "hx":
            found[name] = AxisWise.same(2) if name == ("hx", 1) else mixed
    return found


def _sequence(shape: Shape, output: Shape, batch: int, layers: int, directions: int) -> Found:
    """Return the relation of the outputs to the sequence."""
    time = 1 - batch
    steps = shape[time]
    ways = (up_to(steps), Listed.of(range(place, steps) for place in range(steps)))
    found = []
    for direction in range(directions):
        places = Whole() if layers > 1 and directions > 1 else Along(time, ways[direction])
        ahead = (Along(0, SAME), places) if batch == 0 else (places, Along(1, SAME))
        found.append(AxisWise((*ahead, _from(direction, directions, output[2], range(shape[2])))))
    return tuple(found)


def _states_of_outputs(shape: Shape, output: Shape, batch: int, layers: int, directions: int, own: bool) -> Found:
    """Return the relation of the outputs to an initial state [layer and direction, batch, feature].

    Those of the layers below are read whole. Of its own layer an output reads its direction; where the state goes
    on feature by feature (`own`), the first step reads its own feature alone.
    """
    below, steps = directions * (layers - 1), output[1 - batch]
    in_step = Along(batch, SAME)
    found = [AxisWise((Only(whole(below)), in_step, Whole()))] if below else []
    for direction in range(directions):
        layer = below + direction
        mixed = _from(direction, directions, output[2], range(shape[2]))
        if not own:
            found.append(AxisWise((Only(whole(layer + 1) - whole(layer)), in_step, mixed)))
            continue
        first = direction * (steps - 1)
        later = Along(1 - batch, Listed.of([layer] if place != first else [] for place in range(steps)))
        begin = direction * shape[2]
        alone = Along(2, Listed.of([f - begin] if 0 <= f - begin < shape[2] else [] for f in range(output[2])))
        found.append(AxisWise((later, in_step, mixed)))
        found.append(AxisWise((Only(whole(layer + 1) - whole(layer)), in_step, alone)))
    return tuple(found)


def _states_of_states(shape: Shape, directions: int, own: bool) -> Found:
    """Return the relation of the final states to an initial state: its own, and those of all layers below."""
    below = [list(range(number - number % directions)) for number in range(shape[0])]
    if own:
        return AxisWise.same(3), AxisWise((Along(0, Listed.of(below)), Along(1, SAME), Whole()))
    taps = [[*lower, number] for number, lower in enumerate(below)]
    return (AxisWise((Along(0, Listed.of(taps)), Along(1, SAME), Whole())),)


def _from(direction: int, directions: int, outputs: int, features: Sequence[int]) -> Along:
    """Return the reading of all features by the output features of one direction, which stand side by side."""
    return Along(2, Listed.of(features if f * directions // outputs == direction else [] for f in range(outputs)))
