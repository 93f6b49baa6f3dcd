"""The verdict on numbers that are given."""

from dataclasses import replace
from typing import Any

import pytest

from seqcast.attention.changed_weights import Effect, LastValue
from seqcast.attention.verdict import BandEffect, Faithfulness, Ranking

LOSS_BY_CHANCE = Effect(0.5, 0.3, 0.0, 0.2)
LOSS, NOTHING = Effect(0.5, 0.3, 1.0, 0.001), Effect(0.1, 0.0, 0.0, 0.5)


def band(lag: int = 7, moved: float = 0.5, elsewhere: float = 0.1, alone: float = 0.3) -> BandEffect:
    replaced, control = Effect(moved, 0.1, 1.0), Effect(elsewhere, 0.0, 0.0)
    return BandEffect(lag, lag, "1 week", 0.5, Effect(0.5, alone, 1.0, 0.001), LOSS, replaced, control)


FOUND = Faithfulness(
    judged="1 trained network",
    spread=0.8,
    without=LOSS,
    last_value=LastValue(0.2, LOSS),
    bands=(band(),),
    together=LOSS,
    shuffled=Effect(1.0, 0.8, 1.0, 0.001),
    shuffles_beaten=1.0,
    ranking=Ranking(0.6, 0.001, 12),
    num_windows=40,
)


def test_it_is_faithful_when_everything_speaks_for_it() -> None:
    assert FOUND.verdict == "faithful"
    assert FOUND.reason == (
        "attended values move the forecast 5.0 times as much as others; the error grows by 30 % of the forecast's spread "
        "without the weights of the bands, it grows by 80 % with shuffled ones (own weights beat 100 % of those); rank "
        "correlation of weight and effect 0.60 over 12 lags, beyond chance"
    )


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"bands": (band(elsewhere=1.1),)}, "contradicted"),  # other values matter clearly more
        ({"bands": (band(elsewhere=0.6),)}, "weak"),  # as much
        ({"bands": (band(elsewhere=0.3),)}, "weak"),  # little less
        ({"shuffled": Effect(1.0, -0.1, 0.0, 0.001)}, "contradicted"),  # any order of the weights is better
        ({"shuffled": Effect(1.0, -0.1, 0.0, 0.2)}, "weak"),  # which may be chance
        ({"shuffled": Effect(1.0, 0.05, 0.0, 0.001)}, "weak"),  # shuffling hardly hurts
        ({"shuffles_beaten": 0.95}, "weak"),  # one shuffle does as well
        ({"together": Effect(0.5, -0.1, 0.0, 0.001)}, "contradicted"),  # better without
        ({"together": Effect(0.5, 0.3, 0.0, 0.2)}, "weak"),  # worse without, which may be chance
        ({"ranking": Ranking(-0.6, 0.001, 12)}, "contradicted"),  # the effect falls where the weight rises
        ({"ranking": Ranking(-0.16, 0.53, 18)}, "faithful"),  # noise
        ({"ranking": None}, "faithful"),
        ({"bands": ()}, "weak"),
        ({"without": Effect(1.0, -0.3, 0.0, 0.001)}, "contradicted"),  # worse than the mean
        ({"without": Effect(1.0, 0.3, 0.0, 0.2)}, "nothing to attend"),
        ({"without": Effect(1.0, 0.01, 0.0, 0.001)}, "nothing to attend"),
        ({"without": NOTHING, "repeats_after": 7}, "contradicted"),  # there was something to attend
        ({"without": Effect(1.0, 0.3, 0.0, None)}, "weak"),
        ({"last_value": LastValue(0.95, NOTHING)}, "the last value"),
        ({"last_value": LastValue(0.95, LOSS)}, "faithful"),  # the forecast adds to it
    ],
)
def test_it_follows_from_what_is_more_than_chance(changed: dict[str, Any], verdict: str) -> None:
    assert replace(FOUND, **changed).verdict == verdict


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"bands": (band(elsewhere=0.3),)}, "attended values move the forecast little more than others do; attended"),
        ({"together": Effect(0.5, 0.05, 0.0, 0.001)}, "removing the attended weights costs little; attended"),
        ({"together": LOSS_BY_CHANCE}, "it may be chance that removing the attended weights costs anything; attended"),
        ({"shuffled": LOSS_BY_CHANCE}, "it may be chance that shuffling the weights costs anything; attended"),
        ({"shuffled": Effect(0.5, 0.3, 0.0)}, "too few windows tell whether shuffling the weights costs anything; att"),
        ({"shuffles_beaten": 0.95}, "some shuffled weights are as good; attended"),
    ],
)
def test_a_weak_verdict_says_first_what_is_lacking(changed: dict[str, Any], told: str) -> None:
    found = replace(FOUND, **changed)
    assert found.verdict == "weak"
    assert found.reason.startswith(told)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"together": Effect(0.5, -0.03, 0.0, 0.001)}, "the error shrinks by 3 % of the forecast's spread without"),
        ({"shuffled": Effect(0.5, -0.04, 0.0, 0.2)}, "it shrinks by 4 % with shuffled ones"),
        ({"without": Effect(1.0, 0.05, 0.0, 0.2)}, "its error is 5 % of the forecast's spread larger, no more than"),
        ({"without": Effect(1.0, -0.05, 0.0, 0.2)}, "its error is 5 % of the forecast's spread smaller, no more than"),
    ],
)
def test_an_error_that_falls_is_told_without_a_minus(changed: dict[str, Any], told: str) -> None:
    assert told in replace(FOUND, **changed).reason


def test_lags_that_are_missed_together_only_are_interchangeable() -> None:
    found = replace(FOUND, bands=(band(7, alone=0.0), band(14, alone=0.01), band(3, alone=0.2)))
    assert [each.first_lag for each in found.interchangeable] == [7, 14]
    assert "lags 7, 14 are interchangeable: one alone is not missed, all together are" in found.reason
    assert replace(found, together=NOTHING).interchangeable == ()
    exact = replace(FOUND, bands=(replace(band(), equivalent=(14, 21)),))
    assert "lag 7 is interchangeable with 14 or 21: the same weights there cost nothing" in exact.reason


def test_a_ratio_has_a_largest_value_and_the_document_holds_every_number() -> None:
    found = replace(FOUND, bands=(band(elsewhere=0.0),), ranking=None)
    assert "more than 100 times as much as others" in found.reason
    assert "too few lags carry weight to rank them" in found.reason
    document = found.as_dict()
    assert (document["verdict"], document["reason"]) == (found.verdict, found.reason)
    assert document["judged"] == "1 trained network"
    assert document["together"]["error_change"] == 0.3
