"""Convolutions of one to three axes, transposed or not, dense, grouped or depthwise."""

from itertools import product
from typing import TYPE_CHECKING

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from faltung.region import disjoint
from faltung.relation import SAME, Along, AxisWise, Relation, Whole
from faltung.rules.table import Call, Readings, per_axis, rule
from faltung.rules.weights import MOST_MASKS, nonzero, nothing
from faltung.rules.windows import AxisRule, TransposedWindow, Window, same_padding

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    weight = call["weight"]
    structure = AxisWise((*batch, channels, *along))
    relations: tuple[Relation, ...] = (structure,)
    if call.exact_weights and not weight.source:
        relations = _of_nonzero_weights(call, windows, structure, batch)
    # the first axis of a dense weight is the output channel; that of a transposed one is not
    follows = Along(batched, SAME) if outputs == weight.shape[0] and "transpose" not in call.operator else Whole()
    return {
        "input": relations,
        "weight": AxisWise((follows, *(Whole(),) * (len(weight.shape) - 1))),
        "bias": AxisWise((Along(batched, SAME),)),
    }


def _of_nonzero_weights(
    call: Call, windows: list[AxisRule], structure: AxisWise, batch: tuple[Along, ...]
) -> tuple[Relation, ...]:
    """Return what the weights that are not exactly zero read: a union over the different masks in space."""
    import numpy as np

    taken = nonzero(call["weight"])
    if taken.all():
        return (structure,)
    groups, inputs = call["groups"], call.shape_of("input")[len(batch)]
    outputs = call.shape[len(batch)]
    transpose = "transpose" in call.operator
    readers: dict[bytes, list[set[int]]] = {}
    masks: dict[bytes, NDArray[np.bool_]] = {}
    for pair in product(*map(range, taken.shape[:2])):
        mask = taken[pair]
        if not mask.any():
            continue
        first, second = pair
        if transpose:  # (input channel, output channel within its group)
            source, reader = first, first // (inputs // groups) * (outputs // groups) + second
        else:  # (output channel, input channel within its group)
            source, reader = first // (outputs // groups) * (inputs // groups) + second, first
        masks[mask.tobytes()] = mask
        readers.setdefault(mask.tobytes(), [set() for _ in range(outputs)])[reader].add(source)
    if len(masks) > MOST_MASKS:
        raise FaltungError(f"its weights have {len(masks)} different masks in space; at most {MOST_MASKS} are followed")
    relations: list[Relation] = []
    for key, mask in masks.items():
        channels = Along(len(batch), Listed.of(readers[key]))
        points = [tuple(IntervalSet.points([int(m)]) for m in tap) for tap in np.argwhere(mask)]
        for factors in disjoint(points):
            along = tuple(
                Along(len(batch) + 1 + axis, _with_taps(window, taps))
                for axis, (window, taps) in enumerate(zip(windows, factors, strict=True))
            )
            relations.append(AxisWise((*batch, channels, *along)))
    return tuple(relations) or nothing(structure, call.shape)


def _with_taps(window: AxisRule, taps: IntervalSet) -> Reads:
    """Return the relation of a window of which only some taps are read."""
    if isinstance(window, TransposedWindow):
        return _with_taps(window.forward, taps).transpose()
    assert isinstance(window, Window)
    return Reads(window.stride, [[window.dilation * tap - window.before for tap in taps]])
