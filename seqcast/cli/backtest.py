"""`seqcast backtest`: score rolling origins beside simple forecasts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.engine_choice import EngineChoice
from seqcast.cli.grouped_reading import GroupedReading, GroupToRead
from seqcast.cli.loaded_run import LoadedRun, OpenedRun, find_run_and_table
from seqcast.cli.progress import TrainingProgress
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.cli.signals import stop_signals, told_stops
from seqcast.cli.table_output import TableOutput
from seqcast.engines.engine import Engine
from seqcast.errors import NOTHING_KEPT, StoppedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from seqcast.evaluation.backtest import Backtest, BacktestPlan, BacktestScores, BacktestSums
    from seqcast.panel.notices import Notice
    from seqcast.reading.series_groups import SeriesGroup
    from seqcast.run.load import TrainedModel
    from seqcast.run.run_table import RunTable


@with_settings(*TABLE_PANELS, omit=PLANNED)
def backtest(
    data: opt.OwnData = None,
    *,
    settings: Settings,
    run: opt.RunPath = None,
    windows: Annotated[int | None, typer.Option(help="Newest origins of each series; all if not given.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Score the test part, not the validation part.")] = False,
    stride: Annotated[int | None, typer.Option(help="Steps between origins; the horizon if not given.")] = None,
    baselines: Annotated[bool, typer.Option(help="Score the naive forecasts too.")] = True,
    models: Annotated[str | None, typer.Option(help="Score statistical models too, of AutoETS,AutoTheta,MSTL.")] = None,
    refit_every: Annotated[
        int | None, typer.Option(help="Train anew at every K-th origin, on the data known there.")
    ] = None,
    by: Annotated[
        Literal["series"] | None, typer.Option(help="Show the scores of each series too.", case_sensitive=False)
    ] = None,
    context: opt.UsedContext = None,
    device: opt.DeviceName = "auto",
    engine: opt.EngineName = "single",
    address: opt.Address = None,
    workers: opt.Workers = None,
    level: opt.Levels = opt.DEFAULT_LEVELS,
    output: opt.OutputFile = None,
    excel_safe: opt.ExcelSafe = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Forecast the past from rolling origins and score the forecasts.

    With --output, the table of every forecast beside its true value is written too.
    """
    if test and windows is not None:
        raise UsageError("--windows scores the validation part, --test the test part.", hint="Give one of them.")
    if json and output == "-":
        raise UsageError("--json and --output - both write to stdout.", hint="Give --output a file.")
    if refit_every is not None and context is not None:
        raise UsageError(
            "--context is for the trained network, --refit-every trains new ones.", hint="Give one of them."
        )
    levels, statistical = opt.parse_levels(level), tuple(dict.fromkeys(opt.names(models)))
    choice = EngineChoice.from_options(engine, address, workers)
    if refit_every is not None and choice.name != "single":
        raise UsageError("--refit-every trains one network after the other.", hint="Leave --engine out.")
    screen = Screen(quiet=quiet)
    table = TableOutput.from_options(output, None, excel_safe=excel_safe)
    found = find_run_and_table(run, data, settings)
    parent = found.record.parent
    if refit_every is not None and parent is not None:
        told = "--refit-every trains from the start, and this run was trained with --from."
        hint = f"Name the run that it goes on from with --run: {parent.path}"
        raise UsageError(f"{found.choice.directory.path}: {told}", hint=hint)
    with told_stops(NOTHING_KEPT), choice.starting(device, "seqcast.evaluation.backtest") as starting:
        from seqcast.evaluation.backtest import BacktestPlan

        opened = found.open(screen, device, context)
        part: Literal["validation", "test"] = "test" if test else "validation"
        plan = BacktestPlan(part, windows, stride, baselines, levels, statistical, refit_every)
        started = starting.engine(screen, opened.device)
        done = _scored(screen, opened, plan, None if output is None else table, started)
    if json:
        screen.document(document(done, plan))
    elif output != "-":
        _show(screen, done, plan, by_series=by is not None)


def _scored(
    screen: Screen, opened: OpenedRun, plan: "BacktestPlan", table: TableOutput | None, engine: Engine
) -> "BacktestScores":
    """Score the windows, group by group where the table can be read so, and write the table of forecasts."""
    from seqcast.frames import backtest_frame

    reading = GroupedReading(screen, opened.table, opened.notices)
    groups = reading.groups(needs_whole(plan))
    if len(groups) > 1:
        return _scored_in_groups(
            reading, groups, GroupScoring(opened.model, opened.table, plan, table is not None), table, engine
        )
    loaded = opened.read(screen)
    done = _run(screen, loaded, plan, engine)
    screen.notices(done.notices)
    if table is not None:
        frame = backtest_frame(done.forecast, done.actuals, loaded.model.schema, plan.levels, done.statistical)
        table.write(screen, frame)
    return done


