"""Pictures of learning: curves over the epochs, who is taken for whom, and walls of small pictures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from faltung.draw._shared import PIXEL_COLOUR, SIGNED, UNIT_COLOUR, axes_or_new
from faltung.errors import FaltungError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves(
    rows: Sequence[Mapping[str, Any]], value: str = "accuracy", *, title: str = "", ax: "Axes | None" = None
) -> "Axes":
    """Draw a value over the epochs, in training and in validation.

    Parameters
    ----------
    rows : sequence of mappings
        One per epoch, with `epoch`, the value, and maybe `validation_` with its name.
    value : str
        accuracy or loss.

    Examples
    --------
    >>> curves([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}], "loss").get_ylabel()
    'loss'
    """
    from matplotlib.ticker import MaxNLocator

    if not rows:
        raise FaltungError("curves: there is no epoch yet")
    ax = axes_or_new(ax)
    for name, label, colour in (
        (value, "training", PIXEL_COLOUR),
        (f"validation_{value}", "validation", UNIT_COLOUR),
    ):
        drawn = [(row["epoch"], row[name]) for row in rows if name in row]
        if drawn:
            ax.plot(*zip(*drawn, strict=True), "o-", color=colour, label=label, markersize=3)
    ax.set(xlabel="epoch", ylabel=value, title=title)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def confusion(counts: ArrayLike, classes: Sequence[str], *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw how many pictures of each class (rows) are taken for which (columns).

    Examples
    --------
    >>> confusion([[9, 1], [0, 10]], ["cat", "dog"]).get_xlabel()
    'taken for'
    """
    table = np.asarray(counts)
    if table.shape != (len(classes), len(classes)):
        raise FaltungError(f"confusion: counts of shape {table.shape} do not fit {len(classes)} classes")
    ax = axes_or_new(ax, width=7.2)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(classes))
    if len(classes) <= 20:
        for (row, column), count in np.ndenumerate(table):
            if count:
                dark = shares[row, column] > 0.5
                ax.text(column, row, str(count), ha="center", va="center", fontsize=7, color="w" if dark else "k")
    ax.set_xticks(places, classes, rotation=90, fontsize=7)
    ax.set_yticks(places, classes, fontsize=7)
    ax.set(xlabel="taken for", ylabel="is", title=title)
    return ax


def wall(
    pictures: ArrayLike,
    titles: Sequence[str],
    *,
    columns: int = 5,
    signed: bool = False,
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw small pictures beside and below each other, each with a title.

    Parameters
    ----------
    pictures : array_like, shape (N, H, W) or (N, H, W, 3)
        Grey pictures, or RGB of uint8.
    titles : sequence of str
        One each.
    columns : int
        How many stand in a row.
    signed : bool
        Colour by sign, each picture by its own largest value: red positive, blue negative, white zero.

    Examples
    --------
    >>> wall(np.zeros((3, 4, 4)), ["a", "b", "c"], columns=2).get_title()
    ''
    """
    array = np.asarray(pictures)
    if array.ndim not in (3, 4) or len(array) != len(titles) or not len(array):
        raise FaltungError(f"wall: pictures of shape {array.shape} and {len(titles)} titles do not go together")
    columns = min(columns, len(array))
    rows = -(-len(array) // columns)
    if ax is None:
        ax = axes_or_new(None)
        whole = ax.get_figure(root=True)
        assert whole is not None
        whole.set_size_inches(1.5 * columns, 1.6 * rows + 0.4)
    for number, (picture, name) in enumerate(zip(array, titles, strict=True)):
        left, top = number % columns, number // columns
        extent = (left + 0.04, left + 0.96, top + 0.98, top + 0.2)
        if signed:
            most = float(np.abs(picture).max()) or 1.0
            ax.imshow(picture, cmap=SIGNED, vmin=-most, vmax=most, extent=extent)
        else:
            ax.imshow(picture, cmap="gray", extent=extent)
        ax.text(left + 0.5, top + 0.17, name, ha="center", va="bottom", fontsize=6)
    ax.set(xlim=(0, columns), ylim=(rows, 0), title=title, aspect="auto")
    ax.set_axis_off()
    return ax
