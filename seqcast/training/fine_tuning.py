"""Fine-tuning: the networks of a finished run, trained further on newer or other series.

A parent has found out how long to train and from where, so one short schedule at a smaller learning rate is enough. Its
networks go on from the weights that forecast, or, where the new validation part overlaps with the parent's, from those
before they took that in. All that has a closed form, and all that is measured on validation, is made anew.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from torch import nn

from seqcast.config import MOST_MEMBERS, Config, Freeze, flat_settings
from seqcast.errors import Place, RunError, UsageError, option
from seqcast.model.network import ForecastNetwork
from seqcast.model.shape import NetworkShape
from seqcast.panel.arrays import BoolArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel.wording import counted
from seqcast.run.parent import Parent
from seqcast.run.record import CONFIG_FILE, RUN_FILE, Choice, RunRecord
from seqcast.tensors.scaling import PanelScalers, unknown_categories
from seqcast.training.plan import Plan

LEARNING_RATE_SHARE = 0.5
"""Peak learning rate, as a part of the parent's."""
STEPS_SHARE = 0.1
"""Most steps of all networks together, as a part of the parent's most steps."""
FEWEST_STEPS = 10
"""Fewest steps of each network, and between two validations: fewer tell nothing."""
VALIDATIONS = 10
"""Most validations of a network, besides that of its start; each costs as much as three steps. The first one without a
gain is the last: a network that was trained well before has learned most of what there is, and one that was not goes
on learning."""

Sections = Mapping[str, Mapping[str, Any]]


def num_networks(record: RunRecord) -> int:
    """Number of trained networks of a finished run that are trained further."""
    result = record.result
    assert result is not None
    num_trained = 0 if result.linear_share == 1 else result.num_members - (result.linear_share > 0)
    return min(num_trained, MOST_MEMBERS)


def is_fixed(name: str) -> bool:
    """Whether the weights of a run depend on a setting, such as `model.hidden`, so that it cannot be changed."""
    section, _, key = name.partition(".")
    if section == "model":
        return key != "dropout"
    return name in ("data.calendar", "data.holidays", "training.loss", "training.ensemble", "training.rounds")


def inherited_config(
    name: str, record: RunRecord, config: Config, given: Sections
) -> tuple[Config, tuple[Choice, ...]]:
    """Settings of a fine-tuning, and the choices among them.

    Args:
        name: The parent's, for messages.
        record: The parent's.
        config: The parent's.
        given: Settings to use in place of the parent's.

    Raises:
        UsageError: A given setting would need other networks, or makes no sense.
        RunError: The parent has not finished.
    """
    if record.result is None:
        raise RunError(f"{name}: its training has not finished, so there is nothing to go on from.")
    own, asked = flat_settings(config), flat_settings(config.override(**{key: dict(v) for key, v in given.items()}))
    changed = [each for each in own if is_fixed(each) and own[each] != asked[each]]
    if changed:
        first = changed[0]
        raise UsageError(
            f"{name}: {first} is {own[first]!r} in this run and cannot become {asked[first]!r}: its networks are made "
            "for it.",
            hint="Leave it out, or train from the start.",
        )
    if asked["training.freeze"] == "attention" and config.model.attention == "none":
        raise UsageError(f"{option('freeze', 'attention')}: {name} has no attention.")
    return _with_budget(record, config, given)


def _with_budget(record: RunRecord, config: Config, given: Sections) -> tuple[Config, tuple[Choice, ...]]:
    """The inherited settings with the number of networks, the steps and the learning rate of a fine-tuning."""
    assert record.result is not None
    number, usual = num_networks(record), config.training.model_dump()
    usual |= {"freeze": "none", "time_limit": None, "validate_every": None, "patience": None}
    choices = []
    asked = dict(given.get("training", {}))
    if record.parent is None:  # a fine-tuned parent has had both reduced
        most = config.training.max_steps
        assert most is not None
        usual["max_steps"] = max(FEWEST_STEPS, round(STEPS_SHARE * most / max(1, number)))
        reasons = {"max_steps": f"{STEPS_SHARE:.0%} of the run's {most:,}"}
        if number:
            usual["learning_rate"] = float(f"{LEARNING_RATE_SHARE * config.training.learning_rate:.2g}")
            reasons["learning_rate"] = f"{LEARNING_RATE_SHARE:.0%} of the run's"
        left = reasons.keys() - asked.keys() - ({"max_steps"} if "time_limit" in asked else set())
        choices = [
            Choice(name.replace("_", " "), f"{usual[name]:g}", reasons[name]) for name in reasons if name in left
        ]
    if "time_limit" in asked:
        usual["max_steps"] = None  # `training.pace` settles it
    training = usual | asked | {"ensemble": max(1, number), "rounds": 1}
    if training["max_steps"] is not None:
        usual_interval = max(min(FEWEST_STEPS, training["max_steps"]), math.ceil(training["max_steps"] / VALIDATIONS))
        training["validate_every"] = training["validate_every"] or usual_interval
        if number:
            training["patience"] = training["patience"] or training["validate_every"]
    sections = {name: dict(values) for name, values in given.items()}
    return config.override(**sections | {"training": training}), tuple(choices)


