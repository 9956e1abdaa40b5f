"""A model in whole numbers: there equality is equality, and no rounding hides a difference or makes one.

Sums of whole numbers below 2^53 are exact in float64 in any order, so two runs of a network that compute the same
give the same to the bit. Weights are rounded to small whole numbers, and fewer of them are kept if the numbers
would grow too large; every result on the way is looked at.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

MOST = 2.0**40
"""Results beyond this are not trusted: sums on the way to them may have passed 2^53."""

LEVELS = ((4, 0), (1, 0), (1, 4), (1, 2), (1, 1))
"""The largest weight, and how many weights of each output are kept (0: all), tried in turn."""


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Looks at every tensor that is computed, whether all its numbers are whole and small enough."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.whole = True

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and look at what it gives."""
        found = function(*args, **(kwargs or {}))
        if self.whole and _computes(function):
            for one in found if isinstance(found, tuple | list) else (found,):
                if isinstance(one, torch.Tensor) and one.is_floating_point() and one.numel():
                    finite = one[one.isfinite()] if "pool" in str(function) else one  # pooling pads by -inf
                    self.whole &= bool((finite == finite.round()).all() and (finite.abs() < MOST).all())
        return found


def _computes(function: Any) -> bool:
    """Say whether an operator makes numbers; views and copies may hold memory that is not written yet."""
    views = any(told.alias_info is not None and not told.alias_info.is_write for told in function._schema.returns)
    return not views and not function._schema.name.startswith(("aten::copy", "aten::empty", "aten::new_empty"))


@contextmanager
def watched() -> Iterator[Watch]:
    """Look at all that is computed inside."""
    watch = Watch()
    with watch:
        yield watch


def copied(model: Any) -> Any:
    """Return a copy of a model, and keep what PyTorch warns of (its own deprecations) from users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return deepcopy(model)


def in_whole_numbers(model: torch.nn.Module, largest: int, kept: int) -> torch.nn.Module:
    """Return a copy of a model in float64 whose parameters are whole numbers of at most `largest`.

    Batch normalisation by running statistics gets the mean 0 and the variance 1, so that it scales by its weight.
    With `kept`, that many weights of each output stay, the largest ones, as 1 or -1.
    """
    twin: torch.nn.Module = copied(model).double()
    with torch.no_grad():
        for module in twin.modules():
            mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
            if isinstance(mean, torch.Tensor) and isinstance(variance, torch.Tensor):
                mean.zero_()
                variance.fill_(1.0 - float(getattr(module, "eps", 0.0)))
        for weights in twin.parameters():
            if not weights.is_floating_point() or not weights.numel():
                continue
            scale = float(weights.abs().max()) or 1.0
            if kept and weights.dim() > 1:
                number = min(kept * weights.shape[0], weights.numel())
                least = weights.abs().reshape(-1).topk(number).values[-1]
                weights.copy_(weights.sign() * (weights.abs() >= least))
            else:
                weights.copy_((weights * (largest / scale)).round())
    return twin
