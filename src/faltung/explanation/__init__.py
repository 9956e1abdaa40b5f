"""What a filter does, computed from its numbers alone and never looked up by a name.

>>> print(explain([[1, 0, -1], [2, 0, -2], [1, 0, -1]]).sentence)  # doctest: +NORMALIZE_WHITESPACE
First derivative along x with factor -8, smoothed by [1, 2, 1] down the rows: finds vertical edges;
positive where the picture turns from bright to dark to the right.
"""

from dataclasses import replace
from fractions import Fraction

from numpy.typing import ArrayLike

from faltung.explanation.entries import Entries, Number, read, trimmed
from faltung.explanation.kind import Decision, decide, leak_of
from faltung.explanation.moments import MAX_ORDER, Operator, moment, operator
from faltung.explanation.nearest import nearest, spread_of
from faltung.explanation.report import Explanation, Moment
from faltung.explanation.response import Spectrum, frequency_response, spectrum
from faltung.explanation.separability import separability
from faltung.explanation.symmetry import symmetries
from faltung.explanation.words import sentence

__all__ = ["Explanation", "explain"]


def explain(kernel: ArrayLike) -> Explanation:
    """What a filter does under cross-correlation, Y[i, j] = sum of K[m, n] * X[i + m, j + n].

    Parameters
    ----------
    kernel : array_like, shape (height, width)
        Real entries; sides up to 255. Whole numbers and fractions are worked out exactly. A PyTorch tensor
        will do. x runs along the columns to the right, y along the rows downwards.

    Returns
    -------
    Explanation
        Kind, sentence, DC gain, moments, differential operator, symmetries, factors, frequency response and
        nearest named filter. It prints as text, shows as HTML in a notebook, and turns into plain data with
        `to_dict`.

    Raises
    ------
    FaltungError
        The kernel is ragged, empty, not of two axes, too large, complex, not of numbers, or not finite.

    Examples
    --------
    >>> found = explain([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    >>> print(found.sentence)  # doctest: +NORMALIZE_WHITESPACE
    Laplacian (isotropic second derivative) with factor 1: answers at spots, lines and corners, zero on any
    linear ramp.
    >>> found.operator.factor, found.dc_gain, found.separability.rank
    (Fraction(1, 1), Fraction(0, 1), 2)

    A single tap moves the picture, whatever its moments are:

    >>> print(explain([[0, 0, 0], [0, 0, 1], [0, 0, 0]]).sentence)
    Shift: moves the picture 1 pixel to the left.
    """
    array, rounding = read(kernel)
    entries = trimmed(array, rounding)
    rows: tuple[tuple[Number, ...], ...] = tuple(
        tuple(Fraction(entry) if not rounding else float(entry) for entry in row) for row in array.tolist()
    )
    if entries is None:
        return _finished(_zero(rows, exact=not rounding))
    kernel_floats = entries.floats
    waves = spectrum(kernel_floats)
    factors = separability(entries)
    response = frequency_response(kernel_floats, waves, leak_of(entries), entries.scale)
    decision = decide(entries, waves, response, factors.rank)
    leading, holds = _leading(entries, decision, waves)
    height, width = entries.grid.shape
    centre = (entries.top + (height - 1) / 2, entries.left + (width - 1) / 2)
    offset = (centre[0] - (entries.given[0] - 1) / 2, centre[1] - (entries.given[1] - 1) / 2)
    return _finished(
        Explanation(
            kernel=rows,
            kind=decision.kind,
            sentence="",
            order=decision.order,
            dc_gain=moment(entries.grid, 0, 0) * entries.unit,
            centre=centre,
            offset=offset,
            moments=_moments(entries, max(2, decision.order or 0)),
            operator=leading,
            holds=holds,
            added=decision.added,
            motion=_motion(entries, decision, offset),
            spread=spread_of(kernel_floats) if decision.kind == "smoothing" else None,
            symmetries=symmetries(entries.grid, entries.rounding),
            separability=factors,
            response=response,
            wave=decision.wave,
            nearest=nearest(entries, decision, leading),
            exact=entries.exact,
        )
    )


def _finished(found: Explanation) -> Explanation:
    return replace(found, sentence=sentence(found))


def _zero(rows: tuple[tuple[Number, ...], ...], exact: bool) -> Explanation:
    """Report on a kernel of zeros, which has no frequency to peak at and no factors."""
    nothing: Number = Fraction(0) if exact else 0.0
    return Explanation(
        kernel=rows,
        kind="zero",
        sentence="",
        order=None,
        dc_gain=nothing,
        centre=((len(rows) - 1) / 2, (len(rows[0]) - 1) / 2),
        offset=(0.0, 0.0),
        moments=tuple(Moment(y, order - y, nothing) for order in range(3) for y in range(order + 1)),
        operator=None,
        holds=False,
        added=None,
        motion=None,
        spread=None,
        symmetries={},
        separability=None,
        response=None,
        wave=None,
        nearest=None,
        exact=exact,
    )


def _moments(entries: Entries, most: int) -> tuple[Moment, ...]:
    return tuple(
        Moment(y, order - y, moment(entries.grid, y, order - y) * entries.unit)
        for order in range(most + 1)
        for y in range(order + 1)
    )


def _leading(entries: Entries, decision: Decision, waves: Spectrum) -> tuple[Operator | None, bool]:
    """Leading operator, and whether it describes the filter up to its peak frequency."""
    match decision.kind:
        case "derivative" | "laplacian":
            assert decision.order is not None
            return operator(entries.grid, decision.order, entries.unit), True
        case "smoothing":
            return operator(entries.grid, 0, entries.unit), True
        case "identity" | "shift" | "band-pass":
            return None, False  # an expansion in moments says nothing about these
    for order in range(MAX_ORDER + 1):
        term = operator(entries.floats, order)
        size = max(abs(term.symbol(*peak)) for peak in waves.ties) if order else abs(float(entries.floats.sum()))
        if size > leak_of(entries) * waves.gain:
            return operator(entries.grid, order, entries.unit), False
    return None, False


def _motion(entries: Entries, decision: Decision, offset: tuple[float, float]) -> tuple[float, float] | None:
    """How far the picture moves, (down, right): p shows what was at p + tap, so it moves the other way."""
    height, width = entries.grid.shape
    if decision.tap is not None:
        down = decision.tap[0] - (height - 1) / 2 + offset[0]
        right = decision.tap[1] - (width - 1) / 2 + offset[1]
    elif decision.kind == "smoothing":
        total = moment(entries.grid, 0, 0)
        down = float(moment(entries.grid, 1, 0) / total) + offset[0]
        right = float(moment(entries.grid, 0, 1) / total) + offset[1]
    else:
        return None
    return (-down + 0.0, -right + 0.0) if max(abs(down), abs(right)) > 0.02 else None
