"""A backward pass worked by hand: every entry of dL/dW and dL/dX as its sum of products, in numbers."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.errors import FaltungError
from faltung.filters._arrays import is_tensor, read
from faltung.formulas import Array, Instance, Read, Symbol, all_points, summands
from faltung.formulas.steps import WIDTH, wrapped
from faltung.gradient.derivation import Derivation, derive
from faltung.gradient.forms import LOSS_BY_Y, with_loss_by_y
from faltung.gradient.geometry import Padding, PerAxis, geometry
from faltung.gradient.trilinear import correlated, padded

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

Numbers = NDArray[Any]

MOST = 20_000
"""The most products that are written out."""


@dataclass(frozen=True)
class Sum:
    """One entry of a gradient and the products that make it.

    Parameters
    ----------
    tensor : str
        'W' or 'X': the loss is derived by an entry of it.
    place : tuple of int
        Which entry.
    products : tuple of tuple of Read
        For each product its two factors: an entry of dL/dY and one of X or W, with place and value.
    total : int or float
        The entry of the gradient.
    """

    tensor: str
    place: tuple[int, ...]
    products: tuple[tuple[Read, ...], ...]
    total: Any

    @property
    def name(self) -> str:
        """The entry of the gradient, such as ∂L/∂W[0, 1]."""
        return f"∂L/∂{self.tensor}{list(self.place)}"

    @property
    def written(self) -> str:
        """The products in numbers; 0 where there are none."""
        return " + ".join(_product(product) for product in self.products) or "0"

    def __str__(self) -> str:
        return f"{self.name} = {self.written} = {_number(self.total)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the sum as plain numbers, lists and strings."""
        return {
            "place": list(self.place),
            "products": [
                [{"tensor": f.tensor, "place": list(f.place), "value": f.value} for f in product]
                for product in self.products
            ],
            "total": self.total,
            "text": str(self),
        }


@dataclass(frozen=True, eq=False)
class GradientExplanation:
    """A layer's backward pass on given numbers; it prints as text and shows as tables in a notebook.

    Parameters
    ----------
    x, w, y, dy : ndarray
        The picture, the kernel, the layer's output and dL/dY.
    weights, inputs : tuple of Sum
        The entries of dL/dW and of dL/dX.
    derivations : tuple of Derivation
        Of dL/dW and dL/dX: where the sums come from.
    """

    x: Numbers
    w: Numbers
    y: Numbers
    dy: Numbers
    weights: tuple[Sum, ...]
    inputs: tuple[Sum, ...]
    derivations: tuple[Derivation, Derivation]

    def __str__(self) -> str:
        lines = []
        for derivation, sums in self._parts():
            lines += [str(derivation.closed_form), "", *map(str, sums), ""]
        return "\n".join(lines[:-1])

    def __rich__(self) -> "Group":
        from rich.console import Group
        from rich.text import Text

        parts: list[Any] = []
        for derivation, sums in self._parts():
            parts += [Text("\n".join(wrapped(str(derivation.closed_form), WIDTH))), _table(sums), ""]
        return Group(*parts[:-1])

    def _repr_html_(self) -> str:
        given = "".join(f"<td>{_grid(name, values)}</td>" for name, values in self._given().items())
        parts = [f'<table><tr style="vertical-align: top">{given}</tr></table>']
        for derivation, sums in self._parts():
            parts += [derivation.closed_form.mathml(), _html_table(sums)]
        return "\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the backward pass as plain numbers, lists and strings, ready for JSON."""
        return {
            **{name: values.tolist() for name, values in self._given().items()},
            "dL/dW": [entry.to_dict() for entry in self.weights],
            "dL/dX": [entry.to_dict() for entry in self.inputs],
            "closed_forms": {
                d.what: {"text": str(d.closed_form), "mathml": d.closed_form.mathml()} for d in self.derivations
            },
        }

    def _given(self) -> dict[str, Numbers]:
        return {"X": self.x, "W": self.w, "Y": self.y, "dL/dY": self.dy}

    def _parts(self) -> tuple[tuple[Derivation, tuple[Sum, ...]], ...]:
        return (self.derivations[0], self.weights), (self.derivations[1], self.inputs)


