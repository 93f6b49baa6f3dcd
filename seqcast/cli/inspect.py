"""`seqcast inspect`: show which lags the forecasts attended to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.loaded_run import LoadedRun, load_run
from seqcast.cli.plot_output import plot_format, write_attention_plot
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.cli.table_output import TableOutput
from seqcast.errors import DataError, UsageError

Report = partial(typer.Option, rich_help_panel="Report")

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcast.attention.inspection import Inspection
    from seqcast.panel.frequency import TimeArray
    from seqcast.panel.panel import Panel
    from seqcast.run.load import TrainedModel


@with_settings(*TABLE_PANELS, omit=PLANNED)
def inspect(
    data: opt.OwnData = None,
    *,
    settings: Settings,
    run: opt.RunPath = None,
    series: Annotated[str | None, typer.Option(help="Id of the only series to look at.")] = None,
    origin: Annotated[str | None, typer.Option(help="Last observed time of the forecast to look at.")] = None,
    windows: Annotated[
        int | None, typer.Option(help="Newest origins of each series, a horizon apart; 1 if not given.")
    ] = None,
    context: opt.UsedContext = None,
    device: opt.DeviceName = "auto",
    relative: Annotated[
        Literal["target", "origin"], Report(help="Count lags back from the forecast step or from the origin.")
    ] = "target",
    top: Annotated[int, Report(help="Number of lags to show.")] = 10,
    by: Annotated[
        str,
        Report(help="Group by horizon, hour, weekday, month, series or a covariate, or past origins by error."),
    ] = "horizon",
    align: Annotated[
        str | None, Report(help="Count back to the occurrences of this covariate instead of steps.")
    ] = None,
    part: Annotated[
        Literal["network", "start", "both"] | None,
        Report(help="Look at the trained networks or at the linear start alone, or show both apart."),
    ] = None,
    heatmap: Annotated[bool, Report("--heatmap", help="Draw the attention of each step to each lag.")] = False,
    plot: Annotated[
        Path | None, Report(readable=False, help="Draw the attention to a file, .png, .svg or .html, too.")
    ] = None,
    verify: Annotated[bool, Report("--verify", help="Test whether the attended lags matter.")] = False,
    explain: Annotated[
        bool, Report("--explain", help="Show how much each covariate, the calendar, the level and the lags contribute.")
    ] = False,
    suggest: Annotated[bool, Report("--suggest", help="Test whether a shorter context would do.")] = False,
    compare: Annotated[
        Path | None, Report(readable=False, help="Another run, to compare its lags on the same table.")
    ] = None,
    format: Annotated[  # noqa: A002  # the option is called --format
        Literal["table", "csv", "parquet", "json"] | None,
        opt.OutputOption(help="table prints the report, the others write the attention table."),
    ] = None,
    output: opt.OutputFile = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Show which lags the newest forecasts attended to.

    With --output or a --format other than table, write the whole attention table instead.
    """
    if top < 1:
        raise UsageError(f"--top {top}: at least one lag must be shown.")
    if origin is not None and windows is not None:
        raise UsageError("--origin names one origin, --windows counts several.", hint="Give one of them.")
    wanted = output is not None or format not in (None, "table")
    if wanted and (json or format == "table"):
        report_option = "--json" if json else "--format table"
        raise UsageError(
            f"{report_option} prints the report, --output and the other formats write the attention table.",
            hint="Give one of them.",
        )
    if wanted:
        refuse_questions((verify, explain, suggest, compare, align, plot, by == "error"))
    if plot is not None:
        plot_format(plot)
    screen = Screen(quiet=quiet)
    from seqcast.attention.inspection import Question
    from seqcast.attention.inspection import inspect as ask
    from seqcast.forecasting import attention_maps
    from seqcast.output import attention_table, write_tables
    from seqcast.report.heatmap import Heatmap

    table = TableOutput.from_options(output, None if format == "table" else format)
    loaded = load_run(screen, run, data, settings, device, context)
    panel = loaded.source.panel if series is None else one_series(loaded.source.panel, series)
    moment = None if origin is None else parse_moment(panel, origin)
    model = loaded.model if part is None or part == "both" else loaded.model.part(part)
    if wanted:
        written = attention_maps(model, panel, 1 if windows is None else windows, moment)
        screen.notices(written.notices)
        write_tables(map(attention_table, written.maps), table.target, table.file_format)
        table.tell(screen, written.num_windows * loaded.model.horizon * loaded.model.context)
        return
    other = None if compare is None else open_other(screen, compare, loaded, settings, device)
    apart = part == "both" or (json and len(model.parts) > 1)
    question = Question(windows, moment, relative, by, top, verify, suggest, other, str(compare), apart, align, explain)
    found = ask(model, panel, question)
    screen.notices(found.notices)
    if plot is not None:
        write_attention_plot(screen, plot, loaded, found)
    if json:
        picture = {"heatmap": found.report.heatmap_dict()} if heatmap else {}
        screen.document({**found.as_dict(top), **picture})
        return
    screen.result(inspection_view(found, loaded.model, top, single=panel.num_series == 1))
    if heatmap:
        screen.result("")
        screen.result(Heatmap(found.report))


