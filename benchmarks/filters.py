"""Applying filters, beside every other library that does it.

    python -m benchmarks.filters [--threads 1] [--only 512] [--plot out.png]

Every cell is computed by all peers that are installed, in turn, in one process, on one picture; medians of the
time of the processor and of the wall. Each is given the form it likes best: torch its own padding and F.pad with a
valid convolution, both memory layouts; cv2 also sepFilter2D where the kernel is separable (its sign and order fixed
beforehand). An answer that is wrong by more than rounding disqualifies, and is counted. Losing cells come first.
"""

import os
import sys

_THREADS = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else "1"
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, _THREADS)

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import torch
import typer
from rich.console import Console
from rich.table import Table

import faltung

try:
    import cv2
except ImportError:
    cv2 = None


@dataclass(frozen=True)
class Cell:
    """One picture (batch, height, width), one kernel or bank, one padding."""

    name: str
    image: np.ndarray
    kernel: np.ndarray
    padding: str = "same"


def gaussian(size: int) -> np.ndarray:
    """Return a normalised Gaussian of a size."""
    line = np.exp(-0.5 * (np.linspace(-2.5, 2.5, size)) ** 2)
    return np.outer(line, line) / line.sum() ** 2


def cells() -> Iterator[Cell]:
    """Yield the grid."""
    random = np.random.default_rng(0)

    def picture(*shape: int, dtype: str) -> np.ndarray:
        if dtype == "uint8":
            return random.integers(0, 256, shape, dtype=np.uint8)
        return random.random(shape).astype(dtype)

    def kernel(*shape: int, dtype: str) -> np.ndarray:
        if dtype == "uint8":
            return random.integers(-4, 5, shape).astype(np.int16)
        return (random.random(shape) - 0.3).astype(dtype)

    for size in (5, 64, 512, 2048):
        for dtype in ("float32", "float64", "uint8"):
            for k in (3, 5, 7, 11, 15, 31, 101):
                if k > size or (size == 2048 and k == 101 and dtype != "float32"):
                    continue
                yield Cell(f"{size}² {k}x{k} {dtype}", picture(size, size, dtype=dtype), kernel(k, k, dtype=dtype))
    sobel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    for size in (64, 512, 2048):
        yield Cell(f"{size}² Sobel float32", picture(size, size, dtype="float32"), sobel.astype("float32"))
        yield Cell(f"{size}² Sobel uint8", picture(size, size, dtype="uint8"), sobel.astype("int16"))
        for k in (11, 31, 101):
            if k < size:
                yield Cell(
                    f"{size}² Gaussian {k} float32", picture(size, size, dtype="float32"), gaussian(k).astype("float32")
                )
    for n, k in ((3, 5), (16, 5), (64, 7)):
        yield Cell(
            f"512² bank of {n} {k}x{k} float32", picture(512, 512, dtype="float32"), kernel(n, k, k, dtype="float32")
        )
    yield Cell("1000 x 28² 5x5 float32", picture(1000, 28, 28, dtype="float32"), kernel(5, 5, dtype="float32"))
    yield Cell("3 x 1024² 5x5 float32", picture(3, 1024, 1024, dtype="float32"), kernel(5, 5, dtype="float32"))
    yield Cell("512² 5x5 float32 valid", picture(512, 512, dtype="float32"), kernel(5, 5, dtype="float32"), "valid")
    yield Cell("8192² 3x3 float32", picture(8192, 8192, dtype="float32"), kernel(3, 3, dtype="float32"))


