"""Published numbers, and models where tools fail: each truth from a paper, by hand, or by NaN.

"Distill's table" is that of Araujo, Norris, Sim, Computing receptive fields of convolutional neural networks
(Distill, 2019): receptive_field/RECEPTIVE_FIELD_TABLE.md in github.com/google-research/receptive_field, the rows
of 224 pixels. A padding of 90 there is a start of -90 here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import faltung
from faltung import FaltungError, Network
from tests import nets
from tests.nets import conv


def captured(build: Callable[[], nn.Module], size: int = 2048) -> Network:
    """Capture a net without weights for a picture of three channels, by default larger than any field here."""
    with torch.device("meta"):
        model, picture = build().eval(), torch.zeros(1, 3, size, size)
    return faltung.capture(model, picture)


def lattice(net: Network, layer: str | None = None) -> tuple[int, int, int]:
    """Return receptive field, stride and start (minus the effective padding) of a layer, the same along y and x."""
    return lattices(net, net.name(layer))[0]


def lattices(net: Network, *layers: str) -> list[tuple[int, int, int]]:
    """Return the same for several layers."""
    rows = {row.layer: row for row in net.table().rows}
    found = []
    for layer in layers:
        row = rows[net.root(net.name(layer))]
        (numbers,) = set(zip(row.receptive_field, row.stride, row.start, strict=True))
        found.append(numbers)
    return found


def turned_nan(model: nn.Module, *inputs: Tensor, which: int = 0, answer: Callable = lambda y: y) -> np.ndarray:
    """Put NaN into each pixel of an input, all its channels, and see which units turn NaN: [pixel..., unit...]."""
    size = inputs[which].shape[2:]
    pixels = prod(size)
    batch = [given.expand(pixels, *given.shape[1:]) for given in inputs]
    poisoned = inputs[which].flatten(2).repeat(pixels, 1, 1)
    poisoned[torch.arange(pixels), :, torch.arange(pixels)] = torch.nan
    batch[which] = poisoned.unflatten(2, size)
    with torch.no_grad():
        assert not answer(model(*inputs)).isnan().any()
        found = answer(model(*batch)).isnan().any(dim=1)
    return found.numpy().reshape(*size, *found.shape[1:])


def agrees_with_nan(
    model: nn.Module,
    *inputs: Tensor,
    which: int = 0,
    answer: Callable = lambda y: y,
    layer: str | Callable[[Network], str] | None = None,
    most: int = 60,
) -> Network:
    """Compare fields of many units and of many pixels with NaN; return the network."""
    model = model.eval()
    reads = turned_nan(model, *inputs, which=which, answer=answer)
    net = faltung.capture(model, *inputs)
    layer = layer(net) if callable(layer) else layer
    source = net.input(which)
    axes = net.shown_axes(source)
    assert net.shown_axes(net.name(layer)) == axes
    pixels, units = reads.shape[: len(axes)], reads.shape[len(axes) :]
    for place in _some(units, most):
        field = net.receptive_field(unit=dict(zip(axes, place, strict=True)), layer=layer, input=which)
        assert np.array_equal(field.mask(), reads[(..., *place)]), (place, field)
    for place in _some(pixels, most):
        reached = net.projective_field(pixel=dict(zip(axes, place, strict=True)), layer=layer, input=which)
        assert np.array_equal(reached.mask(), reads[place]), (place, reached)
    return net


def _some(shape: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Return about `most` places: evenly spread, the first and the last among them."""
    chosen = np.unique(np.linspace(0, prod(shape) - 1, most).astype(int))
    return [tuple(int(place) for place in np.unravel_index(number, shape)) for number in chosen]


def picture(*size: int, c: int = 1) -> Tensor:
    return torch.linspace(-1, 1, c * prod(size)).reshape(1, c, *size)


# ------------------------------------------------------------------------------------------ published numbers


