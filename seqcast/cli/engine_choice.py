"""The engine that a command works with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seqcast.cli.console import Screen
from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.errors import UsageError

if TYPE_CHECKING:
    import torch

    from seqcast.engines.ray_cluster import RayCluster


@dataclass(frozen=True)
class EngineChoice:
    """The engine that options ask for; nothing is started yet."""

    name: Literal["single", "ray"] = "single"
    address: str | None = None
    num_workers: int | None = None

    @classmethod
    def from_options(
        cls, name: Literal["single", "ray"], address: str | None, num_workers: int | None
    ) -> "EngineChoice":
        """The engine that options ask for.

        Raises:
            UsageError: An option would say nothing, or Ray is not installed.
        """
        if name == "single":
            given = {"--address": address, "--workers": num_workers}
            option = next((option for option, value in given.items() if value is not None), None)
            if option is not None:
                raise UsageError(f"{option} is for a cluster.", hint="Add --engine ray.")
        else:
            from seqcast.engines.ray_cluster import import_ray

            import_ray(address)
        return cls(name, address, num_workers)

    @contextmanager
    def starting(self, device: str, module: str = "") -> Iterator["StartingEngine"]:
        """Start the engine; while the command loads its model, the workers import the module that their work needs.

        `device` is the one that was asked for.

        Raises:
            UsageError: No cluster answers, or it has too few cores.
        """
        if self.name == "single":
            yield StartingEngine()
            return
        from seqcast.engines.ray_cluster import ClusterRequest, open_cluster

        with open_cluster(ClusterRequest(self.address, self.num_workers)) as cluster:
            if module:
                cluster.prepare(device, module)
            yield StartingEngine(cluster)


@dataclass(frozen=True)
class StartingEngine:
    """An engine that starts while the command loads its model."""

    cluster: "RayCluster | None" = None
    """None for a single process."""

    def engine(self, screen: Screen, device: "torch.device | None" = None) -> Engine:
        """The engine; `device` is that of the model, None for one that runs on the CPU alone.

        Raises:
            UsageError: The cluster has too few cores or GPUs.
        """
        if self.cluster is None:
            return SINGLE_PROCESS
        needs_gpu = device is not None and device.type == "cuda"
        if needs_gpu and device is not None and device.index:
            raise UsageError(f"--device {device}: each worker takes a GPU.", hint="Give --device cuda.")
        engine = self.cluster.workers(needs_gpu=needs_gpu)
        count = engine.num_workers
        screen.say(f"ray: {count} worker{'' if count == 1 else 's'} on {engine.place}")
        return engine
