import numpy as np
import pytest

from seqcast.pages.choice import ALL, BEST, RANDOM, WORST, choose_series


def test_few_series_are_all_shown_in_their_order() -> None:
    chosen = choose_series(np.array([3.0, np.nan, 1.0]), 3)
    assert [each.series for each in chosen] == [0, 1, 2]
    assert {each.group for each in chosen} == {ALL}


@pytest.mark.parametrize("most", [1, 2, 3, 7, 30])
def test_of_many_series_the_worst_the_best_and_others_are_shown_once(most: int) -> None:
    errors = np.random.default_rng(0).permutation(1000).astype(np.float64)
    chosen = choose_series(errors, most)
    groups = {group: [each.series for each in chosen if each.group == group] for group in (WORST, BEST, RANDOM)}
    assert len({each.series for each in chosen}) == len(chosen) == most
    assert errors[groups[WORST]].tolist() == list(range(999, 999 - len(groups[WORST]), -1))
    assert errors[groups[BEST]].tolist() == list(range(len(groups[BEST])))
    assert len(groups[WORST]) >= len(groups[BEST]) >= len(groups[WORST]) - 1


def test_series_without_a_score_are_chosen_at_random_alone() -> None:
    errors = np.full(100, np.nan)
    errors[7] = 2.0
    chosen = choose_series(errors, 9)
    assert [each.series for each in chosen if each.group == WORST] == [7]
    assert [each.group for each in chosen].count(RANDOM) == 8


def test_the_choice_is_the_same_each_time() -> None:
    errors = np.arange(500.0)
    assert choose_series(errors, 30) == choose_series(errors, 30)
