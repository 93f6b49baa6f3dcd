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
    def started(self, screen: Screen, device: "torch.device | None" = None) -> Iterator[Engine]:
        """Start the engine; `device` is that of the model, None for one that runs on the CPU alone.

        Raises:
            UsageError: No cluster answers, or it has too few cores or GPUs.
        """
        if self.name == "single":
            yield SINGLE_PROCESS
            return
        from seqcast.engines.ray_cluster import ClusterRequest, ray_workers

        needs_gpu = device is not None and device.type == "cuda"
        if needs_gpu and device is not None and device.index:
            raise UsageError(f"--device {device}: each worker takes a GPU.", hint="Give --device cuda.")
        request = ClusterRequest(self.address, self.num_workers, needs_gpu)
        with ray_workers(request) as engine:
            count = engine.num_workers
            screen.say(f"ray: {count} worker{'' if count == 1 else 's'} on {request.place}")
            yield engine
