"""The fixed part of a training: everything that the first step and the last have in common."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from seqcast.config import Config, Location
from seqcast.errors import UsageError, option
from seqcast.model.ensemble import least_value
from seqcast.model.network import ForecastNetwork, NetworkOutput
from seqcast.model.shape import NetworkShape
from seqcast.panel.arrays import IntArray
from seqcast.panel.calendar import calendar_names
from seqcast.panel.panel import Panel
from seqcast.panel.shares import PanelShare
from seqcast.run.parent import Parent
from seqcast.run.record import Choice
from seqcast.runtime import Runtime, seed_step
from seqcast.tensors.host_windows import HostPanelTensors, free_bytes, placed
from seqcast.tensors.scaling import PanelScalers, fit_scalers
from seqcast.tensors.shared_scaling import whole_scalers
from seqcast.tensors.shared_windows import SharedPanelTensors
from seqcast.tensors.windows import PanelTensors, WindowBatch, WindowRange, panel_to_tensors
from seqcast.training.budget import REFIT_SHARE
from seqcast.training.fine_tuning import begun_networks, kept_scalers
from seqcast.training.linear_start import (
    LinearForecast,
    LinearSettings,
    apply_linear_start,
    fit_linear_forecast,
    refit_linear_forecast,
)
from seqcast.training.losses import loss_sums, step_weights
from seqcast.training.plan import Plan
from seqcast.training.rounds import most_members, most_steps

MOST_VALIDATION_WINDOWS = 2048
FEWEST_VALIDATION_WINDOWS = 64
MOST_VALIDATION_VALUES = 300_000
"""Forecast steps of all validation windows together, as long as that leaves the fewest."""
MOST_VALIDATION_PAIRS = 50_000_000
"""Pairs of a forecast and a context step of all of them, where each step has a query of its own: half a second."""
LOCATIONS: tuple[Location, ...] = ("last", "season", "mean")
VALIDATIONS = 20
"""Fewest validations of a member that is shorter than the whole training."""
CLEARLY = 0.02
"""Part by which another location than the last value must be better. Networks gain more from the last value than the
linear forecast does."""
BETWEEN_SEEDS = 1_000_003
"""Distance from the seed of one member of an ensemble to that of the next."""


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Everything that stays the same from the first step of a training to the last."""

    panel: Panel
    plan: Plan
    runtime: Runtime
    identity: str
    """Fingerprint of data and options: a checkpoint of other work is refused."""
    scalers: PanelScalers
    tensors: PanelTensors
    network: ForecastNetwork
    """The network at its start; training works on a copy."""
    train_windows: WindowRange
    refit_windows: WindowRange
    """Windows of the training and the validation part: the chosen weights are refitted on them."""
    validation_series: IntArray
    validation_origins: IntArray
    most_members: int = 1
    """Largest number of networks that the whole training may have."""
    whole_steps: int = 0
    """Largest number of steps of these networks together, without those of refits; 0: this one is the whole."""
    earlier_steps: int = 0
    """Part of them that belongs to networks before this one."""
    linear: LinearForecast | None = None
    """The forecast that training starts from; None without a lag bias to write it into."""
    preparation_seconds: float = 0.0
    """Time that it took to make this."""
    begun: tuple[ForecastNetwork, ...] = ()
    """Trained networks of another run, one for each member to go on from; none: members start as `network` does."""

    @property
    def config(self) -> Config:
        return self.plan.config

    @property
    def season(self) -> int:
        return self.plan.season

    @cached_property
    def levels(self) -> Tensor:
        """(Q,) levels of the quantiles, on the device once for all steps."""
        return torch.tensor(self.config.model.quantiles, device=self.runtime.device)

    @property
    def starts_linear(self) -> bool:
        """Whether the network begins as a linear forecast, which training has to beat."""
        return self.linear is not None and self.network.decoder.copy_gate is not None

    def share_done(self, steps: int, refit_steps: int = 0) -> float:
        """Part of the whole training that is done after so many steps of this network and of its refit, at most 1."""
        training = self.config.training
        with_refit = 1 + REFIT_SHARE * training.refit
        whole = with_refit * (self.whole_steps or training.max_steps or 1)
        return min(1.0, (with_refit * self.earlier_steps + steps + refit_steps) / whole)

    def of_member(self, number: int, max_steps: int, earlier_steps: int = 0) -> TrainingSetup:
        """Returns the work of member `number`, from 0, with steps and a seed of its own; the first keeps the seed.

        `earlier_steps` are those that the members before it might have taken.
        """
        training = self.config.training
        every = training.validate_every
        assert every is not None
        if max_steps != training.max_steps:
            every = min(every, max(1, max_steps // VALIDATIONS))
        seed = (training.seed + number * BETWEEN_SEEDS) % 2**63
        config = self.config.override(training={"seed": seed, "max_steps": max_steps, "validate_every": every})
        own = replace(
            self,
            plan=replace(self.plan, config=config),
            most_members=most_members(training),
            whole_steps=most_steps(training),
            earlier_steps=earlier_steps,
        )
        if self.begun:
            return replace(own, network=self.begun[number])
        if number == 0:
            return own
        network = _new_network(config, self.network.shape, self.runtime)
        if self.linear is not None:
            apply_linear_start(network, self.linear)
        return replace(own, network=network)

    def refit_linear(self) -> LinearForecast:
        """Fit the linear forecast on the validation part too; one that is fitted time and again keeps its shares."""
        assert self.linear is not None
        assert self.config.model.location is not None
        settings = _linear_settings(self.panel, self.plan, self.config.model.location)
        if self.begun:
            return refit_linear_forecast(self.tensors, self.refit_windows, settings, self.linear)
        return fit_linear_forecast(self.tensors, self.refit_windows, settings)


def prepare(
    panel: Panel, plan: Plan, runtime: Runtime, data_fingerprint: str = "", parent: Parent | None = None
) -> TrainingSetup:
    """Fit the scalers on the training part, place the panel on the device, and build the network at its start.

    Networks of a parent, and its scalers of covariates, are taken over.

    Raises:
        UsageError: A part is to be frozen, and there is no parent.
        RunError: The networks of the parent do not have the sizes that its settings tell.
    """
    if parent is None and plan.config.training.freeze != "none":
        text = f"{option('freeze', plan.config.training.freeze)}: a training from the start has nothing to freeze."
        raise UsageError(text, hint="Leave it out, or name a run to train further.")
    started = time.perf_counter()
    scalers = fit_scalers(panel, plan.split.train_ends)
    if isinstance(panel, PanelShare):
        scalers = whole_scalers(scalers, panel)
    if parent is not None:
        scalers = kept_scalers(parent, scalers)
    everyone = np.arange(panel.num_series)
    made = panel_to_tensors(panel, scalers, everyone, plan.split.train_ends, plan.config.data)
    tensors = placed(made, runtime.device, free_bytes(runtime.device))
    plan = with_place(plan, tensors, runtime)
    if isinstance(panel, PanelShare):
        tensors = SharedPanelTensors.of(tensors, panel.lengths > 0, runtime.world)
    series, origins = _validation_windows(plan)
    train_windows = _windows_before(plan, plan.split.train_ends)
    plan, linear = _choose_location(panel, plan, tensors, train_windows)
    setup = TrainingSetup(
        panel=panel,
        plan=plan,
        runtime=runtime,
        identity=work_identity(plan.config, data_fingerprint),
        scalers=scalers,
        tensors=tensors,
        network=_new_network(plan.config, _network_shape(plan, tensors, scalers), runtime),
        train_windows=train_windows,
        refit_windows=_windows_before(plan, plan.split.validation_ends),
        validation_series=series,
        validation_origins=origins,
    )
    if parent is not None:
        setup = replace(setup, begun=begun_networks(parent, plan, panel, setup.network.shape))
    if linear is not None:
        apply_linear_start(setup.network, linear)
    return replace(setup, linear=linear, preparation_seconds=time.perf_counter() - started)


def with_place(plan: Plan, tensors: PanelTensors, runtime: Runtime) -> Plan:
    """The plan with the place of the panel among its choices, where there is a GPU that might hold it."""
    if runtime.device.type != "cuda":
        return plan
    size = f"{-(-tensors.num_bytes // 2**20):,} MiB"
    choice = Choice("panel", "on the GPU", f"{size}, at most half of its free memory")
    if isinstance(tensors, HostPanelTensors):
        choice = Choice("panel", "sent to the GPU in batches", f"{size}, more than half of the free memory there")
    return replace(plan, choices=(*plan.choices, choice))


def _choose_location(
    panel: Panel, plan: Plan, tensors: PanelTensors, windows: WindowRange
) -> tuple[Plan, LinearForecast | None]:
    """Settle the units of a window by the linear forecast's error in each; return that forecast if training uses it."""
    asked, starts_linear = plan.config.model.location, plan.config.model.lag_bias
    if asked is not None:
        return plan, _fit_linear(panel, plan, tensors, windows, asked) if starts_linear else None
    fits = {location: _fit_linear(panel, plan, tensors, windows, location) for location in LOCATIONS}
    best = min(fits, key=lambda location: fits[location].error * (1 if location == LOCATIONS[0] else 1 + CLEARLY))
    config = plan.config.override(model={"location": best})
    errors = ", ".join(f"{location} {each.error:.4g}" for location, each in fits.items())
    choice = Choice("location", best, f"cross-validated error of the linear forecast: {errors}")
    return replace(plan, config=config, choices=(*plan.choices, choice)), fits[best] if starts_linear else None


def _fit_linear(
    panel: Panel, plan: Plan, tensors: PanelTensors, windows: WindowRange, location: Location
) -> LinearForecast:
    return fit_linear_forecast(tensors, windows, _linear_settings(panel, plan, location))


def _linear_settings(panel: Panel, plan: Plan, location: Location) -> LinearSettings:
    seasons = tuple(season for season in panel.frequency.seasons if season > 1)
    return LinearSettings(plan.context, plan.horizon, plan.config.model.quantiles, seasons, location)


def gather(setup: TrainingSetup, series: IntArray, origins: IntArray) -> WindowBatch:
    """Returns the windows (series[b], origins[b]) on the device."""
    shape, tensors = setup.network.shape, setup.tensors
    return tensors.gather(tensors.index(series), tensors.index(origins), shape.context, shape.horizon)


def gather_part(setup: TrainingSetup, series: IntArray, origins: IntArray) -> WindowBatch:
    """Returns those of the windows (series[b], origins[b]) that this process computes."""
    world = setup.runtime.world
    if isinstance(setup.tensors, SharedPanelTensors):  # all processes are needed for every window
        return gather(setup, series, origins).take(world.part(np.arange(len(series))))
    return gather(setup, world.part(series), world.part(origins))


def judged(batch: WindowBatch) -> Tensor:
    """(batch, horizon) True where a forecast counts: a window without any observed context has no scale to judge by."""
    return batch.future_observed & batch.context_observed.any(dim=1, keepdim=True)


def window_losses(setup: TrainingSetup, output: NetworkOutput, batch: WindowBatch) -> tuple[Tensor, Tensor]:
    """Returns each window's loss summed over its judged steps, and the sum of their weights, (batch,) each."""
    units, seen = output.standardisation, batch.context_observed
    target = units.apply(batch.future_target, batch.future_observed)
    context = units.apply(batch.context_target, seen)
    weights = step_weights(context, seen, units.scale, setup.season, least_value(batch, units), target.shape[1])
    return loss_sums(setup.config.training.loss, output.values.float(), target, judged(batch), setup.levels, weights)


def work_identity(config: Config, data_fingerprint: str) -> str:
    """Returns a fingerprint of the work a checkpoint belongs to; the device does not enter it."""
    training = config.training.model_copy(update={"device": "auto", "precision": "auto"})
    text = config.model_copy(update={"training": training}).to_toml() + data_fingerprint
    return hashlib.sha256(text.encode()).hexdigest()


def _new_network(config: Config, shape: NetworkShape, runtime: Runtime) -> ForecastNetwork:
    """Returns an untrained network; its weights are a function of the seed."""
    seed_step(config.training.seed, 0)
    return ForecastNetwork(config.model, config.training.loss, shape).to(runtime.device)


def _windows_before(plan: Plan, ends: IntArray) -> WindowRange:
    """Windows with a full context whose whole horizon lies in the first `ends` rows of their series."""
    return WindowRange(np.full(len(ends), plan.context), ends - plan.horizon)


def _validation_windows(plan: Plan) -> tuple[IntArray, IntArray]:
    """Windows whose whole horizon lies in the validation part, evenly spread; the context may reach back before it."""
    at_most = MOST_VALIDATION_VALUES // plan.horizon
    if plan.window_cost.own_queries:
        at_most = min(at_most, MOST_VALIDATION_PAIRS // (plan.context * plan.horizon))
    at_most = min(MOST_VALIDATION_WINDOWS, max(FEWEST_VALIDATION_WINDOWS, at_most))
    windows = WindowRange(np.maximum(plan.split.train_ends, 1), plan.split.validation_ends - plan.horizon)
    return windows.spread(at_most)


def _network_shape(plan: Plan, tensors: PanelTensors, scalers: PanelScalers) -> NetworkShape:
    return NetworkShape(
        horizon=plan.horizon,
        context=plan.context,
        season=plan.season,
        num_past=tensors.past_features.shape[1],
        num_known=tensors.known_features.shape[1] + tensors.calendar.shape[1],
        num_static=tensors.static_features.shape[1],
        num_calendar=len(calendar_names(plan.cycles)),
        past_categories=scalers.past.num_codes,
        known_categories=scalers.known.num_codes,
        static_categories=scalers.static.num_codes,
    )
