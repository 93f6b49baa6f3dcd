"""Hazards of size: each command runs in a process of its own, so that its memory is measured alone."""

from pathlib import Path

import pyarrow as pa
import pytest

from tests.reliability.hazards import HUGE, daily, dates, expect, measured, rows

DATES = dates(61)
MANY_NAMES = ",".join(f"c{i}" for i in range(3_001))
TABLES: dict[str, tuple[str | bytes, str, int, str]] = {
    "gzip bomb": (bytes(pa.compress(b"0" * 2**22, "gzip", asbytes=True)) * 70, "", 3, "expands to more than 64 MiB"),
    "zstd bomb": (bytes(pa.compress(b"0" * 2**22, "zstd", asbytes=True)) * 70, "", 3, "expands to more than 64 MiB"),
    "a typo year": (rows("ds,y", [f"{day},1" for day in [*DATES, "2204-03-02"]]), "", 3, "jumps from"),
    "a fine frequency": (daily(), "--freq s", 3, "filling the gaps would make"),
    "200,001 columns": (("," * 200_000 + "\n") * 2, "", 3, "names 200,001 columns; at most 200,000"),
    "3,001 columns": (rows(f"ds,{MANY_NAMES}", [day + ",1" * 3_001 for day in DATES[:5]]), "", 0, "and 2,981 more"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_large_table_never_fills_memory(name: str, tmp_path: Path) -> None:
    content, options, code, words = TABLES[name]
    (tmp_path / "data.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    ran, rise = measured("check", tmp_path / "data.csv", *options.split())
    expect(ran, code, [words])
    assert len(ran.err) < 5000
    assert rise < 400


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--horizon", HUGE),
        ("--context", HUGE),
        ("--hidden", "1000000000"),
        ("--layers", "99"),
        ("--batch-size", "10000000000"),
        ("--max-steps", HUGE),
    ],
)
def test_an_absurd_size_is_refused_before_any_allocation(option: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(daily())
    ran, rise = measured("train", tmp_path / "data.csv", "--run", tmp_path / "run", option, value)
    expect(ran, 2, [option])
    assert rise < 200
