import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqcast.config import Config, DataConfig
from seqcast.errors import DataError, RunError, options_in
from seqcast.reading.options import ReadOptions
from seqcast.run.source import Source, absolute_name, read_run_source, read_source, resolve_roles
from tests.run.making_runs import COVARIATES, MadeRun, daily_frame, make_run, write_table

LENGTHS = {"one": 61, "two": 53}


def source_of(path: Path, options: ReadOptions = ReadOptions(), **data: Any) -> Source:
    return read_source(str(path), Config().override(data=data).data, options)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def made(run: MadeRun) -> Iterator[MadeRun]:
    """The run, whose table a test may spoil."""
    table = run.data.read_bytes()
    yield run
    run.data.write_bytes(table)


def reread(made: MadeRun, data: Path | None) -> Source:
    record = made.directory.read_record()
    return read_run_source(record, made.directory.read_config(record), None if data is None else str(data))


def test_an_ambiguous_later_table_is_read_in_the_format_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "months.csv"
    months = [f"01.{1 + i % 12:02}.{2015 + i // 12},{i}" for i in range(40)]
    path.write_text("\n".join(["ds,y", *months]))
    options = source_of(path).record().read_options
    assert options.found_format == "%d.%m.%Y"
    path.write_text("\n".join(["ds,y", *months[:3]]))
    assert source_of(path, options).panel.frequency.alias == "MS"
    with pytest.raises(DataError, match="fit more than one format"):
        source_of(path)


def test_a_source_holds_the_panel_and_where_it_came_from(tmp_path: Path) -> None:
    path = write_table(tmp_path / "data.csv", LENGTHS)
    source = source_of(path, **COVARIATES)
    assert source.panel.series_ids == ("one", "two")
    assert source.panel.schema.known == ("price", "kind")
    assert len(source.fingerprint) == 64
    assert source.fingerprint == source_of(path, **COVARIATES).fingerprint


def test_the_record_of_a_source_says_what_was_read(tmp_path: Path) -> None:
    path = write_table(tmp_path / "data.csv", LENGTHS)
    frame = daily_frame(LENGTHS)
    frame.iloc[7, 2] = np.nan
    frame.to_csv(path, index=False)
    record = source_of(path, ReadOptions(na_values=("?",)), **COVARIATES).record()
    assert (record.path, record.size_bytes) == (str(path), path.stat().st_size)
    assert (record.num_series, record.num_rows, record.num_observed) == (2, 114, 113)
    assert (record.first_time, record.last_time) == ("2024-01-01", "2024-03-01")
    assert record.read_options.na_values == ("?",)
    assert record.static_path is None


