"""Random networks of PyTorch modules that shrink well: what `faltung.capture` is to be right about.

A network is a directed acyclic graph of steps, each a module over earlier maps. A drawn step stays if PyTorch
accepts it and its map is small, so that NaN can be put into every element of the input in turn. Weights are
positive and never zero, and everything is float64: nothing that is read cancels out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

MOST = 120
"""The most units of a map."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Apply(nn.Module):
    """A function with its settings, as a module that prints both."""

    def __init__(self, function: Callable[..., torch.Tensor], *args: Any, **settings: Any) -> None:
        super().__init__()
        self.function, self.args, self.settings = function, args, settings

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        return self.function(*maps, *self.args, **self.settings)

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in self.settings.items())]
        return f"{self.function.__name__}({', '.join(given)})"


class Drawn(nn.Module):
    """A network by its plan: each step is a module and the numbers of the maps that it takes, inputs first.

    Where it is lifted, 1 is added to every map: products with the zeros of a padding have no derivative.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        steps: Sequence[tuple[nn.Module, tuple[int, ...]]],
        lifted: bool = False,
    ) -> None:
        super().__init__()
        self.shapes, self.lifted = tuple(shapes), lifted
        self.steps = nn.ModuleList(module for module, _ in steps)
        self.sources = [sources for _, sources in steps]

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        maps = list(inputs)
        for module, sources in zip(self.steps, self.sources, strict=True):
            made = module(*(maps[source] for source in sources))
            maps.append(made + 1 if self.lifted else made)
        return maps[-1]

    def inputs(self) -> tuple[torch.Tensor, ...]:
        """Return positive numbers for the inputs, no two of them the same."""
        return tuple(spread(torch.empty(shape, dtype=torch.float64)) for shape in self.shapes)

    def __repr__(self) -> str:
        lines = [f"  {number}: input {'x'.join(map(str, shape))}" for number, shape in enumerate(self.shapes)]
        for module, sources in zip(self.steps, self.sources, strict=True):
            mode = "" if module.training is False else " in training"
            lines.append(f"  {len(lines)}: {' '.join(repr(module).split())} of {', '.join(map(str, sources))}{mode}")
        return "\n".join(["Drawn(", *lines, "  each + 1)" if self.lifted else ")"])


def spread(tensor: torch.Tensor) -> torch.Tensor:
    """Fill a tensor with distinct numbers between 0.5 and 1.5 that need no random generator."""
    with torch.no_grad():
        numbers = torch.arange(1, tensor.numel() + 1, dtype=torch.float64) * 0.6180339887498949
        return tensor.copy_((0.5 + numbers % 1).reshape(tensor.shape))


def ready(module: nn.Module) -> nn.Module:
    """Return a module in float64 with positive weights, and in evaluation mode unless it was drawn in training."""
    if not getattr(module, "drawn_in_training", False):
        module.eval()
    module.double()
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            spread(tensor)
    return module


@dataclass(frozen=True)
class Operator:
    """Draws a module for some maps; `maps` says how many it takes."""

    draw: Callable[..., nn.Module]
    maps: int = 1
    nan: bool = True
    """NaN spreads to exactly what reads it."""
    smooth: bool = False
    """The derivative to everything that is read is not zero where all numbers are positive."""


OPERATORS: dict[str, Operator] = {}


def operator(**told: Any) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Register what draws a module, by its name."""

    def register(function: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        OPERATORS[function.__name__] = Operator(function, **told)
        return function

    return register


def numbers(draw: Draw, count: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw(st.integers(low, high)) for _ in range(count))


def spatial(draw: Draw, x: torch.Tensor, most: int = 3) -> int:
    """Draw how many of the last axes are spatial: all but batch and channel, or all but the channel."""
    fitting = [axes for axes in (x.dim() - 2, x.dim() - 1) if 1 <= axes <= most]
    if not fitting:
        raise ValueError("no spatial axes")
    return draw(st.sampled_from([fitting[0], *fitting]))


def axis_of(draw: Draw, x: torch.Tensor) -> int:
    return draw(st.integers(0, x.dim() - 1)) - draw(st.sampled_from([0, x.dim()]))


def divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


# Windows


@operator(smooth=True)
def conv(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    channels = x.shape[-axes - 1]
    groups = draw(st.sampled_from(divisors(channels)))
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](
        channels,
        groups * draw(st.integers(1, 2)),
        numbers(draw, axes, 1, 3),
        stride=numbers(draw, axes, 1, 3),
        padding=draw(st.sampled_from(["valid"])) if draw(st.integers(0, 5)) == 5 else numbers(draw, axes, 0, 3),
        dilation=numbers(draw, axes, 1, 3),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "zeros", "zeros", "circular", "reflect", "replicate"])),
    )


