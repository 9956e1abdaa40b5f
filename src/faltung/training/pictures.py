"""Pictures and words of a run that is done: curves, confusion, the worst mistakes, and the learned filters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from faltung.training.data import DataSet
from faltung.training.folder import RunFolder
from faltung.training.predicting import Predictor

MOST = 160
"""Kernels that are drawn; the words are written of all of them."""


def first_filters(model: nn.Module) -> tuple[str, NDArray[np.float64]] | None:
    """Return the name and the kernels, F x C x H x W, of the first convolution over two axes, if there is one."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module.weight.detach().double().cpu().numpy()
    return None


def sentences(kernels: NDArray[np.float64]) -> list[str]:
    """Say what every filter does, one line for each channel that it reads.

    >>> print(sentences(np.array([[[[0.0, 0.0, 1.0]]]]))[0])
    filter 0: Shift: moves the picture 1 pixel to the left.
    """
    import faltung

    several = kernels.shape[1] > 1
    return [
        f"filter {number}{f', channel {channel}' if several else ''}: {faltung.explain(kernel).sentence}"
        for number, kernels_of_one in enumerate(kernels)
        for channel, kernel in enumerate(kernels_of_one)
    ]


def write_pictures(folder: RunFolder, data: DataSet) -> list[Path]:
    """Draw the run into its folder, and write what its first filters do into `filters.txt`; return the files.

    Raises
    ------
    FaltungError
        If the run is not done, or a file cannot be written.
    """
    from faltung import draw

    predictor = Predictor(folder.path)
    results: dict[str, Any] = json.loads(folder.results.read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in folder.metrics.read_text(encoding="utf-8").splitlines()]
    said = f"{results['test_accuracy']:.2%} of {results['test_pictures']:,} test pictures"
    written = [
        _save(lambda: draw.curves(rows, "accuracy", title=said), folder.path / "accuracy.png"),
        _save(lambda: draw.curves(rows, "loss"), folder.path / "loss.png"),
        _save(lambda: draw.confusion(results["confusion"], data.classes, title=said), folder.path / "confusion.png"),
    ]
    worst, taken = results["worst"], results["worst_taken_for"]
    if worst:
        titles = [
            f"{data.classes[data.test_labels[number]]}\nfor {data.classes[other]}"
            for number, other in zip(worst, taken, strict=True)
        ]
        shown = np.moveaxis(data.test_pictures[worst], 1, -1)
        shown = shown[..., 0] if shown.shape[-1] == 1 else shown
        written.append(
            _save(lambda: draw.wall(shown, titles, title="the surest mistakes"), folder.path / "mistakes.png")
        )
    found = first_filters(predictor.model)
    if found is not None:
        name, kernels = found
        path = folder.path / "filters.txt"
        folder.write(path, f"{name}, {'x'.join(map(str, kernels.shape))}\n" + "\n".join(sentences(kernels)) + "\n")
        flat = kernels.reshape(-1, *kernels.shape[2:])
        names = [
            f"{n // kernels.shape[1]}.{n % kernels.shape[1]}" if kernels.shape[1] > 1 else str(n)
            for n in range(len(flat))
        ]
        title = f"the filters of {name}" if len(flat) <= MOST else f"the first {MOST} of {len(flat)} kernels of {name}"
        drawn = _save(
            lambda: draw.wall(flat[:MOST], names[:MOST], columns=8, signed=True, title=title),
            folder.path / "filters.png",
        )
        written += [path, drawn]
    return written


def _save(draw: Callable[[], Any], path: Path) -> Path:
    from matplotlib import pyplot

    from faltung.pictures import atomic

    pyplot.switch_backend("agg")
    figure = draw().figure
    figure.draw_without_rendering()  # a first pass settles the layout
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)
    pyplot.close(figure)
    return path
