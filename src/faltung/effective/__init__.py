"""The effective receptive field: how much of what a unit can see it really weighs.

The theoretical field says which pixels can matter, for all weights. How much each matters, for these weights
and pictures, is the size of the unit's gradient there. In deep networks that falls off like a bell: it grows
with the square root of the depth, the theoretical field with the depth itself (Luo, Li, Urtasun and Zemel,
Understanding the effective receptive field in deep convolutional neural networks, NeurIPS 2016). What random
weights give in the mean needs no weights at all: it is the number of paths from the unit to the pixel.
"""

from faltung.effective.gradient import effective_receptive_field
from faltung.effective.paths import path_counts, predicted_receptive_field
from faltung.effective.report import THRESHOLD, Change, EffectiveField

__all__ = [
    "THRESHOLD",
    "Change",
    "EffectiveField",
    "effective_receptive_field",
    "path_counts",
    "predicted_receptive_field",
]
