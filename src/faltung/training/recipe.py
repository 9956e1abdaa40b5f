"""How a net is trained, as numbers: one table of recipes, every entry of which can be set."""

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from faltung.errors import FaltungError, UnknownName

OPTIMISERS = ("sgd", "adamw", "muon")
DECAYS = ("linear", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a net is trained, apart from the data and the seed.

    >>> Recipe(epochs=2).learning_rate_at(step=0, steps=100) < Recipe().learning_rate
    True
    """

    net: str = "quick-vgg"
    """A name of `faltung.training.nets.NETS`, or a model such as file.py:Class, made without arguments."""
    width: int = 0
    """Filters of the net's first layers, which the later ones follow; 0 is the net's own."""
    whitening: bool = False
    """Put a fixed layer in front that whitens patches (`faltung.training.whitening`)."""
    mirrored: bool = False
    """Answer, once trained, with the mean over a picture and its mirror image (`faltung.training.mirrored`)."""
    epochs: int = 4
    batch: int = 256
    """Pictures per step, over all processes."""
    optimiser: str = "muon"
    """sgd (Nesterov), adamw, or muon (convolutions and linear layers; sgd for the rest)."""
    learning_rate: float = 0.05
    """The highest. With muon it is Muon's, and sgd has `rest_rate`."""
    rest_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    """Only of weights with two axes or more."""
    warm_up: float = 0.2
    """The share of all steps in which the learning rate rises in a straight line."""
    decay: str = "linear"
    """How it falls to nothing after that: linear, cosine, or constant (not at all)."""
    label_smoothing: float = 0.1
    average: float = 0.0
    """Decay of the moving average of weights that is validated, tested and kept; 0 is none."""
    shift: int = 0
    """Pictures are moved by up to so many pixels, their edge reflected."""
    flip: bool = True
    """Every other picture is mirrored, left for right."""
    cutout: int = 0
    """The side of a square that is set to the mean; 0 is none."""
    validation: float = 0.1
    """The share of the training half that is not trained on, and validated with."""
    precision: str = "auto"
    """float32, bfloat16 (activations alone), or auto: bfloat16 on a device that computes with it."""
    channels_last: bool = True
    """Keep the channels of a pixel beside each other in memory."""
    compile: bool = False
    """Let torch.compile write the code; it pays in long runs."""

    def __post_init__(self) -> None:
        for name, least, most in (
            ("width", 0, 100_000), ("epochs", 1, 100_000), ("batch", 1, 1_000_000),
            ("learning_rate", 0, 1e3), ("rest_rate", 0, 1e3),
            ("momentum", 0, 1), ("weight_decay", 0, 1e3), ("warm_up", 0, 1), ("label_smoothing", 0, 1),
            ("average", 0, 1), ("shift", 0, 1000), ("cutout", 0, 1000), ("validation", 0, 0.9),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value <= most or not math.isfinite(value):
                raise FaltungError(f"recipe: {name} {value} is not in {least}..{most}")
        for name, known in (("optimiser", OPTIMISERS), ("decay", DECAYS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise UnknownName(name, getattr(self, name), known)

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0, out of so many."""
        return self.learning_rate * self.share_at(step, steps)

    def share_at(self, step: int, steps: int) -> float:
        """Return the share of the highest learning rate: up in a straight line, then down by `decay`, never 0."""
        rising = max(1, round(self.warm_up * steps))
        if step < rising and self.warm_up > 0:
            return (step + 1) / rising
        left = 1 - (step - rising * (self.warm_up > 0)) / max(1, steps - rising * (self.warm_up > 0))
        return {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}[self.decay]

    def to_dict(self) -> dict[str, Any]:
        """Return every entry by its name."""
        return asdict(self)

    def with_settings(self, settings: list[str]) -> "Recipe":
        """Return the recipe with entries set from text, `name=value` each.

        Raises
        ------
        FaltungError
            If there is no such entry, or the value is not of its type or range.

        Examples
        --------
        >>> Recipe().with_settings(["flip=no", "label_smoothing=0.2"]).label_smoothing
        0.2
        """
        types = {entry.name: type(getattr(self, entry.name)) for entry in fields(self)}
        changed: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            name = name.strip().replace("-", "_")
            if not equals:
                raise FaltungError(f"--set {setting!r} must be name=value, such as label_smoothing=0.1")
            if name not in types:
                raise UnknownName("entry of a recipe", name, types)
            changed[name] = _value(name, text.strip(), types[name])
        return replace(self, **changed)


def _value(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("yes", "no", "true", "false", "1", "0"):
            raise FaltungError(f"recipe: {name} is yes or no, not {text!r}")
        return text.lower() in ("yes", "true", "1")
    try:
        return kind(text)
    except ValueError:
        raise FaltungError(
            f"recipe: {name} is {'a whole number' if kind is int else 'a number'}, not {text!r}"
        ) from None


RECIPES = {
    "default": Recipe(),
    "best": Recipe(
        width=64, whitening=True, mirrored=True, epochs=24, weight_decay=0.02, shift=1, cutout=10, validation=0
    ),
    "tutorial": Recipe(
        net="vgg",
        epochs=10,
        optimiser="adamw",
        learning_rate=1e-3,
        weight_decay=0.01,
        warm_up=0,
        decay="constant",
        label_smoothing=0,
        shift=0,
        flip=False,
        channels_last=False,
        precision="float32",
    ),
}
"""Every recipe that has a name: `default`, which is quick; `best`, which takes its time and learns from all of the
training half; and `tutorial`, which is how introductions to PyTorch train."""


def recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises
    ------
    FaltungError
        If there is none.
    """
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]