def explain_gradient(
    x: ArrayLike,
    w: ArrayLike,
    dy: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    boundary: str = "zero",
) -> GradientExplanation:
    """Work the backward pass of a convolution by hand: each entry of dL/dW and dL/dX as a sum, with numbers.

    The sums are read off the formulas that `faltung.derive` finds for this layer.

    Parameters
    ----------
    x : array_like, shape (H, W)
        The picture; one channel, 1 to 3 axes. Whole numbers stay whole.
    w : array_like, shape (kh, kw)
        The kernel, cross-correlated with it.
    dy : array_like, optional
        dL/dY, in the shape of the layer's output. All ones if left out: the loss is the sum of Y.
    stride, padding, dilation, boundary
        As for `faltung.gradient.weight`.

    Returns
    -------
    GradientExplanation

    Raises
    ------
    FaltungError
        If the numbers make no layer, or more than 20,000 products would be written.

    Examples
    --------
    >>> found = explain_gradient([[1, 2, 0], [0, 5, -1], [3, 1, 4]], [[1, 0], [2, -1]], [[1, 0], [0, -1]])
    >>> print(found.weights[1])
    ∂L/∂W[0, 1] = 1·2 + 0·0 + 0·5 + (-1)·(-1) = 3
    >>> print(found.inputs[4])
    ∂L/∂X[1, 1] = 1·(-1) + 0·2 + 0·0 + (-1)·1 = -2
    """
    name = "explain_gradient"
    picture, kernel = (_array(value, f"{name}: {what}") for value, what in ((x, "x"), (w, "w")))
    if picture.ndim != kernel.ndim or not 1 <= picture.ndim <= 3:
        raise FaltungError(
            f"{name}: x of shape {picture.shape} and w of shape {kernel.shape} must have the same axes, 1 to 3 of them"
        )
    settings: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "boundary": boundary}
    lies = geometry(name, picture.shape, kernel.shape, **settings)
    y = correlated(padded(picture[None, None], lies), kernel[None, None], lies)[0, 0]
    by_y = np.ones(y.shape, dtype=np.int64) if dy is None else _array(dy, f"{name}: dy")
    if by_y.shape != y.shape:
        raise FaltungError(f"{name}: dy has shape {by_y.shape}, and the layer's output {y.shape}")
    if y.size * kernel.size > MOST:
        raise FaltungError(
            f"{name}: {y.size} outputs of {kernel.size} taps are {y.size * kernel.size} products; at most {MOST} are "
            "written out"
        )
    numbers = zip(lies.kernel, lies.stride, lies.dilation, lies.before, lies.after, strict=True)
    columns = list(zip(*numbers, strict=True))
    text = "conv " + " ".join(
        f"{key}={'x'.join(map(str, column))}" for key, column in zip("ksd", columns[:3], strict=True)
    )
    sides = "x".join(f"{before}+{after}" for before, after in zip(*columns[3:], strict=True))
    derivations = tuple(
        derive(what, f"{text} p={sides} boundary={boundary}", axes=picture.ndim) for what in ("dL/dW", "dL/dX")
    )
    tensors = {"X": Array(picture), "W": Array(kernel), LOSS_BY_Y: Array(by_y)}
    weights, inputs = (_sums(derivation, tensors, y) for derivation in derivations)
    return GradientExplanation(picture, kernel, y, by_y, weights, inputs, (derivations[0], derivations[1]))


def _sums(derivation: Derivation, tensors: dict[str, Array], y: Numbers) -> tuple[Sum, ...]:
    """Return every entry of a gradient as a sum, from the derivation's closed form."""
    sizes: dict[Symbol, int] = {}
    for axis, inputs, outputs in zip(derivation.layer.axes, tensors["X"].values.shape, y.shape, strict=True):
        sizes |= {axis.inputs: inputs, axis.outputs: outputs}
    instance = Instance(sizes, dict(tensors))
    points, shape = all_points(derivation.own, instance)
    closed = with_loss_by_y(derivation.closed_form.right)
    found = []
    for place, products in zip(np.ndindex(shape), summands(closed, instance, points), strict=True):
        ordered = sorted((_ordered(product) for product in products), key=lambda product: product[0].place)
        total = sum(product[0].value * product[1].value for product in ordered)
        found.append(Sum(derivation.what[-1], place, tuple(ordered), total))
    return tuple(found)


def _ordered(product: tuple[Read, ...]) -> tuple[Read, ...]:
    """Return a product with its entry of dL/dY first."""
    return tuple(sorted(product, key=lambda factor: factor.tensor != LOSS_BY_Y))


def _array(value: Any, what: str) -> Numbers:
    array = read(value, what)
    array = np.asarray(array.detach().cpu().numpy() if is_tensor(array) else array)
    if array.size == 0:
        raise FaltungError(f"{what} is empty, its shape is {array.shape}")
    return array.astype(np.int64) if array.dtype.kind in "biu" else array


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _product(product: tuple[Read, ...]) -> str:
    written = (_number(factor.value) for factor in product)
    return "·".join(f"({number})" if number.startswith("-") else number for number in written)


def _table(sums: tuple[Sum, ...]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    table.add_column(f"∂L/∂{sums[0].tensor}", no_wrap=True)
    table.add_column("sum of ∂L/∂Y · " + ("X" if sums[0].tensor == "W" else "W"))
    table.add_column("value", justify="right", no_wrap=True, style="bold green")
    for entry in sums:
        table.add_row(str(list(entry.place)), entry.written, _number(entry.total))
    return table


def _html_table(sums: tuple[Sum, ...]) -> str:
    rows = []
    for entry in sums:
        products = " + ".join(
            f'<span title="{_places(product)}">{_product(product)}</span>' for product in entry.products
        )
        rows.append(
            f'<tr><td>{escape(entry.name)}</td><td style="text-align: left">= {products or "0"}</td>'
            f'<td style="text-align: right"><b>= {_number(entry.total)}</b></td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"


def _places(product: tuple[Read, ...]) -> str:
    """Return which entries are multiplied, to be shown under the pointer."""
    return escape(" · ".join(f"{factor.tensor}{list(factor.place)}" for factor in product))


def _grid(name: str, values: Numbers) -> str:
    rows = values.reshape(-1, values.shape[-1]).tolist()
    cells = "".join(f"<tr>{''.join(f'<td>{_number(v)}</td>' for v in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(name)}</caption>{cells}</table>"
