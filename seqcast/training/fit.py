"""From a panel and a plan to a trained model: scaling, windows, network, linear start, training, combination."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np

from seqcast.config import Config
from seqcast.errors import DivergedError
from seqcast.model.ensemble import Networks
from seqcast.model.network import ForecastNetwork, NetworkShape
from seqcast.panel.panel import IntArray, Panel
from seqcast.run.load import TrainedModel
from seqcast.runtime import Runtime, seed_step
from seqcast.tensors.scaling import PanelScalers, fit_scalers
from seqcast.tensors.windows import PanelTensors, WindowRange, panel_to_tensors
from seqcast.training.calibration import conformal_correction
from seqcast.training.checkpoint import TrainingResult, finished_members
from seqcast.training.combination import combine
from seqcast.training.counters import ValidationRecord
from seqcast.training.linear_start import LinearForecast, fit_linear_forecast
from seqcast.training.loop import DIVERGENCE, Hooks, train
from seqcast.training.plan import Plan
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import validate
from seqcast.training.warm_start import apply_warm_start

MOST_VALIDATION_WINDOWS = 2048
FEWEST_VALIDATION_WINDOWS = 64
MOST_VALIDATION_VALUES = 300_000
"""Forecast steps of all validation windows together, as long as that leaves the fewest."""
BETWEEN_SEEDS = 1_000_003
"""From the seed of one member of an ensemble to that of the next."""


@dataclass(frozen=True)
class Preparation:
    """A training run about to start."""

    setup: TrainingSetup
    scalers: PanelScalers
    seasons: tuple[int, ...]
    """Of the frequency, in steps."""
    linear: LinearForecast | None
    """What training starts from; None without a lag bias to write it into."""

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.setup.network.parameters())


@dataclass(frozen=True)
class Fit:
    """Trained networks and how they came about."""

    networks: Networks
    history: tuple[ValidationRecord, ...]
    best: ValidationRecord
    """The validation of what was kept, under the best step of the best member."""
    linear_share: float
    """Part of the linear start in the forecast; 0 where there is none."""
    refitted: bool
    """Whether what forecasts has learned from the validation part too."""
    naive_is_exact: bool
    """Whether the seasonal naive forecast makes no error on the validation part."""
    num_steps: int
    ended_by: str
    seconds: float
    windows_per_second: float
    failure: DivergedError | None = None
    """What ended training before its time."""


def prepare(panel: Panel, plan: Plan, runtime: Runtime, data_fingerprint: str) -> Preparation:
    """Fit the scalers on the training part, place the panel on the device, and build the network at its start."""
    scalers = fit_scalers(panel, plan.split.train_ends)
    everyone = np.arange(panel.num_series)
    tensors = panel_to_tensors(panel, scalers, everyone, plan.split.train_ends, plan.cycles, runtime.device)
    validation = _validation_windows(plan).spread(_most_validation_windows(plan.horizon))
    config = plan.config
    setup = TrainingSetup(
        config=config,
        season=plan.season,
        network=_new_network(config, _network_shape(plan, tensors, scalers), runtime),
        tensors=tensors,
        train_windows=_windows_before(plan, plan.split.train_ends),
        refit_windows=_windows_before(plan, plan.split.validation_ends),
        validation_series=validation[0],
        validation_origins=validation[1],
        runtime=runtime,
        drift=None,
        identity=work_identity(config, data_fingerprint),
    )
    seasons = tuple(season for season in panel.frequency.seasons if season > 1)
    linear = _fit_linear(setup, setup.train_windows, seasons) if config.model.lag_bias else None
    if linear is not None:
        apply_warm_start(setup.network, linear)
        if setup.network.decoder.copy_gate is not None:  # without one the start is no linear forecast
            setup = replace(setup, drift=linear.drift.to(runtime.device))
    return Preparation(setup, scalers, seasons, linear)


def fit(preparation: Preparation, hooks: Hooks = Hooks(), resume_from: bytes | None = None) -> Fit:
    """Like `fit_or_keep_best`, for callers that want nothing of a training that diverged.

    Raises:
        DivergedError: A loss was not finite.
        StoppedError, RunError: As `training.loop.train`.
    """
    fitted = fit_or_keep_best(preparation, hooks, resume_from)
    if fitted.failure is not None:
        raise fitted.failure
    return fitted


def fit_or_keep_best(preparation: Preparation, hooks: Hooks = Hooks(), resume_from: bytes | None = None) -> Fit:
    """Train every member, combine them with the linear start unless they clearly beat it, and calibrate.

    A member that diverges is the last one; its best weights count, where it has any, beside those of the others.

    Raises:
        DivergedError, StoppedError, RunError: As `training.loop.train`.
    """
    setup = preparation.setup
    start = {name: value.clone() for name, value in setup.network.state_dict().items()}
    results: tuple[TrainingResult, ...] = ()
    if resume_from is not None:
        results = finished_members(resume_from, setup)
    failure = None
    while failure is None and len(results) < setup.config.training.ensemble:
        try:
            result = train(_member_setup(preparation, len(results)), hooks, resume_from, results)
        except DivergedError as error:
            if not results:
                raise
            failure = error
        else:
            results, resume_from, failure = (*results, result), None, result.failure
    refits = setup.config.training.refit
    newest = _fit_linear(setup, setup.refit_windows, preparation.seasons) if refits and setup.starts_linear else None
    combination = combine(setup, start, newest, results)
    validated = combination.validated
    score = validate(setup, validated)
    if not math.isfinite(score.loss):
        raise DivergedError("the loss of the networks together is not finite.", hint="Train another run.")
    if validated.layout.increasing:
        correction = conformal_correction(setup, validated)
        for ensemble in (validated, combination.final):
            ensemble.calibration.copy_(correction)
    best = min((result.best for result in results), key=lambda record: record.validation_loss)
    return Fit(
        networks=Networks(combination.final, validated if refits else None).eval(),
        history=tuple(record for result in results for record in result.history),
        best=replace(best, validation_loss=score.loss, relative_mae=score.relative_mae),
        linear_share=combination.linear_share if setup.starts_linear else 0.0,
        refitted=(newest is not None and combination.linear_share > 0) or any(result.refitted for result in results),
        naive_is_exact=score.naive_is_exact,
        num_steps=sum(result.num_steps for result in results),
        ended_by=results[-1].ended_by if failure is None else DIVERGENCE,
        seconds=sum(result.seconds for result in results),
        windows_per_second=results[-1].windows_per_second,
        failure=failure,
    )


def finish(preparation: Preparation, fitted: Fit, panel: Panel) -> TrainedModel:
    """The model, ready to forecast."""
    config, networks = preparation.setup.config, fitted.networks
    return TrainedModel(
        config,
        panel.schema,
        panel.frequency,
        panel.series_ids,
        preparation.scalers,
        networks.final,
        validated=networks.validated,
    )


def _new_network(config: Config, shape: NetworkShape, runtime: Runtime) -> ForecastNetwork:
    """Untrained, its weights a function of the seed."""
    seed_step(config.training.seed, 0)
    return ForecastNetwork(config.model, config.training.loss, shape).to(runtime.device)


def _member_setup(preparation: Preparation, member: int) -> TrainingSetup:
    """The same work from another seed; the first member (0) has the seed of the run."""
    setup = preparation.setup
    if member == 0:
        return setup
    seed = (setup.config.training.seed + member * BETWEEN_SEEDS) % 2**63
    config = setup.config.override(training={"seed": seed})
    network = _new_network(config, setup.network.shape, setup.runtime)
    if preparation.linear is not None:
        apply_warm_start(network, preparation.linear)
    return replace(setup, config=config, network=network)


def _fit_linear(setup: TrainingSetup, windows: WindowRange, seasons: tuple[int, ...]) -> LinearForecast:
    shape, quantiles = setup.network.shape, setup.config.model.quantiles
    return fit_linear_forecast(setup.tensors, windows, shape.context, shape.horizon, quantiles, seasons)


def _windows_before(plan: Plan, ends: IntArray) -> WindowRange:
    """Windows with a full context whose whole horizon lies in the first `ends` rows of their series."""
    return WindowRange(np.full(len(ends), plan.context), ends - plan.horizon)


def _validation_windows(plan: Plan) -> WindowRange:
    """Windows whose whole horizon lies in the validation part; the context may reach back before it."""
    first = np.maximum(plan.split.train_ends, 1)
    return WindowRange(first, plan.split.validation_ends - plan.horizon)


def _most_validation_windows(horizon: int) -> int:
    return min(MOST_VALIDATION_WINDOWS, max(FEWEST_VALIDATION_WINDOWS, MOST_VALIDATION_VALUES // horizon))


def _network_shape(plan: Plan, tensors: PanelTensors, scalers: PanelScalers) -> NetworkShape:
    return NetworkShape(
        horizon=plan.horizon,
        context=plan.context,
        season=plan.season,
        num_past=tensors.past_features.shape[1],
        num_known=tensors.known_features.shape[1] + tensors.calendar.shape[1],
        num_static=tensors.static_features.shape[1],
        past_categories=scalers.past.num_codes,
        known_categories=scalers.known.num_codes,
        static_categories=scalers.static.num_codes,
    )


def work_identity(config: Config, data_fingerprint: str) -> str:
    """Names the work a checkpoint belongs to; the device is no part of it."""
    training = config.training.model_copy(update={"device": "auto", "precision": "auto"})
    text = config.model_copy(update={"training": training}).to_toml() + data_fingerprint
    return hashlib.sha256(text.encode()).hexdigest()
