"""What all pictures share: their colours, and axes where none are given."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNIT_COLOUR = "#e4572e"
PIXEL_COLOUR = "#1b6ca8"


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]
