"""Filters applied to pictures: cross-correlation and convolution, exact on integers, on NumPy and on torch.

`correlate` slides a kernel over a picture and sums products; `convolve` does so with the kernel flipped. Both
read outside the picture what `boundary` says is there, and both give an answer per kernel of a bank.

Which dtype the answer has
--------------------------

=================== ====================== ================================================================
image               kernel                 answer
=================== ====================== ================================================================
integer, bool       integer, bool          the smallest signed integer that holds every possible sum
integer, bool       float, complex         NumPy's promotion of the two, also for tensors
float               integer, bool, float   the image's
float               complex                the complex of the image's precision, at least complex64
complex             any                    the image's (complex32: complex64)
object              any                    object: Python's own arithmetic, exact for int and Fraction
integer, bool       object                 object
=================== ====================== ================================================================

*Every possible sum* counts what the image's **dtype** can hold, not the pixels it happens to hold: the
answer's dtype follows from the dtypes and the kernel alone. Pixels, taps and partial sums in any order fit
as well. Where this asks for more than int64, the pixels are looked at: if their sums fit, the answer is
int64, and if not, it is refused, never wrapped. A bank has one dtype, the widest that one of its kernels
needs.

float16 and bfloat16 are summed in float32 and rounded once, at the end. Other floats are summed in the
answer's dtype, to which a kernel of more precision is rounded first. Next to integers, bfloat16 is promoted
as float16 is. A tap of 0 still reads: NaN and infinity go, quietly, to exactly the answers whose window
holds them.

How they are computed
---------------------

By loops compiled from C++ where there was a compiler when the package was installed, else by NumPy and
SciPy: with the same answers, integers to the bit. `faltung doctor` tells which. Kernels are summed directly,
tap by tap or without the taps that are 0, as a sum of few separable ones, or by their spectra, whichever is
expected to be soonest: see `plan`. Tensors on the processor take the same ways, gradients included.
"""

from typing import TYPE_CHECKING, Any, overload

from numpy.typing import ArrayLike, NDArray

from faltung.filters import _engine, _native
from faltung.filters.planner import Plan

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Plan", "convolve", "correlate", "plan"]

Pair = tuple[int, int]
Padding = str | int | tuple[int | Pair, int | Pair]


