"""Writes a panel of many series as CSV, a series at a time, so that memory does not grow with the file.

    python tests/benchmarks/make_large_panel.py FILE [--series 10000] [--steps 1000] [--seed 0]

Hourly values with a daily season of a size, level and phase of each series' own, and noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HEADER = "unique_id,ds,y\n"
FIRST = np.datetime64("2024-01-01T00", "s")
SEASON = 24


def series_lines(index: int, stamps: list[str], seed: int) -> str:
    """The rows of one series; the same for the same index, number of steps and seed, whatever else is written."""
    random = np.random.default_rng([seed, index])
    level, size, phase = random.uniform(50, 150), random.uniform(5, 20), random.uniform(0, 2 * np.pi)
    season = size * np.sin(2 * np.pi * np.arange(len(stamps)) / SEASON + phase)
    values = level + season + random.normal(0, 2, len(stamps))
    name = f"s{index:05d}"
    return "".join(f"{name},{stamp},{value:.3f}\n" for stamp, value in zip(stamps, values.tolist(), strict=True))


def panel_parts(num_series: int, num_steps: int, seed: int) -> Iterator[str]:
    """The text of the file, piece by piece."""
    times = FIRST + np.arange(num_steps) * np.timedelta64(1, "h")
    stamps = [str(time).replace("T", " ") for time in times]
    yield HEADER
    for index in range(num_series):
        yield series_lines(index, stamps, seed)


def write_large_panel(path: Path, num_series: int = 10_000, num_steps: int = 1_000, seed: int = 0) -> None:
    """Write the panel; the same arguments give the same bytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(panel_parts(num_series, num_steps, seed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write_large_panel(given.file, given.series, given.steps, given.seed)
