"""The table of a network: what each layer is, how it lies over the picture, and how much of it its units read."""

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from faltung.border import untouched
from faltung.complete import Completeness
from faltung.graph import ANY, Graph, Known
from faltung.intervals import IntervalSet
from faltung.lattice import Entry, Lattices
from faltung.reads import Reads
from faltung.region import Product, Region
from faltung.relation import Along, Only, whole

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Numbers = tuple[int | None, ...]

COLUMNS = {
    "layer": "left",
    "operator": "left",
    "output size": "right",
    "parameters": "right",
    "stride": "right",
    "receptive field": "right",
    "read": "right",
    "start": "right",
    "of picture": "right",
    "border": "right",
}
"""The headings; `parameters`, `read` and the last two stand only where they say something."""


@dataclass(frozen=True)
class Row:
    """One layer; a tuple has one entry for each axis of the input but the batch and the channel.

    Parameters
    ----------
    layer, operator : str
        Name and operator.
    size : tuple of int
        Units of the feature map, all axes; empty where the network has no sizes yet.
    parameters : int
        Learned numbers of the layer.
    stride : tuple of Fraction or None
        Input pixels from one unit to the next; below 1 after upsampling. None where no period serves, and where
        every unit reads the same.
    receptive_field, smallest : tuple of int or None
        Input pixels from the first to the last that an interior unit reads, holes counted in: the largest and the
        smallest of the phases; without a period, what the middle unit reads. None where that is nothing.
    start : tuple of int or None
        The first input position that unit 0 reads; negative in the padding, None where it reads nothing or follows
        no period.
    read : float or None
        Share of that box which is truly read: less than 1 where there are holes.
    picture : float or None
        Share of the picture that the box of an interior unit covers.
    border : tuple of (int, int) or None
        Units at the near and at the far end of the layer's axis that padding has touched; None where the layer has
        no axis along this one.
    complete : bool
        Every unit reads the whole picture already: the layers that follow can add no context. It is said only
        where it is proved.
    unknown : str
        The operator that was taken to read everything; empty for the others.
    """

    layer: str
    operator: str
    size: tuple[int, ...]
    parameters: int
    stride: tuple[Fraction | None, ...]
    receptive_field: Numbers
    smallest: Numbers
    start: Numbers
    read: float | None
    picture: float | None
    border: tuple[tuple[int, int] | None, ...]
    complete: bool
    unknown: str

    def cells(self) -> dict[str, str]:
        """Return the row as text; axes that agree are written once."""
        fields = [
            "none" if most is None else str(most) if least in (most, None) else f"{least}-{most}"
            for least, most in zip(self.smallest, self.receptive_field, strict=True)
        ]
        borders = ["-" if ring is None else f"{ring[0]}+{ring[1]}" for ring in self.border]
        return {
            "layer": self.layer,
            "operator": self.operator + (" (unknown: taken to read all)" if self.unknown else ""),
            "output size": "x".join(map(str, self.size)) or "-",
            "parameters": f"{self.parameters:,}" if self.parameters else "",
            "stride": _text(self.stride),
            "receptive field": _once(fields),
            "read": _percent(self.read),
            "start": _text(self.start),
            "of picture": "all" if self.complete else _percent(self.picture),
            "border": _once(borders),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {
            "layer": self.layer,
            "operator": self.operator,
            "size": list(self.size),
            "parameters": self.parameters,
            "stride": [None if step is None else str(step) for step in self.stride],
            "receptive_field": list(self.receptive_field),
            "smallest": list(self.smallest),
            "start": list(self.start),
            "read": self.read,
            "picture": self.picture,
            "border": [ring and list(ring) for ring in self.border],
            "complete": self.complete,
            "unknown": self.unknown or None,
        }


@dataclass(frozen=True)
class Table:
    """The rows of a network, the input first; prints in terminals and notebooks."""

    rows: tuple[Row, ...]
    axes: tuple[str, ...]

    def _lines(self) -> tuple[list[str], list[list[str]]]:
        """Return the headings that say something, and the cells below them."""
        cells = [row.cells() for row in self.rows]
        telling = {
            "parameters": any(row.parameters for row in self.rows),
            "read": any(row.read not in (None, 1) for row in self.rows),
            "of picture": any(row.picture is not None for row in self.rows),
            "border": any(ring is not None and any(ring) for row in self.rows for ring in row.border),
        }
        headings = [heading for heading in COLUMNS if telling.get(heading, True)]
        return headings, [[line[heading] for heading in headings] for line in cells]

    def __rich__(self) -> "RichTable":
        from rich import box
        from rich.table import Table as RichTable

        headings, lines = self._lines()
        table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
        for heading in headings:
            justify: Any = COLUMNS[heading]
            folds = heading == "operator"  # the only column that a narrow terminal may fold
            table.add_column(
                heading.replace(" ", "\n"),
                justify=justify,
                overflow="fold",
                no_wrap=not folds,
                min_width=12 if folds else None,
            )
        for line in lines:
            table.add_row(*line)
        return table

    def __str__(self) -> str:
        headings, lines = self._lines()
        widths = [max(len(line[column]) for line in [headings, *lines]) for column in range(len(headings))]
        return "\n".join(
            "  ".join(
                text.ljust(width) if COLUMNS[heading] == "left" else text.rjust(width)
                for heading, text, width in zip(headings, line, widths, strict=True)
            ).rstrip()
            for line in [headings, *lines]
        )

    def _repr_html_(self) -> str:
        from html import escape

        def line(tag: str, texts: list[str]) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"

        headings, lines = self._lines()
        body = "".join(line("td", cells) for cells in lines)
        return f"<table><thead>{line('th', headings)}</thead><tbody>{body}</tbody></table>"

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain numbers, lists and strings, ready for JSON; strides as "2" or "1/2"."""
        return {"axes": list(self.axes), "layers": [row.to_dict() for row in self.rows]}


def table(graph: Graph, input: int | str = 0) -> Table:
    """Return the table of a graph: sizes where it is bound, fields and strides in any case.

    Layers that repeat another one's units place by place (rectifiers, normalisation, dropout) are left out.
    """
    maker = _Maker(graph, Lattices(graph, input))
    names = [layer.name for layer in graph.layers if not layer.passes and layer.name in maker.lattices.entries]
    return Table(tuple(maker.row(name) for name in (maker.lattices.input, *names)), maker.names)


class _Maker:
    """Makes rows from the lattices, and from single units where there is no lattice."""

    def __init__(self, graph: Graph, lattices: Lattices) -> None:
        self.graph, self.lattices = graph, lattices
        rank = len(lattices.entries[lattices.input])
        axes = graph.maps[lattices.input].axes if graph.maps else ("",) * rank
        self.shown = [place for place, axis in enumerate(axes) if axis not in ANY]
        self.names = tuple(axes[place] for place in self.shown) if graph.maps else ()
        self.shape = tuple(graph.maps[lattices.input].shape[place] for place in self.shown) if graph.maps else ()
        self.clean = untouched(graph) if graph.maps else {}
        self.complete = Completeness(lattices) if graph.maps else None
        self._known: Known = {}
        self._walked = ""
        self._read: dict[str, list[Product]] = {}
        self._region = Region((), (), ())

    def row(self, name: str) -> Row:
        """Return the row of a layer."""
        layer = self.graph.layer(name)
        entries = [self.lattices.entries[name][place] for place in self.shown]
        reads = [e.reads if isinstance(e, Along) and isinstance(e.reads, Reads) else None for e in entries]
        fields: list[tuple[int | None, int | None]] = []
        for place, entry, periodic in zip(self.shown, entries, reads, strict=True):
            if periodic is not None:
                sizes = [len(taps.bounds) for taps in periodic.taps]
                fields.append((min(sizes), max(sizes)))
            elif isinstance(entry, Only):
                fields.append((len(entry.places.bounds),) * 2)
            else:
                field = len(self._middle(name).box[self.graph.maps[self.lattices.input].axes[place]]) or None
                fields.append((field, field))
        largest = tuple(most for _, most in fields)
        return Row(
            name,
            layer.operator if layer else "",
            self.graph.maps[name].shape if self.graph.maps else (),
            layer.parameters if layer else 0,
            tuple(Fraction(r.stride, r.period) if r else None for r in reads),
            largest,
            tuple(least for least, _ in fields),
            tuple(self._start(entry, r) for entry, r in zip(entries, reads, strict=True)),
            self._share_read(name, entries),
            self._share_of_picture(largest),
            tuple(self._ring(name, entry) for entry in entries) if self.graph.maps else (None,) * len(entries),
            self.complete is not None and self.complete.of(name),
            layer.unknown if layer else "",
        )

    def _start(self, entry: object, reads: Reads | None) -> int | None:
        if reads is not None:
            return reads.taps[0].bounds.start if reads.taps[0] else None
        return entry.places.bounds.start if isinstance(entry, Only) and entry.places else None

    def _middle(self, name: str) -> Region:
        """Return what the middle unit of a layer reads, whatever its channel: it stands for all, without a period."""
        if self._walked != name:
            here = self.graph.maps[name]
            middle = tuple(
                whole(size) if axis in ANY else IntervalSet.one(size // 2)
                for axis, size in zip(here.axes, here.shape, strict=True)
            )
            read = self.graph.read_by([middle], name, self._known)
            if read is not self._read:  # else the middle unit of the row before read the same
                self._read = read
                self._region = self.graph.region(self.lattices.input, read.get(self.lattices.input, []), self.names)
            self._walked = name
        return self._region

    def _share_read(self, name: str, entries: list[Entry]) -> float | None:
        if self.lattices.boxes[name]:
            shares = []
            for entry in entries:
                if isinstance(entry, Along) and isinstance(entry.reads, Reads):
                    taps = max(entry.reads.taps, key=lambda taps: len(taps.bounds))
                    shares.append(len(taps) / len(taps.bounds) if taps else 1.0)
                elif isinstance(entry, Only):
                    shares.append(len(entry.places) / len(entry.places.bounds) if entry.places else 1.0)
                else:
                    break
            else:
                return prod(shares)
        if not self.graph.maps:
            return None
        region = self._middle(name)
        return region.size / prod(len(box) for box in region.box.values()) if region else 1.0

    def _share_of_picture(self, fields: Numbers) -> float | None:
        if not self.shape or None in fields:
            return None
        return prod(min(field or 0, size) / size for field, size in zip(fields, self.shape, strict=True))

    def _ring(self, name: str, entry: Entry) -> tuple[int, int] | None:
        if not isinstance(entry, Along):
            return None
        clean, size = self.clean[name][entry.axis], self.graph.maps[name].shape[entry.axis]
        return (clean.bounds.start, size - clean.bounds.stop) if clean else (size, size)


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.0%}" if share == 1 or share >= 0.1 else f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _text(numbers: tuple[Fraction | int | None, ...]) -> str:
    return _once(["none" if number is None else str(number) for number in numbers])


def _once(texts: list[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)
