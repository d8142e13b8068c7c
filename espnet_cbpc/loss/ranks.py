# SPDX-License-Identifier: Apache-2.0
"""The frames of all processes in distributed training, where each has its own number of frames."""

import torch
import torch.distributed as dist


class Ranks:
    """What the processes know of one another's frames.

    All processes must make one, and call its methods, in the same order. All communication is done
    here, in the forward pass: nothing is left for the backward pass, where it would run between
    the collectives of DistributedDataParallel in an order of its own.

    Args:
        count: rows of this process; may be 0 and differ between processes.
        device: where the tensors are.
        active: False stays within this process.
    """

    def __init__(self, count: int, device: torch.device, active: bool = True):
        active = active and dist.is_available() and dist.is_initialized()
        self.size = dist.get_world_size() if active else 1
        self.rank = dist.get_rank() if self.size > 1 else 0
        self.counts = [count]
        if self.size > 1:
            counts = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(self.size)]
            dist.all_gather(counts, torch.tensor([count], device=device))
            self.counts = torch.cat(counts).tolist()

    def twice(self) -> "Ranks":
        """Return the same processes with two rows for each one."""
        ranks = Ranks.__new__(Ranks)
        ranks.size, ranks.rank, ranks.counts = self.size, self.rank, [2 * n for n in self.counts]
        return ranks

    @property
    def total_count(self) -> int:
        """Rows of all processes."""
        return sum(self.counts)

    @property
    def own(self) -> slice:
        """Which of all rows are those of this process."""
        start = sum(self.counts[: self.rank])
        return slice(start, start + self.counts[self.rank])

    def gather(self, x: torch.Tensor) -> torch.Tensor:
        """Return the rows of all processes in the order of ranks, (total_count, ...)."""
        return torch.cat(self._gathered(x)) if self.size > 1 else x

    def others(self, x: torch.Tensor) -> torch.Tensor:
        """Return the rows of all processes but this one."""
        if self.size == 1:
            return x[:0]
        parts = self._gathered(x)
        return torch.cat(parts[: self.rank] + parts[self.rank + 1 :])

    def total(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of ``x`` over all processes."""
        if self.size > 1:
            x = x.clone()
            dist.all_reduce(x)
        return x

    def _gathered(self, x: torch.Tensor) -> list[torch.Tensor]:
        padded = x.new_zeros(max(self.counts), *x.shape[1:])  # collectives want equal shapes
        padded[: len(x)] = x
        parts = [torch.empty_like(padded) for _ in self.counts]
        dist.all_gather(parts, padded)
        return [part[:n] for part, n in zip(parts, self.counts)]
