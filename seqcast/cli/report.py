"""`seqcast report`: one HTML file about a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.loaded_run import LoadedRun, find_run_and_table
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.errors import RunError, UsageError

if TYPE_CHECKING:
    from seqcast.pages.blocks import Absent
    from seqcast.pages.findings import Findings
    from seqcast.training.counters import ValidationRecord


@with_settings(*TABLE_PANELS, omit=PLANNED)
def report(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN",
            readable=False,
            help="Run directory, or its name under runs/; the newest run if not given.",
        ),
    ] = None,
    *,
    settings: Settings,
    output: Annotated[Path, opt.OutputOption(help="The HTML file.")] = Path("report.html"),
    data: Annotated[str | None, typer.Option(help="Another table than that of the training.")] = None,
    future: Annotated[Path | None, typer.Option(help="Table with future values of the known covariates.")] = None,
    most_series: Annotated[
        int, typer.Option(help="Most series to show: the worst, the best and random ones where there are more.")
    ] = 30,
    explain: Annotated[bool, typer.Option(help="Show how much each input contributes.")] = True,
    device: opt.DeviceName = "auto",
    level: opt.Levels = opt.DEFAULT_LEVELS,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Write one HTML file that shows everything about a run.

    It holds what was trained on what, the validation curve, forecasts, attention, seasons, backtest, residuals,
    contributions and warnings. It loads nothing from the network.
    """
    from seqcast.extras import import_extra
    from seqcast.storage import output_file, require_place

    if most_series < 1:
        raise UsageError(f"--most-series {most_series}: at least one series must be shown.")
    levels = opt.parse_levels(level)
    for library in ("plotly", "jinja2"):
        import_extra(library, "report", "`seqcast report`")
    require_place(output)
    asked = find_run_and_table(run, data, settings)
    from seqcast.pages.findings import ReportedRun, Wishes, find
    from seqcast.pages.page import render, report_page

    screen = Screen(quiet=quiet)
    loaded = asked.open(screen, device).read(screen)
    future_table = None if future is None else loaded.source.read_future(str(future))
    shown = ReportedRun(
        str(loaded.directory.path),
        loaded.record,
        loaded.model,
        loaded.source.panel,
        read_history(loaded),
        loaded.source.notices,
    )
    found = find(shown, Wishes(levels, most_series, future_table, explain), screen.say)
    page = render(report_page(found))
    with output_file(output) as file:
        file.write(page)
    screen.say(f"{output}: {len(page) / 1e6:.1f} MB, {shown_text(found)}")


def read_history(loaded: LoadedRun) -> "tuple[ValidationRecord, ...] | Absent":
    """The validations of the training, or why they are not known."""
    from seqcast.pages.blocks import Absent
    from seqcast.run.record import METRICS_FILE
    from seqcast.training.counters import parse_metrics

    directory = loaded.directory
    try:
        return parse_metrics(directory.read_metrics(), str(directory.path / METRICS_FILE))
    except RunError as error:
        return Absent(str(error))


def shown_text(found: "Findings") -> str:
    """How many series the report shows."""
    total, shown = found.run.panel.num_series, len(found.chosen)
    if shown == total:
        return f"all {total:,} series" if total > 1 else "1 series"
    return f"{shown:,} of {total:,} series (worst, best and random ones; --most-series shows more)"
