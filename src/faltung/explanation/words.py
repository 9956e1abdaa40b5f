"""One plain sentence about a kernel, true for its numbers."""

import math
from fractions import Fraction

from faltung.explanation.entries import Number
from faltung.explanation.moments import Operator
from faltung.explanation.report import Explanation, moved, number, polynomial
from faltung.explanation.separability import Separability
from faltung.explanation.wave import CentreSurround, Wave

_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth")

# direction in degrees: (along what, which edges it finds, where brightness grows)
_DIRECTIONS = {
    0.0: ("along x", "vertical edges", "to the right"),
    90.0: ("along y", "horizontal edges", "downwards"),
    45.0: ("along the falling diagonal", "edges along the rising diagonal", "down to the right"),
    -45.0: ("along the rising diagonal", "edges along the falling diagonal", "up to the right"),
}


def sentence(found: Explanation) -> str:
    """What the filter does, for a person."""
    match found.kind:
        case "zero":
            text = "Zero: the answer is 0 to every picture"
        case "identity":
            text = _identity(found)
        case "shift":
            text = _shift(found)
        case "smoothing":
            text = _smoothing(found)
        case "derivative" | "laplacian":
            text = _derivative(found)
        case "sharpening":
            text = _sharpening(found)
        case "picture plus derivative":
            text = _picture_plus_derivative(found)
        case "high-pass":
            text = (
                "High-pass: the picture minus a local mean of its neighbours, times "
                f"{number(_strongest(found))}: keeps edges and fine detail, and answers "
                f"{_zero(found)} to even brightness"
            )
        case "band-pass":
            text = _band_pass(found)
        case _:
            text = (
                "No simple description: neither smoothing, derivative, sharpening nor band-pass; "
                f"even brightness comes out times {number(found.dc_gain)}"
            )
    return f"{text}{_leak(found)}."


def _identity(found: Explanation) -> str:
    gain = number(_strongest(found))
    rest = _others(found)
    if gain == "1":
        return f"Identity: the picture comes out unchanged{rest}"
    if gain == "-1":
        return f"Negative: the picture comes out with its sign reversed{rest}"
    return f"Multiple of the identity: the picture comes out times {gain}{rest}"


def _shift(found: Explanation) -> str:
    assert found.motion is not None
    gain = number(_strongest(found))
    times = {"1": "", "-1": " and reverses its sign"}.get(gain, f" and multiplies it by {gain}")
    return f"Shift: moves the picture {moved(*found.motion)}{times}{_others(found)}"


def _others(found: Explanation) -> str:
    """What a single tap leaves out."""
    strongest = _strongest(found)
    total = sum(float(entry) ** 2 for row in found.kernel for entry in row)
    share = math.sqrt(max(0.0, total / float(strongest) ** 2 - 1))
    return f", but for other taps of {share:.1%} in all" if share > 1e-6 else ""


def _smoothing(found: Explanation) -> str:
    entries = [float(entry) for row in found.kernel for entry in row if entry]
    mixed = min(entries) < 0 < max(entries)
    level = max(entries) - min(entries) <= 1e-6 * max(abs(entry) for entry in entries)
    rows = [m for m, row in enumerate(found.kernel) if any(row)]
    columns = [n for n in range(found.shape[1]) if any(row[n] for row in found.kernel)]
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    where = "along x" if height == 1 else "along y" if width == 1 else "in all directions"
    if height > 1 and width > 1 and found.spread is not None and found.spread[1] > 1.5 * found.spread[0]:
        where = _along(found.spread[2])
    what = "a weighted sum" if mixed else "the mean" if level else "a weighted mean"
    among = f"{len(entries)} among " if level and len(entries) != height * width else ""
    text = f"Smoothing (low-pass) {where}: {what} of {among}{height}x{width} pixels, {_brightness(found)}"
    return text + (f", and moves the picture {moved(*found.motion)}" if found.motion is not None else "")


