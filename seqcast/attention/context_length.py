"""A trained model that looks at fewer or more past steps than it was trained on.

Scores of content (dot, general, concat, cosine, additive, hybrid) and local-m, which counts from the end of the
context, take any length. What knows positions is cut to the newest ones when the context is shorter. When it is
longer, a lag bias goes on with each step's lowest one, so that only content draws attention to lags that were never
learned; location scores and local-p, which learned positions of the trained context, cannot go on.
"""

from dataclasses import replace

from seqcast.config import MOST_STEPS
from seqcast.errors import UsageError, option
from seqcast.panel.notices import Notice
from seqcast.run.load import TrainedModel


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
    validated = None if model.validated is None else model.validated.with_context(context)
    return replace(model, network=model.network.with_context(context), validated=validated)


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