def test_vgg_16():
    """VGG-16's fields, strides and paddings are those of Distill's table: 212, 32 and 90 at pool5."""
    net = captured(lambda: nets.vgg(2, 2, 3, 3, 3))
    published = {
        "conv1_1": (3, 1, -1),
        "pool1": (6, 2, -2),
        "conv2_1": (10, 2, -4),
        "pool2": (16, 4, -6),
        "conv3_1": (24, 4, -10),
        "conv3_2": (32, 4, -14),
        "pool3": (44, 8, -18),
        "conv4_1": (60, 8, -26),
        "conv4_2": (76, 8, -34),
        "pool4": (100, 16, -42),
        "conv5_1": (132, 16, -58),
        "conv5_2": (164, 16, -74),
        "conv5_3": (196, 16, -90),
        "pool5": (212, 32, -90),
    }
    assert dict(zip(published, lattices(net, *published), strict=True)) == published


@pytest.mark.parametrize(
    ("convolutions", "published"), [((1, 1, 2, 2, 2), (150, 32, -59)), ((2, 2, 4, 4, 4), (268, 32, -118))]
)
def test_vgg_a_and_19(convolutions, published):
    """VGG-A sees 150 pixels with padding 59 (Distill's table); VGG-19 sees 268, padding 1+1+2*2+4*4+8*4+16*4 - 2*..."""
    assert lattice(captured(lambda: nets.vgg(*convolutions)), "pool5") == published


def test_alexnet():
    """AlexNet's fields, strides and paddings are those of Distill's table: 195, 32 and 64 at pool5."""
    net = captured(nets.alexnet)
    published = {
        "conv1": (11, 4, 0),
        "pool1": (19, 8, 0),
        "conv2": (51, 8, -16),
        "conv3": (99, 16, -32),
        "conv4": (131, 16, -48),
        "conv5": (163, 16, -64),
        "pool5": (195, 32, -64),
    }
    assert dict(zip(published, lattices(net, *published), strict=True)) == published


def test_inception_v3():
    """Inception-v3's fields, strides and paddings are those of Distill's table: 1311, 32 and 618 at the end."""
    net = captured(nets.inception_v3)
    published = {
        "Conv2d_1a_3x3": (3, 2, 0),
        "Conv2d_2a_3x3": (7, 2, 0),
        "Conv2d_2b_3x3": (11, 2, -2),
        "MaxPool_3a_3x3": (15, 4, -2),
        "Conv2d_3b_1x1": (15, 4, -2),
        "Conv2d_4a_3x3": (23, 4, -2),
        "MaxPool_5a_3x3": (31, 8, -2),
        "Mixed_5b": (63, 8, -18),
        "Mixed_5c": (95, 8, -34),
        "Mixed_5d": (127, 8, -50),
        "Mixed_6a": (159, 16, -58),
        "Mixed_6b": (351, 16, -154),
        "Mixed_6c": (543, 16, -250),
        "Mixed_6d": (735, 16, -346),
        "Mixed_6e": (927, 16, -442),
        "Mixed_7a": (1055, 32, -490),
        "Mixed_7b": (1183, 32, -554),
        "Mixed_7c": (1311, 32, -618),
    }
    assert dict(zip(published, lattices(net, *published), strict=True)) == published


def test_mobilenet_v1():
    """MobileNet-v1's fields, strides and paddings are those of Distill's table: 315, 32 and 126 at the end."""
    net = captured(nets.mobilenet_v1)
    published = [
        (3, 2, 0),
        (7, 2, -2),
        (11, 4, -2),
        (19, 4, -6),
        (27, 8, -6),
        (43, 8, -14),
        (59, 16, -14),
        (91, 16, -30),
        (123, 16, -46),
        (155, 16, -62),
        (187, 16, -78),
        (219, 16, -94),
        (251, 32, -94),
        (315, 32, -126),
    ]
    layers = ["Conv2d_0", *(f"Conv2d_{number}_pointwise" for number in range(1, 14))]
    assert lattices(net, *layers) == published


def test_mobilenet_v2():
    """MobileNet-v2 sees 491 pixels at stride 32; padded evenly all along, it starts at -(491 - 1)/2."""
    assert lattice(captured(nets.mobilenet_v2)) == (491, 32, -245)


