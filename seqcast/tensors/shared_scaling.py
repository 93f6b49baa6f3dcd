"""Scalers of a whole panel from those of its shares, each fitted by the process that holds it.

Counts, means and squares of distances add up (Chan, Golub and LeVeque 1983): n = sum n_i, m = sum n_i m_i / n and
n v = sum n_i (v_i + (m_i - m)^2).
"""

from collections.abc import Sequence

import numpy as np

from seqcast.panel.panel import Covariates, Panel
from seqcast.tensors.scaling import CovariateScalers, Moments, PanelScalers, category_table


def moments_of_series(parts: Sequence[tuple[np.ndarray, Moments]], num_series: int) -> Moments:
    """The moments of all series, of which each part has those whose numbers it tells."""
    whole = Moments(np.zeros(num_series, np.int64), np.zeros(num_series), np.zeros(num_series), np.ones(num_series))
    for series, own in parts:
        whole.count[series], whole.mean[series] = own.count, own.mean
        whole.variance[series], whole.scale[series] = own.variance, own.scale
    return whole


def moments_of_columns(parts: Sequence[Moments]) -> Moments:
    """The moments of columns whose values lie in several shares; a share without values of a column says nothing."""
    count, mean = (np.stack([getattr(part, name) for part in parts]) for name in ("count", "mean"))
    total = np.maximum(count.sum(axis=0), 1)
    weight = count / total
    # Means are summed as distances from one of them, so that equal ones have no distance to theirs.
    base = mean[np.argmax(count > 0, axis=0), np.arange(count.shape[1])]
    center = base + (weight * np.where(count > 0, mean - base, 0.0)).sum(axis=0)
    distance = np.where(count > 0, np.abs(mean - center), 0.0)
    deviation = np.stack([np.where(part.variance > 0, part.scale, 0.0) for part in parts])
    largest = np.maximum(np.maximum(distance, deviation).max(axis=0), np.finfo(np.float64).tiny)
    squares = weight * (np.square(deviation / largest) + np.square(distance / largest))
    spread = largest * np.sqrt(squares.sum(axis=0))
    spread = np.where(spread <= 4 * np.finfo(np.float64).eps * np.abs(center), 0.0, spread)
    limit = np.sqrt(np.finfo(np.float64).max)
    return Moments(count.sum(axis=0), center, np.square(np.minimum(spread, limit)), np.where(spread > 0, spread, 1.0))


def whole_scalers(own: PanelScalers, panel: Panel) -> PanelScalers:
    """The scalers of the whole panel; every holder of a share calls this with those of its own.

    Raises:
        DataError: A categorical column is too large to keep.
    """
    series = np.flatnonzero(panel.lengths)
    target = moments_of_series(panel.gathered((series, own.target.take(series))), panel.num_series)
    known, past = (
        _whole_covariates(panel.gathered(scalers), covariates)
        for scalers, covariates in ((own.known, panel.known), (own.past, panel.past))
    )
    return PanelScalers(target, known, past, own.static)


def _whole_covariates(parts: Sequence[CovariateScalers], covariates: Covariates) -> CovariateScalers:
    tables = zip(covariates.categorical_names, *(part.categories for part in parts), strict=True)
    return CovariateScalers(
        moments_of_columns([part.numeric for part in parts]),
        tuple(category_table(name, {text for part in own for text in part.tolist()}) for name, *own in tables),
    )
