"""What the tests of training share: a tiny net, and runs compared with each other."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class Tiny(nn.Module):
    """All that a run has to bring back: batch statistics, dropout, and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(1, 4, 5, stride=3)
        self.normalise = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.2)
        self.classify = nn.Linear(4 * 8 * 8, 10)

    def forward(self, x):
        return self.classify(self.drop(self.normalise(self.convolve(x)).relu().flatten(1)))


class Plain(Tiny):
    """The same without dropout, whose random numbers are each process's own."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Identity()


TINY, PLAIN = f"{Path(__file__)}:Tiny", f"{Path(__file__)}:Plain"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights.safetensors")


def metrics(run: Path) -> list[dict]:
    """Return the metrics of every epoch but for the time that it took."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if "second" not in key} for row in rows]


def assert_same_run(one: Path, other: Path) -> None:
    """Assert that two runs ended with the same weights, metrics and results, to the bit."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
    assert metrics(one) == metrics(other)
    assert (one / "results.json").read_text() == (other / "results.json").read_text()
