import re
from dataclasses import replace

import numpy as np
import pyarrow as pa

from seqcast.config import Config
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel.seasonality import summarise
from seqcast.reading.table import Table
from seqcast.report.checks import CheckedTable, check_document, check_view
from seqcast.run.source import Source
from seqcast.training.plan import make_plan
from tests.panels import full_panel, make_panel, waves
from tests.report.rendering import row_of, shown


def checked(panel: Panel, name: str = "sales.csv", **model: int) -> CheckedTable:
    plan = make_plan(panel, Config().override(model=model))
    table = Table(name, pa.table({}), "", 0)
    source = Source(panel, table, None, (Notice("repair", "2 rows are odd", 2),))
    return CheckedTable(source, summarise(panel), plan)


def test_past_covariates_and_the_weekly_season_of_days_have_rows() -> None:
    text = shown(check_view(checked(full_panel())), 100)
    assert text.splitlines()[0] == "sales.csv"
    assert row_of(text, "past covariates") == "visits, visits kind"
    assert row_of(text, "static covariates") == "size, size kind"
    assert row_of(text, "lengths") == "47 to 61 steps, median 53"
    assert row_of(text, "series end") == "2024-02-16 to 2024-03-01"
    assert row_of(text, "season 7").startswith("1 week, autocorrelation 0.")
    assert "usual for this frequency" in row_of(text, "horizon")
    assert row_of(text, "attention") == "global, general score, direct decoding"


def test_the_values_of_the_table_and_of_the_plan_stand_below_each_other() -> None:
    lines = shown(check_view(checked(full_panel())), 100).splitlines()
    labelled = [re.match(r"\S+(?: \S+)*   +", line) for line in lines]
    assert len({found.end() for found in labelled if found}) == 1


def test_rows_without_anything_to_tell_are_left_out() -> None:
    text = shown(check_view(checked(make_panel(waves((61, 61))))), 100)
    for label in ("covariates", "series begin", "series end"):
        assert label not in text


def test_numbers_of_a_sample_say_so_and_a_sample_of_one_series_is_no_table_of_one() -> None:
    whole = checked(make_panel(waves((83, 83, 83)), frequency=parse_frequency("h")))
    sample = replace(whole.source, panel=whole.source.panel.take_series(np.array([1])))
    table = replace(whole, source=sample, summary=replace(whole.summary, num_season_series=2))
    text = shown(check_view(table))
    assert row_of(text, "series") == "3"
    assert row_of(text, "season 24").endswith(" on 2 of 3 series")
    assert row_of(text, "training windows").endswith(" in 1 of 3 series")
    assert "\n\ntrain would use (planned on 1 of 3 series)\n" in text
    assert whole.notices == table.notices
    assert "of 3 series" not in shown(check_view(whole))


def test_the_document_holds_the_notices_and_the_choices() -> None:
    document = check_document(checked(full_panel(), horizon=5))
    assert document["notices"] == [{"kind": "repair", "text": "2 rows are odd", "count": 2}]
    plan = document["plan"]
    assert "horizon" not in {choice["name"] for choice in plan["choices"]}
    assert "context" in {choice["name"] for choice in plan["choices"]}


def test_an_unmeasurable_season_and_hostile_names_fit_any_width() -> None:
    panel = make_panel(waves(), frequency=parse_frequency("h"))
    panel = replace(panel, schema=replace(panel.schema, target=("[/]\n", "\u202eb")))
    table = checked(panel, name="[red]\x1b[31m.csv")
    text = shown(check_view(table))
    assert text.splitlines()[0] == "[red]\\x1b[31m.csv"
    assert row_of(text, "target") == "[/]\\n, \\u202eb"
    assert row_of(text, "season 168") == "1 week, too long to measure here"
    shown(check_view(table), 20)
