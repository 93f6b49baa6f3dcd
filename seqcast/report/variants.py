"""The table of `compare`."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Column
from rich.text import Text

from seqcast.experiments.compare import VariantResult
from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import BAD, SENTENCE_WIDTH, percent_text, plain

_NOTE = (
    "error: validation error divided by the seasonal naive's. win/s: training windows per second. size: number of"
    " parameters. lags: effective lags of a step. unstable: weight on lags that vary from origin to origin."
)
_PEAKS_NOTE = " peaks: strongest lags."
_PLANTED_NOTE = (
    " planted: weight on the planted lags and their neighbours. found: whether the planted lags have the most weight."
)


def variant_table(rows: Sequence[VariantResult]) -> RenderableType:
    """One row per variant, and below them why some failed. Seeds are named if there are several."""
    planted = any(row.planted_share is not None for row in rows)
    words = [
        Column(heading, no_wrap=True) for heading in ("verdict", *(("planted", "found") if planted else ("peaks",)))
    ]
    table = open_table(Column("variant", overflow="fold"), "error", "win/s", "size", "lags", "unstable", *words)
    several_seeds = len({row.seed for row in rows}) > 1
    for row in rows:
        parts = ("" if row.attention == "global" else row.attention, row.score, f"s{row.seed}" if several_seeds else "")
        table.add_row(
            " ".join(filter(None, parts)), *_cells(row), *(_planted_cells(row) if planted else (row.top_lags or "-",))
        )
    failures = [Text(plain(f"{row.variant}: {row.failure}", SENTENCE_WIDTH), BAD) for row in rows if row.failure]
    note = _NOTE + (_PLANTED_NOTE if planted else _PEAKS_NOTE)
    return Group(title_text("Mechanisms compared"), table, *failures, note_text(note))


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
