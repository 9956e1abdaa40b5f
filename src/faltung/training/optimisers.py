"""Optimisers by name, with a learning rate that is set at every step."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from faltung.training.recipe import Recipe


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal: every direction of a step is then of the same length.

    K. Jordan et al., *Muon: an optimizer for hidden layers in neural networks*, 2024. A kernel, F x C x H x W, is taken
    as the matrix F x CHW. Steps are scaled by sqrt(max(1, rows / columns)).
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every weight against its orthogonalised momentum (Nesterov's)."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                buffer = state["momentum_buffer"]
                buffer.mul_(group["momentum"]).add_(weight.grad)
                matrix = weight.grad.add(buffer, alpha=group["momentum"]).flatten(1)
                turned = orthogonal(matrix) * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(turned.reshape(weight.shape), alpha=-group["lr"])


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return nearly U Vᵀ of a matrix U S Vᵀ: singular values come to lie between about 0.7 and 1.2.

    By Newton and Schulz's iteration with Jordan's coefficients, which trade the last digits for speed.

    Examples
    --------
    >>> torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([3.0, 1.0, 0.5])))).min() > 0.6
    tensor(True)
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    x = wide / (wide.norm() + 1e-7)
    # A step is x -> (a + b G + c G G) x with G = x xᵀ. Polynomials of G commute, so that steps can be taken on G, the
    # small side squared, and x be multiplied once by all of them.
    gram, all_steps = x @ x.mT, torch.eye(len(x), device=x.device, dtype=x.dtype)
    for _ in range(steps):
        one_step = b * gram + c * gram @ gram
        one_step.diagonal().add_(a)
        gram = one_step @ gram @ one_step
        all_steps = one_step @ all_steps
    turned: Tensor = all_steps @ x
    return turned if matrix.shape[0] <= matrix.shape[1] else turned.mT


class Optimiser:
    """The optimisers of a recipe as one: steps, learning rate by schedule, and a state made of tensors alone."""

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        large = [weight for weight in weights if weight.ndim > 1]
        small = [weight for weight in weights if weight.ndim <= 1]
        rate, decay = recipe.learning_rate, recipe.weight_decay
        groups = [{"params": large, "weight_decay": decay}, {"params": small, "weight_decay": 0.0}]
        self.parts: list[torch.optim.Optimizer]
        if recipe.optimiser == "adamw":
            self.parts = [torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)]
        elif recipe.optimiser == "sgd":
            self.parts = [_sgd([group for group in groups if group["params"]], rate, recipe.momentum)]
        else:
            self.parts = [Muon(large, rate, recipe.momentum, decay)] if large else []
            if small:
                self.parts.append(_sgd([{"params": small, "weight_decay": 0.0}], recipe.rest_rate, recipe.momentum))
        self.highest = [[group["lr"] for group in part.param_groups] for part in self.parts]

    def step(self, share: float) -> None:
        """Take one step with so much of the highest learning rate, and forget the gradients."""
        for part, rates in zip(self.parts, self.highest, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate * share
            part.step()
            part.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state by names such as `0.12.momentum_buffer`."""
        return {
            f"{number}.{index}.{key}": value
            for number, part in enumerate(self.parts)
            for index, state in part.state_dict()["state"].items()
            for key, value in state.items()
            if isinstance(value, Tensor)
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up a state that `tensors` gave."""
        for number, part in enumerate(self.parts):
            weights = [weight for group in part.param_groups for weight in group["params"]]
            states: dict[int, dict[str, Tensor]] = {}
            for name, value in tensors.items():
                owner, index, key = name.split(".", 2)
                if int(owner) == number:
                    weight = weights[int(index)]
                    if value.shape == weight.shape:  # laid out in memory as the weight, so that sums round alike
                        value = torch.empty_like(weight).copy_(value)
                    states.setdefault(int(index), {})[key] = value
            part.load_state_dict({"state": states, "param_groups": part.state_dict()["param_groups"]})


def _sgd(groups: list[dict[str, Any]], rate: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0)
