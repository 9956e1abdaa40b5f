"""Training, beside the recipe that introductions to PyTorch give, on Fashion-MNIST.

    python -m benchmarks.training [--seeds 3] [--threads 1] [--json out.json] [--plot out.png]
    python -m benchmarks.training --best [--seeds 3] [--first 0] [--out runs/best]

How long does each take to 91.0 % of the test half? The introduction's net is tested every 50 steps and after every
epoch, with its clock stopped, and its time is that of the first test which reaches the mark: luck counts for it. Ours
is `faltung.training.train` with the default recipe, whose length is fixed beforehand and whose test half is asked once,
at the end: that time counts, and only if the end reaches the mark. The time of training alone is measured, and beside
it that of the whole call, validation, checkpoints and test included. Both train in one process, turn and turn about:
after every step of ours the other net steps until its clock shows `GOAL` times as much, so that whatever slows the
machine slows both. Ours holds a tenth of the training half back; the other net learns from all of it.

`--best` trains the recipe of that name, seed after seed, and reports the test half. What was broken off goes on: with
--json from the last seed that was done, with --best from the last checkpoint. Seeds can be shared out between processes
by --first; a last call for all of them prints what was found.
"""

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from faltung.training import RECIPES, DataSet, load, resume, train
from faltung.training.batches import Normalisation
from faltung.training.folder import RunFolder
from faltung.training.loop import Now
from faltung.training.progress import Bar

MARK = 0.91
"""The test accuracy that is raced to."""
GOAL = 3.0
"""How many times as long the other net may be expected to take."""
LAST = 20
"""Epochs after which the other net is given up; its ratio is then at least what is printed."""
LOOK = 50
"""Steps between its tests."""


class Clock:
    """Seconds of the wall and of the processor, while it runs."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def start(self) -> None:
        """Run."""
        self.since = (time.perf_counter(), time.process_time())

    def stop(self) -> None:
        """Stand still."""
        self.wall += time.perf_counter() - self.since[0]
        self.processor += time.process_time() - self.since[1]

    def __call__(self) -> dict[str, float]:
        """Return both, in whole milliseconds."""
        return {"wall": round(self.wall, 3), "processor": round(self.processor, 3)}


class Tutorial:
    """The plain recipe: two convolutions, two poolings, two linear layers; AdamW, 1e-3, batches of 256, float32."""

    def __init__(self, data: DataSet, seed: int) -> None:
        normalise = Normalisation.of(torch.from_numpy(data.pictures))
        self.x, self.y = normalise(torch.from_numpy(data.pictures)), torch.from_numpy(data.labels)
        self.test_x, self.test_y = normalise(torch.from_numpy(data.test_pictures)), torch.from_numpy(data.test_labels)
        torch.manual_seed(seed)
        self.model = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # unpadded, it took longer to the mark
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.numbers = torch.Generator().manual_seed(seed)
        self.batches: list[Tensor] = []
        self.clock, self.step, self.epoch = Clock(), 0, 0
        self.tests: list[dict[str, float]] = []
        """Of each test: epoch, step, the clock, accuracy."""

    @property
    def done(self) -> bool:
        """Whether it reached the mark, or is given up."""
        return bool(self.tests) and (self.tests[-1]["accuracy"] >= MARK or self.epoch >= LAST)

    def advance(self) -> None:
        """Take one step; test where it is time for that."""
        self.clock.start()
        if not self.batches:
            self.batches = list(torch.randperm(len(self.x), generator=self.numbers).split(256))
        batch = self.batches.pop(0)
        loss = nn.functional.cross_entropy(self.model(self.x[batch]), self.y[batch])
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.clock.stop()
        self.step += 1
        self.epoch += not self.batches
        if not self.batches or self.step % LOOK == 0:
            with torch.no_grad():
                scores = torch.cat([self.model(part) for part in self.test_x.split(1000)])
            accuracy = float((scores.argmax(1) == self.test_y).double().mean())
            self.tests.append({"epoch": self.epoch, "step": self.step, **self.clock(), "accuracy": accuracy})


def raced(data: DataSet, seed: int, said: Console) -> dict[str, Any]:
    """Train both and return the times: ours with its test accuracy, the other's with the course of its tests."""
    theirs = Tutorial(data, seed)
    training, whole = Clock(), Clock()
    epochs = RECIPES["default"].epochs

    def tell() -> None:
        last = theirs.tests[-1]
        said.print(f"tutorial: epoch {last['epoch']}  {last['accuracy']:.2%} after {last['processor']:.1f} s")

    def between(now: Now) -> None:
        """Called after every step of ours, and once more after an epoch was validated: stop, let the other one run."""
        whole.stop()
        if now.row is None:
            training.stop()
            while not theirs.done and theirs.clock.processor < GOAL * training.processor:
                theirs.advance()
        elif theirs.tests:
            tell()
        bar(now)
        whole.start()
        if now.step < now.steps or (now.row is not None and now.epoch + 1 < epochs):
            training.start()

    with tempfile.TemporaryDirectory() as folder, Bar(said, epochs) as bar:
        whole.start()
        training.start()
        results = train(data, Path(folder) / "run", seed=seed, device="cpu", watch=between)
        whole.stop()
    while not theirs.done:
        theirs.advance()
        if theirs.step % (4 * LOOK) == 0:
            tell()
    return {"accuracy": results["test_accuracy"], "training": training(), "whole": whole(), "tutorial": theirs.tests}


