"""What stays the same from the first step of a training to the last, and what is computed from it alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcast.config import Config
from seqcast.model.network import ForecastNetwork, NetworkOutput
from seqcast.panel.panel import IntArray
from seqcast.runtime import Runtime
from seqcast.tensors.windows import PanelTensors, WindowBatch, WindowRange
from seqcast.training.losses import loss_sums, window_weights


@dataclass(frozen=True)
class TrainingSetup:
    """What stays the same from the first step to the last."""

    config: Config
    season: int
    network: ForecastNetwork
    tensors: PanelTensors
    train_windows: WindowRange
    refit_windows: WindowRange
    """Those of training and validation part: what the chosen weights are refitted on."""
    validation_series: IntArray
    validation_origins: IntArray
    runtime: Runtime
    drift: Tensor | None
    """(horizon,) what training adds to the quantiles of its start before the first step, in window-standardised units;
    None where the start is no linear forecast."""
    identity: str
    """Fingerprint of data and options: a checkpoint of other work is refused."""

    @property
    def starts_linear(self) -> bool:
        """Whether the network begins as a linear forecast, which training has to beat."""
        return self.drift is not None


def gather(setup: TrainingSetup, series: IntArray, origins: IntArray) -> WindowBatch:
    """The windows (series[b], origins[b]) on the device."""
    device = setup.runtime.device
    shape = setup.network.shape
    return setup.tensors.gather(
        torch.from_numpy(series).to(device), torch.from_numpy(origins).to(device), shape.context, shape.horizon
    )


def judged(batch: WindowBatch) -> Tensor:
    """(batch, horizon) True where a forecast counts: a window without any observed context has no scale to judge by."""
    return batch.future_observed & batch.context_observed.any(dim=1, keepdim=True)


def window_losses(setup: TrainingSetup, output: NetworkOutput, batch: WindowBatch) -> tuple[Tensor, Tensor]:
    """Of each window the loss summed over its judged steps, and the sum of their weights, (batch,) each."""
    target = output.standardisation.apply(batch.future_target, batch.future_observed)
    quantiles = torch.tensor(setup.config.model.quantiles, device=target.device)
    context = output.standardisation.apply(batch.context_target, batch.context_observed)
    weights = window_weights(context, batch.context_observed, output.standardisation.scale, setup.season)
    return loss_sums(setup.config.training.loss, output.values.float(), target, judged(batch), quantiles, weights)
