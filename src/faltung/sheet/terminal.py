"""The worked sheet for a terminal."""

from typing import Any

from numpy.typing import NDArray
from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from faltung.sheet import NETWORKS, PICTURE, FilterAnswer, Sheet

RULE = "Cross-correlation, padding valid, stride 1: Y[i,j] = sum over m,n of K[m,n] * X[i+m, j+n]"

WORKED = "On X of 1a with filter A and dL/dY = 1 everywhere:"


def show(sheet: Sheet, console: Console) -> None:
    """Print the sheet's answers."""
    console.print(Rule("1a  Apply filters"))
    console.print(Text(RULE + "\n"))
    for answer in sheet.filters:
        console.print(_applied(answer))
    console.print(Text(sheet.flip + "\n"))
    console.print(Rule("1b  What does each filter do?"))
    for answer in sheet.filters:
        console.print(Padding(Group(Text(answer.name, "bold"), str(answer.explanation)), (0, 0, 1, 0)))
    console.print(Rule("2a  Derive"))
    for derivation, compared in zip(sheet.derivations, sheet.compared, strict=True):
        console.print(Padding(Group(derivation, Text(compared, "dim")), (0, 0, 1, 0)))
    console.print(Text(WORKED, "bold"))
    for entry in sheet.worked.weights:
        console.print(Text(str(entry)))
    console.print()
    console.print(Rule("2b  What can a neuron see?"))
    console.print(_seen(sheet))
    console.print(Rule("3  Equivariance"))
    for proof in sheet.proofs:
        console.print(Padding(proof, (0, 0, 1, 0)))
    for name, report in sheet.checked.items():
        console.print(Padding(Group(Text(f"{name}: {NETWORKS[name]}", "bold"), report), (0, 0, 1, 0)))


def _applied(answer: FilterAnswer) -> RenderableType:
    grids = [
        _grid("X", PICTURE),
        _grid(answer.name, answer.kernel),
        _grid("Y = correlate(X)", answer.correlated, "bold green"),
        _grid("convolve(X)", answer.convolved, "dim"),
    ]
    return Group(Columns(grids, padding=(0, 3)), Text(answer.first_sum, "dim"), "")


def _grid(title: str, values: NDArray[Any], style: str = "") -> Table:
    table = Table(title=title, title_justify="left", box=box.SQUARE, show_header=False, padding=(0, 1), style="dim")
    for _ in values[0]:
        table.add_column(justify="right", style=style)
    for row in values:
        table.add_row(*map(str, row.tolist()))
    return table


def _seen(sheet: Sheet) -> RenderableType:
    return Group(
        Text(sheet.question_2b + "\n"),
        Text(str(sheet.verdict), "bold green"),
        Text("\n" + sheet.window_2b + "\n"),
        sheet.network.table(),
    )
