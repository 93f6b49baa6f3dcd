"""Trains several attention mechanisms on one table under one budget and puts their results into one table."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from seqcast.attention.inspection import Question, inspect
from seqcast.config import Attention, Config, Score
from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.errors import RunError, SeqcastError, StoppedError, option
from seqcast.experiments.recorded_training import TrainedRun, TrainingJob, continuing
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
        """Name such as `local-p-dot-s1`, also of its directory."""
        parts = (None if self.attention == "global" else self.attention, self.score, f"s{self.seed}")
        return "-".join(part for part in parts if part is not None)

    def config(self, base: Config) -> Config:
        mechanism = {"attention": self.attention} | ({} if self.score is None else {"score": self.score})
        return base.override(model=mechanism, training={"seed": self.seed})


@dataclass(frozen=True)
class VariantResult:
    """One row of the table; unknown values are None."""

    variant: str
    attention: Attention
    score: Score | None
    seed: int
    failure: str | None = None
    relative_mae: float | None = None
    """Validation error divided by that of the seasonal naive forecast."""
    windows_per_second: float | None = None
    num_parameters: int | None = None
    effective_lags: float | None = None
    """Number of lags that a step attends to in effect: lower is sharper."""
    unstable_share: float | None = None
    """Share of the attention on lags whose share varies from origin to origin (`lag_profile.UNSTABLE_VARIATION`)."""
    top_lags: str | None = None
    """Peaks of the strongest bands, such as `24, 37`."""
    verdict: str | None = None
    planted_share: float | None = None
    """Share of the attention on the planted lags and their neighbours, if the planted lags are given."""
    planted_found: bool | None = None
    """Whether the strongest lags are the planted ones, if the planted lags are given."""


Train = Callable[[TrainingJob, RunDirectory, bool], TrainedRun]
"""Trains a job in a directory; True means that it continues the training it finds there."""


def variants_of(
    attentions: Iterable[Attention], scores: Iterable[Score], num_seeds: int, first_seed: int
) -> tuple[Variant, ...]:
    """Every attention with every score and seed. Without attention there is no score."""
    scores = tuple(scores)
    mechanisms: list[tuple[Attention, Score | None]] = []
    for attention in attentions:
        mechanisms += [(attention, None)] if attention == "none" else [(attention, score) for score in scores]
    return tuple(
        Variant(attention, score, seed)
        for attention, score in dict.fromkeys(mechanisms)
        for seed in range(first_seed, first_seed + num_seeds)
    )


@dataclass(frozen=True)
class VariantTraining:
    """Trains a variant if it is unfinished, and examines it. A failure becomes a row."""

    make_job: Callable[[Variant], TrainingJob]
    root: Path
    """Directory with a run directory for each variant."""
    train: Train
    planted: tuple[int, ...] = ()
    """The true lags of a made table, if known."""

    def __call__(self, variant: Variant) -> VariantResult:
        """The row of a variant.

        Raises:
            StoppedError: A signal stopped training.
        """
        blank = VariantResult(variant.name, variant.attention, variant.score, variant.seed)
        try:
            job = self.make_job(variant)
            record, model = _trained(job, RunDirectory(self.root / variant.name), self.train)
            return _examined(blank, record, model, job.source.panel, self.planted)
        except StoppedError:
            raise
        except (SeqcastError, MemoryError, RuntimeError) as error:
            return replace(blank, failure=str(error) or type(error).__name__)


def compare_variants(
    variants: Sequence[Variant],
    training: VariantTraining,
    engine: Engine = SINGLE_PROCESS,
    stop_signal: Callable[[], int | None] = lambda: None,
) -> Iterator[VariantResult]:
    """Train every unfinished variant, and update the table in the directory of all variants after each.

    Raises:
        StoppedError: A signal stopped training; the table holds the finished variants.
    """
    rows: list[VariantResult] = []
    for row in engine.map_long(training, variants, stop_signal, lambda variant: variant.name):
        rows.append(row)
        write_table(rows, training.root)
        yield row


def _trained(job: TrainingJob, directory: RunDirectory, train: Train) -> tuple[RunRecord, TrainedModel]:
    """The finished run in the directory, trained or trained on if necessary.

    Raises:
        RunError: The directory holds a run with other options or data.
    """
    begun = (directory.path / RUN_FILE).is_file()
    if begun:
        record = directory.read_record()
        job = continuing(job, directory, record)
        if directory.read_config(record) != job.plan.config or record.data.fingerprint != job.source.fingerprint:
            raise RunError(
                f"{directory.path}: holds a run with other options or data.", hint=f"Give another {option('run')}."
            )
        if record.status == "finished":
            return record, load_trained_model(directory, record, job.runtime.device)
    trained = train(job, choose_directory(directory.path, "", overwrite=False, resume=begun), begun)
    return trained.record, trained.model


def _examined(
    blank: VariantResult, record: RunRecord, model: TrainedModel, panel: Panel, planted: tuple[int, ...]
) -> VariantResult:
    result = record.result
    assert result is not None
    trained = replace(
        blank,
        relative_mae=result.relative_mae,
        windows_per_second=result.windows_per_second,
        num_parameters=result.num_parameters,
    )
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
    """The share of the attention near the planted lags, and whether the strongest lags are the planted ones."""
    near = {lag + beside for lag in planted for beside in (-1, 0, 1)}
    share = sum(float(profile.share[lag - 1]) for lag in near if 1 <= lag <= len(profile.share))
    strongest = {row.lag for row in profile.rows(len(planted))}
    return share, strongest == set(planted)


def write_table(rows: list[VariantResult], root: Path) -> None:
    """Write the rows as CSV and as JSON, each whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(VariantResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    document = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False, allow_nan=False)
    for name, content in zip(TABLE_FILES, (text.getvalue(), document + "\n"), strict=True):
        write_atomically(root / name, content.encode())
