"""Shift consistency of a classifier: how often two crops of one picture, shifted against each other, get one class."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from faltung.errors import FaltungError


@dataclass(frozen=True)
class Consistency:
    """The share of pairs of crops that got the same class.

    Parameters
    ----------
    agreed, pairs : int
        How many pairs got the same class, of how many.
    farthest : int
        The largest shift between two crops along an axis that was drawn, in pixels.
    """

    agreed: int
    pairs: int
    farthest: int

    @property
    def share(self) -> float:
        """The share that agreed."""
        return self.agreed / self.pairs

    @property
    def error(self) -> float:
        """The standard error of the share, as of independent pairs."""
        return sqrt(self.share * (1 - self.share) / self.pairs)

    def __str__(self) -> str:
        return (
            f"{self.share:.1%} ± {self.error:.1%} of {self.pairs} pairs of crops got the same class, "
            f"shifted by up to {self.farthest} pixels"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"share": self.share, "error": self.error, "pairs": self.pairs, "farthest": self.farthest}


def shift_consistency(
    model: Any, pictures: Any, *, size: int | Sequence[int], pairs: int = 10, shift: int | None = None, seed: int = 0
) -> Consistency:
    """Measure how often a classifier gives two crops of one picture the same class.

    Parameters
    ----------
    model : callable
        Takes a batch of crops, shape (n, c, *size), and gives scores, shape (n, classes). A module is run in the
        mode it is in.
    pictures : array_like, shape (N, c, H, W) (or of one or three spatial axes)
        Pictures larger than the crops; converted to the dtype of the model's parameters.
    size : int or sequence of int
        Size of a crop, for all spatial axes or one for each.
    pairs : int
        How many pairs of crops are taken of each picture, at places drawn uniformly.
    shift : int, optional
        The farthest that two crops of a pair lie apart along an axis, in pixels; as far as the picture goes where
        left out.
    seed : int
        Of the places.

    Raises
    ------
    FaltungError
        If the pictures are not larger than the crops, or the scores are not one row for each crop.

    Notes
    -----
    The measure of Zhang, Making convolutional networks shift-invariant again, ICML 2019, section 4.1: the share of
    equal top-1 classes over two random shifts of the same picture, whatever the right class is.

    Examples
    --------
    >>> import torch
    >>> brightness = lambda crops: torch.stack([crops.mean((1, 2, 3)), torch.zeros(len(crops))], 1)
    >>> shift_consistency(brightness, torch.ones(3, 1, 20, 20), size=16).share
    1.0
    """
    import torch

    batch = torch.as_tensor(pictures)
    weights = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    if weights is not None:
        batch = batch.to(weights)
    axes = batch.dim() - 2
    sizes = (size,) * axes if isinstance(size, int) else tuple(size)
    room = [pixels - crop for pixels, crop in zip(batch.shape[2:], sizes, strict=False)]
    if axes < 1 or len(sizes) != axes or min(room, default=0) < 1 or min(sizes) < 1 or pairs < 1 or not len(batch):
        raise FaltungError(
            f"crops of {'x'.join(map(str, sizes))} must be smaller than the pictures of "
            f"{'x'.join(map(str, batch.shape[2:]))}, along each axis, and at least one pair is needed"
        )
    random = torch.Generator().manual_seed(seed)
    agreed, farthest = 0, 0
    for _ in range(pairs):
        first, second = _places(len(batch), room, shift, random)
        farthest = max(farthest, int((first - second).abs().max()))
        classes = [_classes(model, _cropped(batch, places, sizes)) for places in (first, second)]
        agreed += int((classes[0] == classes[1]).sum())
    return Consistency(agreed, pairs * len(batch), farthest)


def _places(count: int, room: Sequence[int], shift: int | None, random: Any) -> tuple[Any, Any]:
    """Return where two crops of each picture start, shape (count, axes) each."""
    import torch

    first, second = (
        torch.stack([torch.randint(0, most + 1, (count,), generator=random) for most in room], 1) for _ in range(2)
    )
    if shift is not None:
        drawn = torch.randint(-shift, shift + 1, first.shape, generator=random)
        second = (first + drawn).clamp(torch.zeros(len(room), dtype=torch.long), torch.tensor(room))
    return first, second


def _cropped(batch: Any, places: Any, sizes: Sequence[int]) -> Any:
    import torch

    return torch.stack(
        [
            picture[(slice(None), *(slice(start, start + size) for start, size in zip(where, sizes, strict=True)))]
            for picture, where in zip(batch, places.tolist(), strict=True)
        ]
    )


def _classes(model: Any, crops: Any) -> Any:
    import torch

    with torch.no_grad():
        scores = model(crops)
    if scores.dim() != 2 or len(scores) != len(crops):
        shape = "x".join(map(str, scores.shape))
        raise FaltungError(f"a classifier gives scores of shape (n, classes), and this one gives {shape}")
    return scores.argmax(1)
