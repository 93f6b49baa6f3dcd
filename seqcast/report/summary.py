"""Tables that every report is built from, and notices."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from seqcast.panel.notices import Notice
from seqcast.report.text import ACCENT, CAUTION, SENTENCE_WIDTH, plain, safe_text


def title_text(title: str) -> Text:
    """A heading. Pass parts that come from data through `plain` first."""
    return Text(title, style="bold")


def note_text(note: str) -> Text:
    """A remark below a table."""
    return Text(note, style="dim")


def open_table(*columns: str | Column) -> Table:
    """An empty table. A plain heading stands over a column of numbers: aligned on the right and never cut."""
    headed = (Column(each, justify="right", no_wrap=True) if isinstance(each, str) else each for each in columns)
    return Table(*headed, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def key_value_table(title: str, rows: Sequence[tuple[str, str]], label_width: int = 0) -> RenderableType:
    """Facts below each other, with labels at least so wide. Values may be data text."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style=ACCENT, no_wrap=True, min_width=label_width)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(safe_text(label), safe_text(value, SENTENCE_WIDTH))
    return Group(title_text(plain(title)), table)


def list_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = ()
) -> RenderableType:
    """Rows of data text under headings, with the `numeric` columns aligned on the right."""
    table = open_table(*(name if name in numeric else Column(name, overflow="fold") for name in columns))
    for row in rows:
        table.add_row(*map(safe_text, row))
    return Group(title_text(plain(title)), table)


def covariate_rows(known: Sequence[str], past: Sequence[str], static: Sequence[str]) -> list[tuple[str, str]]:
    """Facts about the covariates of each role that has any."""
    roles = {"known": known, "past": past, "static": static}
    return [(f"{role} covariates", ", ".join(names)) for role, names in roles.items() if names]


def notice_lines(notices: Sequence[Notice]) -> Text:
    """Decisions and repairs, one per line."""
    lines = []
    for notice in notices:
        warning = ("warning: ", CAUTION) if notice.kind == "repair" else ""
        lines.append(Text.assemble(warning, plain(notice.advised_text, SENTENCE_WIDTH)))
    return Text("\n").join(lines)
