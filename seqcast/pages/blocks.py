"""The content of a page: sections of charts, tables and text, before they become HTML."""

from dataclasses import dataclass
from typing import ClassVar

import plotly.graph_objects as go

from seqcast.report.text import SENTENCE_WIDTH, plain


@dataclass(frozen=True)
class Absent:
    """A part that a run does not have, and the reason in words."""

    reason: str


@dataclass(frozen=True, eq=False)
class Chart:
    """An interactive chart and the sentences below it."""

    kind: ClassVar = "chart"
    label: str
    """Its content in a few words, for those who do not see it."""
    figure: go.Figure
    caption: str = ""


@dataclass(frozen=True)
class Facts:
    """Labels and their values. Values may be data text."""

    kind: ClassVar = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; columns after the first `num_words` hold numbers. Cells may be data text."""

    kind: ClassVar = "table"
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    num_words: int = 1
    bars: tuple[float, ...] = ()
    """Length of the bar behind the second cell of each row, 0 to 1; empty without bars."""


@dataclass(frozen=True)
class Shares:
    """Parts of a whole as one bar with a legend."""

    kind: ClassVar = "shares"
    parts: tuple[tuple[str, float], ...]
    """Label and share of each part; shares have the sum 1."""
    caption: str = ""


@dataclass(frozen=True)
class Tiles:
    """The few numbers to look at first: number, label, and a remark below."""

    kind: ClassVar = "tiles"
    numbers: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Messages:
    """Warnings and remarks, a line each; True marks a warning."""

    kind: ClassVar = "messages"
    lines: tuple[tuple[bool, str], ...]


@dataclass(frozen=True)
class Notes:
    """What the numbers mean, a sentence each. They may quote data text."""

    kind: ClassVar = "notes"
    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Entry:
    """A series that can be picked: its name, its group in the list, its chart and facts about it."""

    name: str
    group: str
    figure: go.Figure
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Picker:
    """A chart of one series at a time, and a list to pick the series from."""

    kind: ClassVar = "picker"
    label: str
    entries: tuple[Entry, ...]
    caption: str = ""

    @property
    def groups(self) -> dict[str, list[tuple[int, str]]]:
        """Place and name of the entries of each group."""
        groups: dict[str, list[tuple[int, str]]] = {}
        for place, entry in enumerate(self.entries):
            groups.setdefault(entry.group, []).append((place, entry.name))
        return groups


Block = Chart | Facts | Table | Shares | Tiles | Messages | Notes | Picker


@dataclass(frozen=True, eq=False)
class Section:
    """A heading, a few sentences and what they introduce."""

    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True, eq=False)
class Page:
    """Everything on a page."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: str = ""


def missing(part: Absent) -> Messages:
    """The reason why a part is not there, as a remark."""
    reason = sentence(part.reason)
    return Messages(((False, reason[:1].upper() + reason[1:]),))


def sentence(text: str) -> str:
    """Text that may quote data, without control characters and of bounded length."""
    return plain(text, SENTENCE_WIDTH)
