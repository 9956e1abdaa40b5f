"""Convolutions of one to three axes, transposed or not, dense, grouped or depthwise."""

from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisWise, Relation, Whole
from faltung.rules.table import Call, Readings, per_axis, rule
from faltung.rules.windows import AxisRule, TransposedWindow, Window, same_padding


@rule("conv1d", "conv2d", "conv3d")
def convolution(call: Call) -> Readings:
    """Every output channel reads its group of input channels through a window."""
    weight = call.shape_of("weight")
    spatial = len(weight) - 2
    kernel = weight[2:]
    stride, dilation = (per_axis(call[name], spatial) for name in ("stride", "dilation"))
    padding = call["padding"]
    if padding == "same":
        sides = [same_padding(k, d) for k, d in zip(kernel, dilation, strict=True)]
    elif padding == "valid":
        sides = [(0, 0)] * spatial
    else:
        sides = [(p, p) for p in per_axis(padding, spatial)]
    windows: list[AxisRule] = [Window(k, s, d, *p) for k, s, d, p in zip(kernel, stride, dilation, sides, strict=True)]
    return _readings(call, windows, weight[0], weight[1])


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(call: Call) -> Readings:
    """Every output channel reads its group of input channels through a transposed window."""
    weight = call.shape_of("weight")
    spatial = len(weight) - 2
    numbers = (per_axis(call[name], spatial) for name in ("stride", "dilation", "padding", "output_padding"))
    windows: list[AxisRule] = [
        TransposedWindow(k, s, d, p, p, extra) for k, s, d, p, extra in zip(weight[2:], *numbers, strict=True)
    ]
    return _readings(call, windows, weight[1] * call["groups"], weight[0] // call["groups"])


def _readings(call: Call, windows: list[AxisRule], outputs: int, group: int) -> Readings:
    """Return the readings of input, weight and bias; `group` input channels belong to each output channel."""
    batched = len(call.shape_of("input")) - len(windows) - 1
    groups = call["groups"]
    channels: Along | Whole = Whole()
    if groups > 1:
        channels = Along(batched, Reads(group, [range(group)] * (outputs // groups)))
    along = tuple(Along(batched + 1 + axis, window.reads) for axis, window in enumerate(windows))
    batch = (Along(0, SAME),) * batched
    weight_axes = call.shape_of("weight")
    readings: dict[str | tuple[str, int], Relation] = {
        "input": AxisWise((*batch, channels, *along)),
        "weight": AxisWise((Along(batched, SAME), *(Whole(),) * (len(weight_axes) - 1)))
        if outputs == weight_axes[0]
        else AxisWise((Whole(),) * len(weight_axes)),
        "bias": AxisWise((Along(batched, SAME),)),
    }
    return readings
