from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.console import RenderableType

from seqcast.panel.notices import Notice
from seqcast.report.summary import key_value_table, list_table, notice_lines

Show = Callable[[RenderableType, int], str]


def test_facts_stand_one_under_the_other(show: Show) -> None:
    text = show(key_value_table("The run", [("data", "a.csv"), ("series", "7")]), 40)
    assert [line.rstrip() for line in text.splitlines()] == ["The run", "data    a.csv", "series  7"]


def test_a_long_fact_is_wrapped_beside_its_label(show: Show) -> None:
    text = show(key_value_table("The run", [("why", "word " * 40)]), 40)
    assert all(line.startswith("     word") for line in text.splitlines()[2:])
    assert text.count("word") == 40


@pytest.mark.parametrize("hostile", ["\x1b[31mx", "[red]x[/red]", "a\nb"])
def test_facts_and_titles_are_data(show: Show, hostile: str) -> None:
    text = show(key_value_table(hostile, [(hostile, hostile)]), 80)
    escaped = hostile.replace("\x1b", "\\x1b").replace("\n", "\\n")
    assert text.count(escaped) == 3


def test_a_list_has_a_heading_for_every_column(show: Show) -> None:
    text = show(list_table("Runs", ["name", "steps"], [["runs/a-1", "400"], ["runs/[b]", "7"]], numeric=["steps"]), 60)
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[0] == "Runs"
    assert lines[2].split() == ["name", "steps"]
    assert lines[4].split() == ["runs/a-1", "400"]
    assert lines[5].split() == ["runs/[b]", "7"]
    assert len(lines[4]) == len(lines[5])


def test_notices_say_which_are_warnings(show: Show) -> None:
    notices = [Notice("decision", "time column: 'ds'"), Notice("repair", "3 rows [b]were\x07 sorted", 3)]
    assert show(notice_lines(notices), 80).splitlines() == [
        "time column: 'ds'",
        "warning: 3 rows [b]were\\x07 sorted",
    ]


def test_no_notices_are_no_text(show: Show) -> None:
    assert show(notice_lines([]), 80) == "\n"
