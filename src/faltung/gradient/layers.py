"""The layer that is derived: an operator and, for each axis, its numbers or the symbols that stand for them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from faltung.formulas import Scalar, Symbol, floor, render

KINDS = {
    "conv": "cross-correlation",
    "tconv": "transposed convolution",
    "avgpool": "average pooling",
    "maxpool": "max pooling",
}
"""The operators that are derived, by their names in the text form."""

WEIGHTED = ("conv", "tconv")
"""Those that have weights and a bias."""

REST = "positions behind the last window"
"""The name of a symbol that stands in no formula."""

ONE = Scalar.of(1)


@dataclass(frozen=True)
class Axis:
    """One axis of a layer: a kernel of `kernel` taps, and so on.

    Parameters
    ----------
    rest : Scalar
        Positions behind the last window, of a transposed convolution its output padding. Where they are not known,
        a symbol that no formula holds.
    inputs, outputs : Symbol
        The sizes of X and Y.
    """

    kernel: Scalar
    stride: Scalar
    dilation: Scalar
    before: Scalar
    after: Scalar
    rest: Scalar
    inputs: Symbol
    outputs: Symbol

    @property
    def extent(self) -> Scalar:
        """Positions from the first tap to the last, both counted."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def padding_text(self) -> str:
        """The padding in the text form."""
        if self.before.number is None and self.before == floor(self.extent - 1, 2):
            return "same"
        before, after = (render.scalar(side, render.TEXT) for side in (self.before, self.after))
        return before if before == after else f"{before}+{after}"

    def numbers(self) -> Iterator[Scalar]:
        """Yield what the axis is described by."""
        yield from (self.kernel, self.stride, self.dilation, self.before, self.after)


@dataclass(frozen=True)
class Layer:
    """An operator over some axes.

    Parameters
    ----------
    operator : str
        One of `KINDS`.
    axes : tuple of Axis
        First axis first.
    groups : Scalar, optional
        None: one channel in, one out, and no index for them.
    inputs, outputs : Scalar
        Channels of one group.
    bias : bool
        Whether b is added.
    boundary : str
        What lies beyond the border; zero but for conv.
    ceil : bool
        Whether a last pooling window may hang over the end.
    divisor : {'kernel', 'padded', 'pixels'} or Scalar
        What average pooling divides by: the kernel's taps; the positions of the window on the padded axis; its
        pixels; a number.
    """

    operator: str
    axes: tuple[Axis, ...]
    groups: Scalar | None = None
    inputs: Scalar = ONE
    outputs: Scalar = ONE
    bias: bool = False
    boundary: str = "zero"
    ceil: bool = False
    divisor: str | Scalar = "kernel"

    @property
    def text(self) -> str:
        """The layer in the text form; what has its default value is left out."""
        kernels = [axis.kernel for axis in self.axes]
        unsaid = {
            "s": kernels if self.operator.endswith("pool") else [ONE] * len(kernels),
            "d": [ONE] * len(kernels),
            "op": [ONE * 0] * len(kernels),
        }
        columns = {
            "k": kernels,
            "s": [axis.stride for axis in self.axes],
            "d": [axis.dilation for axis in self.axes],
        }
        if self.operator == "tconv":
            columns["op"] = [axis.rest for axis in self.axes]
        words = [self.operator]
        for key, column in columns.items():
            if column != unsaid.get(key):
                words.append(f"{key}={_joined(render.scalar(entry, render.TEXT) for entry in column)}")
        paddings = [axis.padding_text for axis in self.axes]
        if any(padding != "0" for padding in paddings):
            words.append(f"p={_joined(paddings)}")
        if self.groups is not None:
            words.append(f"g={render.scalar(self.groups, render.TEXT)}")
        if self.boundary != "zero":
            words.append(f"boundary={self.boundary}")
        return " ".join([*words, "ceil=1"] if self.ceil else words)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that parameters and sizes have: indices have others."""
        sizes = [size for axis in self.axes for size in (axis.inputs, axis.outputs)]
        return frozenset(symbol.name for symbol in (*self.symbols(), *sizes))

    def symbols(self) -> list[Symbol]:
        """Return the parameters, sizes excepted, each once."""
        scalars = [scalar for axis in self.axes for scalar in axis.numbers()]
        if self.operator == "tconv":
            scalars += [axis.rest for axis in self.axes]
        if self.groups is not None:
            scalars += [self.groups, self.inputs, self.outputs]
        return list(dict.fromkeys(symbol for scalar in scalars for symbol in scalar.symbols()))


def _joined(written: Iterable[str]) -> str:
    """Return one entry for each axis joined by x, or one for all."""
    entries = list(written)
    return entries[0] if len(set(entries)) == 1 else "x".join(entries)
