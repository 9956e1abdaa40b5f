"""What people write for a layer: one operator of the text form with numbers and names, keywords, or a module."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faltung.boundary import BOUNDARIES
from faltung.errors import FaltungError, UnknownName
from faltung.formulas import Scalar, Symbol, floor
from faltung.gradient.layers import KINDS, ONE, REST, WEIGHTED, Axis, Layer
from faltung.rules import OPERATORS

if TYPE_CHECKING:
    from torch import nn

Setting = int | str
PerAxis = Setting | Sequence[Setting | tuple[int, int]]

GENERAL = "conv k=k s=s d=d p=p g=g"
"""A convolution with a symbol for everything."""

MOST_AXES = 6

_LEAST = {"k": 1, "s": 1, "d": 1, "p": 0, "op": 0, "g": 1, "C": 1, "O": 1}
_KEYWORDS = {"kernel": "k", "stride": "s", "dilation": "d", "padding": "p", "output_padding": "op", "groups": "g"}
_TENSORS = ("L", "W", "X", "Y", "b")
_MODULES = re.compile(r"(?P<operator>Conv|ConvTranspose|AvgPool|MaxPool)(?P<axes>[123])d")


def read(layer: "str | nn.Module", axes: int | None, settings: Mapping[str, Any]) -> Layer:
    """Return the layer that a text or a module and some settings describe.

    Parameters
    ----------
    layer : str or torch.nn.Module
        One operator of the text form, or a module.
    axes : int, optional
        How many axes; by default as many as a setting has numbers, or 2.
    settings : mapping
        `kernel`, `stride`, `dilation`, `padding`, `output_padding`, `groups`, `boundary`, `bias`; None leaves what
        the text says.

    Raises
    ------
    FaltungError
        If a word, a key or a value is not understood, or the numbers make no layer.
    """
    if isinstance(layer, str):
        operator, values = _from_text(layer)
    else:
        operator, values, axes = _from_module(layer, axes)
    for keyword, value in settings.items():
        if value is not None:
            values[_KEYWORDS.get(keyword, keyword)] = _per_axis(value)
    return _Reader(operator, values).layer(axes)


def _from_text(text: str) -> tuple[str, dict[str, list[Any]]]:
    """Return the operator and, for each key, its value on each axis, or one for all."""
    words = text.split()
    if not words or words[0] not in KINDS:
        raise UnknownName("operator", words[0] if words else "", KINDS)
    values: dict[str, list[Any]] = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise FaltungError(f"{word!r} in {text!r}: expected key=value, such as s=2 or s=s")
        if key in values:
            raise FaltungError(f"{word!r} in {text!r}: {key} is given twice")
        values[key] = [value] if key == "boundary" else re.split("[x×]", value)
    return words[0], values


def _per_axis(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _from_module(module: "nn.Module", axes: int | None) -> tuple[str, dict[str, list[Any]], int]:
    """Return operator, values and axes of a module; more than one channel in a group becomes a symbol."""
    name = type(module).__name__
    match = _MODULES.fullmatch(name)
    if match is None:
        raise FaltungError(f"{name} is not derived; a Conv, ConvTranspose, AvgPool or MaxPool of 1 to 3 axes is")
    spatial = int(match["axes"])
    if axes not in (None, spatial):
        raise FaltungError(f"{name} has {spatial} axes, not {axes}")
    given = vars(module)
    operator = {"Conv": "conv", "ConvTranspose": "tconv", "AvgPool": "avgpool", "MaxPool": "maxpool"}[match["operator"]]
    padding = given["padding"]
    values = {"k": given["kernel_size"], "s": given["stride"], "p": padding, "d": given.get("dilation", 1)}
    if operator in WEIGHTED:
        groups = given["groups"]
        mode = given["padding_mode"]
        values |= {"g": groups, "bias": module.bias is not None, "boundary": "zero" if mode == "zeros" else mode}
        values |= {
            "C": 1 if given["in_channels"] == groups else None,
            "O": 1 if given["out_channels"] == groups else None,
        }
    if operator == "tconv":
        values["op"] = given["output_padding"]
    if operator.endswith("pool"):
        values["ceil"] = int(given["ceil_mode"])
    if operator == "avgpool":
        del values["d"]
        override = given.get("divisor_override")
        values["divisor"] = override or ("kernel" if given["count_include_pad"] else "pixels")
    return operator, {key: _per_axis(value) for key, value in values.items()}, spatial


class _Reader:
    """Settings on their way to a layer."""

    def __init__(self, operator: str, values: Mapping[str, list[Any]]) -> None:
        self.operator = operator
        defaults = OPERATORS[operator].defaults
        known = [*defaults, *(["g", "bias", "C", "O"] if operator in WEIGHTED else [])]
        known += ["boundary"] if operator in WEIGHTED else ["divisor"] if operator == "avgpool" else []
        for key in values:
            if key not in known:
                shown = [key for key in known if key not in ("bias", "C", "O", "divisor")]
                raise FaltungError(f"{operator} has no key {key!r}; it has {', '.join(shown)}")
        self.values = {key: _per_axis("k" if default is None else default) for key, default in defaults.items()}
        self.values |= values
        self.least: dict[object, int] = {}
        for key in _LEAST.keys() & self.values.keys():
            for entry in self.values[key]:
                self.least[entry] = max(_LEAST[key], self.least.get(entry, 0))
        for key, default in defaults.items():  # a default such as s=k takes after the value of that key
            if isinstance(default, str) and key not in values:
                self.values[key] = self.values[default]

    def layer(self, axes: int | None) -> Layer:
        """Return the layer."""
        spatial = {key: self.values[key] for key in ("k", "s", "d", "p", "op", "ceil") if key in self.values}
        counts = {key: len(entries) for key, entries in spatial.items() if len(entries) > 1}
        asked = axes if axes is not None else max(counts.values(), default=2)
        if not 1 <= asked <= MOST_AXES:
            raise FaltungError(f"{asked} axes; 1 to {MOST_AXES} are derived")
        for key, count in counts.items():
            if count != asked:
                raise FaltungError(f"{self.operator}: {key} has {count} entries, and there are {asked} axes")
        grouped = "g" in self.values
        groups = self._scalar("g", self.values["g"][0]) if grouped else None
        boundary = str(self.values.get("boundary", ["zero"])[0])
        if boundary not in BOUNDARIES:
            raise UnknownName("boundary", boundary, BOUNDARIES)
        if boundary != "zero" and self.operator != "conv":
            raise FaltungError(f"{self.operator} is padded with zeros, not with boundary {boundary}")
        made = [self._axis(place, asked) for place in range(asked)]
        self._check_numbers(made)
        inputs, outputs = self._channels("C"), self._channels("O")
        if grouped and inputs == outputs == Scalar.of(1) and groups == Scalar.of(1):
            groups = None
        ceil = any(entry not in (0, "0") for entry in self.values.get("ceil", []))
        return Layer(
            self.operator,
            tuple(made),
            groups,
            inputs,
            outputs,
            bool(self.values.get("bias", [grouped])[0]),
            boundary,
            ceil,
            self._divisor(ceil),
        )

    def _axis(self, place: int, axes: int) -> Axis:
        letter = next(letter for letter in "NMHTUVPQ" if letter not in self.least)
        number = f"_{place + 1}" if axes > 1 else ""
        k, s = self._at("k", place), self._at("s", place)
        d = self._at("d", place) if "d" in self.values else Scalar.of(1)
        before, after = self._sides(place, d * (k - 1))
        if self.operator == "tconv":
            rest = self._at("op", place)
        else:
            rest = Scalar.of(0) if s == ONE else Scalar.of(Symbol(REST, 0))
        return Axis(k, s, d, before, after, rest, Symbol(letter + number, 1), Symbol(f"{letter}'{number}", 1))

    def _at(self, key: str, place: int) -> Scalar:
        entries = self.values[key]
        return self._scalar(key, entries[place] if len(entries) > 1 else entries[0])

    def _scalar(self, key: str, entry: Any) -> Scalar:
        """Return a number, or the symbol of a name."""
        if isinstance(entry, int) and not isinstance(entry, bool):
            number: int | None = entry
        else:
            number = int(entry) if re.fullmatch(r"-?\d{1,9}", str(entry)) else None
        if number is not None:
            if number < _LEAST[key]:
                raise FaltungError(f"{self.operator}: {key} {number} must be at least {_LEAST[key]}")
            return Scalar.of(number)
        if not isinstance(entry, str) or not re.fullmatch(r"[A-Za-z]+(_\d+)?", entry):
            raise FaltungError(f"{self.operator}: {key} must be a whole number or a name, got {entry!r}")
        if entry in _TENSORS:
            raise FaltungError(f"{self.operator}: {key} cannot be called {entry}, which is a tensor's name")
        return Scalar.of(Symbol(entry, self.least[entry]))

    def _sides(self, place: int, reach: Scalar) -> tuple[Scalar, Scalar]:
        """Return the padding before and after an axis."""
        entries = self.values["p"]
        entry = entries[place] if len(entries) > 1 else entries[0]
        if entry == "valid":
            return Scalar.of(0), Scalar.of(0)
        if entry == "same":
            before = floor(reach, 2)
            return before, reach - before
        pair = entry.split("+") if isinstance(entry, str) and "+" in entry else entry
        if not isinstance(pair, list | tuple):
            pair = (pair, pair)
        if len(pair) != 2:
            raise FaltungError(f"{self.operator}: p must be one number or before+after, got {entry!r}")
        before, after = (self._scalar("p", side) for side in pair)
        return before, after

    def _channels(self, name: str) -> Scalar:
        """Return the channels of one group: a symbol, where they are not known to be one."""
        if "g" not in self.values:
            return Scalar.of(1)
        given = self.values.get(name, [None])[0]
        if given is not None:
            return self._scalar(name, given)
        symbol = Symbol(name, 1)
        return Scalar.of(symbol.primed() if name in self.least else symbol)

    def _divisor(self, ceil: bool) -> str | Scalar:
        given = self.values.get("divisor", ["kernel"])[0]
        if isinstance(given, int):
            return Scalar.of(given)
        return "padded" if ceil and given == "kernel" else str(given)

    def _check_numbers(self, axes: list[Axis]) -> None:
        """Let the rule of the text form refuse numbers that make no layer."""
        for axis in axes:
            numbers = [scalar.number for scalar in axis.numbers()]
            if None in numbers:
                continue
            k, s, d, before, after = (number or 0 for number in numbers)
            every = {"k": k, "s": s, "d": d, "p": (before, after), "op": axis.rest.number or 0, "ceil": 0}
            keys = OPERATORS[self.operator].defaults
            try:
                OPERATORS[self.operator].row(**{key: every[key] for key in keys})
            except FaltungError as problem:
                raise FaltungError(f"{self.operator}: {problem}") from None
