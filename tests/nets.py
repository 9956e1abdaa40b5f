"""Published networks, written plainly: the same layers in the same order, and no numbers learned.

Names of layers follow the papers or TF-slim. What the fields do not depend on is left out where it would only
lengthen the page (dropout, classifiers, auxiliary heads).
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


def chain(**layers: nn.Module) -> nn.Sequential:
    """Return layers in a row, named."""
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return net


def conv(
    inputs: int, outputs: int, k: int | tuple[int, int], s: int = 1, p: int | str = 0, **more: int
) -> nn.Sequential:
    """Return convolution, batch normalisation and ReLU."""
    layer = nn.Conv2d(inputs, outputs, k, s, p, bias=False, **more)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


class Branches(nn.Module):
    """Branches that read the same input, their channels put in a row."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """A body and a shortcut, added."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


def vgg(*convolutions: int) -> nn.Sequential:
    """VGG with that many 3x3 convolutions before each pooling; 2, 2, 3, 3, 3 is VGG-16 (Simonyan, Zisserman 2014)."""
    layers: dict[str, nn.Module] = {}
    widths = (3, 64, 128, 256, 512, 512)
    for stage, count in enumerate(convolutions, start=1):
        for number in range(1, count + 1):
            inputs = widths[stage - 1] if number == 1 else widths[stage]
            layers[f"conv{stage}_{number}"] = nn.Conv2d(inputs, widths[stage], 3, padding=1)
            layers[f"relu{stage}_{number}"] = nn.ReLU()
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
    return chain(**layers)


def alexnet() -> nn.Sequential:
    """AlexNet on one tower, as TF-slim's alexnet_v2 (Krizhevsky, One weird trick, 2014)."""
    return chain(
        conv1=nn.Conv2d(3, 64, 11, stride=4),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(3, stride=2),
        conv2=nn.Conv2d(64, 192, 5, padding=2),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(3, stride=2),
        conv3=nn.Conv2d(192, 384, 3, padding=1),
        relu3=nn.ReLU(),
        conv4=nn.Conv2d(384, 384, 3, padding=1),
        relu4=nn.ReLU(),
        conv5=nn.Conv2d(384, 256, 3, padding=1),
        relu5=nn.ReLU(),
        pool5=nn.MaxPool2d(3, stride=2),
    )


def inception_v3() -> nn.Sequential:
    """Inception-v3 (Szegedy et al. 2015), with the names and the padding of TF-slim."""

    def row(inputs: int, *layers: tuple[int, int | tuple[int, int]]) -> nn.Sequential:
        widths = [inputs, *(width for width, _ in layers)]
        return nn.Sequential(
            *(conv(a, b, k, p="same") for (a, b), (_, k) in zip(pairwise(widths), layers, strict=True))
        )

    def pooled(inputs: int, width: int) -> nn.Sequential:
        return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), conv(inputs, width, 1))

    def forked(inputs: int) -> Branches:
        return Branches(row(inputs, (384, (1, 3))), row(inputs, (384, (3, 1))))

    def mixed_5(c: int, pool: int) -> Branches:
        return Branches(row(c, (64, 1)), row(c, (48, 1), (64, 5)), row(c, (64, 1), (96, 3), (96, 3)), pooled(c, pool))

    def mixed_6(w: int) -> Branches:
        return Branches(
            row(768, (192, 1)),
            row(768, (w, 1), (w, (1, 7)), (192, (7, 1))),
            row(768, (w, 1), (w, (7, 1)), (w, (1, 7)), (w, (7, 1)), (192, (1, 7))),
            pooled(768, 192),
        )

    def mixed_7(c: int) -> Branches:
        return Branches(
            row(c, (320, 1)),
            nn.Sequential(row(c, (384, 1)), forked(384)),
            nn.Sequential(row(c, (448, 1), (384, 3)), forked(384)),
            pooled(c, 192),
        )

    return chain(
        Conv2d_1a_3x3=conv(3, 32, 3, s=2),
        Conv2d_2a_3x3=conv(32, 32, 3),
        Conv2d_2b_3x3=conv(32, 64, 3, p=1),
        MaxPool_3a_3x3=nn.MaxPool2d(3, stride=2),
        Conv2d_3b_1x1=conv(64, 80, 1),
        Conv2d_4a_3x3=conv(80, 192, 3),
        MaxPool_5a_3x3=nn.MaxPool2d(3, stride=2),
        Mixed_5b=mixed_5(192, 32),
        Mixed_5c=mixed_5(256, 64),
        Mixed_5d=mixed_5(288, 64),
        Mixed_6a=Branches(
            conv(288, 384, 3, s=2),
            nn.Sequential(row(288, (64, 1), (96, 3)), conv(96, 96, 3, s=2)),
            nn.MaxPool2d(3, stride=2),
        ),
        Mixed_6b=mixed_6(128),
        Mixed_6c=mixed_6(160),
        Mixed_6d=mixed_6(160),
        Mixed_6e=mixed_6(192),
        Mixed_7a=Branches(
            nn.Sequential(row(768, (192, 1)), conv(192, 320, 3, s=2)),
            nn.Sequential(row(768, (192, 1), (192, (1, 7)), (192, (7, 1))), conv(192, 192, 3, s=2)),
            nn.MaxPool2d(3, stride=2),
        ),
        Mixed_7b=mixed_7(1280),
        Mixed_7c=mixed_7(2048),
    )


