"""`seqcast inspect`: which lags the forecasts looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.opened import open_run
from seqcast.errors import DataError, UsageError

if TYPE_CHECKING:
    from seqcast.data.frequency import TimeArray
    from seqcast.data.panel import Panel


def inspect(
    data: opt.OwnData = None,
    *,
    run: opt.RunPath = None,
    series: Annotated[str | None, typer.Option(help="Only this series.")] = None,
    origin: Annotated[str | None, typer.Option(help="Last observed time of the forecast to look at.")] = None,
    windows: Annotated[int | None, typer.Option(help="Newest origins per series, a horizon apart; default: 1.")] = None,
    relative: Annotated[Literal["target", "origin"], typer.Option(help="Count lags back from here.")] = "target",
    top: Annotated[int, typer.Option(help="Lags to show.")] = 10,
    by: Annotated[
        Literal["horizon", "hour", "weekday", "month", "series"], typer.Option(help="Group the forecast steps.")
    ] = "horizon",
    heatmap: Annotated[bool, typer.Option("--heatmap", help="Draw step x lag.")] = False,
    format: Annotated[Literal["table", "csv", "parquet", "json"] | None, typer.Option()] = None,  # noqa: A002  # the option is called --format
    output: Annotated[str | None, typer.Option(help="File for the attention table, or - for stdout.")] = None,
    device: opt.DeviceName = "auto",
    quiet: opt.Quiet = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON document.")] = False,
    debug: opt.Debug = False,
) -> None:
    """Show which lags the newest forecasts attended to, or write the whole attention table."""
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
    screen = Screen(quiet=quiet)
    from seqcast.attention_report import lag_report
    from seqcast.forecasting import attention_maps
    from seqcast.output import attention_table, output_format, write_tables
    from seqcast.report.heatmap import Heatmap
    from seqcast.report.lags import lag_report_view

    target = opt.destination(output)
    file_format = output_format(target, None if format == "table" else format)
    opened = open_run(screen, run, data, device)
    panel = opened.source.panel if series is None else one_series(opened.source.panel, series)
    moment = None if origin is None else parse_moment(panel, origin)
    found = attention_maps(opened.model, panel, 1 if windows is None else windows, moment)
    screen.notices(found.notices)
    if wanted:
        write_tables((attention_table(part) for part in found.maps), target, file_format)
        if target != "-":
            screen.say(f"{found.num_windows * opened.model.horizon * opened.model.context:,} rows written to {target}")
        return
    report = lag_report(found.maps, relative, by)
    if json:
        screen.document(report.as_dict(top))
        return
    decoding, two_way = opened.model.config.model.decoding, opened.model.config.model.bidirectional
    screen.result(lag_report_view(report, top, fed_back=decoding == "autoregressive", two_way=two_way))
    if heatmap:
        screen.result(Heatmap(report))


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
    """A time of the panel's axis, (1,); one with an offset becomes UTC.

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
        utc = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        like = "a whole number" if counts_steps else "a time like 2024-01-31 or 2024-01-31T13:00"
        raise UsageError(f"--origin {text!r} is not {like}.") from None
    exact = np.array([utc], dtype="datetime64[us]")
    found = exact.astype("datetime64[s]" if panel.starts.dtype == "datetime64[s]" else "datetime64[ns]")
    if found.astype(exact.dtype) != exact:
        raise UsageError(f"--origin {text!r} is far outside the times of this table.")
    return found
