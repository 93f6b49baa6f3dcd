"""The device and precision of the arithmetic, seeds, and settings of the processor and the C library."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from seqcast.config import Precision
from seqcast.distributed import ALONE, World
from seqcast.errors import UsageError, option

DTYPES: dict[Literal["float32", "bfloat16", "float16"], torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
FLOAT16_LOSS_SCALE = 2.0**10
"""Factor of the loss in float16: constant, so it needs no saved state. Gradients are divided by it before clipping."""
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt, as malloc.h numbers them."""
CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Variable of the environment that cuBLAS reads before its first product."""


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of the network's matrix products on it."""

    device: torch.device
    dtype: torch.dtype
    reason: str
    """Reason for this device and precision, in words."""
    world: World = ALONE
    """The processes that train together."""

    @property
    def precision(self) -> Literal["float32", "bfloat16", "float16"]:
        return next(name for name, dtype in DTYPES.items() if dtype is self.dtype)

    @property
    def loss_scale(self) -> float:
        """Factor of the loss in the backward pass, because small gradients would be zero in float16."""
        return FLOAT16_LOSS_SCALE if self.dtype is torch.float16 else 1.0

    def autocast(self) -> AbstractContextManager[None]:
        """Context for the network; losses and scaling stay outside."""
        if self.dtype is torch.float32:
            return contextlib.nullcontext()
        # A cache of cast weights would outlive the recording of a CUDA graph.
        return torch.autocast(self.device.type, dtype=self.dtype, cache_enabled=self.device.type != "cuda")

    def describe(self) -> str:
        """Text such as `cpu with 2 threads, float32 (no GPU found; float32 is the fastest here)`."""
        together = f"{self.world.size} processes, each on " if self.world.size > 1 else ""
        return f"{together}{describe_device(self.device)}, {self.precision} ({self.reason})"


def describe_device(device: torch.device) -> str:
    """The device with the name of its GPU, or with its number of threads."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    if device.type != "cpu":
        return str(device)
    count = torch.get_num_threads()
    return f"{device} with {count} thread{'' if count == 1 else 's'}"


def resolve_runtime(device: str, precision: Precision, world: World = ALONE) -> Runtime:
    """Choose device and precision.

    Raises:
        UsageError: The device does not exist, or does not support the precision.
    """
    chosen, reason = _resolve_device(device)
    if world.size > 1:
        chosen = _own_device(chosen, device, world)
    if chosen.type == "cuda":
        make_gpus_repeatable()
    if precision != "auto":
        if precision == "float16" and chosen.type == "cpu":
            raise UsageError(
                f"{option('precision', 'float16')} needs a GPU.", hint="Use bfloat16 or float32 on the CPU."
            )
        if precision == "bfloat16" and chosen.type == "cpu" and not cpu_trains_in_bfloat16():
            raise UsageError(
                f"{option('precision', 'bfloat16')}: this processor cannot train recurrent networks in bfloat16.",
                hint="Use float32.",
            )
        return Runtime(chosen, DTYPES[precision], reason, world)
    fast, why = _bfloat16_is_faster(chosen)
    return Runtime(chosen, torch.bfloat16 if fast else torch.float32, f"{reason}; {why}", world)


def _resolve_device(name: str) -> tuple[torch.device, str]:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device()), "GPU found"
        if torch.backends.mps.is_available():
            return torch.device("mps"), "Apple GPU found"
        return torch.device("cpu"), "no GPU found"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"{option('device', name)}: this machine has no usable CUDA GPU.",
            hint=f"Use {option('device', 'auto')} or cpu.",
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(
            f"{option('device', name)}: there are {count} CUDA GPUs, numbered from 0.", hint="Use a smaller number."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(
            f"{option('device', 'mps')}: this machine has no Apple GPU.", hint=f"Use {option('device', 'auto')} or cpu."
        )
    return device, "as asked"


def _own_device(chosen: torch.device, asked: str, world: World) -> torch.device:
    """The device of one of several processes, which get a GPU each; raises if there are too few, or one was named."""
    if chosen.type == "mps":
        raise UsageError("several processes cannot share an Apple GPU.", hint=f"Give {option('device', 'cpu')}.")
    if chosen.type != "cuda":
        return chosen
    if asked.startswith("cuda:"):
        raise UsageError(
            f"{option('device', asked)}: several processes take a GPU each.", hint=f"Give {option('device', 'cuda')}."
        )
    count = torch.cuda.device_count()
    if world.local_rank >= count:
        raise UsageError(
            f"process {world.local_rank} of this machine has no GPU: there are {count}, numbered from 0.",
            hint=f"Start fewer with torchrun's --nproc-per-node, or give {option('device', 'cpu')}.",
        )
    own = torch.device("cuda", world.local_rank)
    torch.cuda.set_device(own)
    return own


def make_gpus_repeatable() -> None:
    """Let GPUs compute float32 in float32, and find the same bits again, in the rest of this process.

    By default cuDNN rounds the factors in recurrences to TF32, which has 10 bits, so that forecasts differ from those
    of a CPU in the third digit. cuBLAS adds up in one order only if its workspace has a fixed size.
    """
    os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def cpu_trains_in_bfloat16() -> bool:
    """Whether an LSTM can be trained in bfloat16 on this processor; oneDNN has no such code for some."""
    cell = torch.nn.LSTM(1, 1)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output, _ = cell(torch.zeros(1, 1, 1))
        output.sum().backward()
    except RuntimeError:
        return False
    return True


def _bfloat16_is_faster(device: torch.device) -> tuple[bool, str]:
    """Whether bfloat16 is faster, and why. Only the hardware decides, so that equal machines produce equal runs."""
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device)[0] >= 8
        return fast, "it computes faster in bfloat16" if fast else "it has no bfloat16 units"
    if device.type == "cpu":
        # The public name came after 2.6, the oldest release supported.
        probe: Callable[[], bool] | None = getattr(torch.cpu, "_is_amx_tile_supported", None)
        fast = probe is not None and probe()
        return fast, "its AMX units are faster in bfloat16" if fast else "float32 is the fastest here"
    return False, "float32 is the safest here"


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat denormal numbers as zero inside this context.

    Gradients that vanish over a long context become denormal, and arithmetic on them is slow.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def keep_freed_memory() -> None:
    """Make glibc reuse the memory that a training step or a batch frees instead of returning it to the system.

    Fresh pages cost up to a third of a step on the CPU. Other C libraries stay as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1)):
            mallopt(parameter, value)


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed every generator for one training step of one process, so that no generator state has to be saved."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) & (2**63 - 1)
    # torch.manual_seed takes a traceback of its call for every kind of GPU that is not in use, which costs more.
    torch.default_generator.manual_seed(mixed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(mixed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(mixed)
