from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from seqcast.distributed import World
from seqcast.model import attention
from seqcast.run.record import Choice
from seqcast.training import checkpoint, gradients
from seqcast.training.checkpoint import TrainedMember, first_state
from seqcast.training.gradients import Recorder, Work, recorder
from seqcast.training.loop import Hooks, train
from seqcast.training.setup import TrainingSetup
from seqcast.training.step import take_step, training_step
from tests.panels import full_panel, small_config, small_setup

WORKS: dict[str, dict[str, Any]] = {
    "segments": {"segment": 3, "dropout": 0.3},
    "autoregressive": {"decoding": "autoregressive", "dropout": 0.3, "cell": "gru"},
    "bidirectional": {"score": "hybrid", "normaliser": "sparsemax", "bidirectional": True},
}
FROM_A_GRAPH = Choice("training steps", "replayed from a CUDA graph", "it finds the same gradients")


def done_again(work: Work) -> Work:
    """Stands for a recorder of graphs: what it returns reads the same memory and writes to the same memory."""
    work()
    return work


def forgotten(work: Work) -> Work:
    """A recorder that goes wrong: what was found once stays."""
    work()
    return lambda: None


def without_dropout(work: Work) -> Work:
    """A recorder that goes wrong: it draws other numbers each time."""
    work()

    def again() -> None:
        torch.manual_seed(7)
        work()

    return again


def with_old_gradients(work: Work) -> Work:
    """A recorder that goes wrong: the loss is right, and the gradients are those of the batch that was recorded."""
    work()

    def again() -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(torch, "_foreach_copy_", lambda *_: None)
            work()

    return again


def impossible(_work: Work) -> Work:
    raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors might be reported later")


def too_large(_work: Work) -> Work:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8 GiB")


def trained(
    setup: TrainingSetup, record: Recorder, monkeypatch: pytest.MonkeyPatch
) -> tuple[TrainedMember, list[Choice]]:
    """The network, and what was told, of a training whose steps are recorded so."""
    monkeypatch.setattr(checkpoint, "recorder", lambda _setup: record)
    told: list[Choice] = []
    return train(setup, Hooks(on_choice=told.append)), told


def setup_of(**model: Any) -> TrainingSetup:
    training = {"max_steps": 5, "refit": True, "batch_size": 8}
    return small_setup(full_panel(), small_config(model=model, training=training))


@cache
def computed(work: str) -> TrainedMember:
    """The network whose steps are computed kernel by kernel, as always on a CPU."""
    told: list[Choice] = []
    found = train(setup_of(**WORKS[work]), Hooks(on_choice=told.append))
    assert not told
    return found


def same_weights(one: TrainedMember, other: TrainedMember) -> bool:
    return all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())


@pytest.mark.parametrize("work", ["segments", "autoregressive"])
def test_steps_that_are_replayed_train_the_network_that_computed_ones_do(
    work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = computed(work)

    found, told = trained(setup_of(**WORKS[work]), done_again, monkeypatch)

    assert found.record == expected.record
    assert same_weights(found, expected)
    assert told == [FROM_A_GRAPH]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (forgotten, "what was recorded differs from what is computed"),
        (without_dropout, "what was recorded differs from what is computed"),
        (with_old_gradients, "what was recorded differs from what is computed"),
        (impossible, "operation not permitted when stream is capturing"),
        (too_large, "CUDA out of memory"),
    ],
)
def test_a_recording_that_is_wrong_or_impossible_is_told_and_changes_nothing(
    record: Recorder, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = computed("segments")

    found, told = trained(setup_of(**WORKS["segments"]), record, monkeypatch)

    assert same_weights(found, expected)
    assert told == [Choice("training steps", "kernel by kernel", f"no CUDA graph: {reason}")]


def test_replayed_steps_compute_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = setup_of(segment=3)
    monkeypatch.setattr(checkpoint, "recorder", lambda _setup: done_again)
    computed: list[int] = []
    losses = gradients.window_losses
    monkeypatch.setattr(gradients, "window_losses", lambda *given: (computed.append(1), losses(*given))[1])
    state = first_state(setup)
    counts = []
    for number in range(1, 6):
        computed.clear()
        take_step(setup, state, training_step(setup, number))
        counts.append(len(computed))
    # The first is computed; the second is recorded, which computes it here, and replayed; the third is compared.
    assert counts == [1, 3, 2, 1, 1]


class NothingAsked(TorchFunctionMode):
    """Fails where the processor asks for a value, for which it would have to wait for a GPU."""

    ASKING = ("__bool__", "__float__", "__int__", "__index__", "item", "tolist", "nonzero", "cpu", "numpy", "tensor")

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        assert func.__name__ not in self.ASKING, f"{func.__name__} waits for the GPU"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("work", WORKS)
def test_no_step_of_the_pass_waits_for_a_gpu(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_known_whole", lambda _observed: False)  # as on a GPU
    setup = setup_of(**WORKS[work])
    state = first_state(setup)
    batch = state.batches.of(setup.train_windows, (0, 1))
    use_truth = torch.rand(batch.future_target.shape) < 0.5
    expected = state.gradients(batch, use_truth)

    with NothingAsked():
        found = state.gradients(batch, use_truth)

    with pytest.raises(AssertionError, match="__bool__ waits"), NothingAsked():
        bool(found)
    assert torch.isfinite(torch.stack([found, expected])).all()


def test_a_mask_that_hides_nothing_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that GPUs, which are not asked whether a context is whole, need not be."""
    expected = computed("segments")
    monkeypatch.setattr(attention, "_known_whole", lambda _observed: False)

    assert same_weights(train(setup_of(**WORKS["segments"])), expected)


def test_steps_are_recorded_on_a_gpu_where_each_seed_decides_all_dropout() -> None:
    setup, stacked = setup_of(), setup_of(layers=2, dropout=0.3)
    on_gpu = replace(setup.runtime, device=torch.device("cuda", 0))

    def of(setup: TrainingSetup, **changes: Any) -> Recorder | None:
        return recorder(replace(setup, runtime=replace(on_gpu, **changes)))

    assert of(setup) is not None
    assert of(setup_of(layers=2, dropout=0.0)) is not None
    assert of(stacked) is None
    assert of(setup, world=World(rank=1, local_rank=1, size=2)) is None
    assert recorder(setup) is None
