"""Outputs of networks on the validation windows, which every combination of these networks is made from.

The shares of networks, start and naive forecasts, the validation loss of all together and their calibration ask for
forecasts of the same windows with the same weights. So each network runs once, as it will when it forecasts: in full
precision. An ensemble joins the outputs of its members, which takes no time beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from seqcast.model.ensemble import Ensemble
from seqcast.model.naive import SeenContext
from seqcast.model.network import ForecastNetwork, NetworkOutput
from seqcast.tensors.windows import WindowBatch
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import ValidationScore, score, validation_batches


@dataclass(frozen=True, eq=False)
class ValidationForecasts:
    """Outputs of some networks on all validation windows, whose number and horizon the setup bounds."""

    setup: TrainingSetup
    values: Mapping[ForecastNetwork, tuple[Tensor, ...]]
    """Of each network, by identity: (batch, horizon, width) for each of the `validation_batches`."""

    @classmethod
    def of(cls, setup: TrainingSetup, networks: Sequence[ForecastNetwork]) -> Self:
        """Let the networks forecast the validation windows."""
        for network in networks:
            network.eval()
        with torch.no_grad():
            batches = [[network(batch).values for network in networks] for _, _, batch in validation_batches(setup)]
        return cls(setup, {network: tuple(each[place] for each in batches) for place, network in enumerate(networks)})

    def batches(self, *ensembles: Ensemble) -> Iterator[tuple[WindowBatch, tuple[NetworkOutput, ...]]]:
        """The `validation_batches` and the forecasts of ensembles of these networks, without attention weights."""
        for number, (_, _, batch) in enumerate(validation_batches(self.setup)):
            yield batch, tuple(self._joined(ensemble, number, batch) for ensemble in ensembles)

    def score(self, ensemble: Ensemble) -> ValidationScore:
        """The validation score of an ensemble of these networks."""
        forecasts = ((batch, output) for batch, (output,) in self.batches(ensemble))
        return score(self.setup, forecasts, ensemble.layout.point_index)

    def score_alone(self, network: ForecastNetwork) -> ValidationScore:
        """The validation score of one of the networks."""
        batches = zip(validation_batches(self.setup), self.values[network], strict=True)
        forecasts = (
            (batch, NetworkOutput(values, None, network.standardise(batch))) for (_, _, batch), values in batches
        )
        return score(self.setup, forecasts, network.layout.point_index)

    def _joined(self, ensemble: Ensemble, number: int, batch: WindowBatch) -> NetworkOutput:
        units = ensemble.networks[0].standardise(batch)
        seen = SeenContext(units.apply(batch.context_target, batch.context_observed), batch.context_observed)
        outputs = [NetworkOutput(self.values[network][number], None, units) for network in ensemble.networks]
        return ensemble.join(batch, outputs, seen)
