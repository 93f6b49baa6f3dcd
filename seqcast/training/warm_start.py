"""A first guess of the attention from the data: what a non-negative linear forecast looks at.

Attention is non-negative too, so the scores that give the linear forecast's weights b_t (their logarithm for softmax)
are the natural start of the lag bias, sum b_t that of the copy gate, and the residuals that of the quantiles. Training
begins as a linear seasonal forecast whose attended lags are the lags that carry the series, instead of finding them
through the collinear states of an untrained encoder.
"""

from __future__ import annotations

import torch

from seqcast.model.network import ForecastNetwork
from seqcast.training.linear_start import LinearForecast

FLOOR = 0.02
"""Attention left to lags without weight, together, so that training can still raise them."""
SMALLEST_GATE = 0.02
"""Start of the copy gate where the linear forecast copies nothing, so that training can still open it."""


@torch.no_grad()
def apply_warm_start(network: ForecastNetwork, linear: LinearForecast) -> None:
    """Set lag bias, copy gate and step offsets of an untrained network to say what the linear forecast says."""
    decoder = network.decoder
    attention = decoder.attention
    if attention is None or attention.lag_bias is None:
        return
    total = linear.weights.sum(dim=1, keepdim=True)
    share = linear.weights / total.clamp(min=1e-6)
    attention.start_at((1 - FLOOR) * share + FLOOR / share.shape[1])
    if decoder.copy_gate is None:
        return
    decoder.copy_gate.step_bias.copy_(torch.log(torch.expm1(total[:, 0].clamp(min=SMALLEST_GATE))))
    if network.layout.increasing:
        decoder.head.step_bias.copy_(linear.residual_quantiles)
