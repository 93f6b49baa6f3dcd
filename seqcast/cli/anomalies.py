"""`seqcast anomalies`: observations that the forecasts made before them did not expect."""

from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.loaded_run import LoadedRun, find_run_and_table
from seqcast.cli.panel_places import parse_moment
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.cli.table_output import TableOutput
from seqcast.config import Format
from seqcast.errors import UsageError

if TYPE_CHECKING:
    from seqcast.evaluation.anomalies import AnomalySearch
    from seqcast.training.plan import Split

MOST_EVENTS = 1000
"""Strongest events in a JSON document; the table has all of them."""


@with_settings(*TABLE_PANELS, omit=PLANNED)
def anomalies(
    data: opt.OwnData = None,
    *,
    settings: Settings,
    run: opt.RunPath = None,
    level: Annotated[
        float, typer.Option(help="Level of the interval, in percent, that anomalies are outside of.")
    ] = 99,
    horizon: Annotated[
        int | None,
        typer.Option(help="Most steps between forecast and observation; --stride or as trained if not given."),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Steps between forecasts; the horizon if not given, so the newest one judges.")
    ] = None,
    join: Annotated[
        int | None, typer.Option(help="Most steps between anomalies of one event; a quarter of a season if not given.")
    ] = None,
    clip: Annotated[
        bool, typer.Option(help="Let later forecasts see an anomaly as the nearer bound of its interval.")
    ] = True,
    context: opt.UsedContext = None,
    device: opt.DeviceName = "auto",
    output: opt.OutputFile = None,
    format: Annotated[  # noqa: A002  # the option is called --format
        Format | None, opt.OutputOption(help="Format of the table; from the file's name if not given.")
    ] = None,
    excel_safe: opt.ExcelSafe = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Find observations that were not expected.

    They lie outside of the interval of the forecast made before them. Each has a score, the lags that the forecast
    attended, and the event that it belongs to.
    """
    wanted = output is not None or format is not None
    if json and wanted:
        raise UsageError("--json prints a document, --output and --format write a table.", hint="Give one of them.")
    screen = Screen(quiet=quiet)
    table = TableOutput.from_options(output, format, excel_safe=excel_safe)
    found = find_run_and_table(run, data, settings)
    from seqcast.evaluation.anomalies import AnomalyPlan, find_anomalies
    from seqcast.frames import anomaly_frame
    from seqcast.report.anomalies import anomaly_view

    plan = AnomalyPlan(level, horizon, stride, join, clip)
    loaded = found.open(screen, device, context).read(screen)
    search = find_anomalies(loaded.model, loaded.source.panel, plan, split_of(loaded))
    screen.notices(search.notices)
    if json:
        screen.document(document(search))
    elif wanted:
        table.write(screen, anomaly_frame(search.anomalies, loaded.model.schema))
    else:
        screen.result(anomaly_view(search))


def split_of(loaded: LoadedRun) -> "Split | None":
    """The rows that training knew; None where the table is the one that it read, which is split as it was then."""
    from seqcast.evaluation.anomalies import split_at

    if loaded.source.fingerprint == loaded.record.data.fingerprint:
        return None
    panel = loaded.source.panel
    return split_at(loaded.model, panel, parse_moment(panel, loaded.record.data.last_time))


def document(search: "AnomalySearch") -> dict[str, object]:
    """The JSON document of a search."""
    from seqcast.report.anomalies import strongest_events

    found = search.anomalies
    (first, last), peaks = found.event_bounds, found.peaks
    events = []
    for event in strongest_events(search, MOST_EVENTS):
        peak = int(peaks[event])
        attended = [] if found.lags is None else zip(found.lags.lags[peak], found.lags.weights[peak], strict=True)
        events.append(
            {
                "series": found.series_ids[peak],
                "start": found.frequency.iso(found.times[first[event]]),
                "end": found.frequency.iso(found.times[last[event]]),
                "num_observations": int(last[event] - first[event]) + 1,
                "score": float(found.scores[peak]),
                "peak": found.frequency.iso(found.times[peak]),
                "observed": float(found.values[peak]),
                "expected": float(found.point[peak]),
                "low": float(found.low[peak]),
                "high": float(found.high[peak]),
                "part": str(found.parts[peak]),
                "lags": [{"lag": int(lag), "weight": float(weight)} for lag, weight in attended],
            }
        )
    return {
        "level": found.level,
        "horizon": search.horizon,
        "stride": search.stride,
        "join": search.largest_gap,
        "num_judged": search.num_judged,
        "num_anomalies": len(found),
        "num_events": found.num_events,
        "events": events,
    }
