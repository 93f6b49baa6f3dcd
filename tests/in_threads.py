"""Processes that train together, imitated by threads whose collective operations are carried out in memory."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from seqcast.distributed import World

Result = TypeVar("Result")


def in_threads(size: int, work: Callable[[World], Result]) -> list[Result]:
    """The results of all of so many imitated processes, by rank; raises the first of their errors."""
    barrier, given = threading.Barrier(size, timeout=30), [None] * size
    place = threading.local()

    def gather(values: list[Any], value: Any) -> None:
        given[place.rank] = value
        barrier.wait()
        values[:] = given
        barrier.wait()

    def add_up(tensor: Tensor) -> None:
        values: list[Tensor] = []
        gather(values, tensor.clone())
        tensor.copy_(torch.stack(values).sum(dim=0))

    def run(rank: int) -> Result:
        place.rank = rank
        return work(World(rank, rank, size))

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(size) as pool:
        patch.setattr(torch.distributed, "all_gather_object", gather)
        patch.setattr(torch.distributed, "all_reduce", add_up)
        return [each.result() for each in [pool.submit(run, rank) for rank in range(size)]]
