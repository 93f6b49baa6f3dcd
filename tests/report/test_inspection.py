from dataclasses import replace

import numpy as np
import pytest

from seqcast.attention.changed_weights import Effect, LastValue
from seqcast.attention.comparison import LagDifference, ProfileComparison
from seqcast.attention.error_tenths import TENTHS, ErrorGroup
from seqcast.attention.implied_forecast import ImpliedForecast
from seqcast.attention.lag_report import LagReport
from seqcast.attention.seasons import SeasonFinding
from seqcast.attention.shorter_context import ContextRow, ContextSuggestion
from seqcast.attention.verdict import BandEffect, Faithfulness, Ranking
from seqcast.experiments.compare import VariantResult
from seqcast.panel.frequency import parse_frequency
from seqcast.report.inspection import (
    comparison_view,
    context_view,
    error_view,
    faithfulness_view,
    implied_view,
    season_view,
)
from seqcast.report.variants import variant_table
from seqcast.results.lag_profile import LagProfile
from tests.panels import DAILY
from tests.report.rendering import shown, words_of

EFFECT, SHUFFLED = Effect(0.25, 0.125, 1.0, 0.001), Effect(0.75, 0.5, 1.0, 0.001)
FAITHFULNESS = Faithfulness(
    judged="the linear fit",
    spread=0.875,
    without=Effect(1.0, 0.6, 1.0, 0.001),
    last_value=LastValue(0.1, EFFECT),
    bands=(BandEffect(23, 25, "1 day", 0.5, EFFECT, SHUFFLED, EFFECT, Effect(0.0625, 0.0, 0.0)),),
    together=EFFECT,
    shuffled=SHUFFLED,
    shuffles_beaten=1.0,
    ranking=Ranking(0.5, 0.001, 11),
    num_windows=7,
)


def test_each_season_is_a_line_with_its_autocorrelation() -> None:
    finding = SeasonFinding(24, "1 day", "agree", 0.441, 0.3, "agree: lag 24 (1 day)")
    unknown = SeasonFinding(168, "1 week", "cannot tell", None, 0.0, "the series are too short")
    lines = shown(season_view((finding, unknown))).splitlines()
    assert lines[1:3] == ["  agree: lag 24 (1 day)  (autocorrelation 0.44)", "  the series are too short"]
    narrow = shown(season_view((finding,)), 40).splitlines()
    assert [line.rstrip() for line in narrow[1:3]] == ["  agree: lag 24 (1 day)", "  (autocorrelation 0.44)"]
    assert "do not repeat after any fixed number of steps" in shown(season_view(()))


def test_the_verdict_says_whose_lags_it_judged_before_its_numbers() -> None:
    text = shown(faithfulness_view(FAITHFULNESS), 120)
    assert text.startswith(
        "Do the attended lags of the linear fit matter? faithful: attended values move the forecast 4.0"
    )
    numbers = ["25.0", "%", "+12.5", "%"]
    assert words_of(text, "lags", "23-25")[2:] == ["1", "day", "50.0", "%", "removed", *numbers]
    assert words_of(text, "moved") == ["moved", "75.0", "%", "+50.0", "%"]
    assert words_of(text, "replaced", "25.0") == ["replaced", "25.0", "%", "6.2", "%", "+12.5", "%", "+0.0", "%"]
    assert words_of(text, "all", "shuffled")[2:] == ["75.0", "%", "+50.0", "%"]
    assert words_of(text, "all", "without")[2:] == ["100.0", "%", "+60.0", "%"]
    assert "0.88 standard deviations of the window" in " ".join(text.split())


def test_a_forecast_that_attends_to_nothing_has_no_table() -> None:
    nothing = replace(FAITHFULNESS, without=Effect(1.0, 0.01, 1.0, 0.6))
    text = shown(faithfulness_view(nothing), 200)
    assert text.split("?")[1].startswith(" nothing to attend: removing everything costs nothing")
    assert "shuffled" not in text


