"""The options --engine, --address and --workers, without a real cluster; `test_ray.py` has one."""

import sys
from pathlib import Path

import pytest

from seqcast.engines import worker
from tests.engines.fake_ray import FakeRay
from tests.running import TINY, Trained, done, refused, write_hourly


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


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """A cluster of two workers in this process."""
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(worker, "settle_in", lambda: None)
    return fake


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(
    "words",
    [("predict", "--output", "-"), ("backtest", "--json"), ("inspect", "--json"), ("inspect", "--format", "csv")],
    ids=" ".join,
)
def test_groups_are_handed_out_with_the_bytes_of_a_single_process(
    folder_run: Trained, ray: FakeRay, words: tuple[str, ...]
) -> None:
    single = done(*words, "--run", folder_run.run)
    shared = done(*words, "--run", folder_run.run, "--engine", "ray")
    assert shared.out_bytes == single.out_bytes
    assert "ray: 2 workers on this machine" in shared.err
    assert [group.is_first for group in ray.given] == [True, False, False]
    assert ray.started == {}


def test_variants_and_trials_are_handed_out(tmp_path: Path, ray: FakeRay) -> None:
    data, shared = write_hourly(tmp_path / "shop.csv"), ("--engine", "ray", "--workers", "2")
    compared = done("compare", data, *TINY, "--score", "dot", *shared, "--run", tmp_path / "all", "--json")
    assert [(row["variant"], row["failure"]) for row in compared.document()["variants"]] == [("dot-s0", None)]
    assert f"dot-s0: {tmp_path}/all/dot-s0" in compared.err
    searched = (*TINY, "--layers", "1", "--score", "general", "--loss", "quantile", "--trials", "1")
    tuned = done("tune", data, *searched, *shared, "--run", tmp_path / "study", "--json")
    assert [trial["outcome"] for trial in tuned.document()["trials"]] == ["finished"]
    assert [str(item) for item in ray.given] == ["Variant(attention='global', score='dot', seed=0)", "0", "1"]
