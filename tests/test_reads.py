"""The relation of one axis against its own definition, worked by brute force."""

from math import lcm

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faltung import reads as reads_module
from faltung.errors import FaltungError
from faltung.intervals import IntervalSet
from faltung.listed import Listed
from faltung.reads import Reads
from tests.strategies import Written, interval_sets, small_sets, written

WINDOW = range(-40, 40)
many = settings(max_examples=500)


def relation(w: Written) -> Reads:
    return Reads(w.stride, w.taps)


def reads_of(r: Reads, output: int) -> frozenset[int]:
    return frozenset(r.inputs_of(IntervalSet.points([output])))


def same_up_to(r: Reads, expected, window=WINDOW) -> None:
    for output in window:
        assert reads_of(r, output) == expected(output), output


@given(small_sets, small_sets, st.integers(-12, 12))
@many
def test_an_interval_set_is_a_set(a, b, point):
    """Union, intersection, difference, size, membership and equality are those of Python's sets."""
    A, B = IntervalSet.points(a), IntervalSet.points(b)
    assert set(A | B) == a | b
    assert set(A & B) == a & b
    assert set(A - B) == a - b
    assert len(A) == len(a)
    assert (point in A) == (point in a)
    assert (A == B) == (a == b)
    assert A.issubset(B) == (a <= b)
    assert list(A) == sorted(a)
    assert set(A.shift(3)) == {member + 3 for member in a}
    assert set(A.clip(-2, 4)) == {member for member in a if -2 <= member < 4}
    assert A.bounds == (range(min(a), max(a) + 1) if a else range(0))


@given(small_sets.filter(bool), st.integers(-12, 12))
def test_nearest_is_the_closest_member(a, point):
    """No member lies closer than the nearest, and of two equally close it is the smaller."""
    assert IntervalSet.points(a).nearest(point) == min(a, key=lambda m: (abs(m - point), m))


def test_the_form_is_unique():
    """Touching and overlapping intervals become one, so equality compares sets."""
    assert IntervalSet.of([(2, 4), (0, 2), (3, 5), (7, 7)]).intervals == ((0, 5),)


@given(written, interval_sets)
@many
def test_inputs_are_the_definition(w, outputs):
    """Output P*q + r reads S*q + taps[r]."""
    expected = frozenset().union(*(w.inputs(output) for output in outputs))
    assert set(relation(w).inputs_of(outputs)) == expected


@given(written, st.integers(-30, 30), st.integers(0, 40))
def test_an_interval_reads_what_its_members_read(w, start, length):
    """Sweeping a whole interval equals reading output by output."""
    expected = frozenset().union(*(w.inputs(output) for output in range(start, start + length)))
    assert set(relation(w).inputs_of(IntervalSet.of([(start, start + length)]))) == expected


@given(written, written)
@many
def test_composition_looks_taps_up_through(outer, inner):
    """Outer after inner: an output reads i when some middle unit that it reads reads i."""
    same_up_to(
        relation(outer).compose(relation(inner)),
        lambda output: frozenset().union(*(inner.inputs(middle) for middle in outer.inputs(output))),
    )


@given(written, written)
@many
def test_branches_meet_in_the_union(a, b):
    """Where rates agree, a union reads what either branch reads; else it is refused."""
    if a.stride * len(b.taps) != b.stride * len(a.taps) and any(a.taps) and any(b.taps):
        with pytest.raises(FaltungError, match="no common period"):
            relation(a).union(relation(b))
    else:
        same_up_to(relation(a).union(relation(b)), lambda o: a.inputs(o) | b.inputs(o))


@given(written)
@many
def test_the_transpose_swaps_reader_and_read(w):
    """Input i is read by output o exactly when o reads i."""
    reach = 20 * (abs(w.stride) + len(w.taps))
    read = {o: w.inputs(o) for o in range(-reach, reach)}
    same_up_to(relation(w).transpose(), lambda i: frozenset(o for o in read if i in read[o]), range(-6, 7))


