"""Branches that a mirroring swaps: what is granted is what PyTorch does, and what is nearly the same is not granted."""

import itertools
import random

import pytest
import torch
from torch import nn
from torch.nn import functional

import faltung
from faltung.equivariance import swapped
from tests.networks import Apply


class Branches(nn.Module):
    """Two kernels that are no mirror image of anything, a place that is told from others, and a rule to join them."""

    def __init__(self, join):
        super().__init__()
        self.join = join
        numbers = torch.Generator().manual_seed(0)
        self.kernels = nn.ParameterList(torch.randn(2, 2, 3, 3, generator=numbers) for _ in range(2))
        self.place = nn.Parameter(torch.randn(8, 8, generator=numbers))
        self.score = nn.Linear(128, 3)

    def f(self, x):
        return functional.conv2d(x, self.kernels[0], padding=1).relu()

    def g(self, x):
        return functional.conv2d(x, self.kernels[1], padding=1).relu()

    def forward(self, x):
        return self.join(self, x)


def x_of(picture):
    return picture.flip(3)


def y_of(picture):
    return picture.flip(2)


def flips(join):
    """What is granted, by name, measured beside it."""
    report = faltung.check(Branches(join).eval(), torch.zeros(1, 2, 8, 8))
    assert not report.measured.against()
    return {one.name: one for one in report.output().symmetries}


def measured(join, turn):
    """How far a model is from answering to the mirror image alike, or by the mirror image."""
    model = Branches(join).double().eval()
    picture = torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        still, moved = model(picture), model(turn(picture))
        answer = turn(still) if still.dim() == 4 and still.shape[2] > 1 else still
    return float((moved - answer).abs().max())


HOLDS = {
    "the mean of a picture's map and its mirror image's, mirrored back": lambda m, x: (m.f(x) + x_of(m.f(x_of(x)))) / 2,
    "the mirror image first": lambda m, x: x_of(m.f(x_of(x))) + m.f(x),
    "the larger of both": lambda m, x: torch.maximum(m.f(x), x_of(m.f(x_of(x)))),
    "a product": lambda m, x: m.f(x) * x_of(m.f(x_of(x))),
    "scores": lambda m, x: m.f(x).mean((2, 3)) + m.f(x_of(x)).mean((2, 3)),
    "scores by all places": lambda m, x: m.score(m.f(x).flatten(1)) + m.score(m.f(x_of(x)).flatten(1)),
    "two nets, bracketed as it comes": lambda m, x: (
        (m.f(x) + m.g(x_of(x)).mean((2, 3), keepdim=True)) + x_of(m.f(x_of(x))) + m.g(x).mean((2, 3), keepdim=True)
    ),
    "and a layer upon both": lambda m, x: (m.f(x) + x_of(m.f(x_of(x)))).sigmoid().mean((2, 3)),
    "one branch in the other": lambda m, x: m.g(m.f(x)) + x_of(m.g(m.f(x_of(x)))),
}


@pytest.mark.parametrize("join", HOLDS.values(), ids=HOLDS)
def test_swapped_branches(join):
    """A sum over both images is granted, whatever its branches are, and PyTorch agrees."""
    found = flips(join)
    assert found["flip x"].holds, found["flip x"].sentence()
    assert found["flip x"].by_branches
    assert not found["flip y"].holds
    assert not found["turn yx"].holds
    assert measured(join, x_of) < 1e-12 < 1e-3 < measured(join, y_of)


def test_four_images():
    """The sum over both mirrorings and both together stands all of them, in any order of its terms."""
    terms = [
        lambda m, x: m.f(x),
        lambda m, x: x_of(m.f(x_of(x))),
        lambda m, x: y_of(m.f(y_of(x))),
        lambda m, x: m.f(x.flip(2, 3)).flip(3, 2),
    ]
    for order in itertools.permutations(range(4)):

        def join(m, x, order=order):
            return sum(terms[number](m, x) for number in order)

        found = flips(join)
        assert found["flip x"].holds
        assert found["flip y"].holds
    assert measured(join, x_of) < 1e-12
    assert measured(join, y_of) < 1e-12


