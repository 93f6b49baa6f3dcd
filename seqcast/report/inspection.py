"""What was asked of the attention beyond its lags: seasons, faithfulness, implied forecast, comparison, context."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqcast.inspection.comparison import ProfileComparison
from seqcast.inspection.faithfulness import Effect, Faithfulness
from seqcast.inspection.implied import ImpliedForecast
from seqcast.inspection.season_check import SeasonCheck
from seqcast.inspection.shorter_context import TOLERATED_LOSS, ContextSuggestion
from seqcast.report.summary import title_text
from seqcast.report.text import number_text, percent_text, plain, time_text

_STYLES = {"agree": "green", "disagree": "yellow", "context too short": "yellow"}
_VERDICTS = {"faithful": "green", "weak": "yellow", "contradicted": "red"}
_STEPS_SHOWN = 12


def season_view(check: SeasonCheck) -> RenderableType:
    """The season check, a line for each lag."""
    text = title_text("Seasons of the data\n")
    for finding in check.findings:
        text.append("  ").append(plain(finding.text), _STYLES.get(finding.status, ""))
        if finding.correlation is not None:
            text.append(f"  (autocorrelation {finding.correlation:.2f})", "dim")
        text.append("\n")
    if not check.findings:
        text.append("  the data do not repeat after any fixed number of steps\n")
    return text


def faithfulness_view(found: Faithfulness) -> RenderableType:
    """The verdict in one line, and the numbers behind it."""
    verdict = Text.assemble(
        ("Does the attended lag matter? ", "bold"), (found.verdict, _VERDICTS[found.verdict]), f": {found.reason}\n"
    )
    if not found.bands:
        return verdict
    table = _table("band", ("share", "change", "error"))
    table.add_column("others:", justify="right")
    table.add_column("change", justify="right", no_wrap=True)
    table.add_column("error", justify="right", no_wrap=True)
    for band in found.bands:
        lags = f"lag {band.first_lag}" if band.first_lag == band.last_lag else f"lags {band.first_lag}-{band.last_lag}"
        name, share = f"{lags} ({band.peak_duration})", percent_text(band.share)
        table.add_row(f"{name}: removed", share, *_effect(band.removed), "", *_effect(band.removed_control))
        table.add_row(f"{name}: replaced", share, *_effect(band.replaced), "", *_effect(band.replaced_control))
    table.add_row("all lags: shuffled", "", *_effect(found.shuffled), "", "", "")
    note = (
        f"{found.num_windows} windows whose truth is known. removed: weights; replaced: values, by the window's mean;"
        " shuffled: weights, over lags. change: of the forecast, mean, in standard deviations of the window. error:"
        " growth of the mean absolute error. others: random bands of equal width."
    )
    return Group(verdict, table, Text(note, style="dim"))


def implied_view(found: ImpliedForecast) -> RenderableType:
    """The attended values, weighted, beside the forecast and the seasonal naive."""
    table = _table("time", ("attention-implied", "seqcast", "seasonal naive"))
    for step in range(min(_STEPS_SHOWN, len(found.times))):
        numbers = (found.implied[step], found.forecast[step], found.seasonal_naive[step])
        table.add_row(time_text(found.times[step]), *(number_text(float(number)) for number in numbers))
    hidden = len(found.times) - _STEPS_SHOWN
    part = "-" if found.explained is None else percent_text(found.explained)
    note = f"The attended values alone give {part} of the forecast's variation; the rest is the network's."
    more = [Text(f"and {hidden} more steps")] if hidden > 0 else []
    title = title_text(f"Attention-implied forecast of {plain(found.series_id)}")
    return Group(title, table, *more, Text(note, style="dim"))


def comparison_view(found: ProfileComparison) -> RenderableType:
    """The lags on which two runs differ most."""
    table = _table("lag", ("that is", "this run", "other", "difference"))
    for row in found.lags:
        shares = (percent_text(row.share), percent_text(row.other_share))
        table.add_row(str(row.lag), row.duration, *shares, f"{100 * row.difference:+.1f} %")
    summary = (
        f"{percent_text(found.distance)} of the weight lies on other lags; lags in effect {found.effective_lags:.1f},"
        f" other {found.other_effective_lags:.1f}."
    )
    return Group(title_text(f"Compared with {plain(found.other_run)}"), table, Text(summary, style="dim"))


def context_view(found: ContextSuggestion) -> RenderableType:
    """Shorter contexts: the attention on them and what hiding the rest costs."""
    table = _table("context", ("that is", "weight on it", "error", "change"))
    for row in found.rows:
        mark = " <" if row.context == found.suggested else ""
        change = f"{100 * row.error_change:+.1f} %"
        table.add_row(f"{row.context}{mark}", row.duration, percent_text(row.share), number_text(row.error), change)
    note = (
        f"< the shortest that costs at most {percent_text(TOLERATED_LOSS)}. error: mean absolute, in standard"
        f" deviations of the series, over {found.num_windows} windows with older steps hidden from the trained network."
    )
    return Group(title_text("Shorter contexts"), table, Text(note, style="dim"))


def _table(first: str, others: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=heading != "that is")
    return table


def _effect(effect: Effect) -> tuple[str, str]:
    return f"{effect.forecast_change:.3f}", f"{100 * effect.error_change:+.1f} %"