@given(st.lists(small_sets.map(lambda places: {abs(place) for place in places}), min_size=1, max_size=8), interval_sets)
def test_a_listed_relation_is_its_list(taps, asked):
    """Outputs read the union of their lists, and the transpose swaps reader and read."""
    listed = Listed.of(taps)
    inside = [output for output in asked if 0 <= output < len(taps)]
    assert set(listed.inputs_of(asked)) == {place for output in inside for place in taps[output]}
    readers = {output for output, places in enumerate(taps) if places & set(asked)}
    assert set(listed.transpose().inputs_of(asked)) == readers


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12), interval_sets)
def test_windows_that_move_on_are_read_as_runs(moves, asked):
    """Windows whose ends never move back, touching, apart or empty, read what their list says, both ways."""
    start, stop, taps = 0, 1, []
    for first, last in moves:
        start, stop = start + first, max(stop, start + first) + last
        taps.append(range(start, stop))
    listed = Listed.of(taps)
    inside = [output for output in asked if 0 <= output < len(taps)]
    assert set(listed.inputs_of(asked)) == {place for output in inside for place in taps[output]}
    readers = {output for output, places in enumerate(taps) if set(places) & set(asked)}
    assert set(listed.transpose().inputs_of(asked)) == readers


@given(written)
def test_the_transpose_undoes_itself(w):
    """Transposing twice gives the relation back."""
    assert relation(w).transpose().transpose() == relation(w)


@given(written, written)
def test_transposing_turns_composition_around(a, b):
    """(A B)' = B' A'."""
    forward = relation(a).compose(relation(b))
    assume(any(forward.taps))
    assert forward.transpose() == relation(b).transpose().compose(relation(a).transpose())


@given(written, written, st.integers(1, 3))
@many
def test_equality_compares_what_is_read(a, b, times):
    """Relations are equal exactly when every output reads the same, however they were written."""
    unrolled = tuple(frozenset(t + a.stride * turn for t in taps) for turn in range(times) for taps in a.taps)
    assert Reads(a.stride * times, unrolled) == relation(a)
    assert hash(Reads(a.stride * times, unrolled)) == hash(relation(a))
    period = 12 * lcm(len(a.taps), len(b.taps))
    agree = all(a.inputs(o) == b.inputs(o) for o in range(-period, period))
    assert (relation(a) == relation(b)) == agree


@given(written.filter(lambda w: w.stride > 0 and any(w.taps)), *[st.integers(0, 9)] * 3)
@many
def test_output_size_counts_the_outputs_that_fit(w, inputs, before, after):
    """The size is the place of the first output that reads outside the padded input."""
    first = next(o for o in range(1000) if not w.inputs(o) <= set(range(-before, inputs + after)))
    assert relation(w).output_size(inputs, before, after) == first


@given(written.filter(lambda w: w.stride > 0 and all(w.taps)), st.integers(0, 9), st.integers(0, 5))
def test_input_size_is_the_least_that_fits(w, outputs, after):
    """All reads of the outputs end inside inputs + after, and in no smaller input."""
    size = relation(w).input_size(outputs, 0, after)
    ends = [max(w.inputs(o)) for o in range(outputs)]
    assert size == max((end + 1 - after for end in ends), default=0)


def test_composition_without_phases_is_caught(monkeypatch):
    """A composition that forgets the periods reads the wrong inputs."""
    monkeypatch.setattr(reads_module, "lcm", lambda a, b: a * b if b == 1 else a)
    with pytest.raises((AssertionError, FaltungError)):
        test_composition_looks_taps_up_through()


def test_transpose_without_phases_is_caught(monkeypatch):
    """A transpose that puts every tap into phase 0 reads the wrong inputs."""
    monkeypatch.setattr(
        Reads,
        "transpose",
        lambda self: Reads(self.period, [[-t for taps in self.taps for t in taps]] * abs(self.stride)),
    )
    with pytest.raises(AssertionError):
        test_the_transpose_swaps_reader_and_read()


def test_a_lost_reduction_is_caught(monkeypatch):
    """Without the reduced form, equality compares spellings."""
    monkeypatch.setattr(reads_module, "_reduce", lambda stride, taps: (stride, taps))
    with pytest.raises(AssertionError):
        test_equality_compares_what_is_read()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Reads(0, [[0]]), "stride 0 and 1 phases: the stride must not be 0"),
        (lambda: Reads(1, []), "stride 1 and 0 phases"),
        (lambda: Reads(1, [[]]).output_size(3), "it runs backwards or reads nothing"),
        (lambda: Reads(1, [[0]] * 1000).compose(Reads(1, [[0]] * 1000)), "at most 65536"),
    ],
)
def test_refusals(make, text):
    """What has no answer is refused in words."""
    with pytest.raises(FaltungError, match=text):
        make()
