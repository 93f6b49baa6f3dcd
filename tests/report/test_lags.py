from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import RenderableType

from seqcast.attention.lag_report import GroupBy, LagReport, Relative, lag_report
from seqcast.panel.frequency import parse_frequency
from seqcast.report.lags import LagTable, lag_report_view
from seqcast.results.forecast import AttentionMap

Show = Callable[[RenderableType, int], str]
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
    frequency = parse_frequency("h")
    attention = AttentionMap(
        frequency=frequency,
        series_ids=ids or tuple(f"s{window}" for window in range(num_windows)),
        cutoffs=np.full(num_windows, np.datetime64("2024-03-01T05", "us")),
        weights=weights.astype(np.float32),
        observed=np.ones((num_windows, CONTEXT), bool),
        values=np.ones((num_windows, CONTEXT)),
        point=np.zeros((num_windows, HORIZON)),
    )
    return lag_report([attention], relative, group_by)


def rows_of(text: str) -> list[list[str]]:
    """The words of the rows of the first table."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if "───" in line) + 1
    end = next(index for index in range(start, len(lines)) if not lines[index].strip())
    return [line.split() for line in lines[start:end]]


class TestTable:
    def test_the_rows_are_those_of_the_report(self, show: Show) -> None:
        report = make_report()
        rows = rows_of(show(lag_report_view(report, 5), 100))
        expected = report.overall.rows(5)
        assert [int(row[0]) for row in rows] == [row.lag for row in expected]
        numbers = [[row[-7], row[-5], row[-3], row[-2]] for row in rows]
        assert numbers == [
            [
                f"{100 * row.share:.1f}",
                f"{100 * row.cumulative_share:.1f}",
                f"{row.lift:.1f}x",
                f"{100 * (row.spread or 0):.1f}",
            ]
            for row in expected
        ]

    def test_the_greatest_share_has_the_longest_bar(self, show: Show) -> None:
        report = make_report()
        bars = [
            line.count("█")
            for line in show(LagTable(report.overall, 3), 100).splitlines()
            if "█" in line or "▏" in line
        ]
        first, second, _ = report.overall.rows(3)
        assert bars == sorted(bars, reverse=True)
        assert bars[1] / bars[0] == pytest.approx(second.share / first.share, abs=0.05)

    def test_one_window_shows_when_and_no_spread(self, show: Show) -> None:
        text = show(lag_report_view(make_report(num_windows=1)), 80)
        assert "attended time" in text
        assert "Thu 29 Feb 19:00" in text
        assert "7 steps ahead of 2024-03-01 05:00, context of 29." in text
        assert "spread" not in text

    def test_the_day_of_the_week_is_said_where_a_week_has_several_steps(self, show: Show) -> None:
        report = make_report(num_windows=1)
        assert "Thu 29 Feb 19:00" in show(lag_report_view(report), 80)
        weekly = replace(report.overall, frequency=parse_frequency("W-SUN"))
        assert "Thu" not in show(LagTable(weekly), 80)

    def test_several_windows_show_the_spread_and_no_time(self, show: Show) -> None:
        text = show(lag_report_view(make_report()), 80)
        assert "spread" in text
        assert "attended time" not in text

    @pytest.mark.parametrize("width", [80, 120, 200])
    def test_it_fits_with_one_line_for_each_lag(self, show: Show, width: int) -> None:
        rows = rows_of(show(lag_report_view(make_report(num_windows=1), 10), width))
        assert [len(row) > 5 for row in rows] == [True] * 10

    @pytest.mark.parametrize("width", [60, 80])
    def test_long_durations_do_not_push_numbers_out(self, show: Show, width: int) -> None:
        report = make_report(num_windows=1)
        overall = replace(report.overall, frequency=parse_frequency("7919s"))
        text = show(lag_report_view(replace(report, overall=overall), 4), width)
        assert all(f"{row.lift:.1f}x" in text for row in overall.rows(4))
        assert "…" not in text

    def test_a_terminal_of_20_columns_does_not_fail(self, show: Show) -> None:
        assert "lag" in show(lag_report_view(make_report()), 20)

    def test_weights_of_zero_have_no_bar(self, show: Show) -> None:
        overall = make_report().overall
        assert "█" not in show(LagTable(replace(overall, share=np.zeros_like(overall.share))), 80)


class TestBands:
    def test_a_band_names_its_ends_and_its_peak(self, show: Show) -> None:
        text = show(lag_report_view(make_report(lags=(11, 12, 13))), 100)
        assert "11-13    11  11 hours" in text

    def test_a_single_lag_is_a_band_of_its_own(self, show: Show) -> None:
        text = show(lag_report_view(make_report()), 80)
        assert "   23    23  23 hours" in text[text.index("Bands of") :]

    def test_without_bands_it_says_so(self, show: Show) -> None:
        assert "no neighbouring lags carry 2 times the weight" in show(lag_report_view(make_report(lags=())), 80)

    def test_of_many_bands_the_weaker_are_counted(self, show: Show) -> None:
        weights = np.zeros((1, 1, 101), np.float32)
        weights[0, 0, ::8] = 1 / 13
        attention = AttentionMap(
            parse_frequency("h"),
            ("a",),
            np.array([np.datetime64("2024-01-01", "us")]),
            weights,
            np.ones((1, 101), bool),
            np.ones((1, 101)),
            np.zeros((1, 1)),
        )
        assert "and 3 weaker" in show(lag_report_view(lag_report([attention])), 80)


class TestGroups:
    def test_every_group_shows_its_three_strongest_lags(self, show: Show) -> None:
        report = make_report()
        line = next(line for line in show(lag_report_view(report), 80).splitlines() if "steps 3-4" in line)
        words = line.split()
        assert words[2] == f"{report.groups[1].effective_lags:.1f}"
        assert [int(word) for word in words[3::3]] == [row.lag for row in report.groups[1].rows(3)]

    def test_a_single_group_is_not_repeated(self, show: Show) -> None:
        assert "effective lags   " not in show(lag_report_view(make_report(1, "target", "series")), 80)

    def test_series_names_are_data(self, show: Show) -> None:
        text = show(lag_report_view(make_report(2, "target", "series", ("[red]a", "\x1b[31mb"))), 80)
        assert "[red]a" in text
        assert "\\x1b[31mb" in text

    def test_a_long_name_is_cut(self, show: Show) -> None:
        text = show(lag_report_view(make_report(2, "target", "series", ("x" * 2000, "b"))), 80)
        assert "x" * 10 in text
        assert "…" in text

    def test_of_many_groups_the_rest_is_counted(self, show: Show) -> None:
        assert "and 6 more groups" in show(lag_report_view(make_report(37, "target", "series")), 80)


class TestFooter:
    def footer(self, show: Show, report: LagReport, **options: Any) -> str:
        return " ".join(show(lag_report_view(report, **options), 200).split())

    @pytest.mark.parametrize("relative", ["target", "origin"])
    def test_it_states_the_convention(self, show: Show, relative: Relative) -> None:
        assert "lag_target = lag_origin + step - 1" in self.footer(show, make_report(relative=relative))

    def test_it_says_which_lag_is_meant(self, show: Show) -> None:
        assert "from the attended past step to the forecast step" in self.footer(show, make_report())
        assert "back from the start of the forecast" in self.footer(show, make_report(relative="origin"))

    def test_it_says_what_equal_weights_are(self, show: Show) -> None:
        assert "equal weights on all 29 context steps" in self.footer(show, make_report())

    def test_it_says_which_value_a_step_is_aligned_with(self, show: Show) -> None:
        assert "aligned with the value it predicts" in self.footer(show, make_report())
        assert "A step reads the value before it" in self.footer(show, make_report(), fed_back=True)

    def test_it_says_what_an_encoder_state_holds(self, show: Show) -> None:
        assert "summarises everything up to it" in self.footer(show, make_report())
        assert "everything before and after it" in self.footer(show, make_report(), two_way=True)

    def test_it_says_how_many_networks_attended(self, show: Show) -> None:
        assert "those of" not in self.footer(show, make_report())
        told = "Forecast and weights are those of 3 trained networks."
        assert told in self.footer(show, make_report(), forecasters="3 trained networks")


def test_an_unstable_lag_is_greyed_and_the_footer_says_why(show: Show, show_in_colour: Show) -> None:
    report = make_report(num_windows=3, ids=("a", "a", "a"))
    share = report.overall.share
    spread = np.where(np.arange(len(share)) + 1 == 23, share, 0.0)
    unstable = replace(report, overall=replace(report.overall, origin_spread=spread))
    lines = show_in_colour(LagTable(unstable.overall, 2), 100).splitlines()
    greyed = [line for line in lines if "\x1b[2" in line and "%" in line]
    assert len(greyed) == 1
    assert "23" in greyed[0]
    assert "grey: unstable, over the origins of a series its share varies by more than 50 % of itself" in show(
        lag_report_view(unstable), 120
    )