def about(threads: int) -> dict[str, Any]:
    """Return what the figures were measured with."""
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {
        "date": date.today().isoformat(), "commit": described.stdout.strip(), "machine": platform.platform(),
        "threads": threads, "load": os.getloadavg(), "torch": torch.__version__,
        "recipe": RECIPES["default"].to_dict(),
    }  # fmt: skip


def report(seeds: dict[str, dict[str, Any]], plot: str) -> None:
    """Print the table, the losing seeds first, and draw the races."""
    table = Table(title=f"processor seconds to {MARK:.1%} of the test half; losing seeds first")
    for heading in (
        "seed",
        "faltung",
        "training s",
        "whole s",
        "tutorial",
        "epochs",
        "its s",
        "ratio",
        "whole",
        "wall",
    ):
        table.add_column(heading, justify="right")
    ratios: dict[str, list[float]] = {"training": [], "whole": [], "wall": []}
    rows = []
    for seed, row in seeds.items():
        last, met = row["tutorial"][-1], row["accuracy"] >= MARK
        for name, ours, clock in (
            ("training", row["training"], "processor"), ("whole", row["whole"], "processor"),
            ("wall", row["training"], "wall"),
        ):  # fmt: skip
            ratios[name].append(last[clock] / ours[clock] if met else 0.0)
        rows.append((
            seed, f"{row['accuracy']:.2%}", f"{row['training']['processor']:.1f}", f"{row['whole']['processor']:.1f}",
            f"{last['accuracy']:.2%}", str(last["epoch"]), f"{last['processor']:.1f}",
            *(f"{ratios[name][-1]:.2f}" for name in ratios),
        ))  # fmt: skip
    for row in sorted(rows, key=lambda row: float(row[7])):
        table.add_row(*row)
    Console(width=120).print(table)
    for name, found in ratios.items():
        print(f"{name}: median ratio {statistics.median(found):.2f} of {len(found)} seeds, least {min(found):.2f}")
    if plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        ax = figure.subplots()
        for number, row in enumerate(seeds.values()):
            tests, ours = row["tutorial"], row["training"]["processor"]
            ax.plot(
                [test["processor"] for test in tests], [test["accuracy"] for test in tests],
                color="tab:blue", alpha=0.6, label=None if number else "tutorial, tested every 50 steps",
            )  # fmt: skip
            ax.plot(ours, row["accuracy"], "o", color="tab:orange", label=None if number else "faltung, at its end")
        ax.axhline(MARK, color="black", linewidth=1)
        ax.set(xlabel="processor seconds of training", ylabel="accuracy on the test half", ylim=(0.8, 0.93), xlim=0)
        ax.legend(loc="lower right")
        figure.savefig(plot, dpi=110)


def best(data: DataSet, out: Path, seeds: range, said: Console) -> None:
    """Train the best recipe with every seed, each into a folder of its own or on from where it was; print results."""
    recipe, found = RECIPES["best"], []
    for seed in seeds:
        folder, kept = RunFolder(out / f"seed-{seed}"), out / f"seed-{seed}.json"
        if not folder.results.exists():
            steps, began = 0, time.process_time()
            with Bar(said, recipe.epochs) as bar:

                def watch(now: Now, bar: Bar = bar) -> None:
                    nonlocal steps
                    steps += now.row is None
                    bar(now)

                if folder.settings.exists():
                    resume(data, folder.path, watch=watch)
                else:
                    train(data, folder.path, recipe, seed=seed, watch=watch)
            kept.write_text(json.dumps(steps * recipe.batch / (time.process_time() - began)))
        results = json.loads(folder.results.read_text())
        pictures = json.loads(folder.metrics.read_text().splitlines()[-1])["step"] * recipe.batch
        speed = json.loads(kept.read_text())
        found.append(results["test_accuracy"])
        print(
            f"seed {seed}: {found[-1]:.2%} of the test half; {pictures:,} pictures at {speed:,.0f} a second of the "
            f"processor, {pictures / speed / 60:.1f} minutes, on {results['device']}",
            flush=True,
        )
    print(f"mean {statistics.mean(found):.2%}, least {min(found):.2%}, most {max(found):.2%} of {len(found)} seeds")


def main(
    seeds: int = 3,
    threads: int = 1,
    json_file: Annotated[str, typer.Option("--json")] = "",
    plot: str = "",
    best_recipe: Annotated[bool, typer.Option("--best")] = False,
    out: Path = Path("runs/best"),
    first: int = 0,
) -> None:
    """Race the default recipe with the introduction's; or train the best one."""
    torch.set_num_threads(threads)
    data, said = load("fashion-mnist"), Console(stderr=True, highlight=False)
    if best_recipe:
        best(data, out, range(first, first + seeds), said)
        return
    file = Path(json_file) if json_file else None
    kept = json.loads(file.read_text()) if file and file.exists() else {"about": about(threads), "seeds": {}}
    for seed in map(str, range(first, first + seeds)):
        if seed in kept["seeds"]:
            continue
        kept["seeds"][seed] = raced(data, int(seed), said)
        if file:
            part = file.with_suffix(".part")
            part.write_text(json.dumps(kept, indent=1, allow_nan=False))
            part.replace(file)
    report(kept["seeds"], plot)


if __name__ == "__main__":
    typer.run(main)
