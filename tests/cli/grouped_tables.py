"""Parquet data sets whose series are read in groups of two."""

import pandas as pd

from tests.running import wave

LENGTH = 101
NAMES = ("d", "a", "c", "b", "e")


def panel(*names: str) -> pd.DataFrame:
    """Hourly waves that differ from series to series."""
    times = pd.date_range("2024-01-01", periods=LENGTH, freq="h")
    parts = [pd.DataFrame({"unique_id": name, "ds": times, "y": wave(LENGTH, 5 * ord(name[0]))}) for name in names]
    return pd.concat(parts, ignore_index=True)
