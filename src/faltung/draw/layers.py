"""Pictures of networks: how fields and strides grow from layer to layer."""

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from faltung.draw._shared import UNIT_COLOUR, axes_or_new
from faltung.errors import FaltungError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faltung.network import Network
    from faltung.table import Row, Table

MOST_NAMES = 26
"""How many layers have their names under the picture; of more, those where the stride changes."""

BEYOND = 5
"""A picture so many times as large as the largest field is told of, and not drawn to scale."""

STRIDE_COLOUR = "#5a5a5a"


def growth(net: "Network | Table", *, axis: str | None = None, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw how the receptive field grows along the layers, with their strides as steps and the picture's size.

    Every layer of the table is a dot; the line is the largest field so far, since branches (shortcuts, skips) fall
    back behind it. Where units of one layer see fields of different sizes, all from the smallest to the largest
    are shaded. A square stands for a layer all of whose units read the whole picture.

    Parameters
    ----------
    net : Network or Table
        What `faltung.parse` or `faltung.capture` returned, or its table.
    axis : str, optional
        Along which axis of the input; the last where left out.
    title : str
        Text above.
    ax : matplotlib.axes.Axes, optional
        Where to draw; strides are on further axes to the right of it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FaltungError
        If the input has no such axis, or none to draw.

    Examples
    --------
    >>> import faltung
    >>> growth(faltung.parse("3 x conv k=3 s=2 p=1").at(y=64, x=64)).get_ylabel()
    'receptive field along x, pixels'
    """
    from faltung.table import Table

    table = net if isinstance(net, Table) else net.table()
    rows = table.rows
    place = _place(table, axis)
    largest, smallest = (
        np.array([np.nan if sizes[place] is None else sizes[place] for sizes in both], dtype=np.float64)
        for both in ([row.receptive_field for row in rows], [row.smallest for row in rows])
    )
    depth = np.arange(len(rows))
    ax = axes_or_new(ax, width=float(np.clip(4 + 0.14 * len(rows), 6.4, 14)))
    named = table.axes[place] if table.axes else ""
    ax.set_ylabel(f"receptive field{f' along {named}' if named else ''}, pixels")
    complete = np.array([row.complete for row in rows])
    so_far = np.where(complete, np.nan, np.fmax.accumulate(largest))
    ax.plot(depth, so_far, color=UNIT_COLOUR, linewidth=1.6, label="receptive field, largest so far")
    if np.nansum(largest - smallest) > 0:
        ax.fill_between(
            depth, smallest, largest, step="mid", color=UNIT_COLOUR, alpha=0.3, linewidth=0,
            label="smallest to largest in a layer",
        )  # fmt: skip
    for chosen, marker, label in ((~complete, "o", ""), (complete, "s", "all of the picture is read")):
        if chosen.any():
            ax.plot(
                depth[chosen], largest[chosen], marker, color=UNIT_COLOUR, markersize=4 if marker == "o" else 5.5,
                label=label or "_", linestyle="none", markeredgecolor="white", markeredgewidth=0.4,
            )  # fmt: skip
    top = float(np.nanmax(largest))
    if table.axes:
        top = max(top, _draw_picture(ax, rows[0].size[-len(table.axes) :][place], top))
    ax.set_ylim(0, 1.25 * top)  # with room for the legend
    ax.margins(x=0.02)
    steps = _draw_strides(ax, rows, place, depth)
    _name_layers(ax, rows, place)
    ax.legend(handles=[*ax.get_legend_handles_labels()[0], steps], loc="upper left", ncols=2, fontsize=8)
    ax.set_title(title)
    return ax


def _place(table: "Table", axis: str | None) -> int:
    """Return the place of an axis among those that the table tells of."""
    told = len(table.rows[0].receptive_field)
    if not told:
        raise FaltungError("the input has no axis beside the batch and the channel: there is no field to draw")
    if axis is None:
        return told - 1
    if axis not in table.axes:
        known = f"the axes are {', '.join(table.axes)}" if table.axes else "the network has no sizes and names yet"
        raise FaltungError(f"there is no axis {axis!r}; {known}")
    return table.axes.index(axis)


def _draw_picture(ax: "Axes", size: int, top: float) -> float:
    """Draw the picture's size as a line, if it is in reach of the largest field, and return where the line is."""
    if size > BEYOND * top:
        ax.annotate(
            f"the picture: {size:,} pixels ↑", (1, 1), xytext=(-4, -4), textcoords="offset points", fontsize=8,
            xycoords="axes fraction", ha="right", va="top",
        )  # fmt: skip
        return top
    ax.axhline(size, color="black", linestyle=(0, (6, 4)), linewidth=1, zorder=1)
    ax.annotate(
        f"the picture: {size:,} pixels", (0, size), xytext=(3, 3), textcoords="offset points", fontsize=8,
        xycoords=("axes fraction", "data"),
    )  # fmt: skip
    return size


def _draw_strides(ax: "Axes", rows: "tuple[Row, ...]", place: int, depth: "np.ndarray") -> "object":
    """Draw the strides as steps on axes of their own, to the right; a gap where there is none."""
    strides = [row.stride[place] for row in rows]
    beside = ax.twinx()
    (steps,) = beside.step(
        depth, [np.nan if stride is None else float(abs(stride)) for stride in strides], where="mid",
        color=STRIDE_COLOUR, linewidth=1.2, label="stride",
    )  # fmt: skip
    beside.set_yscale("log", base=2)
    known = sorted({abs(stride) for stride in strides if stride is not None} | {Fraction(1)})
    beside.set_yticks([float(stride) for stride in known], labels=[str(stride) for stride in known])
    beside.minorticks_off()
    beside.set_ylim(float(known[0]) / 1.5, max(float(known[-1]), 2) ** 1.8)  # strides keep below, fields above
    beside.set_ylabel("stride, pixels from unit to unit", color=STRIDE_COLOUR)
    beside.tick_params(colors=STRIDE_COLOUR)
    ax.set_zorder(beside.get_zorder() + 1)
    ax.patch.set_visible(False)
    return steps


def _name_layers(ax: "Axes", rows: "tuple[Row, ...]", place: int) -> None:
    """Write names of layers under the picture: all, or those where the stride changes, and the last."""
    shown = list(range(len(rows)))
    if len(rows) > MOST_NAMES:
        strides = [row.stride[place] for row in rows]
        shown = [0, *(k for k in shown[1:-1] if strides[k] != strides[k - 1]), shown[-1]]
        apart = max(1, len(rows) // MOST_NAMES)
        shown = [k for number, k in enumerate(shown) if number == 0 or k - shown[number - 1] > apart or k == shown[-1]]
    ax.set_xticks(
        shown, labels=[rows[k].layer for k in shown], rotation=45, ha="right", rotation_mode="anchor", fontsize=8
    )
    ax.set_xlabel("layers, in order")
