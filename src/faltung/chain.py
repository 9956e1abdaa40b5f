"""Chains of layers from a line of text: `faltung.parse("2 x (conv k=3 p=same, maxpool k=2)")`.

    network  = item { ("," | ";" | newline) item }
    item     = [ count "x" ] ( layer | "(" network ")" )
    layer    = operator { key "=" value }
    operator = conv | maxpool | avgpool | tconv | upsample          (the rows of rules.OPERATORS)
    key      = k (kernel) | s (stride) | d (dilation) | p (padding) | op (output padding) | ceil (0 or 1)
    value    = one entry for every axis, or entries joined by "x", first axis first: k=1x7
    entry    = whole number | same | valid | before "+" after       (the last three for p alone)

Layers are named by operator and place: conv1, conv2, maxpool1, …
"""

import re
from collections import Counter
from dataclasses import dataclass

from faltung.errors import FaltungError, UnknownName
from faltung.graph import INPUT
from faltung.plan import Branch, Plan, PlannedLayer
from faltung.region import AXIS_NAMES
from faltung.rules import OPERATORS, Padding

MOST_LAYERS = 100_000
"""A longer chain comes from a slip in a count."""

_TOKEN = re.compile(
    r"[ \t\r]*(?:"
    r"(?P<count>\d+\s*[x×]\s*(?=[A-Za-z(]))"
    r"|(?P<setting>[A-Za-z]\w*[ \t]*=[ \t]*[^\s,;()=]*)"
    r"|(?P<word>[A-Za-z]\w*)"
    r"|(?P<separator>[,;\n][\s,;]*)"
    r"|(?P<open>\()"
    r"|(?P<close>\))"
    r"|(?P<end>$)"
    r")"
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


@dataclass(frozen=True)
class _Spec:
    """One layer as written: its operator and, for each key, one value per axis or one for all."""

    operator: str
    text: str
    column: int
    settings: dict[str, tuple[Padding, ...]]


def parse(text: str) -> Plan:
    """Return the chain of layers that a text describes, not yet bound to an input size (see `Plan.at`).

    Parameters
    ----------
    text : str
        Layers from the input on, separated by commas: ``"conv k=7 s=2 p=3, maxpool k=3 s=2 p=1"``. Repeats
        are written ``"10 x conv k=5 p=same"`` or ``"4 x (conv k=3 p=1, maxpool k=2)"``; numbers per axis
        ``"conv k=1x7 p=0x3"``; different padding before and behind ``"conv k=3 p=2+0"``.

        ========  ==============================  =====================================
        operator  what it is                      keys (default)
        ========  ==============================  =====================================
        conv      convolution                     k, s (1), d (1), p (0)
        maxpool   max pooling                     k, s (k), d (1), p (0), ceil (0)
        avgpool   average pooling                 k, s (k), p (0), ceil (0)
        tconv     transposed convolution          k, s (1), d (1), p (0), op (0)
        upsample  nearest-neighbour upsampling    s, the factor
        ========  ==============================  =====================================

    Raises
    ------
    FaltungError
        If the text cannot be understood; it points at the column and the token.

    Examples
    --------
    >>> net = parse("2 x (conv k=3 p=same, maxpool k=2)")
    >>> [layer.name for layer in net.layers]
    ['conv1', 'maxpool1', 'conv2', 'maxpool2']
    >>> net.at(y=28, x=28).shape("maxpool2")
    (7, 7)
    """
    if not isinstance(text, str):
        raise FaltungError(f"a network is described by a text, not by {type(text).__name__}")
    tokens = _tokens(text)
    specs, rest = _network(tokens, 0)
    if tokens[rest].kind != "end":
        raise _at(tokens[rest], "this closes no group")
    counts: Counter[str] = Counter()
    layers = []
    source = INPUT
    for spec in specs:
        counts[spec.operator] += 1
        name = f"{spec.operator}{counts[spec.operator]}"
        layers.append(PlannedLayer(name, spec.text, (_branch(source, spec),)))
        source = name
    return Plan.of(layers)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            word = re.match(r"\s*([^\s,;()]+)", text[place:])
            found = word[1] if word else text[place:].strip()
            column = place + len(text[place:]) - len(text[place:].lstrip()) + 1
            raise _at(_Token("", found, column), "expected an operator, key=value, a repeat such as '10 x' or ','")
        kind = match.lastgroup
        tokens.append(_Token(kind, match[kind].strip(" \t\r"), match.start(kind) + 1))
        place = match.end()
    return tokens


def _network(tokens: list[_Token], place: int) -> tuple[list[_Spec], int]:
    specs: list[_Spec] = []
    while True:
        if tokens[place].kind == "separator":  # a leading, trailing or doubled separator is harmless
            place += 1
        if tokens[place].kind in ("end", "close"):
            if not specs:
                raise _at(tokens[place], f"expected a layer: {', '.join(OPERATORS)}")
            return specs, place
        item, place = _item(tokens, place)
        specs += item
        if len(specs) > MOST_LAYERS:
            raise _at(tokens[place], f"a chain of {len(specs)} layers is too long; at most {MOST_LAYERS}")
        if tokens[place].kind not in ("separator", "end", "close"):
            raise _at(tokens[place], "expected key=value, or ',' before the next layer")


def _item(tokens: list[_Token], place: int) -> tuple[list[_Spec], int]:
    times = 1
    if tokens[place].kind == "count":
        times = int(re.match(r"\d{1,9}", tokens[place].text)[0])  # type: ignore[index]
        if not 1 <= times <= MOST_LAYERS or re.match(r"\d{10}", tokens[place].text):
            raise _at(tokens[place], f"a repeat must be in 1..{MOST_LAYERS}")
        place += 1
    token = tokens[place]
    if token.kind == "open":
        specs, place = _network(tokens, place + 1)
        if tokens[place].kind != "close":
            raise _at(token, "this group is never closed")
        place += 1
    elif token.kind == "word":
        spec, place = _layer(tokens, place)
        specs = [spec]
    else:
        raise _at(token, f"expected a layer: {', '.join(OPERATORS)}")
    if times * len(specs) > MOST_LAYERS:
        raise _at(token, f"a chain of {times * len(specs)} layers is too long; at most {MOST_LAYERS}")
    return specs * times, place


def _layer(tokens: list[_Token], place: int) -> tuple[_Spec, int]:
    token = tokens[place]
    if token.text not in OPERATORS:
        raise _at(token, str(UnknownName("operator", token.text, OPERATORS)))
    operator = OPERATORS[token.text]
    settings: dict[str, tuple[Padding, ...]] = {}
    words = [token.text]
    place += 1
    while tokens[place].kind == "setting":
        key, _, value = (part.strip() for part in tokens[place].text.partition("="))
        if key not in operator.defaults:
            keys = ", ".join(operator.defaults)
            raise _at(tokens[place], f"{token.text} has no key {key!r}; its keys are {keys}")
        if key in settings:
            raise _at(tokens[place], f"{key} is given twice")
        settings[key] = tuple(_entry(key, entry, tokens[place]) for entry in value.split("x"))
        words.append(f"{key}={value}")
        place += 1
    for key, default in operator.defaults.items():
        if key not in settings:
            if default is None:
                raise _at(token, f"{token.text} needs {key}=…")
            settings[key] = settings[default] if isinstance(default, str) else (default,)
    return _Spec(token.text, " ".join(words), token.column, settings), place


def _entry(key: str, text: str, token: _Token) -> Padding:
    if key == "p" and text in ("same", "valid"):
        return text
    if key == "p" and re.fullmatch(r"\d{1,9}\+\d{1,9}", text):
        before, _, after = text.partition("+")
        return int(before), int(after)
    if re.fullmatch(r"-?\d{1,9}", text):
        return int(text)
    kinds = "a whole number, 'same', 'valid' or before+after" if key == "p" else "a whole number"
    raise _at(token, f"{key} must be {kinds}, or one for each axis joined by 'x'")


def _branch(source: str, spec: _Spec) -> Branch:
    token = _Token("layer", spec.text, spec.column)
    axes = max(len(values) for values in spec.settings.values())
    if axes > len(AXIS_NAMES):
        raise _at(token, f"numbers for {axes} axes; at most {len(AXIS_NAMES)} have names")
    rules = []
    for axis in range(axes):
        chosen = {}
        for key, values in spec.settings.items():
            if len(values) not in (1, axes):
                raise _at(token, f"{key} has {len(values)} entries, another key has {axes}")
            chosen[key] = values[axis] if len(values) > 1 else values[0]
        try:
            rules.append(OPERATORS[spec.operator].row(**chosen))
        except FaltungError as error:
            raise _at(token, str(error)) from None
    return Branch(source, tuple(rules))


def _at(token: _Token, message: str) -> FaltungError:
    found = f"column {token.column}, {token.text!r}" if token.text.strip() else f"column {token.column}"
    return FaltungError(f"{found}: {message}")
