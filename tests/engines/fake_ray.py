"""A stand-in for Ray that runs every call in this process, as soon as someone waits for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class OutOfMemoryError(RayError):
    pass


@dataclass(eq=False)
class Call:
    """A call of an actor's method, not made yet."""

    function: Callable[[], Any]


@dataclass
class FakeRay:
    """The functions of Ray that the pool uses."""

    failure: Exception | None = None
    """Raised in place of the result of each item."""
    resources: dict[str, float] = field(default_factory=lambda: {"CPU": 2.0})
    is_newest_first: bool = False
    """Whether the call that was made last ends first."""
    given: list[Any] = field(default_factory=list)
    """Arguments of all calls of `do`, in order."""
    workers: list[Any] = field(default_factory=list)
    killed: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the actors."""
    started: dict[str, Any] = field(default_factory=dict)
    """Options of the cluster; none after its end."""
    exceptions: Any = field(
        default_factory=lambda: SimpleNamespace(
            RayError=RayError, RayActorError=RayActorError, OutOfMemoryError=OutOfMemoryError
        )
    )

    def init(self, **options: Any) -> None:
        self.started = options

    def shutdown(self) -> None:
        self.started = {}

    def put(self, value: Any) -> Call:
        return Call(lambda: value)

    def get(self, call: Call) -> Any:
        return call.function()

    def wait(self, calls: Sequence[Call], num_returns: int, timeout: float | None) -> tuple[list[Call], list[Call]]:
        assert num_returns == 1
        assert calls
        return [calls[-1 if self.is_newest_first else 0]], []

    def is_initialized(self) -> bool:
        return True

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, **options: Any) -> Callable[[type], Any]:
        self.options = options
        return lambda kind: SimpleNamespace(remote=lambda *arguments: self._actor(kind(*arguments)))

    def _actor(self, worker: Any) -> Any:
        def do(assignment: Any, item: Any) -> Call:
            self.given.append(item)
            return Call(lambda: self._done(worker, assignment, item))

        def stop(**options: Any) -> Any:
            assert options == {"concurrency_group": "stop"}
            return SimpleNamespace(remote=worker.stop)

        actor = SimpleNamespace(
            prepare=SimpleNamespace(remote=worker.prepare),
            begin=SimpleNamespace(remote=lambda assignment: Call(lambda: worker.begin(assignment))),
            do=SimpleNamespace(remote=do),
            stop=SimpleNamespace(options=stop),
        )
        self.workers.append(actor)
        return actor

    def _done(self, worker: Any, assignment: Any, item: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return worker.do(assignment, item)
