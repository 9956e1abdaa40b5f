"""The long run of the oracle: random networks, every answer of Faltung against NaN in PyTorch.

    python -m benchmarks.oracle --n 10000

Networks come in batches, each from a seed of its own; the run prints every disagreement with the network's plan,
the batch's seed, and the smallest network that it shrinks to. The last line counts; the exit code is 1 if there
is any disagreement. Ctrl-C ends the run early and counts what was done.
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
from hypothesis.errors import UnsatisfiedAssumption
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tests.networks import NAN, SMOOTH, Drawn, models
from tests.test_oracle import captured, derivatives, disagreement, poison

BATCH = 100
"""Networks to a seed."""

EVERY = 10
"""One batch in so many is compared with derivatives instead of NaN."""


def compared(model: Drawn) -> str:
    """Return how Faltung and the oracle disagree about a network; empty where they agree."""
    oracle = derivatives if model.lifted else poison
    try:
        return disagreement(captured(model), oracle(model))
    except UnsatisfiedAssumption:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def batch(number: int, count: int, look: Callable[[Drawn], None], *, shrink: bool = False) -> None:
    """Show `count` networks of a seed to a function; where it raises, shrink the network or let it through."""
    by_derivatives = number % EVERY == EVERY - 1
    phases = [Phase.generate, *[Phase.shrink] * shrink]

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(models(operators=SMOOTH if by_derivatives else NAN, longest=6, lifted=by_derivatives))
    def show(model: Drawn) -> None:
        look(model)

    show()


def main(n: int = 10_000, seed: int = 0, minutes: float = 0) -> None:
    """Compare n random networks with the oracle, or as many as the minutes allow."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    console = Console(highlight=False, markup=False)
    started = time.monotonic()
    done, disagreements = 0, 0
    drawn: Counter[str] = Counter()
    wrong: list[tuple[Drawn, str]] = []

    def look(model: Drawn) -> None:
        nonlocal done
        found = compared(model)
        done += 1
        drawn.update(type(step).__name__ if "(" not in repr(step) else repr(step).split("(")[0] for step in model.steps)
        progress.update(task, completed=done)
        if found:
            wrong.append((model, found))

    def fail(model: Drawn) -> None:
        found = compared(model)
        assert not found, found

    columns = TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("networks", total=n)
        number = seed
        try:
            while done < n and not (minutes and time.monotonic() - started > 60 * minutes):
                batch(number, min(BATCH, n - done), look)
                for model, found in wrong:
                    console.print(f"seed {number}: {found}\n{model}")
                if wrong:
                    disagreements += len(wrong)
                    console.print(f"seed {number}, shrunk: {smallest(number, fail)}")
                    wrong.clear()
                number += 1
        except KeyboardInterrupt:
            console.print("interrupted")
            disagreements += len(wrong)
    steps = sum(drawn.values())
    console.print(
        f"{steps} steps of {len(drawn)} kinds, seeds {seed}..{number - 1}, {time.monotonic() - started:.0f} s; "
        f"PyTorch {torch.__version__}"
    )
    console.print(f"{done} models, {disagreements} disagreements")
    raise typer.Exit(1 if disagreements else 0)


def smallest(number: int, fail: Callable[[Drawn], None]) -> str:
    """Return the smallest network found in a batch at which `fail` raises, as Hypothesis tells it."""
    try:
        batch(number, BATCH, fail, shrink=True)
    except AssertionError as error:
        return "\n".join([str(error), *getattr(error, "__notes__", [])])
    return "not found again"


if __name__ == "__main__":
    typer.run(main)
