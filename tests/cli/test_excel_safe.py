from pathlib import Path

import pandas as pd
import pytest

from tests.running import TINY, done, refused, write_panel

RISKY = {"=1+1": 67, "+7": 61, "-5": 59, "@SUM": 53, "plain": 61}


@pytest.fixture(scope="module")
def risky_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("risky")
    data = write_panel(folder / "data.csv", RISKY)
    done("train", data, *TINY, "--target", "y", "--validation-size", 7, "--run", folder / "run")
    return folder / "run"


def ids(path: Path) -> list[str]:
    table = pd.read_csv(path, dtype={"unique_id": str})
    return list(table["unique_id"].unique())


@pytest.mark.parametrize("command", ["predict", "backtest"])
def test_ids_like_formulas_are_written_as_they_are_with_a_warning_or_safely(
    command: str, risky_run: Path, in_tmp_path: Path
) -> None:
    ran = done(command, "--run", risky_run, "--output", "out.csv")
    assert "warning: a spreadsheet may run 4 of the ids and column names as formulas, such as '=1+1'" in ran.err
    assert "--excel-safe writes them with an apostrophe in front" in ran.err
    assert ids(Path("out.csv")) == list(RISKY)
    assert "formula" not in done(command, "--run", risky_run, "--output", "safe.csv", "--excel-safe").err
    assert ids(Path("safe.csv")) == ["'=1+1", "'+7", "'-5", "'@SUM", "plain"]


def test_numbers_stay_untouched(risky_run: Path, in_tmp_path: Path) -> None:
    done("predict", "--run", risky_run, "--output", "a.csv")
    done("predict", "--run", risky_run, "--output", "b.csv", "--excel-safe")
    assert Path("b.csv").read_text().replace("'", "") == Path("a.csv").read_text()


def test_a_format_without_formulas_needs_no_warning_and_no_option(risky_run: Path, in_tmp_path: Path) -> None:
    assert "formula" not in done("predict", "--run", risky_run, "--output", "out.json").err
    message = refused(2, "predict", "--run", risky_run, "--output", "out.parquet", "--excel-safe")
    assert message == "--excel-safe is for CSV, and this output is parquet. Drop one."
