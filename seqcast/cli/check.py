"""`seqcast check`: describe a table, or all that is wrong with it, and what `train` would do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.diagnosis import Diagnosis, command_line, diagnose
from seqcast.cli.settings import Settings, with_settings
from seqcast.config import Config
from seqcast.errors import DataError, SeqcastError

if TYPE_CHECKING:
    from seqcast.panel.seasonality import PanelSummary
    from seqcast.run.source import Source
    from seqcast.training.plan import Plan


@with_settings("Data", "Reading")
def check(data: opt.Data, *, settings: Settings, json: opt.Json = False, debug: opt.Debug = False) -> None:
    """Describe a table and what train would do, or all its problems.

    The last line is the command that reads the table.
    """
    from seqcast.report.checks import CheckedTable, check_document, check_view

    diagnosis = diagnose_table(data, settings)
    screen = Screen()
    if diagnosis.problems:
        if len(diagnosis.problems) > 1:
            screen.problems(diagnosis.problems)
        raise diagnosis.error(data)
    assert diagnosis.result is not None
    found = CheckedTable(*diagnosis.result, command_line(data, settings))
    if json:
        screen.document(check_document(found))
    else:
        screen.notices(found.notices)
        screen.result(check_view(found))
        screen.line(f"\n{found.command}")


def diagnose_table(data: str, settings: Settings) -> Diagnosis[tuple[Source, PanelSummary, Plan]]:
    """Read a table and plan the training, whatever problems are on the way.

    A large table is read in groups of its series, and the training is planned on a sample of them.
    """
    from seqcast.panel.seasonality import summarise
    from seqcast.reading.files import TableFiles, open_table
    from seqcast.reading.problems import column_problems
    from seqcast.reading.series_groups import first_rows
    from seqcast.reading.tabular import read_table
    from seqcast.run.grouped_summary import GroupedSummary, TableReading, summarise_in_groups
    from seqcast.run.source import read_source, resolve_roles
    from seqcast.training.plan import make_plan

    settings.override(Config())  # what is wrong with an option alone is told before a long read
    content = open_table(data)

    def read(settings: Settings) -> tuple[Source, PanelSummary, Plan]:
        config = settings.override(Config())
        reading = TableReading(config, settings.reading, settings.static_file)
        found = summarise_in_groups(content, reading) if isinstance(content, TableFiles) else None
        if isinstance(found, GroupedSummary):
            source, summary = found.sample, found.summary
        else:
            source = read_source(content, config.data, settings.reading, settings.static_file)
            source = source if found is None else replace(source, notices=(found, *source.notices))
            summary = summarise(source.panel)
        return source, summary, make_plan(source.panel, resolve_roles(config, source.panel))

    def single(settings: Settings) -> list[DataError]:
        try:
            head = first_rows(content) if isinstance(content, TableFiles) else None
            return column_problems(read_table(head or content, settings.reading), settings.override(Config()).data)
        except SeqcastError:
            return []

    return diagnose(read, settings, single)