def _derivative(found: Explanation) -> str:
    operator = found.operator
    assert operator is not None
    what = f"{_named(operator)}{_factor(operator)}{_smoothed(operator, found.separability)}{_place(found)}"
    text = f"{what[0].upper()}{what[1:]}: "
    positive = operator.factor > 0
    ramp = f"{_zero(found)} on any linear ramp"
    if operator.form == "isotropic" and operator.order == 2:
        return f"{text}answers at spots, lines and corners, {ramp}"
    if operator.order == 1:
        assert operator.direction is not None
        direction = _fixed(operator.direction)
        turn = "from dark to bright" if positive else "from bright to dark"
        if direction is None:
            return f"{text}finds edges at right angles to that; positive where the picture turns {turn} that way"
        _, edges, ahead = _DIRECTIONS[direction]
        return f"{text}finds {edges}; positive where the picture turns {turn} {ahead}"
    if operator.order == 2 and operator.form == "directional":
        tones = ("dark", "bright") if positive else ("bright", "dark")
        lines = {0.0: "vertical lines", 90.0: "horizontal lines"}
        across = lines.get(operator.direction or 0.0, "lines at right angles to that")
        return f"{text}answers to {across}, positive on {tones[0]} ones and negative on {tones[1]} ones, {ramp}"
    if operator.order == 2:
        return f"{text}answers to corners and saddles, {ramp}"
    return f"{text}{_zero(found)} on every picture that is a polynomial of degree below {operator.order}"


def _sharpening(found: Explanation) -> str:
    assert found.response is not None
    ratio = number(found.response.peak_gain / abs(float(found.dc_gain)))
    text = f"Sharpening: {_brightness(found)} and amplifies fine detail, up to {ratio} times as much"
    if found.added is not None:
        text += f": {_picture(found)} {_plus(found.added)}"
    return text


def _picture_plus_derivative(found: Explanation) -> str:
    assert found.added is not None
    added = found.added
    text = f"Picture plus a derivative: {_picture(found)} {_plus(added)}"
    if added.order != 1:
        return text
    direction = _fixed(added.direction or 0.0)
    ahead = _DIRECTIONS[direction][2] if direction is not None else "that way"
    turn = "from dark to bright" if added.factor > 0 else "from bright to dark"
    return f"{text}: a relief (emboss), brighter where the picture turns {turn} {ahead}"


def _band_pass(found: Explanation) -> str:
    assert found.response is not None
    share = found.response.dc_share
    mean = "" if share <= 0.05 else f"; even brightness comes through with {share:.0%} of the peak gain"
    if isinstance(found.wave, CentreSurround):
        narrow, wide = found.wave.sigma
        return (
            f"Band-pass (centre against surround): the difference of two Gaussians of {narrow:.3g} and "
            f"{wide:.3g} pixels: answers to spots of about that size{mean}"
        )
    assert isinstance(found.wave, Wave)
    wave = found.wave
    odd = f"an edge in the middle (phase {wave.phase:.0f} degrees)"
    shapes = {0: "a bright line in the middle", 180: "a dark line in the middle", 90: odd, -90: odd}
    near = [text for angle, text in shapes.items() if abs((wave.phase - angle + 180) % 360 - 180) <= 10]
    shape = near[0] if near else f"phase {wave.phase:.0f} degrees in the middle"
    return (
        f"Band-pass (Gabor): answers to stripes {wave.wavelength:.3g} pixels apart that follow each other "
        f"{_along(wave.orientation)}, {shape}{mean}"
    )


def _named(operator: Operator) -> str:
    """The operator's name without its factor."""
    if operator.form == "isotropic":
        if operator.order == 2:
            return "Laplacian (isotropic second derivative)"
        return f"{_ORDINALS[operator.order]} derivative, isotropic (a power of the Laplacian),"
    ordinal = _ORDINALS[operator.order]
    if operator.form == "directional":
        assert operator.direction is not None
        return f"{ordinal} derivative {_along(operator.direction)}"
    if len(operator.terms) == 1:
        return f"mixed {ordinal} derivative {polynomial(operator.terms)}"
    return f"{ordinal}-order derivative {polynomial(operator.terms)}"


