"""What all pictures share: colours, and axes to draw into."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNIT_COLOUR = "#e4572e"
PIXEL_COLOUR = "#1b6ca8"
SIGNED = "RdBu_r"


def axes_or_new(ax: "Axes | None", width: float = 6.4) -> "Axes":
    """Return the axes, or new ones in a figure that is so many inches wide."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained", figsize=(width, 4.8))[1]
