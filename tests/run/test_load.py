import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.errors import RunError
from seqcast.forecasting import Forecasting
from seqcast.reading.future import extend_panel
from seqcast.results.forecast import Forecast
from seqcast.results.origins import latest_origins
from seqcast.run.directory import RunDirectory
from seqcast.run.load import TrainedModel, load_trained_model
from seqcast.run.record import CHECKSUM_KEY, CONFIG_FILE, MODEL_FILE, RUN_FILE
from seqcast.run.scaler_tensors import scaler_tensors
from seqcast.storage import sha256_hex
from tests.panels import HORIZON
from tests.run.making_runs import MadeRun, make_run

DEVICE = torch.device("cpu")
BIAS = "final.members.0.decoder.head.step_bias"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def directory(made: MadeRun, tmp_path: Path) -> RunDirectory:
    """A copy of the run that a test may spoil."""
    return RunDirectory(Path(copytree(made.directory.path, tmp_path / "copy")))


def load_from(directory: RunDirectory) -> TrainedModel:
    return load_trained_model(directory, directory.read_record(), DEVICE)


def edit_record(directory: RunDirectory, **changes: Any) -> None:
    file = directory.path / RUN_FILE
    kept = json.loads(file.read_text())
    kept.pop(CHECKSUM_KEY, None)
    file.write_text(json.dumps(kept | changes))


def replace_file(directory: RunDirectory, name: str, data: bytes) -> None:
    """Replace a file, and its checksum in run.json."""
    (directory.path / name).write_bytes(data)
    files = json.loads((directory.path / RUN_FILE).read_text())["files"]
    edit_record(directory, files=files | {name: sha256_hex(data)})


def forecast_of(model: TrainedModel, made: MadeRun) -> Forecast:
    """A forecast with made-up future covariates."""
    panel = made.job.source.panel
    extended = extend_panel(replace(panel, schema=replace(panel.schema, known=())), HORIZON, None)
    return Forecasting(model, extended, panel.lengths).forecast(latest_origins(panel))


def test_a_loaded_model_is_the_saved_one(made: MadeRun) -> None:
    model = load_from(made.directory)
    expected = made.trained.model
    weights = model.network.state_dict()
    assert weights.keys() == expected.network.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in expected.network.state_dict().items())
    assert (model.config, model.schema, model.frequency) == (expected.config, expected.schema, expected.frequency)
    assert model.series_ids == ("one", "two")
    scalers = scaler_tensors(model.scalers)
    assert all(torch.equal(value, scalers[name]) for name, value in scaler_tensors(expected.scalers).items())
    assert not model.network.training
    assert (model.horizon, model.context, model.season) == (HORIZON, 11, 7)


def test_a_run_trained_on_a_gpu_is_loaded_on_the_cpu(directory: RunDirectory, made: MadeRun) -> None:
    edit_record(directory, device="cuda", precision="bfloat16")
    text = (directory.path / CONFIG_FILE).read_text().replace('device = "cpu"', 'device = "cuda:3"')
    replace_file(directory, CONFIG_FILE, text.encode())
    model = load_from(directory)
    assert model.config.training.device == "cuda:3"
    assert {parameter.device for parameter in model.network.parameters()} == {DEVICE}
    np.testing.assert_array_equal(forecast_of(model, made).point, forecast_of(made.trained.model, made).point)


def test_an_unfinished_run_says_how_to_finish_it(directory: RunDirectory) -> None:
    record = directory.read_record()
    files = {name: checksum for name, checksum in record.files.items() if name != MODEL_FILE}
    directory.write_record(record.model_copy(update={"status": "stopped", "files": files}))
    with pytest.raises(
        RunError, match=r"no finished model \(its status is 'stopped'\)\. Finish it with .*copy --resume"
    ):
        load_from(directory)
