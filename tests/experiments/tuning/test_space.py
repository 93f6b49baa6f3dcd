from __future__ import annotations

import pytest

from seqcast.errors import UsageError
from seqcast.experiments.tuning.space import Choice, Range, allows, first_values, search_space, with_values
from seqcast.panel.frequency import parse_frequency
from seqcast.training.plan import Plan, make_plan
from tests.panels import CONTEXT, HIDDEN, HORIZON, make_panel, small_config, wave_panel, waves


def plan_of(length: int = 200, **sections: dict[str, object]) -> Plan:
    return make_plan(make_panel(waves((length,))), small_config(**sections))


def choices(plan: Plan, key: str, fixed: frozenset[str] = frozenset()) -> tuple[object, ...]:
    (found,) = (each for each in search_space(plan, fixed) if each.key == key)
    assert isinstance(found, Choice)
    return found.values


def test_contexts_are_whole_seasons_and_the_one_of_the_plan() -> None:
    assert choices(plan_of(), "model.context") == (CONTEXT, 14, 21, 35, 49)


def test_contexts_leave_room_for_windows_to_learn_from() -> None:
    assert choices(plan_of(61), "model.context") == (CONTEXT, 14, 21)


def test_without_a_season_contexts_are_whole_horizons() -> None:
    steps = make_panel(waves((200,)), frequency=parse_frequency("1"))
    plan = make_plan(steps, small_config())
    assert plan.season == 1
    assert choices(plan, "model.context") == (2 * HORIZON, CONTEXT, 3 * HORIZON, 5 * HORIZON, 7 * HORIZON, 14 * HORIZON)


def test_what_training_does_by_itself_is_a_point_of_the_space() -> None:
    for sections in ({}, {"training": {"learning_rate": 0.3}}, {"model": {"score": "cosine", "dropout": 0.17}}):
        plan = plan_of(**sections)
        space = search_space(plan)
        values = first_values(space, plan.config)
        assert allows(space, values)
        assert with_values(plan.config, values) == plan.config
        assert values["model.hidden"] == HIDDEN


def test_settings_that_were_given_are_not_searched() -> None:
    space = search_space(plan_of(), frozenset({"model.hidden", "training.learning_rate"}))
    assert {"model.hidden", "training.learning_rate"}.isdisjoint(each.key for each in space)
    assert len(space) == len(search_space(plan_of())) - 2


def test_without_attention_there_is_no_score_to_search() -> None:
    keys = {each.key for each in search_space(plan_of(model={"attention": "none"}))}
    assert "model.score" not in keys


def test_a_loss_with_intervals_is_searched_among_such() -> None:
    assert choices(plan_of(), "training.loss") == ("quantile", "student-t")
    assert "training.loss" not in {each.key for each in search_space(plan_of(training={"loss": "mae"}))}


def test_only_points_of_the_space_are_allowed() -> None:
    space = (Choice("model.hidden", (32, 64)), Range("training.learning_rate", 1e-3, 1e-2))
    inside = {"model.hidden": 32, "training.learning_rate": 2e-3}
    assert allows(space, inside)
    assert not allows(space, inside | {"model.hidden": 33})
    assert not allows(space, inside | {"training.learning_rate": 1.0})
    assert not allows(space, inside | {"data.test_size": 0})
    assert not allows(space, {"model.hidden": 32})


def test_values_outside_a_setting_are_refused() -> None:
    with pytest.raises(UsageError, match=r"model\.layers '99'"):
        with_values(small_config(), {"model.layers": 99})


def test_a_panel_with_holes_has_a_space_too() -> None:
    assert search_space(make_plan(wave_panel(), small_config()))
