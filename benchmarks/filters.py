"""Applying filters, beside every other library that does it.

    python -m benchmarks.filters [--threads 1] [--only 512] [--quick] [--json out.json] [--plot out.png]

Every cell is computed by all peers that are installed, in turn, in one process, on one picture, in an order that
turns from round to round; medians of the time of the wall and of the processor. Each is given the form it likes best,
its arguments prepared beforehand: torch its own padding, F.pad with a valid convolution, both memory layouts; cv2 and
ndimage also two passes where the kernel is separable. The first call of each is compared with ours, and ours with sums
in Python at some places: a peer whose answer is wrong by more than rounding is named and does not count. skimage has
no filter with a kernel of one's own; it calls ndimage. Losing cells come first. With --json a run goes on where an
earlier one stopped.
"""

import os
import sys


def _threads() -> str:
    for at, word in enumerate(sys.argv):
        if word.startswith("--threads"):
            return word.partition("=")[2] or sys.argv[at + 1]
    return "1"


for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = _threads()
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if _threads() != '1' else 'false'}"

import json
import math
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal
import torch
import typer
from rich.console import Console
from rich.table import Table

import faltung
from faltung.filters import _native, doctor

try:
    import cv2
except ImportError:
    cv2 = None
try:
    import jax
except ImportError:
    jax = None

HOPELESS = 30.0
"""A peer whose first call takes so many times the fastest is not timed again; its figure is that call."""
PATIENCE = 1.5
"""Seconds that a call of scipy's direct sums may be expected to take; they are left out above."""
LARGE = 5e8
"""Products above which torch's and jax's direct convolutions take seconds, and memory for every window: left out."""


@dataclass(frozen=True)
class Cell:
    """One picture (..., height, width), one kernel or bank, one padding; made when it is measured."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kernel: str | tuple[int, ...]
    padding: str = "same"
    quick: bool = False
    layout: str = ""
    """'last': the channels of a pixel lie beside each other. 'depthwise': each channel has a kernel of its own."""

    def make(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture and the kernel."""
        random = np.random.default_rng(sum(map(ord, self.name)))
        if self.dtype == "uint8":
            image: np.ndarray = random.integers(0, 256, self.shape, dtype=np.uint8)
        else:
            image = random.random(self.shape, dtype=self.dtype)
        floats = np.float64 if self.dtype == "float64" else np.float32
        if self.kernel == "Sobel":
            kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
        elif self.kernel == "dots":  # 9 of 81 taps
            kernel = np.zeros((9, 9))
            kernel[::4, ::4] = random.integers(1, 9, (3, 3))
        elif str(self.kernel).startswith("box"):
            kernel = np.ones([int(str(self.kernel).split()[1])] * 2)
        elif isinstance(self.kernel, str):
            line = np.exp(-0.5 * np.linspace(-2.5, 2.5, int(self.kernel.split()[1])) ** 2)
            kernel = np.outer(line, line) / line.sum() ** 2
        elif self.dtype == "uint8":
            kernel = random.integers(-4, 5, self.kernel)
        else:
            kernel = random.random(self.kernel) - 0.3
        if self.layout == "last":
            image = np.moveaxis(np.ascontiguousarray(np.moveaxis(image, 0, -1)), -1, 0)
        return image, kernel.astype(np.int16 if self.dtype == "uint8" else floats)


