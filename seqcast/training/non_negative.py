"""Non-negative least squares of the linear start, with a ridge and a penalty that grow with the noise."""

import numpy as np
import torch
from torch import Tensor

RIDGE = 1e-3
"""Term added to the mean square of every lag at the usual noise, so that collinear lags share."""
PENALTY = 0.01
"""Penalty on the sum of the weights at the usual noise. Standardised windows sum to zero, so equal weights on all lags
forecast nothing; the penalty removes them, and the lags that only fit noise."""
MOST_WORK = 1e11
"""Multiplications of one fit."""
NUM_ITERATIONS = (20, 1000)
"""Fewest and most of one fit, whatever its work."""
CONVERGED = 1e-5
"""Largest change of a weight that ends the fit, at the usual noise."""


def non_negative_least_squares(gram: Tensor, cross: Tensor, start: Tensor, noise: Tensor) -> Tensor:
    """(fits, lags, columns) argmin over B >= 0 of tr(B' G B) / 2 - tr(B' C) for each fit.

    By accelerated projected gradient (Beck and Teboulle 2009). Ridge and penalty are added to G and C, for the noise of
    each column. Every fit ends by itself: it does not depend on those that are made together with it.

    Args:
        gram: (fits, lags, lags) the matrices G.
        cross: (fits, lags, columns) the matrices C.
        start: (lags, columns) weights to begin with.
        noise: (columns,) the noise of each step as a part of the usual one, which ridge and penalty grow with.
    """
    lags, columns = start.shape
    identity = torch.eye(lags, dtype=gram.dtype)
    gram = gram + RIDGE * noise.square().mean() * identity
    rate = 1 / torch.linalg.matrix_norm(gram, 2)[:, None, None]
    # For small matrices, an operation of NumPy costs half of what one of torch does.
    descent, shift = (identity - rate * gram).numpy(), (rate * (cross - PENALTY * noise)).numpy()
    steady = CONVERGED * float(noise.min())
    found, unfinished = np.empty_like(shift), np.arange(len(shift))
    current = ahead = following = np.broadcast_to(start.numpy(), shift.shape)
    momentum = 1.0
    for number in range(int(np.clip(MOST_WORK / (2 * lags**2 * columns), *NUM_ITERATIONS))):
        following = descent @ ahead
        following += shift
        np.maximum(following, 0, out=following)
        change = following - current
        if number % 20 == 0:
            moving = np.abs(change).max(axis=(1, 2)) >= steady
            if not moving.all():
                found[unfinished] = following
                unfinished = unfinished[moving]
                if not len(unfinished):
                    return torch.from_numpy(found)
                descent, shift, following, change = (each[moving] for each in (descent, shift, following, change))
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        change *= (momentum - 1) / next_momentum
        ahead = np.add(following, change, out=change)
        current, momentum = following, next_momentum
    found[unfinished] = following
    return torch.from_numpy(found)
