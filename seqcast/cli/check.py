"""`seqcast check`: describe a table and what `train` would do with it."""

from seqcast.cli import options as opt
from seqcast.cli.console import Screen
from seqcast.cli.settings import Settings, with_settings
from seqcast.config import Config


@with_settings("Data", "Reading")
def check(data: opt.Data, *, settings: Settings, json: opt.Json = False, debug: opt.Debug = False) -> None:
    """Describe a table and what train would do with it."""
    from seqcast.panel.seasonality import summarise
    from seqcast.report.checks import CheckedTable, check_document, check_view
    from seqcast.run.source import read_source, resolve_roles
    from seqcast.training.plan import make_plan

    config = settings.override(Config())
    source = read_source(data, config.data, settings.reading, settings.static_file)
    plan = make_plan(source.panel, resolve_roles(config, source.panel))
    found = CheckedTable(source, summarise(source.panel), plan)
    screen = Screen()
    if json:
        screen.document(check_document(found))
    else:
        screen.notices(found.notices)
        screen.result(check_view(found))
