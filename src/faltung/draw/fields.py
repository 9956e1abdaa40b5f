"""Pictures of fields: what a unit reads, and how much each pixel weighs, on the picture that it looks at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.draw._shared import PIXEL_COLOUR, UNIT_COLOUR, axes_or_new
from faltung.errors import FaltungError
from faltung.region import Region, Unit, coordinates, name_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faltung.effective import EffectiveField


def field(
    region: Region,
    *,
    image: ArrayLike | None = None,
    unit: Unit | None = None,
    pixel: Unit | None = None,
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a receptive field over (y, x), on the picture that the unit looks at.

    Parameters
    ----------
    region : Region
        Units to show; everything else is dimmed. Must have the axes y and x.
    image : array_like, shape (H, W) or (H, W, 3), optional
        The picture; its size must be the region's map.
    unit, pixel : mapping, optional
        Marked with a square and with a cross: the unit's own place (for maps of the picture's size) and the
        pixel asked about.
    title : str
        Text above.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    FaltungError
        If the region is not over y and x, or the picture has another size.
    """
    shown = _picture_of(region, image)
    mask = region.mask()
    ax = axes_or_new(ax)
    if shown is not None:
        ax.imshow(shown, cmap="gray")
    veil = np.zeros((*region.shape, 4))
    veil[~mask] = (1, 1, 1, 0.55) if shown is not None else (0.93, 0.93, 0.93, 1)
    veil[mask] = (0.894, 0.341, 0.18, 0.45)
    ax.imshow(veil, interpolation="nearest")
    outline(region, ax=ax)
    for asked, marker, colour, what in (
        (unit, "s", UNIT_COLOUR, "unit"),
        (pixel, "X", PIXEL_COLOUR, "pixel"),
    ):
        if asked is not None:
            row, column = coordinates(("y", "x"), asked)
            ax.plot(
                column, row, marker, color=colour, markeredgecolor="white", markersize=8, clip_on=False,
                label=f"{what} {name_unit(asked)}", linestyle="none",
            )  # fmt: skip
    if unit is not None or pixel is not None:
        ax.legend(loc="lower right", framealpha=0.9)
    ax.set_xlabel("x")
    ax.set_ylabel("y")
    ax.set_title(title)
    return ax


def effective(
    field: "EffectiveField",
    *,
    image: ArrayLike | None = None,
    shares: Sequence[float] = (0.5, 0.9),
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw an effective receptive field over (y, x): the heavier a pixel, the brighter.

    The theoretical field's box is drawn around it, and circles around the mass centre that hold given shares of
    the mass.

    Parameters
    ----------
    field : EffectiveField
        What `faltung.effective_receptive_field` returned, over the axes y and x.
    image : array_like, shape (H, W) or (H, W, 3), optional
        The picture that the unit looks at, with the size of the field's map; it shows through in grey where
        the mass is small.
    shares : sequence of float
        Shares of the mass to draw a circle for.
    title : str
        Text above.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    FaltungError
        If the field is not over y and x, or the picture has another size.
    """
    from matplotlib.patches import Circle

    region = field.field
    shown = _picture_of(region, image)
    ax = axes_or_new(ax)
    heat = field.mass / field.mass.max()
    if shown is not None:
        grey = shown if shown.ndim == 2 else shown[..., :3].mean(-1)
        ax.imshow(grey, cmap="gray")
    alpha = None if shown is None else np.sqrt(heat)  # the eye reads brightness so, and faint mass stays visible
    ax.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=alpha, interpolation="nearest")
    outline(region, ax=ax)
    middle = (field.centre["x"], field.centre["y"])
    for share in shares:
        radius = field.radius(share)
        ax.add_patch(Circle(middle, radius, fill=False, edgecolor="white", linewidth=1.2, linestyle="--"))
        ax.text(
            middle[0], middle[1] - radius, f"{share:.0%}", color="white", fontsize=8, ha="center", va="center",
            bbox={"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 0.5}, clip_on=True,
        )  # fmt: skip
    ax.set_xlabel("x")
    ax.set_ylabel("y")
    ax.set_title(title)
    return ax


def outline(region: Region, *, label: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw the tightest box around a region over (y, x), with a label inside its lower left corner."""
    from matplotlib.patches import Rectangle

    ax = axes_or_new(ax)
    if region:
        y, x = region.box["y"], region.box["x"]
        corner = (x.start - 0.5, y.start - 0.5)
        ax.add_patch(Rectangle(corner, len(x), len(y), fill=False, edgecolor=UNIT_COLOUR, linewidth=1.5, clip_on=False))
        ax.annotate(
            label,
            (x.start, y.stop - 1),
            xytext=(4, 4),
            textcoords="offset points",
            color=UNIT_COLOUR,
            weight="bold",
        )
    return ax


def _picture_of(region: Region, image: ArrayLike | None) -> NDArray[Any] | None:
    """Return the picture that a region over (y, x) lies in, after checking both."""
    if region.axes != ("y", "x"):
        raise FaltungError(f"a field over {', '.join(region.axes)} cannot be drawn; it must be over y, x")
    shown = None if image is None else np.asarray(image)
    if shown is not None and shown.shape[:2] != region.shape:
        raise FaltungError(
            f"the picture has {'x'.join(map(str, shown.shape[:2]))} pixels and the map "
            f"{'x'.join(map(str, region.shape))}; they must be equal"
        )
    return shown
