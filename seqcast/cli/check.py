"""`seqcast check`: describe a table and what `train` would do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.settings import Settings, with_settings
from seqcast.config import Config

if TYPE_CHECKING:
    from seqcast.report.checks import CheckedTable
    from seqcast.run.source import Source


@with_settings("Data", "Reading")
def check(data: opt.Data, *, settings: Settings, json: opt.Json = False, debug: opt.Debug = False) -> None:
    """Describe a table and what train would do with it."""
    from seqcast.report.checks import check_document, check_view
    from seqcast.run.source import read_source

    config = settings.override(Config())
    source = read_source(data, config.data, settings.reading, settings.static_file)
    found = examine(source, config)
    screen = Screen()
    if json:
        screen.document(check_document(found))
    else:
        screen.notices(found.notices)
        screen.result(check_view(found))


def examine(source: Source, config: Config) -> CheckedTable:
    """Find out what the table holds and what training would do, without training."""
    from seqcast.panel.seasonality import summarise
    from seqcast.report.checks import CheckedTable
    from seqcast.run.source import resolve_roles
    from seqcast.training.plan import make_plan

    panel = source.panel
    plan = make_plan(panel, resolve_roles(config, panel))
    frequency, notices = panel.frequency, (*source.notices, *plan.notices)
    return CheckedTable(
        source.table.name, panel.schema, frequency.alias, frequency.name, summarise(panel), notices, plan
    )
