"""The gradients of a convolution layer on arrays, each computed as the convolution that it is."""

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import FaltungError
from faltung.filters._arrays import dtype_name, extremes, is_tensor, library, read
from faltung.gradient import trilinear
from faltung.gradient.geometry import Padding, PerAxis, check_positions, geometry, per_axis
from faltung.gradient.trilinear import Array

if TYPE_CHECKING:
    from torch import Tensor

MOST_AXES = 3


def weight(
    x: Array,
    dy: Array,
    kernel: PerAxis,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: str = "zero",
    transposed: bool = False,
) -> Array:
    r"""Return dL/dW of a convolution layer, from its input and dL/dY.

        dL/dW[o, c, u] = sum over the batch and all i of dL/dY[o, i] * X[c, s*i + d*u - p]

    It is X cross-correlated with dL/dY, stride and dilation swapped; where the layer leaves pixels behind its last
    window the answer has more taps than W, which are cut off. Of a transposed convolution it is dL/dY
    cross-correlated with X. `faltung.derive("dL/dW")` derives both.

    Parameters
    ----------
    x : array_like or torch.Tensor, shape (batch, inputs, *pixels)
        The layer's input, over 1 to 3 axes.
    dy : the same, shape (batch, outputs, *positions)
        The derivative of the loss by the layer's output.
    kernel : int or sequence of int
        Taps of W along each axis.
    stride, dilation : int or sequence of int
        Steps between neighbouring outputs, and between neighbouring taps.
    padding : int, 'same', 'valid' or a sequence
        How far the input is continued: a number, or for each axis a number or a pair (before, after).
    groups : int
        Groups of channels.
    boundary : {'zero', 'reflect', 'replicate', 'circular'}
        What lies beyond the border; see `faltung.boundary`.
    transposed : bool
        Of the transposed convolution with these numbers (then the boundary is 'zero').

    Returns
    -------
    numpy.ndarray or torch.Tensor
        Shape (outputs, inputs / groups, *kernel) as torch.nn.Conv2d has it; transposed (inputs, outputs / groups,
        *kernel). Whole numbers give int64, exactly; others the promotion of the two dtypes.

    Raises
    ------
    FaltungError
        In one line, for shapes and numbers that make no layer, or whole numbers whose sums may exceed int64.

    Examples
    --------
    >>> import numpy as np
    >>> weight(np.array([[[1, 2, 3, 4]]]), np.array([[[1, 0, -1]]]), 2)
    array([[[-2, -2]]])
    """
    name = "gradient.weight"
    x, dy = _pair(x, dy, name, "x", "dy")
    spatial = x.ndim - 2
    taps = per_axis(kernel, spatial, "kernel", name)
    _check_groups(groups, x, dy, name)
    small, large = (x, dy) if transposed else (dy, x)
    settings: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "boundary": boundary,
    }
    outputs = tuple(dy.shape[2:]) if transposed else None
    lies = geometry(name, tuple(x.shape[2:]), taps, **settings, outputs=outputs)
    check_positions(name, lies, tuple(small.shape[2:]), "x" if transposed else "dy")
    _check_sums(name, x, dy, terms=int(np.prod(small.shape[2:])) * len(x))
    return trilinear.weighed(trilinear.padded(large, lies), small, lies)


