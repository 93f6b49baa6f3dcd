"""Notices of decisions and repairs: printed for a person and kept in the run."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

_NUMBERS_AND_NAMES = re.compile(r"'[^']*'|[0-9][0-9,.:-]*|and|more|,| ")
"""Words of a notice that differ between parts of a table."""


@dataclass(frozen=True)
class Notice:
    """One line about the data.

    A `decision` is something found without being told (printed plainly); a `repair` changed or skipped something
    (printed as `warning:`).
    """

    kind: Literal["decision", "repair"]
    text: str
    count: int = 1
    """Number of rows, values or series concerned."""

    @property
    def line(self) -> str:
        """The notice as run.json keeps it."""
        return f"{self.kind}: {self.text}"


@dataclass
class FirstNotices:
    """The notices about the parts of a table, of which those that differ in numbers and names alone are told once."""

    told: set[str] = field(default_factory=set)
    num_untold: int = 0

    def new(self, notices: Iterable[Notice]) -> list[Notice]:
        """Returns the notices that are the first of their kind."""
        found = []
        for notice in notices:
            kind = _NUMBERS_AND_NAMES.sub("", notice.text)
            if kind in self.told:
                self.num_untold += 1
            else:
                self.told.add(kind)
                found.append(notice)
        return found

    def rest(self) -> tuple[Notice, ...]:
        """Returns a notice of how many others there were."""
        if not self.num_untold:
            return ()
        text = f"{self.num_untold:,} more notices like these are about other groups"
        return (Notice("decision", text, self.num_untold),)


def distinct_notices(shares: Sequence[Sequence[Notice]]) -> tuple[Notice, ...]:
    """Returns the notices about all shares of a table, each once.

    A repair says of which share its numbers are, unless all have the same.
    """
    shared = set(shares[0]).intersection(*shares[1:])
    found = [
        notice
        if notice in shared or notice.kind == "decision"
        else replace(notice, text=f"in share {number} of {len(shares)}: {notice.text}")
        for number, notices in enumerate(shares, start=1)
        for notice in notices
    ]
    return tuple(dict.fromkeys(found))
