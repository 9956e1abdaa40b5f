"""Checks of part 4: how good it is, who is taken for whom, and the worst mistakes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from faltung.course.judging import ask, judge, judge_number, solved

TRUTH = "row i has the pictures that are of class i, column j those that were taken for j"


def check_accuracy(accuracy: Callable[..., Any]) -> None:
    """Check `accuracy(scores, labels)`: the share of pictures whose highest score is their label's.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    for pictures, classes in ((6, 6), (9, 4)):
        scores, labels = _answers(pictures, classes)
        arguments = {"scores": scores, "labels": labels}
        right = float((scores.argmax(1) == labels).double().mean())
        mistakes = {
            "the share is wanted, not percent": 100 * right,
            "the share is wanted, not the count": pictures * right,
            "that is the share of wrong answers": 1 - right,
        }
        if pictures == classes:
            wrong = float((scores.argmax(0) == labels).double().mean())
            mistakes["argmax(0) finds a picture for each class; argmax(1) finds a class for each picture"] = wrong
        judge_number("accuracy", ask("accuracy", accuracy, arguments), right, arguments, mistakes)
    solved("accuracy", "the share of right answers")


def check_confusion(confusion: Callable[..., Any]) -> None:
    """Check `confusion(scores, labels)`: counts, classes x classes; rows are what is, columns what it is taken for.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    scores, labels = _answers(40, 4)
    arguments = {"scores": scores, "labels": labels}
    right = torch.zeros(4, 4, dtype=torch.int64)
    for label, taken in zip(labels.tolist(), scores.argmax(1).tolist(), strict=True):
        right[label, taken] += 1
    mistakes = {
        f"rows and columns have changed places: {TRUTH}": right.T,
        "counts are wanted, not shares": right / right.sum(1, keepdim=True),
        "counts are wanted, not shares of all": right / right.sum(),
        f"right answers belong to it as well, on the diagonal: {TRUTH}": right - right.diag().diag(),
        "each pair is counted once at most: table[labels, taken] += 1 adds 1 to equal places only once": (
            right > 0
        ).long(),
    }
    given = ask("confusion", confusion, arguments)
    if isinstance(given, Tensor) and torch.equal(given, given.round()):
        given = given.long()
    judge("confusion", given, right, arguments, mistakes, "the counts have shape {given}; for 4 classes it is {right}")
    solved("confusion", TRUTH)


def check_worst(worst: Callable[..., Any]) -> None:
    """Check `worst(scores, labels, count)`: numbers of the wrong answers with the largest losses, the worst first.

    Raises
    ------
    NotYet
        If it is wrong: how, in words.
    """
    scores, labels = _answers(40, 4)
    losses = cross_entropy(scores, labels, reduction="none")
    wrong = (scores.argmax(1) != labels).nonzero().flatten()
    order = losses[wrong].argsort(descending=True)
    for count in (3, len(wrong)):
        arguments = {"scores": scores, "labels": labels, "count": count}
        mistakes = {
            "these are places among the wrong answers; what is wanted are numbers of pictures": order[:count],
            "these are the mildest ones; the worst are wanted, the largest loss first": wrong[order.flip(0)][:count],
            "the right pictures, but the worst one comes first": wrong[order][:count].flip(0),
            "right answers are among them, that the net was not sure of": losses.argsort(descending=True)[:count],
            "these are wrong answers in the order of pictures, not of losses": wrong[:count],
            "these are losses; what is wanted are numbers of pictures": losses[wrong][order][:count],
        }
        given = ask("worst", worst, arguments)
        given = torch.tensor(given) if isinstance(given, list) and given else given
        shape = "the numbers have shape {given}; with count={count} it should be {right}"
        judge("worst", given, wrong[order][:count], arguments, mistakes, shape)
    solved("worst", "the surest of the wrong answers")


def _answers(pictures: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return random scores and labels; about half of the answers are right."""
    random = torch.Generator().manual_seed(pictures)
    labels = torch.randint(0, classes, (pictures,), generator=random)
    scores = torch.randn(pictures, classes, generator=random, dtype=torch.float64)
    scores[torch.arange(pictures), labels] += 0.7
    return scores, labels
