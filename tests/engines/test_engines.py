"""Engines do the same work on many items; what needs a real cluster is in `test_ray_cluster.py`."""

import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seqcast
from seqcast.engines import ray_cluster, ray_pool, worker
from seqcast.engines.engine import SINGLE_PROCESS
from seqcast.engines.ray_cluster import ClusterRequest, import_ray, open_cluster
from seqcast.engines.ray_pool import RayPool, delayed_signals
from seqcast.engines.worker import Assignment, Outcome, Worker, asked_to_stop
from seqcast.errors import DataError, Place, SeqcastError, StoppedError, UsageError
from tests.engines.fake_ray import Call, FakeRay, OutOfMemoryError, RayActorError, RayError

ITEMS = tuple(range(11))


def square(number: int) -> int:
    return number * number


def pool(ray: FakeRay, num_workers: int = 2) -> RayPool:
    return RayPool(ray, num_workers, "this machine")  # type: ignore[arg-type]


def done_by(engine: Any, work: Callable[[int], Any] = square) -> list[Any]:
    return list(engine.map(work, ITEMS, lambda number: f"item {number}"))


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_results_come_in_the_order_of_the_items_whichever_is_done_first(is_newest_first: bool) -> None:
    ray = FakeRay(is_newest_first=is_newest_first)
    assert done_by(pool(ray)) == done_by(SINGLE_PROCESS) == [square(number) for number in ITEMS]
    assert ray.given == list(ITEMS)
    assert len(ray.workers) == 2
    assert ray.killed == []
    assert ray.options["max_restarts"] > 0
    assert ray.options["max_task_retries"] > 0


def test_no_more_workers_are_started_than_there_are_items() -> None:
    ray = FakeRay()
    assert done_by(pool(ray, num_workers=50)) == done_by(SINGLE_PROCESS)
    assert len(ray.workers) == len(ITEMS)


def test_workers_stay_for_the_next_work_and_prepare_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(worker, "import_module", imported.append)
    ray = FakeRay()
    workers = pool(ray)
    workers.prepare("a.module")
    assert done_by(workers) == [square(number) for number in ITEMS]
    assert done_by(workers, str) == [str(number) for number in ITEMS]
    assert imported == ["a.module"] * 2
    assert len(ray.workers) == 2
    workers.dismiss()
    assert len(ray.killed) == 2


def test_a_module_that_is_missing_is_told_when_the_work_comes() -> None:
    hired = Worker[int](".")
    hired.prepare("no.such.module")
    assert pickle.loads(hired.do(Assignment(1, lambda: square), 3)).unwrapped() == 9


@pytest.mark.parametrize(("device", "num_gpus", "is_ready"), [("auto", 0, True), ("auto", 1, False), ("cpu", 1, True)])
def test_workers_start_early_unless_they_may_need_a_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str, num_gpus: int, is_ready: bool
) -> None:
    ray = FakeRay(resources={"CPU": 2.0, "GPU": float(num_gpus)})
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    with open_cluster(ClusterRequest()) as cluster:
        cluster.prepare(device, "json")
        assert len(ray.workers) == (2 if is_ready else 0)
        assert cluster.workers(needs_gpu=False).num_workers == 2
    assert ray.killed == ray.workers


def test_workers_run_ahead_by_a_bounded_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_pool, "MOST_AHEAD", 2)
    ray = FakeRay(is_newest_first=True)
    results = pool(ray).map(square, ITEMS)
    assert next(results) == 0
    assert len(ray.given) <= 4 + 1
    results.close()  # type: ignore[attr-defined]
    assert len(ray.killed) == 2


def test_an_error_of_the_work_is_raised_when_its_item_comes_and_workers_end() -> None:
    def fails_at_three(number: int) -> int:
        if number == 3:
            raise DataError("it is odd.", place=Place("x.csv", line=7), hint="Look.")
        return number

    ray, results = FakeRay(is_newest_first=True), []
    with pytest.raises(DataError, match=r"^x.csv, line 7: it is odd. Look.$"):
        results.extend(iter(pool(ray).map(fails_at_three, ITEMS)))
    assert len(ray.killed) == 2


def test_long_work_that_is_asked_to_stop_ends_before_its_workers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_signals", [])
    saved: list[int] = []

    def trains(number: int) -> int:
        if asked_to_stop() is not None:
            saved.append(number)
            raise StoppedError(asked_to_stop() or 0, "Go on.")
        return number

    ray, results = FakeRay(), []
    with pytest.raises(StoppedError, match=r"^Stopped by SIGTERM. Go on.$"):
        results.extend(pool(ray).map_long(trains, ITEMS, lambda: 15 if len(ray.given) >= 4 else None))
    assert results == list(ITEMS[: len(results)])
    assert saved == [len(results)]
    assert len(ray.given) < len(ITEMS)


