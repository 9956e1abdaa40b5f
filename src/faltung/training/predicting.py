"""A trained net, asked about pictures in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from faltung.errors import FaltungError
from faltung.training import checkpoint
from faltung.training.batches import Normalisation
from faltung.training.data.folders import fitted
from faltung.training.folder import RunFolder
from faltung.training.running import build


class Prediction(NamedTuple):
    """What a net takes a picture for: classes with their probabilities, the likeliest first."""

    picture: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def __str__(self) -> str:
        likely = zip(self.classes, self.probabilities, strict=True)
        return f"{self.picture}: " + ", ".join(f"{name} {share:.1%}" for name, share in likely)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"picture": self.picture, "classes": list(self.classes), "probabilities": list(self.probabilities)}


class Predictor:
    """The net of a run with the weights that it ended with.

    Parameters
    ----------
    run : path
        The folder of a run that is done.

    Raises
    ------
    FaltungError
        If there is no such run, it is not done, or its files are damaged.
    """

    def __init__(self, run: str | Path) -> None:
        folder = RunFolder(run)
        self.settings = folder.read_settings()
        if not folder.weights.exists():
            raise FaltungError(f"{run} is not done; go on with 'faltung train --resume {run}'")
        weights, _ = checkpoint.load(folder.weights)
        self.model: nn.Module = build(self.settings.recipe, self.settings.shape, len(self.settings.classes)).eval()
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as problem:
            raise FaltungError(f"{folder.weights} does not fit the run: {' '.join(str(problem).split())}") from None
        self.normalise = Normalisation(self.settings.mean, self.settings.deviation)

    def batch(self, pictures: Sequence[str | Path]) -> Tensor:
        """Read pictures as the net takes them: N x C x H x W, normalised; sizes are brought to the run's.

        A colour picture becomes grey for a net of grey pictures as Pillow has it: 0.299 R + 0.587 G + 0.114 B.
        """
        channels, rows, columns = self.settings.shape
        return self.normalise(
            torch.from_numpy(np.stack([_channels(fitted(Path(path), (rows, columns)), channels) for path in pictures]))
        )

    @torch.no_grad()
    def __call__(self, pictures: Sequence[str | Path], top: int = 3) -> list[Prediction]:
        """Say what every picture is taken for.

        Raises
        ------
        FaltungError
            If one cannot be read.
        """
        probabilities = self.model(self.batch(pictures)).float().softmax(1)
        best = probabilities.topk(min(top, probabilities.shape[1]), 1)
        return [
            Prediction(str(path), tuple(self.settings.classes[number] for number in numbers), tuple(shares))
            for path, numbers, shares in zip(pictures, best.indices.tolist(), best.values.tolist(), strict=True)
        ]


def _channels(array: np.ndarray[Any, np.dtype[np.uint8]], channels: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if len(array) == channels:
        return array
    if channels == 1:
        import PIL.Image

        return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(array, 0, -1))).convert("L"))[None]
    return np.repeat(array[:1], channels, 0)
