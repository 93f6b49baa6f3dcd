import json
from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from seqcast.attention.lag_report import GroupBy, LagReport, Relative, lag_report
from seqcast.errors import UsageError
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.wording import WEEKDAYS
from seqcast.results.forecast import AttentionMap
from tests.forecasts import FIRST_CUTOFF as CUTOFF
from tests.forecasts import HOURLY, make_map

WINDOWS, HORIZON, CONTEXT = 5, 7, 11


def random_weights(seed: int = 0, num_windows: int = WINDOWS) -> NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.ones(CONTEXT), size=(num_windows, HORIZON))


def uniform_weights(num_windows: int = WINDOWS) -> NDArray[np.float64]:
    return np.full((num_windows, HORIZON, CONTEXT), 1 / CONTEXT)


def lag_of(step: int, position: int, relative: Relative) -> int:
    """1-based lag of a context position for a forecast step counted from 0."""
    origin = CONTEXT - position
    return origin + step if relative == "target" else origin


def planted_weights(lags: tuple[int, ...], num_windows: int = WINDOWS) -> NDArray[np.float64]:
    """All weight on the positions that are `lags` before each forecast step, as far as the context reaches."""
    weights = np.zeros((num_windows, HORIZON, CONTEXT))
    for step in range(HORIZON):
        for lag in lags:
            position = CONTEXT - (lag - step)
            if 0 <= position < CONTEXT:
                weights[:, step, position] = 1
    return weights / weights.sum(axis=2, keepdims=True)


def report_of(weights: NDArray[np.float64], relative: Relative = "target", group_by: GroupBy = "horizon") -> LagReport:
    return lag_report([make_map(weights)], relative, group_by)


def labels_of(attention: AttentionMap, group_by: GroupBy) -> list[str]:
    return [group.label for group in lag_report([attention], "target", group_by).groups]


class TestShares:
    @pytest.mark.parametrize("relative", ["target", "origin"])
    def test_they_are_the_mean_weight_of_every_lag(self, relative: Relative) -> None:
        weights = random_weights()
        expected: dict[int, float] = defaultdict(float)
        for window, step, position in np.ndindex(*weights.shape):
            expected[lag_of(step, position, relative)] += weights[window, step, position] / (WINDOWS * HORIZON)
        share = lag_report([make_map(weights)], relative).overall.share
        assert len(share) == (CONTEXT + HORIZON - 1 if relative == "target" else CONTEXT)
        assert np.allclose(share, [expected[lag] for lag in range(1, len(share) + 1)], atol=1e-6)

    @pytest.mark.parametrize("relative", ["target", "origin"])
    @pytest.mark.parametrize("group_by", ["horizon", "hour", "weekday", "month", "series"])
    def test_they_sum_to_one_in_every_group_and_equal_ones_have_a_lift_of_one(
        self, relative: Relative, group_by: GroupBy
    ) -> None:
        report, equal = (report_of(weights, relative, group_by) for weights in (random_weights(), uniform_weights()))
        for profile in (report.overall, *report.groups):
            assert profile.share.sum() == pytest.approx(1, abs=1e-6)
            assert profile.uniform.sum() == pytest.approx(1)
        for profile in (equal.overall, *equal.groups):
            assert np.allclose(profile.lift[profile.uniform > 0], 1)

    def test_a_season_is_one_lag_before_the_target_and_a_diagonal_before_the_origin(self) -> None:
        attention = make_map(planted_weights((9,)))
        assert lag_report([attention], "target").overall.rows(1)[0].lag == 9
        assert lag_report([attention], "target").overall.share[8] == pytest.approx(1)
        by_origin = lag_report([attention], "origin").overall.share
        assert np.allclose(by_origin[2:9], 1 / HORIZON)

    @pytest.mark.parametrize("group_by", ["horizon", "hour", "series"])
    def test_pieces_give_the_same_report_as_the_whole(self, group_by: GroupBy) -> None:
        weights, ids = random_weights(), tuple("aabbc")
        observed = np.random.default_rng(3).random((WINDOWS, CONTEXT)) > 0.2
        whole = make_map(weights, ids, observed)
        pieces = [
            make_map(weights[part], ids[part], observed[part], start=whole.cutoffs[part][0])
            for part in (slice(0, 1), slice(1, 3), slice(3, 5))
        ]
        one, many = (lag_report(iter(maps), "target", group_by) for maps in ([whole], pieces))
        for first, second in zip((one.overall, *one.groups), (many.overall, *many.groups), strict=True):
            assert first.label == second.label
            assert np.allclose(first.share, second.share)
            assert first.effective_lags == pytest.approx(second.effective_lags)
        assert one.share_not_observed == pytest.approx(many.share_not_observed)
        assert (one.num_windows, one.num_series) == (many.num_windows, many.num_series) == (5, 3)
        assert np.allclose(one.step_weights, many.step_weights)
        assert np.allclose(one.overall.spread, many.overall.spread)
        assert np.allclose(one.overall.origin_spread, many.overall.origin_spread)

    def test_the_mean_map_keeps_step_and_position(self) -> None:
        weights = random_weights()
        assert np.allclose(report_of(weights).step_weights, weights.mean(axis=0), atol=1e-6)

    def test_the_map_is_not_changed(self) -> None:
        attention = make_map(random_weights())
        before = attention.weights.copy()
        lag_report([attention], "target", "hour")
        assert np.array_equal(attention.weights, before)


