"""The report on a kernel, and how it is shown: in a terminal, in a notebook, as plain data."""

import html
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from faltung.explanation.entries import Number
from faltung.explanation.moments import Operator, Term
from faltung.explanation.nearest import Nearest
from faltung.explanation.response import FrequencyResponse
from faltung.explanation.separability import Separability
from faltung.explanation.wave import CentreSurround, Wave


@dataclass(frozen=True)
class Moment:
    """Sum of the entries times y**`y` * x**`x`, with y and x in pixels from the kernel's centre."""

    y: int
    x: int
    value: Number


@dataclass(frozen=True)
class Explanation:
    """What a filter does, computed from its numbers under cross-correlation.

    Attributes
    ----------
    kernel : tuple of tuple of Fraction or float
        The entries as given: Fractions if they were whole numbers or fractions.
    kind : str
        'zero', 'identity' (or a multiple), 'shift' (a single tap elsewhere), 'smoothing', 'derivative',
        'laplacian', 'sharpening', 'picture plus derivative' (emboss), 'high-pass' (the picture minus a local
        mean), 'band-pass' (Gabor or centre-surround), or 'none': no simple description.
    sentence : str
        What the filter does, in one plain sentence.
    order : int or None
        Order of the derivative that the filter is, or that it adds to the picture.
    dc_gain : Fraction or float
        Sum of the entries: what becomes of an even brightness of 1.
    centre : tuple of float
        (row, column) about which moments and phases are taken: the middle of the entries without zero
        borders. It ends in .5 where it lies between pixels.
    offset : tuple of float
        (rows down, columns right) from the middle of the kernel as given to `centre`.
    moments : tuple of Moment
        About `centre`, up to order 2 or the order of the derivative; exact Fractions for whole numbers.
    operator : Operator or None
        Leading differential operator: the answer to slowly varying pictures. None for zero, single taps and
        band-pass filters, which an expansion does not describe.
    holds : bool
        The operator describes the filter up to its peak frequency (a derivative, a smoothing), not only on
        pictures slower than what it answers to most.
    added : Operator or None
        For sharpening and 'picture plus derivative': the operator added to `dc_gain` times the picture.
    motion : tuple of float or None
        For a shift, and a smoothing off its middle: how far the picture moves, (pixels down, pixels right).
    spread : tuple of float or None
        For a smoothing: least and largest standard deviation of its weights in pixels, and the direction of
        the largest in degrees from x (right) towards y (down).
    symmetries : dict of str to int
        For each turn and flip of the square, 1 if it leaves the trimmed kernel as it is, -1 if it changes its
        sign, else 0.
    separability : Separability or None
        Rank and factors; None for the zero kernel.
    response : FrequencyResponse or None
        Low-, high-, band-pass and the peak; None for the zero kernel.
    wave : Wave, CentreSurround or None
        For band-pass filters: the wave or the two Gaussians.
    nearest : Nearest or None
        Nearest named filter of the same kind, if one is near.
    exact : bool
        The kernel was given in whole numbers or fractions, so that moments and rank are exact.
    """

    kernel: tuple[tuple[Number, ...], ...]
    kind: str
    sentence: str
    order: int | None
    dc_gain: Number
    centre: tuple[float, float]
    offset: tuple[float, float]
    moments: tuple[Moment, ...]
    operator: Operator | None
    holds: bool
    added: Operator | None
    motion: tuple[float, float] | None
    spread: tuple[float, float, float] | None
    symmetries: dict[str, int]
    separability: Separability | None
    response: FrequencyResponse | None
    wave: Wave | CentreSurround | None
    nearest: Nearest | None
    exact: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the kernel as given."""
        return len(self.kernel), len(self.kernel[0])

    def __str__(self) -> str:
        facts = self._facts()
        label = max(len(name) for name, _ in facts)
        lines = [self.sentence, "", *_drawn(self.kernel), ""]
        return "\n".join([*lines, *(f"{name:<{label}}  {value}" for name, value in facts)])

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>"
            + "".join(
                '<td style="border:1px solid #999;padding:0.2em 0.5em;text-align:right">'
                f"{html.escape(number(entry))}</td>"
                for entry in row
            )
            + "</tr>"
            for row in self.kernel
        )
        facts = "".join(
            f'<tr><th style="text-align:left;padding-right:1em;font-weight:600">{html.escape(name)}</th>'
            f'<td style="text-align:left">{html.escape(value)}</td></tr>'
            for name, value in self._facts()
        )
        shown = (
            f'<table style="border-collapse:collapse;font-family:monospace">{cells}</table>'
            if max(self.shape) <= _MOST_SHOWN
            else ""
        )
        return f"<div><p>{html.escape(self.sentence)}</p>{shown}<table>{facts}</table></div>"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain numbers, strings, lists and dictionaries, ready for JSON.

        Whole numbers stay whole; fractions become floats.
        """
        return {
            "kernel": [[plain(entry) for entry in row] for row in self.kernel],
            "shape": list(self.shape),
            "kind": self.kind,
            "sentence": self.sentence,
            "order": self.order,
            "dc_gain": plain(self.dc_gain),
            "centre": {"y": self.centre[0], "x": self.centre[1]},
            "offset": {"y": self.offset[0], "x": self.offset[1]},
            "moments": [{"y": m.y, "x": m.x, "value": plain(m.value)} for m in self.moments],
            "operator": _operator_dict(self.operator),
            "holds": self.holds,
            "added": _operator_dict(self.added),
            "motion": None if self.motion is None else {"y": self.motion[0], "x": self.motion[1]},
            "spread": None
            if self.spread is None
            else {"least": self.spread[0], "largest": self.spread[1], "direction": self.spread[2]},
            "symmetries": dict(self.symmetries),
            "separability": _separability_dict(self.separability),
            "response": None
            if self.response is None
            else {
                "kind": self.response.kind,
                "peak_gain": self.response.peak_gain,
                "peak_frequency": self.response.peak_frequency,
                "peak_orientation": self.response.peak_orientation,
                "dc_share": self.response.dc_share,
            },
            "wave": _wave_dict(self.wave),
            "nearest": None
            if self.nearest is None
            else {
                "name": self.nearest.name,
                "turn": self.nearest.turn,
                "scale": plain(self.nearest.scale),
                "error": self.nearest.error,
                "exact": self.nearest.exact,
            },
            "exact": self.exact,
        }

    def _facts(self) -> list[tuple[str, str]]:
        """Names and values of what was found, for people."""
        facts = [("kind", self.kind if self.kind != "none" else "none (no simple description)")]
        facts.append(("DC gain", number(self.dc_gain)))
        if self.operator is not None:
            where = "" if self.holds else "  (on pictures slower than its peak)"
            facts.append(("leading operator", f"{polynomial(self.operator.terms)}{where}"))
        if self.added is not None:
            facts.append(("added operator", polynomial(self.added.terms)))
        if self.offset != (0.0, 0.0) or any(c % 1 for c in self.centre):
            facts.append(("centre", f"row {self.centre[0]:g}, column {self.centre[1]:g}"))
        if self.motion is not None:
            facts.append(("moves the picture", moved(*self.motion)))
        if self.spread is not None:
            facts.append(("spread", f"{self.spread[0]:.3g} to {self.spread[1]:.3g} pixels"))
        if isinstance(self.wave, Wave):
            wave = self.wave
            facts.append(
                (
                    "wave",
                    f"{wave.wavelength:.3g} pixels long, running at {wave.orientation:.3g} degrees, "
                    f"phase {wave.phase:.0f} degrees (error {wave.error:.1%})",
                )
            )
        if isinstance(self.wave, CentreSurround):
            narrow, wide = self.wave.sigma
            facts.append(("Gaussians", f"sigma {narrow:.3g} and {wide:.3g} pixels (error {self.wave.error:.1%})"))
        kept = [name for name, sign in self.symmetries.items() if sign == 1 and name != "as it is"]
        turned = [name for name, sign in self.symmetries.items() if sign == -1 and name != "as it is"]
        if self.kind != "zero":
            facts.append(("stays the same", "; ".join(kept) or "under no turn or flip"))
            if turned:
                facts.append(("changes sign", "; ".join(turned)))
        if self.separability is not None:
            facts.append(("separable", _separable(self.separability)))
        if self.response is not None:
            facts.append(("frequencies", _response(self.response)))
        if self.nearest is not None:
            near = self.nearest
            how = "exactly" if near.exact else f"error {near.error:.1%}"
            turn = "" if near.turn == "as it is" else f", {near.turn}"
            facts.append(("nearest", f"{number(near.scale)} x {near.name}{turn} ({how})"))
        return facts