def cells() -> Iterator[Cell]:
    """Yield the grid."""
    small = {3, 5, 11, 31}
    for size in (5, 64, 512, 2048):
        for dtype in ("float32", "float64", "uint8"):
            for k in (3, 5, 7, 11, 15, 31, 101):
                if k < size or size == 5 == k + 2:
                    quick = k in small and (dtype == "float32" or (size == 512 and k != 11))
                    yield Cell(f"{size}² {k}x{k} {dtype}", (size, size), dtype, (k, k), quick=quick)
    for size in (64, 512, 2048):
        for dtype in ("float32", "uint8"):
            yield Cell(f"{size}² Sobel {dtype}", (size, size), dtype, "Sobel", quick=size != 64)
        for dtype in ("float32", "float64"):
            for k in (11, 31, 101):
                if k < size:
                    yield Cell(
                        f"{size}² Gaussian {k} {dtype}", (size, size), dtype, f"Gaussian {k}",
                        quick=size == 512 and dtype == "float32",
                    )  # fmt: skip
    for k in (3, 5, 15):
        yield Cell(f"512² {k}x{k} float32 valid", (512, 512), "float32", (k, k), "valid", quick=k == 5)
    for n, k in ((3, 5), (16, 5), (64, 7)):
        yield Cell(f"512² bank of {n} {k}x{k} float32", (512, 512), "float32", (n, k, k), quick=True)
    for dtype in ("float32", "uint8"):
        yield Cell(f"1000 x 28² 5x5 {dtype}", (1000, 28, 28), dtype, (5, 5), quick=dtype == "float32")
    yield Cell("3 x 1024² 5x5 float32", (3, 1024, 1024), "float32", (5, 5), quick=True)
    for dtype in ("float32", "uint8"):
        yield Cell(f"512² box 7 {dtype}", (512, 512), dtype, "box 7", quick=True)
        yield Cell(f"512² 9 of 81 taps {dtype}", (512, 512), dtype, "dots", quick=True)
        yield Cell(f"512² x 3, channels last, 3x3 {dtype}", (3, 512, 512), dtype, (3, 3), quick=True, layout="last")
        yield Cell(f"512² x 3, channels last, 7x7 {dtype}", (3, 512, 512), dtype, (7, 7), layout="last")
    for k in (3, 7):
        yield Cell(f"depthwise 32 x 56² {k}x{k} float32", (32, 56, 56), "float32", (32, k, k), layout="depthwise")
        yield Cell(f"depthwise 32 x 224² {k}x{k} float32", (32, 224, 224), "float32", (32, k, k), layout="depthwise")
    yield Cell("8192² 3x3 float32", (8192, 8192), "float32", (3, 3))
    yield Cell("8192² 3x3 uint8", (8192, 8192), "uint8", (3, 3))
    yield Cell("8192² 15x15 float32", (8192, 8192), "float32", (15, 15))


