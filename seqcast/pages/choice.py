"""The series that a page shows: all of a few, or the worst, the best and random ones of many."""

from dataclasses import dataclass

import numpy as np

from seqcast.evaluation.metrics import Scores
from seqcast.panel.arrays import FloatArray
from seqcast.results.forecast import MODEL

WORST, BEST, RANDOM, ALL = "worst", "best", "random", "all"


@dataclass(frozen=True)
class Chosen:
    """A series to show."""

    series: int
    """Its index in the panel."""
    group: str
    """Why it was chosen: `WORST`, `BEST`, `RANDOM` or `ALL`."""


def series_errors(scores: Scores) -> tuple[str, FloatArray]:
    """The measure that ranks series, and their errors (N,): mase, or mae where no series has a scale."""
    by_series = scores.of(MODEL).by_series
    measure = "mase" if np.isfinite(by_series.mase).any() else "mae"
    errors: FloatArray = getattr(by_series, measure)
    return measure, errors


def choose_series(errors: FloatArray, most: int) -> tuple[Chosen, ...]:
    """At most `most` series: a third of them the worst, a third the best, the rest at random.

    Args:
        errors: (series,) NaN for a series without a score, which can only be chosen at random.
        most: Number of series, at least 1.
    """
    if len(errors) <= most:
        return tuple(Chosen(series, ALL) for series in range(len(errors)))
    ranked = np.argsort(-errors, kind="stable")  # NaN comes last
    ranked = ranked[: int(np.isfinite(errors).sum())]
    num_best = min(most // 3, len(ranked) // 2)
    num_worst = min(-(-most // 3), len(ranked) - num_best)
    worst, best = ranked[:num_worst], ranked[len(ranked) - num_best :][::-1]
    rest = np.setdiff1d(np.arange(len(errors)), np.concatenate([worst, best]))
    drawn = np.random.default_rng(0).choice(rest, most - num_worst - num_best, replace=False)
    groups = ((WORST, worst), (BEST, best), (RANDOM, np.sort(drawn)))
    return tuple(Chosen(int(series), group) for group, members in groups for series in members)
