"""A derivation against PyTorch: its closed form with numbers in it, and what autograd says of the real layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from faltung.errors import FaltungError
from faltung.formulas import Array, Scalar, all_points, evaluate
from faltung.formulas.evaluate import Tensor
from faltung.gradient.forms import LOSS_BY_Y, argmax_name, with_loss_by_y
from faltung.gradient.instances import Case, divisor, draw
from faltung.gradient.layers import WEIGHTED
from faltung.words import count

if TYPE_CHECKING:
    from faltung.gradient.derivation import Derivation

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Check:
    """What came of comparing a derivation with autograd.

    Parameters
    ----------
    what : str
        The derivation's title.
    layers : int
        Random layers that were built.
    compared : int
        Numbers that were compared.
    different : int
        How many of them differed, in any bit.
    """

    what: str
    layers: int
    compared: int
    different: int

    def __str__(self) -> str:
        return (
            f"{self.what}: {count(self.compared, 'number')} of {count(self.layers, 'random layer')} compared with "
            f"PyTorch's autograd in float64, {self.different} different."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, ready for JSON."""
        return vars(self).copy()


def check(derivation: "Derivation", n: int, seed: int) -> Check:
    """Compare a derivation with autograd on n random layers; see `Derivation.check`."""
    layer = derivation.layer
    if len(layer.axes) > 3:
        raise FaltungError(f"PyTorch has no {layer.operator} of {len(layer.axes)} axes to compare with; at most 3")
    random = np.random.default_rng(seed)
    compared = different = 0
    for _ in range(n):
        case = draw(layer, random)
        if derivation.what.startswith("dL"):
            ours, theirs = _loss(derivation, case, random)
        else:
            ours, theirs = _jacobian(derivation, case)
        compared += ours.size
        different += int(np.count_nonzero(ours.view(np.int64) != theirs.view(np.int64)))
    return Check(derivation.title, n, compared, different)


def _loss(derivation: "Derivation", case: Case, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Return dL/d* of a loss that is linear in Y, ours and autograd's."""
    tensors = _leaves(case)
    y, maxima = _forward(case, tensors)
    by_y = random.integers(-9, 10, tuple(y.shape)) * _whole(case)
    target = tensors[derivation.what[-1]]
    (theirs,) = torch.autograd.grad((y * torch.from_numpy(by_y).double()).sum(), target)
    return _ours(derivation, case.with_tensors({**maxima, LOSS_BY_Y: Array(by_y)})), _floats(theirs.numpy().ravel())


def _jacobian(derivation: "Derivation", case: Case) -> tuple[Numbers, Numbers]:
    """Return dY/d*, all of it, ours and autograd's."""
    tensors = _leaves(case)
    y, maxima = _forward(case, tensors)
    target = tensors[derivation.what[-1]]
    rows = [torch.autograd.grad(entry, target, retain_graph=True)[0].numpy() for entry in y.reshape(-1)]
    return _ours(derivation, case.with_tensors(maxima)), _floats(np.array(rows).ravel())


def _ours(derivation: "Derivation", case: Case) -> Numbers:
    """Return the closed form at all its indices, rounded to float64 at the very end."""
    points, _ = all_points(derivation.own, case.instance)
    return _floats(evaluate(with_loss_by_y(derivation.closed_form.right), case.instance, points))


def _floats(values: Numbers) -> Numbers:
    """Return float64 with all zeros positive: the sign of an empty sum is no question of gradients."""
    return np.ascontiguousarray(values, dtype=np.float64) + 0.0


def _leaves(case: Case) -> dict[str, torch.Tensor]:
    """Return X, W and b as leaves of autograd."""
    arrays = {name: case.instance.array(name) for name in "XWb" if name in case.instance.tensors}
    return {name: torch.from_numpy(array).double().requires_grad_() for name, array in arrays.items()}


def _whole(case: Case) -> int:
    """Return what all divisors of average pooling divide: gradients that are multiples of it stay whole."""
    if case.layer.operator != "avgpool":
        return 1
    if "R" not in case.instance.tensors:
        return divisor(case)
    return int(np.lcm.reduce([share.denominator for share in case.instance.array("R").ravel()]))


def _forward(case: Case, tensors: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, Tensor]]:
    """Return PyTorch's Y, and of max pooling the taps of the maxima that it found."""
    axes, plain = case.axes, case.layer.groups is None
    x = tensors["X"][(None,) * (2 if plain else 1)]
    alike = all(axis.before == axis.after for axis in axes)
    if case.layer.operator in WEIGHTED:
        w = tensors["W"][(None, None)] if plain else tensors["W"]
        y = (_convolved if case.layer.operator == "conv" else _spread)(case, x, w, alike)
        if case.layer.bias:
            y = y + tensors["b"].reshape(1, -1, *(1,) * len(axes))
        return y[(0,) * (2 if plain else 1)], {}
    y, indices = _pooled(case, x, alike)
    kept: Any = (0, 0, *(slice(axis.outputs) for axis in axes))
    return y[kept], {} if indices is None else _taps(case, indices[kept].numpy(), alike)