def factors(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the column and the row that a kernel of rank 1 is the product of."""
    if kernel.ndim != 2 or np.linalg.matrix_rank(kernel.astype(float), tol=1e-5 * abs(kernel).max()) != 1:
        return None
    y, x = np.unravel_index(np.argmax(abs(kernel)), kernel.shape)
    row = kernel[y] / (np.gcd.reduce(kernel[y]) if kernel.dtype.kind == "i" else 1)
    return (kernel[:, x] / row[x]).astype(kernel.dtype), row.astype(kernel.dtype)


Way = tuple[Callable[[], Any], Callable[[Any], np.ndarray]]
"""A call, and what makes an array like ours of its answer."""


def peers(image: np.ndarray, kernel: np.ndarray, padding: str, layout: str) -> Iterator[tuple[str, Way]]:
    """Yield each library's way to compute a cell."""
    depthwise = layout == "depthwise"
    whole = image.dtype == np.uint8
    planes, bank = image.reshape(-1, *image.shape[-2:]), kernel.reshape(-1, *kernel.shape[-2:])
    (height, width), k = image.shape[-2:], kernel.shape[-1]
    half = k // 2 if padding == "same" else 0
    wide = planes.astype(np.int32) if whole else planes
    taps = bank.astype(np.int32) if whole else bank
    split = factors(kernel)
    work = image.size * kernel.size // (len(kernel) if depthwise else 1)

    def own(n: int) -> list[int]:
        """Return the kernels of a plane."""
        return [n] if depthwise else list(range(len(bank)))

    def joined(answers: Any) -> np.ndarray:
        made = np.stack([np.stack(list(each)) for each in answers])
        if depthwise:
            return made[:, 0]
        return made.reshape(*image.shape[:-2], *kernel.shape[:-2], *made.shape[-2:])

    def cut(answer: np.ndarray) -> np.ndarray:
        h = k // 2
        return answer if padding == "same" else answer[..., h : height - h, h : width - h]

    if work * 1.3e-9 < PATIENCE:
        yield (
            "scipy.signal",
            (
                lambda: [
                    [scipy.signal.correlate2d(p, taps[t], mode=padding) for t in own(n)] for n, p in enumerate(wide)
                ],
                joined,
            ),
        )
    flipped = taps[:, ::-1, ::-1]
    if k >= 7:
        yield (
            "scipy.oaconvolve",
            (
                lambda: [
                    [scipy.signal.oaconvolve(p, flipped[t], mode=padding) for t in own(n)] for n, p in enumerate(wide)
                ],
                joined,
            ),
        )
    if work * 0.8e-9 < PATIENCE:
        yield (
            "ndimage",
            (
                lambda: [
                    [cut(scipy.ndimage.correlate(p, taps[t], mode="constant")) for t in own(n)]
                    for n, p in enumerate(wide)
                ],
                joined,
            ),
        )
    if split:
        column, row = (each.astype(np.int32) if whole else each for each in split)

        def passes() -> Any:
            lines = [scipy.ndimage.correlate1d(p, row, axis=1, mode="constant") for p in wide]
            return [[cut(scipy.ndimage.correlate1d(each, column, axis=0, mode="constant"))] for each in lines]

        yield "ndimage, 1-D twice", (passes, joined)
    if cv2 is not None:
        depth = {"float32": cv2.CV_32F, "float64": cv2.CV_64F, "uint8": cv2.CV_16S}[image.dtype.name]
        if whole and 255 * abs(taps).reshape(len(taps), -1).sum(1).max() > 32767:
            depth = cv2.CV_32F  # 16 bits would saturate
        exact = [t.astype(np.float64 if image.dtype == np.float64 else np.float32) for t in bank]
        yield (
            "cv2.filter2D",
            (
                lambda: [
                    [cut(cv2.filter2D(p, depth, exact[t], borderType=cv2.BORDER_CONSTANT)) for t in own(n)]
                    for n, p in enumerate(planes)
                ],
                joined,
            ),
        )
        if layout == "last":
            pixels_last = np.moveaxis(image, 0, -1)
            yield (
                "cv2.filter2D, channels last",
                (
                    lambda: cv2.filter2D(pixels_last, depth, exact[0], borderType=cv2.BORDER_CONSTANT),
                    lambda answer: np.moveaxis(answer, -1, 0),
                ),
            )
        if split:
            up, along = (each.astype(exact[0].dtype) for each in split)
            yield (
                "cv2.sepFilter2D",
                (
                    lambda: [
                        [cut(cv2.sepFilter2D(p, depth, along, up, borderType=cv2.BORDER_CONSTANT))] for p in planes
                    ],
                    joined,
                ),
            )
    dtype = torch.float64 if image.dtype == np.float64 else torch.float32
    x = torch.from_numpy(np.ascontiguousarray(planes)).to(dtype)[:, None]
    w = torch.from_numpy(bank).to(dtype)[:, None]
    groups = len(planes) if depthwise else 1
    if depthwise:
        x = x.transpose(0, 1)

    def as_ours(answer: Any) -> np.ndarray:
        array = np.asarray(answer)
        return array.reshape(*image.shape[:-2], *(() if depthwise else kernel.shape[:-2]), *array.shape[-2:])

    def valid(x: Any, w: Any) -> Any:
        return torch.nn.functional.conv2d(torch.nn.functional.pad(x, (half,) * 4) if half else x, w, groups=groups)

    if work < LARGE:
        last, weights = x.to(memory_format=torch.channels_last), w.to(memory_format=torch.channels_last)
        yield "torch pad+valid", (lambda: valid(x, w), as_ours)
        yield "torch pad+valid, channels_last", (lambda: valid(last, weights), as_ours)
        if half and k < 11:
            yield "torch padding", (lambda: torch.nn.functional.conv2d(x, w, padding=half, groups=groups), as_ours)
    if k >= 7 and not whole:
        side = [int(scipy.fft.next_fast_len(n + k - 1, real=True)) for n in (height, width)]
        turned = w.flip(-2, -1)[:, 0]

        def spectral() -> Any:
            ahead = torch.fft.rfft2(x[0] if depthwise else x, side)
            both = torch.fft.irfft2(ahead * torch.fft.rfft2(turned, side), side)
            start = half if padding == "same" else k - 1
            stop = [start + n - (0 if padding == "same" else k - 1) for n in (height, width)]
            return both[..., start : stop[0], start : stop[1]]

        yield "torch.fft", (spectral, as_ours)
    if jax is not None and work < LARGE and dtype == torch.float32:
        pixels, weight = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(w.numpy())
        pads = [(half, half)] * 2
        made = jax.jit(lambda a, b: jax.lax.conv_general_dilated(a, b, (1, 1), pads, feature_group_count=groups))
        yield "jax", (lambda: made(pixels, weight).block_until_ready(), as_ours)


def ours(cell: Cell, image: np.ndarray, kernel: np.ndarray, threads: int) -> np.ndarray:
    """Return our answers; those of a depthwise cell channel by channel, for there is no call for all."""
    if cell.layout != "depthwise":
        return faltung.correlate(image, kernel, padding=cell.padding, threads=threads)
    answers = np.empty_like(image)
    for channel, own, out in zip(image, kernel, answers, strict=True):
        faltung.correlate(channel, own, padding=cell.padding, threads=threads, out=out)
    return answers


def wrong_places(cell: Cell, image: np.ndarray, kernel: np.ndarray, answer: np.ndarray, bound: float) -> int:
    """Return at how many of some places an answer differs from sums in Python by more than a bound."""
    random = np.random.default_rng(0)
    half = kernel.shape[-1] // 2 if cell.padding == "same" else 0
    k, wrong = kernel.shape[-1], 0
    for _ in range(50):
        at = tuple(int(random.integers(n)) for n in answer.shape)
        plane = image[at[: image.ndim - 2]]
        taps = kernel[at[0 if cell.layout == "depthwise" else image.ndim - 2]] if kernel.ndim == 3 else kernel
        y, x = at[-2] - half, at[-1] - half
        ys, xs = slice(max(y, 0), max(y + k, 0)), slice(max(x, 0), max(x + k, 0))
        window = plane[ys, xs]
        seen = taps[ys.start - y : ys.start - y + window.shape[0], xs.start - x : xs.start - x + window.shape[1]]
        exact = math.fsum(float(a) * float(b) for a, b in zip(window.flat, seen.flat, strict=True))
        wrong += abs(exact - float(answer[at])) > bound
    return wrong


def measured(cell: Cell, budget: float, threads: int) -> dict[str, Any]:
    """Return the figures of a cell."""
    image, kernel = cell.make()
    bound = 0.25  # whole numbers, that may come as floats not yet rounded
    if image.dtype.kind == "f":
        scale = float(abs(kernel.reshape(-1, kernel.shape[-2] * kernel.shape[-1])).sum(1).max())
        bound = scale * (1e-4 if image.dtype == np.float32 else 1e-11)
    ways: dict[str, Way] = {"faltung": (lambda: ours(cell, image, kernel, threads), np.asarray)}
    ways |= dict(peers(image, kernel, cell.padding, cell.layout))
    made, first, wrong = None, {}, []
    for name, (way, as_ours) in ways.items():  # warms up, too
        started = time.perf_counter()
        answer = way()
        first[name] = time.perf_counter() - started
        for _ in range(2 if first[name] < 0.2 else 0):  # a first call may set things up
            started = time.perf_counter()
            way()
            first[name] = min(first[name], time.perf_counter() - started)
        answer = as_ours(answer)
        if made is None:
            made = answer
            if wrong_places(cell, image, kernel, made, bound):
                raise SystemExit(f"{cell.name}: faltung is wrong")
        elif answer.shape != made.shape or not (abs(answer - made.astype(float)) <= bound).all():
            wrong.append(name)
        del answer
    del made
    for name in wrong:
        del ways[name]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    fastest = min(first[name] for name in ways)
    slow = [name for name in ways if name != "faltung" and first[name] > max(HOPELESS * fastest, 1e-3)]
    racing = [name for name in ways if name not in slow]
    for name in slow:
        taken[name].append((first[name], math.nan))
    calls = {name: max(1, min(2000, int(1e-3 / max(first[name], 1e-6)))) for name in racing}
    ended, rounds = time.perf_counter() + budget, 0
    while rounds < 3 or (time.perf_counter() < ended and rounds < 40):
        turn = rounds % len(racing)
        for name in racing[turn:] + racing[:turn]:
            way = ways[name][0]
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(calls[name]):
                way()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            taken[name].append((wall / calls[name], cpu / calls[name]))
        rounds += 1
    walls = {name: statistics.median(wall for wall, _ in times) for name, times in taken.items()}
    rivals = {name: wall for name, wall in walls.items() if name != "faltung"}
    best = min(rivals, key=lambda name: rivals[name])
    found = {
        "ours": walls["faltung"], "cpu": statistics.median(cpu for _, cpu in taken["faltung"]), "best": best,
        "theirs": rivals[best], "ratio": rivals[best] / walls["faltung"], "rounds": rounds, "walls": walls,
        "wrong": wrong, "scipy": rivals["scipy.signal"] / walls["faltung"] if "scipy.signal" in rivals else None,
    }  # fmt: skip
    pairs = [b / a for (a, _), (b, _) in zip(taken["faltung"], taken[best], strict=False)]
    found["quartiles"] = [float(q) for q in np.quantile(pairs, (0.25, 0.75))]
    if threads > 1:
        found["over one thread"] = over_one_thread(lambda n: ours(cell, image, kernel, n), threads)
    return found


def over_one_thread(way: Callable[[int], Any], threads: int) -> float:
    """Return how many times as fast so many threads are; others' threads, which may spin for a while, are at rest."""
    time.sleep(0.3)
    taken: dict[int, list[float]] = {1: [], threads: []}
    ended = time.perf_counter() + 1
    while len(taken[1]) < 5 or (time.perf_counter() < ended and len(taken[1]) < 40):
        for number, times in taken.items():
            started = time.perf_counter()
            way(number)
            times.append(time.perf_counter() - started)
    return statistics.median(taken[1]) / statistics.median(taken[threads])


def floor(threads: int) -> Iterator[str]:
    """Yield what nobody can be faster than, and how near we are."""

    def took(way: Callable[[], Any], calls: int) -> float:
        way()
        times = []
        for _ in range(21):
            started = time.perf_counter()
            for _ in range(calls):
                way()
            times.append((time.perf_counter() - started) / calls)
        return statistics.median(times)

    image = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    room = np.empty_like(image)
    copy = took(lambda: np.copyto(room, image), 1)
    yield f"copy of 2048² float32 into memory that is there: {1e3 * copy:.2f} ms"
    for k in (3, 5):
        kernel = np.random.default_rng(1).random((k, k), dtype=np.float32)
        times = [
            took(lambda o=out, t=kernel: faltung.correlate(image, t, padding="same", threads=threads, out=o), 1)
            for out in (room, None)
        ]
        told = ", ".join(f"{1e3 * each:.2f} ms ({each / copy:.2f} copies)" for each in times)
        yield f"2048² {k}x{k} float32 into memory that is there, and into new: {told}"
    small, three = image[:5, :5].copy(), np.ones((3, 3), np.float32)
    public = took(lambda: faltung.correlate(small, three, padding="same"), 2000)
    within = took(lambda: _native.quick(small, three, "same", 1, 1, "zero", False, None, None), 2000)
    yield f"5² 3x3 float32: {1e6 * public:.2f} µs through faltung.correlate, {1e6 * within:.2f} µs through the C-API"


def commit() -> str:
    """Return the commit that is measured."""
    return subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()


def about(threads: int, budget: float) -> dict[str, Any]:
    """Return what the figures were measured with."""
    versions = {"numpy": np.__version__, "scipy": scipy.__version__, "torch": torch.__version__}
    versions |= {"cv2": cv2.__version__} if cv2 is not None else {}
    versions |= {"jax": jax.__version__} if jax is not None else {}
    return {
        "date": date.today().isoformat(), "machine": platform.platform(),
        "threads": threads,
        "budget": budget, "load": os.getloadavg(), "versions": versions, "vectors": doctor.examine().level,
    }  # fmt: skip


def report(rows: dict[str, dict[str, Any]], plot: str, threads: int) -> None:
    """Print the table, the losing cells first, and draw it."""
    if not rows:
        print("no cell of that name")
        return
    ordered = sorted(rows.items(), key=lambda entry: entry[1]["ratio"])
    table = Table(title=f"threads: {threads}; losing cells first")
    for heading in ("cell", "faltung ms", "cpu ms", "best peer", "its ms", "ratio", "quartiles", "over scipy.signal"):
        table.add_column(heading, justify="left" if heading in ("cell", "best peer") else "right")
    for name, row in ordered:
        low, high = row["quartiles"]
        over = "-" if row["scipy"] is None else f"{row['scipy']:.1f}"
        table.add_row(
            name, f"{1e3 * row['ours']:.4f}", f"{1e3 * row['cpu']:.4f}", row["best"], f"{1e3 * row['theirs']:.4f}",
            f"{row['ratio']:.2f}", f"{low:.2f}-{high:.2f}", over,
        )  # fmt: skip
    Console(width=140).print(table)
    ratios = [row["ratio"] for row in rows.values()]
    overs = [row["scipy"] for row in rows.values() if row["scipy"] is not None]
    print(f"geometric mean over the best peer: {statistics.geometric_mean(ratios):.2f}")
    if overs:
        print(f"geometric mean over scipy.signal:  {statistics.geometric_mean(overs):.1f} ({len(overs)} cells)")
    print(f"cells below 0.95: {sum(ratio < 0.95 for ratio in ratios)} of {len(ratios)}")
    for name, row in ordered:
        if row["wrong"]:
            print(f"{name}: wrong by more than rounding, not counted: {', '.join(row['wrong'])}")
        if "over one thread" in row and name.startswith(("2048", "8192")):
            print(f"{name}: {threads} threads {row['over one thread']:.2f} times as fast as one")
    if plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 0.2 * len(ordered) + 1.5), layout="constrained")
        ax = figure.subplots()
        ax.barh(
            [name for name, _ in ordered], [row["ratio"] for _, row in ordered],
            color=["tab:red" if row["ratio"] < 0.95 else "tab:blue" for _, row in ordered],
        )  # fmt: skip
        ax.axvline(1, color="black", linewidth=1)
        ax.set(xscale="log", xlabel="time of the best peer / time of faltung")
        ax.margins(y=0.01)
        figure.savefig(plot, dpi=110)


