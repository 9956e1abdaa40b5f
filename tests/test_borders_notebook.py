"""The notebook on borders: its pictures are what its text says, and its best possible is the best possible."""

import ast
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

import faltung

SOURCE = Path(__file__).parents[1] / "notebooks" / "borders.py"


def defined(name):
    """Return a function of the notebook."""
    (function,) = (part for part in ast.parse(SOURCE.read_text()).body if getattr(part, "name", None) == name)
    names = {"np": np, "torch": torch, "faltung": faltung}
    exec(compile(ast.Module([function], []), SOURCE, "exec"), names)
    return names[name]


@pytest.mark.parametrize(
    ("how", "arguments"), [("places", (500, np.random.default_rng(0))), ("places_of_the_authors", (500,))]
)
def test_pictures(how, arguments):
    """Squares are 4x4 and a column or more apart; their order is the class, and in `similar` so is the half."""
    similar, dissimilar, classes = defined("red_green")(*defined(how)(*arguments))
    for pictures, half_of_class in ((similar, (3, 19)), (dissimilar, (19, 3))):
        assert not pictures[:, 2].any()
        for picture, label in zip(pictures.numpy(), classes.tolist(), strict=True):
            corners = []
            for colour in picture[:2]:
                rows, columns = np.nonzero(colour)
                assert set(zip(rows - rows.min(), columns - columns.min(), strict=True)) == set(np.ndindex(4, 4))
                assert colour.sum() == 16
                corners.append((int(rows.min()), int(columns.min())))
            (left_row, left), (right_row, right) = corners if label == 0 else corners[::-1]
            assert left in range(10)
            assert right in range(left + 5, 28)
            start = half_of_class[label]
            assert {left_row, right_row} <= set(range(start, start + 8))


@pytest.mark.parametrize(("padding", "boundary"), [(16, "zero"), (8, "circular")])
def test_best_possible(padding, boundary):
    """The same from the squares themselves: what part of each lies in which part of each window, without any filter."""
    period = 32 if boundary == "circular" else 10**6
    starts = range(-padding, 32 + padding - 16, 8)

    def parts(place):
        return [frozenset((place + step - start) % period for step in range(4)) & WINDOW for start in starts]

    along = [parts(place) for place in range(32)]
    shares = defaultdict(lambda: [0.0, 0.0])
    for left in range(10):
        for right in range(left + 5, 28):
            for first in range(8):
                for second in range(8):
                    for label, row in enumerate((3, 19)):
                        squares = [(row + first, left), (row + second, right)][:: 1 - 2 * label]  # red, green
                        seen = frozenset(
                            window
                            for y in range(len(starts))
                            for x in range(len(starts))
                            if any(window := tuple(_part(along[a][y], along[b][x]) for a, b in squares))
                        )
                        shares[seen][label] += 1 / (10 * (23 - left) * 64 * 2)
    assert sum(map(sum, shares.values())) == pytest.approx(1)
    best = 100 * sum(map(max, shares.values()))
    assert defined("best_possible")(padding, boundary) == pytest.approx(best)
    assert best == pytest.approx({"zero": 87.2, "circular": 67.0}[boundary], abs=0.05)  # as docs/borders.md says


WINDOW = frozenset(range(17))


def _part(rows, columns):
    return (rows, columns) if rows and columns else ()
