"""Implied forecast, comparison of runs, shorter contexts, drift: small things asked of a model's attention."""

import json
from dataclasses import replace

import numpy as np
import pytest

from seqcast.attention.comparison import compare_profiles
from seqcast.attention.implied_forecast import ImpliedSums, implied_values
from seqcast.attention.inspection import Question, inspect
from seqcast.attention.usual_attention import drift_notices
from seqcast.errors import UsageError
from seqcast.forecasting import attention_maps
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import LagProfile, by_lag, total_variation
from seqcast.run.load import TrainedModel
from seqcast.run.record import AttentionRecord
from tests.attention.conftest import CONTEXT, HORIZON
from tests.panels import DAILY, make_panel, random_model, small_config


def with_usual(model: TrainedModel, panel: Panel, usual_distance: float = 0.05) -> TrainedModel:
    """The model with what it attends to on this panel as its usual attention."""
    share = inspect(model, panel).report.by_target().share
    return replace(model, attention=AttentionRecord(profile=tuple(share / share.sum()), usual_distance=usual_distance))


class TestImplied:
    def test_it_is_the_weighted_sum_of_what_was_observed(self, planted: TrainedModel) -> None:
        panel = make_panel([np.sin(np.arange(61.0)), np.cos(np.arange(53.0))])
        panel.target[[50, 57]] = np.nan
        attention = next(attention_maps(planted, panel, 2).maps)
        expected = np.zeros((4, HORIZON))
        for window, step, position in np.ndindex(*attention.weights.shape):
            if attention.observed[window, position]:
                expected[window, step] += attention.weights[window, step, position] * attention.values[window, position]
        assert np.allclose(implied_values(attention), expected)

    def test_a_window_without_values_implies_nothing(self, planted: TrainedModel, panel: Panel) -> None:
        attention = next(attention_maps(planted, panel, 1).maps)
        blind = replace(attention, observed=np.zeros_like(attention.observed))
        assert np.isnan(implied_values(blind)).all()

    def test_the_newest_window_of_the_first_series_is_shown(self, planted: TrainedModel, panel: Panel) -> None:
        sums = ImpliedSums(panel, 7)
        maps = list(sums.watch(attention_maps(planted, panel, 3).maps))
        found = sums.result()
        assert found.series_id == "s0"
        assert found.times[0] == panel.times(np.array([0]), np.array([211]))[0]
        assert np.array_equal(found.forecast, maps[0].point[2])
        assert np.array_equal(found.seasonal_naive, panel.target[211 - 7 : 211 - 7 + HORIZON])
        assert 0.5 < found.explained < 1

    def test_maps_in_pieces_give_the_same(self, planted: TrainedModel, panel: Panel) -> None:
        whole, parts = ImpliedSums(panel, 7), ImpliedSums(panel, 7)
        (attention,) = whole.watch(attention_maps(planted, panel, 3).maps)
        pieces = [
            replace(
                attention,
                **{name: getattr(attention, name)[part] for name in ("series_ids", "cutoffs", "weights")},
                **{name: getattr(attention, name)[part] for name in ("observed", "values", "point")},
            )
            for part in (slice(0, 2), slice(2, 11), slice(11, None))
        ]
        assert len(list(parts.watch(pieces))) == 3
        assert parts.result().explained == pytest.approx(whole.result().explained)
        assert parts.result().as_dict()["steps"] == whole.result().as_dict()["steps"]


