"""Small finished runs, for tests that read them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqcast.config import Config
from seqcast.experiments.recorded_training import TrainedRun, TrainingJob, train_in_directory
from seqcast.reading.options import ReadOptions
from seqcast.run.directory import RunDirectory
from seqcast.run.source import Source, read_source, resolve_roles
from seqcast.training.loop import Hooks
from seqcast.training.plan import make_plan
from tests.panels import CPU, planted_series, small_config

COVARIATES: dict[str, Any] = {"known": ("price", "kind"), "past": ("visits",), "static": ("region",)}


@dataclass(frozen=True)
class MadeRun:
    """A finished run, the job it came from, and the file it was trained on."""

    job: TrainingJob
    trained: TrainedRun
    data: Path

    @property
    def directory(self) -> RunDirectory:
        return self.trained.directory


def daily_frame(lengths: dict[str, int], freq: str = "D") -> pd.DataFrame:
    """Series with covariates of every role."""
    frames = []
    for number, (name, length) in enumerate(lengths.items()):
        random, steps = np.random.default_rng(number), np.arange(length)
        frames.append(
            pd.DataFrame(
                {
                    "unique_id": name,
                    "ds": pd.date_range("2024-01-01", periods=length, freq=freq),
                    "y": np.round(
                        50 * (number + 1) + 9 * np.sin(2 * np.pi * steps / 7) + random.normal(size=length), 3
                    ),
                    "price": np.round(random.normal(3, 1, length), 3),
                    "kind": np.array(["a", "b", "c"])[random.integers(0, 3, length)],
                    "visits": random.integers(0, 100, length),
                    "region": ("north", "south")[number % 2],
                }
            )
        )
    return pd.concat(frames)


def write_table(path: Path, lengths: dict[str, int], freq: str = "D") -> Path:
    """A long CSV of these series."""
    daily_frame(lengths, freq).to_csv(path, index=False)
    return path


def make_job(data: Path, config: Config | None = None) -> TrainingJob:
    """Return the job of `seqcast train` for a table."""
    config = config or small_config(data=COVARIATES)
    source = read_source(str(data), config.data, ReadOptions())
    return job_of(source, config)


def job_of(source: Source, config: Config) -> TrainingJob:
    return TrainingJob(source, make_plan(source.panel, resolve_roles(config, source.panel)), CPU)


def planted_source(path: Path, num_series: int, length: int) -> Source:
    """The source of a table in which every value follows from those 7 and 11 days before."""
    lines = ["unique_id,ds,y"]
    for number, values in enumerate(planted_series(num_series, length, (7, 11))):
        days = np.datetime64("2024-01-01") + np.arange(length)
        lines += [f"s{number},{day},{value:.6f}" for day, value in zip(days, values, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return read_source(str(path), Config().data)


def make_run(folder: Path, config: Config | None = None) -> MadeRun:
    """Train in `folder`/run on a table written beside it."""
    data = write_table(folder / "data.csv", {"one": 61, "two": 53})
    job = make_job(data, config)
    (folder / "run").mkdir()
    return MadeRun(job, train_in_directory(job, RunDirectory(folder / "run"), Hooks(), resume=False), data)
