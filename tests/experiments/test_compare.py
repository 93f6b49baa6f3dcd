import csv
import json
from pathlib import Path

import numpy as np
import pytest

from seqcast.errors import DivergedError, StoppedError
from seqcast.experiments.compare import Variant, VariantResult, VariantTraining, compare_variants, recovery, variants_of
from seqcast.experiments.recorded_training import TrainedRun, TrainingJob, train_in_directory
from seqcast.results.lag_profile import LagProfile
from seqcast.run.directory import RunDirectory
from seqcast.run.source import Source
from seqcast.training.loop import Hooks
from tests.panels import DAILY, small_config
from tests.run.making_runs import job_of, planted_source

DOT, NONE = Variant("global", "dot", 3), Variant("none", None, 3)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return planted_source(tmp_path_factory.mktemp("planted") / "planted.csv", 1, 199)


class Bench:
    """Makes jobs, trains them, and remembers what was trained."""

    def __init__(self, source: Source, root: Path, max_steps: int = 4) -> None:
        self.source, self.root, self.trained = source, root, list[str]()
        self.base = small_config(model={"context": 23}, training={"max_steps": max_steps})
        self.failing: dict[str, Exception] = {}

    def job(self, variant: Variant) -> TrainingJob:
        return job_of(self.source, variant.config(self.base))

    def train(self, job: TrainingJob, directory: RunDirectory, resume: bool) -> TrainedRun:
        name = directory.path.name
        if name in self.failing:
            raise self.failing[name]
        self.trained.append(name)
        return train_in_directory(job, directory, Hooks(), resume=resume)

    def compare(self, *variants: Variant) -> list[VariantResult]:
        return list(compare_variants(variants, VariantTraining(self.job, self.root, self.train)))


def test_every_attention_meets_every_score_and_seed_and_none_has_no_score() -> None:
    found = variants_of(["global", "none", "local-p"], ["dot", "concat"], 2, 5)
    assert [variant.name for variant in found] == [
        *("dot-s5", "dot-s6", "concat-s5", "concat-s6", "none-s5", "none-s6"),
        *("local-p-dot-s5", "local-p-dot-s6", "local-p-concat-s5", "local-p-concat-s6"),
    ]


def test_a_variant_changes_mechanism_and_seed_alone() -> None:
    base = small_config()
    config = Variant("local-m", "cosine", 7).config(base)
    assert (config.model.attention, config.model.score, config.training.seed) == ("local-m", "cosine", 7)
    assert config.override(model={"attention": "global", "score": "general"}, training={"seed": 0}) == base


def test_each_row_of_the_written_table_holds_accuracy_speed_size_sharpness_and_verdict(
    source: Source, tmp_path: Path
) -> None:
    attending, without = Bench(source, tmp_path).compare(DOT, NONE)
    for row in (attending, without):
        assert row.failure is None
        assert row.relative_mae is not None
        assert (row.num_parameters or 0) > 100
        assert (row.windows_per_second or 0) > 0
    assert 1 <= (attending.effective_lags or 0) <= 23
    assert attending.verdict in ("faithful", "weak", "contradicted")
    assert attending.unstable_share is not None
    assert (without.effective_lags, without.verdict, without.top_lags) == (None, None, None)
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert [VariantResult(**row) for row in document] == [attending, without]
    record = list(csv.DictReader((tmp_path / "comparison.csv").read_text().splitlines()))[1]
    assert (record["variant"], float(record["relative_mae"])) == ("none-s3", without.relative_mae)


@pytest.mark.parametrize(
    ("planted", "share", "found"),
    [((2, 4), 1.0, True), ((1, 4), 1.0, False), ((1, 2), 0.55, False), ((5,), 0.45, False), ((5, 6, 9), 0.45, False)],
)
def test_recovery_is_the_share_near_the_planted_lags(planted: tuple[int, ...], share: float, found: bool) -> None:
    shares = np.array([0.1, 0.45, 0.0, 0.4, 0.05])
    profile = LagProfile("", DAILY, shares, np.full(5, 0.2), 2.0)
    assert recovery(profile, planted) == (pytest.approx(share), found)


def test_finished_variants_are_not_trained_again_even_to_look_for_planted_lags(source: Source, tmp_path: Path) -> None:
    bench = Bench(source, tmp_path)
    (first,) = bench.compare(DOT)
    assert bench.compare(DOT, NONE)[0] == first
    assert (first.planted_share, first.planted_found) == (None, None)
    (told,) = compare_variants([DOT], VariantTraining(bench.job, tmp_path, bench.train, (7, 11)))
    assert bench.trained == ["dot-s3", "none-s3"]
    assert told.planted_found is True
    assert 0.5 < (told.planted_share or 0) <= 1


def test_a_failure_is_a_row_and_loses_no_other(source: Source, tmp_path: Path) -> None:
    bench = Bench(source, tmp_path)
    bench.failing["dot-s3"] = DivergedError("the loss was not finite.")
    failed, done = bench.compare(DOT, NONE)
    assert failed.failure == "the loss was not finite."
    assert done.failure is None
    assert json.loads((tmp_path / "comparison.json").read_text())[0]["failure"] == failed.failure
    bench.failing.clear()
    assert bench.compare(DOT)[0].failure is None


def test_a_run_of_other_options_is_not_taken_for_this_one(source: Source, tmp_path: Path) -> None:
    Bench(source, tmp_path).compare(NONE)
    (row,) = Bench(source, tmp_path, max_steps=2).compare(NONE)
    assert row.failure == f"{tmp_path / 'none-s3'}: holds a run with other options or data. Give another --run."


def test_a_signal_ends_the_comparison_and_keeps_the_table(source: Source, tmp_path: Path) -> None:
    bench = Bench(source, tmp_path)
    bench.failing["none-s3"] = StoppedError(15, "Resume it.")
    with pytest.raises(StoppedError, match="Stopped by SIGTERM"):
        bench.compare(DOT, NONE)
    assert [row["variant"] for row in json.loads((tmp_path / "comparison.json").read_text())] == ["dot-s3"]