FAILS = {
    "a difference": lambda m, x: m.f(x) - x_of(m.f(x_of(x))),
    "another net for the mirror image": lambda m, x: m.f(x) + x_of(m.g(x_of(x))),
    "not mirrored back": lambda m, x: m.f(x) + m.f(x_of(x)),
    "mirrored along the other axis": lambda m, x: m.f(x) + y_of(m.f(y_of(x))),
    "weighed": lambda m, x: 0.6 * m.f(x) + 0.4 * x_of(m.f(x_of(x))),
    "weighed by alpha": lambda m, x: torch.add(m.f(x), x_of(m.f(x_of(x))), alpha=2),
    "a place told": lambda m, x: m.f(x) + x_of(m.f(x_of(x))) + m.place,
    "a place told to one branch": lambda m, x: (m.f(x) + m.place) + x_of(m.f(x_of(x))),
    "a place told to both": lambda m, x: (m.f(x) + m.place) + (x_of(m.f(x_of(x))) + m.place),
    "a number told to one branch": lambda m, x: m.f(x) + x_of(m.f(x_of(x)) + torch.arange(8)),
    "another stride": lambda m, x: (
        functional.conv2d(x, m.kernels[0], padding=1)
        + x_of(functional.conv2d(x_of(x), m.kernels[0], padding=2, dilation=2))
    ),
    "more of one side": lambda m, x: torch.where(torch.arange(8) < 3, m.f(x), x_of(m.f(x_of(x)))),
    "joined by channels": lambda m, x: torch.cat([m.f(x), x_of(m.f(x_of(x)))], 1),
}


@pytest.mark.parametrize("join", FAILS.values(), ids=FAILS)
def test_not_swapped(join):
    """What only looks like it is refused, and PyTorch shows why."""
    found = flips(join)
    assert not found["flip x"].holds
    assert not found["flip x"].by_branches
    assert not found["flip x"].measured
    assert found["flip x"].sentence().startswith(("no: ", "not proved: "))
    assert measured(join, x_of) > 1e-3


NOT_PROVED = {
    "stacked": lambda m, x: torch.stack([m.f(x), x_of(m.f(x_of(x)))]).mean(0),
    "one batch": lambda m, x: m.score(m.f(torch.cat([x, x_of(x)])).flatten(1)).reshape(2, -1, 3).mean(0),
    "sides of its own": lambda m, x: torch.where(torch.arange(8) < 4, m.f(x), x_of(m.f(x_of(x)))),
}


@pytest.mark.parametrize("join", NOT_PROVED.values(), ids=NOT_PROVED)
def test_what_is_not_proved_and_yet_so_is_no_plain_no(join):
    """Where the proof does not reach and the model was measured to do it, the report says both."""
    found = flips(join)
    assert measured(join, x_of) < 1e-12
    assert not found["flip x"].holds
    assert found["flip x"].measured
    assert found["flip x"].to_dict()["measured_though_refused"]
    assert found["flip x"].sentence().startswith("measured to, but not proved: ")
    assert found["flip y"].sentence().startswith("no: ")


def test_random_numbers_are_no_function():
    """Two draws are not the same draw."""

    def join(m, x):
        return functional.dropout(m.f(x), 0.5, True) + x_of(functional.dropout(m.f(x_of(x)), 0.5, True))

    report = faltung.check(Branches(join), torch.zeros(1, 2, 8, 8), measure=False)
    assert not report.output().symmetries[1].holds


