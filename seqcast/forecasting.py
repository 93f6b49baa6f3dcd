"""Forecasts and attention of a trained model on a panel, from any origins and over any horizon."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np
import torch

from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.errors import DataError, RunError, UsageError, option
from seqcast.model.ensemble import least_value
from seqcast.model.network import NetworkOutput
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel_forecasts import PanelForecasts, Prediction, SeriesFacts, predict_panel, require_possible
from seqcast.reading.future import pad_panel
from seqcast.reading.table import Table
from seqcast.results.forecast import AttentionMap
from seqcast.results.origins import Origins, observed_ends, rolling_origins
from seqcast.results.rolling import append_forecast, writable
from seqcast.run.load import TrainedModel
from seqcast.run.record import MODEL_FILE
from seqcast.tensors.host_windows import free_bytes, placed
from seqcast.tensors.windows import PanelTensors, WindowBatch, panel_to_tensors

Result = TypeVar("Result")

BATCH_STEPS = 40_000
"""Window steps (windows x (context + horizon)) of one forward pass: few enough for the caches of a processor."""


def predict(
    model: TrainedModel,
    panel: Panel,
    horizon: int | None = None,
    future: Table | None = None,
    engine: Engine = SINGLE_PROCESS,
) -> Prediction:
    """Forecast every series from right after its last observation; see `panel_forecasts.predict_panel`."""
    return predict_panel(Forecasting, model, panel, horizon, future, engine)


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
    model: TrainedModel,
    panel: Panel,
    windows: int = 1,
    origin: TimeArray | None = None,
    engine: Engine = SINGLE_PROCESS,
) -> AttentionMaps:
    """The attention of the newest `windows` forecasts of each series, one trained horizon apart.

    The newest origin is right after the last observation. If known covariates of the following horizon are missing, it
    is the newest origin whose covariates are known.

    Args:
        model: The trained model.
        panel: Histories.
        windows: Origins per series.
        origin: (1,) last observed time of the only origin to look at, instead of the newest ones.
        engine: Who looks at it.

    Raises:
        UsageError: The model has no attention, or `windows` is not positive.
        DataError: No series has such an origin.
    """
    found = find_attention_maps(model, panel, windows, origin, engine)
    if found is None:
        if origin is not None and not panel.frequency.locate(panel.starts, origin)[1].any():
            raise DataError(
                f"{panel.frequency.show(origin[0])} is no time of this table (frequency {panel.frequency.alias})."
            )
        raise no_origin()
    return found


def find_attention_maps(
    model: TrainedModel,
    panel: Panel,
    windows: int = 1,
    origin: TimeArray | None = None,
    engine: Engine = SINGLE_PROCESS,
) -> AttentionMaps | None:
    """The attention of some series of a table as of `attention_maps`; None if none of them has such an origin."""
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
        return None
    extended = panel if panel.schema.known else pad_panel(panel, model.horizon)
    forecasting = Forecasting(model, extended, origins.earliest(ends))
    return AttentionMaps(forecasting.attention_by(engine, origins), origins, (*notices, *forecasting.notices()))


def no_origin() -> DataError:
    """The error for a table none of whose series has an origin to look at."""
    return DataError("no series has an origin to look at.", hint=f"Give a longer table, or another {option('origin')}.")


def _origins_at(panel: Panel, newest: IntArray, origin: TimeArray) -> Origins:
    """The origin right after time `origin` in every series that reaches it."""
    steps, on_grid = panel.frequency.locate(panel.starts, origin)
    positions = steps + 1
    series = np.flatnonzero(on_grid & (positions >= 1) & (positions <= newest))
    return Origins(series, positions[series])


class Forecasting(PanelForecasts[PanelTensors]):
    """A model and a panel on the model's device.

    Args:
        model: The trained model.
        panel: As `PanelForecasts`.
        known_ends: As `PanelForecasts`.
        tensors: Those of the panel, if another network of the run has them already.
    """

    def __init__(
        self, model: TrainedModel, panel: Panel, known_ends: IntArray, tensors: PanelTensors | None = None
    ) -> None:
        super().__init__(model, panel, known_ends)
        self.model = model
        self.device = next(model.network.parameters()).device
        data = model.config.data
        if tensors is None:
            made = panel_to_tensors(panel, model.scalers, self.series_map, known_ends, data)
            tensors = placed(made, self.device, free_bytes(self.device))
        self.tensors = tensors

    @property
    def batch_size(self) -> int:
        return max(1, BATCH_STEPS // (self.model.context + self.model.horizon))

    @property
    def series_facts(self) -> SeriesFacts:
        tensors = self.tensors
        return SeriesFacts(tensors.scale, tensors.scale_known.cpu().numpy(), tensors.has_moved)

    def windows(self, *, for_writing: bool) -> PanelTensors:
        return writable(self.tensors) if for_writing else self.tensors

    def quantiles(self, windows: PanelTensors, origins: Origins, steps: IntArray | None = None) -> FloatArray:
        return np.concatenate(list(self._each_batch(windows, origins, self._quantiles, steps)))

    def clock(self, windows: PanelTensors, origins: Origins) -> IntArray | None:
        steps = origins.positions[:, None] + np.arange(self.model.horizon)
        found = windows.clock_of(windows.index(origins.series), windows.index(steps))
        return None if found is None else found.cpu().numpy()

    def append(self, windows: PanelTensors, origins: Origins, point: FloatArray) -> None:
        append_forecast(windows, origins.series, origins.positions, point)

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

    def attention_by(self, engine: Engine, origins: Origins) -> Iterator[AttentionMap]:
        """As `attention`, to the last bit, by the workers of an engine."""
        own = self.attention(origins)
        shared = self.answers_by(engine, origins, _all_attention)
        return own if shared is None else chain.from_iterable(shared)

    @torch.inference_mode()
    def _each_batch(
        self,
        tensors: PanelTensors,
        origins: Origins,
        read: Callable[[Origins, WindowBatch, NetworkOutput], Result],
        steps: IntArray | None = None,
    ) -> Iterator[Result]:
        for chosen in origins.batches(self.batch_size):
            own_steps = None if steps is None else steps[chosen]
            for part, batch in self.batches(origins[chosen], self.batch_size, tensors, own_steps):
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
            series, positions = source.index(part.series), source.index(part.positions)
            step = None if steps is None else source.index(steps[first : first + size])
            yield part, source.gather(series, positions, self.model.context, self.model.horizon, step)

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
        require_possible(numbers)
        # Exact numbers stay so on their way through scaled units.
        numbers = np.where(is_least.cpu().numpy(), 0.0, numbers)
        return np.where(is_constant.cpu().numpy(), part.newest_values(self.panel)[:, None, None], numbers)

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


def _all_attention(forecasting: Forecasting, origins: Origins) -> list[AttentionMap]:
    return list(forecasting.attention(origins))


def _require_finite(is_finite: bool, what: str) -> None:
    if not is_finite:
        raise RunError(
            f"{MODEL_FILE}: the {what} of its networks is not finite.",
            hint="Train again; values of 1e300 and more need another unit.",
        )
