from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from seqcast.errors import RunError
from seqcast.training.checkpoint import TrainedMember, load_state
from seqcast.training.counters import FORMAT_VERSION, ValidationRecord
from seqcast.training.loop import train
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import ValidationScore
from tests.panels import one_thread, small_config, small_setup, wave_panel
from tests.training.improvement import Interruption, let_training_improve, stopped_after_every_step, stopped_state
from tests.training.states import contents, sealed, without

WORKS: dict[str, dict[str, Any]] = {
    "direct": {"dropout": 0.3, "layers": 2},
    "segments": {"dropout": 0.3, "segment": 3},
    "autoregressive": {"decoding": "autoregressive", "dropout": 0.3, "cell": "gru"},
    # Some of its parameters get no gradient, and so have no optimizer state to come back.
    "no attention, bidirectional": {"attention": "none", "bidirectional": True},
}


def setup_of(fingerprint: str = "data", **sections: dict[str, Any]) -> TrainingSetup:
    """A training about to start, as another process would make it."""
    return small_setup(wave_panel(), small_config(**sections), fingerprint)


def assert_same_member(found: TrainedMember, expected: TrainedMember) -> None:
    assert found.record == expected.record
    assert found.weights.keys() == expected.weights.keys()
    assert all(torch.equal(found.weights[name], expected.weights[name]) for name in expected.weights)


@pytest.mark.parametrize("work", WORKS)
def test_a_run_stopped_after_every_step_and_resumed_is_the_uninterrupted_run(
    work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_training_improve(monkeypatch)
    sections: dict[str, Any] = {"model": WORKS[work], "training": {"refit": True, "batch_size": 32}}
    watched = Interruption()
    expected = train(setup_of(**sections), watched.hooks)

    found, states = stopped_after_every_step(train, setup_of(**sections))

    assert len(states) == 6 + 6  # steps and those of the refit
    assert states[-1] == watched.saved
    assert_same_member(found, expected)
    assert any(not torch.equal(expected.weights[name], value) for name, value in expected.selected.items())


def test_a_run_stopped_just_before_its_patience_ends_is_the_uninterrupted_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def constant(_setup: TrainingSetup, _network: torch.nn.Module) -> ValidationScore:
        return ValidationScore(1.0, 0.5)

    monkeypatch.setattr("seqcast.training.loop.validate", constant)
    setup = setup_of(training={"patience": 4, "max_steps": 50})
    expected = train(setup)

    assert expected.record.ended_by == "no improvement in 4 steps"
    assert_same_member(stopped_after_every_step(train, setup)[0], expected)


@pytest.fixture(scope="module")
def setup() -> TrainingSetup:
    with one_thread():
        return setup_of()


@pytest.fixture(scope="module")
def state(setup: TrainingSetup) -> bytes:
    with one_thread():
        return stopped_state(train, setup, after=3)


def test_training_with_another_batch_order_is_another_run(setup: TrainingSetup, state: bytes) -> None:
    """Without this the tests above could not fail."""
    tensors, counters = contents(state)

    found = train(setup, state=load_state(sealed(tensors, counters | {"step": 2}), setup))

    assert found.record.history != train(setup).record.history


def test_a_resealed_checkpoint_is_accepted(setup: TrainingSetup, state: bytes) -> None:
    """Without this the tests below could not fail."""
    load_state(sealed(*contents(state)), setup)


def test_no_tensor_may_be_missing_or_have_another_shape(setup: TrainingSetup, state: bytes) -> None:
    tensors, counters = contents(state)

    assert {name.split(".")[0] for name in tensors} == {"network", "averaged", "best", "optimizer"}
    for name in tensors:
        with pytest.raises(RunError, match=r"checkpoint\.safetensors is incomplete: .*overwrite"):
            load_state(sealed(without(tensors, name), counters), setup)
    for name, value in {name.split(".")[0]: (name, value) for name, value in tensors.items()}.values():
        longer = torch.cat([value.flatten(), torch.zeros(1)])
        with pytest.raises(RunError, match=r"checkpoint\.safetensors is incomplete: .*overwrite"):
            load_state(sealed(tensors | {name: longer}, counters), setup)


def test_no_counter_may_be_missing(setup: TrainingSetup, state: bytes) -> None:
    tensors, counters = contents(state)

    assert {"format", "identity", "step", "history", "best_step"} <= counters.keys()
    for name in counters:
        with pytest.raises(RunError, match=r"checkpoint\.safetensors (is incomplete|has format None|belongs to other)"):
            load_state(sealed(tensors, without(counters, name)), setup)


def test_no_field_of_a_validation_may_be_missing(setup: TrainingSetup, state: bytes) -> None:
    tensors, counters = contents(state)

    for name in ValidationRecord.__dataclass_fields__:
        history = [without(record, name) for record in counters["history"]]
        with pytest.raises(RunError, match=f"incomplete: .*{name}"):
            load_state(sealed(tensors, counters | {"history": history}), setup)


@pytest.mark.parametrize("changed", [{"history": []}, {"best_loss": None}, {"loss_sum": None}])
def test_a_state_without_a_validation_is_refused(changed: dict[str, Any], setup: TrainingSetup, state: bytes) -> None:
    tensors, counters = contents(state)

    with pytest.raises(RunError, match="incomplete"):
        load_state(sealed(tensors, counters | changed), setup)


def test_another_format_is_refused(setup: TrainingSetup, state: bytes) -> None:
    tensors, counters = contents(state)

    with pytest.raises(RunError, match=f"has format {FORMAT_VERSION + 1}, this seqcast reads {FORMAT_VERSION}"):
        load_state(sealed(tensors, counters | {"format": FORMAT_VERSION + 1}), setup)


OTHER_WORKS: tuple[dict[str, Any], ...] = (
    {"training": {"seed": 1}},
    {"training": {"max_steps": 7}},
    {"training": {"learning_rate": 0.001}},
    {"model": {"dropout": 0.2}},
    {"model": {"hidden": 5}},
    {"data": {"validation_size": 8}},
    {"fingerprint": "other data"},
)


@pytest.mark.parametrize("other", OTHER_WORKS)
def test_a_state_of_other_work_is_refused(state: bytes, other: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"belongs to other data or options than these\. Resume with the same"):
        load_state(state, setup_of(**other))


def test_the_device_is_no_part_of_the_work(state: bytes) -> None:
    load_state(state, setup_of(training={"device": "cuda", "precision": "auto"}))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state[:5],
        lambda state: state[:-1],
        lambda state: state + b"\0",
        lambda state: save(load(state), metadata={"state": "{}"}),
    ],
)
def test_damaged_bytes_are_refused(spoil: Callable[[bytes], bytes], setup: TrainingSetup, state: bytes) -> None:
    with pytest.raises(RunError, match=r"checkpoint\.safetensors is damaged: .* Start afresh with"):
        load_state(spoil(state), setup)


def test_a_flipped_bit_anywhere_is_refused(setup: TrainingSetup, state: bytes) -> None:
    header_end = 8 + int.from_bytes(state[:8], "little")

    for place in [*range(0, header_end, 97), *np.linspace(header_end, len(state) - 1, 40).astype(int).tolist()]:
        flipped = bytearray(state)
        flipped[place] ^= 4
        with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
            load_state(bytes(flipped), setup)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_bytes_are_refused(setup: TrainingSetup, state: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(state) - 4))
    other = data.draw(st.binary(min_size=4, max_size=4).filter(lambda part: part.strip() and part not in state))

    with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
        load_state(state[:place] + other + state[place + 4 :], setup)
