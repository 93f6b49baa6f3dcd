from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import RenderableType

from seqcast.report.text import MAX_WIDTH, number_text, percent_text, plain, safe_text, time_text

Show = Callable[[RenderableType, int], str]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain name", "plain name"),
        ("naïve 日本 👍", "naïve 日本 👍"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
        ("nul\x00 c1 \x9b", "nul\\x00 c1 \\x9b"),
        ("bidi \u202egnp.exe", "bidi \\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028end", "line\\u2028end"),
        ("half \ud83d", "half \\ud83d"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_what_cannot_be_printed_is_shown_as_an_escape(value: str, shown: str) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize("value", ["[bold red]x[/]", "[link=http://a.b]c[/link]", ":smile:", "[/]", "\\[x]"])
def test_markup_is_printed_as_it_is(show: Show, value: str) -> None:
    assert show(safe_text(value), 80).strip() == value


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert plain("x" * 81) == "x" * 79 + "…"
    assert plain("x" * 80) == "x" * 80


def test_wide_characters_are_counted_by_their_columns() -> None:
    assert plain("日" * 40) == "日" * 40
    assert plain("日" * 41) == "日" * 39 + "…"


def test_a_text_of_megabytes_is_cut_before_it_is_read() -> None:
    assert plain("\x00" * 4_000_000) == "\\x00" * 19 + "\\x0…"


def test_combining_marks_without_end_are_cut() -> None:
    assert len(plain("e" + "\u0301" * 100_000)) <= 4 * MAX_WIDTH + 1


@given(st.text())
def test_any_text_becomes_printable_and_fits(value: str) -> None:
    shown = plain(value)
    assert cell_len(shown) <= MAX_WIDTH
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.000"),
        (1.0, "1.000"),
        (-12.3456, "-12.35"),
        (123456.7, "123457"),
        (0.00012345, "0.0001234"),
        (1.5e-7, "1.500e-07"),
        (3e12, "3.000e+12"),
        (math.inf, "inf"),
        (math.nan, "-"),
    ],
)
def test_numbers_have_four_significant_digits(value: float, shown: str) -> None:
    assert number_text(value) == shown


@pytest.mark.parametrize(("share", "shown"), [(0.4567, "45.7 %"), (-0.02, "-2.0 %"), (math.nan, "-")])
def test_shares_are_percent(share: float, shown: str) -> None:
    assert percent_text(share) == shown


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2024-01-01T00:00:00", "2024-01-01"),
        ("2024-01-01T05:00:00", "2024-01-01 05:00"),
        ("2024-01-01T05:06:07", "2024-01-01 05:06:07"),
        ("2024-01-01T05:06:07.5", "2024-01-01 05:06:07.5"),
        ("2024-01-01T05:06:00.5", "2024-01-01 05:06:00.5"),
    ],
)
def test_times_are_as_short_as_they_can_be(time: str, shown: str) -> None:
    assert time_text(np.datetime64(time, "ns")) == shown


def test_a_step_number_stays_a_number() -> None:
    assert time_text(np.int64(42)) == "42"
