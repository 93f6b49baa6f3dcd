"""A trained model as it is used: network, scalers and record, to and from a run directory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from seqcast.config import NAIVE_FORECASTS, SEASONAL_NAIVE, Config
from seqcast.errors import RunError, UsageError, option
from seqcast.model.ensemble import Ensemble
from seqcast.panel.frequency import Frequency, parse_frequency
from seqcast.panel.schema import Schema
from seqcast.panel.wording import counted
from seqcast.results.dependence import StepDependence
from seqcast.results.forecast import MODEL
from seqcast.results.normal_scores import is_two_sided
from seqcast.run.agreement import require_agreement, require_known_holidays
from seqcast.run.directory import RunDirectory
from seqcast.run.model_file import read_model
from seqcast.run.record import CONFIG_FILE, MODEL_FILE, NAIVE_WORDS, RUN_FILE, AttentionRecord, RunRecord
from seqcast.tensors.scaling import PanelScalers

Part = Literal["network", "start"]
"""What forecasts: the trained networks, and the linear start."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """Everything a forecast needs. The network is in evaluation mode."""

    config: Config
    schema: Schema
    frequency: Frequency
    series_ids: tuple[str, ...]
    scalers: PanelScalers
    network: Ensemble
    attention: AttentionRecord | None = None
    """Attention on the validation windows, if its run has recorded it."""
    validated: Ensemble | None = None
    """The network before it was refitted on the validation part; None where it was not."""
    linear_share: float = 0.0
    """Share of the linear start, which is the first network where it has one."""
    dependence: StepDependence | None = None
    """How the errors of the steps of a forecast hang together, if its run has recorded it."""

    @property
    def horizon(self) -> int:
        return self.network.shape.horizon

    @property
    def context(self) -> int:
        return self.network.shape.context

    @property
    def season(self) -> int:
        return self.network.shape.season

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the quantiles of its forecasts; empty for a point loss."""
        return self.network.layout.levels

    def named(self, name: str) -> TrainedModel:
        """This model, or one of its naive forecasts.

        Raises:
            UsageError: There is none of that name, or the context holds no season.
        """
        if name == MODEL:
            return self
        naive = next((each for each in NAIVE_FORECASTS if each == name.replace("-", "_")), None)
        if naive is None:
            known = ", ".join((MODEL, *NAIVE_FORECASTS)).replace("_", "-")
            raise UsageError(f"{option('model', name)}: there is no such forecast.", hint=f"Give one of {known}.")
        trained = self.config.model.context or self.context
        if naive == SEASONAL_NAIVE and trained < self.season:
            sizes = f"the run was trained on a context of {trained} steps, which holds no season of {self.season}"
            hint = f"Train with {option('context', self.season)} or more."
            raise UsageError(f"{option('model', name)}: {sizes}.", hint=hint)
        return replace(self, network=self.network.only(naive), attention=None, validated=None, dependence=None)

    def require_dependence(self) -> StepDependence:
        """How the steps of a forecast hang together.

        Raises:
            UsageError: The model has not learned it.
        """
        if self.dependence is not None:
            return self.dependence
        if not is_two_sided(self.network.layout.levels):
            raise UsageError(
                "this run forecasts no quantiles, so there are no sample paths.",
                hint=f"Train with {option('loss', 'quantile')}, and quantiles on both sides of the median.",
            )
        raise UsageError(
            "nothing is known of how the errors of the steps of this forecast hang together, so there are no sample "
            "paths. Naive forecasts and runs of older versions have none.",
            hint=f"Train again, without {option('model')}.",
        )

    @property
    def judged_lags(self) -> str:
        """Whose lags the attention of this model shows."""
        learned, rest = self._judged_networks, 1 - sum(share for _, share in self.network.shares_of_naive())
        naive = [
            f"the {NAIVE_WORDS[name]} ({100 * share:.0f} %)" for name, share in self.network.shares_of_naive() if share
        ]
        return " and ".join(([learned] if rest > 0 else []) + naive)

    @property
    def _judged_networks(self) -> str:
        if self.linear_share == 1:
            return "the linear fit"
        trained = counted(len(self.network.networks) - (self.linear_share > 0), "trained network")
        return f"{trained} and the linear fit ({100 * self.linear_share:.0f} %)" if self.linear_share > 0 else trained

    @property
    def parts(self) -> tuple[Part, ...]:
        """Whatever has a share in the forecast."""
        if self.linear_share == 1:
            return ("start",)
        return ("network", "start") if self.linear_share > 0 else ("network",)

    def part(self, name: Part) -> TrainedModel:
        """The trained networks alone, or the linear start alone; their intervals are not calibrated.

        Raises:
            UsageError: It has no share in the forecast.
        """
        if name not in self.parts:
            missing = "linear start has" if name == "start" else "trained networks have"
            raise UsageError(f"{option('part', name)}: the {missing} no share in the forecast of this run.")
        validated = None if self.validated is None else self._part_of(self.validated, name)
        share = float(name == "start")
        network = self._part_of(self.network, name)
        return replace(self, network=network, validated=validated, linear_share=share, attention=None, dependence=None)

    def _part_of(self, ensemble: Ensemble, name: Part) -> Ensemble:
        first = int(self.linear_share > 0)
        chosen = ensemble.networks[:first] if name == "start" else ensemble.networks[first:]
        part = Ensemble(chosen, [1 / len(chosen)] * len(chosen)).to(ensemble.shares.device)
        return part.eval()

    @property
    def as_validated(self) -> TrainedModel:
        """The model to judge by the validation part."""
        return self if self.validated is None else replace(self, network=self.validated, validated=None)


def load_trained_model(directory: RunDirectory, record: RunRecord, device: torch.device) -> TrainedModel:
    """Read a finished run; whatever device it was trained on, it is built on `device`.

    Raises:
        RunError: Training has not finished, or a file is absent, damaged or does not fit the configuration.
    """
    if not record.files.get(MODEL_FILE):
        raise RunError(
            f"{directory.path}: this run has no finished model (its status is {record.status!r}).",
            hint=f"Finish it with `seqcast train DATA {option('run')} {directory.path} {option('resume')}`.",
        )
    config = directory.read_config(record)
    try:
        frequency = parse_frequency(record.frequency)
    except UsageError:
        raise RunError(f"{directory.path / RUN_FILE}: damaged: {record.frequency[:40]!r} is no frequency.") from None
    require_agreement(record, config, str(directory.path / RUN_FILE))
    require_known_holidays(config, frequency, str(directory.path / CONFIG_FILE))
    networks, scalers = read_model(directory, record, config)
    networks = networks.to(device).eval()
    return TrainedModel(
        config,
        record.columns,
        frequency,
        record.series_ids,
        scalers,
        networks.final,
        record.attention,
        networks.validated,
        0.0 if record.result is None else record.result.linear_share,
        None if record.result is None else record.result.dependence(record.shape.season),
    )
