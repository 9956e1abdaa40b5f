"""The table: one row per operator. Nothing else in the code knows operators.

`windows` holds what windows read along one axis, `text` the operators of the text form, and the other files, by
family, the rows of PyTorch's operators; `table` finds them.
"""

from faltung.rules.text import OPERATORS, Operator, Padding, pooling
from faltung.rules.windows import AxisRule, NearestUpsampling, TransposedWindow, Window, same_padding

__all__ = [
    "OPERATORS",
    "AxisRule",
    "NearestUpsampling",
    "Operator",
    "Padding",
    "TransposedWindow",
    "Window",
    "pooling",
    "same_padding",
]
