"""A table that a command reads in groups of series, whose notices are told once and not for each group."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.panel.notices import FirstNotices, Notice

if TYPE_CHECKING:
    from seqcast.reading.series_groups import SeriesGroup
    from seqcast.run.run_table import RunTable
    from seqcast.run.source import Source


@dataclass(frozen=True)
class GroupToRead:
    """A group of series that a worker is to read."""

    group: "SeriesGroup"
    is_first: bool
    """Whether it is the first one, which tells what holds for all."""

    @classmethod
    def of(cls, groups: "Sequence[SeriesGroup]") -> "list[GroupToRead]":
        """The groups in their order."""
        return [cls(group, number == 0) for number, group in enumerate(groups)]

    def __str__(self) -> str:
        names = self.group.names
        return f"series {names[0]!r} to {names[-1]!r}"


@dataclass
class GroupedReading:
    """The groups of a table, and what was told about them."""

    screen: Screen
    table: "RunTable"
    notices: tuple[Notice, ...] = ()
    """Those about the model, told with the first group."""
    told: FirstNotices = field(default_factory=FirstNotices)
    has_begun: bool = False

    def groups(self, needs_whole: str = "") -> "tuple[SeriesGroup, ...]":
        """The groups of series of the table, none where it is a single file or must be read as a whole.

        `needs_whole` is the reason for which a question needs all series at once. Reasons are told about large tables.
        """
        found = self.table.groups(needs_whole)
        if found.obstacle and found.is_large:
            self._decide(f"{found.name} is read as a whole: {found.obstacle}")
        elif len(found.groups) > 1:
            self._decide(f"{found.name} is read in {len(found.groups):,} groups of series")
        return found.groups

    def read(self, group: "SeriesGroup") -> "Source":
        """Read a group and tell what is new about it."""
        source = self.table.read_group(group, is_first=not self.has_begun)
        self.tell_read(source.notices)
        return source

    def tell_read(self, notices: "Iterable[Notice]") -> None:
        """Print those notices of reading a group that are new."""
        if not self.has_begun:
            self.screen.notices(self.notices)
        self.has_begun = True
        kept = set(self.table.record.notices)
        self.tell(each for each in notices if each.kind == "repair" and each.line not in kept)

    def tell(self, notices: "Iterable[Notice]") -> None:
        """Print the notices of a group that are the first of their kind."""
        self.screen.notices(self.told.new(notices))

    def tell_rest(self) -> None:
        """Say how many notices were not printed."""
        self.screen.notices(self.told.rest())

    def _decide(self, text: str) -> None:
        self.screen.notices([Notice("decision", text)])
