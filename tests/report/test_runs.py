from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from seqcast.reading.options import ReadOptions
from seqcast.report.runs import run_detail, run_list, training_summary
from seqcast.run.record import RunRecord
from tests.report.rendering import row_of, shown

RESULT = {
    "validation_loss": 0.12345,
    "relative_mae": 0.8127,
    "best_step": 1200,
    "num_steps": 2400,
    "ended_by": "budget spent",
    "seconds": 61.26,
    "windows_per_second": 12345.6,
    "num_train_windows": 9000,
    "num_parameters": 56789,
    "num_members": 1,
    "linear_share": 0.0,
    "refitted": False,
    "naive_is_exact": False,
}


def record(**changes: Any) -> RunRecord:
    values: dict[str, Any] = {
        "program_version": "0.1.0",
        "torch_version": "2.9.1",
        "status": "finished",
        "created": "2024-05-06T07:08:09+00:00",
        "device": "cpu",
        "precision": "float32",
        "num_threads": 2,
        "frequency": "h",
        "data": {
            "path": "/data/sales.csv",
            "fingerprint": "ab" * 32,
            "size_bytes": 1234,
            "num_series": 1013,
            "num_rows": 20011,
            "num_observed": 19997,
            "first_time": "2024-01-01",
            "last_time": "2024-03-01",
            "read_options": asdict(ReadOptions()),
        },
        "columns": {
            "layout": "long",
            "id": "shop",
            "time": "day",
            "target": ("y",),
            "known": ("promo", "price"),
            "past": (),
            "static": ("region",),
        },
        "series_ids": ("a",),
        "shape": {
            "horizon": 24,
            "context": 336,
            "season": 24,
            "num_past": 0,
            "num_known": 2,
            "num_static": 0,
            "past_categories": (),
            "known_categories": (),
            "static_categories": (3,),
        },
        "result": RESULT,
    }
    return RunRecord.model_validate(values | changes)


def test_training_ends_with_run_error_steps_and_time() -> None:
    text = shown(training_summary("runs/sales-1", record()), 100)
    assert text.splitlines()[0] == "Trained"
    assert row_of(text, "run") == "runs/sales-1"
    assert row_of(text, "validation loss") == "0.1235 at step 1200"
    assert (
        row_of(text, "validation error")
        == "0.813 of the seasonal naive forecast's (below 1 is better), over every origin"
    )
    assert row_of(text, "steps") == "2400 (budget spent)"
    assert row_of(text, "time") == "61.3 s, 12,346 windows/s"
    assert row_of(text, "parameters") == "56,789"


@pytest.mark.parametrize(
    ("label", "changes", "told"),
    [
        ("learned from", {"refitted": False}, "the training part"),
        ("learned from", {"refitted": True}, "the training part, then the validation part too"),
        ("forecast by", {}, "1 trained network"),
        ("forecast by", {"num_members": 5}, "5 trained networks"),
        ("forecast by", {"linear_share": 1.0}, "the closed-form start alone"),
        (
            "forecast by",
            {"num_members": 3, "linear_share": 0.5},
            "2 trained networks and the closed-form start, which has 50 % of the weight",
        ),
        ("validation loss", {"num_members": 2}, "0.1235 of the combined forecast; best step 1200"),
        ("validation loss", {"best_step": 0}, "0.1235 at the start; training did not clearly improve on it"),
    ],
)
def test_it_says_what_forecasts_and_how_it_learned(label: str, changes: dict[str, Any], told: str) -> None:
    assert row_of(shown(training_summary("runs/a", record(result=RESULT | changes)), 100), label) == told


@pytest.mark.parametrize(
    ("relative", "is_exact", "doubt"),
    [
        (0.999, False, None),
        (None, False, None),
        (1.0, False, "This model does not beat the seasonal naive forecast"),
        (3.2, False, "This model does not beat the seasonal naive forecast"),
        (None, True, "The seasonal naive forecast makes no error on validation, so this model cannot beat it"),
    ],
)
def test_it_warns_when_the_seasonal_naive_forecast_is_as_good(
    relative: float | None, is_exact: bool, doubt: str | None
) -> None:
    result = RESULT | {"relative_mae": relative, "naive_is_exact": is_exact}
    text = shown(training_summary("r", record(result=result)), 200)
    assert (doubt or "parameters") in text.splitlines()[-1]
    assert ("validation error" in text) == (relative is not None)


def test_the_list_has_a_line_per_run_in_the_given_order() -> None:
    stopped = record(status="stopped", result=None)
    text = shown(run_list([("runs/b-2", record()), ("runs/a-1", stopped), ("runs/c-1", None)]))
    rows = [line.split() for line in text.splitlines()[4:7]]
    assert rows == [
        ["b-2", "finished", "sales.csv", "1,013", "24", "336", "0.813"],
        ["a-1", "stopped", "sales.csv", "1,013", "24", "336"],
        ["c-1", "damaged"],
    ]
    assert "error: validation error divided by" in text.splitlines()[-1]


def test_everything_known_of_a_run_is_shown() -> None:
    choices = ({"name": "context", "value": "336 steps", "reason": "two weeks"},)
    notices = ("decision: time column 'day'", "repair: 3 rows are odd: 'repair: me'")
    text = shown(run_detail("runs/sales-1", record(choices=choices, notices=notices)), 120)
    assert row_of(text, "written by") == "seqcast 0.1.0, torch 2.9.1, 2024-05-06T07:08:09+00:00"
    assert row_of(text, "device") == "cpu, float32, 2 threads"
    assert row_of(text, "data") == "/data/sales.csv"
    assert row_of(text, "fingerprint") == "ab" * 32
    assert row_of(text, "series") == "1,013 with 20,011 steps, 19,997 observed"
    assert row_of(text, "time") == "2024-01-01 to 2024-03-01, frequency h"
    assert row_of(text, "columns") == "long: id shop, time day, target y"
    assert row_of(text, "known covariates") == "promo, price"
    assert row_of(text, "static covariates") == "region"
    assert "past covariates" not in text
    assert row_of(text, "horizon, context, season") == "24, 336, 24"
    assert row_of(text, "context") == "336 steps (two weeks)"
    assert text.splitlines()[-2:] == ["time column 'day'", "warning: 3 rows are odd: 'repair: me'"]


def test_an_unfinished_run_is_shown_without_result() -> None:
    text = shown(run_detail("r", record(status="training", result=None, num_threads=1)))
    assert row_of(text, "status") == "training"
    assert row_of(text, "device") == "cpu, float32, 1 thread"
    assert "validation" not in text
    assert "Automatic choices" not in text


def test_text_of_the_data_is_shown_safely() -> None:
    data = record().data.model_copy(update={"path": "/data/[red]\x1b[31m.csv"})
    odd = record(data=data.model_dump(), notices=("repair: \x07[bold]",))
    assert "[red]\\x1b[31m.csv" in shown(run_list([("runs/[b]", odd)]), 120)
    text = shown(run_detail("runs/[b]", odd), 120)
    assert text.splitlines()[0] == "runs/[b]"
    assert text.splitlines()[-1] == "warning: \\x07[bold]"
