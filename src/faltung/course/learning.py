"""Checks of part 3: a net is put together, trained, and asked."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from faltung.course.judging import NotYet, ask, described, filled, judge, judge_number, solved

OPTIONS: list[dict[str, Any]] = [
    {"kernel": 3, "padding": 1, "stride": 1, "pool": 2},
    {"kernel": 3, "padding": 0, "stride": 1, "pool": 2},
    {"kernel": 5, "padding": 2, "stride": 1, "pool": 2},
    {"kernel": 3, "padding": 1, "stride": 2, "pool": 1},
    {"kernel": 3, "padding": 1, "stride": 1, "pool": 1},
]

Batches = Sequence[tuple[Tensor, Tensor]]


def check_net(net_class: Callable[..., Any]) -> None:
    """Check `Net(kernel, padding, stride, pool)`: two convolutions with what belongs to them, and a linear layer.

    `features` makes N x 32 x side x side of N x 1 x 28 x 28, `classify` makes N x 10 scores of them, flattened.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    for options in OPTIONS:
        net: Any = ask("Net", net_class, options)
        filled("Net", getattr(net, "features", None), getattr(net, "classify", None))
        net.double().eval()
        pictures = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        features = ask("Net.features", net.features, {"pictures": pictures})
        wanted = _features(**options)(pictures.float())
        if features.shape != wanted.shape:
            ignored = [name for name in options if _ignores(name, options, features.shape)]
            why = f"; it looks as if {ignored[0]} were not handed on to both" if ignored else ""
            raise NotYet(
                f"Net: the features have shape {tuple(features.shape)}, they should have {tuple(wanted.shape)}{why}. "
                f"Tried with {described(options)}."
            )
        if (features < 0).any():
            raise NotYet("Net: some features are below 0: nn.ReLU() is missing behind the second convolution.")
        read = getattr(net.classify, "in_features", None)
        if read not in (None, features[0].numel()):
            raise NotYet(
                f"Net: the linear layer reads {read} numbers, and there are {features[0].numel()} features for each "
                f"picture, {'x'.join(map(str, features.shape[1:]))}. Tried with {described(options)}."
            )
        scores = ask("Net", net, {"pictures": pictures})
        if not isinstance(scores, Tensor) or scores.shape != (3, 10):
            shape = tuple(getattr(scores, "shape", ()))
            raise NotYet(f"Net: 3 pictures and 10 classes make scores of shape (3, 10); yours have {shape}.")
        if torch.allclose(scores.exp().sum(1), torch.ones(3).double()) or torch.allclose(
            scores.sum(1), torch.ones(3).double()
        ):
            raise NotYet("Net: scores are wanted, not probabilities: cross_entropy does the softmax itself.")
    _check_rectified(net, pictures)
    solved("Net", f"the right shapes for {len(OPTIONS)} choices of kernel, padding, stride and pool")


def check_train_epoch(train_epoch: Callable[..., Any]) -> None:
    """Check `train_epoch(net, optimiser, batches)`: one step for each batch; returns the mean loss of a picture.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    name = "train_epoch"
    batches = _batches()
    net = _Watched().eval()
    before = net.linear.weight.detach().clone()
    gradients: list[Tensor] = []
    net.linear.weight.register_hook(gradients.append)  # type: ignore[no-untyped-call]
    arguments = {"net": net, "optimiser": torch.optim.SGD(net.parameters(), lr=0.5), "batches": iter(batches)}
    loss = ask(name, train_epoch, arguments)
    after = net.linear.weight.detach()
    if torch.equal(before, after):
        if not gradients:
            raise NotYet(f"{name}: the weights are as they were, and have no gradients: loss.backward() is missing.")
        if net.linear.weight.grad is None or not net.linear.weight.grad.any():
            raise NotYet(
                f"{name}: the weights are as they were: optimiser.zero_grad() between loss.backward() and "
                "optimiser.step() leaves the step nothing to go by."
            )
        raise NotYet(f"{name}: there are gradients, but the weights are as they were: optimiser.step() is missing.")
    right, losses = _trained(batches)
    mistakes = {
        "gradients pile up from batch to batch: optimiser.zero_grad() is missing": _trained(batches, zero=False)[0],
        "there is one step for the whole epoch, with the gradients of all batches; it belongs into the loop": _trained(
            batches, zero=False, late=True
        )[0],
        "there is one step for the whole epoch, with the last batch's gradients; it belongs into the loop": _trained(
            batches, late=True
        )[0],
        "cross_entropy takes scores and does the softmax itself; there is one too many": _trained(
            batches, score=lambda scores: scores.softmax(1)
        )[0],
        "the loss is summed over the batch; cross_entropy's mean is wanted": _trained(batches, reduction="sum")[0],
        "only the first batch is trained on: return stands inside the loop": _trained(batches[:1])[0],
    }
    told = {"three batches": "of 4, 4 and 2 pictures"}
    judge(name, after, right, told, mistakes)
    if not all(net.modes):
        raise NotYet(f"{name}: the net is in evaluation mode, so dropout does nothing: net.train() is missing.")
    if isinstance(loss, Tensor) and loss.requires_grad:
        raise NotYet(f"{name}: the loss still holds the graph it was computed by, and so memory: add loss.item().")
    means = torch.tensor(losses)
    counts = torch.tensor([float(len(labels)) for _, labels in batches])
    judge_number(
        name, loss, float(means @ counts / counts.sum()), told,
        {
            "that is the sum over all pictures, not their mean": float(means @ counts),
            "that is the sum of the batches' means": float(means.sum()),
            "that is the mean of the batches' means, and the last batch is smaller: weigh each by its pictures": float(
                means.mean()
            ),
            "that is the loss of the last batch alone": losses[-1],
        },
    )  # fmt: skip
    solved(name, "a step for each batch, from its own gradients")


def check_predict(predict: Callable[..., Any]) -> None:
    """Check `predict(net, pictures, batch)`: scores, N x 10, in batches, in evaluation mode, without gradients.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    name = "predict"
    pictures = torch.cat([pictures for pictures, _ in _batches()])
    net = _Watched()
    right = net.eval()(pictures).detach()
    net.train().modes.clear()
    arguments = {"net": net, "pictures": pictures, "batch": 4}
    given = ask(name, predict, arguments)
    if any(net.modes):
        raise NotYet(f"{name}: the net is in training mode, so dropout throws features away: net.eval() is missing.")
    if isinstance(given, Tensor) and given.requires_grad:
        raise NotYet(f"{name}: the scores carry a graph for gradients that nobody asks for: with torch.no_grad().")
    mistakes = {
        "these are probabilities; scores are wanted": right.softmax(1),
        "these are classes; scores are wanted": right.argmax(1),
        "these are the scores of the last batch alone; keep all and torch.cat them": right[8:],
        "the last batch is missing, which is smaller": right[:8],
        "the batches are put side by side; torch.cat puts them below each other": torch.stack(
            torch.split(right[:8], 4)
        ),
    }
    judge(
        name, given, right, arguments, mistakes, "the scores have shape {given}; for 10 pictures it should be {right}"
    )
    solved(name, "scores of all pictures, without dropout and without gradients")


