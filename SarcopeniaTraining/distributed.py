"""One training by several processes, on one machine or more: PyTorch's DistributedDataParallel.

Started by `torchrun`, every process runs the same command; process r takes its share of each batch, the
gradients are averaged, and process 0 writes (docs/adr/0009).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import DeviceError, ModelError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Team:
    """One process among those that train together.

    Attributes
    ----------
    rank, size:
        0 … size − 1; 0 of 1 where there is no other.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def share(self, numbers: Sequence[int]) -> list[int]:
        """Samples of a batch that are for this process.

        Raises
        ------
        ModelError
            The batch cannot be shared out evenly.
        """
        if len(numbers) % self.size:
            raise ModelError(
                f"a batch of {len(numbers)} samples cannot be shared by {self.size} processes",
                "start as many as divide the preset's batch",
            )
        return list(numbers[self.rank :: self.size])

    def together(self, learner: torch.nn.Module) -> torch.nn.Module:
        """The module whose gradients are the mean of all processes'."""
        if self.size == 1:
            return learner
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(learner)

    def mean(self, value: torch.Tensor) -> float:
        """Mean of a scalar over the processes."""
        if self.size > 1:
            import torch.distributed as dist

            value = value.detach().clone()
            dist.all_reduce(value)
            value /= self.size
        return float(value.detach())

    def wait(self) -> None:
        """Until every process has come here."""
        if self.size > 1:
            import torch.distributed as dist

            dist.barrier()


ALONE = Team()


@contextmanager
def joined_team(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[tuple[Team, str]]:
    """The team that `torchrun` describes in the environment, and this process's device.

    Raises
    ------
    DeviceError
        More processes on this machine than GPUs.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(), device
        return
    import torch
    import torch.distributed as dist
    import torch.distributed.nn.functional  # imported later, it keeps the group as a default argument

    local = int(environment.get("LOCAL_RANK", "0"))
    on_gpu = device.startswith("cuda")
    if on_gpu:
        if local >= torch.cuda.device_count():
            raise DeviceError(f"process {local} finds no GPU of its own", "start a process for each GPU")
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    group = dist.group.WORLD
    try:
        yield Team(dist.get_rank(), dist.get_world_size()), device
    finally:
        # Gloo's threads let go of the last tensors after all else has gone on, and need Python for it: one
        # that finds Python ending aborts the process. They are waited for when the group's last reference
        # goes, which must be ours: unlike a wrapped network's it lets Python run meanwhile.
        dist.destroy_process_group()
        del group


def half_precision(preset_half: bool, device: Any) -> bool:
    """Whether bfloat16 is to be used: the preset says so, and the device computes in it.

    Elsewhere it is emulated: on a processor with AVX2 alone fourteen times slower than float32.
    """
    import torch

    if not preset_half:
        return False
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return kind != "cpu" or _processor_has_half()


def _processor_has_half() -> bool:
    """What oneDNN, which computes on the processor, says of it; False where torch has no oneDNN."""
    import torch

    told = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(told is not None and told())
