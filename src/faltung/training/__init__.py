"""Convolutional networks trained in PyTorch: data, nets, recipes, and one readable loop.

The names load on first use: neither `import faltung` nor the command line loads PyTorch for them.

>>> from faltung.training import RECIPES
>>> RECIPES["default"].net
'quick-vgg'
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faltung.training.data import DataSet, load
    from faltung.training.loop import resume, train
    from faltung.training.predicting import Predictor
    from faltung.training.recipe import RECIPES, Recipe

_HOMES = {
    "DataSet": "faltung.training.data",
    "Predictor": "faltung.training.predicting",
    "RECIPES": "faltung.training.recipe",
    "Recipe": "faltung.training.recipe",
    "load": "faltung.training.data",
    "resume": "faltung.training.loop",
    "train": "faltung.training.loop",
}

__all__ = ["RECIPES", "DataSet", "Predictor", "Recipe", "load", "resume", "train"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'faltung.training' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
