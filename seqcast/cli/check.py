"""`seqcast check`: what a table holds, and what `train` would do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.config import Config

if TYPE_CHECKING:
    from seqcast.report.checks import CheckedTable
    from seqcast.run.source import Source


def check(
    data: opt.Data,
    *,
    target: opt.Target = None,
    time: opt.Time = None,
    id: opt.Id = None,  # noqa: A002  # the option is called --id
    freq: opt.Freq = None,
    known: opt.Known = None,
    past: opt.Past = None,
    static: opt.Static = None,
    static_file: opt.StaticFile = None,
    delimiter: opt.Delimiter = None,
    decimal: opt.Decimal = None,
    encoding: opt.Encoding = None,
    time_format: opt.TimeFormat = None,
    time_unit: opt.TimeUnit = None,
    na_value: opt.NaValue = None,
    timezone: opt.Timezone = None,
    horizon: Annotated[int | None, typer.Option(help="Steps that would be forecast.")] = None,
    context: Annotated[int | None, typer.Option(help="Past steps that would be read.")] = None,
    validation_size: opt.ValidationSize = None,
    test_size: opt.TestSize = None,
    json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Report column roles, frequency, gaps, lengths and seasons, and what `train` would do."""
    from seqcast.cli.train import given_sections
    from seqcast.reading.table import ReadOptions
    from seqcast.report.checks import check_document, check_view
    from seqcast.run.source import read_source

    given = {name: value for name, value in locals().items() if value is not None}
    reading = ReadOptions(delimiter, decimal, encoding, time_format, time_unit, tuple(na_value or ()), timezone)
    config = Config().override(**given_sections(given))
    source = read_source(data, config.data, reading, None if static_file is None else str(static_file))
    found = examine(source, config)
    screen = Screen()
    if json:
        screen.document(check_document(found))
    else:
        screen.notices(found.notices)
        screen.result(check_view(found))


def examine(source: Source, config: Config) -> CheckedTable:
    """What the table holds and what training would do, without training."""
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
