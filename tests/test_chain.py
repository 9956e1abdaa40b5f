"""The text form: what it means, and what it says when it cannot be understood."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung
from faltung import FaltungError
from faltung.chain import parse
from faltung.rules import OPERATORS


def operators(text: str) -> list[str]:
    return [layer.operator for layer in parse(text).layers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conv k=3", ["conv k=3"]),
        ("3 x conv k=3", ["conv k=3"] * 3),
        ("3x conv k=3", ["conv k=3"] * 3),
        ("3 × conv k=3", ["conv k=3"] * 3),
        ("conv k=3,maxpool k=2", ["conv k=3", "maxpool k=2"]),
        ("conv k=3; maxpool k=2\nconv k=1,", ["conv k=3", "maxpool k=2", "conv k=1"]),
        ("2 x (conv k=3, 2 x conv k=1)", ["conv k=3", "conv k=1", "conv k=1"] * 2),
        ("conv k = 1x7  p =0x3", ["conv k=1x7 p=0x3"]),
        ("upsample s=2", ["upsample s=2"]),
    ],
)
def test_spellings(text, expected):
    """Repeats, groups, separators and spaces mean what they look like."""
    assert operators(text) == expected


def test_names_count_each_operator():
    """Layers are named by operator and place."""
    names = [layer.name for layer in parse("2 x (conv k=3, maxpool k=2), conv k=1").layers]
    assert names == ["conv1", "maxpool1", "conv2", "maxpool2", "conv3"]


def test_pooling_moves_by_its_kernel():
    """As in PyTorch, a pool without a stride takes its kernel as stride, for each axis."""
    assert parse("maxpool k=2x3").at(y=12, x=12).shape(None) == (6, 4)


def test_padding_may_differ_before_and_behind():
    """p=2+0 makes a causal convolution: no unit reads to its right."""
    net = parse("3 x conv k=3 p=2+0").at(x=20)
    assert net.shape(None) == (20,)
    assert net.receptive_field(unit={"x": 10}).box["x"] == range(4, 11)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "column 1: expected a layer: conv, maxpool, avgpool, tconv, upsample"),
        ("conv", "column 1, 'conv': conv needs k=…"),
        ("conv k=3 q=2", "column 10, 'q=2': conv has no key 'q'; its keys are k, s, d, p"),
        ("conv k=3, cnov k=3", "column 11, 'cnov': unknown operator 'cnov'; did you mean conv or tconv?"),
        ("10 x (conv k=3", "column 6, '(': this group is never closed"),
        ("conv k=3)", "column 9, ')': this closes no group"),
        ("2 x ()", "column 6, ')': expected a layer: conv, maxpool, avgpool, tconv, upsample"),
        ("conv k=3 conv k=3", "column 10, 'conv': expected key=value, or ',' before the next layer"),
        ("conv k=3, $", "column 11, '$': expected an operator, key=value, a repeat such as '10 x' or ','"),
        ("10 conv k=3", "column 1, '10': expected an operator, key=value, a repeat such as '10 x' or ','"),
        ("conv k=0", "column 1, 'conv k=0': kernel 0 must be at least 1"),
        ("conv k=3 s=0", "column 1, 'conv k=3 s=0': stride 0 must be at least 1"),
        ("conv k=3 d=-2", "column 1, 'conv k=3 d=-2': dilation -2 must be at least 1"),
        ("conv k=3 p=-1", "column 1, 'conv k=3 p=-1': padding -1 must not be negative"),
        ("conv k=999999999", "column 1, 'conv k=999999999': kernel 999999999 must be at most 65536"),
        (
            "maxpool k=2 p=2",
            "column 1, 'maxpool k=2 p=2': padding 2 is more than half of the pooling kernel of 2",
        ),
        ("maxpool k=2 ceil=2", "column 1, 'maxpool k=2 ceil=2': ceil 2 must be 0 or 1"),
        ("avgpool k=2 d=2", "column 13, 'd=2': avgpool has no key 'd'; its keys are k, s, p, ceil"),
        (
            "tconv k=2 op=3",
            "column 1, 'tconv k=2 op=3': output padding 3 must be smaller than the stride 1 or the dilation 1",
        ),
        ("0 x conv k=3", "column 1, '0 x': a repeat must be in 1..100000"),
        ("99999999999999 x conv k=3", "column 1, '99999999999999 x': a repeat must be in 1..100000"),
        (
            "1000 x (1000 x conv k=3)",
            "column 8, '(': a chain of 1000000 layers is too long; at most 100000",
        ),
        ("conv k=3 k=3", "column 10, 'k=3': k is given twice"),
        ("conv k=a", "column 6, 'k=a': k must be a whole number, or one for each axis joined by 'x'"),
        ("conv k=", "column 6, 'k=': k must be a whole number, or one for each axis joined by 'x'"),
        (
            "conv k=3 p=full",
            "column 10, 'p=full': p must be a whole number, 'same', 'valid' or before+after, or one for each "
            "axis joined by 'x'",
        ),
        ("conv k=1x2x3x4", "column 1, 'conv k=1x2x3x4': numbers for 4 axes; at most 3 have names"),
        ("conv k=3 s=1x2 d=1x2x3", "column 1, 'conv k=3 s=1x2 d=1x2x3': s has 2 entries, another key has 3"),
    ],
)
def test_errors_point_at_the_token(text, error):
    """Every misspelling gets one line with the column, the token and the rule."""
    with pytest.raises(FaltungError, match=f"^{re.escape(error)}$"):
        parse(text)


def test_not_a_text():
    """Anything but a text is refused."""
    with pytest.raises(FaltungError, match=r"^a network is described by a text, not by int$"):
        parse(10)


@given(st.text(alphabet="conv tmaxplgusrek=123spd x(),+;\n-×", max_size=40))
def test_no_text_makes_it_stumble(text):
    """Whatever is typed, the answer is a network or a FaltungError of one line."""
    try:
        said = repr(parse(text))
    except FaltungError as error:
        said = str(error)
    assert said
    assert "\n" not in said


def test_every_operator_is_documented():
    """The table in parse's docstring names every operator with its keys."""
    for name, operator in OPERATORS.items():
        line = next(row for row in parse.__doc__.splitlines() if row.strip().startswith(name))
        for key in operator.defaults:
            assert re.search(rf"\b{key}\b", line), (name, key)
    assert faltung.parse is parse
