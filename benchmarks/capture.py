"""Capturing a network and asking it, beside torch.export alone.

    python -m benchmarks.capture

For each network and picture size, on the meta device: the time of torch.export, the time of faltung.capture with
`table()` after it, interleaved in one process, medians; and the median times of random `receptive_field` and `sees`
queries about random units of random layers. Times are processor time of the one thread that does it all. The rows
that miss a target come first.
"""

import gc
import logging
import os
import random
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import nn

import faltung
from benchmarks.nets import HRNet, Swin, UNet, convnext, resnet
from faltung.graph import ANY

NETS: dict[str, Callable[[], nn.Module]] = {
    "ResNet-50": lambda: resnet(3, 4, 6, 3),
    "ResNet-152": lambda: resnet(3, 8, 36, 3),
    "U-Net": UNet,
    "ConvNeXt-T": convnext,
    "Swin-T": Swin,
    "HRNet-W18": HRNet,
}

RATIO = 1.15
"""Capture and table may take this many times the time of export."""

QUERY = {"HRNet-W18": 20.0}
"""Milliseconds that a query may take; 5 for the other networks."""


def seconds(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time that a call takes, and its result; nothing of it runs on another thread."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def export(model: nn.Module, x: torch.Tensor) -> Any:
    """Trace a model as faltung.capture does."""
    return torch.export.export(model, (x,), strict=False)


def queries(net: faltung.Network, count: int, most: float) -> list[float]:
    """Return the times of random queries, alternately `receptive_field` and `sees`, for at most some seconds."""
    numbers = random.Random(0)
    picture = net.map(net.inputs[0])
    layers = [layer.name for layer in net.layers]
    taken: list[float] = []

    def place(axes: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, int]:
        return {axis: numbers.randrange(size) for axis, size in zip(axes, shape, strict=True) if axis not in ANY}

    while len(taken) < count and sum(taken) < most:
        layer = numbers.choice(layers)
        unit = place(net.map(layer).axes, net.shape(layer))
        if len(taken) % 2:
            pixel = place(picture.axes, picture.shape)
            took, _ = seconds(lambda layer=layer, unit=unit, pixel=pixel: net.sees(unit=unit, pixel=pixel, layer=layer))
        else:
            took, _ = seconds(lambda layer=layer, unit=unit: net.receptive_field(unit=unit, layer=layer))
        taken.append(took)
    return taken


def measured(name: str, size: int, repeats: int) -> dict[str, Any]:
    """Return one row of the table."""
    with torch.device("meta"):
        model, x = NETS[name]().eval(), torch.zeros(1, 3, size, size)
    exports, captures, tables = [], [], []
    for _ in range(repeats):
        gc.collect()  # graphs hold cycles; nobody shall pay for those of another
        exports.append(seconds(lambda: export(model, x))[0])
        gc.collect()
        took, net = seconds(lambda: faltung.capture(model, x))
        captures.append(took)
        tables.append(seconds(net.table)[0])
    asked = queries(net, 200, 30)
    both = statistics.median(a + b for a, b in zip(captures, tables, strict=True))
    row = {
        "net": name,
        "pixels": size,
        "layers": len(net.layers),
        "export s": statistics.median(exports),
        "capture s": statistics.median(captures),
        "table s": statistics.median(tables),
        "ratio": both / statistics.median(exports),
        "rf ms": 1000 * statistics.median(asked[::2]),
        "sees ms": 1000 * statistics.median(asked[1::2]),
        "slowest ms": 1000 * max(asked),
        "queries": len(asked),
    }
    row["meets"] = row["ratio"] <= RATIO and max(row["rf ms"], row["sees ms"]) < QUERY.get(name, 5.0)
    return row


def main(repeats: int = 3, only: str = "", sizes: str = "224,4096") -> None:
    """Measure the networks whose names contain `only`, and print the table."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    faltung.capture(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 8, 8)).table()  # what loads late is loaded now
    rows = []
    for name in NETS:
        if only in name:
            for size in sizes.split(","):
                rows.append(measured(name, int(size), repeats))
                print(*(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    table = Table(title="losing rows first")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "net" else "right")
    for row in sorted(rows, key=lambda row: (row["meets"], -row["ratio"])):
        cells = (f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values())
        table.add_row(*cells)
    Console(width=160).print(table)


if __name__ == "__main__":
    typer.run(main)
