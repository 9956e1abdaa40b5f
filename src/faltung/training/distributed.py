"""One run over several processes, as `torchrun` starts them: the same as one process with the joint batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as joint
from torch import Tensor, nn

from faltung.errors import FaltungError


@dataclass(frozen=True)
class Processes:
    """The process, among those of the run."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and reports."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Go on when every process has come here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def processes(device: str | None = None) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, or be alone: NCCL on GPUs, gloo on CPUs.

    Parameters
    ----------
    device : str, optional
        cpu, cuda, cuda:1, mps, …; else a GPU where there is one.

    Raises
    ------
    FaltungError
        If there is no such device.
    """
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and world > 1:
        name = f"cuda:{local}"
    try:
        place = torch.device(name)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise FaltungError(f"device {name!r} cannot be used: {str(problem).splitlines()[0]}") from None
    if world == 1:
        yield Processes(0, 1, place)
        return
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), place)
    finally:
        dist.destroy_process_group()


class JointBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with the statistics of the joint batch of all processes, on any device.

    Every process has as many pictures. PyTorch's own SyncBatchNorm is for GPUs alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the joint mean and variance in training, by the running ones else."""
        if not self.training:
            return super().forward(x)
        world = dist.get_world_size()
        moments = torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))])
        mean, square = joint.all_reduce(moments) / world  # type: ignore[no-untyped-call]
        variance = (square - mean.square()).clamp_min(0)
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            count = world * x.numel() / x.shape[1]
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
        scale = (variance + self.eps).rsqrt() * self.weight
        normalised: Tensor = x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
        return normalised


def with_joint_statistics(model: nn.Module) -> nn.Module:
    """Let every batch normalisation of a model take its statistics over all processes; names and state stay."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = JointBatchNorm2d
    return model
