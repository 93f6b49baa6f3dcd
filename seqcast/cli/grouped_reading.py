"""A table that a command reads in groups of series, whose notices are told once and not for each group."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.panel.notices import Notice

if TYPE_CHECKING:
    from seqcast.reading.series_groups import SeriesGroup
    from seqcast.run.run_table import RunTable
    from seqcast.run.source import Source

_NUMBERS_AND_NAMES = re.compile(r"'[^']*'|[0-9][0-9,.:-]*|and|more|,| ")
"""Words of a notice that differ from group to group."""


@dataclass
class GroupedReading:
    """The groups of a table, and what was told about them."""

    screen: Screen
    table: "RunTable"
    notices: tuple[Notice, ...] = ()
    """Those about the model, told with the first group."""
    told: set[str] = field(default_factory=set)
    num_untold: int = 0
    has_begun: bool = False

    def groups(self) -> "tuple[SeriesGroup, ...]":
        """The groups of series of the table, none where it is a single file or must be read as a whole."""
        found = self.table.groups()
        if found.obstacle:
            self._decide(f"{found.name} is read as a whole: {found.obstacle}")
        elif len(found.groups) > 1:
            self._decide(f"{found.name} is read in {len(found.groups):,} groups of series")
        return found.groups

    def read(self, group: "SeriesGroup") -> "Source":
        """Read a group and tell what is new about it."""
        source = self.table.read_group(group, is_first=not self.has_begun)
        if not self.has_begun:
            self.screen.notices(self.notices)
        self.has_begun = True
        kept = set(self.table.record.notices)
        self.tell(each for each in source.notices if each.kind == "repair" and each.line not in kept)
        return source

    def tell(self, notices: "Iterable[Notice]") -> None:
        """Print the first notice of each kind; others of it differ in their numbers and names."""
        for notice in notices:
            kind = _NUMBERS_AND_NAMES.sub("", notice.text)
            if kind in self.told:
                self.num_untold += 1
            else:
                self.screen.notices([notice])
                self.told.add(kind)

    def tell_rest(self) -> None:
        """Say how many notices were not printed."""
        if self.num_untold:
            self._decide(f"{self.num_untold:,} more notices like these are about other groups", self.num_untold)

    def _decide(self, text: str, count: int = 1) -> None:
        self.screen.notices([Notice("decision", text, count)])