class TestRows:
    def test_they_fall_by_share_and_add_up_and_top_limits_their_number(self) -> None:
        overall = report_of(random_weights()).overall
        rows = overall.rows()
        shares = [row.share for row in rows]
        assert shares == sorted(shares, reverse=True)
        assert np.allclose([row.cumulative_share for row in rows], np.cumsum(shares))
        assert sorted(row.lag for row in rows) == list(range(1, CONTEXT + HORIZON))
        assert overall.rows(3) == rows[:3]

    def test_a_lag_is_named_as_a_duration(self) -> None:
        assert report_of(planted_weights((9,))).overall.rows(1)[0].duration == HOURLY.duration(9) == "9 hours"

    def test_lags_a_group_cannot_reach_are_left_out(self) -> None:
        last = report_of(random_weights()).groups[-1]
        assert last.label == "step 7"
        assert sorted(row.lag for row in last.rows()) == list(range(7, CONTEXT + 7))

    def test_the_spread_is_the_deviation_of_the_share_over_several_windows(self) -> None:
        weights = random_weights()
        rows, by_window = report_of(weights, "origin").overall.rows(), weights.mean(axis=1)[:, ::-1]
        expected = [by_window[:, row.lag - 1].std() for row in rows]
        assert [row.spread for row in rows] == pytest.approx(expected, abs=1e-6)
        assert report_of(weights[:1]).overall.rows(1)[0].spread is None


class TestAttendedTime:
    def test_several_windows_have_none(self) -> None:
        assert {row.attended_time for row in report_of(random_weights()).overall.rows()} == {None}

    def test_before_the_origin_it_counts_back_from_the_cutoff(self) -> None:
        report = report_of(random_weights(num_windows=1), "origin")
        for row in report.overall.rows():
            assert np.datetime64(row.attended_time) == CUTOFF - np.timedelta64(row.lag - 1, "h")

    def test_before_the_target_it_is_seen_from_the_first_step_that_reaches_the_lag(self) -> None:
        report = report_of(random_weights(num_windows=1))
        for row in report.overall.rows():
            step = next(step for step in range(HORIZON) if 1 <= row.lag - step <= CONTEXT)
            assert np.datetime64(row.attended_time) == CUTOFF + np.timedelta64(step + 1 - row.lag, "h")

    def test_in_a_group_it_is_seen_from_its_own_first_step(self) -> None:
        report = report_of(random_weights(num_windows=1), "target")
        group = report.groups[1]
        assert group.label == "steps 3-4"
        times = {row.lag: np.datetime64(row.attended_time) for row in group.rows()}
        assert times[5] == CUTOFF + np.timedelta64(3 - 5, "h")
        assert times[CONTEXT + 3] == CUTOFF + np.timedelta64(4 - CONTEXT - 3, "h")

    @pytest.mark.parametrize(("alias", "start", "text"), [("h", CUTOFF, "2024-02-29T14:00:00"), ("1", 41, "33")])
    def test_in_the_document_it_is_iso_text_or_a_number(
        self, alias: str, start: np.datetime64 | int, text: str
    ) -> None:
        attention = make_map(planted_weights((9,), num_windows=1), frequency=parse_frequency(alias), start=start)
        assert lag_report([attention]).overall.as_dict()["lags"][0]["attended_time"] == text