def needs_whole(plan: "BacktestPlan") -> str:
    """Why a backtest needs all series at once; empty where it does not."""
    if plan.refit_every is not None:
        return "--refit-every trains on all series"
    return "--models fits a bounded number of windows of all series" if plan.models else ""


@dataclass(frozen=True)
class GroupScores:
    """The scores of a group of series that have a window to score."""

    sums: "BacktestSums"
    table: "pa.Table | None"
    """Every forecast, where it is wanted."""
    notices: "tuple[Notice, ...]"


@dataclass(frozen=True)
class GroupScoring:
    """Scores groups of series."""

    model: "TrainedModel"
    table: "RunTable"
    plan: "BacktestPlan"
    wants_table: bool

    def __call__(self, asked: GroupToRead) -> "tuple[tuple[Notice, ...], GroupScores | None]":
        """The notices of reading a group, and its scores if it has a window to score."""
        import pyarrow as pa

        from seqcast.evaluation.backtest import backtest_group
        from seqcast.frames import backtest_frame

        source = self.table.read_group(asked.group, is_first=asked.is_first)
        done = backtest_group(self.model, source.panel, self.plan)
        if done is None:
            return source.notices, None
        table = None
        if self.wants_table:
            frame = backtest_frame(done.forecast, done.actuals, self.model.schema, self.plan.levels)
            table = pa.Table.from_pandas(frame, preserve_index=False)
        return source.notices, GroupScores(done.sums, table, done.notices)


def _scored_in_groups(
    reading: GroupedReading,
    groups: "tuple[SeriesGroup, ...]",
    scoring: GroupScoring,
    table: TableOutput | None,
    engine: Engine,
) -> "BacktestScores":
    from seqcast.evaluation.backtest import join_backtests, no_window

    plan, horizon = scoring.plan, scoring.model.horizon
    sums = []

    def scored() -> "Iterator[pa.Table]":
        for notices, done in engine.map(scoring, GroupToRead.of(groups), str):
            reading.tell_read(notices)
            if done is not None:
                reading.tell(done.notices)
                sums.append(done.sums)
                yield done.table
        if not sums:
            raise no_window(plan, horizon)
        reading.tell_rest()

    if table is None:
        for _ in scored():
            pass
    else:
        table.write_stream(reading.screen, scored(), [name for group in groups for name in group.names])
    return join_backtests(sums, plan, horizon)


def _run(screen: Screen, loaded: LoadedRun, plan: "BacktestPlan", engine: Engine) -> "Backtest":
    from seqcast.evaluation.backtest import BacktestHooks
    from seqcast.evaluation.backtest import backtest as run_backtest
    from seqcast.evaluation.refit import Refit
    from seqcast.training.loop import Hooks

    model, panel = loaded.model, loaded.source.panel
    with TrainingProgress(screen, validations=False) as progress:
        if plan.refit_every is None:
            return run_backtest(model, panel, plan, BacktestHooks(on_window=progress.show_windows), engine)
        with stop_signals() as stop_signal:

            def tell(refit: Refit) -> None:
                screen.say(f"training {refit.number} of {refit.total}, on data up to {refit.last_time}")

            def show_windows(done: int, total: int) -> None:
                number = stop_signal()
                if number is not None:
                    raise StoppedError(number, NOTHING_KEPT)
                progress.show_windows(done, total)

            hooks = Hooks(on_progress=progress.show, stop_signal=stop_signal)
            return run_backtest(model, panel, plan, BacktestHooks(tell, hooks, show_windows))


def _show(screen: Screen, done: "BacktestScores", plan: "BacktestPlan", *, by_series: bool) -> None:
    from seqcast.report.scores import score_view

    screen.say(f"{done.part} part, {done.scores.num_windows:,} windows, {done.stride} steps apart")
    if done.part == "validation" and plan.refit_every is None:
        screen.say("training chose its weights on this part; --test scores a part that it never saw (see --test-size)")
    screen.result(score_view(done.scores, done.comparisons, by_series=by_series))


def document(done: "BacktestScores", plan: "BacktestPlan") -> dict[str, object]:
    """The JSON document of a backtest."""
    from seqcast.config import SEASONAL_NAIVE

    return {
        "part": done.part,
        "stride": done.stride,
        "refit_every": plan.refit_every,
        "num_windows": done.scores.num_windows,
        "num_series": len(done.scores.series_ids),
        "horizon": len(done.scores.models[0].by_step.mae),
        "season": done.scores.season,
        "metrics": done.scores.as_dict(SEASONAL_NAIVE if plan.baselines else None),
        "comparisons": [comparison.as_dict() for comparison in done.comparisons],
    }
