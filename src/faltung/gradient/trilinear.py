"""One form, three readings: the layer and its two gradients.

<dY, W * X> is linear in each of X, W and dY; its derivatives by one of them are made of the other two:

    correlated   by dY: cross-correlate X with W
    spread       by X:  the transposed convolution of dY with W, with as much output padding as X needs
    weighed      by W:  cross-correlate X with dY, stride and dilation swapped, cropped to the kernel

They work on padded axes (`padded`, and `folded` back, which is its transpose). NumPy arrays and torch tensors alike;
of torch only convolutions forward are used, for no gradient but its own.
"""

import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from faltung.boundary import index_map
from faltung.filters._arrays import is_tensor
from faltung.gradient.geometry import Geometry

Array = Any
"""A numpy.ndarray or a torch.Tensor: (batch, channels, *positions), weights (outputs, inputs of a group, *taps)."""


def padded(x: Array, geometry: Geometry) -> Array:
    """Return X with its border continued."""
    for axis, (before, after) in enumerate(zip(geometry.before, geometry.after, strict=True), start=2):
        if before == after == 0:
            continue
        if geometry.boundary == "zero":
            x = _joined([_zeros(x, axis, before), x, _zeros(x, axis, after)], axis)
        else:
            sources = index_map(x.shape[axis], before, after, geometry.boundary)
            x = x[(*(slice(None),) * axis, sources)]
    return x


def folded(x: Array, geometry: Geometry) -> Array:
    """Return the sum, for each pixel, over the positions that copy it: the transpose of `padded`."""
    sides = zip(geometry.sizes, geometry.before, geometry.after, strict=True)
    for axis, (size, before, after) in enumerate(sides, start=2):
        lead = (slice(None),) * axis
        inside = x[(*lead, slice(before, before + size))]
        if before == after == 0:
            continue
        sources = index_map(size, before, after, geometry.boundary)
        if geometry.boundary != "zero":
            inside = inside.clone() if is_tensor(x) else inside.copy()
            for position in (*range(before), *range(before + size, before + size + after)):
                inside[(*lead, sources[position])] += x[(*lead, position)]
        x = inside
    return x


def correlated(x: Array, w: Array, geometry: Geometry) -> Array:
    """Return Y of a padded X: Y[o, i] = sum over c and m of W[o, c, m] X[C*floor(o/O) + c, s*i + d*m]."""
    return _correlate(x, w, geometry.stride, geometry.dilation, geometry.groups)


def spread(dy: Array, w: Array, geometry: Geometry) -> Array:
    """Return dL/dX of a padded X: every dY[o, i] times W[o, c, m], added up at s*i + d*m."""
    spatial = len(geometry.stride)
    if is_tensor(dy):
        functional = sys.modules["torch"].nn.functional
        transposed = getattr(functional, f"conv_transpose{spatial}d")
        return transposed(dy, w, None, geometry.stride, 0, geometry.output_padding, geometry.groups, geometry.dilation)
    groups, outputs, inputs = geometry.groups, w.shape[0] // geometry.groups, w.shape[1]
    dx = np.zeros((len(dy), groups * inputs, *geometry.padded), dtype=np.result_type(dy, w))
    for tap in product(*map(range, w.shape[2:])):
        at = _strided([d * m for d, m in zip(geometry.dilation, tap, strict=True)], geometry.stride, dy.shape[2:])
        for group in range(groups):
            own, read = _block(group, outputs), _block(group, inputs)
            sent = np.tensordot(dy[:, own], w[(own, slice(None), *tap)], axes=([1], [0]))
            dx[(slice(None), read, *at)] += np.moveaxis(sent, -1, 1)
    return dx


def weighed(x: Array, dy: Array, geometry: Geometry) -> Array:
    """Return dL/dW: a padded X cross-correlated with dY, stride and dilation swapped, for each pair of channels.

    The sum over the batch takes the place of the sum over channels.
    """
    batch, groups = x.shape[0], geometry.groups
    inputs = x.shape[1] // groups
    pictures = _transposed(x.reshape(batch, groups, inputs, *x.shape[2:]), (2, 1, 0))
    pictures = pictures.reshape(inputs, groups * batch, *x.shape[2:])
    found = _correlate(pictures, _transposed(dy, (1, 0)), geometry.dilation, geometry.stride, groups)
    cropped = found[(slice(None), slice(None), *map(slice, geometry.kernel))]
    return _transposed(cropped, (1, 0))


def _correlate(x: Array, w: Array, stride: Sequence[int], dilation: Sequence[int], groups: int) -> Array:
    spatial = len(stride)
    if is_tensor(x):
        convolve = getattr(sys.modules["torch"].nn.functional, f"conv{spatial}d")
        return convolve(x, w, None, tuple(stride), 0, tuple(dilation), groups)
    axes = tuple(range(2, 2 + spatial))
    extents = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, extents, axes)
    every = (*(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))
    windows = windows[(slice(None), slice(None), *every)]
    outputs, inputs = w.shape[0] // groups, w.shape[1]
    # both are (batch or outputs, inputs, ...): sum over the inputs and the taps
    taps = [1, *range(2 + spatial, 2 + 2 * spatial)]
    parts = [
        np.tensordot(windows[:, _block(g, inputs)], w[_block(g, outputs)], axes=(taps, list(range(1, 2 + spatial))))
        for g in range(groups)
    ]
    return np.concatenate([np.moveaxis(part, -1, 1) for part in parts], axis=1)


def _block(group: int, width: int) -> slice:
    return slice(group * width, (group + 1) * width)


def _strided(starts: Sequence[int], steps: Sequence[int], counts: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, steps, counts, strict=True))


def _transposed(x: Array, first: tuple[int, ...]) -> Array:
    """Return an array with its first axes in another order, the others as they are."""
    order = (*first, *range(len(first), x.ndim))
    return x.permute(order) if is_tensor(x) else x.transpose(order)


def _zeros(x: Array, axis: int, count: int) -> Array:
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return x.new_zeros(shape) if is_tensor(x) else np.zeros(shape, dtype=x.dtype)


def _joined(parts: list[Array], axis: int) -> Array:
    return sys.modules["torch"].cat(parts, axis) if is_tensor(parts[0]) else np.concatenate(parts, axis)