class TestSpreadOfAttention:
    def test_it_is_the_mean_over_windows_and_steps(self) -> None:
        weights = np.concatenate([uniform_weights(2), planted_weights((9,), 3)])
        report = lag_report([make_map(weights, tuple("uuppp"))], "target", "series")
        assert report.overall.effective_lags == pytest.approx((2 * CONTEXT + 3) / 5)
        assert [group.effective_lags for group in report.groups] == pytest.approx([CONTEXT, 1])
        by_hour = report_of(planted_weights((9,)), "target", "hour")
        assert [group.effective_lags for group in by_hour.groups] == pytest.approx([1] * len(by_hour.groups))

    def test_weight_on_steps_without_an_observation_is_counted(self) -> None:
        weights = random_weights()
        observed = np.random.default_rng(5).random((WINDOWS, CONTEXT)) > 0.4
        expected = (weights * ~observed[:, None, :]).sum() / (WINDOWS * HORIZON)
        report = lag_report([make_map(weights, observed=observed)])
        assert report.share_not_observed == pytest.approx(expected, abs=1e-6)

    def test_a_window_without_any_weight_gives_numbers(self) -> None:
        document = json.dumps(report_of(np.zeros((2, HORIZON, CONTEXT))).as_dict(), allow_nan=False)
        assert '"effective_lags": 1.0' in document


class TestBands:
    def profile(self, share: dict[int, float]) -> LagReport:
        """One step, so that lag and position are the same; the rest of the weight is spread evenly."""
        context = 41
        weights = np.full(context, (1 - sum(share.values())) / (context - len(share)))
        for lag, value in share.items():
            weights[context - lag] = value
        return report_of(weights[None, None, :])

    def test_neighbours_well_above_equal_weights_are_one_band(self) -> None:
        bands = self.profile({11: 0.06, 12: 0.3, 13: 0.07, 29: 0.2}).overall.bands()
        assert [(band.first_lag, band.last_lag, band.peak_lag) for band in bands] == [(11, 13, 12), (29, 29, 29)]
        assert [band.share for band in bands] == pytest.approx([0.43, 0.2])
        assert [band.lift for band in bands] == pytest.approx([0.43 * 41 / 3, 0.2 * 41])
        assert bands[0].peak_duration == "12 hours"

    def test_a_band_may_end_at_either_edge_and_equal_weights_have_none(self) -> None:
        bands = self.profile({1: 0.3, 41: 0.4}).overall.bands()
        assert [(band.first_lag, band.last_lag) for band in bands] == [(41, 41), (1, 1)]
        assert report_of(uniform_weights()).overall.bands() == ()

    def test_a_band_with_hardly_any_weight_is_not_reported(self) -> None:
        context = 41
        weights = np.full((1, HORIZON, context), 1 / context)
        weights[0, -1] = 0.9 / (context - 1)
        weights[0, -1, 0] = 0.1
        overall = report_of(weights).overall
        assert overall.lift[-1] > 4
        assert overall.share[-1] < 0.02
        assert overall.bands() == ()


