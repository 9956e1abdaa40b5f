"""Draws the pictures of the README and the docs: `python docs/pictures.py`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure

import faltung
from faltung import draw, kernels
from faltung.sheet import cat, page, worked

FOLDER = Path(__file__).parent / "pictures"


def main() -> None:
    """Draw them all anew."""
    sheet = worked()
    figures = {
        "what-a-neuron-sees": page.seen(sheet, cat()),
        "filters-on-a-cat": page.on_cat(sheet, cat()),
        "gabor": draw.explanation(faltung.explain(kernels.gabor(6, 30)))[0].figure,
        "holes": _holes(),
    }
    for name, figure in figures.items():
        figure.savefig(FOLDER / f"{name}.png", dpi=80)
        print(FOLDER / f"{name}.png")


def _holes() -> Figure:
    net = faltung.parse("2 x conv k=3 d=3 p=same").at(y=21, x=31)
    unit = {"y": 10, "x": 12}
    pixel = {"y": 10, "x": 14}
    return draw.field(net.receptive_field(unit=unit), unit=unit, pixel=pixel).figure


if __name__ == "__main__":
    main()
