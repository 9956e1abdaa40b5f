"""Rows of recurrent layers, against NaN, which spreads through their states."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import faltung  # noqa: E402
from faltung.errors import FaltungError  # noqa: E402
from faltung.relation import AxisWise, Whole  # noqa: E402
from faltung.rules.recurrent import recurrent  # noqa: E402
from faltung.rules.table import Call, Tensor  # noqa: E402
from tests.test_rules_reductions import assert_same, drawn, poisoned, stated  # noqa: E402

LAYERS = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "RNN": torch.nn.RNN}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "how", [{}, {"bidirectional": True}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}]
)
@pytest.mark.parametrize(("kind", "more"), [("LSTM", {}), ("LSTM", {"proj_size": 1}), ("GRU", {}), ("RNN", {})])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_state_carries_what_was_read(kind: str, more: Any, how: Any, steps: int, batch_first: bool) -> None:
    """Outputs and final states read of sequence and initial states what can turn them NaN."""
    layer = LAYERS[kind](2, 2, batch_first=batch_first, **how, **more).double()
    depth = how.get("num_layers", 1) * (2 if "bidirectional" in how else 1)
    shapes = [(2, steps, 2) if batch_first else (steps, 2, 2), (depth, 2, more.get("proj_size", 2)), (depth, 2, 2)]
    inputs = drawn(*shapes[: 3 if kind == "LSTM" else 2])

    class Flat(torch.nn.Module):
        def __init__(self, output: int) -> None:
            super().__init__()
            self.layer = layer
            self.output = output

        def forward(self, x: Any, *state: Any) -> Any:
            y, final = self.layer(x, state if kind == "LSTM" else state[0])
            return (y, *(final if kind == "LSTM" else (final,)))[self.output]

    for output in range(len(inputs)):
        assert_same(stated(Flat(output), inputs), poisoned(Flat(output), inputs))


CELLS = {
    "LSTMCell": [(2, 3), (2, 4), (2, 4)],
    "GRUCell": [(2, 3), (2, 4)],
    "RNNCell": [(2, 3), (2, 4)],
}


@pytest.mark.parametrize("name", CELLS)
def test_a_step_mixes_features(name: str) -> None:
    """A step reads the input and the state of its own sequence; the cell of an LSTM goes on feature by feature."""
    made = getattr(torch.nn, name)(3, 4).double()
    inputs = drawn(*CELLS[name])

    class Step(torch.nn.Module):
        def __init__(self, output: int) -> None:
            super().__init__()
            self.made, self.output = made, output

        def forward(self, x: Any, *state: Any) -> Any:
            found = self.made(x, state if len(state) > 1 else state[0])
            return found[self.output] if isinstance(found, tuple) else found

    for output in range(len(inputs) - 1):
        assert_same(stated(Step(output), inputs), poisoned(Step(output), inputs))


def test_a_step_that_mixes_cells_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that takes the cell of an LSTM for mixed differs from NaN."""
    own = AxisWise.same(2)
    monkeypatch.setattr(AxisWise, "same", lambda rank: AxisWise((own.sources[0], Whole())))
    with pytest.raises(AssertionError):
        test_a_step_mixes_features("LSTMCell")


def test_packed_sequences_are_refused_by_name() -> None:
    """How long each packed sequence is, the example alone tells."""
    with pytest.raises(FaltungError, match="batch_sizes: packed sequences have lengths that are not known"):
        recurrent(Call("gru", {"data": Tensor((3, 2), "x"), "batch_sizes": Tensor((2,))}, (3, 2)))

    class Packed(torch.nn.Module):
        def __init__(self, given: bool) -> None:
            super().__init__()
            self.layer, self.given = torch.nn.GRU(3, 4), given

        def forward(self, x: Any) -> Any:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 2]))
            return self.layer(packed, torch.zeros(1, 2, 4) if self.given else None)[1]

    for given in (False, True):
        with pytest.raises(FaltungError, match=r"packed sequences have lengths that are not known$"):
            faltung.capture(Packed(given), torch.zeros(5, 2, 3))
