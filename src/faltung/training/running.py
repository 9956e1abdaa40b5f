"""A net with what goes with it in training: weights, their moving average, the optimiser, and their common state."""

from typing import Any

import torch
from torch import Tensor, nn

from faltung.errors import FaltungError
from faltung.training.checkpoint import named, under
from faltung.training.mirrored import Mirrored
from faltung.training.nets import classifier
from faltung.training.optimisers import Optimiser
from faltung.training.recipe import Recipe
from faltung.training.whitening import Whitening


def build(recipe: Recipe, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the recipe's net for pictures of a shape, with PyTorch's random start.

    Raises
    ------
    FaltungError
        If there is no such net, it cannot be made, or it does not give one score per class.
    """
    from faltung import models

    channels, rows, columns = shape
    if models.is_reference(recipe.net):
        if recipe.net.endswith(".pt2"):
            raise FaltungError(f"{recipe.net} is an exported program, whose training is not possible")
        if recipe.whitening:
            raise FaltungError(f"whitening is for the nets that have a name, and {recipe.net} is a model")
        if recipe.width:
            raise FaltungError(f"width is for the nets that have a name, and {recipe.net} is a model")
        model: nn.Module = models.load(recipe.net)
    else:
        if recipe.net == "lenet" and rows != columns:
            raise FaltungError(f"lenet is for square pictures, not {rows}x{columns}")
        if recipe.whitening:
            white = Whitening(channels)
            model = nn.Sequential(white, classifier(recipe.net, white.answers, classes, rows - 1, recipe.width))
        else:
            model = classifier(recipe.net, channels, classes, rows, recipe.width)
    model = Mirrored(model) if recipe.mirrored else model
    try:
        with torch.no_grad():
            answer = model.eval()(torch.zeros(2, *shape))
    except Exception as problem:
        size = "x".join(map(str, shape))
        raise FaltungError(f"{recipe.net} does not take pictures of {size}: {' '.join(str(problem).split())}") from None
    if not isinstance(answer, Tensor) or answer.shape != (2, classes):
        found = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise FaltungError(f"{recipe.net} gives {found} for 2 pictures of {classes} classes, not (2, {classes})")
    return model


class Average:
    """The exponential moving average of a model's weights; statistics go along, counts are copied."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def take(self, model: nn.Module, step: int) -> None:
        """Take a step's weights in; the first ones weigh more, so that the random start is forgotten soon."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)


class Running:
    """Everything that changes while a net is trained."""

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.model = model
        self.optimiser = Optimiser(model, recipe)
        self.average = Average(model, recipe.average) if recipe.average else None
        self.step = 0
        """Steps taken, over all epochs."""
        self.loss = torch.zeros((), dtype=torch.float64)
        self.right = torch.zeros((), dtype=torch.float64)
        """Sums of the epoch so far: of every picture's loss, and of right answers."""
        self.rows: list[dict[str, Any]] = []
        """Metrics of the epochs that are done."""

    def weights(self) -> dict[str, Tensor]:
        """Return what is validated, tested and kept: the average where there is one."""
        return self.average.tensors if self.average else self.model.state_dict()

    def finite(self) -> bool:
        """Say whether every weight and the loss is a number."""
        numbers = [tensor for tensor in self.model.state_dict().values() if tensor.is_floating_point()]
        return all(bool(tensor.isfinite().all()) for tensor in [*numbers, self.loss])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all of it as tensors by name, and what is no tensor."""
        tensors = named("model", self.model.state_dict()) | named("optimiser", self.optimiser.tensors())
        tensors |= {"sum.loss": self.loss, "sum.right": self.right}
        if self.average:
            tensors |= named("average", self.average.tensors)
        return tensors, {"step": self.step, "rows": self.rows}

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take up what `state` gave.

        Raises
        ------
        FaltungError
            If it is the state of something else.
        """
        try:
            self.model.load_state_dict(under("model", tensors))
            self.optimiser.restore(under("optimiser", tensors))
            self.loss.copy_(tensors["sum.loss"])
            self.right.copy_(tensors["sum.right"])
            if self.average:
                for name, tensor in self.average.tensors.items():
                    tensor.copy_(tensors[f"average.{name}"])
            self.step, self.rows = int(facts["step"]), list(facts["rows"])
        except (KeyError, RuntimeError, IndexError, ValueError, TypeError) as problem:
            raise FaltungError(f"the checkpoint does not fit the run: {' '.join(str(problem).split())}") from None
