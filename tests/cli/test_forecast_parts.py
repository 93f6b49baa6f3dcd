"""`predict` on Parquet data sets: in groups of series, to one file or to a folder of parts."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.errors import RunError
from seqcast.part_files import MANIFEST_FILE, PartFolder
from seqcast.reading import files, series_groups
from tests.cli.grouped_tables import LENGTH, NAMES, panel
from tests.running import HORIZON, TINY, Trained, done, refused, seqcast


@pytest.fixture
def copied(folder_run: Trained, tmp_path: Path) -> Path:
    """The data set in another folder, which a test may change."""
    data = tmp_path / "copy"
    data.mkdir()
    for file in folder_run.data.iterdir():
        (data / file.name).write_bytes(file.read_bytes())
    return data


def predicted(run: Trained, *words: object) -> pd.DataFrame:
    return done("predict", "--run", run.run, "--output", "-", *words).table()


def equal(one: pd.DataFrame, two: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("small_groups")
def test_a_table_read_in_groups_has_the_forecasts_of_the_whole(
    folder_run: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = done("predict", "--run", folder_run.run, "--output", "-", "--horizon", HORIZON + 2)
    assert "sales is read in 3 groups of series" in streamed.err
    assert list(dict.fromkeys(streamed.table()["unique_id"])) == list(NAMES)
    monkeypatch.undo()
    whole = done("predict", "--run", folder_run.run, "--output", "-", "--horizon", HORIZON + 2)
    assert "groups of series" not in whole.err
    equal(streamed.table(), whole.table())


def with_gaps(data: Path) -> None:
    """Takes rows and values out of two of the three files, and gives all series names that the run does not know."""
    for number, file in enumerate(sorted(data.iterdir())):
        frame = pd.read_parquet(file).assign(unique_id=lambda rows: "new " + rows["unique_id"])
        if number != 1:
            frame.loc[[7, 9 + number, 10 + number], "y"] = np.nan
            frame = frame.drop(frame.index[20 : 22 + number])
        frame.to_parquet(file, index=False)


def told_lines(err: str, data: Path) -> list[str]:
    """Lines about the whole table, in any order."""
    apart = (f"{data} is read in", f"3 files in {data}", "warning: in the first group of series: attention")
    return sorted(line for line in err.splitlines() if not line.startswith(apart))


@pytest.mark.usefixtures("small_groups")
def test_groups_are_told_of_as_the_whole_table_is(
    folder_run: Trained, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("predict", copied, "--run", folder_run.run, "--output", "-")
    with_gaps(copied)
    grouped = done(*words, "--horizon", HORIZON + 2).err
    monkeypatch.undo()
    assert told_lines(grouped, copied) == told_lines(done(*words, "--horizon", HORIZON + 2).err, copied)
    for line in (
        f"data: {copied}, not the table the run was trained on",
        "warning: 6 time steps have no row, first 2024-01-01 20:00:00 in series 'new d'; they were added",
        "warning: 6 of 505 target values are missing; they are masked",
        "warning: 5 series were not in the training data and are scaled by their own history: 'new d', 'new a', ",
    ):
        assert line in grouped
    assert "more notices like these" not in grouped


@pytest.mark.usefixtures("small_groups")
def test_a_rerun_tells_of_the_groups_that_it_reads(folder_run: Trained, copied: Path, tmp_path: Path) -> None:
    words = ("predict", copied, "--run", folder_run.run, "--output", f"{tmp_path}/out/")
    with_gaps(copied)
    assert "warning: 6 of 505 target values are missing" in done(*words).err
    (tmp_path / "out" / "part-00000.parquet").unlink()
    assert "warning: in 1 of 3 groups: 3 of 202 target values are missing" in done(*words).err


@pytest.mark.usefixtures("small_groups")
def test_groups_of_the_own_table_of_a_run_say_so_and_warn_where_it_has_changed(
    folder_run: Trained, tmp_path: Path
) -> None:
    words, file = ("predict", "--run", folder_run.run, "--output", f"{tmp_path}/out.csv"), folder_run.data / "2.parquet"
    before = file.read_bytes()
    assert f"data: {folder_run.data}, as trained on\n" in done(*words).err
    try:
        panel(*NAMES[3:]).assign(y=3.0).to_parquet(file, index=False)
        assert f"warning: {folder_run.data} has changed since the run was trained" in done(*words).err
    finally:
        file.write_bytes(before)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_told_with_what_is_kept(
    folder_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    keep = PartFolder.keep

    def keep_and_stop(folder: PartFolder, name: str, fingerprint: str) -> None:
        keep(folder, name, fingerprint)
        os.kill(os.getpid(), number)

    words = ("predict", "--run", folder_run.run, "--output", f"{tmp_path}/out/")
    with monkeypatch.context() as patch:
        patch.setattr(PartFolder, "keep", keep_and_stop)
        told = refused(code, *words)
    assert told == f"Stopped by {number.name}. The parts that are written stay; the same command writes the others."
    assert "1 part there already" in done(*words).err


@pytest.mark.usefixtures("small_groups")
def test_parts_that_are_there_are_not_written_again(folder_run: Trained, copied: Path, tmp_path: Path) -> None:
    words = ("predict", copied, "--run", folder_run.run, "--output", f"{tmp_path}/out/")
    assert "25 rows written to 3 parts in" in done(*words).err
    out = tmp_path / "out"
    parts = sorted(out.glob("part-*.parquet"))
    before = {part: part.stat().st_mtime_ns for part in parts}
    equal(pd.read_parquet(out), predicted(folder_run, copied).astype({"ds": "datetime64[us]"}))
    assert "0 rows written to 0 parts" in done(*words).err
    parts[1].unlink()
    assert "10 rows written to 1 part in" in done(*words).err
    assert [part.stat().st_mtime_ns != before[part] for part in parts] == [False, True, False]


@pytest.mark.usefixtures("small_groups")
def test_a_part_that_was_not_entered_is_written_again(
    folder_run: Trained, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise RunError("killed")

    words = ("predict", copied, "--run", folder_run.run, "--output", f"{tmp_path}/out/")
    with monkeypatch.context() as patch:
        patch.setattr(PartFolder, "keep", killed)
        refused(4, *words)
    assert (tmp_path / "out" / "part-00000.parquet").exists()
    assert "25 rows written to 3 parts in" in done(*words).err


@pytest.mark.usefixtures("small_groups")
def test_only_parts_of_files_that_changed_are_written_again(folder_run: Trained, copied: Path, tmp_path: Path) -> None:
    words = ("predict", copied, "--run", folder_run.run, "--output", f"{tmp_path}/out/")
    done(*words)
    panel(*NAMES[:2]).assign(y=np.arange(2.0 * LENGTH)).to_parquet(copied / "0.parquet", index=False)
    told = done(*words).err
    assert "10 rows written to 1 part in" in told
    assert "2 parts there already" in told
    assert "written to 3 parts" in done(*words, "--level", "50").err  # other options make other parts


@pytest.mark.usefixtures("small_groups")
def test_parts_of_an_earlier_longer_table_are_removed(folder_run: Trained, copied: Path, tmp_path: Path) -> None:
    words = ("predict", copied, "--run", folder_run.run, "--output", f"{tmp_path}/out/", "--format", "csv")
    done(*words)
    (copied / "2.parquet").unlink()
    done(*words)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("part*")) == ["part-00000.csv", "part-00001.csv"]
    assert sorted(json.loads((out / MANIFEST_FILE).read_text())["parts"]) == ["part-00000.csv", "part-00001.csv"]


def test_a_table_whose_series_are_spread_out_is_read_whole(
    folder_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_groups, "MOST_ROWS", LENGTH)
    frame, data = panel(*NAMES).sort_values("ds", kind="stable"), tmp_path / "days"
    frame.assign(day=frame["ds"].dt.day).to_parquet(data, partition_cols=["day"], index=False)
    ran = done("predict", data, "--run", folder_run.run, "--output", "-")
    assert "is read as a whole: the rows of each series are spread over many parts of its files" in ran.err
    equal(ran.table(), predicted(folder_run))
    assert "written to 1 part in" in done("predict", data, "--run", folder_run.run, "--output", f"{tmp_path}/out/").err


def test_a_folder_with_other_files_is_refused(folder_run: Trained, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    words = ("predict", "--run", folder_run.run, "--output", tmp_path)
    assert "the folder holds 'notes.txt', which is no part of a forecast" in refused(2, *words)


def test_a_damaged_list_of_parts_is_refused(folder_run: Trained, tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_text('{"parts": {"../x": 1}}')
    assert "the list of the parts is damaged" in refused(4, "predict", "--run", folder_run.run, "--output", tmp_path)


def test_a_table_of_another_frequency_is_refused_in_groups_too(
    folder_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_groups, "MOST_ROWS", LENGTH)
    frame = panel(*NAMES)
    every_third = frame[frame["ds"].dt.hour % 3 == 0]
    (tmp_path / "slow").mkdir()
    every_third.to_parquet(tmp_path / "slow" / "a.parquet", index=False, row_group_size=40)
    told = refused(3, "predict", tmp_path / "slow", "--run", folder_run.run, "--output", "-")
    assert "no two of its rows are one step apart; this run was trained on 'h'" in told


def test_a_large_parquet_file_is_read_in_groups_too(
    folder_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "sales.parquet"
    panel(*NAMES).to_parquet(data, index=False, row_group_size=LENGTH)
    whole = done("predict", data, "--run", folder_run.run, "--output", "-")
    monkeypatch.setattr(files, "LARGE_FILE", 1)
    monkeypatch.setattr(series_groups, "MOST_ROWS", 2 * LENGTH)
    grouped = done("predict", data, "--run", folder_run.run, "--output", "-")
    assert "sales.parquet is read in 3 groups of series" in grouped.err
    equal(grouped.table(), whole.table())
    done("train", data, *TINY, "--run", tmp_path / "run")
    again = done("backtest", "--run", tmp_path / "run").err
    assert "is read in 3 groups" in again
    assert "has changed since the run was trained" not in again


@pytest.mark.usefixtures("small_groups")
def test_groups_without_any_value_have_no_forecast(folder_run: Trained, copied: Path, tmp_path: Path) -> None:
    empty = panel("v", "w").assign(y=np.nan)
    empty.to_parquet(copied / "9.parquet", index=False)
    words = ("predict", copied, "--run", folder_run.run, "--output")
    ran = done(*words, "-")
    assert "sales is read in" not in ran.err
    assert list(dict.fromkeys(ran.table()["unique_id"])) == list(NAMES)
    written = done(*words, f"{tmp_path}/out/").err
    assert "25 rows written to 3 parts" in written
    assert "warning: 2 series have no observed value and are not forecast" in written
    for file in sorted(copied.iterdir())[:3]:
        file.unlink()
    panel("x", "y").assign(y=np.nan).to_parquet(copied / "0.parquet", index=False)
    told = refused(3, *words, tmp_path / "out.csv")
    assert "no series has an observed value to forecast from" in told


def test_a_group_with_times_between_the_steps_is_refused(
    folder_run: Trained, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_groups, "MOST_ROWS", LENGTH)
    frame = panel("odd")
    frame.loc[7, "ds"] += pd.Timedelta("20min")
    frame.to_parquet(copied / "9.parquet", index=False)
    told = refused(3, "predict", copied, "--run", folder_run.run, "--output", tmp_path / "out.csv")
    assert "the frequency 'h' of the run (hourly) contradicts the data: series 'odd'" in told
    assert not (tmp_path / "out.csv").exists()


def test_a_run_of_a_folder_that_is_gone_says_what_to_do(folder_run: Trained) -> None:
    moved = folder_run.data.rename(folder_run.data.with_name("moved"))
    try:
        ran = seqcast("predict", "--run", folder_run.run, "--output", "-")
    finally:
        moved.rename(folder_run.data)
    assert (ran.code, "the table this run was trained on is not there" in ran.err) == (4, True)


@pytest.mark.usefixtures("small_groups")
def test_an_exported_model_reads_groups_and_writes_parts_too(folder_run: Trained, tmp_path: Path) -> None:
    model, out = tmp_path / "model.onnx", tmp_path / "out"
    done("export", folder_run.run, model)
    words = ("predict", folder_run.data, "--onnx", model, "--output")
    streamed = done(*words, "-")
    assert "sales is read in 3 groups of series" in streamed.err
    pd.testing.assert_frame_equal(streamed.table(), predicted(folder_run), rtol=1e-4, atol=1e-3)
    assert "25 rows written to 3 parts" in done(*words, f"{out}/").err
    assert "3 parts there already" in done(*words, f"{out}/").err
    ran = done("predict", folder_run.data, "--run", folder_run.run, "--output", f"{out}/")
    assert "written to 3 parts" in ran.err  # the run is another model than its export


@pytest.mark.parametrize("words", [("--plot",), ("--samples", "3"), ("--aggregate", "sum")])
def test_what_needs_all_forecasts_at_once_refuses_a_folder(
    folder_run: Trained, tmp_path: Path, words: tuple[str, ...]
) -> None:
    told = refused(2, "predict", "--run", folder_run.run, "--output", tmp_path, *words)
    assert f"{words[0]} writes one file, and {tmp_path} is a folder" in told
