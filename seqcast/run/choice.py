"""The run for a table when none is named: the newest that was trained on such columns."""

from __future__ import annotations

from dataclasses import dataclass

from seqcast.errors import DataError, RunError, UsageError
from seqcast.panel.wording import name_list
from seqcast.reading.files import TableFiles
from seqcast.reading.roles import has_columns
from seqcast.reading.rows_layout import time_headings
from seqcast.reading.source import Content
from seqcast.reading.tabular import column_names
from seqcast.run.directory import RunDirectory, list_runs, newest_finished_run, newest_run
from seqcast.run.headings import Given


@dataclass(frozen=True)
class RunChoice:
    """A run that was chosen, and why it is not another one."""

    directory: RunDirectory
    reason: str
    """Empty where it is the newest of all and no table was given."""


def newest_choice() -> RunChoice:
    """Return the newest finished run.

    Raises:
        RunError: There is no run.
    """
    chosen, newest = newest_finished_run(), newest_run()
    is_newest = chosen.path == newest.path
    return RunChoice(chosen, "" if is_newest else f"({newest.path} is newer, but has no finished model)")


def choose_run(table: Content | TableFiles, given: Given) -> RunChoice:
    """Return the newest finished run that was trained on columns which the table has.

    Where there is none it is the newest finished run, whose error says what the table lacks.

    Raises:
        RunError: There is no run.
    """
    usual = newest_choice()
    first, keys = (table, ()) if isinstance(table, Content) else (table.files[0].read(), table.keys)
    skipped = ""
    for directory in list_runs():
        try:
            lacking = _lacking_columns(directory, first, keys, given)
        except (RunError, UsageError, DataError):
            continue
        if not lacking:
            why = skipped and f"; {skipped}"
            return RunChoice(directory, f"(the newest that was trained on a table with these columns{why})")
        if not skipped:
            skipped = f"{directory.path} is newer, but was trained on {name_list(lacking, 3)}"
    return usual


def _lacking_columns(directory: RunDirectory, content: Content, keys: tuple[str, ...], given: Given) -> tuple[str, ...]:
    """Return the columns that the run needs and the table, with its keys, lacks; raises for a run of no use."""
    record = directory.read_record()
    if record.status != "finished":
        raise RunError(f"{directory.path}: its training has not finished.")
    wanted = given.columns(record, directory.read_config(record))
    options = given.options(record)
    there = (*column_names(content, options), *keys)
    if options.layout == "rows" and time_headings(there, options.time_format) is None:
        raise DataError(f"{content.name}: no columns are named by times.")
    return tuple(column for column in wanted if not has_columns(there, column))
