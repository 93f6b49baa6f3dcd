import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich._palettes import EIGHT_BIT_PALETTE
from rich.cells import cell_len
from rich.color import Color

from seqcast.panel.frequency import parse_frequency
from seqcast.report import text as report_text
from seqcast.report.text import (
    MAX_WIDTH,
    json_text,
    number_format,
    number_text,
    percent_text,
    plain,
    safe_text,
    time_text,
    time_texts,
    weekday_texts,
)
from tests.report.rendering import shown


@pytest.mark.parametrize(
    ("value", "text"),
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
def test_unprintable_characters_are_shown_as_escapes(value: str, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize("value", ["[bold red]x[/]", "[link=http://a.b]c[/link]", ":smile:", "[/]", "\\[x]"])
def test_markup_is_printed_as_it_is(value: str) -> None:
    assert shown(safe_text(value)).strip() == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("日" * 40, "日" * 40),
        ("日" * 41, "日" * 39 + "…"),
        ("\x00" * 4_000_000, "\\x00" * 19 + "\\x0…"),
    ],
    ids=["fits", "long", "wide and fits", "wide and long", "megabytes"],
)
def test_a_long_text_is_cut_to_80_columns(value: str, text: str) -> None:
    assert plain(value) == text


def contrast(number: int, ground: float) -> float:
    """The contrast of a terminal colour with a ground of this luminance (WCAG 2.1)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in EIGHT_BIT_PALETTE[number])
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    lighter, darker = max(luminance, ground), min(luminance, ground)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colour", [report_text.ACCENT, report_text.GOOD, report_text.CAUTION, report_text.BAD])
@pytest.mark.parametrize("ground", [0.0, 1.0], ids=["black", "white"])
def test_colours_can_be_read_on_a_light_and_on_a_dark_ground(colour: str, ground: float) -> None:
    number = Color.parse(colour).number
    assert number is not None
    assert contrast(number, ground) >= 3.5


def test_reports_use_no_colour_whose_look_the_terminal_decides() -> None:
    for path in Path(report_text.__file__).parent.glob("*.py"):
        names = set(re.findall(r'"(\w+)"', path.read_text(encoding="utf-8")))
        assert not names & {"red", "green", "yellow", "blue", "magenta", "cyan", "white", "black"}, path.name


def test_endless_combining_marks_are_cut() -> None:
    assert len(plain("e" + "\u0301" * 100_000)) <= 4 * MAX_WIDTH + 1


@given(st.text())
def test_any_text_becomes_printable_and_fits(value: str) -> None:
    text = plain(value)
    assert cell_len(text) <= MAX_WIDTH
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)
    text.encode()


@pytest.mark.parametrize(
    ("value", "text"),
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
def test_numbers_have_four_significant_digits(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(("share", "text"), [(0.4567, "45.7 %"), (-0.02, "-2.0 %"), (-1e-5, "0.0 %"), (math.nan, "-")])
def test_shares_are_percent(share: float, text: str) -> None:
    assert percent_text(share) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2024-01-01T00:00:00", "2024-01-01"),
        ("2024-01-01T05:00:00", "2024-01-01 05:00"),
        ("2024-01-01T05:06:07", "2024-01-01 05:06:07"),
        ("2024-01-01T05:06:07.5", "2024-01-01 05:06:07.5"),
        ("2024-01-01T05:06:00.5", "2024-01-01 05:06:00.5"),
    ],
)
def test_times_are_as_short_as_they_can_be(time: str, text: str) -> None:
    assert time_text(np.datetime64(time, "us"), parse_frequency("h")) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([9.4361, 10.2249, math.nan], ["9.44", "10.22", "-"]),
        ([0.5, -12345.6], ["0", "-12346"]),
        ([1.08312, 1.08354], ["1.08312", "1.08354"]),
        ([1e9, 1e9 + 2.5], ["1000000000.0", "1000000002.5"]),
        ([5e9, 1.0], ["5.000e+09", "1.000"]),
        ([2e-5, 1e-5], ["2.000e-05", "1.000e-05"]),
        ([0.0, 0.0], ["0.000", "0.000"]),
        ([3e13, 3e13 + 1], ["3.000e+13", "3.000e+13"]),
        ([1.7e308, -1.7e308], ["1.700e+308", "-1.700e+308"]),
        ([7.0, 7.0], ["7.000", "7.000"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_have_the_same_decimals(values: list[float], texts: list[str]) -> None:
    write = number_format(np.array(values))
    assert [write(value) for value in values] == texts


@pytest.mark.parametrize(
    ("times", "texts"),
    [
        (["2024-01-01T00:00", "2024-01-01T05:00"], ["2024-01-01 00:00", "2024-01-01 05:00"]),
        (["2024-01-01T00:00", "2024-01-02T00:00"], ["2024-01-01", "2024-01-02"]),
        (["2024-01-01T00:00:01", "2024-01-01T05:00"], ["2024-01-01 00:00:01", "2024-01-01 05:00:00"]),
        (["2024-01-01T00:00:00.5"], ["2024-01-01 00:00:00.500"]),
        (["2024-01-01T00:00:00.000001"], ["2024-01-01 00:00:00.000001"]),
        ([], []),
    ],
)
def test_times_of_a_column_all_have_a_clock_or_none(times: list[str], texts: list[str]) -> None:
    assert time_texts(np.array(times, "datetime64[us]")) == texts


@pytest.mark.parametrize(
    ("times", "texts"),
    [
        (["2024-01-01T13:00", "2023-12-31T13:30"], ["Mon 01 Jan 13:00", "Sun 31 Dec 13:30"]),
        (["2024-01-01T00:00", "2023-12-31T00:00"], ["Mon 01 Jan", "Sun 31 Dec"]),
        (["2024-01-01T13:00", "1969-12-31T13:00"], ["Mon 01 Jan 2024 13:00", "Wed 31 Dec 1969 13:00"]),
        ([], []),
    ],
)
def test_weekdays_stand_before_times_and_years_after_them_if_needed(times: list[str], texts: list[str]) -> None:
    assert weekday_texts(np.array(times, "datetime64[s]")) == texts


def test_step_numbers_stay_numbers() -> None:
    assert time_text(np.int64(42), parse_frequency("1")) == "42"
    assert time_texts(np.array([41, 42])) == weekday_texts(np.array([41, 42])) == ["41", "42"]


def test_a_json_document_has_no_raw_control_characters_and_means_the_same() -> None:
    value = {"na\x9bme": ["\x1b[31m", "\u202e", "naïve 日本 👍", "\x7f\u2028\U000e0001", "\ud800"], "n": 1.5}
    text = json_text(value)
    assert json.loads(text) == value
    assert "naïve 日本 👍" in text
    assert not set(text) & set("\x9b\x1b\u202e\x7f\u2028\U000e0001\ud800")


def test_infinities_and_nan_become_null_in_json() -> None:
    assert json.loads(json_text({"a": [math.inf, (math.nan, 1.0)], "b": {"c": -math.inf, "d": None}})) == {
        "a": [None, [None, 1.0]],
        "b": {"c": None, "d": None},
    }
