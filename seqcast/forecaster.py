"""The Python interface: a Forecaster in the style of scikit-learn, over the functions that the commands call."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from seqcast.attention.usual_attention import drift_notices
from seqcast.config import Config
from seqcast.errors import SeqcastError, SeqcastWarning, StoppedError, UsageError, options_in
from seqcast.evaluation.anomalies import USUAL_LEVEL, AnomalyPlan, find_anomalies, split_at
from seqcast.evaluation.backtest import Backtest, BacktestPlan, backtest
from seqcast.experiments.recorded_training import frame_job, save_run
from seqcast.fitted import FitSummary, FittedState
from seqcast.forecasting import attention_maps, predict
from seqcast.frames import anomaly_frame, forecast_frame
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.parameters import Levels, Parameters, levels_of, require_whole
from seqcast.portable.export import write_model
from seqcast.reading.assemble import build_panel
from seqcast.reading.data_frames import Frame, library_of, plain_texts, read_frame, to_library
from seqcast.reading.tabular import read_table
from seqcast.results.forecast import MODEL
from seqcast.results.sample_paths import SamplePlan, draw_paths
from seqcast.run.directory import RunDirectory, choose_directory
from seqcast.run.load import load_trained_model
from seqcast.run.source import has_table, read_run_source
from seqcast.runtime import resolve_runtime
from seqcast.tables import attention_table, sample_table
from seqcast.training.fit import train_model
from seqcast.training.loop import Hooks

_READING_OPTIONS = {
    "layout",
    "delimiter",
    "decimal",
    "thousands",
    "encoding",
    "time_format",
    "time_unit",
    "na_value",
}
_PLACE_OPTIONS = {"run", "resume", "overwrite"}


@contextmanager
def _errors_for_python() -> Iterator[None]:
    """Let errors name arguments of Python, and suggest what Python has in place of an option of the shell."""
    try:
        yield
    except StoppedError:
        raise
    except SeqcastError as error:
        error.for_python = True
        options = set().union(*map(options_in, error.hint))
        if options & _READING_OPTIONS:
            error.hint = ("Change the column in the frame.",)
        elif options & _PLACE_OPTIONS:
            error.hint = ("Give another path.",)
        raise


class Forecaster(Parameters):
    """Multi-step forecasts with an LSTM encoder-decoder and Luong attention.

    Frames may be of pandas, polars or pyarrow, and so are the answers: as the frame that a method is given, or else as
    that of `fit`. `sklearn.base.clone` makes a copy that is not fitted, and parameters can be read and set by name.

    What a command would print as a warning is a `SeqcastWarning`, which is a `UserWarning`.

    Example:
        forecaster = Forecaster(horizon=24).fit(frame)
        forecaster.predict(horizon=48)

    Args:
        horizon: Steps to forecast; None: chosen from the frequency.
        context: Past steps to read; None: chosen from frequency, horizon and data.
        config: All other settings, column roles included; `horizon` and `context` override it.
    """

    def __init__(self, horizon: int | None = None, context: int | None = None, *, config: Config = Config()) -> None:
        super().__init__(horizon, context, config)
        self.state: FittedState | None = None

    @_errors_for_python()
    def fit(
        self,
        frame: Frame,
        *,
        static: Frame | None = None,
        from_run: str | Path | None = None,
        hooks: Hooks = Hooks(),
    ) -> Self:
        """Learn from a long, wide or single-series frame, which stays as it is; returns self.

        Args:
            frame: The series, with the same columns as a table for the commands.
            static: One row per series with its static covariates.
            from_run: A finished run whose networks are trained further, with its settings where none are given.
            hooks: Called with progress.

        Raises:
            DataError: The frame cannot be used.
            UsageError, RunError: A setting does not fit the run, or the run cannot be used.
            DivergedError: A loss was not finite.
        """
        static_table = None if static is None else read_frame(static, "static DataFrame")
        parent = None if from_run is None else RunDirectory(Path(from_run))
        job = frame_job(read_frame(frame), static_table, self.settings, parent)
        fitted = train_model(job.source.panel, job.plan, job.runtime, hooks, job.parent)
        done, library = (job, fitted), library_of(frame)
        self.state = FittedState(fitted.model, job.source.panel, static_table, job.notices, done, library=library)
        caution = fitted.result.caution
        _warn((*job.notices, *([] if caution is None else [Notice("repair", caution)])))
        return self

    @property
    def summary(self) -> FitSummary:
        """Who forecasts, the validation error and the time of training.

        Raises:
            UsageError: Nothing was fitted.
        """
        state = self._fitted()
        recorded = None if state.record is None else state.record.result
        result = recorded if state.trained is None else state.trained[1].result
        assert result is not None, "a run that was loaded has finished"
        return FitSummary(result.forecasters, result.validation_loss, result.relative_mae, result.seconds)

    @_errors_for_python()
    def predict(
        self,
        horizon: int | None = None,
        *,
        frame: Frame | None = None,
        future: Frame | None = None,
        level: Levels = None,
        levels: Levels = None,
        model: str = MODEL,
    ) -> Frame:
        """The forecast table: id, time, `seqcast`, and `seqcast-lo-L`, `seqcast-hi-L` for each level L in percent.

        Args:
            horizon: Steps, any positive number; None: as trained.
            frame: Histories to forecast instead of those of `fit`.
            future: Known covariates of the steps to forecast.
            level: Prediction intervals in percent, a number or several; none for an empty list, 80 and 95 by default.
            levels: The same under its other name.
            model: Forecast of the run, or `naive`, `seasonal_naive`, `drift` or `mean` to compare with.

        Raises:
            UsageError: Nothing was fitted, or an argument is out of range.
            DataError: A frame cannot be used.
        """
        require_whole(horizon=horizon)
        wanted = levels_of(level, levels)
        forecaster = self._fitted().model.named(model)
        future_table = None if future is None else read_frame(future, "future DataFrame")
        panel = self._panel(frame)
        prediction = predict(forecaster, panel, horizon, future_table)
        _warn((*prediction.notices, *drift_notices(forecaster, panel)))
        return self._answer(forecast_frame(prediction.forecast, forecaster.schema, wanted), frame, future)

    @_errors_for_python()
    def samples(
        self,
        number: int = 100,
        horizon: int | None = None,
        *,
        frame: Frame | None = None,
        future: Frame | None = None,
        seed: int = 0,
    ) -> Frame:
        """Sample paths whose steps hang together, so that sums, minima or stock-outs can be asked of them.

        The table has a row for each series, path and step: id, time, `sample` (from 1 on) and `seqcast`. Other
        arguments as `predict`.

        Raises:
            UsageError: Nothing was fitted, the model has no quantiles, or an argument is out of range.
            DataError: A frame cannot be used.
        """
        require_whole(number=number, horizon=horizon, seed=seed)
        model, plan = self._fitted().model, SamplePlan(number, seed)
        dependence = model.require_dependence()
        panel = self._panel(frame)
        future_table = None if future is None else read_frame(future, "future DataFrame")
        prediction = predict(model, panel, horizon, future_table)
        _warn((*prediction.notices, *drift_notices(model, panel)))
        paths = draw_paths(prediction.forecast, dependence, model.horizon, plan)
        table = pa.concat_tables([sample_table(each, model.schema) for each in paths], promote_options="default")
        return self._answer(plain_texts(table), frame, future)

    @_errors_for_python()
    def attention(self, windows: int = 1, *, frame: Frame | None = None) -> Frame:
        """The attention table of the newest `windows` origins of each series: a row per (series, cutoff, step, lag).

        Raises:
            UsageError: Nothing was fitted, or the model has no attention.
        """
        maps = attention_maps(self._fitted().model, self._panel(frame), windows)
        _warn(maps.notices)
        return self._answer(pa.concat_tables([attention_table(each) for each in maps.maps]), frame)

    @_errors_for_python()
    def backtest(
        self,
        part: Literal["validation", "test"] = "validation",
        *,
        windows: int | None = None,
        stride: int | None = None,
        frame: Frame | None = None,
        level: Levels = None,
        levels: Levels = None,
    ) -> Backtest:
        """Scores of rolling origins beside the naive forecasts; `print` shows them as a table.

        Raises:
            UsageError: Nothing was fitted, or there is no such part.
            DataError: No series holds a window to score.
        """
        plan = BacktestPlan(part, windows, stride, levels=levels_of(level, levels))
        done = backtest(self._fitted().model, self._panel(frame), plan)
        _warn(done.notices)
        return done

    @_errors_for_python()
    def anomalies(
        self,
        frame: Frame | None = None,
        *,
        level: float = USUAL_LEVEL,
        horizon: int | None = None,
        stride: int | None = None,
        join: int | None = None,
        clip: bool = True,
    ) -> Frame:
        """The table of observations outside of the interval of the forecast made before them.

        Args:
            frame: Observations to judge instead of those of `fit`.
            level: Level of the interval in percent.
            horizon: Most steps between forecast and observation; None: the stride, or else as trained.
            stride: Steps between forecasts; None: the horizon, so that the newest forecast judges.
            join: Most steps between anomalies of one event; None: a quarter of a season.
            clip: Let later forecasts see an anomaly as the nearer bound of its interval.

        Raises:
            UsageError: Nothing was fitted, the model has no quantiles, or an argument is out of range.
            DataError: The frame cannot be used.
        """
        require_whole(horizon=horizon, stride=stride, join=join)
        state, plan = self._fitted(), AnomalyPlan(float(level), horizon, stride, join, clip)
        panel = self._panel(frame)
        split = None
        if frame is not None:
            trained = state.panel if state.panel is not None else self._panel(None)
            last = trained.times(np.arange(trained.num_series), trained.lengths - 1)
            split = split_at(state.model, panel, last.max(keepdims=True))
        search = find_anomalies(state.model, panel, plan, split)
        _warn(search.notices)
        return self._answer(anomaly_frame(search.anomalies, state.model.schema), frame)

    @_errors_for_python()
    def save(self, path: str | Path) -> None:
        """Write a run directory that `load` and the commands read.

        Raises:
            UsageError: Nothing was fitted here.
            RunError: The directory is not empty or cannot be written.
        """
        trained = self._fitted().trained
        if trained is None:
            raise UsageError("a loaded forecaster is already saved; copy its directory.")
        save_run(*trained, choose_directory(Path(path), "", overwrite=False, resume=False))

    @_errors_for_python()
    def export(self, path: str | Path, *, attention: bool = False) -> None:
        """Write one ONNX file, which `seqcast predict --onnx` or any program with onnxruntime forecasts with.

        Args:
            path: The file, whose name ends in .onnx.
            attention: Whether the graph gives the attention weights, too.

        Raises:
            UsageError: Nothing was fitted, the extra is not installed, or ONNX cannot say a part of the model.
            SeqcastError: The file cannot be written.
        """
        state = self._fitted()
        record = state.record
        if record is None:
            assert state.trained is not None
            with TemporaryDirectory() as folder:
                record = save_run(*state.trained, RunDirectory(Path(folder)))
        write_model(Path(path), state.model, record, with_attention=attention)

    @classmethod
    @_errors_for_python()
    def load(cls, path: str | Path, *, device: str = "auto") -> Self:
        """Read a run directory, whatever device it was trained on.

        The table it was trained on is read when needed; pass frames where that table is gone.

        Raises:
            RunError: The directory is absent, damaged or refused.
        """
        directory = RunDirectory(Path(path))
        record = directory.read_record()
        runtime = resolve_runtime(device, "float32")
        model = load_trained_model(directory, record, runtime.device)
        forecaster = cls(model.horizon, model.context, config=model.config)
        forecaster.state = FittedState(model, None, None, record=record)
        return forecaster

    def _fitted(self) -> FittedState:
        if self.state is None:
            raise UsageError("this forecaster has not been fitted.", hint="Call fit first.")
        return self.state

    def _answer(self, table: pd.DataFrame | pa.Table, *given: Frame | None) -> Frame:
        """A table as a frame of the library of the first frame that was given, or else of that of `fit`."""
        first = next((frame for frame in given if frame is not None), None)
        return to_library(table, self._fitted().library if first is None else library_of(first))

    def _panel(self, frame: pd.DataFrame | None) -> Panel:
        state = self._fitted()
        if frame is not None:
            path = None if state.record is None else state.record.data.static_path
            static = state.static if path is None else read_table(path)
            options = state.reading
            static = None if static is None else replace(static, options=options)
            loaded = build_panel(read_frame(frame), state.model.config.data, options, static)
            _warn(loaded.notices, depth=2)
            return loaded.panel
        if state.panel is not None:
            return state.panel
        assert state.record is not None
        if not has_table(state.record):
            raise UsageError("the table this run was trained on is not there.", hint="Pass a frame.")
        source = read_run_source(state.record, state.model.config, None)
        _warn(source.notices, depth=2)
        self.state = replace(state, panel=source.panel)
        return source.panel


def _warn(notices: Iterable[Notice], depth: int = 1) -> None:
    """Warn of repairs, naming the line that called a method `depth` calls above this one."""
    for notice in notices:
        if notice.kind == "repair":
            warnings.warn(notice.text, SeqcastWarning, stacklevel=depth + 3)
