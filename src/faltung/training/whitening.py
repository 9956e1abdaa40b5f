"""A first layer that needs no training: it makes the entries of small patches uncorrelated."""

import torch
from torch import Tensor, nn


class Whitening(nn.Module):
    """A fixed convolution whose filters are the principal axes of the data's patches, each scaled to variance 1.

    Its answers, and the same negated, are given on: N x C x H x W to N x 2Ck² x (H-k+1) x (W-k+1). After K. Jordan,
    *94% on CIFAR-10 in 3.29 seconds on a single GPU*, 2024.

    Parameters
    ----------
    channels : int
        Of the pictures.
    side : int
        Rows and columns of a patch, k.
    """

    kernel: Tensor

    def __init__(self, channels: int, side: int = 2) -> None:
        super().__init__()
        length = channels * side * side
        self.register_buffer("kernel", torch.eye(length).reshape(length, channels, side, side))

    @property
    def answers(self) -> int:
        """How many channels come out."""
        return 2 * len(self.kernel)

    @torch.no_grad()
    def fit(self, pictures: Tensor, least: float = 5e-4) -> None:
        """Take the filters from normalised pictures, N x C x H x W: eigenvectors of the covariance of patches.

        `least` is added to every variance, so that what is hardly there is not blown up.
        """
        side = self.kernel.shape[-1]
        patches = nn.functional.unfold(pictures.contiguous(), side).transpose(1, 2).flatten(0, 1).double()
        variances, axes = torch.linalg.eigh(torch.cov(patches.T))
        filters = axes.T / (variances + least).sqrt()[:, None]
        self.kernel.copy_(filters.reshape(self.kernel.shape))

    def forward(self, x: Tensor) -> Tensor:
        """Return the answers and the same negated."""
        answers = nn.functional.conv2d(x, self.kernel)
        return torch.cat([answers, -answers], 1)
