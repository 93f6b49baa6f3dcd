"""The batches of training steps: each is a pure function of two numbers, the seed and that of its draw."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from seqcast.tensors.host_windows import HostPanelTensors
from seqcast.tensors.windows import WindowBatch, WindowRange
from seqcast.training.setup import TrainingSetup, gather_part


@dataclass(frozen=True)
class _Ahead:
    """A batch that was cut before its step."""

    windows: WindowRange
    numbers: tuple[int, int]
    batch: WindowBatch


class Batches:
    """Cuts batches. Where the panel stays with the processor, the next one is sent while the GPU computes."""

    def __init__(self, setup: TrainingSetup) -> None:
        self._setup = setup
        self._sends = type(setup.tensors) is HostPanelTensors
        self._device = setup.runtime.device
        self._stream: torch.cuda.Stream | None = None
        if self._sends and self._device.type == "cuda":
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._ahead: _Ahead | None = None

    def of(self, windows: WindowRange, numbers: tuple[int, int]) -> WindowBatch:
        """The batch from these windows for a seed and the number of a draw."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.windows is not windows or ahead.numbers != numbers:
            return self._cut(windows, numbers)
        if self._stream is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_stream(self._stream)
            for each in fields(ahead.batch):  # whose memory belongs to the other stream
                getattr(ahead.batch, each.name).record_stream(current)
        return ahead.batch

    def prepare(self, windows: WindowRange, numbers: tuple[int, int]) -> None:
        """Send the batch of a later step ahead, if batches are sent at all; arguments as `of`."""
        if self._sends:
            with torch.cuda.stream(self._stream):  # the current one where there is none
                self._ahead = _Ahead(windows, numbers, self._cut(windows, numbers))

    def _cut(self, windows: WindowRange, numbers: tuple[int, int]) -> WindowBatch:
        size = self._setup.config.training.batch_size
        assert size is not None
        drawn = windows.draw(np.random.default_rng(numbers), size)
        return gather_part(self._setup, *drawn)