def _convolved(case: Case, x: torch.Tensor, w: torch.Tensor, alike: bool) -> torch.Tensor:
    stride, dilation, before = (_column(case, name) for name in ("stride", "dilation", "before"))
    if not alike or case.layer.boundary != "zero":
        mode = {"zero": "constant"}.get(case.layer.boundary, case.layer.boundary)
        x, before = functional.pad(x, _sides(case), mode), [0] * len(before)
    convolve: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[len(case.axes) - 1]
    answer: torch.Tensor = convolve(x, w, None, stride, before, dilation, case.groups)
    return answer


def _spread(case: Case, x: torch.Tensor, w: torch.Tensor, alike: bool) -> torch.Tensor:
    stride, dilation, before = (_column(case, name) for name in ("stride", "dilation", "before"))
    spread: Any = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[
        len(case.axes) - 1
    ]
    answer: torch.Tensor
    if alike:
        answer = spread(x, w, None, stride, before, _column(case, "output_padding"), case.groups, dilation)
        return answer
    answer = spread(x, w, None, stride, 0, 0, case.groups, dilation)
    ends = [(-axis.before, axis.output_padding - axis.after) for axis in reversed(case.axes)]
    return functional.pad(answer, [end for pair in ends for end in pair])


def _pooled(case: Case, x: torch.Tensor, alike: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    place, layer = len(case.axes) - 1, case.layer
    kernel, stride, dilation, before = (_column(case, name) for name in ("kernel", "stride", "dilation", "before"))
    if not alike:
        beyond = -torch.inf if layer.operator == "maxpool" else 0.0
        x, before = functional.pad(x, _sides(case), value=beyond), [0] * len(before)
    if layer.operator == "maxpool":
        largest: Any = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[place]
        y, indices = largest(x, kernel, stride, before, dilation, layer.ceil, return_indices=True)
        return y, indices
    mean: Any = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[place]
    settings: dict[str, Any] = {"ceil_mode": layer.ceil, "count_include_pad": layer.divisor != "pixels"}
    if place and isinstance(layer.divisor, Scalar):  # over one axis PyTorch knows no divisor_override
        settings["divisor_override"] = divisor(case)
    return mean(x, kernel, stride, before, **settings), None


def _taps(case: Case, indices: Numbers, alike: bool) -> dict[str, Tensor]:
    """Return the taps that PyTorch's flat indices of maxima stand for."""
    sizes = [axis.inputs if alike else axis.before + axis.inputs + axis.after for axis in case.axes]
    found: dict[str, Tensor] = {}
    for place, (axis, pixels) in enumerate(zip(case.axes, np.unravel_index(indices, sizes), strict=True)):
        shape = [-1 if other == place else 1 for other in range(len(case.axes))]
        starts = axis.stride * np.arange(axis.outputs).reshape(shape) - (axis.before if alike else 0)
        found[argmax_name(case.layer, place)] = Array((pixels - starts) // axis.dilation)
    return found


def _column(case: Case, name: str) -> list[int]:
    return [getattr(axis, name) for axis in case.axes]


def _sides(case: Case) -> list[int]:
    """Return padding in the order of torch.nn.functional.pad: last axis first."""
    return [side for axis in reversed(case.axes) for side in (axis.before, axis.after)]