@overload
def correlate(
    image: "Tensor",
    kernel: "Tensor | ArrayLike",
    *,
    padding: Padding = ...,
    stride: int | Pair = ...,
    dilation: int | Pair = ...,
    boundary: str = ...,
    method: str = ...,
    threads: int | None = ...,
    out: NDArray[Any] | None = ...,
) -> "Tensor": ...
@overload
def correlate(
    image: ArrayLike,
    kernel: "Tensor",
    *,
    padding: Padding = ...,
    stride: int | Pair = ...,
    dilation: int | Pair = ...,
    boundary: str = ...,
    method: str = ...,
    threads: int | None = ...,
    out: NDArray[Any] | None = ...,
) -> "Tensor": ...
@overload
def correlate(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    padding: Padding = ...,
    stride: int | Pair = ...,
    dilation: int | Pair = ...,
    boundary: str = ...,
    method: str = ...,
    threads: int | None = ...,
    out: NDArray[Any] | None = ...,
) -> NDArray[Any]: ...
def correlate(
    image: Any,
    kernel: Any,
    *,
    padding: Padding = "valid",
    stride: int | Pair = 1,
    dilation: int | Pair = 1,
    boundary: str = "zero",
    method: str = "auto",
    threads: int | None = None,
    out: NDArray[Any] | None = None,
) -> Any:
    r"""Cross-correlate a picture with a kernel: slide it, multiply, sum.

    With stride s, dilation d and padding p (before, along each axis),

        Y[i, j] = sum over m, n of K[m, n] * X[s*i + d*m - p, s*j + d*n - p]

    This is what convolutional networks call convolution. The kernel is **not conjugated**; pass
    `kernel.conj()` for what scipy.signal.correlate2d computes on complex numbers.

    Parameters
    ----------
    image : array_like or torch.Tensor, shape (..., H, W)
        The picture, rows downwards and columns to the right; every leading axis is a batch. A colour picture
        (H, W, 3) must bring its channels to the front first: `numpy.moveaxis(image, -1, 0)`.
    kernel : array_like or torch.Tensor, shape (kh, kw) or (N, kh, kw)
        One kernel, or a bank of N.
    padding : {'valid', 'same', 'full'}, int or pair
        How far the picture is continued beyond its border. 'valid': not at all. 'same': d*(k-1) in all, the
        smaller half before, so that the kernel's origin floor(d*(k-1)/2) stands on input s*i for answer i and
        at stride 1 the size stays; torch's rule. 'full': d*(k-1) on both sides, every overlap of at least one
        tap. A number pads all four sides; a pair (py, px) pads rows and columns, each by a number or by a
        pair (before, after).
    stride, dilation : int or pair (y, x)
        Steps between neighbouring answers, and between neighbouring taps.
    boundary : {'zero', 'reflect', 'replicate', 'circular'}
        What lies beyond the border, as torch.nn.functional.pad has it; see `faltung.boundary`.
    method : {'auto', 'direct', 'sparse', 'separable', 'fft'}
        How arrays of real numbers are computed; 'auto' takes what is expected to be soonest, see `plan`. All
        give the same: integers to the bit, floats within the rounding of a direct sum. Only where 'fft' is
        asked for by name may floats err more: by the rounding of the transforms, at the scale of the brightest
        pixels that lie near.
    threads : int, optional
        How many threads may work; by default what the environment variable FALTUNG_THREADS says, or one for
        each processor. The answers do not depend on it.
    out : numpy.ndarray, optional
        Where to write the answers: of exactly the shape and dtype that they have. It may be the image itself,
        or share memory with it.

    Returns
    -------
    numpy.ndarray or torch.Tensor, shape (..., H', W') or (..., N, H', W')
        A new tensor if the image or the kernel is one, on the device of the image or else of the kernel;
        differentiable in both, to any order. Otherwise a new array. Its dtype follows the table in
        `faltung.filters`. It is `out` where that is given.

    Raises
    ------
    FaltungError
        In one line, for an argument that makes no sense, a kernel that does not fit the padded picture, a
        boundary that cannot give that much padding, integer sums beyond int64, a method that cannot keep
        these answers exact, or an `out` that does not fit.

    See Also
    --------
    convolve : The same with the kernel flipped.

    Notes
    -----
    scipy.signal.correlate2d(mode='same') puts the origin of an even kernel one tap later, as do the
    correlations of scipy.ndimage. For odd kernels all agree.

    Examples
    --------
    Vertical edges of a picture, exactly: the answers of 8-bit pixels need 16 bits.

    >>> import numpy as np
    >>> from faltung.filters import correlate
    >>> X = np.array([[5, 5, 2, 5, 5],
    ...               [5, 5, 2, 5, 5],
    ...               [7, 7, 5, 7, 7],
    ...               [5, 5, 2, 5, 5],
    ...               [5, 5, 2, 5, 5]], dtype=np.uint8)
    >>> A = [[1, 0, -1],
    ...      [2, 0, -2],
    ...      [1, 0, -1]]
    >>> correlate(X, A)
    array([[ 11,   0, -11],
           [ 10,   0, -10],
           [ 11,   0, -11]], dtype=int16)

    A bank gives an axis of answers; every second one, of a picture that is a torus:

    >>> bank = [A, np.transpose(A)]
    >>> correlate(X, bank, padding="same", stride=2, boundary="circular").shape
    (2, 3, 3)
    """
    if method == "auto":
        answer = _native.quick(image, kernel, padding, stride, dilation, boundary, False, threads, out)
        if answer is not None:
            return answer
    return _engine.apply(
        image, kernel, padding, stride, dilation, boundary,
        flip=False, layer="correlate", method=method, threads=threads, out=out,
    )  # fmt: skip