class _Watched(nn.Module):
    """A small net that notes the mode in which it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 3).double()
        self.modes: list[bool] = []
        with torch.no_grad():
            self.linear.weight.copy_(torch.linspace(-1, 1, 18).sin().reshape(3, 6))
            self.linear.bias.zero_()

    def forward(self, pictures: Tensor) -> Tensor:
        self.modes.append(self.training)
        scores: Tensor = self.linear(pictures.flatten(1))
        return scores


def _batches() -> list[tuple[Tensor, Tensor]]:
    """Return three batches of pictures, 1 x 2 x 3 each, and labels; the last one is smaller."""
    random = torch.Generator().manual_seed(0)
    pictures = torch.randn(10, 1, 2, 3, generator=random, dtype=torch.float64)
    labels = torch.randint(0, 3, (10,), generator=random)
    return list(zip(torch.split(pictures, 4), torch.split(labels, 4), strict=True))


def _trained(
    batches: Batches,
    zero: bool = True,
    late: bool = False,
    score: Callable[[Tensor], Tensor] = lambda scores: scores,
    reduction: str = "mean",
) -> tuple[Tensor, list[float]]:
    """Return the weights after an epoch, and each batch's loss: as is right, or with mistakes."""
    net = _Watched()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.5)
    losses = []
    for pictures, labels in batches:
        loss = nn.functional.cross_entropy(score(net(pictures)), labels, reduction=reduction)
        if zero:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if not late:
            optimiser.step()
        losses.append(loss.item())
    if late:
        optimiser.step()
    return net.linear.weight.detach(), losses


def _features(kernel: int, padding: int, stride: int, pool: int) -> nn.Sequential:
    """Return layers of the right shapes."""
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel, stride, padding), nn.MaxPool2d(pool),
        nn.Conv2d(16, 32, kernel, stride, padding), nn.MaxPool2d(pool),
    )  # fmt: skip


def _ignores(name: str, options: dict[str, Any], shape: torch.Size) -> bool:
    """Say whether a shape is what comes out if one option is left at the default of its layer."""
    default = {"kernel": 3, "padding": 0, "stride": 1, "pool": 2}[name]
    if options[name] == default:
        return False
    return bool(_features(**options | {name: default})(torch.zeros(3, 1, 28, 28)).shape == shape)


def _check_rectified(net: Any, pictures: Tensor) -> None:
    """Refuse features, without pooling, that are rectified at their end alone.

    Where a unit is active for two pictures and for their mean, it would answer to the mean with the mean.
    """
    one, other = net.features(pictures[:1]), net.features(pictures[1:2])
    middle = net.features((pictures[:1] + pictures[1:2]) / 2)
    active = (one > 0) & (other > 0) & (middle > 0)
    if active.any() and torch.allclose(middle[active], ((one + other) / 2)[active]):
        raise NotYet(
            "Net: nn.ReLU() is missing between the two convolutions, and so they are one: "
            "a convolution of a convolution is a convolution."
        )
