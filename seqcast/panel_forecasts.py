"""Forecasts of a panel from any origins and over any horizon, whatever library runs the networks.

No torch here: a trained model (`forecasting`) and an exported one (`portable.forecasting`) forecast windows, and all
that is around the windows is the same for both.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from seqcast.config import MOST_STEPS, Config
from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.errors import DataError, RunError, UsageError, option
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.notices import Example, Notice, SeriesNames
from seqcast.panel.panel import Panel
from seqcast.panel.phases import unseen_phases
from seqcast.reading.future import extend_panel, future_notices, head_panel, pad_panel
from seqcast.reading.table import MOST_EXAMPLES, Table
from seqcast.results.forecast import Forecast, as_possible, joined_forecasts
from seqcast.results.origins import Origins, latest_origins, observed_ends
from seqcast.results.widening import unsure, widened
from seqcast.tensors.scaling import PanelScalers, unknown_categories

SHARES_OF_WORKER = 4
"""Shares of a panel for each worker of an engine, so that none waits long for the last one."""


class Model(Protocol):
    """What the forecast of a panel needs to know of a model."""

    @property
    def config(self) -> Config: ...
    @property
    def series_ids(self) -> tuple[str, ...]: ...
    @property
    def scalers(self) -> PanelScalers: ...
    @property
    def horizon(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the quantiles; empty for points."""
        ...


AnyModel = TypeVar("AnyModel", bound=Model)
Result = TypeVar("Result")
Windows = TypeVar("Windows")
"""A scaled panel, as the library that runs the networks holds it."""


@dataclass(frozen=True)
class Prediction:
    """A forecast from the end of every series, and its notices."""

    forecast: Forecast
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class SeriesFacts:
    """How the series of a panel are scaled; (series,) each."""

    scale: FloatArray
    scale_known: BoolArray
    """As in `SeriesScales`."""
    has_moved: BoolArray
    """As in `SeriesScales`."""


