"""The lag report on the screen: attended lags, bands, groups, and a footer that defines every number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.bar import Bar
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from seqcast.attention.lag_report import LagReport
from seqcast.panel.frequency import WEEK
from seqcast.report.summary import title_text
from seqcast.report.text import percent_text, safe_text, time_text, time_texts, weekday_texts
from seqcast.results.lag_profile import BAND_LIFT, UNSTABLE_VARIATION, LagProfile

TOP = 10
"""Lags shown unless asked for another number."""

_MIN_BAR, _MAX_BAR = 6, 50
_UNBOUNDED = 1000
_UNSTABLE = f"{100 * UNSTABLE_VARIATION:.0f} %"
_GROUPS_SHOWN = 31
_LAGS_OF_A_GROUP = 3


def lag_report_view(
    report: LagReport, top: int = TOP, *, fed_back: bool = False, two_way: bool = False, forecasters: str = ""
) -> RenderableType:
    """The whole report.

    Args:
        report: What was attended.
        top: Lags to show, by falling share.
        fed_back: The decoder reads the previous value (autoregressive decoding).
        two_way: The encoder is bidirectional.
        forecasters: Whose forecasts and weights these are, such as `2 trained networks`.
    """
    parts: list[RenderableType] = [lag_summary(report), LagTable(report.overall, top), band_view(report.overall)]
    if len(report.groups) > 1 and report.group_by != "error":
        parts.append(group_table(report))
    return Group(*parts, lag_footer(report, fed_back=fed_back, two_way=two_way, forecasters=forecasters))


def lag_summary(report: LagReport) -> Text:
    """How much was looked at, and how widely the attention is spread."""
    windows = _counted(report.num_windows, "window") + " of " + _counted(report.num_series, "series", "series")
    times = report.overall.attended_times
    origin = "" if times is None else f" of {time_text(times[0])}"
    title = title_text(f"Attended lags relative to the {_relative_to(report)}\n")
    return Text.assemble(
        title,
        f"{windows}, {_counted(report.horizon, 'step')} ahead{origin}, context of {report.context}. ",
        f"A step looks at {report.overall.effective_lags:.1f} effective lags; ",
        f"{percent_text(report.share_not_observed)} of the weight lies on steps without an observation.",
    )


@dataclass(frozen=True, eq=False)
class LagTable:
    """The `top` lags with the greatest shares, each with a bar that takes the room the numbers leave."""

    profile: LagProfile
    top: int = TOP

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        needed = console.measure(self._table(_MIN_BAR), options=options.update(max_width=_UNBOUNDED)).maximum
        yield self._table(min(_MAX_BAR, max(_MIN_BAR, _MIN_BAR + options.max_width - needed)))

    def _table(self, bar_width: int) -> Table:
        table = self._empty_table()
        rows = self.profile.rows(self.top)
        largest = max((row.share for row in rows), default=0.0) or 1.0
        times = self._attended_times([row.lag - 1 for row in rows])
        for number, row in enumerate(rows):
            cells: list[RenderableType] = [str(row.lag), row.duration]
            if times:
                cells.append(times[number])
            cells.append(Bar(largest, 0, row.share, width=bar_width, color="cyan"))
            cells += [percent_text(row.share), percent_text(row.cumulative_share), _lift_text(row.lift)]
            if row.spread is not None:
                cells.append(percent_text(row.spread))
            table.add_row(*cells, style="dim" if row.unstable else "")
        return table

    def _attended_times(self, lags: list[int]) -> list[str]:
        """When the lags of one window were, with the day of the week where a week has several steps."""
        if self.profile.attended_times is None:
            return []
        frequency = self.profile.frequency
        is_within_week = frequency.unit == "microsecond" and frequency.multiple < WEEK
        write = weekday_texts if is_within_week or frequency.unit == "business_day" else time_texts
        return write(self.profile.attended_times[lags])

    def _empty_table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("lag", justify="right", no_wrap=True, style="bold")
        # Only these two give way on a narrow terminal, so that no number is cut.
        table.add_column("duration")
        if self.profile.attended_times is not None:
            table.add_column("attended time")
        table.add_column("weight", no_wrap=True)
        for name in ("share", "cumulative", "lift"):
            table.add_column(name, justify="right", no_wrap=True)
        if self.profile.spread is not None:
            table.add_column("spread", justify="right", no_wrap=True)
        return table


def band_view(profile: LagProfile) -> RenderableType:
    """The bands of neighbouring lags, by falling share."""
    bands = profile.bands()
    if not bands:
        return Text(f"Bands: no neighbouring lags carry {BAND_LIFT:g} times the weight of equal weights.\n")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("lags", "peak"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("duration")
    for heading in ("share", "lift"):
        table.add_column(heading, justify="right", no_wrap=True)
    for band in bands[:TOP]:
        extent = str(band.first_lag) if band.first_lag == band.last_lag else f"{band.first_lag}-{band.last_lag}"
        numbers = (percent_text(band.share), _lift_text(band.lift))
        table.add_row(extent, str(band.peak_lag), band.peak_duration, *numbers)
    weaker = [Text(f"and {len(bands) - TOP} weaker\n")] if len(bands) > TOP else []
    return Group(title_text("Bands of neighbouring lags"), table, *weaker)


def group_table(report: LagReport) -> RenderableType:
    """The strongest lags of each group of forecast steps."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(report.group_by, overflow="ellipsis", no_wrap=True, max_width=40)
    table.add_column("effective lags", justify="right", overflow="fold")
    for heading in ("first lag", "second", "third"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in report.groups[:_GROUPS_SHOWN]:
        strongest = [f"{row.lag}  {percent_text(row.share):>7}" for row in group.rows(_LAGS_OF_A_GROUP)]
        table.add_row(safe_text(group.label), f"{group.effective_lags:.1f}", *strongest)
    hidden = len(report.groups) - _GROUPS_SHOWN
    more = [Text(f"and {hidden} more groups\n")] if hidden > 0 else []
    return Group(title_text(f"Lags by {report.group_by}"), table, *more)


def lag_footer(report: LagReport, *, fed_back: bool = False, two_way: bool = False, forecasters: str = "") -> Text:
    """What the numbers mean, in the words the report uses."""
    lines = [*_footer_lines(report, fed_back, two_way)]
    if forecasters:
        lines.append(f"Forecast and weights are those of {forecasters}.")
    return Text("\n".join(lines), style="dim")


def _footer_lines(report: LagReport, fed_back: bool, two_way: bool) -> Iterable[str]:
    if report.relative == "target":
        meaning = "steps from the attended past step to the forecast step"
    else:
        meaning = "steps counted back from the start of the forecast, whichever step is forecast"
    yield f"lag: {meaning}. lag_target = lag_origin + step - 1; lag_origin 1 is the last step before the forecast."
    yield "share: part of all attention weight. cumulative: of this lag and all above it."
    yield f"lift: share over that of equal weights on all {report.context} context steps."
    if report.num_windows == 1:
        yield "attended time: where the lag lands, seen from the first forecast step that can reach it."
    else:
        yield "spread: standard deviation of the share over windows."
        if report.overall.origin_spread is not None:
            yield f"grey: unstable, over the origins of a series its share varies by more than {_UNSTABLE} of itself."
    yield "effective lags: exp(entropy) of a step's weights, mean over steps and windows."
    if fed_back:
        yield "A step reads the value before it, and may be aligned with that one instead of the value it predicts."
    else:
        yield "The weights of a step are aligned with the value it predicts."
    reach = "everything before and after it in the context" if two_way else "everything up to it"
    yield f"The encoder state of a past step summarises {reach}, not that step alone."


def _relative_to(report: LagReport) -> str:
    return "forecast step" if report.relative == "target" else "start of the forecast"


def _lift_text(lift: float) -> str:
    return f"{lift:.1f}x"


def _counted(count: int, noun: str, plural: str | None = None) -> str:
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
