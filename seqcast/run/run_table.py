"""The table that a run is used on, before it is read: as a whole, or in groups of series."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqcast.config import Config
from seqcast.panel.notices import Notice
from seqcast.reading.files import TableFiles, is_large_parquet, is_table, open_table
from seqcast.reading.series_groups import SeriesGroup, SeriesGroups, group_series, id_columns, ungrouped
from seqcast.reading.source import Content
from seqcast.run.headings import Given
from seqcast.run.record import RunRecord
from seqcast.run.source import TRAIN_ANOTHER, Source, frequency_of, read_run_source, require_steps_of, whose_data


@dataclass(frozen=True)
class RunTable:
    """A table that is not read yet, and how it is read for a run."""

    record: RunRecord
    config: Config
    data: str | Content | TableFiles | None
    """None for the table that the run was trained on."""
    given: Given = Given()

    @property
    def name(self) -> str:
        """Path or pattern of the table."""
        table = self.record.data.path if self.data is None else self.data
        return table if isinstance(table, str) else table.name

    @property
    def static_path(self) -> str | None:
        return self.given.static_path or self.record.data.static_path

    def read(self) -> Source:
        """Read the whole table; raises as `read_run_source`."""
        return read_run_source(self.record, self.config, self.data, self.given)

    def groups(self, needs_whole: str = "") -> SeriesGroups:
        """Find groups of series that can be read one after the other; none where the table is a single file.

        There are none either where `needs_whole` is the reason for which a question needs all series at once.

        Raises:
            DataError: A file is gone or damaged.
        """
        table = self.record.data.path if self.data is None else self.data
        if isinstance(table, str):
            if not is_table(table) or (Path(table).is_file() and not is_large_parquet(table)):
                return SeriesGroups()
            table = open_table(table)
        if not isinstance(table, TableFiles) or self.given.options(self.record).layout == "rows":
            return SeriesGroups()
        if needs_whole:
            return ungrouped(table, needs_whole)
        return group_series(table, id_columns(self.given.config(self.config).id, table.keys))

    def whose_data(self, groups: Sequence[SeriesGroup]) -> tuple[Notice, ...]:
        """Say of a table in groups whether the run was trained on it."""
        return whose_data(self.record, self.name, groups[0].fingerprint, is_own=self.data is None)

    def read_group(self, group: SeriesGroup, *, is_first: bool) -> Source:
        """Read a group with the frequency of the run, as a few series may look coarser than all of them.

        Raises:
            DataError: The table cannot be used, or has another frequency.
        """
        roles = {"freq": self.record.frequency} | dict(self.given.roles)
        found = None if self.given.roles.get("freq") else self.record.frequency
        with frequency_of("the run", found, TRAIN_ANOTHER):
            source = read_run_source(self.record, self.config, group, replace(self.given, roles=roles))
        if is_first:
            require_steps_of(self.record, source)
        return source
