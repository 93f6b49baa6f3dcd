"""Comparison of the attended bands with the lags at which the data repeat, and with the seasons of the frequency."""

from dataclasses import dataclass
from typing import Literal

from seqcast.attention.lag_report import LagReport
from seqcast.panel.frequency import Frequency
from seqcast.panel.panel import Panel
from seqcast.panel.seasonality import SMALLEST_CORRELATION, Autocorrelation, autocorrelation
from seqcast.results.lag_profile import LagBand

Status = Literal["agree", "disagree", "context too short", "not attended", "no repetition", "cannot tell"]

UNEXPLAINED_SHARE = 0.1
"""Smallest share of a band that is reported if the data do not repeat at its lag."""


@dataclass(frozen=True)
class SeasonFinding:
    """The finding about one lag."""

    lag: int
    duration: str
    status: Status
    correlation: float | None
    """Autocorrelation of the changes at this lag; None if the series are too short for it."""
    share: float
    """Part of the attention on the band at the lag, or at a multiple of it; 0 without one."""
    text: str
    """The finding in words."""


def check_seasons(report: LagReport, panel: Panel) -> tuple[SeasonFinding, ...]:
    """Compare the attended lags with the peaks of the autocorrelation (`panel.seasonality`).

    Returns the findings about peaks by falling autocorrelation, then those about seasons of the frequency, then those
    about bands that nothing explains.
    """
    found = autocorrelation(panel)
    peaks = found.peaks()
    suggested = [season for season in panel.frequency.seasons if season not in peaks]
    bands = report.by_target().bands()
    findings = [_finding(lag, lag in peaks, report, found) for lag in (*peaks, *suggested)]
    findings += [_unexplained_finding(band, found) for band in bands if _is_unexplained(band, peaks)]
    return tuple(findings)


def _finding(lag: int, is_peak: bool, report: LagReport, found: Autocorrelation) -> SeasonFinding:
    """The finding about a peak of the autocorrelation, or about another season of the frequency."""
    frequency, bands = report.overall.frequency, report.by_target().bands()
    named, value = _named(lag, frequency), found.at(lag)
    band = next((band for band in bands if _meets(band, lag)), None)
    multiple = next((band for band in bands if is_peak and _meets_multiple(band, lag)), None)
    attended = band or multiple
    suggested = named if is_peak else f"{named}, which the frequency suggests"
    status: Status = "agree"
    if not is_peak and lag > found.longest_lag:
        attended, status = None, "cannot tell"
        text = f"the series are too short to tell whether they repeat after {named}"
    elif not is_peak and (value is None or value < SMALLEST_CORRELATION):
        attended, status, text = None, "no repetition", f"the data do not repeat after {suggested}"
    elif band is not None:
        text = f"agree: {suggested}"
    elif multiple is not None:
        text = f"agree: {named}, at its multiple {_named(multiple.peak_lag, frequency)}"
    elif lag > report.context:
        status, text = "context too short", f"the context of {report.context} is too short to see {suggested}"
    elif is_peak:
        status, text = "disagree", f"disagree: the data repeat after {named}, no band of attention is there"
    else:
        status, text = "not attended", f"no band of attention is at {suggested}"
    share = 0.0 if attended is None else attended.share
    return SeasonFinding(lag, frequency.duration(lag), status, value, share, text)


def _unexplained_finding(band: LagBand, found: Autocorrelation) -> SeasonFinding:
    text = (
        f"disagree: lag {band.peak_lag} ({band.peak_duration}) holds {100 * band.share:.1f} % of the weight, and the "
        "data do not repeat after it"
    )
    return SeasonFinding(band.peak_lag, band.peak_duration, "disagree", found.at(band.peak_lag), band.share, text)


def _is_unexplained(band: LagBand, peaks: tuple[int, ...]) -> bool:
    """Whether a large band is at no peak. The newest values (lags 1 and 2) need no season as an explanation."""
    explained = band.first_lag <= 2 or any(_meets(band, lag) or _meets_multiple(band, lag) for lag in peaks)
    return band.share >= UNEXPLAINED_SHARE and not explained


def _meets(band: LagBand, lag: int) -> bool:
    """Whether the band is highest at the lag, or is narrow and contains it."""
    slack = max(1, lag // 50)
    if abs(band.peak_lag - lag) <= slack:
        return True
    narrow = band.last_lag - band.first_lag <= max(2, lag // 2)
    return narrow and band.first_lag - slack <= lag <= band.last_lag + slack


def _meets_multiple(band: LagBand, lag: int) -> bool:
    """Whether the band is at a multiple of the lag, as it must be if the horizon is longer than the season."""
    times = round(band.peak_lag / lag)
    return times >= 2 and band.last_lag - band.first_lag <= max(2, lag // 2) and _meets(band, times * lag)


def _named(lag: int, frequency: Frequency) -> str:
    return f"lag {lag} ({frequency.duration(lag)})"
