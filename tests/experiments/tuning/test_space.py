import pytest
from optuna.distributions import CategoricalDistribution

from seqcast.errors import UsageError
from seqcast.experiments.tuning.space import first_values, search_space, with_values
from seqcast.panel.frequency import parse_frequency
from seqcast.training.plan import Plan, make_plan
from tests.panels import CONTEXT, HIDDEN, HORIZON, make_panel, small_config, waves


def plan_of(length: int = 200, **sections: dict[str, object]) -> Plan:
    return make_plan(make_panel(waves((length,))), small_config(**sections))


def choices(plan: Plan, key: str, fixed: frozenset[str] = frozenset()) -> tuple[object, ...]:
    found = search_space(plan, fixed)[key]
    assert isinstance(found, CategoricalDistribution)
    return found.choices


@pytest.mark.parametrize(("length", "contexts"), [(200, (CONTEXT, 14, 21, 35, 49)), (61, (CONTEXT, 14, 21))])
def test_contexts_are_whole_seasons_that_leave_room_to_learn(length: int, contexts: tuple[int, ...]) -> None:
    assert choices(plan_of(length), "model.context") == contexts


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
        assert all(each._contains(each.to_internal_repr(values[key])) for key, each in space.items())
        assert with_values(plan.config, values) == plan.config
        assert values["model.hidden"] == HIDDEN


def test_settings_that_were_given_are_not_searched() -> None:
    space = search_space(plan_of(), frozenset({"model.hidden", "training.learning_rate"}))
    assert {"model.hidden", "training.learning_rate"}.isdisjoint(space)
    assert len(space) == len(search_space(plan_of())) - 2


def test_settings_without_alternatives_are_not_searched() -> None:
    def keys(**sections: dict[str, object]) -> set[str]:
        return set(search_space(plan_of(**sections)))

    assert "model.score" not in keys(model={"attention": "none"})
    assert "training.loss" not in keys(training={"loss": "mae"})
    assert choices(plan_of(), "training.loss") == ("quantile", "student-t")


def test_values_outside_a_setting_are_refused() -> None:
    with pytest.raises(UsageError, match="--layers 99"):
        with_values(small_config(), {"model.layers": 99})
