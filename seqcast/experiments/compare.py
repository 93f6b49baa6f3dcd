"""Several mechanisms trained on one table under one budget, each in its own directory, and one table of results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from seqcast.attention.inspection import Question, inspect
from seqcast.config import Attention, Config, Score
from seqcast.errors import RunError, SeqcastError, StoppedError, option
from seqcast.experiments.recorded_training import TrainedRun, TrainingJob
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import LagProfile
from seqcast.run.directory import RunDirectory, choose_directory
from seqcast.run.load import TrainedModel, load_trained_model
from seqcast.run.record import RUN_FILE, RunRecord
from seqcast.storage import write_atomically

TABLE_FILES = ("comparison.csv", "comparison.json")
STABILITY_WINDOWS = 4
_TOP_BANDS = 3


@dataclass(frozen=True)
class Variant:
    """One mechanism with one seed."""

    attention: Attention
    score: Score | None
    """None without attention."""
    seed: int

    @property
    def name(self) -> str:
        """`local-p-dot-s1`: also the name of its directory."""
        parts = (None if self.attention == "global" else self.attention, self.score, f"s{self.seed}")
        return "-".join(part for part in parts if part is not None)

    def config(self, base: Config) -> Config:
        """The base with this mechanism and seed."""
        mechanism = {"attention": self.attention} | ({} if self.score is None else {"score": self.score})
        return base.override(model=mechanism, training={"seed": self.seed})


@dataclass(frozen=True)
class VariantResult:
    """One row of the table; what could not be found out is None."""

    variant: str
    attention: Attention
    score: Score | None
    seed: int
    failure: str | None = None
    relative_mae: float | None = None
    """Validation error over that of the seasonal naive."""
    windows_per_second: float | None = None
    num_parameters: int | None = None
    effective_lags: float | None = None
    """How sharp the attention is."""
    unstable_share: float | None = None
    """Part of the attention on lags whose share varies from origin to origin (`lag_profile.UNSTABLE_VARIATION`)."""
    top_lags: str | None = None
    """Peaks of the strongest bands."""
    verdict: str | None = None
    planted_share: float | None = None
    """Part of the attention on the planted lags and their neighbours, where the true lags are told."""
    planted_found: bool | None = None
    """Whether as many lags with the greatest shares as there are planted ones are the planted ones."""


Train = Callable[[TrainingJob, RunDirectory, bool], TrainedRun]
"""Trains a job in a directory; True: continues what is there."""


def variants_of(
    attentions: Iterable[Attention], scores: Iterable[Score], num_seeds: int, first_seed: int
) -> tuple[Variant, ...]:
    """Every attention with every score and seed; no attention has no score."""
    scores = tuple(scores)
    mechanisms: list[tuple[Attention, Score | None]] = []
    for attention in attentions:
        mechanisms += [(attention, None)] if attention == "none" else [(attention, score) for score in scores]
    return tuple(
        Variant(attention, score, seed)
        for attention, score in dict.fromkeys(mechanisms)
        for seed in range(first_seed, first_seed + num_seeds)
    )


def compare_variants(
    variants: Iterable[Variant],
    make_job: Callable[[Variant], TrainingJob],
    root: Path,
    train: Train,
    planted: tuple[int, ...] = (),
) -> Iterator[VariantResult]:
    """Train what is not finished, examine each, and keep the table up to date; a failure is a row, not the end.

    `planted` are the true lags of a made table, for those who know them.

    Raises:
        StoppedError: A signal stopped training; what was finished is in the table.
    """
    rows: list[VariantResult] = []
    for variant in variants:
        row = _result(variant, make_job, RunDirectory(root / variant.name), train, planted)
        rows.append(row)
        write_table(rows, root)
        yield row


def _result(
    variant: Variant,
    make_job: Callable[[Variant], TrainingJob],
    directory: RunDirectory,
    train: Train,
    planted: tuple[int, ...],
) -> VariantResult:
    own = (variant.name, variant.attention, variant.score, variant.seed)
    try:
        job = make_job(variant)
        record, model = _trained(job, directory, train)
        return _examined(own, record, model, job.source.panel, planted)
    except StoppedError:
        raise
    except (SeqcastError, MemoryError, RuntimeError) as error:
        return VariantResult(*own, failure=str(error) or type(error).__name__)


def _trained(job: TrainingJob, directory: RunDirectory, train: Train) -> tuple[RunRecord, TrainedModel]:
    """The finished run of the directory, else the rest of its training.

    Raises:
        RunError: The directory holds a run of other options or other data.
    """
    begun = (directory.path / RUN_FILE).is_file()
    if begun:
        record = directory.read_record()
        if directory.read_config(record) != job.plan.config or record.data.fingerprint != job.source.fingerprint:
            raise RunError(
                f"{directory.path}: holds a run of other options or other data.", hint=f"Give another {option('run')}."
            )
        if record.status == "finished":
            return record, load_trained_model(directory, record, job.runtime.device)
    trained = train(job, choose_directory(directory.path, "", overwrite=False, resume=begun), begun)
    return trained.record, trained.model


def _examined(
    own: tuple[str, Attention, Score | None, int],
    record: RunRecord,
    model: TrainedModel,
    panel: Panel,
    planted: tuple[int, ...],
) -> VariantResult:
    assert record.result is not None
    numbers = (record.result.relative_mae, record.result.windows_per_second, record.result.num_parameters)
    trained = VariantResult(*own, None, *numbers)
    if not model.network.attends:
        return trained
    found = inspect(model, panel, Question(windows=STABILITY_WINDOWS, verify=True))
    assert found.faithfulness is not None
    profile = found.report.by_target()
    recovered = recovery(profile, planted) if planted else (None, None)
    return replace(
        trained,
        effective_lags=profile.effective_lags,
        unstable_share=None if profile.origin_spread is None else float(np.sum(profile.share[profile.unstable])),
        top_lags=", ".join(str(band.peak_lag) for band in profile.bands()[:_TOP_BANDS]) or "-",
        verdict=found.faithfulness.verdict,
        planted_share=recovered[0],
        planted_found=recovered[1],
    )


def recovery(profile: LagProfile, planted: tuple[int, ...]) -> tuple[float, bool]:
    """The share on the planted lags and their neighbours, and whether they are the lags with the greatest shares."""
    near = {lag + beside for lag in planted for beside in (-1, 0, 1)}
    share = sum(float(profile.share[lag - 1]) for lag in near if 1 <= lag <= len(profile.share))
    strongest = {row.lag for row in profile.rows(len(planted))}
    return share, strongest == set(planted)


def write_table(rows: list[VariantResult], root: Path) -> None:
    """Write the rows as CSV and as JSON, both whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(VariantResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    document = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False, allow_nan=False)
    for name, content in zip(TABLE_FILES, (text.getvalue(), document + "\n"), strict=True):
        write_atomically(root / name, content.encode())
