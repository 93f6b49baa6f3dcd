"""The reader under random bytes, random text, and tables in random dialects."""

import codecs
import csv
import io
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqcast.config import DataConfig
from seqcast.errors import SeqcastError
from seqcast.reading.assemble import build_panel
from seqcast.reading.options import ReadOptions
from seqcast.reading.tabular import read_table
from tests.reliability.hazards import dates

QUICK = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
LONG = settings(QUICK, max_examples=5000)


@pytest.fixture(scope="module", autouse=True)
def _denormal_numbers() -> None:
    """Commands of other tests may have switched them off for the whole process."""
    import torch

    torch.set_flush_denormal(False)


def read_whatever(
    folder: Path, data: bytes, options: ReadOptions = ReadOptions(), config: DataConfig = DataConfig()
) -> None:
    """Read bytes as a table and as a panel: either works, or an error of ours says why."""
    path = folder / "data.csv"
    path.write_bytes(data)
    with suppress(SeqcastError):
        loaded = build_panel(read_table(path, options), config)
        assert np.isfinite(loaded.panel.target).any()
        assert len(loaded.panel.target) < 10_000


OPTIONS = st.builds(
    ReadOptions,
    delimiter=st.sampled_from([None, ",", ";", "tab", "::", "", "é", '"']),
    decimal=st.sampled_from([None, ".", ",", "x"]),
    encoding=st.sampled_from([None, "utf-8", "latin-1", "utf-16", "hex", "idna", "nothing"]),
    time_format=st.sampled_from([None, "%Y", "%d/%m/%Y", "%Q", "%", ""]),
    time_unit=st.sampled_from([None, "s", "ns", "day", "excel", "step", "year"]),
    na_values=st.lists(st.text(max_size=3), max_size=2).map(tuple),
)
CONFIGS = st.builds(
    DataConfig,
    timezone=st.sampled_from([None, "UTC", "Europe/Berlin", "Africa/Cairo", "+05:45", "Nowhere/None", "../etc", ""]),
    utc=st.booleans(),
    round=st.sampled_from([None, "h", "10min", "D", "3", "MS", "x"]),
    resample=st.sampled_from([None, "h:sum", "W:mean", "QE:last", "2:median", "B:sum", ":", "h:mode"]),
)
CELL = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["2024-01-01", "1e999", "-0", "nan", "NA", "1,5", '"', '""', '"a', "\r", "\n", "\t", "5;6", "\0", "é"]
    ),
    st.sampled_from(dates(9)),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
)
TABLES = st.builds(
    lambda header, body, mark, end: end.join(mark.join(row) for row in [header, *body]),
    st.lists(st.one_of(st.sampled_from(["ds", "y", "unique_id", "x"]), CELL), min_size=1, max_size=4),
    st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=9),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


@pytest.mark.parametrize("start", [b"", b"PAR1", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xff\xfe", b"ds,y\n"])
@settings(QUICK, max_examples=40)
@given(data=st.binary(max_size=300))
def test_any_bytes_after_a_known_start_are_read_or_refused(start: bytes, data: bytes, tmp_path: Path) -> None:
    read_whatever(tmp_path, start + data)


@QUICK
@given(
    text=TABLES, options=st.one_of(st.just(ReadOptions()), OPTIONS), config=st.one_of(st.just(DataConfig()), CONFIGS)
)
def test_any_options_work_or_are_refused(text: str, options: ReadOptions, config: DataConfig, tmp_path: Path) -> None:
    read_whatever(tmp_path, text.encode("utf-8", "surrogatepass"), options, config)


@pytest.mark.parametrize(("header", "good"), [("ds,y", dates(9)), ("y,ds", range(9))], ids=["times", "numbers"])
@QUICK
@given(cells=st.lists(CELL, min_size=9, max_size=9))
def test_any_cells_beside_a_good_column_are_read_or_refused(
    header: str, good: Sequence[object], cells: list[str], tmp_path: Path
) -> None:
    lines = [f"{one},{other}" for one, other in zip(good, cells, strict=True)]
    read_whatever(tmp_path, "\n".join([header, *lines]).encode("utf-8", "surrogatepass"))


NUMBERS = st.lists(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**6), 10**6).map(float), st.just(math.nan)
    ),
    min_size=4,
    max_size=13,
).filter(lambda numbers: any(math.isfinite(number) for number in numbers))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=8).filter(str.strip)


@dataclass(frozen=True)
class Written:
    """A table as some program writes it."""

    numbers: list[float]
    name: str
    mark: str
    decimal: str
    end: str
    quoting: int
    order: list[int]
    has_mark: bool

    def data(self) -> bytes:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=self.mark, lineterminator=self.end, quoting=self.quoting)  # type: ignore[arg-type]
        texts = ["" if math.isnan(number) else repr(number).replace(".", self.decimal) for number in self.numbers]
        every = [[day, self.name, text] for day, text in zip(dates(len(texts)), texts, strict=True)]
        for row in [["ds", "unique_id", "y"], *every]:
            writer.writerow([row[column] for column in self.order])
        return (codecs.BOM_UTF8 if self.has_mark else b"") + buffer.getvalue().encode()


def tables(names: st.SearchStrategy[str], decimals: str) -> st.SearchStrategy[Written]:
    return st.builds(
        Written,
        numbers=NUMBERS,
        name=names,
        mark=st.sampled_from([",", ";", "\t", "|"]),
        decimal=st.sampled_from(decimals),
        end=st.sampled_from(["\n", "\r\n", "\r"]),
        quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        order=st.permutations([0, 1, 2]),
        has_mark=st.booleans(),
    )


def require_read_back(folder: Path, table: Written, options: ReadOptions) -> None:
    (folder / "data.csv").write_bytes(table.data())
    panel = build_panel(read_table(folder / "data.csv", options), DataConfig()).panel
    assert panel.series_ids == (table.name,)
    np.testing.assert_array_equal(panel.target, np.array(table.numbers))


@QUICK
@given(table=tables(NAMES, ".,"))
def test_a_table_of_any_dialect_reads_back_to_the_same_numbers(table: Written, tmp_path: Path) -> None:
    require_read_back(tmp_path, table, ReadOptions(delimiter=table.mark, decimal=table.decimal))


@QUICK
@given(table=tables(st.from_regex(r"[a-z]{1,8}", fullmatch=True), "."))
def test_the_delimiter_is_found(table: Written, tmp_path: Path) -> None:
    require_read_back(tmp_path, table, ReadOptions())


@pytest.mark.long
@LONG
@given(text=TABLES, options=OPTIONS)
def test_any_options_work_or_are_refused_for_long(text: str, options: ReadOptions, tmp_path: Path) -> None:
    read_whatever(tmp_path, text.encode("utf-8", "surrogatepass"), options)


@pytest.mark.long
@LONG
@given(table=tables(NAMES, ".,"))
def test_tables_of_any_dialect_read_back_for_long(table: Written, tmp_path: Path) -> None:
    require_read_back(tmp_path, table, ReadOptions(delimiter=table.mark, decimal=table.decimal))
