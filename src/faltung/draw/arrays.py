"""Pictures of arrays: small grids, pictures, filtered pictures, kernels and what they do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.draw._shared import SIGNED, UNIT_COLOUR, axes_or_new
from faltung.errors import FaltungError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    ax = axes_or_new(ax)
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
    ax = axes_or_new(ax)
    ax.imshow(np.asarray(image), cmap="gray", interpolation="antialiased")
    ax.set_axis_off()
    ax.set_title(title)
    return ax


def answer(filtered: ArrayLike, *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw what a filter answered, shape (H, W): red positive, blue negative, white zero.

    The scale ends at the 99.5th percentile of the magnitudes, so that few strong edges do not hide the rest.
    """
    array = _two_axes(filtered, "answer").astype(np.float64)
    ax = axes_or_new(ax)
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
    ax = axes_or_new(ax)
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
    ax = axes_or_new(ax)
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


def _two_axes(values: ArrayLike, what: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise FaltungError(f"{what}: an array of shape {array.shape} cannot be drawn; it must be (H, W), not empty")
    return array


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else f"{float(value):.3g}"


def _font(shape: tuple[int, ...]) -> float:
    return 13 if max(shape) <= 5 else 8