def _factor(operator: Operator) -> str:
    if operator.form == "general":
        return ""  # its formula has the factors
    shown = number(operator.factor)
    close = abs(float(Fraction(shown)) - float(operator.factor)) <= 1e-9 * abs(float(operator.factor))
    return f" with factor {'' if close else 'about '}{shown}"


def _smoothed(operator: Operator, found: Separability | None) -> str:
    """The mean across a derivative along an axis, if the kernel is a product of the two."""
    if found is None or found.column is None or found.row is None or operator.form != "directional":
        return ""
    if operator.direction not in (0.0, 90.0):
        return ""
    across_x = operator.direction == 0
    weights = found.column if across_x else found.row
    where = "down the rows" if across_x else "across the columns"
    if len(weights) == 1:
        return ""
    if len(weights) > 7:
        return f", smoothed over {len(weights)} pixels {where}"
    total = 1 if found.exact else sum(weights)
    shown = ", ".join(number(float(weight) / total) for weight in weights)
    return f", smoothed by [{shown}] {where}"


def _place(found: Explanation) -> str:
    if found.offset != (0.0, 0.0):
        return f", about a point {moved(*found.offset)} of the kernel's middle".replace("down of", "below").replace(
            "up of", "above"
        )
    if any(coordinate % 1 for coordinate in found.centre):
        return ", about the kernel's middle between pixels"
    return ""


def _plus(added: Operator) -> str:
    """'plus 3 times its ...' for the operator added to a picture."""
    size = number(added.factor).removeprefix("-")
    sign = "plus" if added.factor > 0 or added.form == "general" else "minus"
    if added.form == "general":
        return f"plus its {_named(added)}"
    times = "" if size == "1" else f"{size} times "
    name = "Laplacian" if added.form == "isotropic" and added.order == 2 else _named(added)
    return f"{sign} {times}its {name}"


def _picture(found: Explanation) -> str:
    gain = number(found.dc_gain)
    return "the picture" if gain == "1" else f"{gain} times the picture"


def _brightness(found: Explanation) -> str:
    gain = number(found.dc_gain)
    return "keeps the mean brightness" if gain == "1" else f"multiplies the mean brightness by {gain}"


def _zero(found: Explanation) -> str:
    """'zero' where the lower moments vanish, 'nearly zero' where they leak."""
    order = found.order or 1
    largest = max((abs(float(entry)) for row in found.kernel for entry in row), default=0.0)
    reach = max(found.shape)
    for moment in found.moments:
        lower = moment.y + moment.x
        if lower < order and abs(float(moment.value)) > 1e-9 * largest * reach ** (lower + 2):
            return "nearly zero"
    return "zero"


def _leak(found: Explanation) -> str:
    """A DC gain that should not be there, said in so many words."""
    if found.kind not in ("derivative", "laplacian", "high-pass") or found.response is None:
        return ""
    share = found.response.dc_share
    return f" (but for a DC leak of {share:.2%} of its peak gain)" if share > 1e-6 else ""


def _strongest(found: Explanation) -> Number:
    """The entry of the largest magnitude."""
    return max((entry for row in found.kernel for entry in row), key=lambda entry: abs(float(entry)))


def _along(direction: float) -> str:
    fixed = _fixed(direction)
    if fixed is not None:
        return _DIRECTIONS[fixed][0]
    return f"along {direction:.3g} degrees (from x towards y, which points down)"


def _fixed(direction: float) -> float | None:
    """The axis or diagonal that a direction is to within rounding of the words, if any."""
    near = [axis for axis in _DIRECTIONS if abs(math.remainder(direction - axis, 180)) <= 0.05 and direction != -90]
    return near[0] if near else None
