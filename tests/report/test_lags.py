from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqcast.attention.comparison import compare_parts
from seqcast.attention.content import ContentMovement
from seqcast.attention.lag_report import GroupBy, LagReport, Relative, lag_report
from seqcast.attention.level import LevelShare
from seqcast.attention.occurrences import LABELS, OccurrenceRow, Occurrences
from seqcast.attention.states import StateEffects
from seqcast.panel.frequency import parse_frequency
from seqcast.report.lags import LagSource, LagTable, lag_report_view, occurrence_table, part_table
from tests.forecasts import make_map
from tests.report.rendering import shown, shown_in_colour, words_of

HORIZON, CONTEXT = 7, 29


def make_report(
    num_windows: int = 3,
    relative: Relative = "target",
    group_by: GroupBy = "horizon",
    ids: tuple[str, ...] | None = None,
    lags: tuple[int, ...] = (11, 23),
) -> LagReport:
    logits = np.random.default_rng(0).normal(size=(num_windows, HORIZON, CONTEXT)) * 0.1
    for step in range(HORIZON):
        for bonus, lag in enumerate(lags):
            logits[:, step, CONTEXT - lag + step] += 4 - bonus
    weights = np.exp(logits)
    weights /= weights.sum(axis=2, keepdims=True)
    return lag_report([make_map(weights.astype(np.float32), ids)], relative, group_by)


