"""Views of what `inspect` finds beyond lags: seasons, faithfulness, implied forecast, comparison, contexts."""

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column
from rich.text import Text

from seqcast.attention.changed_weights import Effect
from seqcast.attention.comparison import ProfileComparison
from seqcast.attention.error_tenths import ErrorGroup
from seqcast.attention.implied_forecast import ImpliedForecast
from seqcast.attention.lag_report import LagReport
from seqcast.attention.seasons import SeasonFinding
from seqcast.attention.shorter_context import TOLERATED_LOSS, ContextSuggestion
from seqcast.attention.verdict import Faithfulness, Verdict
from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import (
    ACCENT,
    BAD,
    CAUTION,
    GOOD,
    SENTENCE_WIDTH,
    number_format,
    percent_text,
    plain,
    time_text,
    zoned_time_texts,
)

_STYLES = {"agree": GOOD, "disagree": CAUTION, "context too short": CAUTION, "not attended": CAUTION}
_VERDICTS: dict[Verdict, str] = {
    "faithful": GOOD,
    "weak": CAUTION,
    "contradicted": BAD,
    "the last value": ACCENT,
    "nothing to attend": CAUTION,
}
_BANDS_SHOWN = 3
_INDENTED = (0, 0, 0, 2)
"""Padding of lines that stay indented where they wrap."""
_STEPS_SHOWN = 12


def season_view(findings: tuple[SeasonFinding, ...]) -> RenderableType:
    """The season check, one line per lag."""
    lines: list[RenderableType] = [title_text("Seasons of the data")]
    for finding in findings:
        line = Text(plain(finding.text, SENTENCE_WIDTH), _STYLES.get(finding.status, ""))
        if finding.correlation is not None:
            line.append(f"  (autocorrelation {finding.correlation:z.2f})", "dim")
        lines.append(Padding(line, _INDENTED, expand=False))
    if not findings:
        lines.append(Text("  the data do not repeat after any fixed number of steps"))
    return Group(*lines)


def error_view(report: LagReport, groups: tuple[ErrorGroup, ...], top: int) -> RenderableType:
    """The lags of the worst and the best forecasts beside those of the rest, strongest first."""
    summary = open_table(Column("origins", no_wrap=True), "windows", "error", "from", "to", "effective lags")
    write = number_format(np.array([group.highest_error for group in groups]))
    for group, profile in zip(groups, report.groups, strict=True):
        errors = (write(group.mean_error), write(group.lowest_error), write(group.highest_error))
        summary.add_row(group.label, f"{group.num_windows:,}", *errors, f"{profile.effective_lags:.1f}")
    table = open_table("lag", Column("duration"), *(group.label for group in groups))
    for row in report.overall.rows(top):
        shares = [percent_text(float(profile.share[row.lag - 1])) for profile in report.groups]
        table.add_row(str(row.lag), row.duration, *shares)
    note = (
        "Past origins whose true values are known, ranked by error: the mean absolute error of the forecast divided by"
        " that of the seasonal naive in the same series."
    )
    heading = title_text("Share of the attention by lag")
    return Group(title_text("Worst and best forecasts"), summary, heading, table, note_text(note))


