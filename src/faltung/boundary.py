"""What lies beyond the border: which pixel each position of a padded axis copies.

A padding is an index map. Position i of an axis of n pixels is pixel i itself for 0 <= i < n; beyond, the
boundary names the pixel that it repeats. Zero padding repeats none: it carries no information.

    pixels          a b c d        at positions 0 1 2 3
    zero        . . a b c d . .
    reflect     c b a b c d c b    about the outermost pixel, which is not repeated
    replicate   a a a b c d d d    the outermost pixel again
    circular    c d a b c d a b    the other end comes next

Names, meanings and limits are those of torch.nn.functional.pad. Standard library only, so that the maps serve
arrays, tensors and receptive fields alike.
"""

from faltung.errors import FaltungError, UnknownName

BOUNDARIES = ("zero", "reflect", "replicate", "circular")
"""The boundaries there are."""


def source(position: int, size: int, boundary: str) -> int | None:
    """Return the pixel that a position copies, or None where it is zero padding.

    Parameters
    ----------
    position : int
        Position on the axis; the pixels are 0 .. size-1, and the padding lies on both sides of them.
    size : int
        Number of pixels, at least 1.
    boundary : str
        One of `BOUNDARIES`.

    Raises
    ------
    FaltungError
        Where the boundary is unknown or does not reach that far (see `most_padding`).

    Examples
    --------
    >>> [source(position, 4, "reflect") for position in range(-2, 6)]
    [2, 1, 0, 1, 2, 3, 2, 1]
    >>> [source(position, 4, "zero") for position in range(-2, 6)]
    [None, None, 0, 1, 2, 3, None, None]
    """
    check_padding(size, max(-position, position - (size - 1)), boundary)
    return _source(position, size, boundary)


def index_map(
    size: int, before: int, after: int, boundary: str, *, axis: str = "x", layer: str = "pad"
) -> list[int | None]:
    """Return the pixel that each position of the padded axis copies: `before + size + after` of them.

    Parameters
    ----------
    size : int
        Number of pixels, at least 1.
    before, after : int
        Positions added on the two sides, not negative.
    boundary : str
        One of `BOUNDARIES`.
    axis, layer : str
        Their names in errors.

    Returns
    -------
    list of int or None
        None is zero padding.

    Raises
    ------
    FaltungError
        Where the boundary is unknown or the padding is more than the boundary can give.

    Examples
    --------
    >>> index_map(4, 2, 2, "circular")
    [2, 3, 0, 1, 2, 3, 0, 1]
    >>> index_map(3, 3, 0, "reflect")
    Traceback (most recent call last):
    faltung.errors.FaltungError: pad, axis x: reflect padding of 3 needs at least 4 pixels, the axis has 3
    """
    for amount in (before, after):
        if amount < 0:
            raise FaltungError(f"{layer}, axis {axis}: padding {amount} must not be negative")
        check_padding(size, amount, boundary, axis=axis, layer=layer)
    return [_source(position, size, boundary) for position in range(-before, size + after)]


def most_padding(size: int, boundary: str) -> int | None:
    """Return the most positions that a boundary adds on one side of `size` pixels; None for any number.

    Reflection turns once and does not repeat the outermost pixel, so it has size-1 to give; a circle is gone
    round once.

    >>> most_padding(4, "reflect"), most_padding(4, "circular"), most_padding(4, "replicate")
    (3, 4, None)
    """
    if boundary not in BOUNDARIES:
        raise UnknownName("boundary", boundary, BOUNDARIES)
    return {"reflect": size - 1, "circular": size}.get(boundary)


def check_padding(size: int, amount: int, boundary: str, *, axis: str = "x", layer: str = "pad") -> None:
    """Refuse more padding on one side than the boundary can give.

    >>> check_padding(4, 3, "reflect")
    >>> check_padding(4, 5, "circular", axis="y", layer="conv2")
    Traceback (most recent call last):
    faltung.errors.FaltungError: conv2, axis y: circular padding of 5 needs at least 5 pixels, the axis has 4
    """
    if size < 1:
        raise FaltungError(f"{layer}, axis {axis}: an axis of {size} pixels has nothing to pad")
    most = most_padding(size, boundary)
    if most is not None and amount > most:
        raise FaltungError(
            f"{layer}, axis {axis}: {boundary} padding of {amount} needs at least {size + amount - most} "
            f"pixels, the axis has {size}"
        )


def _source(position: int, size: int, boundary: str) -> int | None:
    if 0 <= position < size:
        return position
    if boundary == "zero":
        return None
    if boundary == "replicate":
        return 0 if position < 0 else size - 1
    if boundary == "circular":
        return position % size
    return -position if position < 0 else 2 * (size - 1) - position
