"""Settings and fixtures of all tests."""

import gc
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from tests.statistical_models import MODELS

ROOT = Path(__file__).resolve().parents[1]

# A shell that starts the tests in the background may make them, and the commands they start, ignore these signals.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
# Sums must not depend on the number of cores. Set before torch is imported, and for the commands that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
# Widths and colours must not depend on the terminal that the tests run in.
os.environ["COLUMNS"] = "120"
# Files need not survive a power failure, and waiting for a disk costs more than most commands under test.
os.fsync = lambda _descriptor: None
# A training makes a hundred thousand objects and hardly a cycle; looking for cycles as often as a program does by
# default takes a twentieth of the time.
gc.set_threshold(50_000, 20, 20)
# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")
for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
    os.environ.pop(name, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests that take minutes, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Slow tests mostly wait for other processes, and at the end nothing else would be left to do meanwhile.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="only with --long"))
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not has_gpu():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="there is no CUDA GPU"))


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_collection_finish() -> None:
    # Of a million objects of the libraries none is ever garbage, and looking at them all takes a third of a second.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside some checkouts; the repository does not hold it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}")
    return folder


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the test inside an empty folder, so that `runs/` and relative outputs land there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the models of statsforecast by simple ones, whether it is installed or not."""
    models = ModuleType("statsforecast.models")
    for name, model in MODELS.items():
        setattr(models, name, model)
    monkeypatch.setitem(sys.modules, "statsforecast", ModuleType("statsforecast"))
    monkeypatch.setitem(sys.modules, models.__name__, models)


@pytest.fixture
def no_statsforecast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the import of statsforecast fail."""
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
