"""Convolutional networks to read in one sitting: plain modules, each with the shapes of a 28 x 28 picture.

Every class can be made without arguments, so that `faltung table faltung.training.nets:ResNet --input 1x1x28x28` and
`faltung check`, `faltung sees` work on it. Batch is written N.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from faltung.errors import FaltungError, UnknownName


def convolution(channels: int, filters: int, stride: int = 1) -> nn.Sequential:
    """Return 3x3 convolution, batch normalisation, rectifier; the normalisation's offset stands for the bias."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()
    )


def pooled(channels: int, filters: int) -> nn.Sequential:
    """Return 3x3 convolution, maximum of 2x2, batch normalisation, rectifier: N x C x H x W to N x F x H/2 x W/2."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(filters), nn.ReLU()
    )


class LeNet5(nn.Module):
    """LeNet-5: two convolutions with pooling, a third, two linear layers.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, *Gradient-based learning applied to document recognition*, 1998. As
    everywhere today, pooling has no weights, every map reads all maps below, and the output is a linear layer. A
    picture of 28 is padded to the paper's 32 by its first layer.

    Parameters
    ----------
    channels, classes : int
        Of the picture, and of the answer.
    size : int
        Rows and columns of the picture, 14 or more; linear layers make it the only size.

    Examples
    --------
    >>> LeNet5()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, channels: int = 1, classes: int = 10, size: int = 28) -> None:
        super().__init__()
        if size < 14:
            raise FaltungError(f"LeNet-5 needs pictures of 14x14 or more, not {size}x{size}")
        side = (size // 2 - 4) // 2
        last = min(5, side)  # a third convolution over all that is left, where that is the paper's 5x5
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2),  # N x 6 x 28 x 28
            nn.Tanh(),
            nn.AvgPool2d(2),  # N x 6 x 14 x 14
            nn.Conv2d(6, 16, 5),  # N x 16 x 10 x 10
            nn.Tanh(),
            nn.AvgPool2d(2),  # N x 16 x 5 x 5
            nn.Conv2d(16, 120, last),  # N x 120 x 1 x 1
            nn.Tanh(),
        )
        self.classify = nn.Sequential(
            nn.Flatten(), nn.Linear(120 * (side - last + 1) ** 2, 84), nn.Tanh(), nn.Linear(84, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, N x classes, of pictures, N x channels x size x size."""
        scores: Tensor = self.classify(self.features(x))
        return scores


class VGG(nn.Module):
    """A small VGG: pairs of 3x3 convolutions, pooled by two, then the mean over the picture and a linear layer.

    K. Simonyan, A. Zisserman, *Very deep convolutional networks for large-scale image recognition*, 2015; with batch
    normalisation, and a mean in place of its linear layers.

    Examples
    --------
    >>> VGG()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(channels, width),  # N x 32 x 28 x 28
            convolution(width, width),
            nn.MaxPool2d(2),  # N x 32 x 14 x 14
            convolution(width, 2 * width),  # N x 64 x 14 x 14
            convolution(2 * width, 2 * width),
            nn.MaxPool2d(2),  # N x 64 x 7 x 7
            convolution(2 * width, 4 * width),  # N x 128 x 7 x 7
            convolution(4 * width, 4 * width),
        )
        self.classify = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, N x classes, of pictures, N x channels x height x width, of 4x4 or more."""
        scores: Tensor = self.classify(self.features(x).mean((2, 3)))
        return scores


class QuickVGG(nn.Module):
    """A VGG made for speed: three pairs of 3x3 convolutions, each pooled before it is normalised, and a linear layer.

    After K. Jordan, *94% on CIFAR-10 in 3.29 seconds on a single GPU*, 2024. Only the first convolution of a pair works
    at full size: what follows has a quarter of the units.

    Examples
    --------
    >>> QuickVGG()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            pooled(channels, width),  # N x 16 x 14 x 14
            convolution(width, width),
            pooled(width, 2 * width),  # N x 32 x 7 x 7
            convolution(2 * width, 2 * width),
            pooled(2 * width, 4 * width),  # N x 64 x 3 x 3
            convolution(4 * width, 4 * width),
        )
        self.classify = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, N x classes, of pictures, N x channels x height x width, of 8x8 or more."""
        scores: Tensor = self.classify(self.features(x).amax((2, 3)))
        return scores


class Residual(nn.Module):
    """Two 3x3 convolutions whose answer is added to what they read: N x C x H x W to N x F x H/stride x W/stride.

    Where the stride or the number of channels changes, what is added goes through a 1x1 convolution.
    """

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(channels, filters, stride)
        self.second = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.normalise = nn.BatchNorm2d(filters)
        self.skip = (
            nn.Identity()
            if stride == 1 and channels == filters
            else nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of both ways."""
        return torch.relu(self.normalise(self.second(self.first(x))) + self.skip(x))


