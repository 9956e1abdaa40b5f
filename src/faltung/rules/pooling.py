"""Pooling: windows that slide, and adaptive windows that share an axis out evenly."""

import re
from math import gcd

from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisReads, AxisWise, Shape, Whole
from faltung.rules.reductions import reduced
from faltung.rules.table import Call, Readings, Tensor, per_axis, rule
from faltung.rules.windows import Window


@rule(
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
)
def pooling(call: Call) -> Readings:
    """Every channel is pooled for itself; where the size is rounded up, the last window hangs over."""
    name = "self" if call.has("self") else "input"
    shape = call.shape_of(name)
    call.skip("ceil_mode")  # it decides the size alone, and that is known
    call.skip("count_include_pad", "divisor_override")  # weights, not windows
    windows = _windows(call)
    leading = len(shape) - len(windows)
    return {
        name: AxisWise(
            (
                *(Along(axis, SAME) for axis in range(leading)),
                *(Along(leading + axis, window.reads) for axis, window in enumerate(windows)),
            )
        )
    }


def _windows(call: Call) -> list[Window]:
    """Return the windows of a pooling, one for each axis of space."""
    spatial = int(call.operator.split("pool")[1][0])
    kernel = per_axis(call["kernel_size"], spatial)
    stride = per_axis(call["stride"] or kernel, spatial)
    padding = per_axis(call["padding"], spatial)
    dilation = per_axis(call.get("dilation", 1), spatial)
    return [Window(k, s, d, p, p) for k, s, d, p in zip(kernel, stride, dilation, padding, strict=True)]


@rule("max_unpool2d", "max_unpool3d")
def unpooling(call: Call) -> Readings:
    """Every unit goes to the place that its index names: a place in its window, if a pooling chose the index.

    Then an output reads the units whose windows hold it, as a transposed convolution does. Any other index may name
    any place of its picture.
    """
    call.skip("output_size", "stride", "padding")  # they make the size alone, and that is known
    shape = call.shape_of("self")
    space = range(len(shape) - int(call.operator[-2]), len(shape))
    windows = _chosen_by(call["indices"], call.shape, len(space))
    if windows is None:
        relation = reduced(shape, space)
    else:
        ways = [window.reads.transpose() for window in windows]
        ways += [SAME] * (len(space) - len(ways))  # a line is unpooled as a picture one pixel wide
        relation = AxisWise((*(Along(axis, SAME) for axis in range(space.start)), *map(Along, space, ways)))
    return {"self": relation, "indices": relation}


def _chosen_by(indices: Tensor, picture: Shape, spatial: int) -> list[Window] | None:
    """Return the windows in which a pooling of pictures of this size found the indices; None if it was not one."""
    origin = indices.origin() if indices.origin else None
    while origin and origin.operator == "unsqueeze" and origin["self"].origin:
        origin = origin["self"].origin()
    if origin is None or not (re.fullmatch(r"max_pool\dd_with_indices", origin.operator) and origin.output == 1):
        return None
    windows = _windows(origin)
    pooled = origin.shape_of("self")
    return windows if pooled[-len(windows) :] == picture[-spatial:][: len(windows)] else None


@rule(
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
)
def adaptive_pooling(call: Call) -> Readings:
    """Output o of m reads inputs floor(o*n/m) .. ceil((o+1)*n/m) - 1."""
    shape = call.shape_of("self")
    sizes = call["output_size"]
    leading = len(shape) - len(per_axis(sizes, 1))
    return {
        "self": AxisWise(
            tuple(
                Along(axis, SAME)
                if axis < leading
                else Whole()
                if call.shape[axis] == 1
                else Along(axis, shared_out(inputs, call.shape[axis]))
                for axis, inputs in enumerate(shape)
            )
        )
    }


def shared_out(inputs: int, outputs: int) -> AxisReads:
    """Return the windows of adaptive pooling along an axis; periodic where the sizes have a common divisor.

    The windows are those of torch.nn.AdaptiveAvgPool1d: from floor(o*n/m) to ceil((o+1)*n/m).
    """
    windows = [range(o * inputs // outputs, -(-(o + 1) * inputs // outputs)) for o in range(outputs)]
    common = gcd(inputs, outputs)
    return Reads(inputs // common, windows[: outputs // common]) if common > 1 else Listed.of(windows)