def test_a_stop_before_anything_has_begun_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_signals", [])
    ray = FakeRay()
    with pytest.raises(StoppedError, match=r"^Stopped by SIGINT. The same command"):
        list(pool(ray).map_long(square, ITEMS, lambda: 2))
    assert ray.given == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_until_ray_is_back(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    order: list[object] = []
    monkeypatch.setattr(signal, "getsignal", lambda each: (lambda *_: order.append(each)) if each == number else None)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with delayed_signals():
            os.kill(os.getpid(), number)
            order.append("back")
    finally:
        signal.signal(number, before)
    assert order == ["back", number]


def test_long_work_is_handed_out_one_item_at_a_time() -> None:
    ray = FakeRay()
    assert list(pool(ray).map_long(square, ITEMS, lambda: None)) == done_by(SINGLE_PROCESS)
    assert list(SINGLE_PROCESS.map_long(square, ITEMS, lambda: None)) == done_by(SINGLE_PROCESS)


def test_an_error_that_cannot_be_sent_is_sent_as_text() -> None:
    def fails(_number: int) -> None:
        raise ValueError(lambda: None)

    with pytest.raises(SeqcastError, match="ValueError: <function"):
        done_by(pool(FakeRay()), fails)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (RayActorError("gone"), "item 0: 4 workers died while they had it. Give fewer --workers"),
        (OutOfMemoryError("full"), "item 0: the workers had too little memory for it. Give fewer --workers"),
        (RayError("lost\nmore"), "item 0: Ray lost its result: lost"),
    ],
)
def test_an_item_that_no_worker_could_do_is_named(failure: Exception, message: str) -> None:
    with pytest.raises(SeqcastError, match=f"^{message}"):
        done_by(pool(FakeRay(failure)))


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_ray: FakeRay, _call: Call) -> None:
        raise RayActorError(
            "The actor died.\n  File x.py\n\x1b[36mModuleNotFoundError: No module named 'seqcast'\x1b[39m"
        )

    monkeypatch.setattr(FakeRay, "get", cannot)
    with pytest.raises(UsageError, match=r"^a worker on this machine cannot start: No module named 'seqcast'. Every"):
        done_by(pool(FakeRay()))


def test_a_worker_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "begin", lambda _worker, _fetch: pickle.dumps(Outcome("0.0.1")))
    with pytest.raises(UsageError, match=f"has seqcast 0.0.1, and this is {seqcast.__version__}"):
        done_by(pool(FakeRay()))


def test_a_worker_without_the_folder_of_the_command_says_so() -> None:
    told = pickle.loads(Worker[int]("/nowhere/at/all").begin(Assignment(1, lambda: square)))
    with pytest.raises(UsageError, match="cannot use the folder /nowhere/at/all: No such file"):
        told.unwrapped()


@pytest.mark.parametrize("error", [StoppedError(15, "Go on."), DataError("bad", place=Place("a.csv", line=3))])
def test_errors_are_the_same_in_another_process(error: SeqcastError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.exit_code) == (type(error), str(error), error.exit_code)
    assert copy.as_dict() == error.as_dict()


@pytest.mark.parametrize(
    ("num_workers", "needs_gpu", "message"),
    [
        (3, False, "this machine has 2 cores, and each worker needs one. Give fewer --workers."),
        (
            None,
            True,
            "this machine has 0 GPUs, and each worker needs one. Give fewer --workers, or --device cpu.",
        ),
    ],
)
def test_more_workers_than_cores_are_refused(
    monkeypatch: pytest.MonkeyPatch, num_workers: int | None, needs_gpu: bool, message: str
) -> None:
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    with open_cluster(ClusterRequest(num_workers=num_workers)) as cluster, pytest.raises(UsageError, match=message):
        cluster.workers(needs_gpu=needs_gpu)


@pytest.mark.parametrize(("address", "mode"), [("127.0.0.1:1", "token"), ("elsewhere:1", None), (None, "token")])
def test_a_cluster_of_a_command_has_its_own_token_and_others_see_one_on_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str | None, mode: str | None
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")  # so that it is removed at the end
        monkeypatch.delenv(name)
    monkeypatch.setattr(ray_cluster, "TOKEN_FILE", tmp_path / "token")
    (tmp_path / "token").write_text("secret")
    monkeypatch.setitem(sys.modules, "ray", FakeRay())  # type: ignore[arg-type]
    import_ray(address)
    assert os.environ.get("RAY_AUTH_MODE") == mode
    assert ("RAY_AUTH_TOKEN" in os.environ) == (address is None)


def test_a_cluster_of_another_version_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: Any) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 1.0")

    ray = FakeRay()
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    with (
        pytest.raises(
            UsageError, match="Ray cannot use this machine: Version mismatch: The cluster was started with: R"
        ),
        open_cluster(ClusterRequest()),
    ):
        pass


def test_a_machine_that_is_too_busy_for_ray_is_no_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(**_options: Any) -> None:
        raise Exception("The current node timed out during startup. This could\nhappen.")  # noqa: TRY002  # as Ray does

    ray = FakeRay()
    monkeypatch.setattr(ray, "init", time_out)
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    message = (
        "^Ray does not start on this machine: The current node timed out during startup. This could happen. Run again"
    )
    with pytest.raises(SeqcastError, match=message), open_cluster(ClusterRequest()):
        pass
