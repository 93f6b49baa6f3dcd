"""Windows of a panel whose series several processes hold: each gives those of its own series to all others."""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from seqcast.distributed import World
from seqcast.panel.arrays import BoolArray
from seqcast.tensors.windows import PanelTensors, WindowBatch


@dataclass(frozen=True)
class SharedPanelTensors(PanelTensors):
    """A panel of whose rows this process has those of some series; the numbers of all series are known.

    All processes ask for the same windows at the same time.
    """

    part: PanelTensors
    """The share of this process."""
    is_own: Tensor
    """(series,) True for those with rows here."""
    world: World

    @classmethod
    def of(cls, tensors: PanelTensors, is_own: BoolArray, world: World) -> Self:
        """The tensors of a share, as all processes of `world` use them together."""
        known = {each.name: getattr(tensors, each.name) for each in fields(PanelTensors)}
        return cls(**known, part=tensors, is_own=tensors.index(is_own), world=world)

    def gather(
        self, series: Tensor, origins: Tensor, context: int, horizon: int, step: Tensor | None = None
    ) -> WindowBatch:
        """The windows (series[b], origins[b]), b < B, in every process; as `PanelTensors.gather`."""
        own = self._own_rows(series)
        part = self.part.gather(series[own], origins[own], context, horizon, None if step is None else step[own])
        names = [each.name for each in fields(part)]
        whole = self.world.completed([getattr(part, name) for name in names], own, len(series))
        return WindowBatch(**dict(zip(names, whole, strict=True)))

    def values_at(self, series: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Targets and where they were observed, in every process; as `PanelTensors.values_at`."""
        own = self._own_rows(series)
        target, observed = self.world.completed(self.part.values_at(series[own], positions[own]), own, len(series))
        return target, observed

    def _own_rows(self, series: Tensor) -> Tensor:
        return torch.nonzero(self.is_own[series]).squeeze(1)