@pytest.mark.parametrize(
    ("units", "version", "published"),
    [
        ((3, 4, 6, 3), 1, [(35, 8, -15), (99, 16, -47), (291, 32, -143), (483, 32, -239)]),
        ((3, 4, 6, 3), 2, [(35, 8, -15), (99, 16, -47), (291, 32, -143), (483, 32, -239)]),
        ((3, 4, 23, 3), 1, [(35, 8, -15), (99, 16, -47), (835, 32, -415), (1027, 32, -511)]),
        ((3, 8, 36, 3), 1, [(35, 8, -15), (163, 16, -79), (1315, 32, -655), (1507, 32, -751)]),
        ((3, 24, 36, 3), 2, [(35, 8, -15), (419, 16, -207), (1571, 32, -783), (1763, 32, -879)]),
    ],
    ids=["v1_50", "v2_50", "v1_101", "v1_152", "v2_200"],
)
def test_slim_resnets(units, version, published):
    """ResNet v1 and v2 as TF-slim strides them: Distill's table at the end of each block."""
    net = captured(lambda: nets.slim_resnet(*units, version=version))
    assert lattices(net, "block1", "block2", "block3", "block4") == published


@pytest.mark.parametrize(
    ("units", "basic", "field"),
    [
        ((2, 2, 2, 2), True, 435),
        ((3, 4, 6, 3), True, 899),
        ((3, 4, 6, 3), False, 427),
        ((3, 4, 23, 3), False, 971),
        ((3, 8, 36, 3), False, 1451),
    ],
    ids=["18", "34", "50", "101", "152"],
)
def test_torchvision_resnets(units, basic, field):
    """ResNet-18, 34, 50, 101, 152 as torchvision strides them see 435, 899, 427, 971, 1451 at stride 32.

    All is padded evenly, so unit 0 lies about pixel 0 and the field starts at -(field - 1)/2.
    """
    assert lattice(captured(lambda: nets.resnet(*units, basic=basic))) == (field, 32, -(field - 1) // 2)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_patchgan(layers, field):
    """pix2pix's discriminators judge patches of 16, 34, 70, 142, 286 pixels (Isola et al. 2017, appendix)."""
    found, stride, _ = lattice(captured(lambda: nets.patchgan(layers)))
    assert (found, stride) == (field, 2**layers)


@pytest.mark.parametrize(("wide", "field"), [((1, 1, 0, 0), 9), ((1, 1, 1, 0), 17), ((1, 1, 1, 1), 33)])
def test_bagnet(wide, field):
    """BagNets look at patches of 9, 17, 33 pixels, every 8 pixels (Brendel, Bethge 2019); nothing is padded."""
    assert lattice(captured(lambda: nets.bagnet(*wide))) == (field, 8, 0)


@pytest.mark.parametrize(("depth", "field"), [(17, 35), (20, 41)])
def test_dncnn(depth, field):
    """A DnCNN of depth d sees 2d + 1 pixels: 35 for d=17, as wide as the peers' patches (Zhang et al. 2016)."""
    assert lattice(captured(lambda: nets.DnCNN(depth))) == (field, 1, -depth)


# --------------------------------------------------------------------- Dumoulin and Visin's relationships


def _relationships():
    """Yield number, operator, size, kernel, stride, padding, dilation, output padding and the published size."""
    for i in range(1, 12):
        for k in range(1, 6):
            yield 1, "conv", i, k, 1, 0, 1, 0, (i - k) + 1
            yield 4, "conv", i, k, 1, k - 1, 1, 0, i + (k - 1)
            yield 8, "tconv", i, k, 1, 0, 1, 0, i + (k - 1)
            yield 11, "tconv", i, k, 1, k - 1, 1, 0, i - (k - 1)
            if k % 2:
                yield 3, "conv", i, k, 1, k // 2, 1, 0, i
                yield 10, "tconv", i, k, 1, k // 2, 1, 0, i
            for p in range(3):
                yield 2, "conv", i, k, 1, p, 1, 0, (i - k) + 2 * p + 1
                yield 9, "tconv", i, k, 1, p, 1, 0, i + (k - 1) - 2 * p
            for s in range(1, 4):
                yield 5, "conv", i, k, s, 0, 1, 0, (i - k) // s + 1
                yield 7, "maxpool", i, k, s, 0, 1, 0, (i - k) // s + 1
                yield 12, "tconv", i, k, s, 0, 1, 0, s * (i - 1) + k
                for p in range(3):
                    yield 6, "conv", i, k, s, p, 1, 0, (i + 2 * p - k) // s + 1
                    yield 13, "tconv", i, k, s, p, 1, 0, s * (i - 1) + k - 2 * p
                    for a in range(s):
                        yield 14, "tconv", i, k, s, p, 1, a, s * (i - 1) + a + k - 2 * p
                    for d in range(1, 4):
                        yield 15, "conv", i, k, s, p, d, 0, (i + 2 * p - k - (k - 1) * (d - 1)) // s + 1


RELATIONSHIPS = list(_relationships())


@pytest.mark.parametrize("number", range(1, 16))
def test_size_relationships(number):
    """Sizes obey the relationships of Dumoulin and Visin (A guide to convolution arithmetic, 2016).

    Where the published size is below 1, no window fits, and that is refused.
    """
    cases = [case[1:] for case in RELATIONSHIPS if case[0] == number]
    assert len(cases) > 30
    for operator, i, k, s, p, d, a, size in cases:
        dilated = "" if operator == "maxpool" else f" d={d}"
        text = f"{operator} k={k} s={s} p={p}{dilated}" + f" op={a}" * (operator == "tconv")
        if size < 1:
            with pytest.raises(FaltungError):
                faltung.parse(text).at(x=i)
        else:
            assert faltung.parse(text).at(x=i).shape(None) == (size,), (text, i)


# ----------------------------------------------------------------------------- where tools fail: branches and holes


class Summed(nn.Module):
    """Branches, added."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return sum(branch(x) for branch in self.branches)


@pytest.mark.parametrize("join", [Summed, nets.Branches])
def test_parallel_bars(join):
    """A 1x7 beside a 7x1 reads a cross of 13 pixels, and not the 49 of its box."""
    model = join(nn.Conv2d(1, 1, (1, 7), padding="same"), nn.Conv2d(1, 1, (7, 1), padding="same"))
    net = agrees_with_nan(model, picture(11, 13))
    field = net.receptive_field(unit=dict(y=5, x=6))
    assert field.box == {"y": range(2, 9), "x": range(3, 10)}
    assert {(p["y"], p["x"]) for p in field} == {(5, x) for x in range(3, 10)} | {(y, 6) for y in range(2, 9)}


def test_gridding():
    """Three 3x3 convolutions of dilation 2 read 49 of the 169 pixels in their 13x13 box.

    Every tap is even: the gridding of Wang et al. (Understanding convolution for semantic segmentation, 2018).
    """
    model = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=2, dilation=2) for _ in range(3)))
    net = agrees_with_nan(model, picture(17, 17))
    field = net.receptive_field(unit=dict(y=8, x=8))
    assert (field.box, field.size) == ({"y": range(2, 15), "x": range(2, 15)}, 49)


def test_dilations_that_share_a_divisor():
    """Two 3x3 convolutions of dilation 3 read 25 pixels of a 13x13 box."""
    model = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=3, dilation=3) for _ in range(2)))
    net = agrees_with_nan(model, picture(17, 15))
    field = net.receptive_field(unit=dict(y=8, x=7))
    assert (field.box, field.size) == ({"y": range(2, 15), "x": range(1, 14)}, 25)
    assert dict(y=8, x=8) not in field


def test_pyramid_without_mean():
    """Atrous rates 2 and 4 beside a 1x1 read 1 + 8 + 8 pixels."""
    net = agrees_with_nan(nets.ASPP(1, 1, rates=(2, 4), pooled=False), picture(13, 11))
    assert net.receptive_field(unit=dict(y=6, x=5)).size == 17


def test_pyramid_with_mean():
    """With the mean of the picture as a branch, every unit reads everything; the dilated branches read 9 each."""
    model = nets.ASPP(3, 8)
    net = agrees_with_nan(nets.ASPP(1, 1, rates=(2, 4)), picture(9, 10), most=12)
    assert net.receptive_field(unit=dict(y=0, x=0)).size == 90
    wide = faltung.capture(model.eval(), torch.zeros(1, 3, 65, 65))
    assert wide.receptive_field(unit=dict(y=32, x=32), layer="local").size == 1 + 3 * 8
    assert wide.receptive_field(unit=dict(y=0, x=0), layer="project").size == 65 * 65


def test_deeplab_stem():
    """ASPP at rates 6, 12, 18 on stride 16 spans 2*18*16 pixels more than the layer that it stands on."""

    def build():
        stem = [conv(a, b, 3, s=2, p=1) for a, b in ((3, 4), (4, 4), (4, 4), (4, 8))]
        return nets.chain(stem=nn.Sequential(*stem), aspp=nets.ASPP(8, 8, pooled=False))

    net = captured(build, 64)
    assert lattice(net, "stem") == (31, 16, -15)
    assert lattice(net, "aspp") == (31 + 36 * 16, 16, -15 - 18 * 16)


def test_exchange_between_rates():
    """Full-rate units of HRNet see what the half-rate stream saw: 7 pixels, not 5.

    Along one axis half-rate unit q reads 2q - 3 .. 2q + 3. Full-rate unit i reads i - 2 .. i + 2 and what q = i//2
    reads, so even units read from i - 3 on and odd ones from i - 4, both 7 wide.
    """
    model = nets.HighResolution(1, 2)
    for which in (0, 1):
        net = agrees_with_nan(
            model,
            picture(14, 12),
            answer=lambda y, which=which: y[which],
            layer=lambda net, which=which: net.outputs[which],
        )
    full = net.outputs[0]
    assert net.receptive_field(unit=dict(y=6, x=7), layer=full).box == {"y": range(3, 10), "x": range(3, 10)}


# ------------------------------------------------------------------------------------------ where tools fail: U-Nets


def test_unet_varies_with_the_phase():
    """A U-Net of three floors sees 44 pixels; units 48 and 49 see 26..69, units 50 and 51 see 30..73.

    By hand: unit 48 reads 46..50, on the floor below 23..25 and so 21..27, on the lowest 10..13, and unit u there
    reads 4u - 14 .. 4u + 17.
    """
    with torch.device("meta"):
        net = faltung.capture(nets.UNet("pad", c=3).eval(), torch.zeros(1, 3, 128, 128))
    for unit, first in ((48, 26), (49, 26), (50, 30), (51, 30)):
        box = net.receptive_field(unit=dict(y=unit, x=64)).box
        assert box["y"] == range(first, first + 44)
    field, stride, _ = lattice(net)
    assert (field, stride) == (44, 1)


@pytest.mark.parametrize("size", [(16, 20), (17, 22), (19, 23), (21, 18)])
@pytest.mark.parametrize("meet", ["pad", "resize"])
def test_unet_of_any_size(meet, size):
    """U-Nets whose floors do not halve evenly: padded or resized to the skip, NaN agrees at every unit."""
    agrees_with_nan(nets.UNet(meet), picture(*size), most=40)


def test_unet_without_padding():
    """The paper's U-Net pads nothing and crops its skips: NaN agrees."""
    net = agrees_with_nan(nets.UNet("crop", p=0), picture(44, 44), most=40)
    assert net.shape(None)[2:] == (4, 4)
    assert net.receptive_field(unit=dict(y=0, x=0)).box == {"y": range(44), "x": range(44)}


# -------------------------------------------------------------------------------- where tools fail: causality


def test_causal_audio():
    """A WaveNet stack of kernel 2 and dilations 1, 2, 4, 8 reads 16 samples, none later than its own."""
    layers = (nets.CausalConv1d(1, 1, 2, dilation=d) for d in (1, 2, 4, 8))
    net = agrees_with_nan(nn.Sequential(*layers), picture(40))
    for t in (0, 7, 39):
        assert net.receptive_field(unit=dict(x=t)).box["x"] == range(max(0, t - 15), t + 1)


def test_masked_convolutions_and_their_blind_spot():
    """PixelCNN sees nothing at or after its pixel, and of the pixels above on the right only a wedge.

    L masked 3x3 convolutions reach row y - j through j steps up, each at most one to the right: x + 1 .. x + j at
    most. What lies above and right of that is the blind spot (van den Oord et al., Conditional PixelCNN, 2016).
    """
    layers = 4
    model = nn.Sequential(*(nets.MaskedConv2d("B" if layer else "A", 1, 1, 3) for layer in range(layers))).eval()
    net = faltung.capture(model, torch.zeros(1, 1, 15, 15), exact_weights=True)
    expected = {(0, dx) for dx in range(-layers, 0)}
    expected |= {(-up, dx) for up in range(1, layers + 1) for dx in range(-layers, up + 1)}
    assert {(p["y"] - 7, p["x"] - 7) for p in net.receptive_field(unit=dict(y=7, x=7))} == expected
    assert dict(y=6, x=9) not in net.receptive_field(unit=dict(y=7, x=7))
    structure = faltung.capture(model, torch.zeros(1, 1, 15, 15))
    assert structure.receptive_field(unit=dict(y=7, x=7)).size == 9 * 9


# ------------------------------------------------------------------- where tools fail: what a module list does not show


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight = nn.Conv2d(1, 1, 3, padding=1), nn.Parameter(torch.ones(1, 1, 5, 1))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = functional.relu(self.conv(x))
        return functional.conv2d(functional.avg_pool2d(x, 2), self.weight, padding=(2, 0))


def test_reuse_and_functional_calls():
    """A 3x3 module called three times, then calls without a module: 7x7, pooled 8x8, then 5x1 at rate 2: 16x8."""
    net = agrees_with_nan(Reused(), picture(24, 16))
    box = net.receptive_field(unit=dict(y=6, x=4)).box
    assert (len(box["y"]), len(box["x"])) == (16, 8)


def test_squeeze_and_excitation():
    """A weight made of the whole picture lets every unit read every pixel, from the first such layer on."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nets.SqueezeExcitation(2), nn.Conv2d(2, 1, 3, padding=1))
    net = agrees_with_nan(model, picture(7, 9), most=20)
    assert net.receptive_field(unit=dict(y=0, x=0), layer="0").size == 4
    assert net.receptive_field(unit=dict(y=0, x=0), layer="1").size == 63


def test_focus():
    """Focus reads 2x2 pixels a unit at stride 2, and with its 3x3 convolution 6x6, from -2 on."""
    agrees_with_nan(nets.Focus(1, 2), picture(12, 14))
    assert lattice(captured(lambda: nets.Focus(3, 8), 32)) == (6, 2, -2)


def test_corner_units():
    """Padding is no picture: the corner unit of n padded 3x3 convolutions reads (n+1)x(n+1), the inner (2n+1)^2."""
    net = agrees_with_nan(nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(4))), picture(12, 12))
    assert net.receptive_field(unit=dict(y=0, x=11)).box == {"y": range(5), "x": range(7, 12)}
    assert net.receptive_field(unit=dict(y=6, x=6)).size == 81


@pytest.mark.parametrize("size", [(10, 11), (12, 13), (7, 9)])
@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
def test_ceil_mode(pool, size):
    """With ceil_mode the last windows hang over the end, and read only what is there."""
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, padding=1), pool(3, stride=2, ceil_mode=True), pool(2, stride=2, padding=1, ceil_mode=True)
    )
    agrees_with_nan(model, picture(*size))


def test_circular_padding():
    """On a circle there is no border: units at one end read pixels at the other, and all read equally many."""
    layers = (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular") for _ in range(2))
    net = agrees_with_nan(nn.Sequential(*layers), picture(9, 11))
    field = net.receptive_field(unit=dict(y=0, x=10))
    assert {p["y"] for p in field} == {7, 8, 0, 1, 2}
    assert {p["x"] for p in field} == {8, 9, 10, 0, 1}


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_padding_with_pixels(mode):
    """Reflected and repeated borders are pixels of the picture, read again."""
    layers = (nn.Conv2d(1, 1, 3, padding=1, stride=s, padding_mode=mode) for s in (1, 2))
    agrees_with_nan(nn.Sequential(*layers), picture(9, 10))


def test_groups_of_channels():
    """Two groups keep four channels apart in pairs, a depthwise convolution keeps all apart, a 1x1 joins them."""

    def channels(layer: str, c: int) -> set[int]:
        return {p["c"] for p in net.receptive_field(unit=dict(c=c, y=2, x=2), layer=layer, channels=True)}

    model = nets.chain(
        depthwise=nn.Conv2d(4, 8, 3, groups=4), grouped=nn.Conv2d(8, 4, 1, groups=2), dense=nn.Conv2d(4, 2, 1)
    )
    net = faltung.capture(model, torch.zeros(1, 4, 8, 8))
    assert [channels("depthwise", c) for c in range(8)] == [{c // 2} for c in range(8)]
    assert [channels("grouped", c) for c in range(4)] == [{0, 1}, {0, 1}, {2, 3}, {2, 3}]
    assert channels("dense", 1) == {0, 1, 2, 3}


# ------------------------------------------------------------------------ where tools fail: other shapes of data


def test_volumes():
    """Volumes are like pictures: a strided 3-D convolution, pooling along z alone, a transposed convolution."""
    model = nn.Sequential(
        nn.Conv3d(1, 2, 3, stride=(1, 2, 2), padding=1),
        nn.MaxPool3d((2, 1, 1)),
        nn.ConvTranspose3d(2, 1, (1, 2, 2), stride=(1, 2, 2)),
    )
    net = agrees_with_nan(model, picture(4, 6, 8))
    box = net.receptive_field(unit=dict(z=1, y=2, x=3)).box
    assert box == {"z": range(1, 4), "y": range(1, 4), "x": range(1, 4)}


@dataclass
class Found:
    """What a detector returns."""

    near: Tensor
    far: Tensor


torch.export.register_dataclass(Found)


class Detector(nn.Module):
    def __init__(self, answer: Callable[..., object]) -> None:
        super().__init__()
        self.near, self.far, self.answer = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 5, stride=2), answer

    def forward(self, x: Tensor) -> object:
        near = self.near(x)
        return self.answer(near=near, far=self.far(near))


@pytest.mark.parametrize("answer", [dict, Found])
def test_named_outputs(answer):
    """Models that return a dict or a dataclass are asked about by the names of their layers."""
    net = faltung.capture(Detector(answer), torch.zeros(1, 1, 15, 15))
    assert net.outputs == ("near", "far")
    assert net.receptive_field(unit=dict(y=2, x=1), layer="far").box == {"y": range(4, 11), "x": range(2, 9)}
    assert net.receptive_field(unit=dict(y=2, x=1), layer="near").size == 9


class TwoViews(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.colour, self.depth = nn.Conv2d(3, 2, 3, stride=2, padding=1), nn.Conv2d(1, 2, 5, padding=2)
        self.joined = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, image: Tensor, range_map: Tensor) -> Tensor:
        return self.joined(torch.cat([self.colour(image), self.depth(range_map)], dim=1))


def test_several_inputs():
    """Each input has a field of its own, asked for by name or by number: 7 pixels at stride 2, and 7 at stride 1."""
    inputs = picture(12, 14, c=3), picture(6, 7)
    for which in (0, 1):
        net = agrees_with_nan(TwoViews(), *inputs, which=which)
    unit = dict(y=3, x=3)
    assert net.receptive_field(unit=unit, input="image").box == {"y": range(3, 10), "x": range(3, 10)}
    assert net.receptive_field(unit=unit, input="range_map").box == {"y": range(6), "x": range(7)}
    assert net.sees(unit=unit, pixel=dict(y=3, x=9), input="image")
    assert not net.sees(unit=unit, pixel=dict(y=3, x=10), input="image")
    with pytest.raises(FaltungError, match="no input 'sound'"):
        net.receptive_field(unit=unit, input="sound")
