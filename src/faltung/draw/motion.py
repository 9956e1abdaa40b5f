"""Pictures of what moves with a picture: the border over an output, and the error against the shift."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faltung.draw._shared import PIXEL_COLOUR, UNIT_COLOUR, axes_or_new
from faltung.errors import FaltungError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faltung.equivariance.measured import Measured, Shift
    from faltung.equivariance.report import Equivariance
    from faltung.equivariance.subpixel import SubPixel

TOUCHED = (0.80, 0.82, 0.85)
UNTOUCHED = (0.965, 0.78, 0.69)
MOST_DOTS = 2500
"""More lattice points than this are not drawn: they would be a grey."""


def lattice(report: "Equivariance", *, layer: str | None = None, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw which units of an output move with the picture, and by which lattice.

    Orange units are untouched by any border: shift the input by S pixels, and they move by P units. Grey ones a border
    has touched. Dots stand P units apart: a picture that is S pixels further shows at one what it showed at its
    neighbour.

    Parameters
    ----------
    report : Equivariance
        What `faltung.check` returned.
    layer : str, optional
        One of its outputs; the first where left out.
    title : str
        Text above; the shifts where left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    FaltungError
        If the output has neither one nor two axes besides batch and channel.
    """
    output = report.output(layer)
    shown = [place for place, axis in enumerate(output.axes) if axis in output.movements[0].untouched.axes]
    if len(shown) not in (1, 2):
        raise FaltungError(f"{output.layer} has {len(shown)} axes besides batch and channel; one or two can be drawn")
    others = tuple(place for place in range(len(output.axes)) if place not in shown)
    clean = np.atleast_2d(np.asarray(output.untouched.mask().all(axis=others)))
    ax = axes_or_new(ax)
    colours = np.where(clean[..., None], UNTOUCHED, TOUCHED)
    ax.imshow(colours, interpolation="nearest", aspect="equal" if len(shown) == 2 else "auto")
    steps = {place: 1 for place in shown}
    for movement in output.movements:
        if movement.kind == "lattice":
            steps.update({place: abs(way.offset) for place, way in movement.ways if place in steps})
    strides = [1, *steps.values()][-2:]
    rows, columns = (np.arange(0, size, stride) for size, stride in zip(clean.shape, strides, strict=True))
    if 0 < len(rows) * len(columns) <= MOST_DOTS and all(m.kind == "lattice" for m in output.movements):
        grid_x, grid_y = np.meshgrid(columns, rows)
        kept = clean[grid_y, grid_x]
        ax.plot(grid_x[kept], grid_y[kept], ".", color=UNIT_COLOUR, markersize=4, linestyle="none")
    names = [output.axes[place] for place in shown]
    ax.set_xlabel(names[-1])
    if len(names) == 2:
        ax.set_ylabel(names[0])
    else:
        ax.set_yticks([])
    told = "\n".join(
        f"{movement.axis}: {_short(movement.kind, movement.step, movement.moves)}" for movement in output.movements
    )
    ax.set_title(title or f"output {output.layer}, {output.share:.0%} untouched\n{told}", fontsize=10)
    return ax


def _short(kind: str, step: int, moves: dict[str, int]) -> str:
    if kind == "lattice":
        return f"{step} pixels move it by {', '.join(map(str, moves.values()))}"
    return {"invariant": "stays", "pooled": "pooled away", "none": "no lattice"}[kind]


def shift_error(
    measured: "Measured | SubPixel",
    *,
    layer: str | None = None,
    axis: str | None = None,
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the error against the shift: on the lattice nothing or rounding, off it much.

    Parameters
    ----------
    measured : Measured or SubPixel
        What `faltung.check` measured (`report.measured`), or what `faltung.equivariance.sub_pixel` returned.
    layer, axis : str, optional
        One output and axis of what was measured; the first where left out.
    title : str
        Text above.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    FaltungError
        If nothing was measured of them.
    """
    from faltung.equivariance.subpixel import SubPixel

    if isinstance(measured, SubPixel):
        name, along = measured.layer, measured.axis
        points = [(by, error, by % measured.step == 0) for by, error in measured.errors.items()]
    else:
        kept = [s for s in measured.shifts if layer in (None, s.layer) and axis in (None, s.axis) and not s.whole]
        if not kept:
            raise FaltungError(f"nothing was measured of {layer or 'any output'} along {axis or 'any axis'}")
        name, along = kept[0].layer, kept[0].axis
        points = [(s.by, s.relative, s.on_lattice) for s in kept if (s.layer, s.axis) == (name, along)]
    points.sort()
    ax = axes_or_new(ax)
    for on, colour, what in ((True, UNIT_COLOUR, "on the lattice"), (False, PIXEL_COLOUR, "off it")):
        chosen = [(by, error) for by, error, lies in points if lies is on]
        if chosen:
            by, errors = zip(*chosen, strict=True)
            ax.vlines(by, 0, errors, color=colour, linewidth=2)
            ax.plot(by, errors, "o", color=colour, label=what, clip_on=False)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"shift along {along}, pixels")
    ax.set_ylabel("error, share of the output")
    ax.set_title(title or f"output {name}", fontsize=10)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    return ax


def equivariance(report: "Equivariance", *, axes: "Sequence[Axes] | None" = None) -> "Sequence[Axes]":
    """Draw the lattice of each output, and beside it the error against the shift where one was measured.

    Parameters
    ----------
    report : Equivariance
        What `faltung.check` returned.
    axes : sequence of matplotlib.axes.Axes, optional
        Where to draw: as many as there are pictures.

    Returns
    -------
    The axes.
    """
    drawable = [output for output in report.outputs if 1 <= len(output.movements[0].untouched.axes) <= 2]
    along = (
        []
        if report.measured is None
        else dict.fromkeys((s.layer, s.axis) for s in report.measured.shifts if not s.whole)
    )
    count = len(drawable) + len(along)
    if not count:
        raise FaltungError("no output has one or two axes besides batch and channel, and nothing was measured")
    if axes is None:
        from matplotlib import pyplot

        axes = list(pyplot.subplots(1, count, figsize=(5 * count, 4.5), layout="constrained", squeeze=False)[1][0])
    for output, ax in zip(drawable, axes, strict=False):
        lattice(report, layer=output.layer, ax=ax)
    for (name, axis), ax in zip(along, axes[len(drawable) :], strict=False):
        assert report.measured is not None
        shift_error(report.measured, layer=name, axis=axis, ax=ax)
    return axes


def error_map(shift: "Shift", *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Draw where an output did not move with its input: the darker, the larger the error; grey was not compared.

    Parameters
    ----------
    shift : Shift
        One of `report.measured.shifts`, of an output with one or two axes besides batch and channel.
    title : str
        Text above.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    FaltungError
        If its error map has neither one nor two axes.
    """
    if shift.error.ndim not in (1, 2):
        raise FaltungError(f"an error map of {shift.error.ndim} axes cannot be drawn, only of one or two")
    ax = axes_or_new(ax)
    error = np.atleast_2d(shift.error)
    ax.set_facecolor(TOUCHED)
    shown = ax.imshow(
        np.ma.masked_invalid(error), cmap="Blues", vmin=0, vmax=shift.largest or 1.0, interpolation="nearest",
        aspect="equal" if shift.error.ndim == 2 else "auto",
    )  # fmt: skip
    ax.figure.colorbar(shown, ax=ax, shrink=0.8, label="largest absolute error")
    lattice = "on the lattice" if shift.on_lattice else "off the lattice"
    ax.set_title(title or f"output {shift.layer}, {shift.axis} shifted by {shift.by}, {lattice}", fontsize=10)
    return ax
