"""Training by several processes, one per device, started by `torchrun`.

Every process holds a share of the series, or the whole table where that cannot be shared. All draw the same windows,
complete them with those that others hold, and compute a part of each batch. Losses and gradients are summed over all
processes, so that all take the same step and hold the same weights. Only the first one prints and writes.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcast.errors import SeqcastError, UsageError, option

Value = TypeVar("Value")

_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
_ADDRESS = ("MASTER_ADDR", "MASTER_PORT")
_BACKENDS = ("gloo", "NCCL", "TCPStore", "EADDRINUSE")
"""Words by which torch's errors about connections are recognised."""


@dataclass(frozen=True)
class World:
    """The place of this process among those that train together; by default there is only one."""

    rank: int = 0
    local_rank: int = 0
    """Rank among the processes of this machine, which is the number of its GPU."""
    size: int = 1

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The place that `torchrun` gave this process; alone if it was not started by `torchrun`.

        Raises:
            UsageError: The variables contradict each other or are incomplete.
        """
        if environment.get("WORLD_SIZE", "1") in ("", "1"):
            return cls()
        missing = [name for name in (*_VARIABLES, *_ADDRESS) if not environment.get(name)]
        numbers = [environment.get(name, "") for name in _VARIABLES]
        if missing or not all(number.isascii() and number.isdigit() for number in numbers):
            told = f"{', '.join(missing)} is missing" if missing else f"they are {', '.join(numbers)}"
            raise UsageError(
                f"WORLD_SIZE asks for training by several processes, described by {', '.join(_VARIABLES)}; {told}.",
                hint="Start them with torchrun, or unset WORLD_SIZE.",
            )
        rank, local_rank, size = map(int, numbers)
        if rank >= size:
            raise UsageError(f"RANK {rank} is not below WORLD_SIZE {size}.", hint="Start the processes with torchrun.")
        return cls(rank, local_rank, size)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Stay connected with the other processes inside this context; inside another such context, it does nothing.

        Raises:
            SeqcastError: The connection was lost.
        """
        if self.size == 1 or torch.distributed.is_initialized():
            yield
            return
        backend = "nccl" if device.type == "cuda" else "gloo"
        try:
            torch.distributed.init_process_group(backend, rank=self.rank, world_size=self.size)
            try:
                yield
            finally:
                torch.distributed.destroy_process_group()
        except RuntimeError as error:
            if not any(name in str(error) for name in _BACKENDS):
                raise
            raise SeqcastError(
                "the connection with the other processes was lost.",
                hint=f"See the messages of the others; a run with a saved state continues with {option('resume')}.",
            ) from error

    def require_same(self, identity: str, device: torch.device) -> None:
        """Check that all processes do the same work, identified by a hexadecimal digest.

        Raises:
            UsageError: A process differs from the first one; all processes raise.
        """
        mine = torch.tensor(list(bytes.fromhex(identity)), dtype=torch.uint8, device=device)
        first = mine.clone()
        self.follow_first([first])
        num_different = torch.tensor([0.0 if torch.equal(mine, first) else 1.0], device=device)
        self.add_up([num_different])
        if num_different > 0:
            raise UsageError(
                "the processes read different tables or options.", hint="Give all of them the same file and options."
            )

    def part(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """The part of a batch that this process computes."""
        return batch[self.rank :: self.size]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        torch.distributed.all_reduce(flat)
        for tensor, total in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def gathered(self, value: Value) -> list[Value]:
        """The values that all processes give, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Value | None] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return cast(list[Value], values)

    def completed(self, parts: Sequence[Tensor], rows: Tensor, num_rows: int) -> list[Tensor]:
        """Tensors of all rows, bit for bit, of which this process gives some and each other row is given by another.

        Args:
            parts: Tensors whose first dimension is that of `rows`.
            rows: Numbers of the rows that this process gives.
            num_rows: Number of all rows.
        """
        whole = [part.new_zeros(num_rows, *part.shape[1:]) for part in parts]
        for tensor, part in zip(whole, parts, strict=True):
            tensor[rows] = part
        if self.size == 1:
            return whole
        words = [_words(tensor) for tensor in whole]
        flat = torch.cat(words)
        torch.distributed.all_reduce(flat)  # the bits of a row that others give are zero here
        split = torch.split(flat, [len(each) for each in words])
        return [
            each.view(torch.uint8)[: tensor.nbytes].view(tensor.dtype).view_as(tensor)
            for each, tensor in zip(split, whole, strict=True)
        ]

    def follow_first(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the first process."""
        if self.size > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    def first_signal(self, received: int | None, device: torch.device) -> int | None:
        """The signal that any process received, the same for all of them; None without one."""
        if self.size == 1:
            return received
        greatest = torch.tensor([received or 0], device=device)
        torch.distributed.all_reduce(greatest, op=torch.distributed.ReduceOp.MAX)
        return int(greatest) or None


def _words(tensor: Tensor) -> Tensor:
    """The bytes of a tensor as whole numbers of 64 bits."""
    flat = tensor.reshape(-1).view(torch.uint8)
    return torch.nn.functional.pad(flat, (0, -len(flat) % 8)).view(torch.int64)


ALONE = World()