def rows_of(text: str) -> list[list[str]]:
    """The words of the rows of the first table."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if "───" in line) + 1
    end = next(index for index in range(start, len(lines)) if not lines[index].strip())
    return [line.split() for line in lines[start:end]]


class TestTable:
    def test_the_rows_are_those_of_the_report(self) -> None:
        report = make_report()
        rows = rows_of(shown(lag_report_view(report, 5), 100))
        expected = report.overall.rows(5)
        assert [int(row[0]) for row in rows] == [row.lag for row in expected]
        shares = [(row.share, row.cumulative_share, row.spread or 0) for row in expected]
        assert [(row[-7], row[-5], row[-2]) for row in rows] == [
            tuple(f"{100 * share:.1f}" for share in row) for row in shares
        ]
        assert [row[-3] for row in rows] == [f"{row.lift:.1f}x" for row in expected]

    def test_bars_are_as_long_as_shares_are_great(self) -> None:
        overall = make_report().overall
        lines = shown(LagTable(overall, 3), 100).splitlines()
        bars = [line.count("█") for line in lines if "█" in line or "▏" in line]
        first, second, _ = overall.rows(3)
        assert bars == sorted(bars, reverse=True)
        assert bars[1] / bars[0] == pytest.approx(second.share / first.share, abs=0.05)
        assert "█" not in shown(LagTable(replace(overall, share=np.zeros_like(overall.share))))

    def test_one_window_shows_times_instead_of_a_spread(self) -> None:
        text = shown(lag_report_view(make_report(num_windows=1)))
        for part in ("attended time", "Thu 29 Feb 12:00", "7 steps ahead of 2024-02-29 22:00, context of 29."):
            assert part in text
        assert "spread" not in text
        several = shown(lag_report_view(make_report()))
        assert "spread" in several
        assert "attended time" not in several

    def test_weekly_data_have_no_weekday(self) -> None:
        weekly = replace(make_report(num_windows=1).overall, frequency=parse_frequency("W-SUN"))
        assert "Thu" not in shown(LagTable(weekly))

    @pytest.mark.parametrize("width", [80, 120, 200])
    def test_each_lag_is_one_line_at_any_width(self, width: int) -> None:
        rows = rows_of(shown(lag_report_view(make_report(num_windows=1), 10), width))
        assert [len(row) > 5 for row in rows] == [True] * 10

    @pytest.mark.parametrize("width", [60, 80])
    def test_long_durations_do_not_push_numbers_out(self, width: int) -> None:
        report = make_report(num_windows=1)
        overall = replace(report.overall, frequency=parse_frequency("7919s"))
        text = shown(lag_report_view(replace(report, overall=overall), 4), width)
        assert all(f"{row.lift:.1f}x" in text for row in overall.rows(4))
        assert "…" not in text

    def test_a_terminal_of_20_columns_does_not_fail(self) -> None:
        assert "lag" in shown(lag_report_view(make_report()), 20)

    def test_an_unstable_lag_is_grey_and_the_footer_says_why(self) -> None:
        report = make_report(num_windows=3, ids=("a", "a", "a"))
        share = report.overall.share
        spread = np.where(np.arange(len(share)) + 1 == 23, share, 0.0)
        unstable = replace(report, overall=replace(report.overall, origin_spread=spread))
        lines = shown_in_colour(LagTable(unstable.overall, 2), 100).splitlines()
        (grey,) = [line for line in lines if "\x1b[2" in line and "%" in line]
        assert "23" in grey
        told = "grey: unstable; over the origins of a series, the share varies by more than 50 % of itself."
        assert told in shown(lag_report_view(unstable), 120)


class TestBands:
    @pytest.mark.parametrize(
        ("lags", "told"),
        [
            ((11, 12, 13), "11-13    11  11 hours"),
            ((11, 23), "   23    23  23 hours"),
            ((), "Bands: no neighbouring lags carry 2 times what equal weights would give them."),
        ],
        ids=["neighbours", "single lag", "none"],
    )
    def test_a_band_has_its_ends_and_its_peak(self, lags: tuple[int, ...], told: str) -> None:
        text = shown(lag_report_view(make_report(lags=lags)), 100)
        assert told in text[text.index("Bands") :]

    def test_weak_bands_are_only_counted(self) -> None:
        weights = np.zeros((1, HORIZON, 101), np.float32)
        weights[0, :, ::8] = 1 / 13
        assert "and 3 weaker" in shown(lag_report_view(lag_report([make_map(weights)], "origin")))


class TestGroups:
    def test_every_group_shows_its_three_strongest_lags(self) -> None:
        report = make_report()
        words = next(line for line in shown(lag_report_view(report)).splitlines() if "steps 3-4" in line).split()
        assert words[2] == f"{report.groups[1].effective_lags:.1f}"
        assert [int(word) for word in words[3::3]] == [row.lag for row in report.groups[1].rows(3)]

    def test_a_single_group_is_not_repeated(self) -> None:
        assert "effective lags   " not in shown(lag_report_view(make_report(1, "target", "series")))

    def test_names_of_series_are_shown_safely_and_cut(self) -> None:
        text = shown(lag_report_view(make_report(3, "target", "series", ("[red]a", "\x1b[31mb", "x" * 2000))))
        for part in ("[red]a", "\\x1b[31mb", "x" * 10, "…"):
            assert part in text

    def test_most_groups_are_only_counted(self) -> None:
        assert "and 6 more groups" in shown(lag_report_view(make_report(37, "target", "series")))


@pytest.mark.parametrize(
    ("relative", "options", "told"),
    [
        ("target", {}, "from the attended past step to the forecast step. lag_target = lag_origin + step - 1"),
        ("origin", {}, "back from the start of the forecast, whichever step is forecast. lag_target = lag_origin +"),
        ("target", {}, "share divided by what equal weights on all 29 context steps would give"),
        ("target", {}, "The weights of a step are aligned with the value it predicts."),
        (
            "target",
            {"source": LagSource(fed_back=True)},
            "A step reads the value before it, so its weights may be aligned with that",
        ),
        ("target", {}, "summarises everything up to it"),
        ("target", {"source": LagSource(two_way=True)}, "summarises everything before and after it"),
        ("target", {"source": LagSource("3 trained networks")}, "Forecast and weights come from 3 trained networks."),
        (
            "target",
            {"source": LagSource(linear_share=0.6)},
            "a linear fit, which looks at the same ones in every window",
        ),
    ],
)
def test_the_footer_defines_the_numbers(relative: Relative, options: dict[str, Any], told: str) -> None:
    assert told in " ".join(shown(lag_report_view(make_report(relative=relative), **options), 200).split())


class TestWhoseLags:
    @pytest.mark.parametrize(
        ("linear_share", "title"),
        [
            (0.0, "Attended lags relative to the forecast step"),
            (0.5, "Attended lags relative to the forecast step"),
            (0.51, "Lags of the linear fit relative to the forecast step"),
            (1.0, "Lags of the linear fit relative to the forecast step"),
        ],
    )
    def test_the_title_names_the_linear_fit_where_it_makes_more_than_half(
        self, linear_share: float, title: str
    ) -> None:
        text = shown(lag_report_view(make_report(), source=LagSource(linear_share=linear_share)))
        assert text.splitlines()[0] == title

    def test_both_parts_stand_side_by_side(self) -> None:
        network, start = make_report(lags=(11,)).overall, make_report(lags=(23,)).overall
        text = shown(part_table(compare_parts({"network": network, "start": start}, 2)))
        shares = [f"{100 * float(part.share[10]):.1f}" for part in (network, start)]
        words = next(line.split() for line in text.splitlines() if line.split()[:1] == ["11"])
        assert [words[3], words[5]] == shares
        assert "of the network's weight lies on other lags than those of the linear fit." in text
        assert "This run forecasts with one of them alone." in shown(part_table(compare_parts({"start": start}, 2)))


class TestContent:
    def test_a_line_and_a_column_say_how_much_of_the_weight_moves(self) -> None:
        report = make_report()
        moving = np.where(np.arange(len(report.overall.share)) + 1 == 11, 0.25, 0.0)
        moved = replace(report, overall=replace(report.overall, moving=moving))
        states = StateEffects(np.full((HORIZON, CONTEXT), 0.218), np.full((HORIZON, CONTEXT), 0.782))
        content = ContentMovement(np.full((HORIZON, 4), 0.114), 64, LevelShare(0.317, "last"), states)
        text = shown(lag_report_view(moved, 2, content=content), 100)
        told = " ".join(text.split())
        assert "Content decides 46 % of the weight; 54 % is the same for every window." in told
        assert (
            "32 % of a shift of all values reaches the forecast through the level of the window, its last value, which"
            " no lag shows. 22 % of the effect of single values goes through the recurrent states." in told
        )
        (row,) = [row for row in rows_of(text) if row[0] == "11"]
        assert row[-2:] == ["25.0", "%"]
        assert "moves: part of the share that content decides" in text
        assert "moves" not in shown(lag_report_view(report))


class TestStates:
    @pytest.mark.parametrize(
        ("read", "told"),
        [
            ({11: 0.75, 23: 0.25}, "goes through the recurrent states, 75 % of it from lag 11."),
            (
                {1: 0.25, 2: 0.125, 3: 0.25, 20: 0.375},
                "goes through the recurrent states, 62 % of it from lags 1 to 3; lag 20 has the most, 38 %.",
            ),
            ({30: 0.5, 4: 0.5}, "goes through the recurrent states, 50 % of it from lag 4."),
        ],
    )
    def test_a_line_and_a_column_say_which_lags_they_read(self, read: dict[int, float], told: str) -> None:
        report = make_report()
        through_states = np.zeros(len(report.overall.share))
        through_states[np.array([*read]) - 1] = [*read.values()]
        reading = replace(report, overall=replace(report.overall, through_states=through_states))
        states = StateEffects(np.ones((HORIZON, CONTEXT)), np.ones((HORIZON, CONTEXT)))
        content = ContentMovement(np.zeros((HORIZON, 4)), 64, LevelShare(0, "last"), states)
        text = shown(lag_report_view(reading, 99, content=content), 100)
        assert told in " ".join(text.split())
        assert {int(row[0]): float(row[-2]) / 100 for row in rows_of(text) if float(row[-2])} == read
        assert "states: part of this lag in what goes through the recurrent states" in text

    def test_nothing_is_shown_where_they_carry_next_to_nothing(self) -> None:
        assert "states" not in shown(lag_report_view(make_report()), 100)


def test_occurrences_have_a_row_each() -> None:
    rows = tuple(OccurrenceRow(label, 0.5, 0.25, 0.125) for label in LABELS)
    text = shown(occurrence_table(Occurrences("promo", 3, 14, rows)))
    assert words_of(text, "the", "last")[3:] == ["50.0", "%", "25.0", "%", "12.5", "%"]
    assert "3 of 17 forecast steps are occurrences." in text
    without = tuple(OccurrenceRow(label, None, 0.25, 0.125) for label in LABELS)
    assert "at occurrences" not in shown(occurrence_table(Occurrences("promo", 0, 14, without)))