class ResNet(nn.Module):
    """A small residual network: one convolution, six residual blocks in three widths, the mean, a linear layer.

    K. He, X. Zhang, S. Ren, J. Sun, *Deep residual learning for image recognition*, 2016: section 4.2 with n = 2, wider
    by default, and 1x1 convolutions where the width changes.

    Examples
    --------
    >>> ResNet()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.stem = convolution(channels, width)  # N x 32 x 28 x 28
        self.blocks = nn.Sequential(
            Residual(width, width),
            Residual(width, width),
            Residual(width, 2 * width, stride=2),  # N x 64 x 14 x 14
            Residual(2 * width, 2 * width),
            Residual(2 * width, 4 * width, stride=2),  # N x 128 x 7 x 7
            Residual(4 * width, 4 * width),
        )
        self.classify = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, N x classes, of pictures, N x channels x height x width."""
        scores: Tensor = self.classify(self.blocks(self.stem(x)).mean((2, 3)))
        return scores


class AllConvolutional(nn.Module):
    """A net of convolutions alone: strides in place of pooling, 1x1 at the end, then the mean over the picture.

    J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, *Striving for simplicity: the all convolutional net*,
    2015, its model All-CNN-C, narrower by default and with batch normalisation.

    Examples
    --------
    >>> AllConvolutional()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 48) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(channels, width),  # N x 48 x 28 x 28
            convolution(width, width),
            convolution(width, width, stride=2),  # N x 48 x 14 x 14
            convolution(width, 2 * width),  # N x 96 x 14 x 14
            convolution(2 * width, 2 * width),
            convolution(2 * width, 2 * width, stride=2),  # N x 96 x 7 x 7
            convolution(2 * width, 2 * width),
        )
        self.classify = nn.Conv2d(2 * width, classes, 1)  # N x classes x 7 x 7

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, N x classes, of pictures, N x channels x height x width."""
        scores: Tensor = self.classify(self.features(x)).mean((2, 3))
        return scores


class UNet(nn.Module):
    """A small U-Net: down by pooling, up by transposed convolutions, each height joined with the way down.

    O. Ronneberger, P. Fischer, T. Brox, *U-Net: convolutional networks for biomedical image segmentation*, 2015;
    padded, so that the answer has the size of the picture. It scores every pixel, not the picture.

    Examples
    --------
    >>> UNet()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10, 28, 28])
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.top = nn.Sequential(convolution(channels, width), convolution(width, width))  # N x 16 x 28 x 28
        self.middle = nn.Sequential(convolution(width, 2 * width), convolution(2 * width, 2 * width))  # 14 x 14
        self.bottom = nn.Sequential(convolution(2 * width, 4 * width), convolution(4 * width, 4 * width))  # 7 x 7
        self.down = nn.MaxPool2d(2)
        self.up_middle = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.join_middle = nn.Sequential(convolution(4 * width, 2 * width), convolution(2 * width, 2 * width))
        self.up_top = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.join_top = nn.Sequential(convolution(2 * width, width), convolution(width, width))
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, N x classes x H x W, of pictures, N x channels x H x W; H and W multiples of 4."""
        top = self.top(x)
        middle = self.middle(self.down(top))
        bottom = self.bottom(self.down(middle))
        middle = self.join_middle(torch.cat([middle, self.up_middle(bottom)], 1))
        scores: Tensor = self.classify(self.join_top(torch.cat([top, self.up_top(middle)], 1)))
        return scores


NETS: dict[str, Callable[..., nn.Module]] = {
    "lenet": LeNet5,
    "vgg": VGG,
    "quick-vgg": QuickVGG,
    "resnet": ResNet,
    "all-convolutional": AllConvolutional,
    "u-net": UNet,
}
"""Every net by its name on the command line."""


def classifier(name: str, channels: int, classes: int, size: int, width: int = 0) -> nn.Module:
    """Return a new net that scores whole pictures, with PyTorch's random start.

    Parameters
    ----------
    name : str
        One of `NETS`.
    channels, classes, size : int
        Channels of the pictures, classes of the answer, rows and columns of the pictures.
    width : int
        Filters of the first layers, which the later ones follow; 0 is the net's own.

    Raises
    ------
    FaltungError
        For an unknown name, for a width of LeNet-5, and for the U-Net, which scores pixels.

    Examples
    --------
    >>> classifier("lenet", channels=3, classes=100, size=32)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 100])
    """
    if name not in NETS:
        raise UnknownName("net", name, NETS)
    if name == "u-net":
        raise FaltungError("u-net scores every pixel, and these data sets have one class for a whole picture")
    if name == "lenet":
        if width:
            raise FaltungError(f"lenet has the widths of its paper, and no width of {width}")
        return LeNet5(channels, classes, size)
    return NETS[name](channels, classes, width) if width else NETS[name](channels, classes)