def main(
    threads: int = 1,
    only: str = "",
    quick: bool = False,
    budget: float = 0.3,
    json_file: Annotated[str, typer.Option("--json")] = "",
    plot: str = "",
) -> None:
    """Measure the cells whose name contains `only`."""
    torch.set_num_threads(threads)
    if cv2 is not None:
        cv2.setNumThreads(threads)
    file = Path(json_file) if json_file else None
    kept = json.loads(file.read_text()) if file and file.exists() else {"about": about(threads, budget), "cells": {}}
    for cell in cells():
        if only not in cell.name or (quick and not cell.quick) or cell.name in kept["cells"]:
            continue
        with torch.inference_mode():
            row = kept["cells"][cell.name] = {"commit": commit(), **measured(cell, budget, threads)}
        times = f"{1e3 * row['ours']:10.4f} ms  {row['best']:30} {1e3 * row['theirs']:10.4f} ms"
        print(f"{cell.name:34} {times}  x{row['ratio']:.2f}", flush=True)
        if file:
            part = file.with_suffix(".part")
            part.write_text(json.dumps(kept, indent=1, allow_nan=False))
            part.replace(file)
    report(kept["cells"], plot, threads)
    print(*floor(threads), sep="\n")


if __name__ == "__main__":
    typer.run(main)
