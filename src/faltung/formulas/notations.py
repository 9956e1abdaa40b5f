"""Three ways to write the parts of a formula: text for a terminal, LaTeX, and MathML for pages.

A notation is a table of templates, `%s` standing for the parts in the order in which they are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

GREEK = {"alpha": "α", "beta": "β", "rho": "ρ"}

_LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_HIGH = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def split_name(name: str) -> tuple[str, int, str]:
    """Return a name's letter, its number of primes and its subscript.

    >>> split_name("N'_1")
    ('N', 1, '1')
    """
    base, _, below = name.partition("_")
    return base.rstrip("'"), base.count("'"), below


def _text_name(name: str) -> str:
    letter, primes, below = split_name(name)
    return GREEK.get(letter, letter) + "′" * primes + below.translate(_LOW)


def _latex_name(name: str) -> str:
    letter, primes, below = split_name(name)
    letter = f"\\{letter}" if letter in GREEK else letter if len(letter) == 1 else f"\\mathrm{{{letter}}}"
    return letter + "'" * primes + (f"_{{{below}}}" if below else "")


def _mathml_name(name: str) -> str:
    letter, primes, below = split_name(name)
    base, above = f"<mi>{escape(GREEK.get(letter, letter))}</mi>", f"<mo>{'′' * primes}</mo>"
    lower = f"<mn>{below}</mn>" if below.isdigit() else f"<mi>{escape(below)}</mi>"
    if primes and below:
        return f"<msubsup>{base}{lower}{above}</msubsup>"
    if primes:
        return f"<msup>{base}{above}</msup>"
    return f"<msub>{base}{lower}</msub>" if below else base


@dataclass(frozen=True)
class Notation:
    """How the parts of a formula are written.

    Parameters
    ----------
    name : callable
        Writes the name of a symbol or a tensor, with primes and subscript.
    power : callable
        Writes a base and an exponent.
    row : str
        Around what belongs together.
    number, parentheses, quotient, floor, remainder, call, entry, derivative, derivative_of, delta, between, divides
        Templates of the parts so called.
    bracket : str
        Around conditions that are 1 where they hold (Iverson).
    sums, sum_over, sum_over_integers : str
        Around all sums; one sum by its indices, low <= index < beyond and last = beyond - 1; one over the whole
        numbers.
    relation, where, words : str
        Left side, sign, right side; a statement and the condition under which it holds; what is said in words.
    plus, minus, negative, times, product, comma, joint, space, next_sum : str
        Between terms; before a first negative term; between factors of an index and of a term; between indices, and
        those of one sum; between what stands side by side; between sums.
    """

    name: Callable[[str], str]
    power: Callable[[str, int], str]
    row: str
    number: str
    parentheses: str
    quotient: str
    floor: str
    remainder: str
    call: str
    entry: str
    derivative: str
    derivative_of: str
    delta: str
    between: str
    divides: str
    bracket: str
    sums: str
    sum_over: str
    sum_over_integers: str
    relation: str
    where: str
    words: str
    plus: str
    minus: str
    negative: str
    times: str
    product: str
    comma: str
    joint: str
    space: str
    next_sum: str


TEXT = Notation(
    name=_text_name,
    power=lambda base, exponent: base + str(exponent).translate(_HIGH),
    row="%s",
    number="%s",
    parentheses="(%s)",
    quotient="%s/%s",
    floor="⌊%s/%s⌋",
    remainder="%s mod %s",
    call="%s(%s)",
    entry="%s[%s]",
    derivative="∂%s/∂%s",
    derivative_of="∂/∂%s (%s)",
    delta="δ(%s, %s)",
    between="%s ≤ %s < %s",
    divides="%s | %s",
    bracket="[%s]",
    sums="Σ_{%s}",
    sum_over="%(low)s≤%(names)s<%(beyond)s",
    sum_over_integers="%(names)s ∈ ℤ",
    relation="%s %s %s",
    where="%s for %s",
    words="%s",
    plus=" + ",
    minus=" − ",
    negative="−",
    times="·",
    product=" · ",
    comma=", ",
    joint=",",
    space=" ",
    next_sum=", ",
)

LATEX = Notation(
    name=_latex_name,
    power=lambda base, exponent: f"{base}^{{{exponent}}}",
    row="%s",
    number="%s",
    parentheses="(%s)",
    quotient="%s / %s",
    floor=r"\lfloor %s / %s \rfloor",
    remainder=r"%s \ \mathrm{mod} \ %s",
    call="%s(%s)",
    entry="%s[%s]",
    derivative=r"\frac{\partial %s}{\partial %s}",
    derivative_of=r"\frac{\partial}{\partial %s} \left( %s \right)",
    delta=r"\delta_{%s,\, %s}",
    between=r"%s \leq %s < %s",
    divides=r"%s \mid %s",
    bracket=r"\left[ %s \right]",
    sums="%s",
    sum_over=r"\sum_{%(names)s=%(low)s}^{%(last)s}",
    sum_over_integers=r"\sum_{%(names)s \in \mathbb{Z}}",
    relation="%s %s %s",
    where=r"%s \ \text{for} \ %s",
    words=r"\text{%s}",
    plus=" + ",
    minus=" - ",
    negative="-",
    times=r" \, ",
    product=r" \, ",
    comma=r",\, ",
    joint=",",
    space=" ",
    next_sum=" ",
)

_FENCE = "<mo stretchy='false'>%s</mo>"
_GAP = "<mspace width='0.25em'></mspace>"

MATHML = Notation(
    name=_mathml_name,
    power=lambda base, exponent: f"<msup>{base}<mn>{exponent}</mn></msup>",
    row="<mrow>%s</mrow>",
    number="<mn>%s</mn>",
    parentheses="<mrow><mo>(</mo>%s<mo>)</mo></mrow>",
    quotient="<mrow>%s<mo>/</mo>%s</mrow>",
    floor="<mrow><mo>⌊</mo>%s<mo>/</mo>%s<mo>⌋</mo></mrow>",
    remainder=f"<mrow>%s{_GAP}<mi>mod</mi>{_GAP}%s</mrow>",
    call="<mrow>%s<mo>(</mo>%s<mo>)</mo></mrow>",
    entry=f"<mrow>%s{_FENCE % '['}%s{_FENCE % ']'}</mrow>",
    derivative="<mfrac><mrow><mo>∂</mo>%s</mrow><mrow><mo>∂</mo>%s</mrow></mfrac>",
    derivative_of="<mrow><mfrac><mo>∂</mo><mrow><mo>∂</mo>%s</mrow></mfrac><mrow><mo>(</mo>%s<mo>)</mo></mrow></mrow>",
    delta="<msub><mi>δ</mi><mrow>%s<mo>,</mo>%s</mrow></msub>",
    between="<mrow>%s<mo>≤</mo>%s<mo>&lt;</mo>%s</mrow>",
    divides=f"<mrow>%s{_FENCE % '∣'}%s</mrow>",
    bracket="<mrow><mo>[</mo>%s<mo>]</mo></mrow>",
    sums="<mrow>%s</mrow>",
    sum_over="<munderover><mo>∑</mo><mrow>%(names)s<mo>=</mo>%(low)s</mrow>%(last)s</munderover>",
    sum_over_integers="<munder><mo>∑</mo><mrow>%(names)s<mo>∈</mo><mi>ℤ</mi></mrow></munder>",
    relation="<mrow>%s<mo>%s</mo>%s</mrow>",
    where="<mrow>%s<mtext>&#xa0;for&#xa0;</mtext>%s</mrow>",
    words="<mtext>%s</mtext>",
    plus="<mo>+</mo>",
    minus="<mo>−</mo>",
    negative="<mo>−</mo>",
    times="<mo>&#x2062;</mo>",
    product=_GAP,
    comma=f"<mo>,</mo>{_GAP}",
    joint="<mo rspace='0'>,</mo>",
    space="",
    next_sum="",
)


_SPELLED = {sign: f"\\{sign}" for sign in "#$%&_{}"} | {
    **{"−": "$-$", "·": r"$\cdot$", "′": "$'$", "⌊": r"$\lfloor$", "⌋": r"$\rfloor$", "∂": r"$\partial$"},
    **{letter: f"$\\{name}$" for name, letter in GREEK.items()},
    **{chr(low): f"$_{chr(digit)}$" for digit, low in _LOW.items()},
    **{chr(high): f"$^{chr(digit)}$" for digit, high in _HIGH.items()},
}


def spelled(text: str) -> str:
    r"""Return a text for LaTeX's text mode: its own signs escaped, those of mathematics as mathematics.

    >>> print(spelled("100 %: i = α − 2·m"))
    100 \%: i = $\alpha$ $-$ 2$\cdot$m
    """
    return "".join(_SPELLED.get(sign, sign) for sign in text)
