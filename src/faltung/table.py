"""The table of a network: each layer's size, stride, receptive field and start."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from faltung.graph import Graph
from faltung.lattice import Lattices
from faltung.reads import Reads
from faltung.relation import Along

if TYPE_CHECKING:
    from rich.table import Table as RichTable

HEADINGS = ("layer", "operator", "output size", "stride", "receptive field", "start")


@dataclass(frozen=True)
class Row:
    """One layer; each tuple has one entry per axis, None where branches at different rates meet.

    Parameters
    ----------
    layer, operator : str
        Name and operator.
    size : tuple of int
        Units of the feature map; empty where the network has no sizes yet.
    stride : tuple of Fraction or None
        Input pixels from one unit to the next; below 1 after upsampling.
    receptive_field : tuple of int or None
        Input pixels from the first to the last that an interior unit reads, holes counted in; the largest of
        the phases.
    start : tuple of int or None
        The first input position that unit 0 reads; negative in the padding, None where it reads nothing.
    """

    layer: str
    operator: str
    size: tuple[int, ...]
    stride: tuple[Fraction | None, ...]
    receptive_field: tuple[int | None, ...]
    start: tuple[int | None, ...]

    def cells(self) -> tuple[str, ...]:
        """Return the row as text; axes that agree are written once."""
        size = "x".join(map(str, self.size)) or "-"
        lattice = (_text(numbers) for numbers in (self.stride, self.receptive_field, self.start))
        return self.layer, self.operator, size, *lattice


@dataclass(frozen=True)
class Table:
    """The rows of a network, the input first; prints in terminals and notebooks."""

    rows: tuple[Row, ...]
    axes: tuple[str, ...]

    def __rich__(self) -> "RichTable":
        from rich import box
        from rich.table import Table as RichTable

        table = RichTable(box=box.SIMPLE_HEAD)
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading in ("layer", "operator") else "right")
        for row in self.rows:
            table.add_row(*row.cells())
        return table

    def __str__(self) -> str:
        lines = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
        return "\n".join(
            "  ".join(
                text.ljust(width) if column < 2 else text.rjust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        from html import escape

        def line(tag: str, texts: tuple[str, ...]) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"

        body = "".join(line("td", row.cells()) for row in self.rows)
        return f"<table><thead>{line('th', HEADINGS)}</thead><tbody>{body}</tbody></table>"

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain numbers, lists and strings, ready for JSON; strides as "2" or "1/2"."""
        return {
            "axes": list(self.axes),
            "layers": [
                {
                    "layer": row.layer,
                    "operator": row.operator,
                    "size": list(row.size),
                    "stride": [None if step is None else str(step) for step in row.stride],
                    "receptive_field": list(row.receptive_field),
                    "start": list(row.start),
                }
                for row in self.rows
            ],
        }


def table(graph: Graph, input: int | str = 0) -> Table:
    """Return the table of a graph: sizes where it is bound, fields and strides in any case."""
    lattices = Lattices(graph, input)
    operators = {layer.name: layer.operator for layer in graph.layers}
    rows = []
    for name, entries in lattices.entries.items():
        reads = [e.reads if isinstance(e, Along) and isinstance(e.reads, Reads) else None for e in entries]
        rows.append(
            Row(
                name,
                operators.get(name, ""),
                graph.maps[name].shape if graph.maps else (),
                tuple(Fraction(r.stride, r.period) if r else None for r in reads),
                tuple(max(len(taps.bounds) for taps in r.taps) if r else None for r in reads),
                tuple(r.taps[0].bounds.start if r and r.taps[0] else None for r in reads),
            )
        )
    axes = graph.maps[lattices.input].axes if graph.maps else ()
    return Table(tuple(rows), axes)


def _text(numbers: tuple[Fraction | int | None, ...]) -> str:
    texts = ["none" if number is None else str(number) for number in numbers]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)
