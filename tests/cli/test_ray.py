"""Commands on a real cluster of two Ray workers: with `python -m pytest --long`, where `seqcast[ray]` is installed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.part_files import PartFolder
from tests.cli.grouped_tables import LENGTH, panel
from tests.conftest import ROOT
from tests.processes import started
from tests.running import HORIZON, TINY, Ran, Trained, done, refused, wave, write_hourly

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),  # Ray opens files and sockets that it does not close
]

TWO = ("--engine", "ray", "--workers", "2")
NUM_GROUPS = 8


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A data set of eight files with two series each, and a run on it."""
    folder = tmp_path_factory.mktemp("many")
    data = folder / "sales"
    data.mkdir()
    for number in range(NUM_GROUPS):
        panel(f"{'dacbe'[number % 5]}{number}", f"x{number}").to_parquet(data / f"{number}.parquet", index=False)
    done("train", data, *TINY, "--test-size", 2 * HORIZON, "--run", folder / "run")
    return Trained(data, folder / "run")


def on_both(*words: object) -> tuple[Ran, Ran]:
    """What a command prints in a single process and on two workers."""
    return done(*words), done(*words, *TWO)


def workers() -> list[int]:
    """The processes of the workers on this machine."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                words = (each / "cmdline").read_bytes()
            except OSError:
                continue
            if words.startswith(b"ray::Worker"):
                found.append(int(each.name))
    return found


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(
    "words",
    [
        ("predict", "--output", "-", "--horizon", HORIZON + 2),
        ("backtest", "--test", "--json"),
        ("backtest", "--output", "-"),
        ("inspect", "--windows", "3", "--part", "both", "--by", "weekday", "--json"),
        ("inspect", "--format", "csv"),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_groups_on_two_workers_give_the_bytes_of_a_single_process(many: Trained, words: tuple[object, ...]) -> None:
    single, shared = on_both(*words, "--run", many.run)
    assert shared.out_bytes == single.out_bytes
    assert "ray: 2 workers on this machine" in shared.err
    assert shared.err.replace("ray: 2 workers on this machine\n", "") == single.err


@pytest.fixture(scope="module")
def wide_table(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A CSV file with more series than a batch, some of them with holes at the end, and a run on it."""
    folder = tmp_path_factory.mktemp("wide")
    num_series, length = 3100, 35
    values = np.concatenate([wave(length, number) for number in range(num_series)])
    values[length - 3 : length] = np.nan
    times = np.tile(pd.date_range("2024-03-30", periods=length, freq="h").astype(str), num_series)
    ids = np.repeat([f"s{number}" for number in range(num_series)], length)
    data = folder / "wide.csv"
    pd.DataFrame({"unique_id": ids, "ds": times, "y": values}).to_csv(data, index=False)
    done("train", data, *TINY, "--timezone", "Europe/Berlin", "--utc", "--run", folder / "run")
    return Trained(data, folder / "run")


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "--output", "-", "--horizon", HORIZON + 2),
        ("predict",),
        ("backtest", "--stride", "2", "--json"),
        ("inspect", "--windows", "2", "--json"),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_a_table_in_memory_is_shared_by_series_with_the_bytes_of_a_single_process(
    wide_table: Trained, words: tuple[object, ...]
) -> None:
    single, shared = on_both(*words, "--run", wide_table.run)
    assert shared.out_bytes == single.out_bytes


@pytest.mark.usefixtures("small_groups")
def test_an_exported_model_works_on_workers(many: Trained, tmp_path: Path) -> None:
    done("export", many.run, tmp_path / "model.onnx")
    single, shared = on_both("predict", many.data, "--onnx", tmp_path / "model.onnx", "--output", "-")
    assert shared.out_bytes == single.out_bytes


def same_parts(folder: Path, run: Trained, tmp_path: Path) -> None:
    """Requires that the parts in a folder have the bytes of those that a single process writes."""
    done("predict", "--run", run.run, "--output", f"{tmp_path}/single/")
    parts = sorted((tmp_path / "single").glob("part-*"))
    assert len(parts) == NUM_GROUPS
    assert [part.name for part in parts if (folder / part.name).read_bytes() != part.read_bytes()] == []


