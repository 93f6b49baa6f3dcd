from typing import Any

import pytest

from seqcast.panel.schema import Schema
from seqcast.report.runs import run_detail, run_list, training_summary
from seqcast.run.record import Choice, RunRecord
from tests.report.rendering import row_of, shown
from tests.run.making_records import DATA, FINISHED, RECORD, RESULT

SINGLE = {"num_members": 1, "linear_share": 0.0}


def finished(**changes: Any) -> RunRecord:
    """A finished run whose result differs in these values."""
    return FINISHED.model_copy(update={"result": RESULT.model_copy(update=changes)})


def test_training_ends_with_run_error_steps_and_time() -> None:
    text = shown(training_summary("runs/sales-1", finished(**SINGLE)), 100)
    assert text.splitlines()[0] == "Trained"
    assert row_of(text, "run") == "runs/sales-1"
    assert row_of(text, "validation loss") == "0.2500 at step 3"
    error = "0.500 of the seasonal naive forecast's (below 1 is better), over every origin"
    assert row_of(text, "validation error") == error
    assert row_of(text, "steps") == "5 (budget spent)"
    assert row_of(text, "time") == "1.5 s, 7 windows/s"
    assert row_of(text, "parameters") == "17"


@pytest.mark.parametrize(
    ("label", "changes", "told"),
    [
        ("learned from", {"refitted": False}, "the training part"),
        ("learned from", {"refitted": True}, "the training part, then the validation part too"),
        ("forecast by", SINGLE, "1 trained network"),
        ("forecast by", {"num_members": 5, "linear_share": 0.0}, "5 trained networks"),
        ("forecast by", {"num_members": 1, "linear_share": 1.0}, "the closed-form start alone"),
        (
            "forecast by",
            SINGLE | {"naive_shares": {"seasonal_naive": 0.3}},
            "1 trained network; 30 % of the whole is the seasonal naive forecast",
        ),
        ("forecast by", SINGLE | {"naive_shares": {"naive": 1.0}}, "the last value alone"),
        ("forecast by", {}, "1 trained network and the closed-form start, which has 50 % of the weight"),
        ("validation loss", {}, "0.2500 of the combined forecast; best step 3"),
        ("validation loss", SINGLE | {"best_step": 0}, "0.2500 at the start; training did not improve on it"),
    ],
)
def test_it_says_what_forecasts_and_how_it_learned(label: str, changes: dict[str, Any], told: str) -> None:
    assert row_of(shown(training_summary("runs/a", finished(**changes)), 100), label) == told


@pytest.mark.parametrize(
    ("relative", "is_exact", "doubt"),
    [
        (0.999, False, None),
        (None, False, None),
        (1.0, False, "On validation, the seasonal naive forecast is as good"),
        (None, True, "The seasonal naive forecast makes no error on validation"),
    ],
)
def test_it_warns_when_the_seasonal_naive_forecast_is_as_good(
    relative: float | None, is_exact: bool, doubt: str | None
) -> None:
    text = shown(training_summary("r", finished(relative_mae=relative, naive_is_exact=is_exact)), 200)
    assert (doubt or "parameters") in text.splitlines()[-1]
    assert ("validation error" in text) == (relative is not None)


def test_the_list_has_a_line_per_run_in_the_given_order() -> None:
    text = shown(run_list([("runs/b-2", FINISHED), ("runs/a-1", RECORD), ("runs/c-1", None)]))
    assert [line.split() for line in text.splitlines()[4:7]] == [
        ["b-2", "finished", "sales.csv", "2", "5", "11", "0.500"],
        ["a-1", "stopped", "sales.csv", "2", "5", "11"],
        ["c-1", "damaged"],
    ]


def test_everything_known_about_a_run_is_shown() -> None:
    details = {
        "columns": Schema("long", "shop", "day", ("y",), known=("promo", "price"), static=("region",)),
        "choices": (Choice("context", "11 steps", "two weeks"),),
        "notices": ("decision: time column 'day'", "repair: 3 rows are odd: 'repair: me'"),
        "num_threads": 2,
    }
    text = shown(run_detail("runs/sales-1", FINISHED.model_copy(update=details)), 120)
    assert row_of(text, "written by") == "seqcast 0.1, torch 2.6, 2024-02-01T00:00:00+00:00"
    assert row_of(text, "device") == "cpu, float32, 2 threads"
    assert row_of(text, "data") == "/data/sales.csv"
    assert row_of(text, "fingerprint") == "0" * 64
    assert row_of(text, "series") == "2 with 11 steps, 9 observed"
    assert row_of(text, "time") == "2024-01-01 to 2024-01-11, frequency D"
    assert row_of(text, "columns") == "long: id shop, time day, target y"
    assert row_of(text, "known covariates") == "promo, price"
    assert row_of(text, "static covariates") == "region"
    assert "past covariates" not in text
    assert row_of(text, "horizon, context, season") == "5, 11, 7"
    assert row_of(text, "context") == "11 steps (two weeks)"
    (first,), (second,) = ([line for line in text.splitlines() if part in line] for part in ("cpu, ", "(two weeks)"))
    assert first.index("cpu, ") == second.index("11 steps (two weeks)")
    assert text.splitlines()[-2:] == ["time column 'day'", "warning: 3 rows are odd: 'repair: me'"]


def test_an_unfinished_run_is_shown_without_result() -> None:
    text = shown(run_detail("r", RECORD))
    assert row_of(text, "status") == "stopped"
    assert row_of(text, "device") == "cpu, float32, 1 thread"
    assert "validation" not in text
    assert "Automatic choices" not in text


def test_text_of_the_data_is_shown_safely() -> None:
    data = DATA.model_copy(update={"path": "/data/[red]\x1b[31m.csv"})
    odd = RECORD.model_copy(update={"data": data, "notices": ("repair: \x07[bold]",)})
    assert "[red]\\x1b[31m.csv" in shown(run_list([("runs/[b]", odd)]), 120)
    text = shown(run_detail("runs/[b]", odd), 120)
    assert text.splitlines()[0] == "runs/[b]"
    assert text.splitlines()[-1] == "warning: \\x07[bold]"
