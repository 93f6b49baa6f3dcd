from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqcast.config import Config
from seqcast.errors import DataError, UsageError
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.training.budget import MOST_AUTOMATIC_STEPS
from seqcast.training.plan import Plan, main_season, make_plan
from tests.panels import covariates, make_panel


def panel_of(*lengths: int, freq: str = "D") -> Panel:
    frequency = parse_frequency(freq)
    return make_panel([np.arange(length, dtype=np.float64) for length in lengths], frequency=frequency)


def plan_of(panel: Panel, **sections: dict[str, Any]) -> Plan:
    return make_plan(panel, Config().override(**sections))


def choice(plan: Plan, name: str) -> tuple[str, str]:
    return next((each.value, each.reason) for each in plan.choices if each.name == name)


@pytest.mark.parametrize(
    ("freq", "horizon", "season"),
    [
        ("1", 12, 1),
        ("B", 10, 5),
        ("D", 14, 7),
        ("W", 13, 52),
        ("h", 24, 24),
        ("30min", 48, 48),
        ("min", 96, 1440),
        ("s", 60, 60),
        ("MS", 12, 12),
        ("QS", 8, 4),
        ("YS", 6, 1),
        ("7min", 96, 1440),
        ("11min", 6, 1),
    ],
)
def test_the_horizon_follows_from_the_frequency(freq: str, horizon: int, season: int) -> None:
    panel = panel_of(1000, freq=freq)

    plan = plan_of(panel)

    assert plan.horizon == horizon
    assert plan.season == main_season(panel) == season
    assert choice(plan, "horizon")[0] == str(horizon)
    assert "usual for" in choice(plan, "horizon")[1]


def test_the_horizon_of_a_short_series_is_a_sixth_of_it() -> None:
    assert plan_of(panel_of(61, freq="h")).horizon == 10


@pytest.mark.parametrize(
    ("freq", "length", "horizon", "context", "reason"),
    [
        ("h", 5000, 24, 504, "three of the longest season"),
        ("D", 5000, 14, 42, "three horizons or five seasons"),
        ("D", 5000, 5, 35, "three horizons or five seasons"),
        ("D", 5000, 50, 150, "three horizons or five seasons"),
        ("MS", 1000, 5, 60, "three horizons or five seasons"),
        ("YS", 1000, 5, 32, "three horizons or five seasons"),
        ("1", 5000, 700, 720, "the most that is chosen without being asked"),
    ],
)
def test_the_context_follows_from_season_horizon_and_length(
    freq: str, length: int, horizon: int, context: int, reason: str
) -> None:
    plan = plan_of(panel_of(length, freq=freq), model={"horizon": horizon})

    assert plan.context == context
    assert choice(plan, "context")[1].endswith(reason)


@pytest.mark.parametrize("length", [78, 150, 300])
def test_the_context_of_a_short_series_leaves_several_windows_to_train_on(length: int) -> None:
    plan = plan_of(panel_of(length, freq="h"), model={"horizon": 24})

    assert choice(plan, "context")[1].endswith("as long as the series allow")
    assert plan.context > 0.1 * length
    assert plan.num_train_windows > 0.1 * length


def test_the_context_suits_most_series_and_not_the_longest_alone() -> None:
    options: dict[str, Any] = {"model": {"horizon": 7}, "data": {"validation_size": 7}}

    plan = plan_of(panel_of(90, 90, 90, 90, 5000, freq="h"), **options)

    assert plan.context == plan_of(panel_of(90, freq="h"), **options).context
    assert plan.notices == ()


@pytest.mark.parametrize(
    ("length", "size", "reason"),
    [
        (700, 70, "a tenth of a series"),
        (60, 13, "one horizon"),
        (9000, 130, "ten horizons"),
    ],
)
def test_the_validation_part_follows_from_length_and_horizon(length: int, size: int, reason: str) -> None:
    plan = plan_of(panel_of(length), model={"horizon": 13})

    assert plan.config.data.validation_size == size
    assert choice(plan, "validation size") == (f"{size} steps", f"{reason}, at the end of each series")


def test_given_values_are_kept_and_not_listed_as_choices() -> None:
    plan = plan_of(
        panel_of(100),
        data={"validation_size": 11, "test_size": 13, "calendar": ("week",), "non_negative": False},
        model={"horizon": 5, "context": 7, "segment": 2},
        training={"batch_size": 3, "max_steps": 17, "validate_every": 2},
    )

    assert plan.choices == ()
    assert plan.config.model.segment == 2
    assert plan.cycles == ("week",)
    assert (plan.horizon, plan.context) == (5, 7)
    assert plan.config.training.max_steps == 17
    assert plan.config.training.batch_size == 3
    assert plan.config.training.validate_every == 2


def test_a_plan_holds_no_automatic_value() -> None:
    config = plan_of(panel_of(100, 90)).config

    assert None not in (config.model.horizon, config.model.context, config.model.segment, config.data.validation_size)
    assert config.data.calendar is not None
    assert None not in (config.training.batch_size, config.training.max_steps, config.training.validate_every)


