"""What a unit sees: against NaN in PyTorch, which knows nothing of our rules."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import faltung
from faltung import FaltungError, Network
from faltung.border import untouched
from faltung.graph import INPUT, Graph
from faltung.intervals import IntervalSet
from faltung.lattice import Lattices
from faltung.plan import Branch, Plan, PlannedLayer
from faltung.rules import TransposedWindow, Window, same_padding
from tests.strategies import DrawnChain, chains, nan_poisoned


def bound(chain: DrawnChain) -> Network:
    return faltung.parse(chain.text).at(**chain.axes)


def named(net: Network, place: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(net.map(None).axes, place, strict=True))


def places(shape: tuple[int, ...]):
    return product(*map(range, shape))


def agrees_with_nan(net: Network, layer: str, reads: np.ndarray, size: tuple[int, ...]) -> None:
    """Compare receptive and projective fields of all units with reads[pixel][unit]."""
    shape = net.shape(layer)
    assert reads.shape == (*size, *shape)
    for place in places(shape):
        field = net.receptive_field(unit=named(net, place), layer=layer)
        assert np.array_equal(field.mask(), reads[(..., *place)]), (place, field)
    for pixel in places(size):
        reached = net.projective_field(pixel=named(net, pixel), layer=layer)
        assert np.array_equal(reached.mask(), reads[pixel]), (pixel, reached)


@given(chains())
@settings(max_examples=1200)
def test_fields_are_what_nan_says(chain):
    """NaN in a pixel turns exactly the units NaN that see it, borders, holes and phases included."""

    def run(x):
        for layer in chain.layers:
            x = layer.apply(x)
        return x

    net = bound(chain)
    agrees_with_nan(net, net.layers[-1].name, nan_poisoned(run, chain.size).numpy(), chain.size)


@given(chains())
@settings(max_examples=400)
def test_sizes_are_pytorchs(chain):
    """Every layer's size is the one that PyTorch gives."""
    net = bound(chain)
    assert tuple(net.shape(layer.name) for layer in net.layers) == chain.sizes


@given(chains(axes=3, longest=2, most=9))
@settings(max_examples=15)
def test_volumes_are_like_pictures(chain):
    """Three axes obey the same rules as one."""
    test_fields_are_what_nan_says.hypothesis.inner_test(chain)


@st.composite
def branching(draw: st.DrawFn):
    """Draw 'same' convolutions of which each reads one or two earlier maps, with their PyTorch twin."""
    kernel = st.tuples(*[st.tuples(st.integers(1, 3), st.integers(1, 2))] * 2)
    plan = []
    for place in range(draw(st.integers(1, 4))):
        plan.append(draw(st.lists(st.tuples(st.integers(0, place), kernel), min_size=1, max_size=2)))
    layers = []
    for place, edges in enumerate(plan):
        made = [
            Branch(
                INPUT if source == 0 else f"layer{source}",
                tuple(Window(k, 1, d, *same_padding(k, d)) for k, d in windows),
            )
            for source, windows in edges
        ]
        layers.append(PlannedLayer(f"layer{place + 1}", "sum of convolutions", tuple(made)))

    def run(x):
        maps = [x]
        for edges in plan:
            branches = []
            for source, windows in edges:
                sides = [side for k, d in reversed(windows) for side in same_padding(k, d)]
                weight = torch.ones(1, 1, *(k for k, _ in windows), dtype=torch.float64)
                padded = functional.pad(maps[source], sides)
                branches.append(functional.conv2d(padded, weight, dilation=[d for _, d in windows]))
            maps.append(sum(branches))
        return maps[-1]

    return Plan.of(layers).at(y=5, x=6), run


@given(branching())
@settings(max_examples=150)
def test_branches_are_what_nan_says(drawn):
    """Where branches meet, a unit sees the union: crosses and holes, not their box."""
    net, run = drawn
    agrees_with_nan(net, net.layers[-1].name, nan_poisoned(run, (5, 6)).numpy(), (5, 6))


