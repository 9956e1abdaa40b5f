"""Gradients of convolution layers: derived step by step, and computed as the convolutions that they are.

`derive` finds a formula and shows how; `weight`, `input` and `bias` are what it comes to on NumPy arrays and torch
tensors; `convolution` is a layer whose derivatives, of any order, are these.

>>> import numpy as np
>>> from faltung import gradient
>>> x, w = np.array([[[1, 2, 3, 4, 5, 6]]]), np.array([[[1, -1]]])
>>> dy = np.array([[[1, 10, 100]]])
>>> gradient.weight(x, dy, 2, stride=2)
array([[[531, 642]]])
>>> gradient.input(dy, w, 6, stride=2)
array([[[   1,   -1,   10,  -10,  100, -100]]])
"""

from faltung.gradient.arrays import bias, convolution, input, weight
from faltung.gradient.derivation import Derivation, derive
from faltung.gradient.worked import GradientExplanation, explain_gradient

__all__ = [
    "Derivation",
    "GradientExplanation",
    "bias",
    "convolution",
    "derive",
    "explain_gradient",
    "input",
    "weight",
]
