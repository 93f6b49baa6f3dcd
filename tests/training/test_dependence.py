import numpy as np
import pytest

from seqcast.panel.arrays import FloatArray
from seqcast.results.dependence import DependencePart, StepDependence
from seqcast.training.dependence import USUAL_SHARES, USUAL_WINDOWS, learn_dependence

HORIZON, SEASON = 19, 7
STEPS = np.arange(1, HORIZON + 1)


def scores_with(shares: dict[DependencePart, float], num_windows: int, seed: int = 0) -> FloatArray:
    return StepDependence(shares, SEASON).paths((seed,), HORIZON).take(num_windows)


def learned(scores: FloatArray) -> FloatArray:
    """The correlation learned from windows of one series that do not overlap."""
    return learn_dependence(scores, len(scores), 1, SEASON).correlation(STEPS)


@pytest.mark.parametrize(
    "shares",
    [{}, {"common": 0.6}, {"walk": 0.9}, {"decay_4": 0.8}, {"season": 0.5}, {"common": 0.3, "decay_2": 0.5}],
)
def test_the_correlation_of_many_windows_is_found(shares: dict[DependencePart, float]) -> None:
    expected = StepDependence(shares, SEASON).correlation(STEPS)
    np.testing.assert_allclose(learned(scores_with(shares, 4000)), expected, atol=0.06)


def test_few_windows_are_drawn_to_what_is_usual_and_none_give_that_alone() -> None:
    usual = StepDependence(USUAL_SHARES, SEASON).correlation(STEPS)
    nothing = learn_dependence(np.empty((0, HORIZON)), 0, 0, SEASON)
    np.testing.assert_allclose(nothing.correlation(STEPS), usual)

    few = learned(scores_with({"common": 1.0}, USUAL_WINDOWS))
    assert 0.45 < (few[0, -1] - usual[0, -1]) / (1 - usual[0, -1]) < 0.55


def test_windows_of_one_stretch_of_time_count_less_than_as_many_of_several() -> None:
    scores = scores_with({}, 300)
    one, several = (learn_dependence(scores, 300, num_series, SEASON).correlation(STEPS) for num_series in (300, 1))
    assert one[0, -1] > several[0, -1] > 0


def test_missing_truths_are_left_out() -> None:
    scores = scores_with({"decay_4": 0.8}, 4000)
    holes = scores.copy()
    holes[np.random.default_rng(0).random(scores.shape) < 0.3] = np.nan
    holes[:, 3] = np.nan
    np.testing.assert_allclose(learned(holes), learned(scores), atol=0.06)


def test_one_error_that_every_window_shares_is_one_that_steps_share() -> None:
    assert learned(scores_with({}, 2000) + 1.0)[0, -1] == pytest.approx(0.5, abs=0.05)


def test_a_long_horizon_is_learned_from_a_part_of_its_steps() -> None:
    horizon = 3001
    scores = StepDependence({"common": 0.4, "decay_2": 0.5}, 1).paths((5,), horizon).take(400)
    found = learn_dependence(scores, 400, 1, 1).correlation(np.array([1, 2, horizon]))
    assert found[0, 2] == pytest.approx(0.4, abs=0.06)
    assert found[0, 1] == pytest.approx(0.4 + 0.5 * np.exp(-0.5), abs=0.08)


def test_sums_of_paths_of_a_learned_dependence_cover_what_they_say() -> None:
    truth: dict[DependencePart, float] = {"walk": 0.5, "decay_2": 0.4}
    dependence = learn_dependence(scores_with(truth, 200), 200, 1, SEASON)
    sums = dependence.paths((6,), HORIZON).take(4000).sum(axis=1)
    low, high = np.quantile(sums, [0.1, 0.9])
    new = scores_with(truth, 4000, seed=7).sum(axis=1)
    assert ((low <= new) & (new <= high)).mean() == pytest.approx(0.8, abs=0.04)