def test_parallel_bars_make_a_cross():
    """A 1x7 beside a 7x1 convolution reads 13 pixels, not 49."""
    bars = [(Window(1), Window(7, before=3, after=3)), (Window(7, before=3, after=3), Window(1))]
    net = Plan.of((PlannedLayer("sum", "1x7 + 7x1", tuple(Branch(INPUT, rules) for rules in bars)),)).at(y=9, x=9)
    field = net.receptive_field(unit={"y": 4, "x": 4})
    assert field.size == 13
    assert field.box == {"y": range(1, 8), "x": range(1, 8)}
    assert {"y": 2, "x": 2} not in field


@pytest.mark.parametrize("broken", ["dilation", "tconv padding", "clipping", "phases"])
def test_a_broken_rule_is_caught_by_nan(broken, monkeypatch):
    """The oracle has teeth: each rule broken on purpose makes it fail."""
    if broken == "dilation":
        right = Window.reads.func
        monkeypatch.setattr(
            Window, "reads", property(lambda self: right(Window(self.kernel, self.stride, 1, self.before)))
        )
    elif broken == "tconv padding":
        unpadded = property(lambda self: Window(self.kernel, self.stride, self.dilation).reads.transpose())
        monkeypatch.setattr(TransposedWindow, "reads", unpadded)
    elif broken == "clipping":
        monkeypatch.setattr(Graph, "read_by", read_without_clipping)
    else:
        monkeypatch.setattr(TransposedWindow, "reads", property(lambda self: faltung.Reads(1, [[0]] * self.stride)))
    with pytest.raises((AssertionError, FaltungError)):
        test_fields_are_what_nan_says()


def read_without_clipping(self, products, layer):
    """Compose the whole chain first and clip once, at the input: the error that many tools make."""
    entries = Lattices(self).entries[self.name(layer)]
    whole = [tuple(entry.reads.inputs_of(factors[entry.axis]) for entry in entries) for factors in products]
    return {INPUT: whole}


@given(chains(), st.data())
@settings(max_examples=300)
def test_yes_is_a_path_and_no_is_a_proof(chain, data):
    """A yes walks from unit to pixel, each unit reading the next; a no gives the field's true distance."""
    net = bound(chain)
    last = net.layers[-1].name
    unit = {a: data.draw(st.integers(0, n - 1)) for a, n in zip(net.map(None).axes, net.shape(last), strict=True)}
    pixel = {a: data.draw(st.integers(0, n - 1)) for a, n in chain.axes.items()}
    verdict = net.sees(unit=unit, pixel=pixel)
    field = net.receptive_field(unit=unit)
    assert bool(verdict) == (pixel in field)
    if not verdict:
        assert verdict.path == ()
        if field:
            shortest = min(max(abs(pixel[a] - seen[a]) for a in net.map(None).axes) for seen in field)
            assert max(map(abs, verdict.distance.values())) == shortest
            assert verdict.nearest in field
        return
    assert [step.layer for step in verdict.path] == [layer.name for layer in reversed(net.layers)] + [INPUT]
    assert verdict.path[0].unit == unit
    assert verdict.path[-1].unit == pixel
    sizes = (chain.size, *chain.sizes)
    for number, (reader, read) in enumerate(zip(verdict.path, verdict.path[1:], strict=False)):
        place = len(chain.layers) - 1 - number
        x = torch.zeros(1, 1, *sizes[place], dtype=torch.float64)
        x[(0, 0, *read.unit.values())] = torch.nan
        y = chain.layers[place].apply(x)
        assert torch.isnan(y[(0, 0, *reader.unit.values())])


