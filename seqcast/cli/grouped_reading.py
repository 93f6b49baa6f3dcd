"""A table that a command reads in groups of series, whose notices are told once and not for each group."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.panel.notices import Notice, PartNotices, untold

if TYPE_CHECKING:
    from seqcast.panel.panel import Panel
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
    """Those about the model and about which table it is, told with the first group."""
    read: PartNotices = field(default_factory=PartNotices)
    """Those about reading."""
    answered: PartNotices = field(default_factory=PartNotices)
    """Those about the answers."""
    num_groups: int = 0
    num_read: int = 0

    def groups(self, needs_whole: str = "") -> "tuple[SeriesGroup, ...]":
        """The groups of series of the table, none where it is a single file or must be read as a whole.

        `needs_whole` is the reason for which a question needs all series at once. Reasons are told about large tables.
        """
        found = self.table.groups(needs_whole)
        self.num_groups = len(found.groups)
        if found.groups:
            self.notices = (*self.table.whose_data(found.groups), *self.notices)
        if found.obstacle and found.is_large:
            self._decide(f"{found.name} is read as a whole: {found.obstacle}")
        elif len(found.groups) > 1:
            self._decide(f"{found.name} is read in {len(found.groups):,} groups of series")
        return found.groups

    def read_alone(self, group: "SeriesGroup") -> "Source":
        """Read the only group that is used, and tell what is new about it."""
        source = self.table.read_group(group, is_first=True)
        self.screen.notices([*self.notices, *filter(self._is_new, source.notices)])
        return source

    def read_again(self, group: "SeriesGroup") -> "Panel":
        """Read some series of groups that were told of already."""
        return self.table.read_group(group, is_first=False).panel

    def tell_read(self, notices: "Iterable[Notice]") -> None:
        """Take the notices of reading a group, and print those that are new and do not add up over all groups."""
        if not self.num_read:
            self.screen.notices(self.notices)
        self.num_read += 1
        self.screen.notices(self.read.new(each for each in notices if each.pieces or self._is_new(each)))

    def tell(self, notices: "Iterable[Notice]") -> None:
        """Take the notices about the answers for a group, and print those as `tell_read` does."""
        self.screen.notices(self.answered.new(notices))

    def tell_rest(self) -> None:
        """Print what adds up over the groups that were read, and how many notices were not printed."""
        sums = [*filter(self._is_new, self.read.sums()), *self.answered.sums()]
        if self.num_read < self.num_groups:
            sums = [each.about(f"in {self.num_read:,} of {self.num_groups:,} groups") for each in sums]
        num_untold = self.read.num_untold + self.answered.num_untold
        self.screen.notices([*sums, *untold(num_untold)])

    def _is_new(self, notice: Notice) -> bool:
        """Whether it is about a repair that training did not tell already."""
        return notice.kind == "repair" and notice.count > 0 and notice.line not in self.table.record.notices

    def _decide(self, text: str) -> None:
        self.screen.notices([Notice("decision", text)])
