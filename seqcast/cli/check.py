"""`seqcast check`: describe a table, or all that is wrong with it, and what `train` would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.diagnosis import Diagnosis, command_line, diagnose
from seqcast.cli.settings import Settings, with_settings
from seqcast.config import Config
from seqcast.errors import DataError, SeqcastError

if TYPE_CHECKING:
    from seqcast.run.source import Source
    from seqcast.training.plan import Plan


@with_settings("Data", "Reading")
def check(data: opt.Data, *, settings: Settings, json: opt.Json = False, debug: opt.Debug = False) -> None:
    """Describe a table and what train would do, or all its problems.

    The last line is the command that reads the table.
    """
    from seqcast.panel.seasonality import summarise
    from seqcast.report.checks import CheckedTable, check_document, check_view

    diagnosis = diagnose_table(data, settings)
    screen = Screen()
    if diagnosis.problems:
        if len(diagnosis.problems) > 1:
            screen.problems(diagnosis.problems)
        raise diagnosis.error(data)
    assert diagnosis.result is not None
    source, plan = diagnosis.result
    found = CheckedTable(source, summarise(source.panel), plan, command_line(data, settings))
    if json:
        screen.document(check_document(found))
    else:
        screen.notices(found.notices)
        screen.result(check_view(found))
        screen.line(f"\n{found.command}")


def diagnose_table(data: str, settings: Settings) -> Diagnosis[tuple[Source, Plan]]:
    """Read a table and plan the training, whatever problems are on the way."""
    from seqcast.reading.files import open_table
    from seqcast.reading.problems import column_problems
    from seqcast.reading.tabular import read_table
    from seqcast.run.source import read_source, resolve_roles
    from seqcast.training.plan import make_plan

    content = open_table(data)

    def read(settings: Settings) -> tuple[Source, Plan]:
        config = settings.override(Config())
        source = read_source(content, config.data, settings.reading, settings.static_file)
        return source, make_plan(source.panel, resolve_roles(config, source.panel))

    def single(settings: Settings) -> list[DataError]:
        try:
            return column_problems(read_table(content, settings.reading), settings.override(Config()).data)
        except SeqcastError:
            return []

    return diagnose(read, settings, single)
