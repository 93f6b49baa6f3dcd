"""Comparison of two lag profiles: their distance and the lags that differ most."""

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
