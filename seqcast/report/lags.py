"""The lag report: attended lags, bands, groups, and a footer that defines every number."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.bar import Bar
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

from seqcast.attention.comparison import PartComparison
from seqcast.attention.content import ContentMovement
from seqcast.attention.lag_report import LAGS_OF_A_GROUP, LagReport
from seqcast.attention.occurrences import Occurrences
from seqcast.config import Location
from seqcast.panel.frequency import WEEK
from seqcast.report.summary import note_text, open_table, title_text
from seqcast.report.text import ACCENT, percent_text, plain, safe_text, time_text, time_texts, weekday_texts
from seqcast.results.lag_profile import BAND_LIFT, UNSTABLE_VARIATION, LagProfile

TOP = 10
"""Number of lags shown by default."""

_HALF = 0.5
_LOCATIONS: dict[Location, str] = {
    "last": "its last value",
    "season": "the mean of its last season",
    "mean": "its mean",
}
_MIN_BAR, _MAX_BAR = 6, 50
_UNBOUNDED = 1000
_UNSTABLE = f"{100 * UNSTABLE_VARIATION:.0f} %"
_GROUPS_SHOWN = 31


@dataclass(frozen=True)
class LagSource:
    """The model behind a report."""

    forecasters: str = ""
    """The networks that forecast, such as `2 trained networks`; empty if that is not known."""
    linear_share: float = 0.0
    """Share of the linear start in the forecast."""
    fed_back: bool = False
    """Whether decoding is autoregressive."""
    two_way: bool = False
    """Whether the encoder is bidirectional."""


def lag_report_view(
    report: LagReport, top: int = TOP, *, source: LagSource = LagSource(), content: ContentMovement | None = None
) -> RenderableType:
    """The whole report: the `top` strongest lags, bands, groups and definitions."""
    parts: list[RenderableType] = [
        lag_summary(report, source, content),
        LagTable(report.overall, top),
        band_view(report.overall),
    ]
    if len(report.groups) > 1 and report.group_by != "error":
        parts.append(group_table(report))
    return Group(*parts, note_text("\n".join(lag_notes(report, source))))


def lag_summary(report: LagReport, source: LagSource = LagSource(), content: ContentMovement | None = None) -> Text:
    """Whose lags these are, the number of windows, how widely the attention is spread and how much of it moves.

    Where the linear start makes more than half of the forecast, the lags are its own and no attention chose them.
    """
    windows = f"{_counted(report.num_windows, 'window')} of {report.num_series} series"
    times = report.overall.attended_times
    origin = "" if times is None else f" of {time_text(times[0], report.overall.frequency)}"
    reference = "forecast step" if report.relative == "target" else "start of the forecast"
    whose = "Lags of the linear fit" if source.linear_share > _HALF else "Attended lags"
    title = title_text(f"{whose} relative to the {reference}\n")
    return Text.assemble(
        title,
        f"{windows}, {_counted(report.horizon, 'step')} ahead{origin}, context of {report.context}. ",
        f"A step looks at {report.overall.effective_lags:.1f} effective lags; ",
        f"{percent_text(report.share_not_observed)} of the weight lies on steps without an observation.",
        "" if content is None else _content_text(content, report.overall),
    )


def _content_text(content: ContentMovement, profile: LagProfile) -> str:
    decided, level, read = round(100 * content.decided), content.level, profile.state_lags()
    text = (
        f" Content decides {decided} % of the weight; {100 - decided} % is the same for every window."
        f" {100 * level.share:.0f} % of a shift of all values reaches the forecast through the level of the window,"
        f" {_LOCATIONS[level.location]}, which no lag shows. {100 * content.states.share:.0f} % of the effect of single"
        " values goes through the recurrent states"
    )
    if read is None:
        return f"{text}."
    if read.first_lag == read.last_lag:
        return f"{text}, {100 * read.states:.0f} % of it from lag {read.first_lag}."
    most = f"lag {read.peak_lag} has the most, {100 * read.peak_states:.0f} %"
    return f"{text}, {100 * read.states:.0f} % of it from lags {read.first_lag} to {read.last_lag}; {most}."


@dataclass(frozen=True, eq=False)
class LagTable:
    """The `top` strongest lags, each with a bar as wide as the numbers allow."""

    profile: LagProfile
    top: int = TOP

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        needed = console.measure(self._table(_MIN_BAR), options=options.update(max_width=_UNBOUNDED)).maximum
        yield self._table(min(_MAX_BAR, max(_MIN_BAR, _MIN_BAR + options.max_width - needed)))

    def _table(self, bar_width: int) -> Table:
        # Only the words give way on a narrow terminal, so that no number is cut.
        words = ["duration"] if self.profile.attended_times is None else ["duration", "attended time"]
        headings = ["share", "cumulative", "lift"] + ([] if self.profile.spread is None else ["spread"])
        headings += [] if self.profile.moving is None else ["moves"]
        headings += [] if self.profile.through_states is None else ["states"]
        lag = Column("lag", justify="right", no_wrap=True, style="bold")
        table = open_table(lag, *map(Column, words), Column("weight", no_wrap=True), *headings)
        rows = self.profile.rows(self.top)
        largest = max((row.share for row in rows), default=0.0) or 1.0
        times = self._attended_times([row.lag - 1 for row in rows])
        for number, row in enumerate(rows):
            bar = Bar(largest, 0, row.share, width=bar_width, color=ACCENT)
            numbers = [percent_text(row.share), percent_text(row.cumulative_share), _lift_text(row.lift)]
            numbers += [] if row.spread is None else [percent_text(row.spread)]
            numbers += [] if row.moves is None else [percent_text(row.moves)]
            numbers += [] if row.states is None else [percent_text(row.states)]
            cells: list[RenderableType] = [str(row.lag), row.duration, *times[number : number + 1], bar, *numbers]
            table.add_row(*cells, style="dim" if row.unstable else "")
        return table

    def _attended_times(self, lags: list[int]) -> list[str]:
        """The times of the lags of a single window, with the weekday if a week has several steps."""
        if self.profile.attended_times is None:
            return []
        frequency = self.profile.frequency
        is_within_week = frequency.unit == "microsecond" and frequency.multiple < WEEK
        write = weekday_texts if is_within_week or frequency.unit == "business_day" else time_texts
        return write(frequency.wall(self.profile.attended_times[lags]))


def band_view(profile: LagProfile) -> RenderableType:
    """The bands of neighbouring lags, strongest first."""
    bands = profile.bands()
    if not bands:
        return Text(f"Bands: no neighbouring lags carry {BAND_LIFT:g} times what equal weights would give them.\n")
    table = open_table("lags", "peak", Column("duration"), "share", "lift")
    for band in bands[:TOP]:
        extent = str(band.first_lag) if band.first_lag == band.last_lag else f"{band.first_lag}-{band.last_lag}"
        numbers = (percent_text(band.share), _lift_text(band.lift))
        table.add_row(extent, str(band.peak_lag), band.peak_duration, *numbers)
    weaker = [Text(f"and {len(bands) - TOP} weaker\n")] if len(bands) > TOP else []
    return Group(title_text("Bands of neighbouring lags"), table, *weaker)


def group_table(report: LagReport) -> RenderableType:
    """The strongest lags of each group of forecast steps."""
    name = Column(plain(report.group_by), overflow="ellipsis", no_wrap=True, max_width=40)
    table = open_table(name, Column("effective lags", justify="right", overflow="fold"), "first lag", "second", "third")
    for group in report.groups[:_GROUPS_SHOWN]:
        strongest = [f"{row.lag}  {percent_text(row.share):>7}" for row in group.rows(LAGS_OF_A_GROUP)]
        table.add_row(safe_text(group.label), f"{group.effective_lags:.1f}", *strongest)
    hidden = len(report.groups) - _GROUPS_SHOWN
    more = [Text(f"and {hidden} more groups\n")] if hidden > 0 else []
    return Group(title_text(f"Lags by {plain(report.group_by)}"), table, *more)


def part_table(found: PartComparison) -> RenderableType:
    """The strongest lags of the trained networks beside those of the linear start."""
    columns = {"network": [row.network for row in found.lags], "linear fit": [row.start for row in found.lags]}
    with_share = {heading: shares for heading, shares in columns.items() if None not in shares}
    table = open_table("lag", Column("duration"), *with_share)
    for row, *shares in zip(found.lags, *with_share.values(), strict=True):
        table.add_row(str(row.lag), row.duration, *map(_share_text, shares))
    note = "This run forecasts with one of them alone."
    if found.distance is not None:
        note = (
            f"{percent_text(found.distance)} of the network's weight lies on other lags than those of the linear fit."
        )
    return Group(title_text("Shares of the network and of the linear fit, each alone"), table, note_text(note))


def occurrence_table(found: Occurrences) -> RenderableType:
    """The attention by occurrences of a covariate, at forecast steps that are occurrences and at others."""
    headings = (
        ["at others", "equal weights"] if found.num_occurring == 0 else ["at occurrences", "at others", "equal weights"]
    )
    table = open_table(Column("attended"), *headings)
    for row in found.rows:
        shares = [row.at_occurrences, row.at_others, row.equal_weights][-len(headings) :]
        table.add_row(row.label, *map(_share_text, shares))
    note = (
        f"{found.num_occurring:,} of {found.num_steps:,} forecast steps are occurrences. An"
        " occurrence is a step without the usual value; the last one is the newest before the forecast."
    )
    title = title_text(f"Attention by occurrences of {plain(found.covariate)}")
    return Group(title, table, note_text(note))


def lag_notes(report: LagReport, source: LagSource) -> list[str]:
    """What the numbers of the report mean, a sentence each."""
    lines = [*_definitions(report), *_cautions(source)]
    if source.forecasters:
        lines.append(f"Forecast and weights come from {source.forecasters}.")
    return lines


def _definitions(report: LagReport) -> Iterable[str]:
    if report.relative == "target":
        meaning = "steps from the attended past step to the forecast step"
    else:
        meaning = "steps counted back from the start of the forecast, whichever step is forecast"
    yield f"lag: {meaning}. lag_target = lag_origin + step - 1; lag_origin 1 is the last step before the forecast."
    yield "share: part of all attention weight. cumulative: share of this lag and all above it."
    yield f"lift: share divided by what equal weights on all {report.context} context steps would give."
    if report.num_windows == 1:
        yield "attended time: where the lag lands, seen from the first forecast step that can reach it."
    else:
        yield "spread: standard deviation of the share over windows."
        if report.overall.origin_spread is not None:
            yield f"grey: unstable; over the origins of a series, the share varies by more than {_UNSTABLE} of itself."
    if report.overall.moving is not None:
        yield "moves: part of the share that content decides; the rest is the same in nine of ten past windows."
    if report.overall.through_states is not None:
        yield "states: part of this lag in what goes through the recurrent states, whatever its share of the attention."
    yield "effective lags: exp(entropy) of a step's weights, mean over steps and windows."


def _cautions(source: LagSource) -> Iterable[str]:
    if source.linear_share > _HALF:
        yield "The lags are those of a linear fit, which looks at the same ones in every window."
    if source.fed_back:
        yield "A step reads the value before it, so its weights may be aligned with that value, not its own."
    else:
        yield "The weights of a step are aligned with the value it predicts."
    reach = "everything before and after it in the context" if source.two_way else "everything up to it"
    yield f"The encoder state of a past step summarises {reach}, not that step alone."


def _share_text(share: float | None) -> str:
    return "-" if share is None else percent_text(share)


def _lift_text(lift: float) -> str:
    return f"{lift:.1f}x"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
