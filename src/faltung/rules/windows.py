"""Windows along one axis: convolution, pooling, transposed convolution, nearest upsampling.

A rule says, for one axis, what the operator reads (a `Reads`) and how many outputs it has.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.reads import Reads

MOST = 2**16
"""The largest kernel, stride or dilation taken: far beyond any network, and small enough to compute with."""


class AxisRule(Protocol):
    """What an operator does along one axis."""

    @property
    def reads(self) -> Reads:
        """The relation, over all integers."""

    def output_size(self, inputs: int, *, axis: str, layer: str) -> int:
        """Return the number of outputs for `inputs` inputs; `axis` and `layer` name them in errors."""


@dataclass(frozen=True)
class Window:
    """Convolution, cross-correlation and pooling: a window of `kernel` taps that slides.

    Output i reads inputs `stride*i + dilation*m - before` for 0 <= m < kernel. Sizes as PyTorch gives them
    (Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, relationships 1-6), and
    with `ceil_mode` as torch.nn.MaxPool2d documents it: a last window may hang over the end, if it starts
    before the padding behind.

    >>> Window(kernel=3, stride=2, before=1, after=1).output_size(224, axis="x", layer="conv1")
    112
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        positive(kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        not_negative(padding=min(self.before, self.after))

    @property
    def extent(self) -> int:
        """Inputs from the first tap to the last, both counted."""
        return self.dilation * (self.kernel - 1) + 1

    @cached_property
    def reads(self) -> Reads:
        """The relation: one phase, taps dilation*m - before."""
        first = -self.before
        if self.dilation == 1:
            return Reads(self.stride, [IntervalSet.of([(first, first + self.kernel)])])
        return Reads(self.stride, [range(first, first + self.extent, self.dilation)])

    def output_size(self, inputs: int, *, axis: str, layer: str) -> int:
        """Return how many windows fit; refuse by name where not even one does."""
        padded = inputs + self.before + self.after
        hang_over = self.stride - 1 if self.ceil_mode else 0
        count = self.reads.output_size(inputs, self.before, self.after + hang_over)
        if self.ceil_mode and (count - 1) * self.stride >= inputs + self.before:
            count -= 1
        if count < 1:
            padding = f"p={self.before}" if self.before == self.after else f"p={self.before}+{self.after}"
            raise FaltungError(
                f"{layer}, axis {axis}: a window of {self.extent} (k={self.kernel}, d={self.dilation}) does "
                f"not fit the padded input of {padded} (n={inputs}, {padding})"
            )
        return count


@dataclass(frozen=True)
class TransposedWindow:
    """Transposed convolution: reads what the convolution with the same numbers is read by.

    Its size is the number of inputs that convolution would need for that many outputs, plus
    `output_padding` (Dumoulin and Visin, 2016, relationships 8-14; torch.nn.ConvTranspose2d).

    >>> TransposedWindow(kernel=4, stride=2, before=1, after=1).output_size(7, axis="x", layer="tconv1")
    14
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    output_padding: int = 0

    def __post_init__(self) -> None:
        not_negative(output_padding=self.output_padding)
        if self.output_padding >= max(self.stride, self.dilation):
            raise FaltungError(
                f"output padding {self.output_padding} must be smaller than the stride {self.stride} or the "
                f"dilation {self.dilation}"
            )

    @cached_property
    def forward(self) -> Window:
        """The convolution that this one transposes."""
        return Window(self.kernel, self.stride, self.dilation, self.before, self.after)

    @cached_property
    def reads(self) -> Reads:
        """The transposed relation: `stride` phases."""
        return self.forward.reads.transpose()

    def output_size(self, inputs: int, *, axis: str, layer: str) -> int:
        """Return the size; refuse by name where the padding cuts everything away."""
        size = self.forward.reads.input_size(inputs, 0, self.after) + self.output_padding
        if size < 1:
            raise FaltungError(
                f"{layer}, axis {axis}: padding {self.before}+{self.after} cuts away all of the output "
                f"(n={inputs}, k={self.kernel}, s={self.stride}, d={self.dilation}, op={self.output_padding})"
            )
        return size


@dataclass(frozen=True)
class NearestUpsampling:
    """Nearest-neighbour upsampling by a whole factor: outputs scale*i .. scale*i + scale-1 read input i.

    >>> NearestUpsampling(2).output_size(7, axis="x", layer="upsample1")
    14
    """

    scale: int

    def __post_init__(self) -> None:
        positive(scale=self.scale)

    @cached_property
    def reads(self) -> Reads:
        """The relation: `scale` phases, each the one tap 0."""
        return Reads(1, [[0]] * self.scale)

    def output_size(self, inputs: int, *, axis: str, layer: str) -> int:
        """Return scale * inputs."""
        return self.reads.output_size(inputs)


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """Return the padding (before, after) that keeps the size at stride 1.

    The kernel's origin stands at floor(dilation*(kernel-1)/2), so an even kernel gets its extra padding
    behind: the rule of padding='same' in torch.nn.Conv2d. At stride s every s-th of those outputs remains,
    ceil(n/s) of them (unlike TensorFlow's SAME, whose padding depends on the size).

    >>> same_padding(5), same_padding(4), same_padding(3, dilation=2)
    ((2, 2), (1, 2), (2, 2))
    """
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def positive(**numbers: int) -> None:
    """Refuse numbers below 1 or beyond all reason."""
    for name, number in numbers.items():
        if number < 1:
            raise FaltungError(f"{name} {number} must be at least 1")
        if number > MOST:
            raise FaltungError(f"{name} {number} must be at most {MOST}")


def not_negative(**numbers: int) -> None:
    """Refuse numbers below 0."""
    for name, number in numbers.items():
        if number < 0:
            raise FaltungError(f"{name.replace('_', ' ')} {number} must not be negative")