_MOST_SHOWN = 15  # larger kernels are not drawn


def plain(value: Number) -> int | float:
    """A Fraction as a whole number or a float.

    >>> plain(Fraction(-8)), plain(Fraction(1, 4))
    (-8, 0.25)
    """
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return float(value)


def number(value: Number) -> str:
    """A number for people: exact where it is a short fraction, else with three digits.

    >>> number(Fraction(-8)), number(Fraction(1, 3)), number(2.0), number(0.123456), number(-1e-9)
    ('-8', '1/3', '2', '0.123', '-1e-09')
    """
    if isinstance(value, Fraction):
        if value.denominator == 1 and abs(value) < 10**9:
            return str(value)
        if value.denominator <= 999 and abs(value.numerator) <= 9999:
            return str(value)
        value = float(value)
    value = float(value)
    if value and abs(value - round(value)) <= 1e-12 * abs(value) and abs(value) < 1e9:
        return str(round(value))
    return f"{value + 0.0:.3g}"


def polynomial(terms: tuple[Term, ...]) -> str:
    """A differential operator as a formula.

    >>> polynomial((Term(0, 2, Fraction(1)), Term(2, 0, Fraction(-3, 2))))
    'd2/dx2 - 3/2 d2/dy2'
    """
    pieces = []
    for term in terms:
        order = term.y + term.x
        below = "".join(
            f"d{axis}{power if power > 1 else ''}" for axis, power in (("x", term.x), ("y", term.y)) if power
        )
        above = f"d{order if order > 1 else ''}"
        symbol = f"{above}/{below}" if order else "picture"
        size = number(term.coefficient).removeprefix("-")
        factor = "" if size == "1" else f"{size} "
        pieces.append(("- " if term.coefficient < 0 else "+ ") + factor + symbol)
    text = " ".join(pieces) or "0"
    return text.removeprefix("+ ").replace("- ", "-", 1) if text.startswith("- ") else text.removeprefix("+ ")


