"""The settings that a search tries, and their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqcast.config import Config
from seqcast.training.plan import Plan

SEASONS_OF_CONTEXT = (2, 3, 5, 7, 14, 21)
"""Contexts to try, in seasons, or in horizons if the data have no season."""
LONGEST_CONTEXT = 1000
"""Longest context to try, in steps."""

Value = str | int | float


@dataclass(frozen=True)
class Categorical:
    """A setting that takes one of several values."""

    key: str
    """Name in the configuration, as `section.name`."""
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """A setting that takes any number between two, drawn on a logarithmic scale."""

    key: str
    low: float
    high: float


Dimension = Categorical | Range


def search_space(plan: Plan, fixed: frozenset[str] = frozenset()) -> tuple[Dimension, ...]:
    """The dimensions of a search around the configuration of `plan`. Its own values are always among them.

    Args:
        plan: The plan of training without a search.
        fixed: Settings that are not searched, as `section.name`.
    """
    model, training = plan.config.model, plan.config.training
    rate = training.learning_rate
    dimensions: list[Dimension] = [
        Categorical("model.context", _contexts(plan)),
        Categorical("model.hidden", _with((32, 64, 128), model.hidden)),
        Categorical("model.layers", _with((1, 2), model.layers)),
        Categorical("model.dropout", _with((0.0, 0.1, 0.2, 0.3), model.dropout)),
        Range("training.learning_rate", min(1e-3, rate), max(2e-2, rate)),
    ]
    if model.attention != "none":
        dimensions.append(Categorical("model.score", _named(("general", "dot", "concat", "location"), model.score)))
    if training.loss in ("quantile", "student-t"):  # other losses give no intervals
        dimensions.append(Categorical("training.loss", ("quantile", "student-t")))
    return tuple(dimension for dimension in dimensions if dimension.key not in fixed)


def first_values(space: tuple[Dimension, ...], config: Config) -> dict[str, Value]:
    """The value of each dimension in a configuration."""
    sections = config.model_dump()
    return {each.key: sections[each.key.partition(".")[0]][each.key.partition(".")[2]] for each in space}


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


def allows(space: tuple[Dimension, ...], values: dict[str, Any]) -> bool:
    """Whether the values are one point of the space."""
    if values.keys() != {dimension.key for dimension in space}:
        return False
    return all(
        values[each.key] in each.values if isinstance(each, Categorical) else each.low <= values[each.key] <= each.high
        for each in space
    )


def _contexts(plan: Plan) -> tuple[int, ...]:
    """Contexts no longer than half of the training part of a rather short series."""
    unit = plan.season if plan.season > 1 else plan.horizon
    room = (int(np.quantile(plan.split.train_ends, 0.2)) - plan.horizon) // 2
    wanted = (number * unit for number in SEASONS_OF_CONTEXT)
    return tuple(sorted({plan.context, *(steps for steps in wanted if steps <= min(room, LONGEST_CONTEXT))}))


def _with(values: tuple[Value, ...], own: Value) -> tuple[Value, ...]:
    return tuple(sorted({*values, own}))


def _named(values: tuple[str, ...], own: str) -> tuple[str, ...]:
    return values if own in values else (own, *values)
