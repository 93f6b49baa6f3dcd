"""The place of a scaled panel: the memory of the device, or that of the processor where a GPU has too little."""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from seqcast.tensors.windows import PanelTensors, WindowBatch

LARGEST_SHARE = 0.5
"""Largest part of the free memory of a GPU that a panel may take; networks and batches need the rest."""


@dataclass(frozen=True)
class HostPanelTensors(PanelTensors):
    """A panel in the memory of the processor, whose windows are cut there and sent to a GPU."""

    batch_device: torch.device

    @classmethod
    def of(cls, tensors: PanelTensors, device: torch.device) -> Self:
        """The same panel, with batches on another device."""
        return cls(**{each.name: getattr(tensors, each.name) for each in fields(tensors)}, batch_device=device)

    def gather(
        self, series: Tensor, origins: Tensor, context: int, horizon: int, step: Tensor | None = None
    ) -> WindowBatch:
        """The windows (series[b], origins[b]), b < B, on the GPU; as `PanelTensors.gather`."""
        batch = super().gather(series, origins, context, horizon, step)
        return WindowBatch(**{each.name: self._sent(getattr(batch, each.name)) for each in fields(batch)})

    def values_at(self, series: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Targets and where they were observed, on the GPU; as `PanelTensors.values_at`."""
        target, observed = super().values_at(series, positions)
        return self._sent(target), self._sent(observed)

    def _sent(self, values: Tensor) -> Tensor:
        """Values on the GPU. The processor does not wait for their arrival, as they leave from memory that stays."""
        if self.batch_device.type == "cuda" and values.numel():
            values = values.contiguous().pin_memory()
        return values.to(self.batch_device, non_blocking=True)


def free_bytes(device: torch.device) -> int | None:
    """Free memory of a GPU; None for other devices, which are not asked."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def placed(tensors: PanelTensors, device: torch.device, free: int | None) -> PanelTensors:
    """A panel that was made on the CPU, ready to give batches on a device.

    Args:
        tensors: The panel.
        device: The device of batches.
        free: Free bytes there; None: enough.
    """
    if free is not None and tensors.num_bytes > LARGEST_SHARE * free:
        return HostPanelTensors.of(tensors, device)
    return tensors.to(device)
