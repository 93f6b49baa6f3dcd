"""Plain facts as tables: label and value, or a list with columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.panel.notices import Notice
from seqcast.report.text import SENTENCE_WIDTH, plain, safe_text


def title_text(title: str) -> Text:
    """A heading; parts that come from data must have been through `plain`."""
    return Text(title, style="bold")


def key_value_table(title: str, rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Facts one under the other; values are data text and are shown as such."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(safe_text(label), safe_text(value, SENTENCE_WIDTH))
    return Group(title_text(plain(title)), table)


def list_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = ()
) -> RenderableType:
    """Rows of data text under headings; the `numeric` columns stand on the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        if column in numeric:
            table.add_column(safe_text(column), justify="right", no_wrap=True)
        else:
            table.add_column(safe_text(column), overflow="fold")
    for row in rows:
        table.add_row(*(safe_text(value) for value in row))
    return Group(title_text(plain(title)), table)


def notice_lines(notices: Sequence[Notice]) -> Text:
    """What was decided and repaired while reading, a line each."""
    lines = []
    for notice in notices:
        warning = ("warning: ", "yellow") if notice.kind == "repair" else ""
        lines.append(Text.assemble(warning, plain(notice.text, SENTENCE_WIDTH)))
    return Text("\n").join(lines)
