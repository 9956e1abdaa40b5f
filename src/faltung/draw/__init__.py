"""Pictures of what Faltung says: of filters, of fields, and of what moves with a picture.

Every function draws into the matplotlib axes it is given (or new ones) and returns them. Colours mean the
same everywhere: orange is the unit and what it reads, blue is the pixel asked about; in signed pictures red
is positive, blue negative and white zero.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.draw._base import PIXEL_COLOUR, UNIT_COLOUR, _axes
from faltung.draw._motion import equivariance, error_map, lattice, shift_error
from faltung.errors import FaltungError
from faltung.region import Region, Unit, coordinates, name_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faltung.effective import EffectiveField

__all__ = [
    "PIXEL_COLOUR",
    "SIGNED",
    "UNIT_COLOUR",
    "answer",
    "effective",
    "equivariance",
    "error_map",
    "explanation",
    "field",
    "frequency_response",
    "grid",
    "kernel",
    "lattice",
    "outline",
    "picture",
    "shift_error",
]

SIGNED = "RdBu_r"


def grid(
    values: ArrayLike,
    *,
    highlight: Sequence[tuple[int, int, int, int]] = (),
    signed: bool = False,
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a small array as cells with its numbers written in.

    Parameters
    ----------
    values : array_like, shape (H, W)
        Numbers to write; integers as they are, others with three digits.
    highlight : sequence of (row, column, height, width)
        Windows to frame in the colour of the unit.
    signed : bool
        Colour cells by sign, white at zero; otherwise by brightness, as a picture.
    title : str
        Text above.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> grid([[1, 0, -1]], signed=True).get_title()
    ''
    """
    from matplotlib.patches import Rectangle

    array = _two_axes(values, "grid")
    ax = _axes(ax)
    numbers = array.astype(np.float64)
    largest = float(np.abs(numbers).max()) or 1.0
    if signed:
        ax.imshow(numbers, cmap=SIGNED, vmin=-1.6 * largest, vmax=1.6 * largest)
    else:
        ax.imshow(numbers, cmap="gray", vmin=numbers.min() - 2 * largest, vmax=numbers.max() + 0.3 * largest)
    for (row, column), value in np.ndenumerate(array):
        ax.text(column, row, _number(value), ha="center", va="center", fontsize=_font(array.shape))
    ax.set_xticks(np.arange(array.shape[1] + 1) - 0.5, labels=[])
    ax.set_yticks(np.arange(array.shape[0] + 1) - 0.5, labels=[])
    ax.grid(color="white", linewidth=1.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for row, column, height, width in highlight:
        corner = (column - 0.5, row - 0.5)
        frame = Rectangle(corner, width, height, fill=False, edgecolor=UNIT_COLOUR, linewidth=3, zorder=5)
        frame.set_clip_on(False)
        ax.add_patch(frame)
    ax.set_title(title)
    return ax


def picture(image: ArrayLike, *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw a picture, (H, W) in grey or (H, W, 3) in colour, without axes."""
    ax = _axes(ax)
    ax.imshow(np.asarray(image), cmap="gray", interpolation="antialiased")
    ax.set_axis_off()
    ax.set_title(title)
    return ax


def answer(filtered: ArrayLike, *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw what a filter answered, shape (H, W): red positive, blue negative, white zero.

    The scale ends at the 99.5th percentile of the magnitudes, so that few strong edges do not hide the rest.
    """
    array = _two_axes(filtered, "answer").astype(np.float64)
    ax = _axes(ax)
    largest = float(np.percentile(np.abs(array), 99.5)) or 1.0
    ax.imshow(array, cmap=SIGNED, vmin=-largest, vmax=largest, interpolation="antialiased")
    ax.set_axis_off()
    ax.set_title(title)
    return ax


def kernel(kernel: ArrayLike, *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw a kernel, shape (kh, kw): red positive, blue negative; numbers are written in up to 9 x 9."""
    array = _two_axes(kernel, "kernel")
    if max(array.shape) <= 9:
        return grid(array, signed=True, title=title, ax=ax)
    ax = _axes(ax)
    largest = float(np.abs(array).max()) or 1.0
    ax.imshow(array.astype(np.float64), cmap=SIGNED, vmin=-largest, vmax=largest)
    ax.set_axis_off()
    ax.set_title(title)
    return ax


def frequency_response(kernel: ArrayLike, *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw the gain |H| of a kernel, shape (kh, kw), over the frequencies of a picture.

    The middle is frequency 0 (a flat picture), the rim half a cycle per pixel (stripes one pixel wide).
    """
    array = _two_axes(kernel, "frequency response").astype(np.float64)
    ax = _axes(ax)
    size = max(129, *(2 * length + 1 for length in array.shape))
    gain = np.abs(np.fft.fftshift(np.fft.fft2(array, (size, size))))
    shown = ax.imshow(gain, extent=(-0.5, 0.5, 0.5, -0.5), cmap="magma", vmin=0)
    ax.figure.colorbar(shown, ax=ax, shrink=0.8, label="gain")
    ax.set_xticks([-0.5, 0, 0.5])
    ax.set_yticks([-0.5, 0, 0.5])
    ax.set_xlabel("x, cycles per pixel")
    ax.set_ylabel("y, cycles per pixel")
    ax.set_title(title)
    return ax


def explanation(explained: Any, *, axes: "Sequence[Axes] | None" = None) -> "Sequence[Axes]":
    """Draw a kernel beside its frequency response, with the sentence that explains it.

    Parameters
    ----------
    explained : Explanation
        What `faltung.explain` returned.
    axes : two matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    The two axes.
    """
    from textwrap import fill

    if axes is None:
        from matplotlib import pyplot

        figure, made = pyplot.subplots(1, 2, figsize=(9, 5), layout="constrained")
        figure.suptitle(fill(explained.sentence, 90), fontsize=10)
        axes = list(made)
    kernel(explained.kernel, ax=axes[0])
    frequency_response(explained.kernel, ax=axes[1])
    return axes


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
    ax = _axes(ax)
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
    ax = _axes(ax)
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

    ax = _axes(ax)
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


def _two_axes(values: ArrayLike, what: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise FaltungError(f"{what}: an array of shape {array.shape} cannot be drawn; it must be (H, W), not empty")
    return array


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else f"{float(value):.3g}"


def _font(shape: tuple[int, ...]) -> float:
    return 13 if max(shape) <= 5 else 8