def test_in_words():
    """The report says why, in words and as data."""
    report = faltung.check(Branches(HOLDS["scores"]), torch.zeros(1, 2, 8, 8))
    assert "  flip x   yes: the branches of both images change places\n" in str(report)
    assert str(report).endswith("mirrored and turned: flip x 0")
    found = report.to_dict()["outputs"][0]["symmetries"]
    assert [one["by_branches"] for one in found] == [False, True, False]


# Random nets


def program(seed):
    """Return a random net of branches, the axis of its mirrored branches, and how it was spoilt, if it was."""
    choose = random.Random(seed)

    def chain():
        kinds = [choose.choice("ffggxyph") for _ in range(choose.randint(1, 4))]

        def run(m, x, f="f"):
            layers = {
                "f": m.f if f == "f" else m.g, "g": m.g, "x": x_of, "y": y_of,
                "p": lambda x: x + m.place, "h": lambda x: x * 0.5,
            }  # fmt: skip
            for kind in kinds:
                x = layers[kind](x)
            return x

        return run

    turn = choose.choice([x_of, y_of])
    spoilt = choose.choice(["", "", "", "a chain", "a sign", "a weight"])
    chains = [chain() for _ in range(choose.randint(1, 2))]
    terms = [(one, False) for one in chains] + [(one, True) for one in chains]
    choose.shuffle(terms)
    if spoilt == "a chain":
        terms[choose.randrange(len(terms))] = (chain(), choose.random() < 0.5)
    pooled = choose.random() < 0.4
    join = torch.sub if spoilt == "a sign" else choose.choice([torch.add, torch.mul, torch.maximum])

    def run(m, x):
        values = []
        for one, mirrored in terms:
            value = one(m, turn(x), "g" if spoilt == "a weight" else "f") if mirrored else one(m, x)
            value = turn(value) if mirrored and not pooled else value
            values.append(value.mean((2, 3)) if pooled else value)
        while len(values) > 1:
            first = values.pop(len(values) // 2)
            values[0] = join(values[0], first)
        return values[0]

    return run, turn, spoilt


def random_nets(seeds):
    """Return how many were granted, and the seeds at which PyTorch contradicts what was granted or refused."""
    granted, wrong, missed = 0, [], []
    for seed in seeds:
        join, turn, spoilt = program(seed)
        report = faltung.check(Branches(join).eval(), torch.zeros(1, 2, 8, 8), measure=False)
        for one in report.output().symmetries[:2]:
            error = measured(join, y_of if one.name == "flip y" else x_of)
            granted += one.holds
            if one.holds and error > 1e-9:
                wrong.append(seed)
            if not one.holds and not spoilt and one.name == ("flip y" if turn is y_of else "flip x"):
                missed.append(seed)
    return granted, wrong, missed


def test_random_nets():
    """What is granted is so; and a sum over both images is always granted."""
    granted, wrong, missed = random_nets(range(150))
    assert granted > 70
    assert not wrong
    assert not missed


def test_a_broken_rule_is_found(monkeypatch):
    """The random nets tell a difference from a sum."""
    monkeypatch.setattr(swapped, "IN_ANY_ORDER", swapped.IN_ANY_ORDER | {"sub": 0})
    assert random_nets(range(60))[1]


def test_forgotten_weights_are_found(monkeypatch):
    """The random nets tell two branches of the same operators and other weights apart."""
    pieces = swapped._Expressions._pieces

    def without_names(self, call, layer, values):
        for piece in pieces(self, call, layer, values):
            yield piece if isinstance(piece, swapped._Operand) else piece[:2]

    monkeypatch.setattr(swapped._Expressions, "_pieces", without_names)
    assert random_nets(range(60))[1]


def test_a_net_without_flips_is_not_looked_at(monkeypatch):
    """Most nets have no branch of a mirror image, and are spared the comparison."""
    monkeypatch.setattr(swapped, "_Expressions", None)
    report = faltung.check(Apply(lambda x: x[..., 1:] + x[..., :-1]), torch.zeros(1, 1, 4, 4), measure=False)
    assert report.output().symmetries
