"""Compared mechanisms on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.experiments.compare import VariantResult
from seqcast.report.summary import title_text
from seqcast.report.text import SENTENCE_WIDTH, percent_text, plain

_NOTE = (
    "error: validation error over the seasonal naive's. win/s: training windows per second. size: number of parameters."
    " lags: a step looks at in effect. unstable: weight on lags that vary from origin to origin."
)
_PEAKS_NOTE = " peaks: of the strongest bands."
_PLANTED_NOTE = (
    " planted: weight on the planted lags and their neighbours; found: whether they are the lags with most weight."
)


def variant_table(rows: Sequence[VariantResult]) -> RenderableType:
    """One row per variant, named without its seed where there is one seed; the reasons of failures below."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("variant", overflow="fold")
    for heading in ("error", "win/s", "size", "lags", "unstable"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    planted = any(row.planted_share is not None for row in rows)  # which says more than the peaks would
    for heading in ("planted", "found") if planted else ("peaks",):
        table.add_column(heading, no_wrap=True)
    several_seeds = len({row.seed for row in rows}) > 1
    for row in rows:
        parts = ("" if row.attention == "global" else row.attention, row.score, f"s{row.seed}" if several_seeds else "")
        table.add_row(
            " ".join(filter(None, parts)), *_cells(row), *(_planted_cells(row) if planted else (row.top_lags or "-",))
        )
    failures = [Text(plain(f"{row.variant}: {row.failure}", SENTENCE_WIDTH), "red") for row in rows if row.failure]
    note = Text(_NOTE + (_PLANTED_NOTE if planted else _PEAKS_NOTE), style="dim")
    return Group(title_text("Mechanisms compared"), table, *failures, note)


def _cells(row: VariantResult) -> tuple[str, ...]:
    return (
        _number(row.relative_mae, "{:.3f}"),
        _number(row.windows_per_second, "{:,.0f}"),
        _number(row.num_parameters, "{:,}"),
        _number(row.effective_lags, "{:.1f}"),
        "-" if row.unstable_share is None else percent_text(row.unstable_share),
        "failed" if row.failure else row.verdict or "-",
    )


def _planted_cells(row: VariantResult) -> tuple[str, str]:
    if row.planted_share is None:
        return "-", "-"
    return percent_text(row.planted_share), "yes" if row.planted_found else "no"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