def test_a_file_of_static_covariates_is_read_and_remembered(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    daily_frame(LENGTHS)[["unique_id", "ds", "y"]].to_csv(path, index=False)
    static = tmp_path / "static.csv"
    pd.DataFrame({"unique_id": ["two", "one"], "size": [7, 3]}).to_csv(static, index=False)
    config = Config().override(data={"static": ("size",)}).data
    source = read_source(str(path), config, ReadOptions(), str(static))
    assert source.panel.static.numeric[:, 0].tolist() == [3, 7]
    assert source.record().static_path == str(static)


def test_a_name_that_is_not_a_file_is_kept(in_tmp_path: Path) -> None:
    (in_tmp_path / "data.csv").write_text("x")
    assert absolute_name("data.csv") == str(in_tmp_path / "data.csv")
    assert absolute_name("<stdin>") == "<stdin>"
    assert absolute_name("DataFrame") == "DataFrame"


def test_roles_and_frequency_that_were_found_are_written_out(tmp_path: Path) -> None:
    source = source_of(write_table(tmp_path / "data.csv", LENGTHS), **COVARIATES)
    resolved = resolve_roles(Config().override(data=COVARIATES), source.panel).data
    assert (resolved.id, resolved.time, resolved.target) == ("unique_id", "ds", ("y",))
    assert (resolved.known, resolved.past, resolved.static) == (("price", "kind"), ("visits",), ("region",))
    assert resolved.freq == "D"


def test_a_table_without_ids_is_given_none(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    daily_frame({"one": 31})[["ds", "y"]].to_csv(path, index=False)
    assert resolve_roles(Config(), source_of(path).panel).data.id is None


def test_a_run_reads_its_own_table_again(made: MadeRun) -> None:
    source = reread(made, None)
    np.testing.assert_array_equal(source.panel.target, made.job.source.panel.target)
    np.testing.assert_array_equal(source.panel.known.codes, made.job.source.panel.known.codes)
    assert source.notices[0].kind == "decision"
    assert source.notices[0].text == f"data: {made.data}, as trained on"


def test_a_table_that_has_changed_is_read_with_a_warning(made: MadeRun) -> None:
    write_table(made.data, {"one": 67, "two": 53})
    source = reread(made, None)
    assert source.panel.lengths.tolist() == [67, 53]
    assert source.notices[0].kind == "repair"
    assert "has changed since the run was trained; its present content is used" in source.notices[0].text


def test_another_table_is_read_with_the_roles_of_the_run(made: MadeRun, tmp_path: Path) -> None:
    other = write_table(tmp_path / "other.csv", {"three": 43})
    source = reread(made, other)
    assert source.panel.schema.known == ("price", "kind")
    assert source.notices[0].text == f"data: {other}, not the table the run was trained on"


def test_naming_the_table_of_the_run_gives_no_notice(made: MadeRun) -> None:
    assert reread(made, made.data).notices == made.job.source.notices


def test_a_table_that_is_gone_is_an_error_that_says_what_to_do(made: MadeRun) -> None:
    made.data.unlink()
    with pytest.raises(
        RunError, match=r"data\.csv: the table this run was trained on is not there\. Name a table: .* DATA"
    ):
        reread(made, None)


def test_a_table_of_another_frequency_is_refused(made: MadeRun, tmp_path: Path) -> None:
    other = write_table(tmp_path / "other.csv", {"one": 101}, freq="h")
    with pytest.raises(DataError, match=r"its frequency is 'h'; this run was trained on 'D'\. Train a run for the"):
        reread(made, other)


def test_a_short_table_that_looks_coarser_is_read_with_the_frequency_of_the_run(made: MadeRun, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    daily_frame({"one": 31}).iloc[::2].to_csv(other, index=False)
    source = reread(made, other)
    assert source.panel.frequency.alias == "D"
    assert source.panel.lengths.tolist() == [31]
    assert int(np.isfinite(source.panel.target).sum()) == 16


def test_a_short_table_that_contradicts_the_run_is_refused_without_advice_about_an_option(
    made: MadeRun, tmp_path: Path
) -> None:
    other = write_table(tmp_path / "other.csv", {"one": 5}, freq="h")
    with pytest.raises(DataError, match=r"the frequency 'D' of the run \(daily\) contradicts the data") as caught:
        reread(made, other)
    assert str(caught.value).endswith("spacings found: 1 hour (4 times). Train a run for the frequency of this table.")
    assert "freq" not in options_in(" ".join([caught.value.message, *caught.value.hint]))


def test_columns_that_a_run_does_not_use_are_told_without_advice(made: MadeRun, tmp_path: Path) -> None:
    daily_frame({"one": 31}).assign(extra=1.0).to_csv(tmp_path / "other.csv", index=False)
    told = [notice.advised_text for notice in reread(made, tmp_path / "other.csv").notices]
    assert "columns not used: 'extra'" in told


def test_a_table_is_free_as_soon_as_it_was_read(tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=50, freq="h")
    pd.DataFrame({"unique_id": "a", "ds": times, "y": np.arange(50.0)}).to_parquet(tmp_path / "table.parquet")
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)  # what only the garbage collector frees is put into gc.garbage
    try:
        read_source(str(tmp_path / "table.parquet"), DataConfig())
        gc.collect()
        held = [each for each in gc.garbage if type(each).__module__.startswith("seqcast.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert held == []