@overload
def convolve(
    image: "Tensor",
    kernel: "Tensor | ArrayLike",
    *,
    padding: Padding = ...,
    stride: int | Pair = ...,
    dilation: int | Pair = ...,
    boundary: str = ...,
    method: str = ...,
    threads: int | None = ...,
    out: NDArray[Any] | None = ...,
) -> "Tensor": ...
@overload
def convolve(
    image: ArrayLike,
    kernel: "Tensor",
    *,
    padding: Padding = ...,
    stride: int | Pair = ...,
    dilation: int | Pair = ...,
    boundary: str = ...,
    method: str = ...,
    threads: int | None = ...,
    out: NDArray[Any] | None = ...,
) -> "Tensor": ...
@overload
def convolve(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    padding: Padding = ...,
    stride: int | Pair = ...,
    dilation: int | Pair = ...,
    boundary: str = ...,
    method: str = ...,
    threads: int | None = ...,
    out: NDArray[Any] | None = ...,
) -> NDArray[Any]: ...
def convolve(
    image: Any,
    kernel: Any,
    *,
    padding: Padding = "valid",
    stride: int | Pair = 1,
    dilation: int | Pair = 1,
    boundary: str = "zero",
    method: str = "auto",
    threads: int | None = None,
    out: NDArray[Any] | None = None,
) -> Any:
    """Convolve a picture with a kernel: cross-correlate it with the kernel flipped along both axes.

        Y[i, j] = sum over m, n of K[kh-1-m, kw-1-n] * X[s*i + d*m - p, s*j + d*n - p]

    A single bright pixel is answered by the kernel itself, where `correlate` answers with it upside down and
    back to front. A kernel that is its own half turn gives the same under both.

    Parameters
    ----------
    image, kernel, padding, stride, dilation, boundary, method, threads, out
        As for `correlate`. With padding 'same' the kernel is flipped about its origin, which stays where it
        was; so for even kernels the larger half of the padding comes before. That is the rule of
        scipy.signal.convolve2d(mode='same'). Padding given in numbers is the picture's, and is not swapped.

    Returns
    -------
    numpy.ndarray or torch.Tensor, shape (..., H', W') or (..., N, H', W')
        As `correlate` gives it.

    Raises
    ------
    FaltungError
        As `correlate` does.

    See Also
    --------
    correlate : The same without the flip; there stand dtypes, shapes and borders.

    Examples
    --------
    An edge filter answers with the other sign, a Laplacian with the same:

    >>> from faltung.filters import convolve, correlate
    >>> step = [[0, 0, 9, 9]] * 3
    >>> A = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    >>> correlate(step, A), convolve(step, A)
    (array([[-36, -36]]), array([[36, 36]]))
    >>> C = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    >>> correlate(step, C), convolve(step, C)
    (array([[ 9, -9]]), array([[ 9, -9]]))
    """
    if method == "auto":
        answer = _native.quick(image, kernel, padding, stride, dilation, boundary, True, threads, out)
        if answer is not None:
            return answer
    return _engine.apply(
        image, kernel, padding, stride, dilation, boundary,
        flip=True, layer="convolve", method=method, threads=threads, out=out,
    )  # fmt: skip


def plan(
    image: Any,
    kernel: Any,
    *,
    padding: Padding = "valid",
    stride: int | Pair = 1,
    dilation: int | Pair = 1,
    boundary: str = "zero",
    method: str = "auto",
    threads: int | None = None,
) -> Plan:
    """Say how `correlate` would compute these answers, why, and what each way is expected to take.

    Nothing is computed. Pixels do not matter, the shape and the dtype do; the numbers of the kernel matter.

    Parameters
    ----------
    image, kernel, padding, stride, dilation, boundary, method, threads
        As for `correlate`.

    Returns
    -------
    Plan
        The method, the reason, and the seconds that each way is expected to take on one thread. The figures
        were measured on one machine; elsewhere their ratios tell more than they do.

    Raises
    ------
    FaltungError
        As `correlate` does.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.filters import plan
    >>> picture = np.zeros((2048, 2048), dtype=np.float32)
    >>> line = np.hanning(15)
    >>> print(plan(picture, np.outer(line, line)).reason)
    the kernel is a sum of 1 separable: 30 products an answer, not 225
    >>> noise = np.random.default_rng(0).random((31, 31))
    >>> plan(picture, noise).method, sorted(plan(picture, noise).seconds)
    ('fft', ['direct', 'fft'])
    """
    return _engine.plan(image, kernel, (padding, stride, dilation, boundary, False, "plan"), method, threads)
