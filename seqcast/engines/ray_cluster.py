"""A Ray cluster: one on this machine for a single command, or one that runs already. Ray is imported here alone."""

import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from seqcast.engines.ray_pool import RayPool
from seqcast.errors import SeqcastError, UsageError, option
from seqcast.extras import import_extra

CONNECT_SECONDS = 5.0
"""Longest time that a running cluster may take to answer."""
_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
TOKEN_FILE = Path.home() / ".ray" / "auth_token"
"""Where Ray keeps the token of the clusters on this machine."""
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # without it, Ray warns about workers without a GPU
    "RAY_worker_niceness": "0",  # workers do the work of the command, and yield to others no more than it does
    "RAY_ENABLE_AUTO_CONNECT": "0",  # no call may start a cluster by itself
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # Ray prints what it says about workers that died to stdout
}
_WAYS_IN = "See `ray status`; a cluster that asks for a token needs RAY_AUTH_MODE=token in the environment."

_TOO_BUSY = f"Run again when the machine is less busy, or without {option('engine')}; Ray's logs are under /tmp/ray."


@dataclass(frozen=True)
class ClusterRequest:
    """The cluster and the workers that are asked for."""

    address: str | None = None
    """`host:port` of a cluster that runs; None: one on this machine, for as long as the command takes."""
    num_workers: int | None = None
    """None: one for each core, or for each GPU."""

    @property
    def place(self) -> str:
        return "this machine" if self.address is None else f"the cluster at {self.address}"


def import_ray(address: str | None = None) -> ModuleType:
    """Import Ray with all that it prints and reports by itself switched off.

    Args:
        address: The cluster that will be used; None: one for this command, which gets a token of its own. Ray shows its
            token to a given address only where RAY_AUTH_MODE says so, and reads that while it is imported; a cluster on
            this machine may see it.

    Raises:
        UsageError: It is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    elif address is not None and address.rpartition(":")[0] in _THIS_MACHINE and TOKEN_FILE.is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    return import_extra("ray", "ray", option("engine", "ray"))


@dataclass
class RayCluster:
    """A cluster that this command has started or joined."""

    ray: ModuleType
    request: ClusterRequest
    _pools: dict[bool, RayPool] = field(default_factory=dict, init=False)
    """By whether each worker has a GPU."""

    def workers(self, *, needs_gpu: bool) -> RayPool:
        """The workers that were asked for, each with a GPU of its own where it needs one.

        Raises:
            UsageError: The cluster has too few cores or GPUs.
        """
        if needs_gpu not in self._pools:
            number = _number_of_workers(self.ray, self.request, "GPU" if needs_gpu else "CPU")
            self._pools[needs_gpu] = RayPool(self.ray, number, self.request.place, int(needs_gpu))
        return self._pools[needs_gpu]

    def prepare(self, device: str, module: str) -> None:
        """Start workers that import a module, unless only torch, which is slow to import, knows if they need a GPU.

        Raises:
            UsageError: As `workers`.
        """
        if device == "cpu" or not self.ray.cluster_resources().get("GPU"):
            self.workers(needs_gpu=False).prepare(module)

    def dismiss(self) -> None:
        """End all workers."""
        for pool in self._pools.values():
            pool.dismiss()


@contextmanager
def open_cluster(request: ClusterRequest) -> Iterator[RayCluster]:
    """Start or join a cluster; leaving the context ends what was started.

    Raises:
        UsageError: Ray is not installed, or no cluster answers.
    """
    ray = import_ray(request.address)
    _join(ray, request)
    cluster = RayCluster(ray, request)
    try:
        yield cluster
    finally:
        cluster.dismiss()
        ray.shutdown()


def _join(ray: ModuleType, request: ClusterRequest) -> None:
    if request.address is not None:
        _require_answer(request.address)
    own_handler = signal.getsignal(signal.SIGTERM)
    try:
        if request.address is None:
            num_cores = request.num_workers or own_cores()
            _init(ray, address="local", num_cpus=num_cores, include_dashboard=False)
        else:
            _init(ray, address=request.address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(f"Ray cannot use {request.place}: {reason}", hint=_WAYS_IN) from None
    except Exception as error:  # noqa: BLE001  # a plain one where Ray's processes do not start within half a minute
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise SeqcastError(f"Ray does not start on {request.place}: {reason}.", hint=_TOO_BUSY) from None
    except SystemExit:  # from Ray's own handler of SIGTERM, with another exit code
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, own_handler)


def _init(ray: ModuleType, **options: Any) -> None:
    ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)


def _require_answer(address: str) -> None:
    """Raise at once where nothing listens, for which Ray waits a minute."""
    host, colon, port = address.rpartition(":")
    spelled = option("address", address)
    if not colon or not port.isdecimal() or "/" in host:
        hint = "Give host:port, as `ray start` prints it."
        raise UsageError(f"{spelled} is no address of a Ray cluster.", hint=hint)
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = f"Start a cluster with `ray start`, or leave {option('address')} out."
        raise UsageError(f"{spelled}: no Ray cluster answers there ({reason}).", hint=hint) from None


def _number_of_workers(ray: ModuleType, request: ClusterRequest, kind: Literal["CPU", "GPU"]) -> int:
    there = int(ray.cluster_resources().get(kind, 0))
    wanted = request.num_workers or there
    if not 1 <= wanted <= there:
        word, other = ("GPUs", f", or {option('device', 'cpu')}") if kind == "GPU" else ("cores", "")
        hint = f"Give fewer {option('workers')}{other}."
        raise UsageError(f"{request.place} has {there} {word}, and each worker needs one.", hint=hint)
    return wanted


def own_cores() -> int:
    """Number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