def input(
    dy: Array,
    w: Array,
    size: PerAxis,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: str = "zero",
    transposed: bool = False,
) -> Array:
    r"""Return dL/dX of a convolution layer, from dL/dY and its weights.

        dL/dX[c, a] = sum over o and all m with s | a + p - d*m of dL/dY[o, (a + p - d*m)/s] * W[o, c, m]

    It is the transposed convolution of dL/dY with W, with as much output padding as pixels lie behind the last
    window: without that the answer is too small for X wherever the windows do not end exactly at the border. With
    another boundary than zero, what falls into the padding is added to the pixel that it copies. Of a transposed
    convolution it is dL/dY cross-correlated with W. `faltung.derive("dL/dX")` derives all three.

    Parameters
    ----------
    dy : array_like or torch.Tensor, shape (batch, outputs, *positions)
        The derivative of the loss by the layer's output, over 1 to 3 axes.
    w : the same, shape (outputs, inputs / groups, *kernel), transposed (inputs, outputs / groups, *kernel)
        The layer's weights.
    size : int or sequence of int
        Pixels of X along each axis, which dL/dY alone does not tell.
    stride, padding, dilation, groups, boundary, transposed
        As for `weight`.

    Returns
    -------
    numpy.ndarray or torch.Tensor, shape (batch, inputs, *size)
        Whole numbers give int64, exactly; others the promotion of the two dtypes.

    Raises
    ------
    FaltungError
        As `weight` does.

    Examples
    --------
    A stride of 2 leaves the last of 4 pixels unread, and its derivative is 0:

    >>> import numpy as np
    >>> input(np.array([[[1, 10]]]), np.array([[[3]]]), 4, stride=2)
    array([[[ 3,  0, 30,  0]]])
    """
    name = "gradient.input"
    dy, w = _pair(dy, w, name, "dy", "w")
    spatial = dy.ndim - 2
    taps, pixels = tuple(w.shape[2:]), per_axis(size, spatial, "size", name)
    outputs = groups * w.shape[1] if transposed else len(w)
    if groups < 1 or len(w) % groups or dy.shape[1] != outputs:
        raise FaltungError(
            f"{name}: dy has {dy.shape[1]} channels; w of shape {tuple(w.shape)} in {groups} groups gives {outputs}"
        )
    settings: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "boundary": boundary,
    }
    lies = geometry(name, pixels, taps, **settings, outputs=tuple(dy.shape[2:]) if transposed else None)
    terms = int(np.prod(taps)) * (outputs // groups)
    if transposed:
        _check_sums(name, dy, w, terms)
        found = trilinear.correlated(trilinear.padded(dy, lies), w, lies)
        return found[(slice(None), slice(None), *map(slice, pixels))]
    check_positions(name, lies, tuple(dy.shape[2:]), "dy")
    _check_sums(name, dy, w, terms * 3 ** len(taps))  # a pixel may be copied to both ends of each axis
    return trilinear.folded(trilinear.spread(dy, w, lies), lies)


def bias(dy: Array) -> Array:
    """Return dL/db of a convolution layer: dL/dY summed over the batch and all positions.

    Parameters
    ----------
    dy : array_like or torch.Tensor, shape (batch, outputs, *positions)
        The derivative of the loss by the layer's output.

    Returns
    -------
    numpy.ndarray or torch.Tensor, shape (outputs,)
        Whole numbers give int64, exactly.

    Examples
    --------
    >>> import numpy as np
    >>> bias(np.array([[[1, 2, 3], [0, 0, 5]]]))
    array([6, 5])
    """
    dy = _read(dy, "gradient.bias", "dy")
    return dy.sum((0, *range(2, dy.ndim)))


def convolution(
    x: "Tensor",
    w: "Tensor",
    b: "Tensor | None" = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: str = "zero",
) -> "Tensor":
    """Return the layer's output, differentiable any number of times by the formulas of this module alone.

    The layer is cross-correlation, as torch.nn.functional.conv2d has it, over 1 to 3 axes; its derivatives are
    `input`, `weight` and `bias`, theirs are again convolutions, and PyTorch's own are never asked.

    Parameters
    ----------
    x : torch.Tensor, shape (batch, inputs, *pixels)
        The input.
    w : torch.Tensor, shape (outputs, inputs / groups, *kernel)
        The weights.
    b : torch.Tensor, shape (outputs,), optional
        The bias.
    stride, padding, dilation, groups, boundary
        As for `weight`.

    Returns
    -------
    torch.Tensor, shape (batch, outputs, *positions)

    Raises
    ------
    FaltungError
        As `weight` does, and if x or w is no tensor.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[1.0, 2.0, 4.0]]], requires_grad=True)
    >>> convolution(x, torch.tensor([[[1.0, -1.0]]])).sum().backward()
    >>> x.grad
    tensor([[[ 1.,  0., -1.]]])
    """
    name = "gradient.convolution"
    if not is_tensor(x) or not is_tensor(w):
        raise FaltungError(f"{name}: x and w must be tensors; derivatives of arrays are gradient.input and .weight")
    from faltung.gradient.autograd import convolved

    x, w = _pair(x, w, name, "x", "w")
    if groups < 1 or len(w) % groups or x.shape[1] != groups * w.shape[1]:
        raise FaltungError(
            f"{name}: x has {x.shape[1]} channels; w of shape {tuple(w.shape)} in {groups} groups reads "
            f"{groups * w.shape[1]}"
        )
    settings: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "boundary": boundary,
    }
    y = convolved(x, w, geometry(name, tuple(x.shape[2:]), tuple(w.shape[2:]), **settings))
    return y if b is None else y + b.reshape(-1, *(1,) * (x.ndim - 2))


def _read(value: Any, name: str, what: str) -> Array:
    """Return what was passed as numbers over a batch, channels and 1 to 3 axes; whole numbers as int64."""
    array = read(value, f"{name}: {what}")
    if not 3 <= array.ndim <= 2 + MOST_AXES:
        raise FaltungError(
            f"{name}: {what} must have a batch, channels and 1 to {MOST_AXES} axes, got shape {tuple(array.shape)}"
        )
    if 0 in array.shape:
        raise FaltungError(f"{name}: {what} is empty, its shape is {tuple(array.shape)}")
    if _is_whole(array):
        array = array.to(library(array).int64) if is_tensor(array) else array.astype(np.int64)
    return array


def _is_whole(array: Array) -> bool:
    return dtype_name(array).lstrip("u").startswith(("int", "bool"))


def _pair(one: Any, other: Any, name: str, *what: str) -> tuple[Array, Array]:
    """Return two arrays of one library, one dtype and as many axes."""
    a, b = _read(one, name, what[0]), _read(other, name, what[1])
    if is_tensor(a) != is_tensor(b):
        raise FaltungError(f"{name}: {what[0]} and {what[1]} must both be arrays or both be tensors")
    if a.ndim != b.ndim:
        raise FaltungError(
            f"{name}: {what[0]} of shape {tuple(a.shape)} and {what[1]} of shape {tuple(b.shape)} differ in axes"
        )
    if is_tensor(a):
        common = library(a).promote_types(a.dtype, b.dtype)
        return a.to(common), b.to(common)
    common = np.result_type(a, b)
    return a.astype(common, copy=False), b.astype(common, copy=False)


def _check_groups(groups: int, x: Array, dy: Array, name: str) -> None:
    if len(x) != len(dy):
        raise FaltungError(f"{name}: x has a batch of {len(x)} and dy one of {len(dy)}")
    if groups < 1 or x.shape[1] % groups or dy.shape[1] % groups:
        raise FaltungError(f"{name}: {x.shape[1]} and {dy.shape[1]} channels cannot be put into {groups} groups")


def _check_sums(name: str, one: Array, other: Array, terms: int) -> None:
    """Refuse whole numbers whose sum of so many products might not fit int64."""
    if _is_whole(one) and _is_whole(other):
        most = [max(map(abs, extremes(array))) for array in (one, other)]
        if most[0] * most[1] * terms >= 2**63:
            raise FaltungError(
                f"{name}: sums of {terms} products of up to {most[0]} * {most[1]} may exceed int64; use floats or "
                "Python ints (dtype object)"
            )
