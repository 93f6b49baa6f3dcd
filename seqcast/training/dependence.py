"""Learning how the errors of the steps of one forecast belong together, from those of past windows.

The shares of `results.dependence` are the non-negative least-squares fit to the correlations of the normal scores of
the truths. Scores are not centred: an error that all windows share is one that steps share. The fit has fifteen numbers
whatever the horizon is. It is drawn towards the usual shares where independent windows are few, as shrinkage estimates
of correlation matrices are drawn towards a structured target (Ledoit and Wolf 2004); and a little where they all lie in
one stretch of time, whose errors many series share.
"""

import numpy as np

from seqcast.panel.arrays import FloatArray, IntArray, evenly_spread
from seqcast.results.dependence import DependencePart, StepDependence, part_correlation, usable_parts

USUAL_SHARES: dict[DependencePart, float] = {"common": 0.2, "decay_2": 0.2, "decay_8": 0.2}
USUAL_WINDOWS = 10
"""Weight of the usual shares, in independent windows."""
USUAL_STRETCHES = 0.3
"""Weight of the usual shares, in stretches of time."""
LARGEST_SCORE = 3.0
"""Scores beyond it count as it, so that no single error decides."""
ALL_STEPS = 96
"""First steps of which every one is compared with all others; later ones are spread evenly over the horizon."""
SMALLEST_SHARE = 0.005
"""Shares that are smaller are none."""
_SUM_WEIGHT = 1e3
"""Weight of the condition that the shares and the independent rest add up to one."""


def learn_dependence(scores: FloatArray, num_independent: int, num_series: int, season: int) -> StepDependence:
    """The dependence of the steps of a forecast.

    Args:
        scores: (windows, horizon) normal scores of the truths of past windows; NaN where there is none.
        num_independent: Windows among them that do not overlap.
        num_series: Series that the windows belong to.
        season: Steps of one season.
    """
    horizon = scores.shape[1]
    fitted: dict[DependencePart, float] = {}
    trust = 0.0
    if num_independent:
        fitted = _fit(scores, season)
        trust = 1 / (1 + USUAL_WINDOWS / num_independent + USUAL_STRETCHES * num_series / num_independent)
    together: dict[DependencePart, float] = {}
    for part in usable_parts(season, horizon):
        share = trust * fitted.get(part, 0.0) + (1 - trust) * USUAL_SHARES.get(part, 0.0)
        if share >= SMALLEST_SHARE:
            together[part] = round(share, 4)
    return StepDependence(together, season)


def _fit(scores: FloatArray, season: int) -> dict[DependencePart, float]:
    """The shares that fit best."""
    from scipy.optimize import nnls

    horizon = scores.shape[1]
    steps, weights = _compared_steps(horizon)
    correlation, is_known = _correlation(scores[:, steps - 1])
    first, second = np.nonzero(np.triu(is_known, 1))
    if not len(first):
        return {}
    parts = tuple(usable_parts(season, horizon))
    weight = np.sqrt(weights[first] * weights[second])
    weight /= np.linalg.norm(weight)
    columns = [part_correlation(part, steps, season)[first, second] * weight for part in parts]
    design = np.vstack([np.stack([*columns, np.zeros(len(first))], axis=1), np.full((1, len(parts) + 1), _SUM_WEIGHT)])
    shares, _ = nnls(design, np.append(correlation[first, second] * weight, _SUM_WEIGHT))
    return dict(zip(parts, shares[:-1].tolist(), strict=True))


def _compared_steps(horizon: int) -> tuple[IntArray, FloatArray]:
    """Some steps (n,), counted from 1, and the number of steps that each stands for."""
    steps = np.union1d(np.arange(min(horizon, ALL_STEPS)), evenly_spread(horizon, ALL_STEPS)) + 1
    borders = np.concatenate([[0.5], (steps[1:] + steps[:-1]) / 2, [horizon + 0.5]])
    return steps, np.diff(borders)


def _correlation(scores: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """(n, n) correlations of the scores (windows, n), and where two steps were both observed."""
    seen = np.isfinite(scores).astype(float)
    clipped = np.clip(np.nan_to_num(scores), -LARGEST_SCORE, LARGEST_SCORE) * seen
    both = seen.T @ seen
    products = clipped.T @ clipped / np.maximum(both, 1)
    spread = np.sqrt(np.diag(products))
    scale = spread[:, None] * spread
    return products / np.where(scale > 0, scale, 1.0), (both > 0) & (scale > 0)
