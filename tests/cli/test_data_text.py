"""Text from data files is data: printed safely wherever it turns up, written exactly as it was read."""

import csv
import io
import json
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from tests.running import HORIZON, TINY, Ran, done, hours, refused, wave

NAMES = {
    "markup": "[red]x[/]",
    "unclosed markup": "[/bold] :smile: [link=http://x]",
    "escape codes": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "new lines": "two\nlines\r\nand a tab\t.",
    "right to left": "\u202eabc\u202c",
    "formula": "=1+1",
    "comma and quote": 'a,"b"',
    "not available": "NA",
    "leading zeros": "007",
    "padded": "  padded  ",
    "path": "../evil",
    "long": "n" * 2000,
    "accents": "Zürich 東京",
}


def write_table(path: Path, *names: str, column: str = "y") -> Path:
    """Series of these names and a plain one, with this target column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["unique_id", "ds", column])
        for number, series in enumerate((*names, "plain")):
            writer.writerows(zip([series] * 101, hours(101), wave(101, 5 * number), strict=True))
    return path


def assert_printed_safely(ran: Ran) -> None:
    """No control, bidi or other invisible character reaches the terminal but the end of a line."""
    for character in ran.out + ran.err:
        assert character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}, repr(character)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of series with all these names."""
    folder = tmp_path_factory.mktemp("names")
    data = write_table(folder / "t.csv", *NAMES.values())
    assert_printed_safely(done("train", data, *TINY, "--run", folder / "run"))
    assert_printed_safely(done("runs", "show", folder / "run"))
    assert {path.name for path in folder.iterdir()} == {"t.csv", "run"}
    return folder / "run"


def test_names_of_series_are_written_exactly_and_printed_safely(run: Path, in_tmp_path: Path) -> None:
    names = {*NAMES.values(), "plain"}
    table = (write_table(in_tmp_path / "t.csv", *NAMES.values()), "--run", run)
    for command in (["predict"], ["inspect", "--by", "series", "--heatmap"]):
        assert_printed_safely(done(*command, *table))
    rows = list(csv.reader(io.StringIO(done("predict", *table, "--output", "-").out)))
    assert {row[0] for row in rows[1:]} == names
    assert {row["unique_id"] for row in done("predict", *table, "--format", "json").document()} == names
    done("predict", *table, "--output", "f.parquet")
    assert list(pd.read_parquet("f.parquet")["unique_id"].unique()) == [*NAMES.values(), "plain"]
    assert {path.name for path in in_tmp_path.iterdir()} == {"t.csv", "f.parquet"}
    assert not [path for path in in_tmp_path.parent.iterdir() if "evil" in path.name]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_series_is_found_by_its_name_and_drawn_under_it_safely(name: str, run: Path, in_tmp_path: Path) -> None:
    table = (write_table(in_tmp_path / "t.csv", name), "--run", run)
    assert_printed_safely(done("predict", "--plot", *table))
    weights = done("inspect", *table, "--format", "csv", "--series", name).out
    assert {row[0] for row in list(csv.reader(io.StringIO(weights)))[1:]} == {name}
    assert {path.name for path in in_tmp_path.iterdir()} == {"t.csv"}


@pytest.mark.parametrize("name", ["[red]x[/]", "\x1b[31mred", ":smile:", "東京", "=1+1"])
def test_a_column_name_is_printed_safely_and_kept(name: str, in_tmp_path: Path) -> None:
    data = write_table(in_tmp_path / "t.csv", "a", column=name)
    for ran in (done("check", data), done("train", data, *TINY), done("runs", "show", "runs/t-1"), done("runs")):
        assert_printed_safely(ran)
    assert done("check", data, "--json").document()["columns"]["target"] == [name]
    assert json.loads(Path("runs/t-1/run.json").read_text())["columns"]["target"] == [name]


def test_a_wide_table_keeps_its_headers_as_ids(in_tmp_path: Path) -> None:
    names = ["[red]x[/]", "\x1b[31mred", "=1+1"]
    with Path("wide.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["ds", *names])
        writer.writerows(zip(hours(101), wave(101), wave(101, 3), wave(101, 7), strict=True))
    assert_printed_safely(done("train", "wide.csv", *TINY))
    ran = done("predict", "--output", "-")
    assert [row[0] for row in list(csv.reader(io.StringIO(ran.out)))[1::HORIZON]] == names


def test_an_error_shows_data_text_safely(in_tmp_path: Path) -> None:
    data = write_table(in_tmp_path / "t.csv", "\x1b[31m[red]a")
    content = data.read_text().replace(hours(101)[7], "\x1b[32m[/]", 1)
    data.write_text(content)
    message = refused(3, "check", data)
    assert "[32m[/]" in message
    assert message.isprintable()


def test_a_file_name_is_printed_safely(in_tmp_path: Path) -> None:
    data = write_table(in_tmp_path / "[red]\x1b[31m t.csv", "a")
    ran = done("train", data, *TINY)
    assert_printed_safely(ran)
    assert "runs/red_31m_t-1" in ran.out
    for command in (["predict"], ["runs"], ["runs", "show", "runs/red_31m_t-1"], ["check", data]):
        assert_printed_safely(done(*command))
    data.unlink()
    assert refused(4, "predict").isprintable()
