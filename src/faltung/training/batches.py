"""Batches: which pictures, how they are moved and mirrored, and normalised; all of a batch at once.

Every random number is a function of the seed and of what it is for, so a run has no random state to be kept: the 117th
step of seed 0 is the same whether or not the run was broken off before it.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from faltung.training.recipe import Recipe


def randomness(seed: int, purpose: str, number: int = 0) -> torch.Generator:
    """Return random numbers for one purpose, the same on every machine.

    >>> torch.rand(1, generator=randomness(0, "order", 3)) == torch.rand(1, generator=randomness(0, "order", 3))
    tensor([True])
    """
    return torch.Generator().manual_seed(seed_for(seed, purpose, number))


def seed_for(seed: int, purpose: str, number: int = 0) -> int:
    """Return a seed of 63 bits, by SHA-256."""
    digest = hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Normalisation(NamedTuple):
    """Mean and standard deviation of each channel of the pictures that are trained on, in bytes."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, pictures: Tensor) -> "Normalisation":
        """Measure pictures of uint8, N x C x H x W; a channel that is the same everywhere is only centred."""
        counts = [
            torch.bincount(pictures[:, channel].reshape(-1), minlength=256).double()
            for channel in range(pictures.shape[1])
        ]
        levels = torch.arange(256, dtype=torch.float64)
        means = [float(levels @ count / count.sum()) for count in counts]
        variances = [
            float((levels - mean).square() @ count / count.sum()) for mean, count in zip(means, counts, strict=True)
        ]
        return cls(tuple(means), tuple(variance**0.5 or 1.0 for variance in variances))

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return float32 of mean 0 and variance 1 over the pictures that were measured."""
        mean = torch.tensor(self.mean, device=pictures.device)[:, None, None]
        deviation = torch.tensor(self.deviation, device=pictures.device)[:, None, None]
        return (pictures - mean) / deviation


def split(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of the pictures to train on and of those to validate with, drawn by the seed.

    >>> [len(part) for part in split(10, 0.2, seed=0)]
    [8, 2]
    """
    order = torch.randperm(count, generator=randomness(seed, "validation"))
    held = round(share * count)
    return order[held:].sort().values, order[:held].sort().values


def order(numbers: Tensor, batch: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Give the batches of an epoch, each of the same length; the few pictures that are left over wait for another."""
    shuffled = numbers[torch.randperm(len(numbers), generator=randomness(seed, "order", epoch))]
    for start in range(0, len(numbers) - batch + 1, batch):
        yield shuffled[start : start + batch]


class Moves(NamedTuple):
    """How each picture of a batch is changed: shifts and corners in pixels, mirrored or not; int64 of shape (N,)."""

    down: Tensor
    right: Tensor
    mirrored: Tensor
    hole_y: Tensor
    hole_x: Tensor

    @classmethod
    def draw(cls, count: int, recipe: Recipe, size: tuple[int, int], seed: int, step: int) -> "Moves":
        """Draw them for one step."""
        numbers = randomness(seed, "moves", step)

        def whole(below: int) -> Tensor:
            return torch.randint(below, (count,), generator=numbers)

        reach = 2 * recipe.shift + 1
        return cls(whole(reach), whole(reach), whole(2) * recipe.flip, whole(size[0]), whole(size[1]))

    def part(self, rank: int, world: int) -> "Moves":
        """Return those of the pictures of one process."""
        return Moves(*(entry[rank::world] for entry in self))

    def to(self, device: torch.device) -> "Moves":
        """Return them on a device."""
        return Moves(*(entry.to(device) for entry in self))


def moved(pictures: Tensor, moves: Moves, recipe: Recipe) -> Tensor:
    """Shift and mirror every picture of a batch: one padding, one gathering.

    Parameters
    ----------
    pictures : Tensor of uint8, N x C x H x W
    moves : Moves
        For each of the N pictures.
    recipe : Recipe
        Its `shift` and `flip` say what is done at all.

    Returns
    -------
    Tensor of uint8, N x C x H x W, the channels of a pixel beside each other in memory.
    """
    if not recipe.shift and not recipe.flip:
        return pictures
    count, _, rows, columns = pictures.shape
    device, reach = pictures.device, recipe.shift
    mode = "reflect" if reach < min(rows, columns) else "replicate"
    padded = torch.nn.functional.pad(pictures.float(), (reach,) * 4, mode=mode).to(torch.uint8) if reach else pictures
    down = moves.down[:, None] + torch.arange(rows, device=device)
    along = torch.arange(columns, device=device).expand(count, columns)
    along = torch.where(moves.mirrored[:, None] > 0, columns - 1 - along, along)
    right = moves.right[:, None] + along
    pixels = padded.permute(0, 2, 3, 1)
    gathered = pixels[torch.arange(count, device=device)[:, None, None], down[:, :, None], right[:, None, :]]
    return gathered.permute(0, 3, 1, 2)


def cut(pictures: Tensor, moves: Moves, side: int) -> Tensor:
    """Set a square of normalised pictures to 0, their mean; it may hang over the edge (DeVries and Taylor, 2017)."""
    if not side:
        return pictures
    device = pictures.device
    y = torch.arange(pictures.shape[-2], device=device) - moves.hole_y[:, None]
    x = torch.arange(pictures.shape[-1], device=device) - moves.hole_x[:, None]
    inside = [(axis >= -(side // 2)) & (axis < side - side // 2) for axis in (y, x)]
    return pictures.masked_fill((inside[0][:, :, None] & inside[1][:, None, :])[:, None], 0)