@pytest.mark.parametrize(
    ("freq", "length", "cycles"),
    [
        ("D", 30, ("week",)),
        ("D", 120, ("week", "month")),
        ("D", 900, ("week", "month", "year")),
        ("D", 20, ()),
        ("1", 900, ()),
    ],
)
def test_the_network_is_told_of_the_cycles_that_training_sees_twice(
    freq: str, length: int, cycles: tuple[str, ...]
) -> None:
    plan = plan_of(panel_of(length, freq=freq), model={"horizon": 3, "context": 5}, data={"validation_size": 7})

    assert plan.cycles == cycles
    if freq == "D":
        assert choice(plan, "calendar") == (", ".join(cycles) or "none", "the cycles that training sees twice")


def test_a_cycle_that_the_frequency_does_not_resolve_is_refused() -> None:
    with pytest.raises(UsageError, match=r"this frequency \(daily\) has no cycle 'hour'; it has: week, month, year"):
        plan_of(panel_of(100), data={"calendar": ("week", "hour")})


def test_a_cycle_of_integer_steps_is_refused() -> None:
    with pytest.raises(UsageError, match=r"this frequency \(integer steps\) has no cycle 'week'; it has: none"):
        plan_of(panel_of(100, freq="1"), data={"calendar": ("week",)})


def test_each_series_ends_with_its_validation_and_its_test_part() -> None:
    plan = plan_of(
        panel_of(100, 61, 20), data={"validation_size": 11, "test_size": 13}, model={"horizon": 5, "context": 7}
    )

    assert plan.split.train_ends.tolist() == [76, 37, 0]
    assert plan.split.validation_ends.tolist() == [87, 48, 7]
    assert plan.num_train_windows == (76 - 11) + (37 - 11)


@pytest.mark.parametrize(
    ("length", "batch_size", "max_steps"),
    [(100, "16", "525"), (3000, "256", "1165"), (100_000, "256", "1960")],
)
def test_the_budget_follows_from_the_number_of_windows(length: int, batch_size: str, max_steps: str) -> None:
    plan = plan_of(panel_of(length), model={"horizon": 5, "context": 7}, data={"validation_size": 5})

    assert choice(plan, "batch size")[0] == batch_size
    assert choice(plan, "max steps")[0] == max_steps
    assert plan.config.training.validate_every == int(max_steps) // 40


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"decoding": "autoregressive", "attention": "none"}, "autoregressive decoding: slower than all steps at once"),
        ({"input_feeding": True, "score": "hybrid"}, "input feeding, a hybrid score: slower than all steps at once"),
        ({"score": "additive"}, "an additive score asked by the previous state: slower than all steps at once"),
    ],
)
def test_mechanisms_that_must_wait_for_each_step_are_told(model: dict[str, object], reason: str) -> None:
    plan = plan_of(panel_of(200), model={"horizon": 5, "context": 7, **model})

    assert choice(plan, "decoder") == ("one step after the other", reason)


def test_direct_decoding_waits_for_nothing() -> None:
    plan = plan_of(panel_of(200), model={"horizon": 5, "context": 7, "attention": "none", "input_feeding": True})

    assert "decoder" not in {each.name for each in plan.choices}


def test_long_windows_whose_steps_have_covariates_are_trained_on_in_smaller_batches() -> None:
    panel, size = panel_of(20_000, freq="h"), {"horizon": 336, "context": 720}
    with_covariate = replace(panel, known=covariates(20_000, seed=0, name="promo"))
    alone, asking = (plan_of(each, model=size).config.training for each in (panel, with_covariate))

    assert (alone.batch_size or 0) > (asking.batch_size or 0) >= 16
    assert (asking.max_steps or 0) >= 300
    assert plan_of(with_covariate, model=size).core_seconds <= 200


def test_long_windows_get_fewer_steps() -> None:
    panel = panel_of(100_000)
    short, long = (
        plan_of(panel, model={"horizon": horizon, "context": context}) for horizon, context in ((5, 7), (200, 4000))
    )

    assert 200 <= (long.config.training.max_steps or 0) < (short.config.training.max_steps or 0) <= MOST_AUTOMATIC_STEPS
    assert choice(long, "max steps")[1].endswith("passes over them")


@pytest.mark.parametrize(
    ("freq", "horizon", "context", "segment", "reason"),
    [
        ("h", 24, 168, 24, "7 in the context, 1 in the horizon; it divides the season of 24"),
        ("h", 10, 168, 8, "21 in the context, 2 in the horizon; it divides the season of 24"),
        ("h", 24, 60, 8, "8 in the context, 3 in the horizon; it divides the season of 24"),
        ("D", 14, 42, 7, "6 in the context, 2 in the horizon; it divides the season of 7"),
        ("D", 5, 42, 1, "42 in the context, 5 in the horizon; it divides the season of 7"),
        ("YS", 6, 32, 5, "7 in the context, 2 in the horizon; there is no season to divide"),
        ("h", 3, 4, 1, "4 in the context, 3 in the horizon; it divides the season of 24"),
    ],
)
def test_a_segment_divides_the_season_and_leaves_six_in_the_context(
    freq: str, horizon: int, context: int, segment: int, reason: str
) -> None:
    plan = plan_of(panel_of(1000, freq=freq), model={"horizon": horizon, "context": context})

    assert plan.config.model.segment == segment
    assert choice(plan, "segment") == (f"{segment} steps", reason)


