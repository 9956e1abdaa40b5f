"""How a run looks on the terminal: a bar with loss, accuracy, speed and time left, and one line per epoch."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from faltung.training.loop import Now


class Bar:
    """A bar over all epochs; it is what `train(watch=…)` calls."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.epochs = epochs
        self.task: TaskID | None = None
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"), BarColumn(), TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self.since = (time.monotonic(), 0)
        self.said = ""

    def __enter__(self) -> "Bar":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def __call__(self, now: "Now") -> None:
        """Show where the run is."""
        done = now.epoch * now.steps + now.step
        if now.row is not None:
            self.console.print(line(now.row, self.epochs), markup=False, soft_wrap=True)
            self.since = (time.monotonic(), done)
            return
        if self.task is None:
            self.task = self.progress.add_task("", total=self.epochs * now.steps, epoch="", said="")
            self.since = (time.monotonic(), done - 1)
        passed = time.monotonic() - self.since[0]
        if now.loss is not None and now.accuracy is not None:
            speed = (done - self.since[1]) * now.pictures / max(passed, 1e-9)
            self.said = f"loss {now.loss:.3f}  accuracy {now.accuracy:.1%}  {speed:,.0f} pictures/s"
        self.progress.update(self.task, completed=done, epoch=f"{now.epoch + 1}/{self.epochs}", said=self.said)


def line(row: dict[str, float], epochs: int) -> str:
    """Return an epoch's metrics in one line.

    >>> line({"epoch": 1, "loss": 1.25, "accuracy": 0.5, "pictures_per_second": 900.0, "seconds": 61.0}, 10)
    'epoch 1/10  loss 1.250  accuracy 50.0%  900 pictures/s  61.0 s'
    """
    validated = ""
    if "validation_accuracy" in row:
        validated = f"  validated {row['validation_accuracy']:.1%} (loss {row['validation_loss']:.3f})"
    return (
        f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.3f}  accuracy {row['accuracy']:.1%}{validated}"
        f"  {row['pictures_per_second']:,.0f} pictures/s  {row['seconds']:.1f} s"
    )
