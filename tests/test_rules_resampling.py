"""Interpolation reads what PyTorch's kernels read: NaN decides."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

import faltung
from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import AxisReads, clipped
from faltung.rules.resampling import OPERATORS, interpolation, resized
from faltung.rules.table import RULES
from tests.nan_oracle import assert_reads_exactly

WAYS: list[dict[str, Any]] = [
    dict(mode="nearest"),
    dict(mode="nearest-exact"),
    dict(mode="bilinear"),
    dict(mode="bilinear", align_corners=True),
    dict(mode="bicubic"),
    dict(mode="bicubic", align_corners=True),
    dict(mode="bilinear", antialias=True),
    dict(mode="bilinear", antialias=True, align_corners=True),
    dict(mode="bicubic", antialias=True),
    dict(mode="bicubic", antialias=True, align_corners=True),
]
SAME_FOR = {1: {"bilinear": "linear"}, 3: {"bilinear": "trilinear"}}


def picture(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1 + torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


def line_reads(function: Callable[[torch.Tensor], torch.Tensor], pixels: int, dtype: torch.dtype) -> list[list[int]]:
    """Return what each output of a line reads, by NaN: one line of a batch for each pixel."""
    lines = torch.ones(pixels, 1, 1, pixels, dtype=dtype)
    lines[range(pixels), 0, 0, range(pixels)] = float("nan")
    return [column.nonzero()[:, 0].tolist() for column in function(lines)[:, 0, 0].isnan().T]


def operator(way: dict[str, Any]) -> str:
    suffix = "_aa" if way.get("antialias") else ""
    name = way["mode"].replace("nearest-exact", "nearest_exact")
    return f"{'_' if suffix or 'exact' in name else ''}upsample_{name}{suffix}"


def told(reads: AxisReads, pixels: int, outputs: int) -> list[list[int]]:
    return [list(reads.inputs_of(IntervalSet.points([place])).clip(0, pixels)) for place in range(outputs)]


def disagreements(
    way: dict[str, Any], sizes: range, results: range, dtype: torch.dtype = torch.float64
) -> list[tuple[int, int]]:
    how = OPERATORS[operator(way)].of(str(dtype).removeprefix("torch."))
    aligned = bool(way.get("align_corners"))
    return [
        (n, m)
        for n in sizes
        for m in results
        if told(resized(how, n, m, aligned, None), n, m)
        != line_reads(lambda lines, m=m: interpolate(lines, size=(1, m), **way), n, dtype)
    ]


KERNELS = [
    pytest.param(way, dtype, id=f"{way} {dtype}")
    for way in WAYS
    for dtype in (torch.float64, torch.float32, torch.bfloat16)
    if not (way.get("antialias") and dtype == torch.bfloat16)  # PyTorch has no such kernel for the CPU
]


@pytest.mark.parametrize(("way", "dtype"), KERNELS)
def test_every_size(way: dict[str, Any], dtype: torch.dtype) -> None:
    """From any size to any other, each output reads exactly the pixels that PyTorch's kernel loads."""
    assert not disagreements(way, range(1, 20), range(1, 24), dtype)


@pytest.mark.parametrize(("way", "dtype"), KERNELS)
@given(pixels=st.integers(1, 80), outputs=st.integers(1, 120))
@settings(max_examples=15, deadline=None)
def test_larger_sizes(way: dict[str, Any], dtype: torch.dtype, pixels: int, outputs: int) -> None:
    """Large sizes, where rounding moves positions off the pixels, as small ones."""
    assert not disagreements(way, range(pixels, pixels + 1), range(outputs, outputs + 1), dtype)


def test_the_dtype_matters() -> None:
    """In float32 some outputs have a neighbour of weight 0 on the other side: one arithmetic does not serve all."""
    how = OPERATORS["upsample_linear"]
    sizes = [(n, m) for n in range(2, 60) for m in range(2, 60)]
    assert any(
        told(resized(how.of("float32"), n, m, True, None), n, m) != told(resized(how, n, m, True, None), n, m)
        for n, m in sizes
    )


