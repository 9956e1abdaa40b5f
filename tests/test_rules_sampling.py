"""What the data choose: bags, classes, sorted borders and grids; against what can change an output, or turn it NaN."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import faltung
from faltung.rules import sampling
from tests.test_rules_reductions import assert_same, changed, drawn, poisoned, stated

TABLE = drawn((20, 3), seed=4)[0]
OFFSETS, ENDS = torch.tensor([0, 2, 2]), torch.tensor([0, 3, 5])


def places(x: Any) -> Any:
    """Return rows of the table for any numbers."""
    return (x * 2 + 9).round().long().clamp(0, 19)


CHANGED: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "bags": (lambda x: F.embedding_bag(places(x), TABLE, OFFSETS, mode="sum"), [(5,)]),
    "bags in rows": (lambda x: F.embedding_bag(places(x), TABLE, mode="mean"), [(2, 3)]),
    "bags, the last offset given": (
        lambda x: F.embedding_bag(places(x), TABLE, ENDS, mode="sum", include_last_offset=True),
        [(5,)],
    ),
    "weighed bags": (
        lambda x, w: F.embedding_bag(places(x), TABLE, OFFSETS, mode="sum", per_sample_weights=w),
        [(4,), (4,)],
    ),
    "one_hot": (lambda x: F.one_hot(places(x), 20), [(2, 2)]),
    "bucketize": (lambda x: torch.bucketize(x, TABLE[:3, 0].sort()[0]), [(2, 2)]),
    "borders": (lambda x: torch.bucketize(TABLE[:2], x.sort()[0]), [(3,)]),
    "isin": (lambda x, y: torch.isin((x > 0) * 1, (y > 0) * 1), [(2, 2), (3,)]),
    "histc": (lambda x: torch.histc(x, 3, -8, 8), [(2, 2)]),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_can_change_is_read(name: str) -> None:
    """An output reads what changes it, from some starting point, and no more."""
    function, shapes = CHANGED[name]
    inputs = drawn(*shapes)
    found, truth = stated(function, inputs), changed(function, inputs)
    if name in ("one_hot", "histc", "borders"):  # a few numbers do not meet every class and border
        for told, seen in zip(found, truth, strict=True):
            assert (seen <= told).all()
            np.testing.assert_array_equal(seen.any(-1), told.any(-1))
    else:
        assert_same(found, truth)


def test_offsets_from_the_data_share_out_in_any_way() -> None:
    """Where the offsets are an input, every bag may hold any index, and reads all offsets."""
    inputs = [torch.tensor([1, 2, 3, 0]), torch.tensor([0, 1])]
    net = faltung.capture(lambda i, o: F.embedding_bag(i, TABLE, o), *inputs)
    assert [net.receptive_field(unit={"c": 0, "d1": 0}, input=k, channels=True).size for k in range(2)] == [4, 2]


def test_grids_and_tables_as_inputs() -> None:
    """A coordinate reads its row of the matrix; a bag reads its own column of any row of the table."""
    theta = drawn((2, 2, 3))
    for align in (True, False):

        def function(theta: Any, align: bool = align) -> Any:
            return F.affine_grid(theta, [2, 1, 3, 2], align_corners=align)

        # the middle of an odd axis has coordinate 0, and 0 times NaN is NaN
        assert_same(stated(function, theta), poisoned(function, theta))
    (found,) = stated(lambda table: F.embedding_bag(torch.tensor([1, 2]), table, torch.tensor([0, 1])), drawn((4, 2)))
    np.testing.assert_array_equal(found, np.broadcast_to(np.eye(2, dtype=bool)[None, :, None], (4, 2, 2, 2)))


def test_bags_that_overlap_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that takes known offsets for unknown reads too much."""
    monkeypatch.setattr(sampling, "known", lambda _: False)
    with pytest.raises(AssertionError):
        test_what_can_change_is_read("bags")
