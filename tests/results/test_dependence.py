import numpy as np
import pytest

from seqcast.results.dependence import PARTS, DependencePart, StepDependence, part_correlation, usable_parts

HORIZON, SEASON = 13, 5
STEPS = np.arange(1, HORIZON + 1)


@pytest.mark.parametrize("part", PARTS)
def test_drawn_paths_correlate_as_the_part_says(part: DependencePart) -> None:
    dependence = StepDependence({part: 1.0}, SEASON)
    drawn = dependence.paths((1,), HORIZON).take(20_000)
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), part_correlation(part, STEPS, SEASON), atol=0.035)


def test_a_mixture_has_the_mixed_correlation_and_is_independent_for_the_rest() -> None:
    dependence = StepDependence({"common": 0.3, "walk": 0.2, "decay_4": 0.3}, SEASON)
    expected = dependence.correlation(STEPS)
    np.testing.assert_array_equal(np.diag(expected), np.ones(HORIZON))
    assert expected[0, 3] == pytest.approx(0.3 + 0.2 * np.sqrt(1 / 4) + 0.3 * np.exp(-3 / 4))
    drawn = dependence.paths((2,), HORIZON).take(20_000)
    np.testing.assert_allclose(np.corrcoef(drawn.T), expected, atol=0.035)


def test_paths_do_not_depend_on_how_many_are_taken_at_once() -> None:
    dependence = StepDependence(dict.fromkeys(PARTS, 1 / 16), SEASON)
    at_once = dependence.paths((3,), HORIZON).take(7)
    stream = dependence.paths((3,), HORIZON)
    np.testing.assert_array_equal(np.concatenate([stream.take(2), stream.take(5)]), at_once)
    assert (at_once != dependence.paths((4,), HORIZON).take(7)).all()


def test_parts_of_a_season_need_one_that_repeats_within_the_horizon() -> None:
    seasonal = {"season", "cycle", "half_cycle"}
    assert set(usable_parts(SEASON, HORIZON)) == set(PARTS)
    assert set(usable_parts(HORIZON, HORIZON)) == set(PARTS) - seasonal
    assert set(usable_parts(1, HORIZON)) == set(PARTS) - seasonal
    assert set(usable_parts(3, HORIZON)) == set(PARTS) - {"half_cycle"}
