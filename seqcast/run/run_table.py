"""The table that a run is used on, before it is read: as a whole, or in groups of series."""

from dataclasses import dataclass, replace
from pathlib import Path

from seqcast.config import Config
from seqcast.reading.files import TableFiles, is_table, open_table
from seqcast.reading.series_groups import SeriesGroup, SeriesGroups, group_series
from seqcast.reading.tabular import TableSource
from seqcast.run.headings import Given
from seqcast.run.record import RunRecord
from seqcast.run.source import Source, read_run_source, require_steps_of


@dataclass(frozen=True)
class RunTable:
    """A table that is not read yet, and how it is read for a run."""

    record: RunRecord
    config: Config
    data: str | TableSource | None
    """None for the table that the run was trained on."""
    given: Given = Given()

    @property
    def static_path(self) -> str | None:
        return self.given.static_path or self.record.data.static_path

    def read(self) -> Source:
        """Read the whole table; raises as `read_run_source`."""
        return read_run_source(self.record, self.config, self.data, self.given)

    def groups(self) -> SeriesGroups:
        """Find groups of series that can be read one after the other; none where the table is a single file.

        Raises:
            DataError: A file is gone or damaged.
        """
        table = self.record.data.path if self.data is None else self.data
        if isinstance(table, str):
            if table == "-" or Path(table).is_file() or not is_table(table):
                return SeriesGroups()
            table = open_table(table)
        if not isinstance(table, TableFiles) or self.given.options(self.record).layout == "rows":
            return SeriesGroups()
        return group_series(table, self._id_columns(table.keys))

    def read_group(self, group: SeriesGroup, *, is_first: bool) -> Source:
        """Read a group with the frequency of the run, as a few series may look coarser than all of them.

        Raises:
            DataError: The table cannot be used, or its first group shows that it has another frequency.
        """
        roles = {"freq": self.record.frequency} | dict(self.given.roles)
        source = read_run_source(self.record, self.config, group, replace(self.given, roles=roles))
        if is_first:
            require_steps_of(self.record, source)
        return source

    def _id_columns(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        named = self.given.config(self.config).id
        if named is None:
            return ()
        return (named,) if "," not in named or named in keys else tuple(part.strip() for part in named.split(","))