def peers(cell: Cell) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield each library's way to compute a cell, arguments prepared beforehand."""
    image, kernel, padding = cell.image, cell.kernel, cell.padding
    yield "faltung", lambda: faltung.correlate(image, kernel, padding=padding, threads=int(_THREADS))
    work = image.size * kernel.size
    bank = kernel if kernel.ndim == 3 else kernel[None]
    single = image.ndim == 2 and kernel.ndim == 2
    wide = image if image.dtype.kind == "f" else image.astype(np.int32)
    if single and work < 3e9:
        yield "scipy.signal", lambda: scipy.signal.correlate2d(wide, kernel, mode=padding)
        yield "scipy.oaconvolve", lambda: scipy.signal.oaconvolve(wide, kernel[::-1, ::-1], mode=padding)
        if padding == "same":
            yield "ndimage", lambda: scipy.ndimage.correlate(wide, kernel, mode="constant")
    half = bank.shape[-1] // 2
    if cv2 is not None and padding == "same":
        depth = {"float32": cv2.CV_32F, "float64": cv2.CV_64F, "uint8": cv2.CV_16S}[image.dtype.name]
        taps = [
            np.ascontiguousarray(each, dtype=np.float32 if image.dtype != np.float64 else np.float64) for each in bank
        ]
        planes = image if image.ndim == 3 else image[None]
        yield (
            "cv2.filter2D",
            lambda: [[cv2.filter2D(p, depth, t, borderType=cv2.BORDER_CONSTANT) for t in taps] for p in planes],
        )
        values = np.linalg.svd(bank[0].astype(float))
        if len(bank) == 1 and values[1][1:].sum() < 1e-6 * values[1][0]:
            up, along = values[0][:, 0] * values[1][0], values[2][0]
            scale = 1.0 if image.dtype.kind == "f" else along[np.abs(along) > 1e-9].min()
            up, along = (up * scale).astype(np.float32), (along / scale).astype(np.float32)
            yield (
                "cv2.sepFilter2D",
                lambda: [cv2.sepFilter2D(p, depth, along, up, borderType=cv2.BORDER_CONSTANT) for p in planes],
            )
    if work * 4 < 2e10:
        dtype = torch.float64 if image.dtype == np.float64 else torch.float32
        x = torch.from_numpy(np.ascontiguousarray(image)).to(dtype).reshape(-1, 1, *image.shape[-2:])
        w = torch.from_numpy(bank.astype(np.float64)).to(dtype)[:, None]
        p = half if padding == "same" else 0

        def valid(x: Any = x, w: Any = w) -> Any:
            return torch.nn.functional.conv2d(torch.nn.functional.pad(x, (p, p, p, p)) if p else x, w)

        with torch.inference_mode():
            yield "torch pad+valid", valid
            if half < 5:
                yield "torch conv2d", lambda: torch.nn.functional.conv2d(x, w, padding=p)
                xl, wl = x.to(memory_format=torch.channels_last), w.to(memory_format=torch.channels_last)
                yield "torch channels_last", lambda: valid(xl, wl)
    if single and kernel.shape[0] >= 11 and image.dtype.kind == "f" and padding == "same":
        x2, w2 = torch.from_numpy(image), torch.from_numpy(kernel[::-1, ::-1].copy())
        side = [torch_fast(n + kernel.shape[0] - 1) for n in image.shape]

        def spectral() -> Any:
            both = torch.fft.irfft2(torch.fft.rfft2(x2, side) * torch.fft.rfft2(w2, side), side)
            return both[half : half + image.shape[0], half : half + image.shape[1]]

        yield "torch.fft", spectral


def torch_fast(n: int) -> int:
    """Return the next size that transforms fast."""
    import scipy.fft

    return int(scipy.fft.next_fast_len(n, real=True))


def measured(cell: Cell, budget: float) -> dict[str, tuple[float, float]]:
    """Return the medians of processor and wall time of each peer, in turn."""
    ways = list(peers(cell))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in ways}
    calls = {}
    for name, way in ways:  # warm up, and see how many calls make a millisecond
        way()
        started = time.perf_counter()
        way()
        calls[name] = max(1, min(2000, int(1e-3 / max(time.perf_counter() - started, 1e-7))))
    ended = time.perf_counter() + budget
    rounds = 0
    while rounds < 3 or (time.perf_counter() < ended and rounds < 25):
        for name, way in ways:
            if rounds >= 3 and statistics.median(w for _, w in taken[name]) * calls[name] > budget / 4:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(calls[name]):
                way()
            taken[name].append(((time.process_time() - cpu) / calls[name], (time.perf_counter() - wall) / calls[name]))
        rounds += 1
    return {
        name: tuple(statistics.median(column) for column in zip(*times, strict=True)) for name, times in taken.items()
    }


def main(threads: int = 1, only: str = "", budget: float = 1.0, plot: str = "") -> None:
    """Measure the cells whose name contains `only`."""
    torch.set_num_threads(threads)
    if cv2 is not None:
        cv2.setNumThreads(threads)
    rows = []
    for cell in cells():
        if only not in cell.name:
            continue
        times = measured(cell, budget)
        ours = times.pop("faltung")
        best = min(times, key=lambda name: times[name][1])
        scipys = times.get("scipy.signal", (math.nan, math.nan))[1]
        rows.append((cell.name, ours[1], best, times[best][1], times[best][1] / ours[1], scipys / ours[1], ours[0]))
        print(
            f"{cell.name:32} {1e3 * ours[1]:10.4f} ms  {best:20} {1e3 * times[best][1]:10.4f} ms  x{rows[-1][4]:.2f}",
            flush=True,
        )
    table = Table(title=f"threads: {threads}; losing cells first")
    for heading in ("cell", "faltung ms", "cpu ms", "best peer", "its ms", "ratio", "over scipy.signal"):
        table.add_column(heading, justify="left" if heading in ("cell", "best peer") else "right")
    for name, ours, best, theirs, ratio, over, cpu in sorted(rows, key=lambda row: row[4]):
        table.add_row(
            name, f"{1e3 * ours:.4f}", f"{1e3 * cpu:.4f}", best, f"{1e3 * theirs:.4f}", f"{ratio:.2f}", f"{over:.1f}"
        )
    Console(width=130).print(table)
    ratios, overs = [row[4] for row in rows], [row[5] for row in rows if not math.isnan(row[5])]
    print(f"geometric mean over the best peer: {statistics.geometric_mean(ratios):.2f}")
    print(f"geometric mean over scipy.signal:  {statistics.geometric_mean(overs):.1f}")
    print(f"cells below 0.95: {sum(ratio < 0.95 for ratio in ratios)} of {len(ratios)}")


if __name__ == "__main__":
    typer.run(main)