def faithfulness_view(found: Faithfulness) -> RenderableType:
    """The verdict in one line, then the numbers behind it."""
    verdict = found.verdict
    told = Text.assemble(
        (f"Do the attended lags of {found.judged} matter? ", "bold"),
        (verdict, _VERDICTS[verdict]),
        f": {found.reason}.",
    )
    if not found.bands or verdict in ("the last value", "nothing to attend"):
        return told
    columns = (Column("band", no_wrap=True), Column("duration"), "share", Column("test", no_wrap=True))
    table = open_table(*columns, "change", "others", "error", "others")
    for band in found.bands[:_BANDS_SHOWN]:
        table.add_row(band.name, band.peak_duration, percent_text(band.share), "removed", *_changes(band.removed))
        table.add_row("", "", "", "moved", *_changes(band.moved))
        table.add_row("", "", "", "replaced", *_changes(band.replaced, band.replaced_control))
    for test, effect in (("removed", found.together), ("shuffled", found.shuffled), ("without", found.without)):
        table.add_row("all", "", "", test, *_changes(effect))
    note = (
        f"Measured on {found.num_windows} windows whose true values are known, in parts of the forecast's own spread:"
        f" its mean distance from the mean of its context, {found.spread:.2f} standard deviations of the window."
        " removed: without the weights. moved: with the same weights on as many random lags. replaced: without the"
        " values. shuffled: all weights in random order. without: the mean of the context instead of the forecast."
        " change: mean change of the forecast. error: increase of the mean absolute error. others: the same for the"
        " values of as many random lags."
    )
    return Group(told, table, note_text(note))


def implied_view(found: ImpliedForecast) -> RenderableType:
    """The attended values, weighted, beside the forecast and the seasonal naive."""
    table = open_table(Column("time", no_wrap=True), "attention-implied", "seqcast", "seasonal naive")
    clocks = zoned_time_texts(found.times, found.frequency)
    numbers = np.stack([found.implied, found.forecast, found.seasonal_naive], axis=1)
    write = number_format(numbers)
    for step in range(min(_STEPS_SHOWN, len(clocks))):
        table.add_row(clocks[step], *(write(float(number)) for number in numbers[step]))
    hidden = len(clocks) - _STEPS_SHOWN
    part = "-" if found.explained is None else percent_text(found.explained)
    note = f"The attended values alone explain {part} of the forecast's variation; the network adds the rest."
    more = [Text(f"and {hidden} more steps")] if hidden > 0 else []
    title = title_text(
        f"Attention-implied forecast of {plain(found.series_id)} after {time_text(found.cutoff[0], found.frequency)}"
    )
    return Group(title, table, *more, note_text(note))


def comparison_view(found: ProfileComparison) -> RenderableType:
    """The lags on which two runs differ most."""
    table = open_table("lag", Column("duration"), "this run", "other run", "difference")
    for row in found.lags:
        shares = (percent_text(row.share), percent_text(row.other_share))
        table.add_row(str(row.lag), row.duration, *shares, _growth(row.difference))
    summary = (
        f"{percent_text(found.distance)} of the weight lies on other lags; effective lags: {found.effective_lags:.1f}"
        f" in this run, {found.other_effective_lags:.1f} in the other."
    )
    return Group(title_text(f"Compared with {plain(found.other_run)}"), table, note_text(summary))


def context_view(found: ContextSuggestion) -> RenderableType:
    """The attention on each shorter context, and the error with it."""
    table = open_table("context", "", Column("duration"), "weight on it", "error", "change")
    write = number_format(np.array([row.error for row in found.rows]))
    for row in found.rows:
        mark = "<" if row.context == found.suggested else ""
        numbers = (percent_text(row.share), write(row.error), _growth(row.error_change))
        table.add_row(str(row.context), mark, row.duration, *numbers)
    note = (
        f"<: the shortest context that costs at most {percent_text(TOLERATED_LOSS)}. error: mean absolute error, in"
        f" standard deviations of the series, over {found.num_windows} windows, when this network sees only that many"
        " steps. A network trained on so few may do better."
    )
    return Group(title_text("Shorter contexts"), table, note_text(note))


def _changes(effect: Effect, control: Effect | None = None) -> tuple[str, str, str, str]:
    """Change and error of an effect, each beside that of its control."""
    moved, worse = percent_text(effect.forecast_change), _growth(effect.error_change)
    if control is None:
        return moved, "", worse, ""
    return moved, percent_text(control.forecast_change), worse, _growth(control.error_change)


def _growth(change: float) -> str:
    return f"{100 * change:+z.1f} %"