@pytest.mark.usefixtures("small_groups")
def test_a_killed_worker_is_replaced_and_its_groups_are_handed_out_again(
    many: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, killed = PartFolder.keep, []

    def keep_and_kill(folder: PartFolder, name: str, fingerprint: str) -> None:
        keep(folder, name, fingerprint)
        if sum(bool(part.output) for part in folder.parts.values()) == 2 and not killed:
            killed.extend(workers()[:1])
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(PartFolder, "keep", keep_and_kill)
    ran = done("predict", "--run", many.run, *TWO, "--output", f"{tmp_path}/shared/")
    assert killed
    assert f"written to {NUM_GROUPS} parts" in ran.err
    monkeypatch.setattr(PartFolder, "keep", keep)
    same_parts(tmp_path / "shared", many, tmp_path)


@pytest.fixture
def killed_driver(many: Trained, tmp_path: Path) -> Path:
    """The folder that a command has left that was killed after its third part."""
    code = (
        "import os, signal, sys\n"
        "from seqcast.cli import app\n"
        "from seqcast.part_files import PartFolder\n"
        "from seqcast.reading import series_groups\n"
        f"series_groups.MOST_ROWS = {2 * LENGTH}\n"
        "keep = PartFolder.keep\n"
        "def killed(folder, name, fingerprint):\n"
        "    keep(folder, name, fingerprint)\n"
        "    sum(bool(part.output) for part in folder.parts.values()) == 3 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "PartFolder.keep = killed\n"
        f"sys.argv = ['seqcast', 'predict', '--run', {str(many.run)!r}, *{TWO!r}, '--output', '{tmp_path}/out/']\n"
        "app.main()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    return tmp_path / "out"


@pytest.mark.usefixtures("small_groups")
def test_after_a_killed_command_no_worker_is_left_and_a_rerun_keeps_the_parts_that_are_there(
    many: Trained, killed_driver: Path, tmp_path: Path
) -> None:
    limit = time.monotonic() + 60
    while workers() and time.monotonic() < limit:
        time.sleep(0.2)
    assert workers() == []
    again = done("predict", "--run", many.run, *TWO, "--output", f"{killed_driver}/")
    assert f"written to {NUM_GROUPS - 3} parts in {killed_driver}; 3 parts there already" in again.err
    same_parts(killed_driver, many, tmp_path)


@pytest.mark.usefixtures("small_groups")
def test_a_full_disk_is_an_error_that_leaves_no_worker(many: Trained) -> None:
    told = refused(1, "predict", "--run", many.run, *TWO, "--output", "/dev/full", "--format", "csv")
    assert "/dev/full: cannot be written: No space left" in told
    assert workers() == []


COMPARED = ("--score", "dot,location", *TINY, "--max-steps", "12", "--device", "cpu", "--precision", "float32")
TUNED = (*TINY, "--layers", 1, "--score", "general", "--loss", "quantile", "--device", "cpu", "--precision", "float32")


def test_variants_that_workers_train_are_those_of_a_single_process(tmp_path: Path) -> None:
    data = write_hourly(tmp_path / "shop.csv", 200)
    documents = []
    for name, engine in (("single", ()), ("shared", TWO)):
        documents.append(done("compare", data, *COMPARED, *engine, "--run", tmp_path / name, "--json").document())
    single, shared = ([row | {"windows_per_second": 0} for row in each["variants"]] for each in documents)
    assert shared == single
    assert [row["failure"] for row in shared] == [None, None]
    for row in shared:
        models = [tmp_path / name / row["variant"] / "model.safetensors" for name in ("single", "shared")]
        assert models[0].read_bytes() == models[1].read_bytes()
    assert (tmp_path / "shared" / "comparison.json").exists()


def test_workers_share_one_search_for_settings(tmp_path: Path) -> None:
    data = write_hourly(tmp_path / "shop.csv", 200)
    ran = done("tune", data, *TUNED, *TWO, "--trials", 5, "--run", tmp_path / "study", "--json")
    trials = ran.document()["trials"]
    assert [trial["number"] for trial in trials] == [1, 2, 3, 4, 5]
    assert ran.document()["best"]["error"] == min(trial["error"] for trial in trials if trial["outcome"] == "finished")
    assert "trial 5 finished: error " in ran.err
    again = done("tune", data, *TUNED, "--trials", 5, "--run", tmp_path / "study", "--json").document()
    assert again["trials"] == trials


def test_a_signal_ends_a_forecast_on_workers_and_leaves_nothing_behind(wide_table: Trained, tmp_path: Path) -> None:
    words = ["predict", wide_table.data, "--run", wide_table.run, "--horizon", "20000", "--output", "out.csv"]
    with started(tmp_path, *words, *TWO) as process:
        limit = time.monotonic() + 90
        while not workers() and time.monotonic() < limit:
            time.sleep(0.1)
        process.send(signal.SIGTERM)
        assert process.wait() == 143, process.err
        assert process.err.endswith("error: Stopped by SIGTERM. Nothing is kept: start it again.\n")
    assert workers() == []
    assert list(tmp_path.glob("out*")) == []


def test_a_signal_stops_trainings_on_workers_with_their_state_saved(tmp_path: Path) -> None:
    data = write_hourly(tmp_path / "shop.csv", 200)
    steps = ("--max-steps", "20000", "--patience", "20000")
    words = ["compare", data, *COMPARED, *steps, *TWO, "--run", "all"]
    states = [tmp_path / "all" / name / "checkpoint.safetensors" for name in ("dot-s0", "location-s0")]
    with started(tmp_path, *map(str, words)) as process:
        for state in states:
            process.wait_for(state)
        process.send(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
        assert "Stopped by SIGTERM. " in process.err
    assert workers() == []
    statuses = [json.loads(state.with_name("run.json").read_text())["status"] for state in states]
    assert statuses == ["stopped", "stopped"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster that runs already, whose workers have no onnxruntime."""
    folder = tmp_path_factory.mktemp("cluster")
    missing = "raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')\n"
    (folder / "onnxruntime.py").write_text(missing)
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "RAY_USAGE_STATS_ENABLED": "0"}
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    start = ["start", "--head", "--port=26379", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    subprocess.run([*ray, *start], env=environment, cwd=folder, check=True, capture_output=True)
    yield "127.0.0.1:26379"
    subprocess.run([*ray, "stop", "--force"], env=environment, check=True, capture_output=True)


@pytest.mark.usefixtures("small_groups")
def test_a_cluster_that_runs_already_does_the_work_and_goes_on(many: Trained, cluster: str) -> None:
    single = done("predict", "--run", many.run, "--output", "-")
    for _ in range(2):
        shared = done("predict", "--run", many.run, "--output", "-", "--engine", "ray", "--address", cluster)
        assert shared.out_bytes == single.out_bytes
        assert f"ray: 2 workers on the cluster at {cluster}" in shared.err


@pytest.mark.usefixtures("small_groups")
def test_a_worker_without_an_extra_says_what_to_install(many: Trained, cluster: str, tmp_path: Path) -> None:
    done("export", many.run, tmp_path / "model.onnx")
    words = ("predict", many.data, "--onnx", tmp_path / "model.onnx", "--engine", "ray", "--address", cluster)
    told = refused(2, *words, "--output", tmp_path / "out.csv")
    assert "an exported model needs onnxruntime, which is not installed" in told
