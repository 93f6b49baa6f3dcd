"""Comparison of lag profiles: of two runs, and of the network and the linear start of one run."""

from dataclasses import dataclass

import numpy as np

from seqcast.results.lag_profile import LagProfile, padded, total_variation


@dataclass(frozen=True)
class LagDifference:
    """The share of one lag in both runs."""

    lag: int
    duration: str
    share: float
    other_share: float
    difference: float
    """`share` - `other_share`"""


@dataclass(frozen=True)
class ProfileComparison:
    """The difference between the lag profiles of two runs."""

    other_run: str
    distance: float
    """Total variation: the part of the weight on other lags, from 0 (equal) to 1 (nothing in common)."""
    effective_lags: float
    other_effective_lags: float
    lags: tuple[LagDifference, ...]
    """The lags that differ most, by falling absolute difference."""


@dataclass(frozen=True)
class PartLag:
    """The share of one lag in each part of the forecast; None for a part that has no share in the forecast."""

    lag: int
    duration: str
    network: float | None
    start: float | None


@dataclass(frozen=True)
class PartComparison:
    """The lags of the trained networks beside those of the linear start, each alone."""

    distance: float | None
    """Part of the network's weight on other lags than those of the start; None where one forecasts alone."""
    lags: tuple[PartLag, ...]
    """The lags that are among the strongest of a part, by falling share in either."""


def compare_parts(parts: dict[str, LagProfile], top: int | None = None) -> PartComparison:
    """Put the profile of each `Part` side by side, at most `top` lags."""
    rows = {row.lag: row for profile in parts.values() for row in profile.rows(top)}
    ranked = sorted(rows.values(), key=lambda row: -max(float(part.share[row.lag - 1]) for part in parts.values()))

    def share(part: str, lag: int) -> float | None:
        return float(parts[part].share[lag - 1]) if part in parts else None

    lags = tuple(
        PartLag(row.lag, row.duration, share("network", row.lag), share("start", row.lag)) for row in ranked[:top]
    )
    distance = total_variation(*(profile.share for profile in parts.values())) if len(parts) > 1 else None
    return PartComparison(distance, lags)


def compare_profiles(profile: LagProfile, other: LagProfile, other_run: str, top: int) -> ProfileComparison:
    """Compare two profiles of one frequency on the `top` lags that differ most."""
    length = max(len(profile.share), len(other.share))
    share, other_share = padded(profile.share, length), padded(other.share, length)
    order = np.argsort(-np.abs(share - other_share), kind="stable")[:top]
    lags = tuple(
        LagDifference(
            lag=int(index) + 1,
            duration=profile.frequency.duration(int(index) + 1),
            share=float(share[index]),
            other_share=float(other_share[index]),
            difference=float(share[index] - other_share[index]),
        )
        for index in order
    )
    distance = total_variation(share, other_share)
    return ProfileComparison(other_run, distance, profile.effective_lags, other.effective_lags, lags)
