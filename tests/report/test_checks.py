from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import RenderableType

from seqcast.config import Config
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel.seasonality import summarise
from seqcast.report.checks import CheckedTable, check_document, check_view
from seqcast.training.plan import make_plan
from tests.panels import full_panel, make_panel, waves

Show = Callable[[RenderableType, int], str]


def checked(panel: Panel, name: str = "sales.csv", **model: int) -> CheckedTable:
    plan = make_plan(panel, Config().override(model=model))
    frequency = panel.frequency
    notices = (Notice("repair", "2 rows are odd", 2),)
    return CheckedTable(name, panel.schema, frequency.alias, frequency.name, summarise(panel), notices, plan)


def row_of(text: str, label: str) -> str:
    return next(line.removeprefix(label).strip() for line in text.splitlines() if line.startswith(f"{label}  "))


def test_roles_lengths_times_and_seasons_stand_in_rows(show: Show) -> None:
    text = show(check_view(checked(full_panel())), 100)
    assert text.splitlines()[0] == "sales.csv"
    assert row_of(text, "known covariates") == "price, price kind"
    assert row_of(text, "past covariates") == "visits, visits kind"
    assert row_of(text, "static covariates") == "size, size kind"
    assert row_of(text, "lengths") == "47 to 61 steps, median 53"
    assert row_of(text, "time") == "2024-01-01 to 2024-03-01"
    assert row_of(text, "frequency") == "daily (D)"
    assert row_of(text, "season 7").startswith("1 week, autocorrelation 0.")


def test_roles_without_columns_are_left_out(show: Show) -> None:
    assert "covariates" not in show(check_view(checked(make_panel(waves()))), 100)


def test_series_of_one_length_are_said_to_be_so(show: Show) -> None:
    assert row_of(show(check_view(checked(make_panel(waves((61, 61))))), 100), "lengths") == "61 steps"


def test_a_season_too_long_for_the_data_is_said_to_be_so(show: Show) -> None:
    text = show(check_view(checked(make_panel(waves(), frequency=parse_frequency("h")))), 100)
    assert row_of(text, "season 168") == "1 week, too long to be seen here"


def test_what_training_would_use_is_told_once_each_with_its_reason(show: Show) -> None:
    text = show(check_view(checked(make_panel(waves()))), 100)
    plan = text[text.index("train would use") :].splitlines()[1:]
    labels = [line.partition("  ")[0] for line in plan]
    assert labels[:2] == ["horizon", "context"]
    assert len(labels) == len(set(labels))
    assert "usual for this frequency" in row_of(text, "horizon")
    assert row_of(text, "attention") == "global, general score, direct decoding"


def test_what_was_given_is_told_without_a_reason(show: Show) -> None:
    text = show(check_view(checked(make_panel(waves()), horizon=5, context=11)), 100)
    assert (row_of(text, "horizon"), row_of(text, "context")) == ("5 steps", "11 steps")


def test_the_document_holds_the_same_facts() -> None:
    document = check_document(checked(full_panel(), horizon=5))
    assert document["data"] == "sales.csv"
    assert (document["num_series"], document["shortest"], document["longest"]) == (3, 47, 61)
    assert document["notices"] == [{"kind": "repair", "text": "2 rows are odd", "count": 2}]
    plan = document["plan"]
    assert isinstance(plan, dict)
    assert plan["config"]["model"]["horizon"] == 5
    assert plan["num_train_windows"] > 0
    assert "horizon" not in {choice["name"] for choice in plan["choices"]}


@pytest.mark.parametrize("width", [20, 80])
def test_text_of_the_data_is_shown_safely(show: Show, width: int) -> None:
    table = checked(make_panel(waves()), name="[red]\x1b[31m.csv")
    table = replace(table, schema=replace(table.schema, target=("[/]\n", "\u202eb")))
    text = show(check_view(table), width)
    if width == 80:
        assert text.splitlines()[0] == "[red]\\x1b[31m.csv"
        assert row_of(text, "target") == "[/]\\n, \\u202eb"
