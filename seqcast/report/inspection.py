"""What was asked of the attention beyond its lags: seasons, faithfulness, implied forecast, comparison, context."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.attention.comparison import ProfileComparison
from seqcast.attention.effects import Effect
from seqcast.attention.error_tenths import ErrorGroup
from seqcast.attention.faithfulness import Faithfulness
from seqcast.attention.implied_forecast import ImpliedForecast
from seqcast.attention.lag_report import LagReport
from seqcast.attention.seasons import SeasonCheck
from seqcast.attention.shorter_context import TOLERATED_LOSS, ContextSuggestion
from seqcast.report.summary import title_text
from seqcast.report.text import number_format, percent_text, plain, time_text, time_texts

_STYLES = {"agree": "green", "disagree": "yellow", "context too short": "yellow", "not attended": "yellow"}
_VERDICTS = {"faithful": "green", "weak": "yellow", "contradicted": "red"}
_STEPS_SHOWN = 12


def season_view(check: SeasonCheck) -> RenderableType:
    """The season check, a line for each lag."""
    lines: list[Text] = [title_text("Seasons of the data")]
    for finding in check.findings:
        line = Text("  ").append(plain(finding.text), _STYLES.get(finding.status, ""))
        if finding.correlation is not None:
            line.append(f"  (autocorrelation {finding.correlation:.2f})", "dim")
        lines.append(line)
    if not check.findings:
        lines.append(Text("  the data do not repeat after any fixed number of steps"))
    return Group(*lines)


def error_view(report: LagReport, groups: tuple[ErrorGroup, ...], top: int) -> RenderableType:
    """The lags of the worst and the best forecasts beside those of the rest, by falling share over all."""
    summary = _table("origins", ("windows", "error", "from", "to", "effective lags"))
    write = number_format(np.array([group.highest_error for group in groups]))
    for group, profile in zip(groups, report.groups, strict=True):
        errors = (write(group.mean_error), write(group.lowest_error), write(group.highest_error))
        summary.add_row(group.label, f"{group.num_windows:,}", *errors, f"{profile.effective_lags:.1f}")
    table = _table("lag", ("duration", *(group.label for group in groups)))
    for row in report.overall.rows(top):
        shares = [percent_text(float(profile.share[row.lag - 1])) for profile in report.groups]
        table.add_row(str(row.lag), row.duration, *shares)
    note = (
        "Past origins whose truth is known, ranked by the error of their forecast: the mean absolute error over that of"
        " the seasonal naive in the same series."
    )
    heading = title_text("Their shares of the attention")
    return Group(title_text("Worst and best forecasts"), summary, heading, table, Text(note, style="dim"))


def faithfulness_view(found: Faithfulness) -> RenderableType:
    """The verdict in one line, and the numbers behind it."""
    verdict = Text.assemble(
        ("Does the attended lag matter? ", "bold"), (found.verdict, _VERDICTS[found.verdict]), f": {found.reason}"
    )
    if not found.bands:
        return verdict
    table = _table("band", ("duration", "share"))
    table.add_column("test", no_wrap=True)
    for heading in ("change", "others", "error", "others"):
        table.add_column(heading, justify="right", no_wrap=True)
    for band in found.bands:
        lags = f"lag {band.first_lag}" if band.first_lag == band.last_lag else f"lags {band.first_lag}-{band.last_lag}"
        place = (lags, band.peak_duration, percent_text(band.share))
        table.add_row(*place, "removed", *_effects(band.removed, band.removed_control))
        table.add_row("", "", "", "replaced", *_effects(band.replaced, band.replaced_control))
    shuffled = found.shuffled
    table.add_row("all", "", "", "shuffled", f"{shuffled.forecast_change:.3f}", "", _growth(shuffled.error_change), "")
    note = (
        f"{found.num_windows} windows whose truth is known. removed: weights; replaced: values, by the window's mean;"
        " shuffled: weights, over lags. change: of the forecast, mean, in standard deviations of the window. error:"
        " growth of the mean absolute error. others: the same for random bands of equal width."
    )
    return Group(verdict, table, Text(note, style="dim"))


def implied_view(found: ImpliedForecast) -> RenderableType:
    """The attended values, weighted, beside the forecast and the seasonal naive."""
    table = _table("time", ("attention-implied", "seqcast", "seasonal naive"))
    clocks = time_texts(found.times)
    numbers = np.stack([found.implied, found.forecast, found.seasonal_naive], axis=1)
    write = number_format(numbers)
    for step in range(min(_STEPS_SHOWN, len(clocks))):
        table.add_row(clocks[step], *(write(float(number)) for number in numbers[step]))
    hidden = len(clocks) - _STEPS_SHOWN
    part = "-" if found.explained is None else percent_text(found.explained)
    note = f"The attended values alone give {part} of the forecast's variation; the rest is added to them."
    more = [Text(f"and {hidden} more steps")] if hidden > 0 else []
    title = title_text(f"Attention-implied forecast of {plain(found.series_id)} after {time_text(found.cutoff[0])}")
    return Group(title, table, *more, Text(note, style="dim"))


def comparison_view(found: ProfileComparison) -> RenderableType:
    """The lags on which two runs differ most."""
    table = _table("lag", ("duration", "this run", "other", "difference"))
    for row in found.lags:
        shares = (percent_text(row.share), percent_text(row.other_share))
        table.add_row(str(row.lag), row.duration, *shares, _growth(row.difference))
    summary = (
        f"{percent_text(found.distance)} of the weight lies on other lags; effective lags {found.effective_lags:.1f},"
        f" other {found.other_effective_lags:.1f}."
    )
    return Group(title_text(f"Compared with {plain(found.other_run)}"), table, Text(summary, style="dim"))


def context_view(found: ContextSuggestion) -> RenderableType:
    """Shorter contexts: the attention on them and the error with them."""
    table = _table("context", ("", "duration", "weight on it", "error", "change"))
    table.columns[0].justify = "right"
    write = number_format(np.array([row.error for row in found.rows]))
    for row in found.rows:
        mark = "<" if row.context == found.suggested else ""
        numbers = (percent_text(row.share), write(row.error), _growth(row.error_change))
        table.add_row(str(row.context), mark, row.duration, *numbers)
    note = (
        f"< the shortest that costs at most {percent_text(TOLERATED_LOSS)}. error: mean absolute, in standard"
        f" deviations of the series, over {found.num_windows} windows, of this network looking at so many steps; one"
        " that is trained on so few may do better."
    )
    return Group(title_text("Shorter contexts"), table, Text(note, style="dim"))


def _table(first: str, others: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, justify="right" if first == "lag" else "left", no_wrap=True)
    for heading in others:
        in_words = heading == "duration"
        table.add_column(heading, justify="left" if in_words else "right", no_wrap=not in_words)
    return table


def _effects(effect: Effect, control: Effect) -> tuple[str, ...]:
    """What a change does beside what it does elsewhere."""
    changes = (f"{each.forecast_change:.3f}" for each in (effect, control))
    return (*changes, _growth(effect.error_change), _growth(control.error_change))


def _growth(change: float) -> str:
    return f"{100 * change:+z.1f} %"
