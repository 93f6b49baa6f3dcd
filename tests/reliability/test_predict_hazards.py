"""Hazards of forecasting with a trained run, and of training itself."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reliability.conftest import SMALL, write_shops
from tests.reliability.hazards import daily, dates, expect, orderly, rows, values
from tests.running import Ran, Trained, done, hours, wave, write_rows


def predict(trained: Trained, *words: object, future: Path | None = None) -> Ran:
    """Forecast, by default with the future table that belongs to the run, to stdout."""
    future = future or (trained.future if trained.future.exists() else None)
    return orderly("predict", *words, "--run", trained.run, *(("--future", future) if future else ()), "--output", "-")


def ahead(trained: Trained, folder: Path, change: str = "", by: str = "") -> Ran:
    """Forecast with the future table, one text in it replaced."""
    text = trained.future.read_text()
    assert change in text
    (folder / "future.csv").write_text(text.replace(change, by) if change else text)
    return predict(trained, future=folder / "future.csv")


def forecast(ran: Ran, *words: str) -> pd.DataFrame:
    """The finite forecast that a command wrote, having said these words."""
    expect(ran, 0, words)
    table = pd.read_csv(io.StringIO(ran.out))
    assert np.isfinite(table.filter(like="seqcast").to_numpy()).all()
    return table


def test_a_future_table_works(shops: Trained, tmp_path: Path) -> None:
    assert forecast(ahead(shops, tmp_path))["unique_id"].tolist() == ["a"] * 3 + ["b"] * 3


@pytest.mark.parametrize(
    ("change", "by", "words"),
    [
        ("2024-01-03 13:00:00", "2024-01-03 13:20:00", ["there is no row for 2024-01-03 13:00", "'a'"]),
        ("b,2024-01-03 05:00:00", "zz,2024-01-03 05:00:00", ["there is no row for 2024-01-03 05:00", "'b'"]),
        (",1.1,", ",inf,", ["is not a finite number"]),
        ("2024-01-03 13:00:00", "soon", ["future.csv", "'soon' is not a time"]),
    ],
)
def test_a_bad_future_table_is_refused(change: str, by: str, words: list[str], shops: Trained, tmp_path: Path) -> None:
    expect(ahead(shops, tmp_path, change, by), 3, words)


@pytest.mark.parametrize("source", ["absent.csv", "."])
def test_a_future_table_that_is_no_file_is_refused(source: str, shops: Trained, in_tmp_path: Path) -> None:
    expect(orderly("predict", "--run", shops.run, "--future", source), 3, [source])


def test_an_unseen_category_is_unknown_and_named(shops: Trained, tmp_path: Path) -> None:
    forecast(
        ahead(shops, tmp_path, "snow", "locusts"), "warning: ", "'weather'", "not in the training data", "'locusts'"
    )
    assert "not in the training data" not in ahead(shops, tmp_path).err


def test_an_unseen_static_category_is_named(shops: Trained, tmp_path: Path) -> None:
    table = tmp_path / "other.csv"
    table.write_text(shops.data.read_text().replace("north", "atlantis"))
    forecast(predict(shops, table), "warning: ", "'region'", "'atlantis'")


def test_a_conversion_in_the_future_table_is_a_warning(shops: Trained, tmp_path: Path) -> None:
    found = "warning: future table: times of column 'ds' have an offset, and those of the data have none"
    forecast(ahead(shops, tmp_path, ":00:00,", ":00:00Z,"), found)


def test_categories_stay_categories_where_a_table_has_numbers_for_them(shops: Trained, tmp_path: Path) -> None:
    text = shops.data.read_text()
    for number, word in enumerate(("sun", "rain", "snow")):
        text = text.replace(f",{word},", f",{number},")
    (tmp_path / "d.csv").write_text(text)
    forecast(predict(shops, tmp_path / "d.csv"), "'weather'", "not in the training data", "'0', '1', '2'")


def test_a_number_that_became_a_category_is_refused(shops: Trained, tmp_path: Path) -> None:
    table = pd.read_csv(shops.data, dtype=str)
    table["price"] = "p" + table["price"]
    table.to_csv(tmp_path / "d.csv", index=False)
    found = "2 of the known covariates are categories here ('price', 'weather'), and 1 were in the training"
    expect(predict(shops, tmp_path / "d.csv"), 3, [found])


def test_one_row_of_each_series_is_forecast_with_its_future(shops: Trained, tmp_path: Path) -> None:
    header, *every = shops.data.read_text().splitlines()
    (tmp_path / "d.csv").write_text("\n".join([header, *(line for line in every if "2024-01-03 04:00" in line)]))
    future = write_shops(tmp_path / "f.csv", {"a": 61, "b": 61})
    table = forecast(predict(shops, tmp_path / "d.csv", future=future))
    assert table["ds"].tolist()[::3] == ["2024-01-03 05:00:00"] * 2


def test_an_unseen_series_works_with_a_notice(shops: Trained, tmp_path: Path) -> None:
    lengths = {"a": 61, "stranger": 59}
    data = write_shops(tmp_path / "new.csv", lengths)
    future = write_shops(tmp_path / "f.csv", {name: length + 3 for name, length in lengths.items()}, first=-3)
    ran = predict(shops, data, future=future)
    found = "1 series were not in the training data and are scaled by their own history: 'stranger'"
    assert forecast(ran, found)["unique_id"].unique().tolist() == ["a", "stranger"]


HISTORIES = {
    "daily steps": (daily(), ["its frequency is 'D'", "'h'"]),
    "steps instead of times": (rows("ds,y", [f"{i},{value}" for i, value in enumerate(wave(61))]), ["frequency"]),
    "no value": (rows("ds,y", [f"{time}," for time in hours(61)]), ["every value is missing"]),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_unlike_the_one_trained_on_is_refused(name: str, single: Trained, tmp_path: Path) -> None:
    content, words = HISTORIES[name]
    (tmp_path / "d.csv").write_text(content)
    expect(predict(single, tmp_path / "d.csv"), 3, words)


FACTORS = (0.0, 1e-300, 1e9, 1e100, -1e300)


@pytest.mark.parametrize(
    "values",
    [*(wave(length) for length in (1, 2, 5)), *([v * each for v in wave(61)] for each in FACTORS), [*wave(60), 1e300]],
    ids=["1 value", "2 values", "5 values", *map(str, FACTORS), "one wild value"],
)
def test_any_length_and_size_of_history_gives_finite_numbers(
    values: list[float], single: Trained, tmp_path: Path
) -> None:
    write_rows(tmp_path / "d.csv", "ds,y", [hours(len(values)), values])
    assert len(forecast(predict(single, tmp_path / "d.csv"))) == 3


def test_a_gap_before_the_end_is_counted(single: Trained, tmp_path: Path) -> None:
    every = [f"{time},{value}" for time, value in zip(hours(61), wave(61), strict=True)]
    (tmp_path / "d.csv").write_text(rows("ds,y", every[:50] + every[58:]))
    ran = predict(single, tmp_path / "d.csv")
    assert forecast(ran, "8 time steps have no row")["ds"][0] == hours(62)[61]


ABSURD = [
    *((("--horizon", text), "horizon") for text in ("0", "-1", "abc", "1e3", "9" * 20, "1000000000")),
    *((("--level", text), "--level") for text in ("0", "100", "-5", "abc", "nan", "80,80", "inf")),
    *((("--output", name), "does not say which format") for name in ("forecast", "forecast.xlsx")),
]


@pytest.mark.parametrize(("option", "word"), ABSURD, ids=str)
def test_an_absurd_option_is_refused(option: tuple[str, str], word: str, single: Trained, in_tmp_path: Path) -> None:
    expect(orderly("predict", "--run", single.run, *option), 2, [word])
    assert not list(in_tmp_path.iterdir())


STRANGE_TABLES = {
    "constant": rows("ds,y", [f"{day},5" for day in dates(61)]),
    "one wild value": values({40: "1e12"}),
    "a billion": rows("ds,y", [f"{day},{1_000_000_000 + v}" for day, v in zip(dates(61), wave(61), strict=True)]),
    "1e300": rows("ds,y", [f"{day},{1 + i % 7}e300" for i, day in enumerate(dates(61))]),
    "zero": rows("ds,y", [f"{day},0" for day in dates(61)]),
    "nearly all missing": rows("ds,y", [f"{day},{'5' if i % 20 == 0 else ''}" for i, day in enumerate(dates(61))]),
    "leading missing": values(dict.fromkeys(range(2, 30), "")),
}


@pytest.mark.parametrize("name", STRANGE_TABLES)
def test_strange_numbers_are_trained_on_and_forecast_as_finite_numbers(name: str, in_tmp_path: Path) -> None:
    Path("d.csv").write_text(STRANGE_TABLES[name])
    done("train", "d.csv", *SMALL, "--run", "run")
    forecast(orderly("predict", "--run", "run", "--output", "-"))
