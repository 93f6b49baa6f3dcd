"""A trained model that looks at fewer or more past steps than it was trained on.

Scores of content (dot, general, concat, cosine, additive, hybrid) and local-m, which counts from the end of the
context, take any length. What knows positions is cut to the newest ones when the context is shorter. When it is
longer, a lag bias goes on with each step's lowest one, so that only content draws attention to lags that were never
learned; location scores and local-p, which learned positions of the trained context, cannot go on.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from seqcast.config import MOST_STEPS
from seqcast.errors import UsageError, option
from seqcast.model.attention import LagAttention, LocalPredictiveFocus, LocationScore
from seqcast.model.network import ForecastNetwork
from seqcast.panel.notices import Notice
from seqcast.run.load import TrainedModel

Network = TypeVar("Network", bound=nn.Module)


def with_context(model: TrainedModel, context: int) -> TrainedModel:
    """The same weights over `context` past steps; the model given stays as it is.

    Raises:
        UsageError: The context is not positive, or absurd, or longer than an attention that knows positions was
            trained on.
    """
    if not 1 <= context <= MOST_STEPS:
        raise UsageError(f"{option('context', context)}: the number of past steps must be 1 to {MOST_STEPS:,}.")
    if context == model.context:
        return model
    validated = None if model.validated is None else _with_context(model.validated, model.context, context)
    return replace(model, network=_with_context(model.network, model.context, context), validated=validated)


def context_notices(trained: int, context: int) -> tuple[Notice, ...]:
    """What to know about a model trained on `trained` steps that looks at `context`."""
    if context > trained:
        text = (
            f"the context of {context} is longer than the {trained} steps the run was trained on;"
            f" what lies before lag {trained} was never learned from"
        )
        return (Notice("repair", text),)
    if context < trained:
        return (Notice("decision", f"context: the newest {context} of the {trained} steps the run was trained on"),)
    return ()


def _with_context(network: Network, trained: int, context: int) -> Network:
    """A copy in which every forecasting network looks at `context` steps."""
    resized = copy.deepcopy(network)
    for part in resized.modules():
        if isinstance(part, ForecastNetwork):
            part.shape = replace(part.shape, context=context)
            if part.decoder.attention is not None:
                _fit_attention(part.decoder.attention, trained, context)
    return resized


def _fit_attention(attention: LagAttention, trained: int, context: int) -> None:
    positional = _positional_part(attention)
    if positional is not None and context > trained:
        raise UsageError(
            f"{option('context', context)}: {positional} the {trained} positions of the trained context and no others.",
            hint=f"Give at most {trained}, or train with {option('context', context)}.",
        )
    if isinstance(attention.score, LocationScore):
        kept = attention.score.projection.weight[-context:]
        attention.score.projection = nn.Linear(kept.shape[1], context, bias=False)
        attention.score.projection.weight = nn.Parameter(kept)
    if isinstance(attention.focus, LocalPredictiveFocus):
        attention.focus = NewestPositions(attention.focus, trained)
    if attention.lag_bias is not None:
        bias = attention.lag_bias.detach()
        lowest = bias.amin(dim=1, keepdim=True).expand(-1, max(0, context - trained))
        attention.lag_bias = nn.Parameter(torch.cat([lowest, bias], dim=1)[:, -context:])


def _positional_part(attention: LagAttention) -> str | None:
    if isinstance(attention.score, LocationScore):
        return "location scores know"
    if isinstance(attention.focus, LocalPredictiveFocus):
        return "local-p knows"
    return None


class NewestPositions(nn.Module):
    """A focus on parts of a longer context, of which only the newest positions are there."""

    def __init__(self, focus: nn.Module, trained: int) -> None:
        super().__init__()
        self.focus, self.trained = focus, trained

    def forward(self, scores: Tensor, queries: Tensor, first_step: int) -> Tensor:
        """As the focus; `scores` (batch, horizon, context) says what is left."""
        whole = scores.new_zeros(*scores.shape[:2], self.trained)
        focused: Tensor = self.focus(whole, queries, first_step)
        return focused[..., -scores.shape[-1] :]