@pytest.mark.parametrize(("num_steps", "more"), [(3, False), (17, True)])
def test_each_step_shows_the_implied_forecast_beside_two_others(num_steps: int, more: bool) -> None:
    times = np.datetime64("2024-03-01", "us") + np.arange(num_steps) * np.timedelta64(1, "D")
    numbers = np.arange(float(num_steps))
    cutoff = times[:1] - np.timedelta64(1, "D")
    found = ImpliedForecast(
        "a\x1b[31mb", parse_frequency("D"), cutoff, times, numbers + 100, numbers + 200, numbers * np.nan, 0.875
    )
    text = shown(implied_view(found))
    assert words_of(text, "2024-03-02") == ["2024-03-02", "101.0", "201.0", "-"]
    assert text.splitlines()[0].endswith(" after 2024-02-29")
    assert ("and 5 more steps" in text) is more
    assert "explain 87.5 % of the forecast's variation" in text


def test_a_comparison_shows_shares_and_their_difference() -> None:
    lags = (LagDifference(24, "1 day", 0.5, 0.125, 0.375),)
    text = shown(comparison_view(ProfileComparison("runs/other", 0.4, 3.0, 5.0, lags)))
    assert words_of(text, "24") == ["24", "1", "day", "50.0", "%", "12.5", "%", "+37.5", "%"]
    assert "40.0 % of the weight lies on other lags" in text


def test_the_suggested_context_is_marked() -> None:
    rows = (ContextRow(96, "4 days", 1.0, 0.5, 0.0), ContextRow(48, "2 days", 0.75, 0.505, 0.01))
    text = shown(context_view(ContextSuggestion(rows, 48, 11)))
    assert words_of(text, "48") == ["48", "<", "2", "days", "75.0", "%", "0.5050", "+1.0", "%"]
    assert words_of(text, "96")[1] != "<"


def test_variants_stand_side_by_side_and_failures_below() -> None:
    done = VariantResult("dot-s0", "global", "dot", 0, None, 0.75, 1234.5, 56789, 3.25, 0.125, "24, 37", "faithful")
    failed = VariantResult("none-s0", "none", None, 0, "the loss was not finite.")
    text = shown(variant_table([done, failed]), 90)
    expected = ["dot", "0.750", "1,234", "56,789", "3.2", "12.5", "%", "faithful", "24,", "37"]
    assert words_of(text, "dot") == expected
    assert words_of(text, "none") == ["none", *"-----", "failed", "-"]
    assert "none-s0: the loss was not finite." in text


def test_planted_lags_have_columns_where_they_are_told() -> None:
    found = VariantResult("dot-s0", "global", "dot", 0, planted_share=0.875, planted_found=True)
    lost = VariantResult("cosine-s0", "global", "cosine", 0, planted_share=0.25, planted_found=False)
    none = VariantResult("none-s0", "none", None, 0)
    text = shown(variant_table([found, lost, none]))
    assert words_of(text, "dot")[-3:] == ["87.5", "%", "yes"]
    assert words_of(text, "cosine")[-3:] == ["25.0", "%", "no"]
    assert words_of(text, "none")[-2:] == ["-", "-"]
    assert "planted: weight on the planted lags and their neighbours" in " ".join(text.split())
    assert "planted" not in shown(variant_table([none]))


def test_seeds_are_named_where_there_are_several() -> None:
    rows = [VariantResult(f"dot-s{seed}", "global", "dot", seed) for seed in (0, 1)]
    assert words_of(shown(variant_table(rows)), "dot", "s1")[:2] == ["dot", "s1"]
    local = VariantResult("local-p-general-s0", "local-p", "general", 0)
    assert words_of(shown(variant_table([local])), "local-p")[1] == "general"


def test_the_worst_and_the_best_forecasts_stand_beside_the_rest() -> None:
    share = np.array([0.5, 0.0, 0.25, 0.25])
    profile = LagProfile("all steps", DAILY, share, np.full(4, 0.25), 3.25)
    worst, rest, best = (
        replace(profile, label=label, share=np.roll(share, shift)) for shift, label in enumerate(TENTHS)
    )
    report = LagReport("target", "error", 2, 3, 21, 1, 0.0, profile, (worst, rest, best), np.zeros((2, 3)))
    groups = tuple(ErrorGroup(label, 7, 1.0, 1.5, 2.0) for label in TENTHS)
    text = shown(error_view(report, groups, 2))
    assert words_of(text, "worst", "tenth") == ["worst", "tenth", "7", "1.500", "1.000", "2.000", "3.2"]
    assert words_of(text, "1") == ["1", "1", "day", "50.0", "%", "25.0", "%", "25.0", "%"]
    assert words_of(text, "3")[3:] == ["25.0", "%", "0.0", "%", "50.0", "%"]