def test_a_segment_longer_than_the_context_is_refused() -> None:
    model = {"horizon": 5, "context": 7}
    with pytest.raises(UsageError, match="a segment of 8 steps is longer than the context of 7") as error:
        plan_of(panel_of(100), model=model | {"segment": 8})

    assert "--segment of at most 7" in str(error.value)
    assert plan_of(panel_of(100), model=model | {"segment": 7}).config.model.segment == 7


def test_a_time_limit_is_left_to_be_settled_unless_the_steps_are_given() -> None:
    limited = plan_of(panel_of(100), training={"time_limit": "90s"})
    given = plan_of(panel_of(100), training={"time_limit": "90s", "max_steps": 17})

    assert limited.time_limit_seconds == 90
    assert (given.time_limit_seconds, given.config.training.max_steps) == (None, 17)


def test_a_validation_part_shorter_than_the_horizon_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--validation-size 5 is shorter than the horizon of 7\. Give at least 7"):
        plan_of(panel_of(100), model={"horizon": 7}, data={"validation_size": 5})


def test_too_short_data_is_refused_with_the_number_of_steps_needed() -> None:
    options: dict[str, Any] = {
        "data": {"validation_size": 11, "test_size": 13},
        "model": {"horizon": 5, "context": 7},
    }

    with pytest.raises(DataError, match=r"longest series has 35 steps; .* 24 held-out steps need 36\. Give more data"):
        plan_of(panel_of(35, 20), **options)
    assert plan_of(panel_of(36, 20), **options).num_train_windows == 1


def test_series_too_short_to_train_on_are_named() -> None:
    plan = plan_of(panel_of(100, 20, 90, 19), data={"validation_size": 5}, model={"horizon": 5, "context": 11})

    (notice,) = plan.notices
    assert notice.kind == "repair"
    assert notice.count == 2
    assert notice.text.startswith("2 of 4 series have fewer than 16 training steps")
    assert notice.text.endswith("'s1', 's3'")


def test_at_most_five_short_series_are_named() -> None:
    plan = plan_of(panel_of(100, *[10] * 7), data={"validation_size": 5}, model={"horizon": 5, "context": 11})

    assert plan.notices[0].text.endswith("'s1', 's2', 's3', 's4', 's5', ...")
    assert plan.notices[0].count == 7


def test_long_enough_series_are_not_remarked_on() -> None:
    assert plan_of(panel_of(100)).notices == ()


def test_without_attention_copy_gate_and_lag_bias_are_switched_off_with_words() -> None:
    plan = plan_of(panel_of(100), model={"attention": "none"})

    assert not plan.config.model.copy_gate
    assert not plan.config.model.lag_bias
    assert choice(plan, "copy, lag bias") == ("off", "there is no attention to copy by")


def test_without_attention_and_with_both_off_nothing_is_remarked_on() -> None:
    plan = plan_of(panel_of(100), model={"attention": "none", "copy_gate": False, "lag_bias": False})

    assert "copy, lag bias" not in [each.name for each in plan.choices]


def holed_panel(missing: slice) -> Panel:
    values = np.arange(101, dtype=np.float64)
    values[missing] = np.nan
    return make_panel([values, values], frequency=parse_frequency("D"))


def test_a_validation_part_without_any_value_is_refused() -> None:
    with pytest.raises(DataError, match=r"no value is observed in the 11 steps at the end .* Cut off the end without"):
        plan_of(holed_panel(slice(85, None)), data={"validation_size": 11}, model={"horizon": 5, "context": 7})


def test_a_training_part_without_any_value_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"no value is observed in the training part, before the 11 steps for validation"
    ):
        plan_of(holed_panel(slice(0, 90)), data={"validation_size": 11}, model={"horizon": 5, "context": 7})


def test_a_part_with_a_few_values_is_enough() -> None:
    assert plan_of(holed_panel(slice(95, None)), data={"validation_size": 11}, model={"horizon": 5}).num_train_windows


def test_the_test_part_may_be_without_values() -> None:
    assert plan_of(
        holed_panel(slice(90, None)), data={"validation_size": 11, "test_size": 11}, model={"horizon": 5}
    ).num_train_windows


@pytest.mark.parametrize(("context", "is_told"), [(7, True), (19, True), (20, False)])
def test_validation_windows_without_anything_to_judge_are_told(context: int, is_told: bool) -> None:
    values = np.full(121, np.nan)
    values[::20] = np.arange(7)
    panel = make_panel([values], frequency=parse_frequency("D"))
    plan = plan_of(panel, data={"validation_size": 41}, model={"horizon": 1, "context": context})
    told = [notice.text for notice in plan.notices if "no weights can be judged" in notice.text]
    assert bool(told) == is_told
