"""Notices of decisions and repairs: printed for a person and kept in the run.

The numbers and names of some notices add up, so that those about the parts of a table make one about the whole.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from seqcast.panel.arrays import IntArray
from seqcast.panel.wording import listed, quoted

_NUMBERS_AND_NAMES = re.compile(r"'[^']*'|[0-9][0-9,.:-]*|and|more|,| ")
"""Words of a notice that differ between parts of a table."""


@dataclass(frozen=True)
class Names:
    """Names in a notice, of which several parts of a table may have the same; the whole has those of all parts."""

    names: tuple[str, ...]
    most: int
    """Number of names that are shown; the others are only counted."""
    are_quoted: bool = True

    def __str__(self) -> str:
        shown = self.names[: self.most]
        return listed(map(quoted, shown) if self.are_quoted else shown, len(self.names) - len(shown))

    def joined(self, other: Self) -> Self:
        return replace(self, names=tuple(dict.fromkeys((*self.names, *other.names))))


@dataclass(frozen=True)
class SeriesNames:
    """Names of series in a notice, each in one part of a table; as they may be many, only the first are kept."""

    first: tuple[str, ...]
    most: int
    """Number of names that are shown."""
    total: int

    @classmethod
    def of(cls, series_ids: Sequence[str], chosen: IntArray, most: int) -> Self:
        """The names of the series with the chosen numbers."""
        return cls(tuple(series_ids[number] for number in chosen[:most]), most, len(chosen))

    def __str__(self) -> str:
        return listed(map(quoted, self.first), self.total - len(self.first))

    def joined(self, other: Self) -> Self:
        first = (*self.first, *other.first)[: self.most]
        return replace(self, first=first, total=self.total + other.total)


@dataclass(frozen=True)
class Example:
    """Words of a notice that tell of one case; the whole table has that of the first part."""

    text: str

    def __str__(self) -> str:
        return self.text

    def joined(self, _other: Self) -> Self:
        return self


@dataclass(frozen=True)
class Largest:
    """A number in a notice of which the whole table has the largest, in words."""

    number: int
    text: str

    def __str__(self) -> str:
        return self.text

    def joined(self, other: Self) -> Self:
        return max(self, other, key=lambda each: each.number)


Piece = str | int | Names | SeriesNames | Example | Largest
"""Words of a notice that all parts of a table share, a number that adds up over them, or what else differs in each."""


@dataclass(frozen=True)
class Notice:
    """One line about the data.

    A `decision` is something found without being told (printed plainly); a `repair` changed or skipped something
    (printed as `warning:`).
    """

    kind: Literal["decision", "repair"]
    text: str
    count: int = 1
    """Number of rows, values or series concerned. 0 in a part of a table without any, which has a share in totals."""
    pieces: tuple[Piece, ...] = field(default=(), compare=False, repr=False)
    """The text in pieces, where it adds up over the parts of a table; else empty."""
    advice: str = ""
    """What to do about it before a training; a finished run, which cannot follow it, is not told."""

    @classmethod
    def summable(cls, kind: Literal["decision", "repair"], count: int, *pieces: Piece) -> Self:
        """A notice that adds up with those of the other parts of the table."""
        text = "".join(f"{piece:,}" if isinstance(piece, int) else str(piece) for piece in pieces)
        return cls(kind, text, count, pieces)

    @property
    def advised_text(self) -> str:
        """The text, and the advice in parentheses."""
        return f"{self.text} ({self.advice})" if self.advice else self.text

    @property
    def line(self) -> str:
        """The notice as run.json keeps it."""
        return f"{self.kind}: {self.text}"

    @property
    def topic(self) -> object:
        """Equal for notices that differ in numbers and names alone."""
        if self.pieces:
            return self.kind, *(piece if isinstance(piece, str) else type(piece) for piece in self.pieces)
        return self.kind, _NUMBERS_AND_NAMES.sub("", self.text)

    def joined(self, other: "Notice") -> "Notice":
        """The notice about two parts of a table, from those about each; both have the same topic."""
        pieces = map(_joined, self.pieces, other.pieces)
        return Notice.summable(self.kind, self.count + other.count, *pieces)

    def about(self, part: str) -> "Notice":
        """The notice with the part of the data that it is about in front; it no longer adds up."""
        return Notice(self.kind, f"{part}: {self.text}", self.count)


def _joined(one: Piece, other: Piece) -> Piece:
    if isinstance(one, str):
        return one
    if isinstance(one, int):
        assert isinstance(other, int)
        return one + other
    return one.joined(other)  # type: ignore[arg-type]  # notices of one topic have the same kinds of pieces


@dataclass
class PartNotices:
    """The notices about the parts of a table, as notices about the whole table."""

    told: set[object] = field(default_factory=set)
    """The others, and their topics."""
    sum_of_topic: dict[object, Notice] = field(default_factory=dict)
    """Those that add up."""
    num_untold: int = 0

    def new(self, notices: Iterable[Notice]) -> list[Notice]:
        """Takes the notices about a part, and returns those that are to be told at once.

        These are the first of their topic that do not add up.
        """
        found: list[Notice] = []
        for notice in notices:
            topic = notice.topic
            if notice.pieces:
                self.sum_of_topic[topic] = _sum(self.sum_of_topic.get(topic), notice)
                continue
            if topic not in self.told:
                found.append(notice)
            elif notice not in self.told:
                self.num_untold += 1
            self.told |= {topic, notice}
        return found

    def sums(self) -> tuple[Notice, ...]:
        """Returns the notices that add up, about all parts that were taken."""
        return tuple(each for each in self.sum_of_topic.values() if each.count)


def untold(number: int) -> tuple[Notice, ...]:
    """Returns a notice of how many others were not told."""
    return (Notice("decision", f"{number:,} more notices like these are about other groups", number),) if number else ()


def _sum(before: Notice | None, notice: Notice) -> Notice:
    return notice if before is None else before.joined(notice)


def distinct_notices(shares: Sequence[Sequence[Notice]]) -> tuple[Notice, ...]:
    """Returns the notices about all shares of a table, each once.

    Those that add up are about the whole table. Another repair says of which share it is, unless all have the same.
    """
    shared = set(shares[0]).intersection(*shares[1:])
    found: dict[object, Notice] = {}
    for number, notices in enumerate(shares, start=1):
        for notice in notices:
            if notice.pieces:
                found[notice.topic] = _sum(found.get(notice.topic), notice)
            elif notice in shared or notice.kind == "decision":
                found[notice] = notice
            else:
                found[number, notice] = notice.about(f"in share {number} of {len(shares)}")
    return tuple(each for each in found.values() if each.count)
