"""The named filters of image processing, each a fresh NumPy array, built from 1-D factors where it has them.

Every kernel here is written for **cross-correlation**, ``Y[i, j] = sum over m, n of K[m, n] * X[i+m, j+n]``:
x counts columns to the right, y counts rows downwards, and a derivative answers positive where the picture
grows brighter along its direction. True convolution flips a kernel first, so an odd one changes its sign.
Angles are in degrees, from the x axis towards the y axis: 0 points right, 90 points down. Lengths are in
pixels. Kernels of whole numbers are ``int64``, all others ``float64``. A smoothing kernel sums to 1 unless
asked not to.

>>> named("sobel-x")
array([[-1,  0,  1],
       [-2,  0,  2],
       [-1,  0,  1]])
>>> named("gaussian:sigma=2,size=11").shape
(11, 11)
"""

from faltung.kernels._types import MAX_SIZE, FloatKernel, IntKernel
from faltung.kernels.derivatives import (
    central_difference_x,
    central_difference_y,
    forward_difference_x,
    forward_difference_y,
    gaussian_derivative,
    prewitt_x,
    prewitt_y,
    roberts_antidiagonal,
    roberts_diagonal,
    scharr_x,
    scharr_y,
    sobel_x,
    sobel_y,
)
from faltung.kernels.detail import emboss, sharpen, unsharp
from faltung.kernels.laplacians import (
    difference_of_gaussians,
    laplacian_4,
    laplacian_8,
    laplacian_of_gaussian,
)
from faltung.kernels.registry import named, names
from faltung.kernels.smoothing import binomial, box, gaussian, identity, motion
from faltung.kernels.waves import gabor

__all__ = [
    "MAX_SIZE",
    "FloatKernel",
    "IntKernel",
    "binomial",
    "box",
    "central_difference_x",
    "central_difference_y",
    "difference_of_gaussians",
    "emboss",
    "forward_difference_x",
    "forward_difference_y",
    "gabor",
    "gaussian",
    "gaussian_derivative",
    "identity",
    "laplacian_4",
    "laplacian_8",
    "laplacian_of_gaussian",
    "motion",
    "named",
    "names",
    "prewitt_x",
    "prewitt_y",
    "roberts_antidiagonal",
    "roberts_diagonal",
    "scharr_x",
    "scharr_y",
    "sharpen",
    "sobel_x",
    "sobel_y",
    "unsharp",
]
