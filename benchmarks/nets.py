"""Networks of real size, built plainly, for measurements: geometry as published, weights never read."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Return convolution, batch norm and rectifier."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *[nn.ReLU(inplace=True)] * relu)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut (He et al. 2016, stride as in torchvision)."""

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(inputs, width, 1), conv_norm(width, width, 3, stride), conv_norm(width, 4 * width, 1, relu=False)
        )
        same = stride == 1 and inputs == 4 * width
        self.shortcut = nn.Identity() if same else conv_norm(inputs, 4 * width, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of body and shortcut."""
        return functional.relu(self.body(x) + self.shortcut(x))


def resnet(*blocks: int) -> nn.Sequential:
    """Return a ResNet of bottlenecks with a classifier: 3, 4, 6, 3 for ResNet-50; 3, 8, 36, 3 for ResNet-152."""
    layers: list[nn.Module] = [conv_norm(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for number in range(count):
            layers.append(Bottleneck(inputs, width, 2 if stage and not number else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with padded convolutions and five floors."""

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512, 1024)) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(self._twice(a, b) for a, b in [(3, widths[0]), *pairs])
        self.rise = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(pairs))
        self.up = nn.ModuleList(self._twice(2 * a, a) for a, _ in reversed(pairs))
        self.last = nn.Conv2d(widths[0], 2, 1)

    def _twice(self, inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(conv_norm(inputs, outputs), conv_norm(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return two channels of the size of the picture."""
        skips = []
        for floor in self.down:
            skips.append(floor(x if not skips else functional.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for rise, up in zip(self.rise, self.up, strict=True):
            x = up(torch.cat([skips.pop(), rise(x)], 1))
        return self.last(x)


class ChannelsFirstNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """A depthwise 7x7 convolution and two linear layers beside a shortcut (Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.rest = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.scale = nn.Parameter(torch.empty(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of body and shortcut."""
        body = self.rest(self.depthwise(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + self.scale * body


def convnext(blocks: Sequence[int] = (3, 3, 9, 3), widths: Sequence[int] = (96, 192, 384, 768)) -> nn.Sequential:
    """Return ConvNeXt-T."""
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 4), ChannelsFirstNorm(widths[0])]
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        if stage:
            layers += [ChannelsFirstNorm(widths[stage - 1]), nn.Conv2d(widths[stage - 1], width, 2, 2)]
        layers += [ConvNeXtBlock(width) for _ in range(count)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(width), nn.Linear(width, 1000))


class SwinBlock(nn.Module):
    """Attention in windows, shifted in every second block (Liu et al. 2021); shifted windows are not masked."""

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.norm, self.qkv, self.project = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.empty(heads, window**2, window**2))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens (n, y, x, c) after attention and two linear layers."""
        x = x + self._attend(self.norm(x))
        return x + self.mlp(x)

    def _attend(self, x: Tensor) -> Tensor:
        n, height, width, c = x.shape
        w = self.window
        x = functional.pad(x, (0, 0, 0, -width % w, 0, -height % w))
        _, rows, columns, _ = x.shape
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.view(n, rows // w, w, columns // w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, c)
        q, k, v = self.qkv(x).view(-1, w * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1) + self.bias
        x = self.project((scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, w * w, c))
        x = x.view(n, rows // w, columns // w, w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(n, rows, columns, c)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), (1, 2))
        return x[:, :height, :width]


class PatchMerging(nn.Module):
    """Four neighbouring tokens become one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.reduce = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return a quarter of the tokens, twice as wide."""
        parts = [x[:, y::2, z::2] for z in (0, 1) for y in (0, 1)]
        return self.reduce(self.norm(torch.cat(parts, -1)))


class Swin(nn.Module):
    """Swin-T."""

    def __init__(self, blocks: Sequence[int] = (2, 2, 6, 2), width: int = 96, window: int = 7) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        layers: list[nn.Module] = [nn.LayerNorm(width)]
        for stage, count in enumerate(blocks):
            if stage:
                layers.append(PatchMerging(width))
                width *= 2
            layers += [SwinBlock(width, width // 32, window, window // 2 * (number % 2)) for number in range(count)]
        self.layers = nn.Sequential(*layers, nn.LayerNorm(width))
        self.head = nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of 1000 classes."""
        return self.head(self.layers(self.patches(x).permute(0, 2, 3, 1)).mean((1, 2)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_norm(width, width), conv_norm(width, width, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of body and shortcut."""
        return functional.relu(self.body(x) + x)


class Exchange(nn.Module):
    """Four blocks in each stream, then every stream is told of all others."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.streams = nn.ModuleList(nn.Sequential(*(BasicBlock(width) for _ in range(4))) for width in widths)
        self.told = nn.ModuleList(
            nn.ModuleList(self._path(widths, here, there) for there in range(len(widths)))
            for here in range(len(widths))
        )

    def _path(self, widths: Sequence[int], here: int, there: int) -> nn.Module:
        if here == there:
            return nn.Identity()
        if there > here:
            return conv_norm(widths[there], widths[here], 1, relu=False)
        steps = range(there, here)
        return nn.Sequential(
            *(
                conv_norm(
                    widths[there], widths[here] if step == here - 1 else widths[there], 3, 2, relu=step < here - 1
                )
                for step in steps
            )
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the streams after the exchange."""
        maps = [stream(x) for stream, x in zip(self.streams, maps, strict=True)]
        mixed = []
        for here, x in enumerate(maps):
            told = []
            for there, (path, y) in enumerate(zip(self.told[here], maps, strict=True)):
                y = path(y)
                told.append(functional.interpolate(y, size=x.shape[-2:], mode="nearest") if there > here else y)
            mixed.append(functional.relu(sum(told[1:], told[0])))
        return mixed


class HRNet(nn.Module):
    """HRNet-W18 (Wang et al. 2020): up to four streams at 1/4, 1/8, 1/16 and 1/32 of the rate."""

    def __init__(self, widths: Sequence[int] = (18, 36, 72, 144), modules: Sequence[int] = (1, 4, 3)) -> None:
        super().__init__()
        stem = [conv_norm(3, 64, 3, 2), conv_norm(64, 64, 3, 2), Bottleneck(64, 64)]
        self.stem = nn.Sequential(*stem, *(Bottleneck(256, 64) for _ in range(3)))
        self.first = conv_norm(256, widths[0])
        self.further = nn.ModuleList(
            conv_norm(widths[number] if number else 256, width, 3, 2) for number, width in enumerate(widths[1:])
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Exchange(widths[: number + 2]) for _ in range(count)))
            for number, count in enumerate(modules)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return all streams at the rate of the first."""
        x = self.stem(x)
        maps = [self.first(x)]
        for number, (step, stage) in enumerate(zip(self.further, self.stages, strict=True)):
            maps = stage([*maps, step(x if number == 0 else maps[-1])])
        size = maps[0].shape[-2:]
        return torch.cat([functional.interpolate(y, size=size, mode="bilinear") for y in maps], 1)