class TestGroups:
    @pytest.mark.parametrize(
        ("horizon", "labels"),
        [
            (1, ["step 1"]),
            (3, ["step 1", "step 2", "step 3"]),
            (7, ["steps 1-2", "steps 3-4", "steps 5-6", "step 7"]),
            (24, ["steps 1-6", "steps 7-12", "steps 13-18", "steps 19-24"]),
        ],
    )
    def test_the_horizon_is_cut_into_four_at_most(self, horizon: int, labels: list[str]) -> None:
        assert labels_of(make_map(np.full((2, horizon, 5), 0.2)), "horizon") == labels

    def test_a_horizon_group_holds_its_steps_alone(self) -> None:
        weights = random_weights()
        group = report_of(weights, "origin").groups[1]
        assert np.allclose(group.share, weights[:, 2:4].mean(axis=(0, 1))[::-1], atol=1e-6)

    def test_hours_are_those_of_the_forecast_step(self) -> None:
        weights = random_weights()
        attention = make_map(weights)
        report = lag_report([attention], "origin", "hour")
        hours = (22 + np.arange(WINDOWS)[:, None] + np.arange(1, HORIZON + 1)) % 24
        assert [group.label for group in report.groups] == [f"{hour:02d}:00" for hour in np.unique(hours)]
        for group, hour in zip(report.groups, np.unique(hours), strict=True):
            assert np.allclose(group.share, weights[hours == hour].mean(axis=0)[::-1], atol=1e-6)

    @pytest.mark.parametrize(
        ("group_by", "alias", "start", "steps", "labels"),
        [
            ("weekday", "D", "2024-02-29", HORIZON, list(WEEKDAYS)),  # from Monday on
            ("weekday", "D", "2024-02-29", 1, ["Friday"]),
            ("month", "h", "2024-02-29T22", HORIZON, ["February", "March"]),
            ("month", "h", "1969-11-30T23", 1, ["December"]),
        ],
    )
    def test_weekdays_and_months_of_the_forecast_steps_are_named(
        self, group_by: GroupBy, alias: str, start: str, steps: int, labels: list[str]
    ) -> None:
        weights, time = uniform_weights(1)[:, :steps], np.datetime64(start, "us")
        assert labels_of(make_map(weights, frequency=parse_frequency(alias), start=time), group_by) == labels

    def test_series_keep_their_order(self) -> None:
        weights = random_weights()
        report = lag_report([make_map(weights, tuple("zazaz"))], "origin", "series")
        assert [group.label for group in report.groups] == ["z", "a"]
        assert np.allclose(report.groups[1].share, weights[[1, 3]].mean(axis=(0, 1))[::-1], atol=1e-6)

    @pytest.mark.parametrize("group_by", ["hour", "weekday", "month"])
    def test_steps_that_are_numbers_have_no_calendar(self, group_by: GroupBy) -> None:
        counted = make_map(uniform_weights(), frequency=parse_frequency("1"), start=3)
        with pytest.raises(
            UsageError, match=rf"cannot be grouped by {group_by}: the time column counts steps\. Use --by"
        ):
            lag_report([counted], "target", group_by)


def test_the_document_holds_the_numbers_of_the_report() -> None:
    report = report_of(random_weights(), "origin", "horizon")
    document = json.loads(json.dumps(report.as_dict(2), allow_nan=False))
    assert document["relative"] == "origin"
    assert (document["horizon"], document["context"], document["num_windows"]) == (HORIZON, CONTEXT, WINDOWS)
    assert [row["share"] for row in document["lags"]] == [row.share for row in report.overall.rows(2)]
    assert document["effective_lags"] == report.overall.effective_lags
    assert [group["label"] for group in document["groups"]] == [group.label for group in report.groups]
    assert len(document["groups"][0]["lags"]) == 3  # as many as a row of the table shows


class TestStability:
    def test_the_spread_over_origins_is_that_within_series(self) -> None:
        weights = random_weights(num_windows=5)
        ids = ("a", "a", "a", "b", "b")
        shares = np.stack([report_of(weights[[w]]).overall.share for w in range(5)])
        squares = sum(np.square(part - part.mean(axis=0)).sum(axis=0) for part in (shares[:3], shares[3:]))
        spread = lag_report([make_map(weights, ids)]).overall.origin_spread
        assert np.allclose(spread, np.sqrt(squares / (5 - 2)), atol=1e-6)

    def test_series_with_one_origin_each_have_none(self) -> None:
        profile = report_of(random_weights()).overall
        assert profile.origin_spread is None
        assert not profile.unstable.any()

    def test_a_lag_that_comes_and_goes_is_unstable_and_one_that_stays_is_not(self) -> None:
        weights = np.concatenate([planted_weights((9,), 2), planted_weights((9, 11), 2)])
        profile = lag_report([make_map(weights, ("a",) * 4)]).overall
        assert profile.unstable[11 - 1]
        assert not profile.unstable[9 - 1]
        rows = {row.lag: row for row in profile.rows(2)}
        assert (rows[9].unstable, rows[11].unstable) == (False, True)
        assert rows[11].as_dict()["unstable"] is True


@pytest.mark.parametrize("relative", ["target", "origin"])
def test_the_profile_by_target_does_not_depend_on_how_lags_are_shown(relative: Relative) -> None:
    weights = random_weights()
    profile = lag_report([make_map(weights)], relative).by_target()
    expected = report_of(weights, "target").overall
    assert np.allclose(profile.share, expected.share, atol=1e-6)
    assert np.allclose(profile.uniform, expected.uniform)
