"""From a panel and a plan to a trained model: scaling, windows, network, warm start, training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from seqcast.config import Config
from seqcast.data.panel import Panel
from seqcast.data.scaling import PanelScalers, fit_scalers
from seqcast.data.windows import PanelTensors, WindowRange, panel_to_tensors
from seqcast.model.network import ForecastNetwork, NetworkShape
from seqcast.run.trained import TrainedModel
from seqcast.runtime import Runtime, seed_step
from seqcast.training.calibration import conformal_correction
from seqcast.training.loop import Hooks, TrainingResult, TrainingSetup, train
from seqcast.training.plan import Plan
from seqcast.training.linear_forecast import fit_linear_forecast
from seqcast.training.warm_start import apply_warm_start

MOST_VALIDATION_WINDOWS = 2048


@dataclass(frozen=True)
class Preparation:
    """A training run about to start."""

    setup: TrainingSetup
    scalers: PanelScalers

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.setup.network.parameters())


def prepare(panel: Panel, plan: Plan, runtime: Runtime, data_fingerprint: str, *, warm: bool = True) -> Preparation:
    """Fit the scalers on the training part, place the panel on the device, and build the network.

    A network that is about to take up a saved state needs no warm start.
    """
    scalers = fit_scalers(panel, plan.split.train_ends)
    everyone = np.arange(panel.num_series)
    tensors = panel_to_tensors(panel, scalers, everyone, plan.split.train_ends, plan.cycles, runtime.device)
    train_windows = _training_windows(plan)
    validation = _validation_windows(plan).spread(MOST_VALIDATION_WINDOWS)
    config, shape = plan.config, _network_shape(plan, tensors, scalers)
    seed_step(config.training.seed, 0)
    network = ForecastNetwork(config.model, config.training.loss, shape)
    if warm and config.model.lag_bias:
        quantiles, seasons = config.model.quantiles, tuple(s for s in panel.frequency.seasons if s > 1)
        linear = fit_linear_forecast(tensors, train_windows, plan.context, plan.horizon, quantiles, seasons)
        apply_warm_start(network, linear)
    setup = TrainingSetup(
        config=config,
        season=plan.season,
        network=network.to(runtime.device),
        tensors=tensors,
        train_windows=train_windows,
        validation_series=validation[0],
        validation_origins=validation[1],
        runtime=runtime,
        identity=_identity(config, data_fingerprint),
    )
    return Preparation(setup, scalers)


def fit(preparation: Preparation, hooks: Hooks = Hooks(), resume_from: bytes | None = None) -> TrainingResult:
    """Train, then calibrate the quantiles of the best weights on the validation windows.

    Raises:
        DivergedError, StoppedError, RunError: As `training.loop.train`.
    """
    result = train(preparation.setup, hooks, resume_from)
    network = preparation.setup.network
    network.load_state_dict(result.weights)
    if network.layout.increasing:
        calibrated = result.weights | {"calibration": conformal_correction(preparation.setup)}
        return replace(result, weights=calibrated)
    return result


def finish(preparation: Preparation, result: TrainingResult, panel: Panel) -> TrainedModel:
    """The model with its best weights, ready to forecast."""
    setup = preparation.setup
    setup.network.load_state_dict(result.weights)
    return TrainedModel(
        setup.config, panel.schema, panel.frequency, panel.series_ids, preparation.scalers, setup.network.eval()
    )


def _training_windows(plan: Plan) -> WindowRange:
    """Windows with a full context whose whole horizon lies in the training part."""
    ends = plan.split.train_ends
    return WindowRange(np.full(len(ends), plan.context), ends - plan.horizon)


def _validation_windows(plan: Plan) -> WindowRange:
    """Windows whose whole horizon lies in the validation part; the context may reach back before it."""
    first = np.maximum(plan.split.train_ends, 1)
    return WindowRange(first, plan.split.validation_ends - plan.horizon)


def _network_shape(plan: Plan, tensors: PanelTensors, scalers: PanelScalers) -> NetworkShape:
    return NetworkShape(
        horizon=plan.horizon,
        context=plan.context,
        season=plan.season,
        num_past=tensors.past_features.shape[1],
        num_known=tensors.known_features.shape[1] + tensors.calendar.shape[1],
        num_static=tensors.static_features.shape[1],
        past_categories=num_codes(scalers.past_categories),
        known_categories=num_codes(scalers.known_categories),
        static_categories=num_codes(scalers.static_categories),
    )


def num_codes(encoder: object) -> tuple[int, ...]:
    """Codes per categorical column, the code 0 of unknown values included."""
    categories = getattr(encoder, "categories_", [])
    return tuple(len(column) + 1 for column in categories)


def _identity(config: Config, data_fingerprint: str) -> str:
    """Names the work a checkpoint belongs to; the device is no part of it."""
    training = config.training.model_copy(update={"device": "auto", "precision": "auto"})
    text = config.model_copy(update={"training": training}).to_toml() + data_fingerprint
    return hashlib.sha256(text.encode()).hexdigest()
