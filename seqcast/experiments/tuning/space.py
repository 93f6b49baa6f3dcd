"""The settings that a search tries, and their ranges."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from seqcast.config import Config, flat_settings
from seqcast.training.plan import Plan

SEASONS_OF_CONTEXT = (2, 3, 5, 7, 14, 21)
"""Contexts to try, in seasons, or in horizons if the data have no season."""
LONGEST_CONTEXT = 1000
"""Longest context to try, in steps."""

Value = str | int | float


def search_space(plan: Plan, fixed: frozenset[str] = frozenset()) -> dict[str, BaseDistribution]:
    """The settings of a search around the configuration of `plan`, whose own values are always among those to try.

    Settings in `fixed` (as `section.name`) are not searched.
    """
    model, training = plan.config.model, plan.config.training
    rate = training.learning_rate
    space: dict[str, BaseDistribution] = {
        "model.context": CategoricalDistribution(_contexts(plan)),
        "model.hidden": CategoricalDistribution(sorted({32, 64, 128, model.hidden})),
        "model.layers": CategoricalDistribution(sorted({1, 2, model.layers})),
        "model.dropout": CategoricalDistribution(sorted({0.0, 0.1, 0.2, 0.3, model.dropout})),
        "training.learning_rate": FloatDistribution(min(1e-3, rate), max(2e-2, rate), log=True),
    }
    if model.attention != "none":
        usual = ("general", "dot", "concat", "location")
        space["model.score"] = CategoricalDistribution(usual if model.score in usual else (model.score, *usual))
    if training.loss in ("quantile", "student-t"):  # other losses give no intervals
        space["training.loss"] = CategoricalDistribution(("quantile", "student-t"))
    return {key: values for key, values in space.items() if key not in fixed}


def first_values(space: Iterable[str], config: Config) -> dict[str, Value]:
    """The value in a configuration of each setting of the space."""
    settings = flat_settings(config)
    return {key: settings[key] for key in space}  # type: ignore[misc]  # settings of a space have such values


def with_values(config: Config, values: dict[str, Value]) -> Config:
    """The configuration with these values.

    Raises:
        UsageError: A value is outside its range.
    """
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return config.override(**sections)


def _contexts(plan: Plan) -> tuple[int, ...]:
    """Contexts no longer than half of the training part of a rather short series."""
    unit = plan.season if plan.season > 1 else plan.horizon
    room = (int(np.quantile(plan.split.train_ends, 0.2)) - plan.horizon) // 2
    wanted = (number * unit for number in SEASONS_OF_CONTEXT)
    return tuple(sorted({plan.context, *(steps for steps in wanted if steps <= min(room, LONGEST_CONTEXT))}))
