"""`seqcast inspect`: show which lags the forecasts attended to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.engine_choice import EngineChoice
from seqcast.cli.grouped_reading import GroupedReading, GroupToRead
from seqcast.cli.loaded_run import LoadedRun, OpenedRun, find_run_and_table, load_run
from seqcast.cli.panel_places import one_series, parse_moment, require_series
from seqcast.cli.plot_output import plot_format, write_attention_plot
from seqcast.cli.settings import PLANNED, TABLE_PANELS, Settings, with_settings
from seqcast.cli.signals import told_stops
from seqcast.cli.table_output import TableOutput
from seqcast.engines.engine import Engine
from seqcast.errors import NOTHING_KEPT, DataError, UsageError

Report = partial(typer.Option, rich_help_panel="Report")

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seqcast.attention.grouped_inspection import GroupSums
    from seqcast.attention.inspection import Inspection, Question
    from seqcast.panel.notices import Notice
    from seqcast.panel.panel import Panel
    from seqcast.reading.series_groups import SeriesGroup
    from seqcast.results.forecast import AttentionMap
    from seqcast.run.load import TrainedModel
    from seqcast.run.run_table import RunTable


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
    engine: opt.EngineName = "single",
    address: opt.Address = None,
    workers: opt.Workers = None,
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
        told = "prints the report, --output and the other formats write the attention table."
        raise UsageError(f"{'--json' if json else '--format table'} {told}", hint="Give one of them.")
    if wanted:
        refuse_questions((verify, explain, suggest, compare, align, plot, by == "error"))
    if plot is not None:
        plot_format(plot)
    choice = EngineChoice.from_options(engine, address, workers)
    screen = Screen(quiet=quiet)
    table = TableOutput.from_options(output, None if format == "table" else format)
    found_run = find_run_and_table(run, data, settings)
    with told_stops(NOTHING_KEPT), choice.starting(device, "seqcast.attention.grouped_inspection") as starting:
        from seqcast.attention.inspection import Question

        opened = found_run.open(screen, device, context)
        used = opened.model if part is None or part == "both" else opened.model.part(part)
        apart = part == "both" or (json and len(opened.model.parts) > 1)
        other_run = "" if compare is None else str(compare)
        question = Question(windows, None, relative, by, top, verify, suggest, None, other_run, apart, align, explain)
        asked = Asked(used, question, series, origin)
        started = starting.engine(screen, opened.device)
        if wanted:
            write_attention_table(screen, opened, asked, table, started)
            return
        found, source_name, is_single = answer(screen, opened, asked, settings, device, started)
    screen.notices(found.notices)
    if plot is not None:
        write_attention_plot(screen, plot, source_name, opened.model, found)
    if json:
        picture = {"heatmap": found.report.heatmap_dict()} if heatmap else {}
        screen.document({**found.as_dict(top), **picture})
        return
    screen.result(inspection_view(found, opened.model, top, single=is_single))
    if heatmap:
        from seqcast.report.heatmap import Heatmap

        screen.result("")
        screen.result(Heatmap(found.report))


@dataclass(frozen=True)
class Asked:
    """What is asked about a table."""

    model: TrainedModel
    """The model whose attention is looked at: that of the run or a part of it."""
    question: Question
    series: str | None
    origin: str | None

    def question_about(self, panel: Panel) -> Question:
        """The question, with the origin as a time of the panel."""
        return self.question if self.origin is None else replace(self.question, origin=parse_moment(panel, self.origin))


def answer(
    screen: Screen, opened: OpenedRun, asked: Asked, settings: Settings, device: str, engine: Engine
) -> tuple[Inspection, str, bool]:
    """The answers, the name of the table, and whether they are about a single series.

    A table in groups is read group by group where the question allows it, and only the series that is asked for.
    """
    from seqcast.attention.grouped_inspection import GroupedInspection
    from seqcast.attention.inspection import inspect as ask
    from seqcast.reading.series_groups import chosen_series

    reading = GroupedReading(screen, opened.table, opened.notices)
    groups = reading.groups("" if asked.series is not None else needs_whole(asked.question))
    if len(groups) < 2 or asked.series is not None:
        loaded = read_for(reading, opened, groups, asked.series)
        panel = loaded.source.panel
        question = asked.question_about(panel)
        if question.other_run:
            other = open_other(screen, Path(question.other_run), loaded, settings, device)
            question = replace(question, other=other)
        return ask(asked.model, panel, question, engine), loaded.source.table.name, panel.num_series == 1
    grouped = GroupedInspection(asked.model, asked.question)
    for notices, sums in engine.map(GroupQuestion(asked, opened.table), GroupToRead.of(groups), str):
        reading.tell_read(notices)
        reading.tell(sums.notices)
        grouped.add(sums)
    reading.tell_rest()
    found = grouped.result(lambda numbers: reading.read_again(chosen_series(groups, numbers)))
    return found, opened.table.name, False


@dataclass(frozen=True)
class GroupQuestion:
    """A question about groups of series."""

    asked: Asked
    table: RunTable

    def __call__(self, group: GroupToRead) -> tuple[tuple[Notice, ...], GroupSums]:
        """The notices of reading a group, and its sums."""
        from seqcast.attention.grouped_inspection import GroupSums

        source = self.table.read_group(group.group, is_first=group.is_first)
        question = self.asked.question_about(source.panel)
        return source.notices, GroupSums.of(self.asked.model, source.panel, question)


def needs_whole(question: Question) -> str:
    """The reason why the questions need all series at once; empty where they do not."""
    from seqcast.attention.lag_report import GroupBy

    asked = {
        "--verify": question.verify,
        "--suggest": question.suggest,
        "--explain": question.explain,
        "--compare": question.other_run,
        "--align": question.align,
        f"--by {question.group_by}": question.group_by == "error" or question.group_by not in get_args(GroupBy),
    }
    name = next((name for name, is_asked in asked.items() if is_asked), None)
    return "" if name is None else f"{name} looks at all series at once"


def read_for(
    reading: GroupedReading, opened: OpenedRun, groups: tuple[SeriesGroup, ...], series: str | None
) -> LoadedRun:
    """The run with its table, or with the one series that is asked for alone.

    Raises:
        DataError: There is no such series.
    """
    from seqcast.reading.series_groups import chosen_series

    if series is None:
        return opened.read(reading.screen)
    if len(groups) < 2:
        loaded = opened.read(reading.screen)
        return replace(loaded, source=replace(loaded.source, panel=one_series(loaded.source.panel, series)))
    names = [name for group in groups for name in group.names]
    require_series(names, series)
    source = reading.read_alone(chosen_series(groups, {names.index(series)}))
    return LoadedRun(opened.directory, opened.record, opened.model, source)


def write_attention_table(screen: Screen, opened: OpenedRun, asked: Asked, table: TableOutput, engine: Engine) -> None:
    """Write every weight, group by group where the table is read so."""
    from seqcast.forecasting import attention_maps, no_origin
    from seqcast.output import write_tables
    from seqcast.tables import attention_table

    reading, num_windows = GroupedReading(screen, opened.table, opened.notices), 0
    groups = reading.groups()

    def maps() -> Iterator[AttentionMap]:
        nonlocal num_windows
        if len(groups) < 2 or asked.series is not None:
            panel = read_for(reading, opened, groups, asked.series).source.panel
            question = asked.question_about(panel)
            found = attention_maps(asked.model, panel, question.num_windows, question.origin, engine)
            screen.notices(found.notices)
            num_windows = found.num_windows
            yield from found.maps
            return
        for notices, some, told in engine.map(GroupMaps(asked, opened.table), GroupToRead.of(groups), str):
            reading.tell_read(notices)
            reading.tell(told)
            for each in some:
                num_windows += len(each.series_ids)
                yield each
        if not num_windows:
            raise no_origin()
        reading.tell_rest()

    write_tables(map(attention_table, maps()), table.target, table.file_format)
    table.tell(screen, num_windows * opened.model.horizon * opened.model.context)


@dataclass(frozen=True)
class GroupMaps:
    """The attention of groups of series."""

    asked: Asked
    table: RunTable

    def __call__(self, group: GroupToRead) -> tuple[tuple[Notice, ...], list[AttentionMap], tuple[Notice, ...]]:
        """The notices of reading a group, its attention, and the notices about that."""
        from seqcast.forecasting import find_attention_maps

        source = self.table.read_group(group.group, is_first=group.is_first)
        question = self.asked.question_about(source.panel)
        found = find_attention_maps(self.asked.model, source.panel, question.num_windows, question.origin)
        return source.notices, [] if found is None else list(found.maps), () if found is None else found.notices


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
