import pytest

from seqcast.panel.notices import Notice
from seqcast.report.summary import key_value_table, list_table, notice_lines
from tests.report.rendering import shown


def test_facts_stand_below_each_other() -> None:
    text = shown(key_value_table("The run", [("data", "a.csv"), ("series", "7")]), 40)
    assert [line.rstrip() for line in text.splitlines()] == ["The run", "data    a.csv", "series  7"]


def test_a_long_fact_is_wrapped_beside_its_label() -> None:
    text = shown(key_value_table("The run", [("why", "word " * 40)]), 40)
    assert all(line.startswith("     word") for line in text.splitlines()[2:])
    assert text.count("word") == 40


@pytest.mark.parametrize("hostile", ["\x1b[31mx", "[red]x[/red]", "a\nb"])
def test_facts_and_titles_are_shown_safely(hostile: str) -> None:
    text = shown(key_value_table(hostile, [(hostile, hostile)]))
    assert text.count(hostile.replace("\x1b", "\\x1b").replace("\n", "\\n")) == 3


def test_a_list_has_a_heading_for_every_column() -> None:
    text = shown(list_table("Runs", ["name", "steps"], [["runs/a-1", "400"], ["runs/[b]", "7"]], numeric=["steps"]), 60)
    lines = [line.rstrip() for line in text.splitlines()]
    words = [["Runs"], ["name", "steps"], ["runs/a-1", "400"], ["runs/[b]", "7"]]
    assert [lines[row].split() for row in (0, 2, 4, 5)] == words
    assert len(lines[4]) == len(lines[5])


def test_repairs_are_warnings() -> None:
    notices = [Notice("decision", "time column: 'ds'"), Notice("repair", "3 rows [b]were\x07 sorted", 3)]
    expected = ["time column: 'ds'", "warning: 3 rows [b]were\\x07 sorted"]
    assert shown(notice_lines(notices)).splitlines() == expected
    assert shown(notice_lines([])) == "\n"
