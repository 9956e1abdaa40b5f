"""The long run of the proof of equivariance: random networks, what is proved against what PyTorch does.

    python -m benchmarks.equivariance --n 1000

The map of untouched units against NaN beyond every border, unit by unit; the lattice against crops of a larger
picture, in whole numbers, on it and off it; mirrorings and turns against the mirrored picture. The last line
counts; the exit code is 1 if there is any difference.
"""

import logging
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read before torch loads: small tensors, many of them

import torch
import typer
from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.moving import contradiction, mirror_contradiction, movable, squares
from tests.networks import Drawn

BATCH = 100
"""Networks to a seed."""

EVERY = 4
"""One batch in so many has symmetric kernels, and is mirrored and turned instead of shifted."""


def batch(number: int, count: int, mirrors: bool, look: Callable[[Drawn], None]) -> None:
    """Show `count` networks of a seed to a function."""

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(squares() if mirrors else movable())
    def show(model: Drawn) -> None:
        look(model)

    show()


def main(n: int = 1000, first: int = 0) -> None:
    """Hold n random networks against PyTorch."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    console = Console(highlight=False, markup=False)
    started = time.monotonic()
    compared: Counter[str] = Counter()
    wrong = 0
    mirrors = False
    columns = TextColumn("networks"), MofNCompleteColumn(), TimeElapsedColumn()

    def look(model: Drawn) -> None:
        nonlocal wrong
        try:
            found, told = (mirror_contradiction if mirrors else contradiction)(model)
        except Exception as error:
            found, told = f"{type(error).__name__}: {error}", []
        compared.update({"networks": 1, **Counter(told)})
        progress.advance(task)
        if found:
            wrong += 1
            console.print(f"seed {number}: {found}\n{model}")

    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("networks", total=n)
        for number in range(first, first + -(-n // BATCH)):
            mirrors = number % EVERY == EVERY - 1
            batch(number, min(BATCH, n - (number - first) * BATCH), mirrors, look)
    console.print(
        f"{compared['map']} maps, {compared['on']} shifts on a lattice, {compared['off']} off it, {compared['none']} "
        f"where there is none; {compared['everywhere']} mirrorings and turns granted everywhere, {compared['inside']} "
        f"inside, {compared['denied']} denied"
    )
    console.print(f"{compared['networks']} networks, {wrong} differences")
    console.print(f"{time.monotonic() - started:.0f} s; PyTorch {torch.__version__}")
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