def plan_fine_tuning(plan: Plan, parent: Parent, panel: Panel, choices: tuple[Choice, ...]) -> Plan:
    """The plan with all that is inherited among its choices, and with warnings of what the parent has seen.

    Args:
        plan: Of the inherited settings.
        parent: The run to go on from.
        panel: The series to train on.
        choices: Those among the inherited settings.
    """
    number, freeze, data = num_networks(parent.record), plan.config.training.freeze, parent.model.config.data
    known = set(parent.model.series_ids)
    num_known = sum(name in known for name in panel.series_ids)
    networks = f"{counted(number, 'network')} trained further" if number else "it has no network; a new one is trained"
    if number and _has_learned(plan, parent, panel, data.test_size).any():
        networks += ", from the weights before the refit"
    if freeze != "none":
        networks += f", {freeze} frozen"
    told = (
        Choice("from", str(parent.directory.path), networks),
        Choice("series", f"{num_known:,} of that run, {panel.num_series - num_known:,} new", "all share the networks"),
        Choice("scalers", "kept for covariates, refitted for targets", "networks know covariates in those units"),
    )
    notices = (*_seen_before(plan, parent, panel), *unknown_categories(parent.model.scalers, panel))
    return replace(plan, choices=(*told, *choices, *plan.choices), notices=(*plan.notices, *notices))


def _seen_before(plan: Plan, parent: Parent, panel: Panel) -> tuple[Notice, ...]:
    """A warning where the parent has learned from what is now kept for validation or test."""
    data = parent.model.config.data
    learned = _has_learned(plan, parent, panel, (data.validation_size or 0) + data.test_size)
    if not len(learned) or not learned.all():
        return ()
    text = "the run has learned from a part of this validation or test part: errors will look smaller than they are"
    return (Notice("repair", f"{text}; give newer rows, or the sizes of its parts"),)


def _has_learned(plan: Plan, parent: Parent, panel: Panel, held_out: int) -> BoolArray:
    """(series of the parent,) True where it may have learned from rows after the training part of the plan.

    Args:
        plan: The plan of the fine-tuning.
        parent: The run to go on from.
        panel: The series to train on.
        held_out: Last steps of its series that the parent has not learned from. Where a series ended before the table,
            it has learned from fewer rows than this assumes.
    """
    known = set(parent.model.series_ids)
    series = np.flatnonzero([name in known for name in panel.series_ids])
    if not len(series):
        return np.zeros(0, bool)
    ends = panel.frequency.wall(panel.times(series, plan.split.train_ends[series] + held_out - 1))
    return np.less(ends, _last_time(parent)).astype(bool)


def _last_time(parent: Parent) -> np.datetime64 | np.int64:
    """The last time of the parent's table, as its clock showed it."""
    text = parent.record.data.last_time
    found = re.match(r"[\d-]+( [\d:.]+)?", text)
    try:
        if found is None:
            raise ValueError(text)
        return np.int64(text) if parent.model.frequency.unit == "integer" else np.datetime64(found[0])
    except (ValueError, OverflowError):
        file = str(parent.directory.path / RUN_FILE)
        raise RunError(f"damaged: {text[:40]!r} is no time.", place=Place(file=file)) from None


def begun_networks(parent: Parent, plan: Plan, panel: Panel, shape: NetworkShape) -> tuple[ForecastNetwork, ...]:
    """Copies of the parent's networks, of which one part is not trained.

    They are those that forecast, unless these may have learned from the validation part.

    Args:
        parent: The run to go on from.
        plan: The plan of the fine-tuning.
        panel: The series to train on.
        shape: The sizes that its settings and columns ask for.

    Raises:
        RunError: The networks have other sizes.
    """
    if parent.record.shape != shape:
        sizes, asked = asdict(parent.record.shape), asdict(shape)
        odd = ", ".join(f"{name} is {sizes[name]}, not {asked[name]}" for name in sizes if sizes[name] != asked[name])
        raise RunError(
            f"damaged: the sizes of its networks do not follow from {CONFIG_FILE}: {odd}.",
            place=Place(file=str(parent.directory.path / RUN_FILE)),
            hint="Restore the directory from a copy, or train from the start.",
        )
    learned = _has_learned(plan, parent, panel, parent.model.config.data.test_size).any()
    begun = parent.validated_networks if learned else parent.final_networks
    networks = copy.deepcopy(begun[-MOST_MEMBERS:])
    for network in networks:
        network.requires_grad_(True)
        for part in _parts(network)[plan.config.training.freeze]:
            part.requires_grad_(False)
    return networks


def _parts(network: ForecastNetwork) -> dict[Freeze, tuple[nn.Module, ...]]:
    """The modules of each part; covariates are embedded for encoder and decoder alike."""
    covariates = (network.known_embeddings, network.past_embeddings, network.static_embeddings)
    attention = network.decoder.attention
    return {
        "none": (),
        "encoder": (network.embedding, network.encoder, *covariates),
        "attention": () if attention is None else (attention,),
    }


def kept_scalers(parent: Parent, fitted: PanelScalers) -> PanelScalers:
    """The scalers of a fine-tuning: targets as `fitted`, covariates in the units of the parent.

    A window brings its own location and scale, so a network does not notice another scale of its series. It does
    notice another scale of a covariate, and other numbers for categories.
    """
    own = parent.model.scalers
    return replace(fitted, known=own.known, past=own.past, static=own.static)
