"""What a panel holds, in numbers: lengths, missing values, and how strongly it repeats itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcast.panel.panel import FloatArray, Panel
from seqcast.panel.wording import show_time

MOST_SERIES = 200
"""Series looked at for seasonality, evenly spread over all."""


@dataclass(frozen=True)
class SeasonStrength:
    """How alike values one season apart are."""

    season: int
    duration: str
    autocorrelation: float | None
    """Median over series, each with its linear trend removed; None where no series is two seasons long."""


@dataclass(frozen=True)
class PanelSummary:
    """The numbers of a panel that a person wants to see before training."""

    num_series: int
    num_rows: int
    num_missing: int
    shortest: int
    median_length: float
    longest: int
    first_time: str
    latest_start: str
    earliest_end: str
    last_time: str
    seasons: tuple[SeasonStrength, ...]


def summarise(panel: Panel) -> PanelSummary:
    """Count a panel's steps and measure its seasons."""
    last = panel.times(np.arange(panel.num_series), panel.lengths - 1)
    series = np.unique(np.linspace(0, panel.num_series - 1, min(MOST_SERIES, panel.num_series)).astype(np.int64))
    values = [_detrended(panel.target[panel.offsets[i] : panel.offsets[i + 1]]) for i in series]
    return PanelSummary(
        num_series=panel.num_series,
        num_rows=len(panel.target),
        num_missing=int(np.isnan(panel.target).sum()),
        shortest=int(panel.lengths.min()),
        median_length=float(np.median(panel.lengths)),
        longest=int(panel.lengths.max()),
        first_time=show_time(panel.starts.min()),
        latest_start=show_time(panel.starts.max()),
        earliest_end=show_time(last.min()),
        last_time=show_time(last.max()),
        seasons=tuple(_strength(panel, values, season) for season in panel.frequency.seasons),
    )


def _detrended(values: FloatArray) -> FloatArray:
    """Values without their least-squares line; all NaN when fewer than three are observed."""
    seen = np.isfinite(values)
    if seen.sum() < 3:
        return np.full(len(values), np.nan)
    # Scaled to order one first, so that no square overflows.
    scaled = values / max(float(np.abs(values[seen]).max()), np.finfo(np.float64).tiny)
    steps = np.linspace(-1, 1, len(values))
    return scaled - np.polyval(np.polyfit(steps[seen], scaled[seen], 1), steps)


def _strength(panel: Panel, values: list[FloatArray], season: int) -> SeasonStrength:
    found = [_autocorrelation(each, season) for each in values if len(each) >= 2 * season]
    usable = [value for value in found if value is not None]
    return SeasonStrength(season, panel.frequency.duration(season), float(np.median(usable)) if usable else None)


def _autocorrelation(values: FloatArray, lag: int) -> float | None:
    """Correlation of values `lag` steps apart over the pairs that are observed; None for a constant."""
    early, late = values[:-lag], values[lag:]
    both = np.isfinite(early) & np.isfinite(late)
    early, late = early[both], late[both]
    size = float(np.sqrt(np.mean(early**2) * np.mean(late**2))) if len(early) else 0.0
    return float(np.mean(early * late)) / size if size > 1e-12 else None
