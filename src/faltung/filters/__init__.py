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
"""

from typing import TYPE_CHECKING, Any, overload

from numpy.typing import ArrayLike, NDArray

from faltung.filters import _engine, _native

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convolve", "correlate"]

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

    Returns
    -------
    numpy.ndarray or torch.Tensor, shape (..., H', W') or (..., N, H', W')
        A new tensor if the image or the kernel is one, on the device of the image or else of the kernel;
        differentiable in both, to any order. Otherwise a new array. Its dtype follows the table in
        `faltung.filters`.

    Raises
    ------
    FaltungError
        In one line, for an argument that makes no sense, a kernel that does not fit the padded picture, a
        boundary that cannot give that much padding, or integer sums beyond int64.

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
    if out is None and method == "auto":
        answer = _native.quick(image, kernel, padding, stride, dilation, boundary, False)
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
    image, kernel, padding, stride, dilation, boundary
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
    if out is None and method == "auto":
        answer = _native.quick(image, kernel, padding, stride, dilation, boundary, True)
        if answer is not None:
            return answer
    return _engine.apply(
        image, kernel, padding, stride, dilation, boundary,
        flip=True, layer="convolve", method=method, threads=threads, out=out,
    )  # fmt: skip
