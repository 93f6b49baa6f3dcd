"""Two lag profiles side by side: how much of the attention lies elsewhere, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from seqcast.results.lag_profile import LagProfile, padded, total_variation


@dataclass(frozen=True)
class LagDifference:
    """One lag in both runs."""

    lag: int
    duration: str
    share: float
    other_share: float
    difference: float
    """share - other_share"""


@dataclass(frozen=True)
class ProfileComparison:
    """The lags that differ most."""

    other_run: str
    distance: float
    """Total variation: the part of the weight that would have to move, 0 (equal) to 1 (nothing in common)."""
    effective_lags: float
    other_effective_lags: float
    lags: tuple[LagDifference, ...]
    """By falling difference, whichever sign."""

    def as_dict(self) -> dict[str, object]:
        """The fields under their names."""
        return asdict(self)


def compare_profiles(profile: LagProfile, other: LagProfile, other_run: str, top: int) -> ProfileComparison:
    """The `top` lags on which two profiles of one frequency differ most."""
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
