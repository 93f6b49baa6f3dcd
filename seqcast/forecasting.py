"""Forecasts and attention of a trained model on a panel, from any origins and over any horizon."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from seqcast.config import MOST_STEPS
from seqcast.errors import DataError, RunError, UsageError, option
from seqcast.model.ensemble import least_value
from seqcast.model.network import NetworkOutput
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel.phases import unseen_phases
from seqcast.panel.wording import name_list
from seqcast.reading.future import extend_panel, future_notices, head_panel, pad_panel
from seqcast.reading.table import MOST_EXAMPLES, Table
from seqcast.results.forecast import AttentionMap, Forecast, as_possible
from seqcast.results.origins import Origins, latest_origins, observed_ends, rolling_origins
from seqcast.results.rolling import append_forecast, unsure, widened, writable
from seqcast.run.load import TrainedModel
from seqcast.run.record import MODEL_FILE
from seqcast.tensors.scaling import unknown_categories
from seqcast.tensors.windows import PanelTensors, WindowBatch, panel_to_tensors

Result = TypeVar("Result")

BATCH_STEPS = 40_000
"""Window steps (windows x (context + horizon)) of one forward pass: few enough for the caches of a processor."""


@dataclass(frozen=True)
class Prediction:
    """A forecast from the end of every series, and its notices."""

    forecast: Forecast
    notices: tuple[Notice, ...]


def predict(model: TrainedModel, panel: Panel, horizon: int | None = None, future: Table | None = None) -> Prediction:
    """Forecast every series from right after its last observation.

    Args:
        model: The trained model.
        panel: Histories; rows after the last observation of a series give known covariates only.
        horizon: Steps; any positive number. None: as trained.
        future: Known covariates of the steps to forecast.

    Raises:
        UsageError: `horizon` is not positive, or absurd.
        DataError: Future values of known covariates are needed and missing.
    """
    horizon = model.horizon if horizon is None else horizon
    if not 1 <= horizon <= MOST_STEPS:
        allowed = "at least 1" if horizon < 1 else f"at most {MOST_STEPS:,}"
        raise UsageError(f"{option('horizon', horizon)}: the number of steps to forecast must be {allowed}.")
    origins, ends = latest_origins(panel), observed_ends(panel)
    forecasting = Forecasting(model, _with_future_rows(model, panel, ends, horizon, future), ends)
    notices = (
        *future_notices(future, panel, model.config.data),
        *_coverage_notices(panel, ends),
        *forecasting.notices(),
        *_rolled_notice(model, horizon),
    )
    return Prediction(forecasting.forecast(origins, horizon), notices)


def _with_future_rows(model: TrainedModel, panel: Panel, ends: IntArray, horizon: int, future: Table | None) -> Panel:
    """The panel with whole rounds of the trained horizon after each end.

    Known covariates are needed for the first `horizon` steps only.
    """
    if panel.schema.known and future is None and (panel.lengths - ends >= horizon)[ends > 0].all():
        extended = head_panel(panel, np.where(ends > 0, ends + horizon, 0))
    else:
        extended = extend_panel(head_panel(panel, ends), horizon, future, config=model.config.data)
    unasked = -horizon % model.horizon
    return pad_panel(extended, unasked) if unasked else extended


def _coverage_notices(panel: Panel, ends: IntArray) -> Iterator[Notice]:
    """Notices of series that end before their table does, and of series without any observation."""
    empty = int(np.sum(ends == 0))
    if empty:
        yield Notice("repair", f"{empty} series have no observed value and are not forecast", empty)
    late = np.flatnonzero((ends > 0) & (ends < panel.lengths))
    if len(late):
        time = panel.frequency.show(panel.times(late[:1], ends[late[:1]])[0])
        text = f"{len(late)} series end with missing values; their forecast starts right after the last observed one"
        yield Notice("repair", f"{text} (the first at {time})", len(late))


def _rolled_notice(model: TrainedModel, horizon: int) -> Iterator[Notice]:
    if horizon > model.horizon:
        text = f"from step {model.horizon + 1} on forecasts build on forecasts"
        yield Notice("decision", f"the run was trained for {model.horizon} steps; {text}")


@dataclass(frozen=True)
class AttentionMaps:
    """Attention of many windows in chunks of bounded size, and its notices."""

    maps: Iterator[AttentionMap]
    origins: Origins
    """Those of the windows, in the same order."""
    notices: tuple[Notice, ...]

    @property
    def num_windows(self) -> int:
        return len(self.origins)


def attention_maps(
    model: TrainedModel, panel: Panel, windows: int = 1, origin: TimeArray | None = None
) -> AttentionMaps:
    """The attention of the newest `windows` forecasts of each series, one trained horizon apart.

    The newest origin is right after the last observation. If known covariates of the following horizon are missing, it
    is the newest origin whose covariates are known.

    Args:
        model: The trained model.
        panel: Histories.
        windows: Origins per series.
        origin: (1,) last observed time of the only origin to look at, instead of the newest ones.

    Raises:
        UsageError: The model has no attention, or `windows` is not positive.
        DataError: No series has such an origin.
    """
    if windows < 1:
        raise UsageError(f"{option('windows', windows)}: at least one origin is needed.")
    ends = observed_ends(panel)
    newest = np.minimum(ends, panel.lengths - model.horizon) if panel.schema.known else ends
    notices: tuple[Notice, ...] = ()
    if panel.schema.known and (newest < ends).any():
        text = "future covariates are not in this table, so the newest origin is one horizon before its end"
        notices = (Notice("decision", text),)
    if origin is None:
        origins = rolling_origins(np.where(ends > 0, 1, newest + 1), newest, model.horizon, windows)
    else:
        origins = _origins_at(panel, newest, origin)
    if not len(origins):
        raise DataError(
            "no series has an origin to look at.", hint=f"Give a longer table, or another {option('origin')}."
        )
    extended = panel if panel.schema.known else pad_panel(panel, model.horizon)
    forecasting = Forecasting(model, extended, origins.earliest(ends))
    return AttentionMaps(forecasting.attention(origins), origins, (*notices, *forecasting.notices()))


def _origins_at(panel: Panel, newest: IntArray, origin: TimeArray) -> Origins:
    """The origin right after time `origin` in every series that reaches it."""
    steps, on_grid = panel.frequency.locate(panel.starts, origin)
    if not on_grid.any():
        raise DataError(
            f"{panel.frequency.show(origin[0])} is no time of this table (frequency {panel.frequency.alias})."
        )
    positions = steps + 1
    series = np.flatnonzero(on_grid & (positions >= 1) & (positions <= newest))
    return Origins(series, positions[series])


class Forecasting:
    """A model and a panel on the model's device.

    Args:
        model: The trained model.
        panel: Series with `horizon` rows after each origin to forecast (`reading.future.extend_panel`). Series that
            training did not see are scaled by their first `known_ends` rows alone.
        known_ends: (series,) rows known at the earliest origin of each series.
        tensors: Those of the panel, if another network of the run has them already.
    """

    def __init__(
        self, model: TrainedModel, panel: Panel, known_ends: IntArray, tensors: PanelTensors | None = None
    ) -> None:
        self.model, self.panel = model, panel
        self.device = next(model.network.parameters()).device
        index = {name: number for number, name in enumerate(model.series_ids)}
        self.series_map = np.array([index.get(name, -1) for name in panel.series_ids])
        data = model.config.data
        self.tensors = tensors or panel_to_tensors(panel, model.scalers, self.series_map, known_ends, data, self.device)
        self.unseen_phases = unseen_phases(panel, known_ends)
        self.known_ends = known_ends

    def notices(self) -> tuple[Notice, ...]:
        """Series, categories, levels and phases that training did not see."""
        tensors, panel = self.tensors, self.panel
        is_short = ~tensors.scale_known.cpu().numpy() & (self.known_ends > 0)
        kinds = {
            "were not in the training data and are scaled by their own history": self.series_map < 0,
            "are far from their level or spread in training and are scaled by their own history": tensors.has_moved,
            "have so few values that other series decide how wide their intervals are": is_short,
        }
        notices = []
        for text, concerned in kinds.items():
            chosen = np.flatnonzero(concerned)
            if len(chosen):
                named = name_list([panel.series_ids[i] for i in chosen], MOST_EXAMPLES)
                notices.append(Notice("repair", f"{len(chosen):,} series {text}: {named}", len(chosen)))
        return (*notices, *self.unseen_phases.notices(panel), *unknown_categories(self.model.scalers, panel))

    def forecast(self, origins: Origins, horizon: int | None = None) -> Forecast:
        """Forecast `horizon` steps (default: the trained horizon H) from each origin.

        A shorter horizon gives a prefix of the trained forecast. Beyond H, the point forecast is appended to the
        history and the next H steps are forecast from there. Intervals widen as errors of independent rounds add up.

        Raises:
            UsageError: The horizon is longer than H and a series has several origins.
        """
        trained = self.model.horizon
        horizon = horizon or trained
        rounds = -(-horizon // trained)
        if rounds > 1 and len(np.unique(origins.series)) < len(origins):
            raise UsageError(f"forecasts beyond the trained {trained} steps need one origin per series.")
        tensors = self.tensors if rounds == 1 else writable(self.tensors)
        blocks: list[FloatArray] = []
        for number in range(rounds):
            moved = replace(origins, positions=origins.positions + number * trained)
            quantiles = np.concatenate(list(self._each_batch(tensors, moved, self._quantiles)))
            self._follow_clock(tensors, moved, quantiles)
            point = quantiles[..., self._point_column]
            blocks.append(quantiles if number == 0 else widened(point, blocks[0], number, self._point_column))
            if number + 1 < rounds:
                append_forecast(tensors, moved.series, moved.positions, point)
        quantiles = self._unsure_where_unseen(origins, np.concatenate(blocks, axis=1)[:, :horizon], blocks[0])
        return self._as_forecast(origins, quantiles, rounds > 1)

    def _unsure_where_unseen(self, origins: Origins, quantiles: FloatArray, first: FloatArray) -> FloatArray:
        """The quantiles, with wide intervals in phases in which a series was never observed."""
        if not len(self.unseen_phases.series) or not self._levels:
            return quantiles
        steps = origins.positions[:, None] + np.arange(quantiles.shape[1])
        times = self.panel.times(origins.series[:, None], steps)
        unseen = self.unseen_phases.at(origins.series, self.panel.frequency.wall(times))
        return np.where(
            unseen[..., None], unsure(quantiles, first, self._levels, self.tensors.scale[origins.series]), quantiles
        )

    def _follow_clock(self, tensors: PanelTensors, origins: Origins, quantiles: FloatArray) -> None:
        """Forecast the steps after a change of the clocks again, from a context that follows their clock, in place.

        Args:
            tensors: The panel.
            origins: Windows.
            quantiles: (windows, horizon, Q) forecast with the clock of the first step.
        """
        series, positions = (torch.from_numpy(values).to(self.device) for values in (origins.series, origins.positions))
        steps = torch.arange(quantiles.shape[1], device=self.device)
        found = tensors.clock_of(series, positions[:, None] + steps)
        if found is None:
            return
        clock: IntArray = found.cpu().numpy()
        pending = clock != clock[:, :1]
        while (left := np.flatnonzero(pending.any(axis=1))).size:
            first = pending[left].argmax(axis=1)
            batches = self._each_batch(tensors, origins[left], self._quantiles, first)
            same = clock[left] == np.take_along_axis(clock[left], first[:, None], axis=1)
            quantiles[left] = np.where(same[..., None], np.concatenate(list(batches)), quantiles[left])
            pending[left] &= ~same

    def attention(self, origins: Origins) -> Iterator[AttentionMap]:
        """Attention of each origin over the trained horizon, in chunks of bounded size.

        Raises:
            UsageError: The model was trained without attention.
        """
        if not self.model.network.attends:
            raise UsageError(
                f"this run was trained with {option('attention', 'none')}, so there is nothing to inspect.",
                hint=f"Train with {option('attention', 'global')}.",
            )
        return self._each_batch(self.tensors, origins, self._attention_map)

    @torch.inference_mode()
    def _each_batch(
        self,
        tensors: PanelTensors,
        origins: Origins,
        read: Callable[[Origins, WindowBatch, NetworkOutput], Result],
        steps: IntArray | None = None,
    ) -> Iterator[Result]:
        size = max(1, BATCH_STEPS // (self.model.context + self.model.horizon))
        for part, batch in self.batches(origins, size, tensors, steps):
            yield read(part, batch, self.model.network(batch, write_out=read == self._attention_map))

    def batches(
        self, origins: Origins, size: int, tensors: PanelTensors | None = None, steps: IntArray | None = None
    ) -> Iterator[tuple[Origins, WindowBatch]]:
        """Windows of the origins, at most `size` at once, from the panel or from `tensors` made from it.

        The context follows the clock of the forecast `steps` (windows,), by default that of the first step.
        """
        source = tensors or self.tensors
        for first in range(0, len(origins), size):
            part = origins[first : first + size]
            series, positions = (torch.from_numpy(values).to(self.device) for values in (part.series, part.positions))
            step = None if steps is None else torch.from_numpy(steps[first : first + size]).to(self.device)
            yield part, source.gather(series, positions, self.model.context, self.model.horizon, step)

    @property
    def _levels(self) -> tuple[float, ...]:
        """Quantile levels of the model's forecasts; empty for a point loss."""
        return self.model.network.layout.levels

    @property
    def _point_column(self) -> int:
        return self.model.network.layout.median

    def _quantiles(self, part: Origins, batch: WindowBatch, output: NetworkOutput) -> FloatArray:
        """(windows, horizon, Q) in the units of the data; Q = 1 for a point loss."""
        network = self.model.network
        values = network.quantiles(batch, output)
        traits = network.traits(batch, output.standardisation)
        is_constant = network.calibration.stays(traits)[:, None, None] & (values == traits.constant[..., None])
        is_least = values <= least_value(batch, output.standardisation).to(values)[..., None]
        location, scale = output.standardisation.location[..., None], output.standardisation.scale[..., None]
        scaled = values.cpu().double() * scale.cpu().double() + location.cpu().double()
        numbers: FloatArray = scaled.numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            numbers *= self.tensors.scale[part.series, None, None]
            numbers += self.tensors.mean[part.series, None, None]
        _require_finite(bool(torch.isfinite(values).all()), "forecast")
        if not np.isfinite(numbers).all():
            raise DataError("the values are too large to be forecast.", hint="Write them in a greater unit.")
        # Exact numbers stay so on their way through scaled units.
        numbers = np.where(is_least.cpu().numpy(), 0.0, numbers)
        return np.where(is_constant.cpu().numpy(), part.newest_values(self.panel)[:, None, None], numbers)

    def _as_forecast(self, origins: Origins, quantiles: FloatArray, rolled: bool) -> Forecast:
        return as_possible(
            Forecast(
                frequency=self.panel.frequency,
                series_ids=tuple(self.panel.series_ids[i] for i in origins.series),
                cutoffs=self.panel.times(origins.series, origins.positions - 1),
                point=quantiles[..., self._point_column],
                quantile_levels=self._levels,
                quantiles=quantiles if self._levels else quantiles[..., :0],
                rolled_from_step=self.model.horizon + 1 if rolled else None,
                least=self._least(origins),
                integer=self.model.config.data.integer,
            )
        )

    def _least(self, origins: Origins) -> FloatArray | None:
        """(W,) smallest possible outcome; there is none where the context has values below zero."""
        if not self.model.config.data.non_negative:
            return None
        below = np.concatenate([[0], np.cumsum(self.panel.target < 0)])
        start = self.panel.offsets[origins.series]
        first = np.maximum(origins.positions - self.model.context, 0)
        falls_below = below[start + origins.positions] > below[start + first]
        return np.where(falls_below, -np.inf, 0.0)

    def _attention_map(self, part: Origins, batch: WindowBatch, output: NetworkOutput) -> AttentionMap:
        assert output.weights is not None
        _require_finite(bool(torch.isfinite(output.weights).all()), "attention")
        forecast = self._as_forecast(part, self._quantiles(part, batch, output), rolled=False)
        observed = batch.context_observed.cpu().numpy()
        scaled = batch.context_target.cpu().double().numpy()
        values = scaled * self.tensors.scale[part.series, None] + self.tensors.mean[part.series, None]
        return AttentionMap(
            frequency=self.panel.frequency,
            series_ids=forecast.series_ids,
            cutoffs=forecast.cutoffs,
            weights=output.weights.float().cpu().numpy(),
            observed=observed,
            values=np.where(observed, values, np.nan),
            point=forecast.point,
        )


def _require_finite(is_finite: bool, what: str) -> None:
    if not is_finite:
        raise RunError(
            f"{MODEL_FILE}: the {what} of its networks is not finite.",
            hint="Train again; values of 1e300 and more need another unit.",
        )
