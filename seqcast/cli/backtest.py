"""`seqcast backtest`: score rolling origins beside simple forecasts."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.loaded_run import LoadedRun, load_run
from seqcast.cli.progress import TrainingProgress
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.cli.signals import stop_signals
from seqcast.cli.table_output import TableOutput
from seqcast.errors import StoppedError, UsageError

if TYPE_CHECKING:
    from seqcast.evaluation.backtest import Backtest, BacktestPlan


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
    screen = Screen(quiet=quiet)
    from seqcast.evaluation.backtest import BacktestPlan
    from seqcast.output import backtest_frame

    table = TableOutput.from_options(output, None, excel_safe=excel_safe)
    loaded = load_run(screen, run, data, settings, device, context)
    if refit_every is not None and loaded.record.parent is not None:
        raise UsageError(
            f"{loaded.directory.path}: --refit-every trains from the start, and this run was trained with --from.",
            hint=f"Name the run that it goes on from with --run: {loaded.record.parent.path}",
        )
    part: Literal["validation", "test"] = "test" if test else "validation"
    plan = BacktestPlan(part, windows, stride, baselines, levels, statistical, refit_every)
    done = _run(screen, loaded, plan)
    screen.notices(done.notices)
    if output is not None:
        frame = backtest_frame(done.forecast, done.actuals, loaded.model.schema, levels, done.statistical)
        table.write(screen, frame)
    if json:
        screen.document(document(done, plan))
    elif output != "-":
        _show(screen, done, plan, by_series=by is not None)


def _run(screen: Screen, loaded: LoadedRun, plan: "BacktestPlan") -> "Backtest":
    from seqcast.evaluation.backtest import BacktestHooks
    from seqcast.evaluation.backtest import backtest as run_backtest
    from seqcast.evaluation.refit import Refit
    from seqcast.training.loop import Hooks

    model, panel = loaded.model, loaded.source.panel
    with TrainingProgress(screen, validations=False) as progress:
        if plan.refit_every is None:
            return run_backtest(model, panel, plan, BacktestHooks(on_window=progress.show_windows))
        with stop_signals() as stop_signal:

            def tell(refit: Refit) -> None:
                screen.say(f"training {refit.number} of {refit.total}, on data up to {refit.last_time}")

            def show_windows(done: int, total: int) -> None:
                number = stop_signal()
                if number is not None:
                    raise StoppedError(number, "A backtest keeps no state: start it again.")
                progress.show_windows(done, total)

            hooks = Hooks(on_progress=progress.show, stop_signal=stop_signal)
            return run_backtest(model, panel, plan, BacktestHooks(tell, hooks, show_windows))


def _show(screen: Screen, done: "Backtest", plan: "BacktestPlan", *, by_series: bool) -> None:
    from seqcast.report.scores import score_view

    screen.say(f"{done.part} part, {len(done.actuals):,} windows, {done.stride} steps apart")
    if done.part == "validation" and plan.refit_every is None:
        screen.say("training chose its weights on this part; --test scores a part that it never saw (see --test-size)")
    screen.result(score_view(done.scores, done.comparisons, by_series=by_series))


def document(done: "Backtest", plan: "BacktestPlan") -> dict[str, object]:
    """The JSON document of a backtest."""
    from seqcast.config import SEASONAL_NAIVE

    return {
        "part": done.part,
        "stride": done.stride,
        "refit_every": plan.refit_every,
        "num_windows": len(done.actuals),
        "num_series": len(done.scores.series_ids),
        "horizon": done.forecast.horizon,
        "season": done.scores.season,
        "metrics": done.scores.as_dict(SEASONAL_NAIVE if plan.baselines else None),
        "comparisons": [comparison.as_dict() for comparison in done.comparisons],
    }
