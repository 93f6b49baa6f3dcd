"""All problems of a table are told at once, and the last line is the command that reads it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest

from seqcast.cli.settings import PANELS, Settings
from tests.running import Ran, done, hours, seqcast, wave


def shops(path: Path, **columns: object) -> pd.DataFrame:
    """Three shops of 61 hours whose ids are numbers, with a column that says the same everywhere."""
    parts = [
        pd.DataFrame({"hour": hours(61), "unit": "kg", "shop": shop, "sold": wave(61, shop), "price": shop * 2})
        for shop in (1, 2, 3)
    ]
    frame = pd.concat(parts, ignore_index=True).astype(str).assign(**columns)
    frame.to_csv(path, index=False)
    return frame


def command_of(ran: Ran) -> list[str]:
    """The words behind `seqcast train` in the last line."""
    assert ran.code in (2, 3)
    assert ran.out == ""
    told = ran.err.splitlines()[-1].partition("This command would read the table: seqcast train ")[2]
    assert told
    return shlex.split(told)


def test_every_problem_is_told_and_the_command_reads_the_table(in_tmp_path: Path) -> None:
    frame = shops(in_tmp_path / "shops.csv")
    frame.loc[7, "sold"], frame.loc[9, "price"] = "n/d", "?"
    frame.to_csv("shops.csv", index=False)
    ran = seqcast("check", "shops.csv", "--known", "pric")
    told = ran.err.splitlines()
    for number, text in enumerate(
        (
            "no known covariate column 'pric'. Did you mean 'price'?",
            "several columns may be the target: 'shop', 'sold'. Say which with --target.",
            "line 9, column 'sold': 'n/d' is not a number",
            "line 11, column 'price': '?' is not a number",
            "Id column 'unit' holds the same text in every row. Was an id column forgotten (--id shop)?",
        )
    ):
        assert any(text in line for line in told[:-1]), (number, told)
    assert told[-1].startswith("error: shops.csv: 5 problems in all. This command would read the table: ")
    words = command_of(ran)
    assert words[:5] == ["shops.csv", "--target", "sold", "--id", "shop"]
    document = done("check", *words, "--json").document()
    assert (document["num_series"], document["columns"]["id"]) == (3, "shop")
    assert done("check", *words).out.splitlines()[-1] == shlex.join(["seqcast", "train", *words])


def test_one_problem_keeps_its_words_and_gets_the_command(in_tmp_path: Path) -> None:
    shops(in_tmp_path / "shops.csv")
    ran = seqcast("check", "shops.csv", "--target", "sold")
    assert len(ran.err.splitlines()) == 1
    assert "the same time occurs with different values" in ran.err
    assert command_of(ran) == ["shops.csv", "--target", "sold", "--id", "shop"]


def test_problems_without_an_option_are_told_together(in_tmp_path: Path) -> None:
    frame = shops(in_tmp_path / "shops.csv")
    frame.loc[7, "sold"], frame.loc[9, "price"], frame.loc[11, "hour"] = "1O", "?", "yesterday"
    frame.to_csv("shops.csv", index=False)
    ran = seqcast("check", "shops.csv", "--id", "shop", "--target", "sold", "--known", "price", "--json")
    assert ran.code == 3
    told = ran.err.splitlines()
    for text in ("line 13, column 'hour': 'yesterday'", "line 9, column 'sold': '1O'", "line 11, column 'price': '?'"):
        assert sum(text in line for line in told) == 1, told
    assert told[-1] == "error: shops.csv: 3 problems in all. Correct them and check again, as they may hide more."
    assert [problem["line"] for problem in ran.document()["problems"]] == [13, 9, 11]
    assert ran.document()["command"] is None


def test_a_text_that_is_the_same_everywhere_is_no_id(in_tmp_path: Path) -> None:
    frame = shops(in_tmp_path / "shops.csv")
    frame.assign(shop="s" + frame["shop"]).to_csv("shops.csv", index=False)
    assert done("check", "shops.csv", "--target", "sold", "--json").document()["columns"]["id"] == "shop"
    frame[frame["shop"] == "1"].drop(columns=["shop", "price"]).to_csv("one.csv", index=False)
    ran = done("check", "one.csv")
    assert "id column 'unit' holds the same text in every row: the table is one series" in ran.err
    assert ran.out.splitlines()[-1] == "seqcast train one.csv"


def test_columns_that_tell_rows_apart_only_together_are_joined(in_tmp_path: Path) -> None:
    frame = pd.DataFrame({"hour": hours(31) * 4, "y": wave(124)})
    frame["shop"], frame["item"] = [1] * 62 + [2] * 62, ([7] * 31 + [8] * 31) * 2
    frame.to_csv("shops.csv", index=False)
    words = command_of(seqcast("check", "shops.csv", "--target", "y", "--id", "shop"))
    assert words == ["shops.csv", "--target", "y", "--id", "shop,item"]
    assert done("check", *words, "--json").document()["num_series"] == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ds;y\n" + "".join(f"{time};{i},{i:03}\n" for i, time in enumerate(hours(61), 100)), ["--decimal", ","]),
        (
            "hour,when,y\n" + "".join(f"{t},{t},{v}\n" for t, v in zip(hours(61), wave(61), strict=True)),
            ["--time", "hour"],
        ),
        ("ds,y,z\n" + "".join(f"{i},{i},{i % 7}\n" for i in range(45_000, 45_061)), ["--time-unit", "excel"]),
    ],
)
def test_what_is_ambiguous_gets_a_command_that_decides(in_tmp_path: Path, text: str, words: list[str]) -> None:
    Path("data.csv").write_text(text)
    assert command_of(seqcast("check", "data.csv")) == ["data.csv", *words]
    done("check", "data.csv", *words)


def test_standard_input_is_read_once_for_all_problems(in_tmp_path: Path) -> None:
    frame = shops(in_tmp_path / "shops.csv")
    ran = seqcast("check", "-", "--target", "sold", stdin=frame.to_csv(index=False).encode())
    assert command_of(ran) == ["-", "--target", "sold", "--id", "shop"]


def test_settings_become_the_words_they_came_from() -> None:
    given = {
        "target": "a b,c",
        "time": "t",
        "static_file": Path("s t.csv"),
        "decimal": ",",
        "na_value": ["?", "-"],
        "copy": False,
        "test_size": 7,
        "layout": "rows",
    }
    assert set(given) <= {name for panel in PANELS.values() for name in panel}
    words = shlex.join(Settings.from_options(given).words())
    assert words == (
        "--target 'a b,c' --time t --static-file 's t.csv' --test-size 7 --layout rows --decimal , --na-value '?' "
        "--na-value - --no-copy"
    )
