import os
import sys

import pytest
import torch

from seqcast import runtime
from seqcast.config import Precision
from seqcast.distributed import World
from seqcast.errors import UsageError
from seqcast.runtime import Runtime, flushed_denormals, keep_freed_memory, resolve_runtime, seed_step


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch would answer on a machine with two CUDA GPUs; nothing is computed on them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Example {device.index or 0}")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 0))
    for flag in ("allow_tf32", "deterministic"):  # which are set for the rest of the process
        monkeypatch.setattr(torch.backends.cudnn, flag, getattr(torch.backends.cudnn, flag))
    monkeypatch.setenv(runtime.CUBLAS_WORKSPACE, "")
    monkeypatch.delenv(runtime.CUBLAS_WORKSPACE)


@pytest.fixture
def apple_gpu(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        ("cuda", "auto", r"--device cuda: this machine has no usable CUDA GPU\. Use --device auto"),
        ("cuda:0", "auto", r"--device cuda:0: this machine has no usable CUDA GPU\."),
        ("mps", "auto", r"--device mps: this machine has no Apple GPU\."),
        ("auto", "float16", r"--precision float16 needs a GPU\. Use bfloat16 or float32 on the CPU"),
    ],
)
def test_a_device_or_precision_that_is_not_there_is_an_error(
    device: str, precision: Precision, message: str, no_gpu: None
) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_runtime(device, precision)


def test_bfloat16_is_refused_on_a_processor_that_cannot_train_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "cpu_trains_in_bfloat16", lambda: False)
    message = r"--precision bfloat16: this processor cannot train recurrent networks in bfloat16\. Use float32\."
    with pytest.raises(UsageError, match=message):
        resolve_runtime("cpu", "bfloat16")


def test_a_gpu_number_beyond_the_last_is_an_error(two_gpus: None) -> None:
    with pytest.raises(UsageError, match=r"--device cuda:2: there are 2 CUDA GPUs, numbered from 0\."):
        resolve_runtime("cuda:2", "auto")


@pytest.mark.parametrize(
    ("device", "has_amx", "described"),
    [
        ("auto", False, "cpu with 1 thread, float32 (no GPU found; float32 is the fastest here)"),
        ("cpu", True, "cpu with 1 thread, bfloat16 (as asked; its AMX units are faster in bfloat16)"),
        ("cpu", None, "cpu with 1 thread, float32 (as asked; float32 is the fastest here)"),
    ],
    ids=["without AMX", "with AMX", "without the probe of torch"],
)
def test_the_cpu_computes_in_its_faster_precision(
    device: str, has_amx: bool | None, described: str, no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_amx is None:
        monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx, raising=False)
    assert resolve_runtime(device, "auto").describe() == described
    assert resolve_runtime("cpu", "float32") == Runtime(torch.device("cpu"), torch.float32, "as asked")


@pytest.mark.parametrize(
    ("device", "capability", "described"),
    [
        ("auto", (8, 0), "cuda:1 Example 1, bfloat16 (GPU found; it computes faster in bfloat16)"),
        ("cuda:0", (7, 5), "cuda:0 Example 0, float32 (as asked; it has no bfloat16 units)"),
    ],
)
def test_a_gpu_computes_in_bfloat16_if_it_can(
    device: str, capability: tuple[int, int], described: str, two_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert resolve_runtime(device, "auto").describe() == described
    assert resolve_runtime(device, "float16").precision == "float16"


def test_auto_takes_an_apple_gpu_in_float32(apple_gpu: None) -> None:
    assert resolve_runtime("auto", "auto").describe() == "mps, float32 (Apple GPU found; float32 is the safest here)"


@pytest.mark.parametrize("asked", ["auto", "cuda"])
def test_each_process_of_a_machine_has_a_gpu_of_its_own(
    asked: str, two_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "set_device", lambda _device: None)
    chosen = resolve_runtime(asked, "float32", World(rank=3, local_rank=1, size=4))
    assert chosen.device == torch.device("cuda", 1)


def test_a_gpu_computes_float32_in_float32_and_adds_up_in_one_order(
    two_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert torch.backends.cudnn.allow_tf32
    resolve_runtime("cuda", "float32")
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic
    assert os.environ[runtime.CUBLAS_WORKSPACE] == ":4096:8"

    with torch.backends.cudnn.flags(enabled=False):  # as `inspect` has it for a while
        pass
    assert not torch.backends.cudnn.allow_tf32

    monkeypatch.setenv(runtime.CUBLAS_WORKSPACE, ":16:8")
    resolve_runtime("cuda", "float32")
    assert os.environ[runtime.CUBLAS_WORKSPACE] == ":16:8"


def test_too_few_gpus_for_the_processes_are_told(two_gpus: None) -> None:
    with pytest.raises(UsageError, match="process 2 of this machine has no GPU: there are 2"):
        resolve_runtime("auto", "float32", World(rank=2, local_rank=2, size=4))


def test_one_gpu_cannot_be_named_for_all_processes(two_gpus: None) -> None:
    with pytest.raises(UsageError, match="--device cuda:1: several processes take a GPU each"):
        resolve_runtime("cuda:1", "float32", World(rank=1, local_rank=1, size=2))


def test_an_apple_gpu_is_not_shared(apple_gpu: None) -> None:
    with pytest.raises(UsageError, match="several processes cannot share an Apple GPU"):
        resolve_runtime("mps", "float32", World(rank=1, local_rank=1, size=2))


@pytest.mark.parametrize(("dtype", "product"), [(torch.float32, torch.float32), (torch.bfloat16, torch.bfloat16)])
def test_autocast_computes_in_the_precision_of_the_runtime(dtype: torch.dtype, product: torch.dtype) -> None:
    chosen = Runtime(torch.device("cpu"), dtype, "test")
    matrix = torch.ones(3, 3)
    with chosen.autocast():
        found = matrix @ matrix
    assert found.dtype == product
    assert (matrix @ matrix).dtype == torch.float32


def test_denormal_numbers_are_flushed_to_zero_for_a_while_only() -> None:
    def denormal() -> float:
        return float(torch.tensor([1e-38]) * torch.tensor([1e-3]))

    with flushed_denormals():
        assert denormal() == 0.0
    assert denormal() > 0


def test_a_step_seed_depends_on_seed_and_step_alone() -> None:
    def draw(seed: int, step: int) -> float:
        seed_step(seed, step)
        return float(torch.rand(()))

    draws = {(seed, step): draw(seed, step) for seed in (0, 1, 2**63 - 1) for step in (0, 1, 2, 10_000_000)}
    assert len(set(draws.values())) == len(draws)
    torch.rand(7)
    assert draw(1, 2) == draws[1, 2]


def test_where_the_c_library_is_not_glibc_its_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(runtime.ctypes, "CDLL", None)  # would fail if it were called
    keep_freed_memory()


@pytest.mark.parametrize("in_use", [True, False])
def test_a_step_seed_reaches_the_gpus_in_use_and_asks_nothing_of_others(
    in_use: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: in_use)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: in_use)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    monkeypatch.setattr(torch.mps, "manual_seed", seeded.append)
    seed_step(3, 5)
    assert seeded == [torch.initial_seed()] * (2 if in_use else 0)
