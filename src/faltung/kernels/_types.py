"""What a kernel is: whole numbers or floats in two axes, with sides up to a limit."""

import numpy as np
from numpy.typing import NDArray

IntKernel = NDArray[np.int64]
FloatKernel = NDArray[np.float64]

MAX_SIZE = 1023
"""The longest side of a kernel in pixels; what is larger is refused before memory is taken for it."""
