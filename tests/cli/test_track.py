"""`seqcast train --track`: trackers of experiments."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seqcast.experiments import tracking
from seqcast.experiments.tracking import numbers_of, tracked
from seqcast.panel.notices import Notice
from seqcast.run.directory import RunDirectory
from seqcast.training.counters import ValidationRecord, parse_metrics
from tests.running import TINY, done, interrupted, refused, write_hourly

LEARNS = (*TINY, "--no-lag-bias", "--no-copy")


def told_by_metrics(run: Path) -> dict[str, list[tuple[int, float]]]:
    """The curve of each number in metrics.jsonl."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for record in parse_metrics((run / "metrics.jsonl").read_bytes(), "metrics.jsonl"):
        for name, value in numbers_of(record).items():
            curves.setdefault(name, []).append((record.step, value))
    return curves


def told_by_tensorboard(run: Path) -> tuple[dict[str, list[tuple[int, float]]], dict[str, str]]:
    """The curves and the newest texts of the events of a run."""
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    texts = {}
    for tag in events.Tags()["tensors"]:
        texts[tag.removesuffix("/text_summary")] = events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
    curves = {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return curves, texts


def require_same(found: dict[str, list[tuple[int, float]]], expected: dict[str, list[tuple[int, float]]]) -> None:
    assert found.keys() == expected.keys()
    for name, curve in expected.items():
        assert [step for step, _ in found[name]] == [step for step, _ in curve], name
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in curve], rel=1e-6)


def test_tensorboard_shows_the_curves_the_settings_and_the_result_of_a_run(in_tmp_path: Path) -> None:
    data, run = write_hourly(in_tmp_path / "h.csv"), in_tmp_path / "run"

    ran = done("train", data, *LEARNS, "--ensemble", 2, "--run", run, "--track", "tensorboard")

    assert "failed" not in ran.err
    curves, texts = told_by_tensorboard(run)
    expected = told_by_metrics(run)
    assert {"network-1/validation_loss", "network-2/learning_rate"} <= expected.keys()
    require_same(curves, expected)
    assert "hidden = 7" in texts["settings"]
    assert texts["status"] == "finished"
    assert '"program_version"' in texts["run.json"]
    done("runs", "verify", run)


def test_a_run_that_is_stopped_and_resumed_has_one_curve(in_tmp_path: Path) -> None:
    data, run = write_hourly(in_tmp_path / "h.csv"), in_tmp_path / "run"
    words = ("train", data, *LEARNS, "--max-steps", 4, "--run", run, "--track", "tensorboard")
    assert interrupted(*words).code == 130
    assert told_by_tensorboard(run)[1]["status"] == "stopped"
    done(*words, "--resume")

    curves, texts = told_by_tensorboard(run)
    require_same(curves, told_by_metrics(run))
    assert texts["status"] == "finished"


def test_a_run_that_replaces_another_one_hides_its_curves(in_tmp_path: Path) -> None:
    data, run = write_hourly(in_tmp_path / "h.csv"), in_tmp_path / "run"
    words = ("train", data, *LEARNS, "--run", run, "--track", "tensorboard")
    done(*words)
    done(*words, "--seed", 1, "--overwrite")
    require_same(told_by_tensorboard(run)[0], told_by_metrics(run))


def test_a_tracker_that_fails_is_told_once_and_training_goes_on(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *LEARNS, "--run", "alone")
    done("train", data, *LEARNS, "--run", "run")
    (in_tmp_path / "run" / "tensorboard").write_text("a file in the place of the folder")

    ran = done("train", data, *LEARNS, "--run", "run", "--overwrite", "--track", "tensorboard")

    told = " ".join(ran.err.split())
    assert told.count("TensorBoard has failed, so the training goes on without it: FileExistsError") == 1
    for name in ("model.safetensors", "metrics.jsonl"):
        assert Path("run", name).read_bytes() == Path("alone", name).read_bytes()


def test_without_the_library_one_line_says_what_to_install(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    message = refused(2, "train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--track", "tensorboard")
    assert message == (
        "--track tensorboard needs tensorboard, which is not installed. Run `pip install 'seqcast[tensorboard]'`."
    )
    assert not Path("runs").exists()


class Silent:
    """A tracker that never answers."""

    def __init__(self) -> None:
        self.end = threading.Event()

    def begin(self, directory: RunDirectory, *, resume: bool) -> bool:
        self.end.wait()
        return False

    def add(self, validations: Sequence[ValidationRecord]) -> None: ...

    def finish(self, directory: RunDirectory, status: str) -> None: ...


def test_training_does_not_wait_for_a_tracker_that_never_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "LONGEST_WAIT_SECONDS", 0.05)
    told: list[Notice] = []
    silent = Silent()

    with tracked(silent, RunDirectory(tmp_path), told.extend, resume=False) as followed:
        followed.save(b"", (ValidationRecord(0, 1.0, 1.0, None, 0.1, 1),))
    silent.end.set()

    assert [notice.text for notice in told] == [
        "Silent has failed, so the training goes on without it: it has not answered for 0 s"
    ]


@pytest.mark.filterwarnings("ignore")  # the libraries below MLflow warn of one another
def test_mlflow_has_the_curves_the_parameters_and_the_files(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{in_tmp_path}/mlflow.db")
    data, run = write_hourly(in_tmp_path / "h.csv"), in_tmp_path / "run"

    ran = done("train", data, *LEARNS, "--run", run, "--track", "mlflow")

    assert "failed" not in ran.err
    client = mlflow.tracking.MlflowClient(f"sqlite:///{in_tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("seqcast")
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert (found.data.params["model.hidden"], found.data.params["training.max_steps"]) == ("7", "3")
    curves = {
        name: [(each.step, each.value) for each in client.get_metric_history(found.info.run_id, name)]
        for name in found.data.metrics
    }
    require_same(curves, told_by_metrics(run))
    files = {Path(each.path).name for each in client.list_artifacts(found.info.run_id, "run")}
    assert {"run.json", "config.toml", "model.safetensors", "metrics.jsonl"} <= files
