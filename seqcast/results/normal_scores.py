"""A forecast's distribution as a map between values and normal scores, the standard normal quantiles of the same level.

Between two quantiles the map is a line, as in `results.forecast.quantile`, so that a normal distribution is one line.
Beyond the outermost quantile it follows the line from the median through it, so that tails are those of a normal
distribution.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from seqcast.panel.arrays import FloatArray

LARGEST_SCORE = 38.0
"""The probability beyond it is too small for a float."""


def is_two_sided(levels: Sequence[float]) -> bool:
    """Whether there are quantiles on both sides of the median, without which a distribution has no ends."""
    return len(levels) > 0 and levels[0] < 0.5 < levels[-1]


def level_scores(levels: Sequence[float]) -> FloatArray:
    """(L + 2,) normal scores of the levels, and of the two ends of the distribution."""
    return np.array([-LARGEST_SCORE, *map(NormalDist().inv_cdf, levels), LARGEST_SCORE])


def values_at(scores: FloatArray, levels: Sequence[float], quantiles: FloatArray) -> FloatArray:
    """(W, N, H) the values at normal scores (W, N, H), for quantiles (W, H, L) on both sides of the median."""
    knots, values = level_scores(levels), _with_ends(levels, quantiles)
    slopes = np.diff(values, axis=-1) / np.diff(knots)
    place = np.searchsorted(knots[1:-1], scores)
    window, step = (np.arange(size) for size in quantiles.shape[:2])
    at = (window[:, None, None], step[None, None, :], place)
    found: FloatArray = values[at] + slopes[at] * (scores - knots[place])
    return found


def scores_of(values: FloatArray, levels: Sequence[float], quantiles: FloatArray) -> FloatArray:
    """(W, H) normal scores of values (W, H), for quantiles (W, H, L) on both sides of the median; NaN of NaN.

    A value at which several quantiles meet has the middle of their scores.
    """
    knots, ends = level_scores(levels), _with_ends(levels, quantiles)
    value = values[..., None]
    below, reached = (ends < value).sum(axis=-1), (ends <= value).sum(axis=-1)
    last = len(knots) - 1
    meeting = (knots[np.minimum(below, last)] + knots[np.maximum(reached - 1, 0)]) / 2
    first = np.clip(below - 1, 0, last - 1)[..., None]
    low, high = (np.take_along_axis(ends, each, axis=-1)[..., 0] for each in (first, first + 1))
    start, end = knots[first[..., 0]], knots[first[..., 0] + 1]
    part = (values - low) / np.where(high > low, high - low, 1.0)
    scores = np.where(reached > below, meeting, start + part * (end - start))
    beyond = np.where(below > last, LARGEST_SCORE, np.where(reached == 0, -LARGEST_SCORE, scores))
    return np.where(np.isnan(values), np.nan, beyond)


def _with_ends(levels: Sequence[float], quantiles: FloatArray) -> FloatArray:
    """(W, H, L + 2) the quantiles and the values at both ends, on the lines from the median through the outermost."""
    scores = level_scores(levels)
    median = quantiles[..., list(levels).index(0.5)]
    ends = [
        median + (quantiles[..., outermost] - median) * LARGEST_SCORE / abs(scores[outermost_score])
        for outermost, outermost_score in ((0, 1), (-1, -2))
    ]
    return np.concatenate([ends[0][..., None], quantiles, ends[1][..., None]], axis=-1)
