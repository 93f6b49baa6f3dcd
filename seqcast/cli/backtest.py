"""`seqcast backtest`: score rolling origins beside the naive forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.opened import open_run
from seqcast.cli.written import refuse_unless_csv, write_output
from seqcast.errors import UsageError

if TYPE_CHECKING:
    from seqcast.evaluation.backtest import Backtest


def backtest(
    data: opt.OwnData = None,
    *,
    run: opt.RunPath = None,
    windows: Annotated[int | None, typer.Option(help="Newest origins per series; default: all of the part.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Score the test part instead of the validation part.")] = False,
    stride: Annotated[int | None, typer.Option(help="Steps between origins; default: the horizon.")] = None,
    baselines: Annotated[bool, typer.Option(help="Score the naive forecasts too.")] = True,
    level: opt.Levels = opt.DEFAULT_LEVELS,
    output: Annotated[str | None, typer.Option(help="File for every forecast with its truth, or - for stdout.")] = None,
    excel_safe: opt.ExcelSafe = False,
    device: opt.DeviceName = "auto",
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Forecast the past from rolling origins and score it."""
    if test and windows is not None:
        raise UsageError(
            "--windows rolls over validation windows, --test over the test part.", hint="Give one of them."
        )
    if json and output == "-":
        raise UsageError("--json and --output - both write to stdout.", hint="Give --output a file.")
    levels = opt.parse_levels(level)
    screen = Screen(quiet=quiet)
    from seqcast.evaluation.backtest import BacktestPlan
    from seqcast.evaluation.backtest import backtest as run_backtest
    from seqcast.output import backtest_frame, output_format
    from seqcast.report.scores import score_view

    target = opt.destination(output)
    file_format = output_format(target, None)
    refuse_unless_csv(file_format, excel_safe=excel_safe)
    opened = open_run(screen, run, data, device)
    plan = BacktestPlan("test" if test else "validation", windows, stride, baselines, levels)
    done = run_backtest(opened.model, opened.source.panel, plan)
    screen.notices(done.notices)
    if output is not None:
        frame = backtest_frame(done.forecast, done.actuals, opened.model.schema, levels)
        write_output(screen, frame, target, file_format, excel_safe=excel_safe)
    if json:
        screen.document(document(done))
    elif output != "-":
        screen.say(f"{done.part} part, {len(done.actuals):,} windows, {done.stride} steps apart")
        if done.part == "validation":
            screen.say(
                "training chose its weights on this part; --test scores a part that no choice has seen (--test-size)"
            )
        screen.result(score_view(done.scores))


def document(done: Backtest) -> dict[str, object]:
    """The JSON document of a backtest."""
    return {
        "part": done.part,
        "stride": done.stride,
        "num_windows": len(done.actuals),
        "horizon": done.forecast.horizon,
        "metrics": done.scores.as_dict(),
    }