class PanelForecasts(ABC, Generic[Windows]):
    """A model and a panel.

    Args:
        model: The model.
        panel: Series with `horizon` rows after each origin to forecast (`reading.future.extend_panel`). Series that
            training did not see are scaled by their first `known_ends` rows alone.
        known_ends: (series,) rows known at the earliest origin of each series.
    """

    def __init__(self, model: Model, panel: Panel, known_ends: IntArray) -> None:
        self.facts, self.panel, self.known_ends = model, panel, known_ends
        index = {name: number for number, name in enumerate(model.series_ids)}
        self.series_map = np.array([index.get(name, -1) for name in panel.series_ids])
        self.unseen_phases = unseen_phases(panel, known_ends)

    @property
    @abstractmethod
    def series_facts(self) -> SeriesFacts:
        """How the series are scaled."""

    @abstractmethod
    def windows(self, *, for_writing: bool) -> Windows:
        """The scaled panel, as a copy if it is to be written."""

    @abstractmethod
    def quantiles(self, windows: Windows, origins: Origins, steps: IntArray | None = None) -> FloatArray:
        """(windows, horizon, Q) in the units of the data; Q = 1 for a point loss.

        The context follows the clock of the forecast `steps` (windows,), by default that of the first step.
        """

    @abstractmethod
    def clock(self, windows: Windows, origins: Origins) -> IntArray | None:
        """(windows, horizon) steps by which the clock was put forward until each forecast step; None if never."""

    @abstractmethod
    def append(self, windows: Windows, origins: Origins, point: FloatArray) -> None:
        """Write a point forecast (windows, horizon) after the history as if it was observed, in place."""

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """Most windows that are forecast at once."""

    def notices(self) -> tuple[Notice, ...]:
        """Series, categories, levels and phases that training did not see."""
        facts, panel = self.series_facts, self.panel
        kinds = {
            "were not in the training data and are scaled by their own history": self.series_map < 0,
            "are far from their level or spread in training and are scaled by their own history": facts.has_moved,
            "have so few values that other series decide how wide their intervals are": ~facts.scale_known
            & (self.known_ends > 0),
        }
        notices = []
        for text, concerned in kinds.items():
            chosen = np.flatnonzero(concerned)
            if len(chosen):
                named = SeriesNames.of(panel.series_ids, chosen, MOST_EXAMPLES)
                notices.append(Notice.summable("repair", len(chosen), len(chosen), f" series {text}: ", named))
        return (*notices, *self.unseen_phases.notices(panel), *unknown_categories(self.facts.scalers, panel))

    def forecast(self, origins: Origins, horizon: int | None = None) -> Forecast:
        """Forecast `horizon` steps (default: the trained horizon H) from each origin.

        A shorter horizon gives a prefix of the trained forecast. Beyond H, the point forecast is appended to the
        history and the next H steps are forecast from there. Intervals widen as errors of independent rounds add up.

        Raises:
            UsageError: The horizon is longer than H and a series has several origins, or so long that forecasts which
                build on themselves grow without bound.
        """
        trained = self.facts.horizon
        horizon = horizon or trained
        rounds = -(-horizon // trained)
        if rounds > 1 and len(np.unique(origins.series)) < len(origins):
            raise UsageError(f"forecasts beyond the trained {trained} steps need one origin per series.")
        windows = self.windows(for_writing=rounds > 1)
        blocks: list[FloatArray] = []
        for number in range(rounds):
            moved = replace(origins, positions=origins.positions + number * trained)
            quantiles = self._of_round(windows, moved, number, horizon)
            self._follow_clock(windows, moved, quantiles)
            point = quantiles[..., self._point_column]
            blocks.append(quantiles if number == 0 else widened(point, blocks[0], number, self._point_column))
            if number + 1 < rounds:
                self.append(windows, moved, point)
        quantiles = self._unsure_where_unseen(origins, np.concatenate(blocks, axis=1)[:, :horizon], blocks[0])
        return self._as_forecast(origins, quantiles, rounds > 1)

    def _of_round(self, windows: Windows, origins: Origins, rounds_before: int, horizon: int) -> FloatArray:
        """The quantiles of one round of a forecast of `horizon` steps."""
        try:
            return self.quantiles(windows, origins)
        except (DataError, RunError):  # numbers that are not finite, in the units of the data or of the network
            if not rounds_before:
                raise
            raise UsageError(
                f"{option('horizon', horizon)}: from step {rounds_before * self.facts.horizon + 1:,} on the forecast, "
                "which builds on itself, grows too large to be computed.",
                hint="Give a shorter one.",
            ) from None

    def forecast_by(self, engine: Engine, origins: Origins, horizon: int | None = None) -> Forecast:
        """As `forecast`, to the last bit, by the workers of an engine."""
        shared = self.answers_by(engine, origins, partial(PanelForecasts.forecast, horizon=horizon))
        return self.forecast(origins, horizon) if shared is None else joined_forecasts(list(shared))

    def answers_by(
        self, engine: Engine, origins: Origins, answer: Callable[[Any, Origins], Result]
    ) -> Iterator[Result] | None:
        """The answers of the workers of an engine about some series each, in order; None where there is one share.

        Shares are whole batches of series, so that no batch differs from those of a single process.
        """
        num_series, size = self.panel.num_series, self.batch_size
        step = size * max(1, -(-num_series // (size * engine.num_workers * SHARES_OF_WORKER)))
        if engine.num_workers < 2 or step >= num_series:
            return None
        shares = [(first, min(first + step, num_series)) for first in range(0, num_series, step)]
        asked = [(*share, chosen) for share in shares if len(chosen := origins.of_series(*share))]
        work = SharedPanel(type(self), self.facts, self.panel, self.known_ends, answer)
        return engine.map(work, asked, work.name_of)

    @property
    def _point_column(self) -> int:
        levels = self.facts.levels
        return levels.index(0.5) if levels else 0

    def _unsure_where_unseen(self, origins: Origins, quantiles: FloatArray, first: FloatArray) -> FloatArray:
        """The quantiles, with wide intervals in phases in which a series was never observed."""
        levels = self.facts.levels
        if not len(self.unseen_phases.series) or not levels:
            return quantiles
        steps = origins.positions[:, None] + np.arange(quantiles.shape[1])
        times = self.panel.times(origins.series[:, None], steps)
        unseen = self.unseen_phases.at(origins.series, self.panel.frequency.wall(times))
        scale = self.series_facts.scale[origins.series]
        return np.where(unseen[..., None], unsure(quantiles, first, levels, scale), quantiles)

    def _follow_clock(self, windows: Windows, origins: Origins, quantiles: FloatArray) -> None:
        """Forecast the steps after a change of the clocks again, from a context that follows their clock, in place.

        Args:
            windows: The panel.
            origins: Origins of the windows.
            quantiles: (windows, horizon, Q) forecast with the clock of the first step.
        """
        clock = self.clock(windows, origins)
        if clock is None:
            return
        pending = clock != clock[:, :1]
        while (left := np.flatnonzero(pending.any(axis=1))).size:
            first = pending[left].argmax(axis=1)
            again = self.quantiles(windows, origins[left], first)
            same = clock[left] == np.take_along_axis(clock[left], first[:, None], axis=1)
            quantiles[left] = np.where(same[..., None], again, quantiles[left])
            pending[left] &= ~same

    def _as_forecast(self, origins: Origins, quantiles: FloatArray, rolled: bool) -> Forecast:
        levels = self.facts.levels
        return as_possible(
            Forecast(
                frequency=self.panel.frequency,
                series_ids=tuple(self.panel.series_ids[i] for i in origins.series),
                cutoffs=self.panel.times(origins.series, origins.positions - 1),
                point=quantiles[..., self._point_column],
                quantile_levels=levels,
                quantiles=quantiles if levels else quantiles[..., :0],
                rolled_from_step=self.facts.horizon + 1 if rolled else None,
                least=self._least(origins),
                integer=self.facts.config.data.integer,
            )
        )

    def _least(self, origins: Origins) -> FloatArray | None:
        """(W,) smallest possible outcome; there is none where the context has values below zero."""
        if not self.facts.config.data.non_negative:
            return None
        rows, start = origins.rows(self.panel)
        below = np.concatenate([[0], np.cumsum(self.panel.target[rows] < 0)])
        first = np.maximum(origins.positions - self.facts.context, 0)
        falls_below = below[start + origins.positions] > below[start + first]
        return np.where(falls_below, -np.inf, 0.0)


@dataclass(frozen=True, eq=False)
class SharedPanel(Generic[Result]):
    """A panel in the memory of every worker, and a question about the forecasts of some series."""

    make: Callable[[Any, Panel, IntArray], PanelForecasts[Any]]
    model: Model
    panel: Panel
    known_ends: IntArray
    answer: Callable[[Any, Origins], Result]

    def __call__(self, asked: tuple[int, int, Origins]) -> Result:
        """Answer about the origins of the series between a first and a last one (exclusive)."""
        first, last, origins = asked
        part = self.panel.take_series(np.arange(first, last))
        return self.answer(self.make(self.model, part, self.known_ends[first:last]), origins)

    def name_of(self, asked: tuple[int, int, Origins]) -> str:
        ids = self.panel.series_ids
        return f"series {ids[asked[0]]!r} to {ids[asked[1] - 1]!r}"


Maker = Callable[[AnyModel, Panel, IntArray], PanelForecasts[Windows]]
"""Joins a model and a panel."""


def predict_panel(
    make: Maker[AnyModel, Windows],
    model: AnyModel,
    panel: Panel,
    horizon: int | None,
    future: Table | None,
    engine: Engine = SINGLE_PROCESS,
) -> Prediction:
    """Forecast every series from right after its last observation.

    Args:
        make: Joins the model and a panel.
        model: The model.
        panel: Histories; rows after the last observation of a series give known covariates only.
        horizon: Steps; any positive number. None: as trained.
        future: Known covariates of the steps to forecast.
        engine: Who forecasts.

    Raises:
        UsageError: `horizon` is not positive, or absurd.
        DataError: Future values of known covariates are needed and missing.
    """
    horizon = model.horizon if horizon is None else horizon
    if not 1 <= horizon <= MOST_STEPS:
        allowed = "at least 1" if horizon < 1 else f"at most {MOST_STEPS:,}"
        raise UsageError(f"{option('horizon', horizon)}: the number of steps to forecast must be {allowed}.")
    origins, ends = latest_origins(panel), observed_ends(panel)
    forecasts = make(model, _with_future_rows(model, panel, ends, horizon, future), ends)
    notices = (
        *future_notices(future, panel, model.config.data),
        *coverage_notices(panel, ends),
        *forecasts.notices(),
        *_rolled_notice(model, horizon),
    )
    return Prediction(forecasts.forecast_by(engine, origins, horizon), notices)


def require_possible(numbers: FloatArray) -> None:
    """Check that forecasts of finite networks are finite in the units of the data.

    Raises:
        DataError: They are not.
    """
    if not np.isfinite(numbers).all():
        raise DataError("the values are too large to be forecast.", hint="Write them in a greater unit.")


def _with_future_rows(model: Model, panel: Panel, ends: IntArray, horizon: int, future: Table | None) -> Panel:
    """The panel with whole rounds of the trained horizon after each end.

    Known covariates are needed for the first `horizon` steps only.
    """
    if panel.schema.known and future is None and (panel.lengths - ends >= horizon)[ends > 0].all():
        extended = head_panel(panel, np.where(ends > 0, ends + horizon, 0))
    else:
        extended = extend_panel(head_panel(panel, ends), horizon, future, config=model.config.data)
    unasked = -horizon % model.horizon
    return pad_panel(extended, unasked) if unasked else extended


def coverage_notices(panel: Panel, ends: IntArray) -> Iterator[Notice]:
    """Notices of series that end before their table does, and of series without any observation."""
    empty = int(np.sum(ends == 0))
    if empty:
        yield Notice.summable("repair", empty, empty, " series have no observed value and are not forecast")
    late = np.flatnonzero((ends > 0) & (ends < panel.lengths))
    if len(late):
        time = panel.frequency.show(panel.times(late[:1], ends[late[:1]])[0])
        told = " series end with missing values; their forecast starts right after the last observed one (the first at "
        yield Notice.summable("repair", len(late), len(late), told, Example(time), ")")


def _rolled_notice(model: Model, horizon: int) -> Iterator[Notice]:
    if horizon > model.horizon:
        text = f"from step {model.horizon + 1} on forecasts build on forecasts"
        yield Notice("decision", f"the run was trained for {model.horizon} steps; {text}")
