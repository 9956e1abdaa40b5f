"""Draws the pictures of the README and the docs: `python docs/pictures.py`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import torch
from matplotlib import pyplot
from matplotlib.figure import Figure

import faltung
from faltung import draw, kernels
from faltung.effective import path_counts
from faltung.equivariance import sub_pixel
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
        "effective": _effective(),
        "growth": _growth(),
        "moving": _moving(),
        "borders": _borders(),
    }
    for name, figure in figures.items():
        figure.savefig(FOLDER / f"{name}.png", dpi=80)
        print(FOLDER / f"{name}.png")


def _holes() -> Figure:
    net = faltung.parse("2 x conv k=3 d=3 p=same").at(y=21, x=31)
    unit = {"y": 10, "x": 12}
    pixel = {"y": 10, "x": 14}
    return draw.field(net.receptive_field(unit=unit), unit=unit, pixel=pixel).figure


def _moving() -> Figure:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 8, 7, 2, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2, 1), torch.nn.Conv2d(8, 8, 3)]
    report = faltung.check(torch.nn.Sequential(*layers), torch.zeros(1, 1, 96, 144), shifts=range(1, 13))
    picture = torch.tensor(cat()).double().mean(-1)[None, None]
    rectified = sub_pixel(torch.nn.ReLU(), picture - picture.mean(), shifts=[number / 4 for number in range(1, 17)])
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    draw.lattice(report, ax=axes[0])
    draw.shift_error(report.measured, title="four layers with strides 2 and 2, by whole pixels", ax=axes[1])
    draw.shift_error(rectified, title="a rectifier alone, by quarters of a pixel", ax=axes[2])
    return figure


def _borders() -> Figure:
    counts = {}
    for name, padding in (("valid", 0), ("same", 1), ("full", 2)):
        net = faltung.parse(f"conv k=3 p={padding}, 3 x conv k=3 s=2 p={padding}").at(y=32, x=32)
        height, width = net.shape(net.layers[-1].name)
        counts[name] = sum(path_counts(net, {"y": y, "x": x}) for y in range(height) for x in range(width))
    figure, axes = pyplot.subplots(1, 3, figsize=(10.5, 3.3), layout="constrained")
    for ax, (name, count) in zip(axes, counts.items(), strict=True):
        image = ax.imshow(count / counts["full"].mean(), cmap="magma", vmin=0, vmax=2)
        ax.set(title=name, xlabel="x", ylabel="y")
    figure.colorbar(image, ax=axes, label="paths to the pixel\n(1: the mean of full)")
    return figure


def _effective() -> Figure:
    torch.manual_seed(0)
    figure, axes = pyplot.subplots(1, 3, figsize=(10.5, 4.4), layout="constrained", sharey=True)
    for ax, depth in zip(axes, (6, 12, 24), strict=True):
        layers = [torch.nn.Conv2d(3, 16, 3, padding=1)]
        for _ in range(depth - 1):
            layers += [torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, padding=1)]
        example = torch.zeros(1, 3, 53, 53)
        found = faltung.effective_receptive_field(
            torch.nn.Sequential(*layers), unit={"y": 26, "x": 26}, example=example, n=16
        )
        box = len(found.field.box["x"])
        title = f"{depth} layers: it can see {box} x {box};\nhalf of the mass within {found.radius(0.5):.1f} pixels"
        draw.effective(found, title=title, ax=ax)
        ax.label_outer()
    return figure


def _growth() -> Figure:
    vgg = ", ".join(f"{count} x conv k=3 p=1, maxpool k=2" for count in (2, 2, 3, 3, 3))
    down, up = "2 x conv k=3 p=1, maxpool k=2", "tconv k=3 s=2, 2 x conv k=3 p=1"
    figure, axes = pyplot.subplots(2, 1, figsize=(8.5, 8.5), layout="constrained")
    draw.growth(faltung.parse(vgg).at(y=224, x=224), title="VGG-16", ax=axes[0])
    there_and_back = ", ".join([down, down, "2 x conv k=3 p=1", up, up])
    draw.growth(faltung.parse(there_and_back).at(y=64, x=64), title="Down and up again", ax=axes[1])
    return figure


if __name__ == "__main__":
    main()