@given(chains(longest=2), st.data())
@settings(max_examples=200)
def test_depth_is_the_first_that_reaches(chain, data):
    """Stacking copies one by one, and asking each time, finds the same depth as the verdict."""
    net = bound(chain)
    unit = {a: data.draw(st.integers(0, n - 1)) for a, n in zip(net.map(None).axes, net.shape(None), strict=True)}
    pixel = {a: data.draw(st.integers(0, n - 1)) for a, n in chain.axes.items()}
    verdict = net.sees(unit=unit, pixel=pixel)
    if verdict or not verdict.copied:
        return
    copied = next(layer.operator for layer in net.layers if layer.name == verdict.copied)
    found = None
    for copies in range(1, 30):
        deeper = faltung.parse(f"{chain.text}, {copies} x {copied}").at(**chain.axes)
        assert deeper.shape(None) == net.shape(None)
        if pixel in deeper.receptive_field(unit=unit):
            found = len(net.layers) + copies
            break
    assert verdict.depth == found


def test_depths_of_any_size_are_found():
    """Where copies grow evenly nobody counts them: 10**9 pixels are reached by as many copies, 10 at a time by fewer."""
    far = 10**9
    for text, copies in (("conv k=3 p=1", far), ("conv k=21 p=10", far // 10), ("conv k=3 d=10 p=10", far // 10)):
        verdict = faltung.parse(text).at(x=far + 1).sees(unit={"x": 0}, pixel={"x": far})
        assert verdict.depth == copies
    verdict = faltung.parse("conv k=3 d=10 p=10").at(x=far + 1).sees(unit={"x": 0}, pixel={"x": far - 1})
    assert (verdict.depth, verdict.reason) == (None, "further copies of conv1 read the same units again")


def test_a_depth_counted_wrongly_is_caught(monkeypatch):
    """Growth that forgets how many places a copy adds disagrees with copies that are stacked one by one."""
    monkeypatch.setattr("faltung.depth._spacing", lambda places: 1)
    with pytest.raises(AssertionError):
        test_depth_is_the_first_that_reaches()


def test_the_sheets_question():
    """Ten 5x5 layers: the top right neuron sees 21x21 pixels, not the eye; 192 layers would be first."""
    net = faltung.parse("10 x conv k=5 p=same").at(y=428, x=640)
    field = net.receptive_field(unit={"y": 0, "x": 639})
    assert field.box == {"y": range(21), "x": range(619, 640)}
    assert field.size == 441
    assert {"y": 210, "x": 255} not in field
    assert field.mask().shape == (428, 640)
    assert field.mask().sum() == 441
    verdict = net.sees(unit={"y": 0, "x": 639}, pixel={"y": 210, "x": 255})
    assert not verdict
    assert verdict.depth == 192
    assert verdict.to_dict()["sees"] is False
    assert str(verdict) == (
        "No. conv10 (y=0, x=639) reads 441 pixels: y 0..20 and x 619..639; pixel (y=210, x=255) lies 190 "
        "steps below and 364 steps left of the nearest, (y=20, x=619).\n"
        "With copies of conv10 on top, 192 layers in all would first reach it."
    )
    reached = net.projective_field(pixel={"y": 210, "x": 255}, layer="conv3")
    assert reached.box == {"y": range(204, 217), "x": range(249, 262)}


def test_interior_windows_of_the_sheet():
    """Away from borders the ten layers see 41x41 pixels."""
    net = faltung.parse("10 x conv k=5 p=same").at(y=428, x=640)
    assert net.receptive_field(unit={"y": 200, "x": 300}).size == 41 * 41


def test_stacked_dilation_leaves_holes():
    """Two 3x3 convolutions with dilation 3 then 3: a 13x13 box, of which 25 pixels are read."""
    net = faltung.parse("2 x conv k=3 d=3 p=same").at(y=30, x=30)
    field = net.receptive_field(unit={"y": 15, "x": 15})
    assert field.size == 25
    assert field.box == {"y": range(9, 22), "x": range(9, 22)}


@pytest.mark.parametrize(
    ("text", "pixel", "reason"),
    [
        ("conv k=3 d=2 p=same", {"x": 5}, "further copies of conv1 read the same units again"),
        ("conv k=3 p=2+0", {"x": 9}, "further copies of conv1 read the same units again"),
        ("maxpool k=1 s=2", {"x": 1}, "no unit of maxpool1 reads that pixel"),
        ("conv k=3 s=2 p=1", {"x": 9}, "no layer up to conv1 keeps the size and widens the field"),
    ],
)
def test_depths_that_do_not_exist(text, pixel, reason):
    """Holes, causality, skipped pixels and shrinking layers can make every depth too shallow."""
    verdict = faltung.parse(text).at(x=12).sees(unit={"x": 2}, pixel=pixel)
    assert not verdict
    assert verdict.depth is None
    assert verdict.reason == reason
    assert str(verdict).endswith(f"No depth that reaches it was found: {reason}.")


def test_a_unit_may_read_nothing():
    """An output of a transposed convolution with gaps, or in output padding, reads no pixel at all."""
    verdict = faltung.parse("tconv k=1 s=3").at(x=4).sees(unit={"x": 1}, pixel={"x": 0})
    assert not verdict
    assert verdict.field.size == 0
    assert str(verdict).startswith("No. tconv1 (x=1) reads 0 pixels: nothing; it reads no pixel at all.")


class TestTable:
    def test_published_fields(self):
        """VGG-16's convolutional part: 212 pixels at pool5, 196 at conv5_3 (Araujo et al., Distill, 2019)."""
        blocks = ["conv k=3 p=1, conv k=3 p=1, maxpool k=2"] * 2
        blocks += ["conv k=3 p=1, conv k=3 p=1, conv k=3 p=1, maxpool k=2"] * 3
        table = faltung.parse(", ".join(blocks)).at(y=224, x=224).table()
        rows = {row.layer: row for row in table.rows}
        assert rows["maxpool5"].receptive_field == (212, 212)
        assert rows["conv13"].receptive_field == (196, 196)
        assert rows["maxpool5"].stride == (32, 32)
        assert rows["maxpool5"].size == (7, 7)

    @given(chains(axes=1))
    @settings(max_examples=200)
    def test_interior_fields_are_the_tables(self, chain):
        """On an input wide enough, some unit's field has the table's size, and none is larger."""
        wide = faltung.parse(chain.text).at(x=120)
        expected = wide.table().rows[-1].receptive_field[0]
        units = wide.shape(None)[0]
        around = range(max(units // 2 - 20, 0), min(units // 2 + 20, units))
        seen = [len(wide.receptive_field(unit={"x": x}).box["x"]) for x in around]
        assert max(seen) <= expected
        if len(around) == 40:
            assert max(seen) == expected

    def test_prints(self):
        """A table is readable as text, as HTML and as plain data; unbound networks leave sizes open."""
        net = faltung.parse("conv k=1x7 s=2 p=0x3, upsample s=4")
        assert str(net.table()).splitlines() == [
            "layer      operator              output size  stride  receptive field  start",
            "input                                      -       1                1      0",
            "conv1      conv k=1x7 s=2 p=0x3            -       2              1x7   0x-3",
            "upsample1  upsample s=4                    -     1/2              1x7   0x-3",
        ]
        assert "<td>conv k=1x7 s=2 p=0x3</td>" in net.table()._repr_html_()
        assert net.at(y=8, x=8).table().to_dict()["layers"][2] == {
            "layer": "upsample1",
            "operator": "upsample s=4",
            "size": [16, 16],
            "parameters": 0,
            "stride": ["1/2", "1/2"],
            "receptive_field": [1, 7],
            "smallest": [1, 7],
            "start": [0, -3],
            "read": 1.0,
            "picture": 7 / 64,
            "border": [[0, 0], [8, 4]],
            "complete": False,
            "unknown": None,
        }

    def test_holes_phases_and_padding_are_told(self):
        """The share of the box that is read, the phases' smallest and largest field, the ring that padding touches."""
        rows = faltung.parse("2 x conv k=3 d=3 p=same, tconv k=3 s=2").at(x=40).table().rows
        assert [row.read for row in rows] == [1, 3 / 7, 5 / 13, 10 / 14]
        assert (rows[3].smallest, rows[3].receptive_field) == ((13,), (14,))
        assert [row.border for row in rows] == [((0, 0),), ((3, 3),), ((6, 6),), ((13, 13),)]

    @given(chains())
    @settings(max_examples=200)
    def test_complete_means_that_every_unit_reads_every_pixel(self, chain):
        """The table calls a layer complete exactly if each of its units, asked one by one, reads the whole picture."""
        net = bound(chain)
        for row in net.table().rows[1:]:
            everything = [
                net.receptive_field(unit=named(net, place), layer=row.layer).mask().all()
                for place in places(net.shape(row.layer))
            ]
            assert row.complete == all(everything)

    @given(st.lists(st.tuples(*[st.integers(1, 3)] * 3, *[st.integers(0, 3)] * 2), min_size=1, max_size=4))
    @settings(max_examples=200)
    def test_padding_touches_what_nan_in_the_padding_reaches(self, layers):
        """Padding with NaN instead of zeros turns exactly those units NaN that lie in the border ring."""
        x = torch.zeros(1, 1, 25, dtype=torch.float64)
        text = []
        for k, s, d, before, after in layers:
            x = functional.pad(x, (before, after), value=torch.nan)
            if x.shape[-1] < d * (k - 1) + 1:
                return
            x = functional.conv1d(x, torch.ones(1, 1, k, dtype=x.dtype), stride=s, dilation=d)
            text.append(f"conv k={k} s={s} d={d} p={before}+{after}")
        net = faltung.parse(", ".join(text)).at(x=25)
        clean = untouched(net)[net.name(None)][0]
        assert [unit in clean for unit in range(x.shape[-1])] == (~torch.isnan(x[0, 0])).tolist()

    @pytest.mark.parametrize("size", [16, 19])
    def test_padding_is_followed_through_branches(self, size):
        """In a U-Net whose floors are joined, NaN in every padding turns exactly the units NaN in the border ring."""

        class Net(torch.nn.Module):
            def __init__(self, padding):
                super().__init__()
                self.padding = padding
                self.weight = torch.ones(1, 1, 3, dtype=torch.float64)

            def forward(self, x):
                x = self.smooth(x)
                low = self.smooth(functional.max_pool1d(x, 2))
                up = functional.conv_transpose1d(low, torch.ones(1, 1, 2, dtype=x.dtype), stride=2)
                up = functional.pad(up, (0, x.shape[-1] - up.shape[-1]), value=self.padding)
                both = torch.cat([x, up], 1)
                return self.smooth(both.sum(1, keepdim=True))

            def smooth(self, x):
                return functional.conv1d(functional.pad(x, (1, 1), value=self.padding), self.weight)

        x = torch.zeros(1, 1, size, dtype=torch.float64)
        net = faltung.capture(Net(0.0), x)
        touched = torch.isnan(Net(torch.nan)(x))[0, 0].tolist()
        assert [unit not in untouched(net)[net.name(None)][2] for unit in range(size)] == touched
        ring = net.table().rows[-1].border[0]
        assert ring == (touched.index(False), touched[::-1].index(False))

    @given(chains(axes=1))
    @settings(max_examples=200)
    def test_untouched_units_read_real_pixels_alone(self, chain):
        """The unbounded field of an untouched unit lies inside the picture."""
        net = bound(chain)
        clean, lattices = untouched(net), Lattices(net)
        for layer in net.layers:
            for unit in clean[layer.name][0]:
                read = lattices.entries[layer.name][0].reads.inputs_of(IntervalSet.points([unit]))
                assert read == read.clip(0, chain.size[0])

    def test_branches_at_different_rates(self):
        """Where branches of different rates meet there is no lattice, and the table says so."""
        net = Plan.of(
            (
                PlannedLayer("halved", "conv k=3 s=2 p=1", (Branch(INPUT, (Window(3, 2, 1, 1, 1),)),)),
                PlannedLayer("cropped", "conv k=4", (Branch(INPUT, (Window(4),)),)),
                PlannedLayer("sum", "add", (Branch("halved", (Window(1),)), Branch("cropped", (Window(1),)))),
            )
        ).at(x=7)
        assert net.table().rows[-1].stride == (None,)
        assert "none" in str(net.table())


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (
            lambda n: n.receptive_field(unit={"y": 0, "x": 640}),
            r"unit \(y=0, x=640\) lies outside conv2: x=640 is not in 0..639",
        ),
        (
            lambda n: n.receptive_field(unit={"y": -1, "x": 0}),
            r"unit \(y=-1, x=0\) lies outside conv2: y=-1 is not in 0..427",
        ),
        (
            lambda n: n.sees(unit={"y": 0, "x": 0}, pixel={"y": 434, "x": 0}),
            r"pixel \(y=434, x=0\) lies outside input: y=434 is not in 0..433",
        ),
        (
            lambda n: n.receptive_field(unit=(0, 0)),
            r"\(0, 0\) does not name its axes; write dict\(y=0, x=0\)",
        ),
        (
            lambda n: n.receptive_field(unit={"y": 0, "x": 0}, layer="conv3"),
            "unknown layer 'conv3'; did you mean conv2 or conv1?",
        ),
        (
            lambda n: faltung.parse("conv k=3").receptive_field(unit={"x": 0}),
            r"the network has no sizes yet; bind it to an input size with .at\(y=…, x=…\)",
        ),
        (lambda n: n.at(y=0, x=5), "input, axis y: a size of 0 is not in 1..1099511627776"),
        (
            lambda n: n.at(y=10**30, x=5),
            "input, axis y: a size of 1000000000000000000000000000000 is not in 1..1099511627776",
        ),
        (lambda n: n.at(y=5), "axes y: name them x, or y and x, or z, y and x"),
        (lambda n: n.at(), "axes none: name them x"),
        (lambda n: n.at(y=2.5, x=5), "y=2.5 is not a whole number"),
        (
            lambda n: n.at(y=3, x=640),
            r"conv2, axis y: a window of 7 \(k=4, d=2\) does not fit the padded input of 3 \(n=3, p=0\)",
        ),
        (
            lambda n: faltung.parse("conv k=1x7").at(x=50),
            r"conv1 \(conv k=1x7\) has numbers for 2 axes, and the input has 1: x",
        ),
        (
            lambda n: faltung.parse("60 x upsample s=10000").at(x=5),
            "upsample3, axis x: a size of 5000000000000 is not in 1..",
        ),
        (
            lambda n: Plan.of((PlannedLayer("a", "", (Branch("b", (Window(1),)),)),)),
            "layer a reads 'b', which is no earlier layer",
        ),
        (
            lambda n: Plan.of((PlannedLayer("input", "", (Branch(INPUT, (Window(1),)),)),)),
            "two layers are named 'input'",
        ),
        (
            lambda n: Plan.of((PlannedLayer("a", "", (Branch(INPUT, (Window(1),)), Branch(INPUT, (Window(2),)))),)).at(
                x=5
            ),
            "a: branches of sizes 5 and 4 meet; they must be equal",
        ),
    ],
)
def test_refusals(act, text):
    """Each refusal names the offender, the numbers and the rule."""
    net = faltung.parse("conv k=3 p=same, conv k=4x1 d=2x1").at(y=434, x=640)
    with pytest.raises(FaltungError, match=f"^{text}"):
        act(net)