@pytest.mark.parametrize(("pixels", "outputs"), [(2, 82), (6, 74), (8, 82)])
def test_nearest_rounds_in_float32(pixels: int, outputs: int) -> None:
    """Where o*n/m is whole, float32 may fall below it, and PyTorch reads the pixel before."""
    ideal = [[place * pixels // outputs] for place in range(outputs)]
    assert told(resized(OPERATORS["upsample_nearest"], pixels, outputs, False, None), pixels, outputs) != ideal
    assert not disagreements(dict(mode="nearest"), range(pixels, pixels + 1), range(outputs, outputs + 1))


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.75, 1.05, 1.3, 1.5, 2.0, 2.05, 3.0, 3.7])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_scale_factors(way: dict[str, Any], factor: float) -> None:
    """With a scale factor, positions follow the factor and not the ratio of the sizes."""
    if way["mode"] == "nearest" and factor in (1.05, 2.05):
        with pytest.raises(FaltungError, match="scale factor"):
            faltung.capture(lambda x: interpolate(x, scale_factor=(1, factor), **way), picture(1, 1, 1, 10))
        return
    assert_reads_exactly(lambda x: interpolate(x, scale_factor=(1, factor), **way), picture(1, 1, 1, 10))
    if factor != 1.05:
        scaled = dict(way, recompute_scale_factor=True)
        assert_reads_exactly(lambda x: interpolate(x, scale_factor=(1, factor), **scaled), picture(1, 1, 1, 10))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_axes_are_resized_each_for_itself(way: dict[str, Any]) -> None:
    """Batch and channels keep their place; rows and columns are resized by their own scales."""
    assert_reads_exactly(lambda x: interpolate(x, size=(5, 3), **way), picture(2, 2, 3, 4))


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("way", WAYS[:4], ids=str)
def test_lines_and_volumes(way: dict[str, Any], rank: int) -> None:
    """One and three axes are resized as two are."""
    given_way = dict(way, mode=SAME_FOR[rank].get(way["mode"], way["mode"]))
    size = (5, 3, 4)[:rank]
    assert_reads_exactly(lambda x: interpolate(x, size=size, **given_way), picture(2, 2, *(3, 4, 2)[:rank]))
    assert_reads_exactly(lambda x: interpolate(x, scale_factor=2, **given_way), picture(1, 2, *(2, 3, 2)[:rank]))


@pytest.mark.parametrize("name", sorted(name for name in RULES if RULES[name] is interpolation))
def test_plain_overloads(name: str) -> None:
    """The overloads that take sizes and one scale for each axis read as those that take lists."""
    function = getattr(torch.ops.aten, name).default
    axes = int(name.split("d")[0][-1]) if name[-1] == "d" else 2
    aligned = [False] if "nearest" not in name else []
    shape, size = (1, 1, 3, 2, 2)[: 2 + axes], (5, 3, 3)[:axes]
    assert_reads_exactly(lambda x: function(x, size, *aligned), picture(*shape))
    assert_reads_exactly(lambda x: function(x, size, *aligned, *(1.7, 1.5, 1.4)[:axes]), picture(*shape))


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_nearest_by_whole_factors_is_periodic(factor: int) -> None:
    """Nearest upsampling by u reads floor(o/u), everywhere: no list is needed."""
    assert resized(OPERATORS["upsample_nearest"], 7, 7 * factor, False, None) == Reads(1, [[0]] * factor)
    assert resized(OPERATORS["upsample_nearest"], 7 * factor, 7, False, None) == Reads(factor, [[0]])


@pytest.mark.parametrize("name", sorted(OPERATORS))
@given(pixels=st.integers(1, 40), outputs=st.integers(1, 60), aligned=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_interior_holds(name: str, pixels: int, outputs: int, aligned: bool) -> None:
    """Where the periodic relation stays on the axis, it is what is read."""
    reads = resized(OPERATORS[name], pixels, outputs, aligned and "nearest" not in name, None)
    if not isinstance(reads, Listed) or reads.interior is None:
        return
    for place in range(outputs):
        window = reads.interior.inputs_of(IntervalSet.points([place]))
        if clipped([(window,)], (pixels,)) == [(window,)]:
            assert window == reads.taps[place]


@pytest.mark.parametrize("name", sorted(OPERATORS))
@pytest.mark.parametrize(("pixels", "outputs"), [(500, 1000), (250, 1000), (1000, 250), (1000, 750), (999, 333)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_listed_by_phases_is_read(name: str, pixels: int, outputs: int, dtype: str) -> None:
    """Where nothing is rounded the phases say what each output reads; asked one by one, all outputs agree."""
    how = OPERATORS[name].of(dtype)
    scale = how.scale(pixels, outputs, False, None)
    ours = told(resized(how, pixels, outputs, False, None), pixels, outputs)
    assert ours == [sorted(set(how.read(scale, output, False, pixels))) for output in range(outputs)]


def test_interiors() -> None:
    """Doubling is periodic inside; sizes without a common divisor are not."""
    double = resized(OPERATORS["upsample_bilinear"], 5, 10, False, None)
    assert isinstance(double, Listed)
    assert double.interior == Reads(1, [[-1, 0], [0, 1]])
    odd = resized(OPERATORS["upsample_bilinear"], 5, 7, False, None)
    assert isinstance(odd, Listed)
    assert odd.interior is None


def test_a_broken_rule_is_caught() -> None:
    """A rule that does not move positions by half a pixel contradicts NaN."""
    way = dict(mode="bilinear")
    how = OPERATORS["upsample_bilinear"]
    shifted = dataclasses.replace(how, window=lambda scale, output, aligned, rounding: range(int(output * scale), 9))
    try:
        OPERATORS["upsample_bilinear"] = shifted
        assert disagreements(way, range(4, 5), range(8, 9))
    finally:
        OPERATORS["upsample_bilinear"] = how
    assert not disagreements(way, range(4, 5), range(8, 9))