def moved(down: float, right: float) -> str:
    """A movement in words.

    >>> moved(-2.0, 1.0)
    '1 pixel to the right and 2 pixels up'
    """
    pieces = []
    for amount, ahead, back in ((right, "to the right", "to the left"), (down, "down", "up")):
        if abs(amount) >= 5e-3:
            unit = "pixel" if abs(abs(amount) - 1) < 5e-3 else "pixels"
            pieces.append(f"{abs(amount):.3g} {unit} {ahead if amount > 0 else back}")
    return " and ".join(pieces) or "nowhere"


def _drawn(kernel: tuple[tuple[Number, ...], ...]) -> list[str]:
    if max(len(kernel), len(kernel[0])) > _MOST_SHOWN:
        return [f"({len(kernel)}x{len(kernel[0])} entries)"]
    cells = [[number(entry) for entry in row] for row in kernel]
    width = max(len(cell) for row in cells for cell in row)
    return ["  " + "  ".join(f"{cell:>{width}}" for cell in row) for row in cells]


def _separable(found: Separability) -> str:
    exactly = "exactly" if found.exact else f"to within {found.tolerance:.0e}"
    if found.column is None or found.row is None:
        return f"no: rank {found.rank}, {exactly}"
    if max(len(found.column), len(found.row)) > _MOST_SHOWN:
        return f"yes, {exactly}"
    column, row = ", ".join(map(number, found.column)), ", ".join(map(number, found.row))
    return f"yes, {exactly}: {number(found.scale)} x column [{column}] x row [{row}]"


def _response(found: FrequencyResponse) -> str:
    where = "the even brightness" if found.peak_frequency == 0 else f"{found.peak_frequency:.3g} cycles per pixel"
    if found.peak_frequency and found.peak_orientation is not None:
        where += f" at {found.peak_orientation:.3g} degrees"
    elif found.peak_frequency:
        where += " in several directions"
    return f"{found.kind}; peak gain {number(found.peak_gain)} at {where}; DC share {found.dc_share:.1%}"


def _operator_dict(operator: Operator | None) -> dict[str, Any] | None:
    if operator is None:
        return None
    return {
        "order": operator.order,
        "terms": [{"y": t.y, "x": t.x, "coefficient": plain(t.coefficient)} for t in operator.terms],
        "text": polynomial(operator.terms),
        "form": operator.form,
        "factor": plain(operator.factor),
        "direction": operator.direction,
        "exact": operator.exact,
    }


def _separability_dict(found: Separability | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "rank": found.rank,
        "exact": found.exact,
        "tolerance": found.tolerance,
        "scale": plain(found.scale),
        "column": None if found.column is None else list(found.column),
        "row": None if found.row is None else list(found.row),
    }


def _wave_dict(wave: Wave | CentreSurround | None) -> dict[str, Any] | None:
    if isinstance(wave, Wave):
        return {
            "wavelength": wave.wavelength,
            "orientation": wave.orientation,
            "phase": wave.phase,
            "sigma": list(wave.sigma),
            "error": wave.error,
        }
    return None if wave is None else {"sigma": list(wave.sigma), "error": wave.error}
