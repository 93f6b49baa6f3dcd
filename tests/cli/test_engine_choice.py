"""The options --engine, --address and --workers, before a cluster is there."""

import sys

import pytest

from tests.engines.fake_ray import FakeRay
from tests.running import Trained, refused


@pytest.mark.parametrize("command", ["predict", "backtest", "inspect", "compare", "tune"])
def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told = refused(2, command, "data.csv", "--engine", "ray")
    assert told == "--engine ray needs ray, which is not installed. Run `pip install 'seqcast[ray]'`."


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "--address 127.0.0.1:1: no Ray cluster answers there (Connection refused). Start a cluster"),
        ("ray://there:10001", "--address ray://there:10001 is no address of a Ray cluster. Give host:port"),
        ("there", "--address there is no address of a Ray cluster. Give host:port, as `ray start` prints it."),
    ],
)
def test_an_address_where_no_cluster_answers_is_refused(
    hourly_run: Trained, monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "ray", FakeRay())  # type: ignore[arg-type]
    words = ("predict", "--run", hourly_run.run, "--engine", "ray", "--address", address)
    assert refused(2, *words).startswith(message)


@pytest.mark.parametrize("option", ["--address", "--workers"])
def test_options_of_a_cluster_need_the_engine(option: str) -> None:
    assert refused(2, "predict", option, "1") == f"{option} is for a cluster. Add --engine ray."


def test_trainings_of_a_backtest_are_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", FakeRay())  # type: ignore[arg-type]
    told = refused(2, "backtest", "--engine", "ray", "--refit-every", "2")
    assert "--refit-every trains one network after the other" in told