def mobilenet_v1() -> nn.Sequential:
    """MobileNet-v1 (Howard et al. 2017) with TensorFlow's SAME padding, which at even sizes pads behind alone."""

    def three(inputs: int, outputs: int, s: int, **more: int) -> nn.Sequential:
        if s == 1:
            return conv(inputs, outputs, 3, p=1, **more)
        return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv(inputs, outputs, 3, s=2, **more))

    widths = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    layers: dict[str, nn.Module] = {"Conv2d_0": three(3, 32, 2)}
    for number, ((a, b), s) in enumerate(zip(pairwise(widths), strides, strict=True), start=1):
        layers[f"Conv2d_{number}_depthwise"] = three(a, a, s, groups=a)
        layers[f"Conv2d_{number}_pointwise"] = conv(a, b, 1)
    return chain(**layers)


def mobilenet_v2() -> nn.Sequential:
    """MobileNet-v2 (Sandler et al. 2018), with the padding of torchvision."""
    layers: list[nn.Module] = [conv(3, 32, 3, s=2, p=1)]
    c = 32
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, outputs, repeats, stride in rows:
        for s in (stride, *[1] * (repeats - 1)):
            inner = c * expansion
            body = nn.Sequential(
                *([conv(c, inner, 1)] if expansion > 1 else []),
                conv(inner, inner, 3, s=s, p=1, groups=inner),
                nn.Conv2d(inner, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )
            layers.append(Residual(body) if s == 1 and c == outputs else body)
            c = outputs
    return chain(features=nn.Sequential(*layers, conv(c, 1280, 1)))


def _bottleneck(c: int, width: int, s: int) -> nn.Sequential:
    return nn.Sequential(
        conv(c, width, 1), conv(width, width, 3, s=s, p=1), nn.Conv2d(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
    )


def _preactivated(c: int, width: int, s: int) -> nn.Sequential:
    start = nn.Sequential(nn.BatchNorm2d(c), nn.ReLU())
    return nn.Sequential(start, conv(c, width, 1), conv(width, width, 3, s=s, p=1), nn.Conv2d(width, 4 * width, 1))


def _basic(c: int, width: int, s: int) -> nn.Sequential:
    return nn.Sequential(conv(c, width, 3, s=s, p=1), nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width))


def _resnet(
    units: tuple[int, ...],
    body: Callable[[int, int, int], nn.Sequential],
    growth: int,
    pool: nn.Module,
    strides: Callable[[int, int], list[int]],
) -> nn.Sequential:
    """Return a ResNet: `strides(block, units)` gives the stride of each unit of a block."""
    blocks: dict[str, nn.Module] = {}
    c = 64
    for block, count in enumerate(units, start=1):
        width = 32 * 2**block
        stages = []
        for s in strides(block, count):
            shortcut: nn.Module = nn.Conv2d(c, growth * width, 1, stride=s)
            if c == growth * width:
                shortcut = nn.MaxPool2d(1, stride=s)
            stages += [Residual(body(c, width, s), shortcut)] + [nn.ReLU()] * (body is not _preactivated)
            c = growth * width
        blocks[f"block{block}"] = nn.Sequential(*stages)
    return chain(conv1=conv(3, 64, 7, s=2, p=3), pool1=pool, **blocks)


def resnet(*units: int, basic: bool = False) -> nn.Sequential:
    """ResNet (He et al. 2015) as in torchvision: stride in the 3x3 convolution of the first unit of blocks 2-4."""

    def strides(block: int, count: int) -> list[int]:
        return [1 if block == 1 else 2, *[1] * (count - 1)]

    body, growth = (_basic, 1) if basic else (_bottleneck, 4)
    return _resnet(units, body, growth, nn.MaxPool2d(3, stride=2, padding=1), strides)


def slim_resnet(*units: int, version: int = 1) -> nn.Sequential:
    """ResNet v1 or v2 as in TF-slim: stride in the last unit of blocks 1-3, and SAME padding in the pooling.

    At even sizes SAME pads behind alone, which is a pooling whose last window hangs over the end.
    """

    def strides(block: int, count: int) -> list[int]:
        return [*[1] * (count - 1), 1 if block == 4 else 2]

    body = _bottleneck if version == 1 else _preactivated
    return _resnet(units, body, 4, nn.MaxPool2d(3, stride=2, ceil_mode=True), strides)


def patchgan(layers: int) -> nn.Sequential:
    """The discriminator of pix2pix (Isola et al. 2017) with that many strided convolutions."""
    widths = [3, *(64 * min(2**layer, 8) for layer in range(layers + 1))]
    strides = [2] * layers + [1]
    body = [
        nn.Sequential(nn.Conv2d(a, b, 4, s, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))
        for (a, b), s in zip(pairwise(widths), strides, strict=True)
    ]
    return nn.Sequential(*body, nn.Conv2d(widths[-1], 1, 4, padding=1))


class _BagNetUnit(nn.Module):
    """A bottleneck without padding; its shortcut loses the last rows and columns."""

    def __init__(self, c: int, width: int, k: int, s: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(c, width, 1), conv(width, width, k, s=s), nn.Conv2d(width, 4 * width, 1))
        self.shortcut = nn.Conv2d(c, 4 * width, 1, stride=s)

    def forward(self, x: Tensor) -> Tensor:
        y, shortcut = self.body(x), self.shortcut(x)
        return functional.relu(y + shortcut[..., : y.shape[-2], : y.shape[-1]])


def bagnet(*wide: int) -> nn.Sequential:
    """BagNet (Brendel, Bethge 2019): ResNet-50 with 3x3 convolutions only in the first units of some blocks.

    `wide` says how many units of each block are 3x3: 1, 1, 1, 1 is BagNet-33.
    """
    units = []
    c = 64
    for width, count, threes, stride in zip((64, 128, 256, 512), (3, 4, 6, 3), wide, (2, 2, 2, 1), strict=True):
        for unit in range(count):
            units.append(_BagNetUnit(c, width, 3 if unit < threes else 1, stride if unit == 0 else 1))
            c = 4 * width
    return chain(conv1=nn.Conv2d(3, 64, 1), conv2=conv(64, 64, 3), units=nn.Sequential(*units))


class DnCNN(nn.Module):
    """DnCNN (Zhang et al. 2016): a row of 3x3 convolutions that predicts the noise, which is taken away."""

    def __init__(self, depth: int = 17, width: int = 64) -> None:
        super().__init__()
        inner = [conv(width, width, 3, p=1) for _ in range(depth - 2)]
        first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.noise = nn.Sequential(first, *inner, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.noise(x)


def _twice(inputs: int, outputs: int, p: int) -> nn.Sequential:
    return nn.Sequential(conv(inputs, outputs, 3, p=p), conv(outputs, outputs, 3, p=p))


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with two convolutions on each of its three floors.

    Parameters
    ----------
    meet : {'crop', 'pad', 'resize'}
        How a floor meets the one below where sizes are odd: the skip is cropped to the middle, what comes up is
        padded, or it is resized by nearest neighbours instead of a transposed convolution.
    p : int
        Padding of the convolutions; 0 in the paper.
    """

    def __init__(self, meet: str, p: int = 1, c: int = 1, width: int = 2) -> None:
        super().__init__()
        self.meet = meet
        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(_twice(a, b, p) for a, b in pairwise([c, *widths]))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_twice(2 * a, a, p) for a in widths[:-1])

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for floor in self.down[:-1]:
            skips.append(floor(x))
            x = functional.max_pool2d(skips[-1], 2)
        x = self.down[-1](x)
        for floor, skip in reversed(list(enumerate(skips))):
            x = self.up[floor](torch.cat(self._meet(floor, x, skip), dim=1))
        return x

    def _meet(self, floor: int, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        if self.meet == "resize":
            return skip, self.narrow[floor](functional.interpolate(x, size=skip.shape[-2:], mode="nearest"))
        x = self.rise[floor](x)
        dy, dx = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
        if self.meet == "pad":
            return skip, functional.pad(x, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))
        top, left = dy // 2, dx // 2
        return skip[..., top : top + x.shape[-2], left : left + x.shape[-1]], x


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (DeepLab v3, Chen et al. 2017): 1x1, dilated 3x3, and the picture's mean."""

    def __init__(self, c: int, width: int, rates: tuple[int, ...] = (6, 12, 18), pooled: bool = True) -> None:
        super().__init__()
        self.local = Branches(conv(c, width, 1), *(conv(c, width, 3, p=r, dilation=r) for r in rates))
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(c, width, 1)) if pooled else None
        self.project = conv(width * (1 + len(rates) + pooled), width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.local(x)
        if self.mean is not None:
            y = torch.cat([y, self.mean(x).expand(-1, -1, *x.shape[-2:])], dim=1)
        return self.project(y)


class HighResolution(nn.Module):
    """One exchange of HRNet (Sun et al. 2019): two streams at full and half rate, each told of the other."""

    def __init__(self, c: int, width: int) -> None:
        super().__init__()
        self.high = nn.Sequential(conv(c, width, 3, p=1), conv(width, width, 3, p=1))
        self.low = nn.Sequential(conv(c, 2 * width, 3, s=2, p=1), conv(2 * width, 2 * width, 3, p=1))
        self.down, self.up = conv(width, 2 * width, 3, s=2, p=1), conv(2 * width, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        high, low = self.high(x), self.low(x)
        raised = functional.interpolate(self.up(low), scale_factor=2, mode="nearest")
        return high + raised, low + self.down(high)


class SqueezeExcitation(nn.Module):
    """Channels weighted by what the whole picture holds (Hu et al. 2018)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(c, c), nn.ReLU(), nn.Linear(c, c), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(x.mean(dim=(2, 3)))[:, :, None, None]


class Focus(nn.Module):
    """YOLOv5's first layer: every second pixel in four shifts, put in a row, then a convolution."""

    def __init__(self, c: int, width: int) -> None:
        super().__init__()
        self.conv = conv(4 * c, width, 3, p=1)

    def forward(self, x: Tensor) -> Tensor:
        shifts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.conv(torch.cat(shifts, dim=1))


class CausalConv1d(nn.Conv1d):
    """A convolution padded on the left alone, as in WaveNet (van den Oord et al. 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class MaskedConv2d(nn.Conv2d):
    """PixelCNN's convolution (van den Oord et al. 2016): rows below and pixels to the right are masked away.

    Type "A" masks the pixel itself, type "B" keeps it. The masked weights are zero.
    """

    def __init__(self, kind: str, inputs: int, outputs: int, k: int) -> None:
        super().__init__(inputs, outputs, k, padding=k // 2)
        with torch.no_grad():
            self.weight[:, :, k // 2, k // 2 + (kind == "B") :] = 0
            self.weight[:, :, k // 2 + 1 :] = 0
