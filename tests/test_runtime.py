from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch

from seqcast import runtime
from seqcast.errors import UsageError
from seqcast.runtime import Runtime, describe_device, flushed_denormals, keep_freed_memory, resolve_runtime, seed_step
from tests.panels import one_thread


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


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


@pytest.fixture
def apple_gpu(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


def set_amx(monkeypatch: pytest.MonkeyPatch, probe: object) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", probe, raising=False)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_an_absent_cuda_gpu_is_an_error(device: str, no_gpu: None) -> None:
    with pytest.raises(
        UsageError, match=rf"--device {device}: this machine has no usable CUDA GPU\. Use --device auto"
    ):
        resolve_runtime(device, "auto")


def test_a_gpu_number_beyond_the_last_is_an_error(two_gpus: None) -> None:
    with pytest.raises(UsageError, match=r"--device cuda:2: there are 2 CUDA GPUs, numbered from 0\."):
        resolve_runtime("cuda:2", "auto")


def test_an_absent_apple_gpu_is_an_error(no_gpu: None) -> None:
    with pytest.raises(UsageError, match=r"--device mps: this machine has no Apple GPU\."):
        resolve_runtime("mps", "auto")


def test_float16_on_the_cpu_is_an_error(no_gpu: None) -> None:
    with pytest.raises(UsageError, match=r"--precision float16 needs a GPU\. Use bfloat16 or float32 on the CPU"):
        resolve_runtime("auto", "float16")


def test_without_gpu_auto_takes_the_cpu_and_says_so(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    set_amx(monkeypatch, lambda: False)

    chosen = resolve_runtime("auto", "auto")

    assert (chosen.device, chosen.dtype, chosen.precision) == (torch.device("cpu"), torch.float32, "float32")
    assert chosen.describe() == "cpu with 1 thread, float32 (no GPU found; float32 is the fastest here)"


def test_a_cpu_with_matrix_units_computes_in_bfloat16(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    set_amx(monkeypatch, lambda: True)

    chosen = resolve_runtime("cpu", "auto")

    assert chosen.precision == "bfloat16"
    assert chosen.reason == "as asked; its AMX units are faster in bfloat16"


def test_a_release_of_torch_without_the_probe_computes_in_float32(
    no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)

    assert resolve_runtime("cpu", "auto").precision == "float32"


def test_auto_takes_the_gpu_that_is_there(two_gpus: None) -> None:
    chosen = resolve_runtime("auto", "auto")

    assert chosen.device == torch.device("cuda", 1)
    assert chosen.describe() == "cuda:1 Example 1, bfloat16 (GPU found; it computes faster in bfloat16)"


def test_an_old_gpu_computes_in_float32(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 5))

    chosen = resolve_runtime("cuda:0", "auto")

    assert (chosen.precision, chosen.reason) == ("float32", "as asked; it has no bfloat16 units")


def test_float16_is_allowed_on_a_gpu(two_gpus: None) -> None:
    assert resolve_runtime("cuda", "float16").precision == "float16"


def test_auto_takes_an_apple_gpu_in_float32(apple_gpu: None) -> None:
    chosen = resolve_runtime("auto", "auto")

    assert chosen.device == torch.device("mps")
    assert chosen.describe() == "mps, float32 (Apple GPU found; float32 is the safest here)"


def test_a_precision_that_was_asked_for_is_taken(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    set_amx(monkeypatch, lambda: True)

    assert resolve_runtime("cpu", "float32") == Runtime(torch.device("cpu"), torch.float32, "as asked")


@pytest.mark.parametrize(("dtype", "product"), [(torch.float32, torch.float32), (torch.bfloat16, torch.bfloat16)])
def test_autocast_computes_in_the_precision_of_the_runtime(dtype: torch.dtype, product: torch.dtype) -> None:
    chosen = Runtime(torch.device("cpu"), dtype, "test")
    matrix = torch.ones(3, 3)

    with chosen.autocast():
        found = matrix @ matrix

    assert found.dtype == product
    assert (matrix @ matrix).dtype == torch.float32


def test_devices_are_described(two_gpus: None) -> None:
    assert describe_device(torch.device("cpu")) == "cpu with 1 thread"
    assert describe_device(torch.device("cuda:0")) == "cuda:0 Example 0"
    assert describe_device(torch.device("mps")) == "mps"


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


def test_every_precision_has_a_type() -> None:
    assert {name: str(dtype) for name, dtype in runtime.DTYPES.items()} == {
        "float32": "torch.float32",
        "bfloat16": "torch.bfloat16",
        "float16": "torch.float16",
    }


def test_where_the_c_library_is_not_glibc_its_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(runtime.ctypes, "CDLL", None)  # would fail if it were called

    keep_freed_memory()
