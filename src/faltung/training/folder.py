"""The folder of a run: its settings, its metrics, its checkpoint, its weights."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faltung.errors import FaltungError
from faltung.training.recipe import Recipe


@dataclass(frozen=True)
class Settings:
    """What a run is, kept in `settings.json`: enough to go on with it, and to use its net without its data."""

    data: str
    """The data set's name, or the folder of pictures."""
    data_folder: str | None
    first: int | None
    """Train on so many pictures alone; None for all."""
    size: int | None
    """What pictures of a folder are brought to."""
    seed: int
    recipe: Recipe
    fingerprint: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    """Channels, rows and columns of a picture."""
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    torch: str
    """The version of PyTorch."""


class RunFolder:
    """The files of one run; each is written whole or not at all."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.settings = self.path / "settings.json"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.weights = self.path / "weights.safetensors"
        self.results = self.path / "results.json"

    def begin(self, settings: Settings) -> None:
        """Make the folder and write the settings.

        Raises
        ------
        FaltungError
            If a run is there already, or the folder cannot be made.
        """
        if self.settings.exists():
            raise FaltungError(
                f"{self.path} holds a run already; go on with 'faltung train --resume {self.path}' or choose another "
                "--out"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise FaltungError(f"cannot make the folder {self.path}: {problem.strerror}") from None
        self.write(self.settings, json.dumps(asdict(settings), indent=1))

    def read_settings(self) -> Settings:
        """Read the settings of the run that is there.

        Raises
        ------
        FaltungError
            If there is none, or its settings cannot be read.
        """
        if not self.settings.is_file():
            raise FaltungError(f"{self.path} holds no run: there is no {self.settings.name}")
        try:
            facts = json.loads(self.settings.read_text(encoding="utf-8"))
            facts["recipe"] = Recipe(**facts["recipe"])
            for name in ("classes", "shape", "mean", "deviation"):
                facts[name] = tuple(facts[name])
            return Settings(**facts)
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as problem:
            raise FaltungError(f"{self.settings} cannot be read: {' '.join(str(problem).split())}") from None

    def sweep(self) -> None:
        """Remove what a killed process was about to write."""
        for left in self.path.glob(".faltung-*"):
            left.unlink(missing_ok=True)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Write one line of JSON per epoch."""
        self.write(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))

    def write(self, path: Path, text: str) -> None:
        """Write a text, whole or not at all."""
        from faltung.pictures import atomic

        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
