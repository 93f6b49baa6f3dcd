"""Compared mechanisms on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.inspection.variants import VariantResult
from seqcast.report.summary import title_text
from seqcast.report.text import SENTENCE_WIDTH, percent_text, plain

_NOTE = (
    "error: validation error over the seasonal naive's. parameters: learned numbers. lags: a step looks at in effect."
    " unstable: weight on lags that vary from origin to origin. peaks: of the strongest bands."
)
_PLANTED_NOTE = (
    " planted: weight on the planted lags and their neighbours; found: whether they are the lags with most weight."
)


def variant_table(rows: Sequence[VariantResult]) -> RenderableType:
    """One row per variant, named without its seed where there is one seed; the reasons of failures below."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("variant", overflow="fold")
    for heading in ("error", "windows/s", "parameters", "lags", "unstable", "peaks"):
        table.add_column(heading, justify="right")
    table.add_column("verdict", no_wrap=True)
    planted = any(row.planted_share is not None for row in rows)
    if planted:
        table.add_column("planted", justify="right")
        table.add_column("found")
    several_seeds = len({row.seed for row in rows}) > 1
    for row in rows:
        name = row.variant if several_seeds else row.variant.removesuffix(f"-s{row.seed}")
        table.add_row(plain(name), *_cells(row), *(_planted_cells(row) if planted else ()))
    failures = [Text(plain(f"{row.variant}: {row.failure}", SENTENCE_WIDTH), "red") for row in rows if row.failure]
    note = Text(_NOTE + (_PLANTED_NOTE if planted else ""), style="dim")
    return Group(title_text("Mechanisms compared"), table, *failures, note)


def _cells(row: VariantResult) -> tuple[str, ...]:
    return (
        _number(row.relative_mae, "{:.3f}"),
        _number(row.windows_per_second, "{:,.0f}"),
        _number(row.num_parameters, "{:,}"),
        _number(row.effective_lags, "{:.1f}"),
        "-" if row.unstable_share is None else percent_text(row.unstable_share),
        row.top_lags or "-",
        "failed" if row.failure else row.verdict or "-",
    )


def _planted_cells(row: VariantResult) -> tuple[str, str]:
    if row.planted_share is None:
        return "-", "-"
    return percent_text(row.planted_share), "yes" if row.planted_found else "no"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
