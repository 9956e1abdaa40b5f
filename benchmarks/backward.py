"""Derivatives of a bank of filters on the processor, beside PyTorch's own.

    python -m benchmarks.backward [--threads 1] [--budget 0.3]

Each cell is a batch of pictures of one channel and a bank. What is timed is the backward pass alone, for the taps, for
the picture, and for both; ours and PyTorch's (F.pad, then a valid conv2d; contiguous and channels_last) in turn, in
one process. Medians of the time of the wall. All derivatives are compared first.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import typer
from rich.console import Console
from rich.table import Table

import faltung

CELLS = (
    ((512, 512), 1, 3), ((512, 512), 1, 7), ((512, 512), 1, 31), ((2048, 2048), 1, 5), ((512, 512), 16, 5),
    ((512, 512), 64, 7), ((32, 64, 64), 16, 5), ((256, 28, 28), 8, 5),
)  # fmt: skip
"""Pictures, kernels, taps along a side."""


def ways(shape: tuple[int, ...], kernels: int, k: int, wanted: str, threads: int) -> dict[str, Callable[[], Any]]:
    """Return each library's backward pass, by its name."""
    torch.manual_seed(0)
    image = torch.randn(shape).requires_grad_("picture" in wanted)
    bank = torch.randn(kernels, k, k).requires_grad_("taps" in wanted)
    inputs = [each for each in (image, bank) if each.requires_grad]
    ours = faltung.correlate(image, bank, padding="same", threads=threads)
    given = torch.randn_like(ours)
    planes = image.reshape(-1, 1, *shape[-2:])

    def pass_of(answers: torch.Tensor) -> Callable[[], Any]:
        derivatives = given.reshape(answers.shape).contiguous(memory_format=torch.contiguous_format)
        return lambda: torch.autograd.grad(answers, inputs, derivatives, retain_graph=True)

    found = {"faltung": pass_of(ours)}
    for name, layout in (("torch", torch.contiguous_format), ("torch, channels_last", torch.channels_last)):
        padded = torch.nn.functional.pad(planes, (k // 2,) * 4).contiguous(memory_format=layout)
        found[name] = pass_of(torch.nn.functional.conv2d(padded, bank[:, None].contiguous(memory_format=layout)))
    return found


def main(threads: int = 1, budget: float = 0.3) -> None:
    """Measure all cells."""
    torch.set_num_threads(threads)
    table = Table(title=f"backward, threads: {threads}")
    for heading in ("pictures", "kernels", "taps", "derivative by", "faltung ms", "torch ms", "ratio"):
        table.add_column(heading, justify="right")
    ratios = []
    for shape, kernels, k in CELLS:
        for wanted in ("taps", "picture", "taps and picture"):
            racing = ways(shape, kernels, k, wanted, threads)
            first = [way() for way in racing.values()]
            for others in first[1:]:
                for a, b in zip(first[0], others, strict=True):
                    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()))
            taken: dict[str, list[float]] = {name: [] for name in racing}
            ended = time.perf_counter() + budget
            while len(taken["faltung"]) < 3 or (time.perf_counter() < ended and len(taken["faltung"]) < 40):
                for name, way in racing.items():
                    started = time.perf_counter()
                    way()
                    taken[name].append(time.perf_counter() - started)
            times = {name: 1e3 * statistics.median(each) for name, each in taken.items()}
            best = min(time for name, time in times.items() if name != "faltung")
            ratios.append(best / times["faltung"])
            size = " x ".join(map(str, shape))
            table.add_row(
                size, str(kernels), f"{k}x{k}", wanted, f"{times['faltung']:.3f}", f"{best:.3f}", f"{ratios[-1]:.2f}"
            )
    Console(width=120).print(table)
    print(f"geometric mean over PyTorch: {statistics.geometric_mean(ratios):.2f}; least {min(ratios):.2f}")


if __name__ == "__main__":
    typer.run(main)
