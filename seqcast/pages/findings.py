"""Everything that a report on a run shows, asked from the modules that know it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from seqcast.attention.contributions import Contributions, contributions
from seqcast.attention.inspection import Inspection, Question, inspect
from seqcast.attention.usual_attention import drift_notices
from seqcast.errors import DataError, UsageError
from seqcast.evaluation.backtest import Backtest, BacktestPlan, backtest
from seqcast.evaluation.residuals import Residuals, residuals
from seqcast.forecasting import attention_maps, predict
from seqcast.pages.blocks import Absent
from seqcast.pages.charts import Forecasts
from seqcast.pages.choice import Chosen, choose_series, series_errors
from seqcast.panel.arrays import FloatArray, evenly_spread
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel_forecasts import Prediction
from seqcast.reading.table import Table
from seqcast.results.forecast import AttentionMap
from seqcast.run.load import TrainedModel
from seqcast.run.record import RunRecord
from seqcast.training.counters import ValidationRecord

Answer = TypeVar("Answer")

MOST_INSPECTED = 1000
"""Number of series, evenly spread, whose attention is averaged."""
LEAST_WINDOWS = 64
"""Windows whose attention is averaged, at least, where the series are long enough."""


@dataclass(frozen=True, eq=False)
class ReportedRun:
    """A run, and the table to show it on."""

    path: str
    record: RunRecord
    model: TrainedModel
    panel: Panel
    history: tuple[ValidationRecord, ...] | Absent
    """The validations of training."""
    notices: tuple[Notice, ...] = ()
    """Those of reading the table."""


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    levels: tuple[float, ...]
    """Levels of the intervals in percent."""
    most_series: int
    future: Table | None = None
    explain: bool = True


@dataclass(frozen=True, eq=False)
class Findings:
    """The parts of a report."""

    run: ReportedRun
    wishes: Wishes
    prediction: Prediction | Absent
    backtest: Backtest | Absent
    residuals: Residuals | Absent
    inspection: Inspection | Absent
    num_inspected: int
    """Number of series whose attention was averaged."""
    contributions: Contributions | Absent
    chosen: tuple[Chosen, ...]
    attention: tuple[AttentionMap, ...]
    """Attention of the newest window of each chosen series."""
    drift: tuple[Notice, ...]

    @property
    def forecasts(self) -> Forecasts:
        """What is known of each series."""
        model = self.run.model
        return Forecasts(
            self.run.panel,
            model.season,
            self.wishes.levels,
            None if isinstance(self.prediction, Absent) else self.prediction.forecast,
            None if isinstance(self.backtest, Absent) else self.backtest.forecast,
            self.attention,
        )

    @property
    def notices(self) -> tuple[Notice, ...]:
        """All that was told of the run, its table and its forecasts, each once."""
        told = [*map(_as_notice, self.run.record.notices), *self.run.notices, *self.drift]
        result = self.run.record.result
        if result is not None and result.caution is not None:
            told.append(Notice("repair", result.caution))
        for part in (self.prediction, self.backtest, self.inspection):
            if not isinstance(part, Absent):
                told += part.notices
        return tuple({(notice.kind, notice.text): notice for notice in told}.values())


def find(run: ReportedRun, wishes: Wishes, on_part: Callable[[str], None] = lambda _part: None) -> Findings:
    """Answer every question of a report; a part that the run does not have is told, not an error.

    Raises:
        DataError: The table of the future, where there is one, cannot be used.
        RunError: The model of the run gives numbers that are not finite.
    """
    model, panel = run.model, run.panel

    def forecast() -> Prediction:
        return predict(model, panel, None, wishes.future)

    on_part("forecasts")
    ahead = _asked(forecast) if wishes.future is None else forecast()
    on_part("backtest")
    done = _asked(lambda: backtest(model, panel, _backtest_plan(model, wishes.levels)))
    unseen = Absent("no value of the backtest was observed.")
    left = done if isinstance(done, Absent) else residuals(done) or unseen
    on_part("attention")
    part = panel.take_series(evenly_spread(panel.num_series, MOST_INSPECTED))
    question = Question(windows=max(1, LEAST_WINDOWS // part.num_series))
    inspected = _asked(lambda: inspect(model, part, question))
    chosen = choose_series(_errors(panel, done), wishes.most_series)
    on_part("contributions")
    parts: Contributions | Absent = Absent("contributions were not asked for.")
    if wishes.explain:
        parts = _asked(lambda: contributions(model, panel))
    return Findings(
        run=run,
        wishes=wishes,
        prediction=ahead,
        backtest=done,
        residuals=left,
        inspection=inspected,
        num_inspected=part.num_series,
        contributions=parts,
        chosen=chosen,
        attention=_attention(model, panel, chosen),
        drift=drift_notices(model, panel),
    )


def _asked(question: Callable[[], Answer]) -> Answer | Absent:
    """The answer, or the reason why this run has none."""
    try:
        return question()
    except (DataError, UsageError) as error:
        return Absent(str(error))


def _backtest_plan(model: TrainedModel, levels: tuple[float, ...]) -> BacktestPlan:
    """The test part where the run kept one that holds a window, otherwise the validation part."""
    has_test = model.config.data.test_size >= model.horizon
    return BacktestPlan("test" if has_test else "validation", levels=levels)


def _errors(panel: Panel, done: Backtest | Absent) -> FloatArray:
    """(series,) error of each series of the panel; NaN where it has no score."""
    errors = np.full(panel.num_series, np.nan)
    if not isinstance(done, Absent):
        index = {name: number for number, name in enumerate(panel.series_ids)}
        errors[[index[name] for name in done.scores.series_ids]] = series_errors(done.scores)[1]
    return errors


def _attention(model: TrainedModel, panel: Panel, chosen: tuple[Chosen, ...]) -> tuple[AttentionMap, ...]:
    try:
        return tuple(attention_maps(model, panel.take_series(np.array([each.series for each in chosen]))).maps)
    except (DataError, UsageError):  # without attention, or without a past origin
        return ()


def _as_notice(line: str) -> Notice:
    kind, _, text = line.partition(": ")
    return Notice("repair" if kind == "repair" else "decision", text)
