"""What a net answers to pictures that it was not trained on."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from faltung.training.batches import Normalisation


class Answers(NamedTuple):
    """Scores of every class for every picture, N x classes, beside the labels, (N,); both on the CPU."""

    scores: Tensor
    labels: Tensor

    @property
    def accuracy(self) -> float:
        """The share of pictures whose highest score is their label's."""
        return float((self.scores.argmax(1) == self.labels).double().mean())

    @property
    def losses(self) -> Tensor:
        """Cross-entropy of every picture."""
        return nn.functional.cross_entropy(self.scores.double(), self.labels, reduction="none")

    def confusion(self) -> Tensor:
        """Return counts, classes x classes: row i, column j has the pictures of class i that were taken for j."""
        classes = self.scores.shape[1]
        pairs = self.labels * classes + self.scores.argmax(1)
        return torch.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def worst(self, count: int) -> list[int]:
        """Return the numbers of the wrong answers with the largest losses, the worst first."""
        losses = self.losses.masked_fill(self.scores.argmax(1) == self.labels, -1)
        order = losses.argsort(descending=True, stable=True)[:count].tolist()
        return [number for number in order if losses[number] >= 0]


@torch.no_grad()
def answers(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    pictures: Tensor,
    labels: Tensor,
    normalise: Normalisation,
    device: torch.device,
    batch: int = 1000,
) -> Answers:
    """Ask a model with given weights about pictures of uint8, N x C x H x W; the model itself stays as it is."""
    training = model.training
    model.eval()
    try:
        scores = [
            torch.func.functional_call(model, dict(weights), (normalise(part.to(device)),)).float().cpu()
            for part in torch.split(pictures, batch)
        ]
    finally:
        model.train(training)
    return Answers(torch.cat(scores), labels.cpu())