@operator(smooth=True)
def conv_same(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    channels = x.shape[-axes - 1]
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](
        channels,
        channels,
        numbers(draw, axes, 1, 4),
        padding="same",
        dilation=numbers(draw, axes, 1, 2),
        groups=draw(st.sampled_from([1, channels])),
        padding_mode=draw(st.sampled_from(["zeros", "circular", "reflect", "replicate"])),
    )


@operator(smooth=True)
def conv_transposed(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    channels = x.shape[-axes - 1]
    groups = draw(st.sampled_from(divisors(channels)))
    stride, dilation = numbers(draw, axes, 1, 3), numbers(draw, axes, 1, 3)
    return (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1](
        channels,
        groups * draw(st.integers(1, 2)),
        numbers(draw, axes, 1, 3),
        stride=stride,
        padding=numbers(draw, axes, 0, 2),
        output_padding=tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)),
        groups=groups,
        dilation=dilation,
    )


@operator()
def max_pool(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    kernel = numbers(draw, axes, 1, 4)
    return (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1](
        kernel,
        stride=numbers(draw, axes, 1, 3),
        padding=tuple(draw(st.integers(0, k // 2)) for k in kernel),
        dilation=numbers(draw, axes, 1, 3),
        ceil_mode=draw(st.booleans()),
    )


@operator(smooth=True)
def avg_pool(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    kernel = numbers(draw, axes, 1, 4)
    return (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[axes - 1](
        kernel,
        stride=numbers(draw, axes, 1, 3),
        padding=tuple(draw(st.integers(0, k // 2)) for k in kernel),
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()),
    )


@operator(smooth=True)
def lp_pool(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    made = (nn.LPPool1d, nn.LPPool2d, nn.LPPool3d)[axes - 1]
    kernel, stride = numbers(draw, axes, 1, 3), numbers(draw, axes, 1, 3)
    if axes == 1:
        return made(2, kernel[0], stride=stride[0], ceil_mode=draw(st.booleans()))
    return made(2, kernel, stride=stride, ceil_mode=draw(st.booleans()))


@operator(smooth=True)
def adaptive_avg_pool(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    return (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1](
        tuple(draw(st.integers(1, size + 2)) for size in x.shape[-axes:])
    )


@operator()
def adaptive_max_pool(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = spatial(draw, x)
    return (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[axes - 1](
        tuple(draw(st.integers(1, size + 2)) for size in x.shape[-axes:])
    )


# Resampling


def resized(draw: Draw, x: torch.Tensor, **settings: Any) -> nn.Module:
    """Draw the size, or one factor for all axes, used itself or for the size alone."""
    if draw(st.booleans()):
        sizes = tuple(draw(st.integers(1, 2 * size + 2)) for size in x.shape[2:])
        return Apply(functional.interpolate, size=sizes, **settings)
    factor = draw(st.sampled_from([2.0, 0.5, 3.0, 1.5, 0.75, 1.3]))
    recompute = draw(st.sampled_from([None, True]))
    return Apply(functional.interpolate, scale_factor=factor, recompute_scale_factor=recompute, **settings)


@operator()
def nearest(draw: Draw, x: torch.Tensor) -> nn.Module:
    return resized(draw, x, mode=draw(st.sampled_from(["nearest", "nearest-exact"])))


@operator()
def linear_interpolation(draw: Draw, x: torch.Tensor) -> nn.Module:
    mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[x.dim()]
    return resized(draw, x, mode=mode, align_corners=draw(st.booleans()))


@operator()
def cubic_interpolation(draw: Draw, x: torch.Tensor) -> nn.Module:
    return resized(draw, x, mode="bicubic", align_corners=draw(st.booleans()))


@operator()
def antialiased(draw: Draw, x: torch.Tensor) -> nn.Module:
    mode = draw(st.sampled_from(["bilinear", "bicubic"]))
    module = resized(draw, x, mode=mode, align_corners=False, antialias=True)
    if module(x).shape[-1] == 1:
        raise ValueError("PyTorch 2.13 gives all rows of a picture of width 1 the numbers of the first")
    return module


@operator(smooth=True)
def area(draw: Draw, x: torch.Tensor) -> nn.Module:
    return resized(draw, x, mode="area")


# Movement


@operator(smooth=True)
def pad(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = draw(st.integers(1, x.dim()))
    return Apply(functional.pad, numbers(draw, 2 * axes, -2, 2))


@operator(smooth=True)
def pad_from_itself(draw: Draw, x: torch.Tensor) -> nn.Module:
    mode = draw(st.sampled_from(["reflect", "replicate", "circular"]))
    return Apply(functional.pad, numbers(draw, 2 * spatial(draw, x), 0, 3), mode=mode)


@operator(smooth=True)
def pixel_shuffle(draw: Draw, x: torch.Tensor) -> nn.Module:
    factor = draw(st.integers(2, 3))
    widened = nn.Conv2d(x.shape[-3], factor**2 * draw(st.integers(1, 2)), 1)
    return nn.Sequential(widened, nn.PixelShuffle(factor))


@operator(smooth=True)
def pixel_unshuffle(draw: Draw, x: torch.Tensor) -> nn.Module:
    fitting = [factor for factor in (2, 3) if x.dim() > 2 and not x.shape[-1] % factor and not x.shape[-2] % factor]
    return nn.PixelUnshuffle(draw(st.sampled_from(fitting or [1])))


@operator(smooth=True)
def channel_shuffle(draw: Draw, x: torch.Tensor) -> nn.Module:
    groups = draw(st.sampled_from(divisors(x.shape[1])))
    return draw(st.sampled_from([nn.ChannelShuffle(groups), Apply(shuffled_by_hand, groups)]))


def shuffled_by_hand(x: torch.Tensor, groups: int) -> torch.Tensor:
    """Shuffle channels with views, as ShuffleNet does."""
    n, c, *rest = x.shape
    return x.view(n, groups, c // groups, *rest).transpose(1, 2).reshape(n, c, *rest)


@operator(smooth=True)
def sliced(draw: Draw, x: torch.Tensor) -> nn.Module:
    slices = tuple(
        slice(draw(st.integers(0, size - 1)), draw(st.integers(1 - size, size + 1)) or None, draw(st.integers(1, 3)))
        for size in x.shape
    )
    return Apply(torch.Tensor.__getitem__, slices)


@operator(smooth=True)
def focus(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(focused)


def focused(x: torch.Tensor) -> torch.Tensor:
    """Put the even and the odd places of the last axis into channels, as YOLOv5 does."""
    return torch.cat([x[..., 0::2], x[..., 1::2]], 1)


@operator(smooth=True)
def selected(draw: Draw, x: torch.Tensor) -> nn.Module:
    axis = axis_of(draw, x)
    return Apply(torch.select, axis, draw(st.integers(0, x.shape[axis] - 1)))


@operator(smooth=True)
def flipped(draw: Draw, x: torch.Tensor) -> nn.Module:
    axes = draw(st.lists(st.integers(0, x.dim() - 1), min_size=1, max_size=2, unique=True))
    return Apply(torch.flip, axes)


@operator(smooth=True)
def rolled(draw: Draw, x: torch.Tensor) -> nn.Module:
    if draw(st.integers(0, 4)) == 4:
        return Apply(torch.roll, draw(st.integers(-5, 5)))
    axes = draw(st.lists(st.integers(0, x.dim() - 1), min_size=1, max_size=2, unique=True))
    return Apply(torch.roll, [draw(st.integers(-5, 5)) for _ in axes], axes)


@operator(smooth=True)
def halves_exchanged(draw: Draw, x: torch.Tensor) -> nn.Module:
    dims = draw(st.one_of(st.none(), st.lists(st.integers(0, x.dim() - 1), min_size=1, max_size=2, unique=True)))
    return Apply(draw(st.sampled_from([torch.fft.fftshift, torch.fft.ifftshift])), dims)


@operator(smooth=True)
def permuted(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(torch.permute, draw(st.permutations(range(x.dim()))))


@operator(smooth=True)
def flattened(draw: Draw, x: torch.Tensor) -> nn.Module:
    start = draw(st.integers(0, x.dim() - 2))
    return Apply(torch.flatten, start, draw(st.integers(start + 1, x.dim() - 1)))


@operator(smooth=True)
def unflattened(draw: Draw, x: torch.Tensor) -> nn.Module:
    axis = draw(st.integers(0, x.dim() - 1))
    first = draw(st.sampled_from(divisors(x.shape[axis])))
    return Apply(torch.unflatten, axis, (first, x.shape[axis] // first))


@operator(smooth=True)
def viewed(draw: Draw, x: torch.Tensor) -> nn.Module:
    """Split the units otherwise, without regard to what the axes mean."""
    left, shape = x.numel(), []
    for _ in range(draw(st.integers(0, 3))):
        shape.append(draw(st.sampled_from(divisors(left))))
        left //= shape[-1]
    return Apply(torch.reshape, (*shape, left))


@operator(smooth=True)
def patches(draw: Draw, x: torch.Tensor) -> nn.Module:
    """im2col: windows side by side (torch.nn.Unfold)."""
    windows = (numbers(draw, 2, 1, 3), numbers(draw, 2, 1, 2), numbers(draw, 2, 0, 1), numbers(draw, 2, 1, 2))
    return nn.Unfold(*windows)


@operator(smooth=True)
def overlapped(draw: Draw, x: torch.Tensor) -> nn.Module:
    """im2col and col2im, a convolution by its parts (torch.nn.Fold)."""
    settings = {
        "kernel_size": numbers(draw, 2, 1, 3),
        "stride": numbers(draw, 2, 1, 2),
        "padding": numbers(draw, 2, 0, 1),
        "dilation": numbers(draw, 2, 1, 2),
    }
    return nn.Sequential(nn.Unfold(**settings), nn.Fold(tuple(x.shape[-2:]), **settings))


@operator(smooth=True)
def windowed(draw: Draw, x: torch.Tensor) -> nn.Module:
    """Windows as an axis of their own (torch.Tensor.unfold)."""
    axis = axis_of(draw, x)
    return Apply(torch.Tensor.unfold, axis, draw(st.integers(1, x.shape[axis])), draw(st.integers(1, 2)))


@operator(smooth=True)
def repeated(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(torch.tile, numbers(draw, x.dim(), 1, 2))


@operator(smooth=True)
def repeated_in_place(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(torch.repeat_interleave, draw(st.integers(1, 3)), axis_of(draw, x))


@operator(smooth=True)
def expanded(draw: Draw, x: torch.Tensor) -> nn.Module:
    axis = draw(st.integers(0, x.dim()))
    return Apply(shown_often, axis, draw(st.integers(1, 3)))


def shown_often(x: torch.Tensor, axis: int, times: int) -> torch.Tensor:
    """Give x a new axis along which it is the same."""
    y = x.unsqueeze(axis)
    return y.expand([times if place == axis else -1 for place in range(y.dim())])


@operator(smooth=True)
def chunk(draw: Draw, x: torch.Tensor) -> nn.Module:
    axis = axis_of(draw, x)
    return Apply(one_chunk, draw(st.integers(1, 3)), axis, draw(st.integers(0, 2)))


def one_chunk(x: torch.Tensor, chunks: int, axis: int, which: int) -> torch.Tensor:
    """Return one of the pieces of an axis."""
    pieces = x.chunk(chunks, axis)
    return pieces[which % len(pieces)]


@operator(smooth=True)
def lower_triangle(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(draw(st.sampled_from([torch.tril, torch.triu])), draw(st.integers(-2, 2)))


@operator(smooth=True)
def diagonal(draw: Draw, x: torch.Tensor) -> nn.Module:
    first, second = draw(st.permutations(range(x.dim())))[:2]
    return Apply(torch.diagonal, draw(st.integers(-2, 2)), first, second)


# Branches that meet


@operator(maps=2, smooth=True)
def add(draw: Draw, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return Apply(torch.add)


@operator(maps=2, smooth=True)
def gate(draw: Draw, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return Apply(torch.mul)


@operator(maps=2, smooth=True)
def cat(draw: Draw, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return Apply(joined, axis_of(draw, x))


def joined(x: torch.Tensor, y: torch.Tensor, axis: int) -> torch.Tensor:
    """Put two maps one behind the other."""
    return torch.cat([x, y], axis)


@operator(maps=2, smooth=True)
def stack(draw: Draw, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return Apply(stacked, draw(st.integers(-1, x.dim())))


def stacked(x: torch.Tensor, y: torch.Tensor, axis: int) -> torch.Tensor:
    """Put two maps side by side along a new axis."""
    return torch.stack([x, y], axis)


@operator(maps=2, smooth=True)
def skip(draw: Draw, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return Apply(fitted, draw(st.integers(0, 2)), draw(st.booleans()))


def fitted(x: torch.Tensor, y: torch.Tensor, before: int, concatenated: bool) -> torch.Tensor:
    """Crop or pad y to the size of x and join them, as U-Nets do."""
    first = 2 if concatenated else 0
    sides: list[int] = []
    for a, b in zip(reversed(x.shape[first:]), reversed(y.shape[first:]), strict=True):
        front = min(before, a - b) if a > b else max(-before, a - b)
        sides += [front, a - b - front]
    fitting = functional.pad(y, sides)
    return torch.cat([x, fitting], 1) if concatenated else x + fitting


@operator(maps=2, smooth=True)
def product(draw: Draw, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return Apply(draw(st.sampled_from([torch.matmul, matmul_transposed])))


def matmul_transposed(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Compare the rows of two maps."""
    return x @ y.mT


@operator(maps=2, smooth=True)
def einsum(draw: Draw, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    return Apply(
        summed, draw(st.sampled_from(["...ij,...ik->...jk", "...ij,...kj->k...i", "...i,...i->...", "i...,i...->..."]))
    )


def summed(x: torch.Tensor, y: torch.Tensor, equation: str) -> torch.Tensor:
    """A sum of products."""
    return torch.einsum(equation, x, y)


# Place by place


@operator()
def relu(draw: Draw, x: torch.Tensor) -> nn.Module:
    return draw(st.sampled_from([nn.ReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Hardswish, nn.Tanh, nn.Dropout]))()


@operator()
def prelu(draw: Draw, x: torch.Tensor) -> nn.Module:
    return nn.PReLU(draw(st.sampled_from([1, x.shape[1]])))


@operator(smooth=True)
def scaled(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Scaled(tuple(size if draw(st.booleans()) else 1 for size in x.shape))


class Scaled(nn.Module):
    """A learned factor and summand, stretched over some axes (layer scale, position parameters)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.factor, self.position = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + self.position

    def extra_repr(self) -> str:
        return str(tuple(self.factor.shape))


@operator()
def in_place(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(overwritten, draw(st.integers(0, x.dim() - 1)))


def overwritten(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Change the first place of an axis in place, where it was read before."""
    y = x * 2
    y.select(axis, 0).copy_(y.select(axis, -1))
    return y


# Reductions


def some_axes(draw: Draw, x: torch.Tensor) -> list[int]:
    return draw(st.lists(st.integers(0, x.dim() - 1), min_size=1, max_size=max(x.dim() - 1, 1), unique=True))


@operator(smooth=True)
def excite(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(excited, some_axes(draw, x))


def excited(x: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """Weigh a map by its own means, as squeeze and excitation does."""
    return x * x.mean(axes, keepdim=True)


@operator(smooth=True)
def mean(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(draw(st.sampled_from([torch.mean, torch.sum])), some_axes(draw, x), keepdim=draw(st.booleans()))


@operator()
def largest(draw: Draw, x: torch.Tensor) -> nn.Module:
    chosen = draw(st.sampled_from([torch.amax, torch.amin, torch.logsumexp]))
    return Apply(chosen, some_axes(draw, x), keepdim=draw(st.booleans()))


@operator(nan=False, smooth=True)
def mean_of_numbers(draw: Draw, x: torch.Tensor) -> nn.Module:
    """Reductions that leave NaN out: it cannot tell that they read it."""
    chosen = draw(st.sampled_from([torch.nanmean, torch.nansum]))
    return Apply(chosen, some_axes(draw, x), keepdim=draw(st.booleans()))


@operator(smooth=True)
def running_sum(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(torch.cumsum, axis_of(draw, x))


@operator()
def differences(draw: Draw, x: torch.Tensor) -> nn.Module:
    axis = axis_of(draw, x)
    if draw(st.booleans()):
        return Apply(slopes, axis, draw(st.integers(1, 2)))
    return Apply(torch.diff, draw(st.integers(1, 3)), axis)


def slopes(x: torch.Tensor, axis: int, order: int) -> torch.Tensor:
    """The slope along an axis."""
    return torch.gradient(x, dim=axis, edge_order=order)[0]


@operator()
def spectrogram(draw: Draw, x: torch.Tensor) -> nn.Module:
    frame = draw(st.integers(2, 6))
    return Apply(frames, frame, draw(st.integers(1, frame)), draw(st.booleans()))


def frames(x: torch.Tensor, frame: int, hop: int, center: bool) -> torch.Tensor:
    """Magnitudes of the spectra of frames of a line."""
    window = torch.ones(frame, dtype=x.dtype)
    return torch.stft(x.reshape(-1), frame, hop, window=window, center=center, return_complex=True).abs()


@operator(smooth=True)
def kronecker(draw: Draw, x: torch.Tensor) -> nn.Module:
    factor = spread(torch.empty(draw(st.lists(st.integers(1, 2), min_size=1, max_size=2)), dtype=torch.float64))
    return Apply(times, factor, draw(st.booleans()))


def times(x: torch.Tensor, factor: torch.Tensor, first: bool) -> torch.Tensor:
    """The Kronecker product with a constant."""
    return torch.kron(x, factor) if first else torch.kron(factor, x)


@operator()
def softmax(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(draw(st.sampled_from([torch.softmax, torch.log_softmax])), axis_of(draw, x))


@operator()
def spectrum(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(magnitudes, axis_of(draw, x))


def magnitudes(x: torch.Tensor, axis: int) -> torch.Tensor:
    """The Fourier transform of an axis, without its phase."""
    return torch.fft.fft(x, dim=axis).abs()


# Normalisation


@operator()
def batch_norm(draw: Draw, x: torch.Tensor) -> nn.Module:
    module = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[x.dim()](
        x.shape[1], affine=draw(st.booleans())
    )
    module.drawn_in_training = draw(st.booleans())
    return module


@operator()
def layer_norm(draw: Draw, x: torch.Tensor) -> nn.Module:
    last = draw(st.integers(1, x.dim()))
    return nn.LayerNorm(tuple(x.shape[-last:]))


@operator()
def rms_norm(draw: Draw, x: torch.Tensor) -> nn.Module:
    last = draw(st.integers(1, x.dim()))
    return nn.RMSNorm(tuple(x.shape[-last:]))


@operator()
def group_norm(draw: Draw, x: torch.Tensor) -> nn.Module:
    return nn.GroupNorm(draw(st.sampled_from(divisors(x.shape[1]))), x.shape[1])


@operator()
def instance_norm(draw: Draw, x: torch.Tensor) -> nn.Module:
    return {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}[x.dim()](
        x.shape[1], affine=draw(st.booleans()), track_running_stats=draw(st.booleans())
    )


@operator()
def local_response_norm(draw: Draw, x: torch.Tensor) -> nn.Module:
    return nn.LocalResponseNorm(draw(st.integers(1, 4)))


# Products


@operator(smooth=True)
def linear(draw: Draw, x: torch.Tensor) -> nn.Module:
    return nn.Linear(x.shape[-1], draw(st.integers(1, 3)), bias=draw(st.booleans()))


@operator()
def attention(draw: Draw, x: torch.Tensor) -> nn.Module:
    return Apply(attended, draw(st.booleans()))


def attended(x: torch.Tensor, fused: bool) -> torch.Tensor:
    """Self-attention over all places, one head."""
    tokens = x.flatten(2).mT
    if fused:
        mixed = functional.scaled_dot_product_attention(tokens, tokens, tokens)
    else:
        mixed = torch.softmax(tokens @ tokens.mT, -1) @ tokens
    return mixed.mT.reshape(x.shape)


@operator(nan=False, smooth=True)
def causal_attention(draw: Draw, x: torch.Tensor) -> nn.Module:
    """NaN spoils whole rows of scores before they are masked: it cannot tell what the mask hides."""
    return Apply(attended_so_far)


def attended_so_far(x: torch.Tensor) -> torch.Tensor:
    """Self-attention over the places up to each.

    Scores are so small that none saturates, places differ, and each weighs itself: the softmax of one is constant.
    """
    tokens = x.flatten(2).mT
    tokens = tokens + torch.linspace(1, 2, tokens.shape[1], dtype=x.dtype)[:, None] ** 2
    mixed = functional.scaled_dot_product_attention(tokens, tokens, tokens, is_causal=True, scale=1e-6)
    return (mixed * tokens.sum(-1, keepdim=True)).mT


NAN = tuple(name for name, told in OPERATORS.items() if told.nan)
"""Operators through which NaN shows what is read."""

SMOOTH = tuple(name for name, told in OPERATORS.items() if told.smooth)
"""Operators through which a derivative does."""

_REFUSALS = (RuntimeError, ValueError, TypeError, KeyError, IndexError, NotImplementedError)


@st.composite
def models(draw: Draw, operators: Sequence[str] = NAN, longest: int = 5, lifted: bool = False) -> Drawn:
    """Draw a network of up to `longest` steps, of one input or two."""
    shapes = [draw(_shapes())]
    if draw(st.integers(0, 5)) == 5:
        shapes.append(shapes[0] if draw(st.booleans()) else draw(_shapes()))
    maps = [spread(torch.empty(shape, dtype=torch.float64)) for shape in shapes]
    steps: list[tuple[nn.Module, tuple[int, ...]]] = []
    for _ in range(3 * longest):
        if len(steps) == longest or (steps and not draw(st.sampled_from([False, *[True] * 15]))):
            break
        told = OPERATORS[draw(st.sampled_from(operators))]
        last = len(maps) - 1
        sources = [last if draw(st.integers(0, 4)) < 4 else draw(st.integers(0, last))]
        sources += [draw(st.integers(0, last)) for _ in range(told.maps - 1)]
        taken = [maps[source] for source in sources]
        try:
            module = ready(told.draw(draw, *taken))
            with torch.no_grad():
                made = module(*(x.clone() for x in taken))
        except _REFUSALS:  # it does not fit here: PyTorch is the judge
            continue
        if not 0 < made.numel() <= MOST or made.dim() > 6 or not made.isfinite().all():
            continue
        steps.append((module, tuple(sources)))
        maps.append(made + 1 if lifted else made)
    return Drawn(shapes, steps or [(nn.ReLU().eval(), (0,))], lifted)


@st.composite
def _shapes(draw: Draw) -> tuple[int, ...]:
    axes = draw(st.sampled_from([2, 1, 3, 0]))
    most = {0: 6, 1: 12, 2: 6, 3: 4}[axes]
    shape = draw(st.integers(1, 2)), draw(st.integers(1, 4)), *numbers(draw, axes, 1, most)
    while prod(shape) > MOST:
        shape = tuple(max(1, size - 1) for size in shape)
    return shape