class TestComparison:
    def test_the_lags_that_differ_most_come_first(self) -> None:
        uniform = np.full(5, 0.2)
        first = LagProfile("", DAILY, np.array([0.1, 0.2, 0.3, 0.4, 0.0]), uniform, 3.0)
        second = LagProfile("", DAILY, np.array([0.5, 0.2, 0.3]), uniform[:3], 2.0)
        found = compare_profiles(first, second, "other", 2)
        assert [(row.lag, row.duration) for row in found.lags] == [(1, "1 day"), (4, "4 days")]
        assert [row.difference for row in found.lags] == pytest.approx([-0.4, 0.4])
        assert found.distance == pytest.approx(0.4)

    def test_the_distance_is_between_nothing_and_everything(self) -> None:
        assert total_variation(np.array([1.0, 0.0]), np.array([1.0])) == 0
        assert total_variation(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0])) == 1

    def test_a_run_is_compared_on_the_same_windows(self, planted: TrainedModel, panel: Panel) -> None:
        question = Question(windows=2, relative="origin", other=planted, other_run="itself")
        found = inspect(planted, panel, question).comparison
        assert found.distance == pytest.approx(0, abs=1e-9)
        assert found.other_run == "itself"


class TestShorterContext:
    def test_one_that_loses_the_planted_lags_is_not_suggested(self, planted: TrainedModel, panel: Panel) -> None:
        found = inspect(planted, panel, Question(suggest=True)).context
        assert [row.context for row in found.rows] == [23, 11, 7, 5, 3, 2]
        assert found.rows[0].share == pytest.approx(1, abs=1e-5)
        assert found.rows[0].error_change == 0
        assert 11 <= found.suggested <= 23
        assert found.rows[3].error_change > 0.1
        shares = [row.share for row in found.rows]
        assert shares == sorted(shares, reverse=True)


class TestDrift:
    def test_a_run_with_usual_attention_or_without_a_record_of_it_is_not_mentioned(
        self, planted: TrainedModel, panel: Panel
    ) -> None:
        assert drift_notices(with_usual(planted, panel), panel) == ()
        assert drift_notices(planted, panel) == ()

    def test_weight_on_other_lags_is_a_warning(self, planted: TrainedModel, panel: Panel) -> None:
        model = with_usual(planted, panel)
        moved = np.roll(model.attention.profile, 3)
        elsewhere = replace(model, attention=AttentionRecord(profile=tuple(moved), usual_distance=0.07))
        (notice,) = drift_notices(elsewhere, panel)
        assert notice.kind == "repair"
        assert "of the weight lies on other lags than on the validation windows (usual: up to 7 %)" in notice.text
        unsteady = replace(model, attention=AttentionRecord(profile=tuple(moved), usual_distance=1.0))
        assert drift_notices(unsteady, panel) == ()

    def test_missing_steps_that_are_usually_attended_are_a_warning(self, planted: TrainedModel, panel: Panel) -> None:
        model = with_usual(planted, panel, usual_distance=1.0)
        panel = replace(panel, target=panel.target.copy())
        for end in panel.offsets[1:]:
            panel.target[end - 11 : end - 2] = np.nan
        (notice,) = drift_notices(model, panel)
        assert "of the attention usually lies on steps that are missing today" in notice.text


class TestDocument:
    def test_it_holds_what_was_asked_and_no_more(self, planted: TrainedModel, panel: Panel) -> None:
        plain = inspect(planted, panel).as_dict(3)
        assert {"seasons", "attention_implied", "lags", "bands"} <= plain.keys()
        assert not {"verify", "compare", "suggest"} & plain.keys()
        asked = Question(windows=2, verify=True, suggest=True, other=planted)
        everything = inspect(planted, panel, asked).as_dict(3)
        assert {"verify", "compare", "suggest"} <= everything.keys()
        json.dumps(everything, allow_nan=False)

    def test_a_model_without_attention_cannot_be_inspected(self, panel: Panel) -> None:
        config = small_config(model={"attention": "none", "copy_gate": False, "lag_bias": False})
        with pytest.raises(
            UsageError, match=r"trained with --attention none, so there is nothing to inspect\. Train with"
        ):
            inspect(random_model(panel, config), panel)


def test_sums_by_lag_follow_the_forecast_step() -> None:
    values = np.random.default_rng(0).random((2, HORIZON, CONTEXT))
    expected = np.zeros((2, HORIZON + CONTEXT - 1))
    for window, step, position in np.ndindex(*values.shape):
        expected[window, CONTEXT - position + step - 1] += values[window, step, position]
    assert np.allclose(by_lag(values), expected)