def refuse_questions(of_report: Sequence[object]) -> None:
    """Refuse what the report alone answers where the attention table is written.

    Raises:
        UsageError: One of them is given: it is neither None nor False.
    """
    if any(each not in (None, False) for each in of_report):
        raise UsageError(
            "--verify, --explain, --suggest, --compare, --align, --plot and --by error belong to the report, not to the"
            " attention table."
        )


def inspection_view(found: Inspection, trained: TrainedModel, top: int, *, single: bool) -> RenderableType:
    """Everything that was asked, as text; the attention-implied forecast only for a single series."""
    from rich.console import Group

    from seqcast.attention.comparison import compare_parts
    from seqcast.report import inspection as views
    from seqcast.report.contributions import contribution_view
    from seqcast.report.lags import LagSource, lag_report_view, occurrence_table, part_table

    model = trained.config.model
    parts = [views.season_view(found.seasons)]
    if found.occurrences is not None:
        parts.insert(0, occurrence_table(found.occurrences))
    if found.parts is not None:
        parts.insert(0, part_table(compare_parts(found.parts, top)))
    if found.errors is not None:
        parts.insert(0, views.error_view(found.report, found.errors, top))
    if found.contributions is not None:
        parts.append(contribution_view(found.contributions))
    if found.faithfulness is not None:
        parts.append(views.faithfulness_view(found.faithfulness))
    if single:
        parts.append(views.implied_view(found.implied))
    if found.comparison is not None:
        parts.append(views.comparison_view(found.comparison))
    if found.context is not None:
        parts.append(views.context_view(found.context))
    spaced = [piece for part in parts for piece in ("", part)]
    source = LagSource(found.lags_of, found.linear_share, model.decoding == "autoregressive", model.bidirectional)
    shown = lag_report_view(found.report, top, source=source, content=found.content)
    return Group(shown, *spaced)


def open_other(screen: Screen, run: Path, loaded: LoadedRun, settings: Settings, device: str) -> TrainedModel:
    """The model of another run that reads the same table.

    Raises:
        UsageError: That run cannot forecast the table.
        RunError: There is no such run, or it cannot be used.
    """
    table = loaded.source.table.name
    try:
        return load_run(screen, run, table, settings, device).model
    except (DataError, UsageError) as error:
        told = f"--compare {run}: that run cannot forecast {table}: {error}"
        raise UsageError(told, hint="Compare runs of one table.") from None


def one_series(panel: Panel, name: str) -> Panel:
    """The panel of one series.

    Raises:
        DataError: There is no such series.
    """
    import difflib

    import numpy as np

    if name not in panel.series_ids:
        close = difflib.get_close_matches(name, panel.series_ids[:10_000], n=3)
        hint = f"Did you mean {', '.join(map(repr, close))}?" if close else f"The first is {panel.series_ids[0]!r}."
        raise DataError(f"there is no series {name!r} among {panel.num_series:,}.", hint=hint)
    return panel.take_series(np.array([panel.series_ids.index(name)]))


def parse_moment(panel: Panel, text: str) -> TimeArray:
    """A time of the panel's axis, (1,); one without an offset is what the clock of the data shows.

    Raises:
        UsageError: The text is no time, or no number where the axis counts steps.
    """
    from datetime import UTC, datetime

    import numpy as np

    counts_steps = panel.frequency.unit == "integer"
    try:
        if counts_steps:
            return np.array([int(text)], dtype=np.int64)
        moment = datetime.fromisoformat(text)
        bare = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        like = "a whole number" if counts_steps else "a time like 2024-01-31 or 2024-01-31T13:00"
        raise UsageError(f"--origin {text!r} is not {like}.") from None
    time = np.array([bare], dtype="datetime64[us]")
    clock = panel.frequency.clock
    if clock is None:
        return time
    return clock.from_wall(time) if moment.tzinfo is None else clock.from_utc(time, panel.starts[:1])
