from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from seqcast.config import Config
from seqcast.errors import RunError, StoppedError
from seqcast.panel.panel import Panel
from seqcast.training.checkpoint import TrainedMember, load_state
from seqcast.training.counters import FORMAT_VERSION, ValidationRecord
from seqcast.training.loop import Hooks, train
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import ValidationScore
from tests.panels import one_thread, small_config, small_setup, wave_panel
from tests.training.states import contents, sealed, without

NUM_STEPS = 6


def setup_of(config: Config, panel: Panel | None = None, fingerprint: str = "data") -> TrainingSetup:
    """A training run about to start, as another process would make it."""
    return small_setup(panel or wave_panel(), config, fingerprint)


def stop_at(setup: TrainingSetup, step: int, resume_from: bytes | None = None) -> bytes:
    """The state that a signal after `step` leaves behind."""
    states: list[bytes] = []
    reached: list[int] = []
    hooks = Hooks(
        on_progress=lambda progress: reached.append(progress.step),
        save=lambda state, _history: states.append(state),
        stop_signal=lambda: signal.SIGINT if reached[-1] == step else None,
    )
    with pytest.raises(StoppedError):
        train(setup, hooks, None if resume_from is None else load_state(resume_from, setup))
    return states[-1]


def resumed(state: bytes, setup: TrainingSetup, hooks: Hooks = Hooks()) -> TrainedMember:
    return train(setup, hooks, load_state(state, setup))


def assert_same_result(found: TrainedMember, expected: TrainedMember) -> None:
    assert found.record == expected.record
    assert found.weights.keys() == expected.weights.keys()
    assert all(torch.equal(found.weights[name], expected.weights[name]) for name in expected.weights)


DIRECT: dict[str, Any] = {"dropout": 0.3, "layers": 2}
AUTOREGRESSIVE: dict[str, Any] = {"decoding": "autoregressive", "dropout": 0.3, "cell": "gru"}
# In these some parameters get no gradient, and so have no optimizer state to come back.
WITHOUT_GRADIENT: dict[str, Any] = {"attention": "none", "bidirectional": True}
WORKS = {"direct": DIRECT, "autoregressive": AUTOREGRESSIVE, "no attention, bidirectional": WITHOUT_GRADIENT}


@pytest.mark.parametrize("work", WORKS)
def test_a_run_stopped_after_any_step_and_resumed_is_the_uninterrupted_run(work: str) -> None:
    config = small_config(model=WORKS[work])
    expected = train(setup_of(config))

    for step in range(1, NUM_STEPS + 1):
        state = stop_at(setup_of(config), step)
        torch.manual_seed(step)  # what another process's generator might hold
        assert_same_result(resumed(state, setup_of(config)), expected)


@pytest.mark.parametrize("work", ["direct", "autoregressive"])
def test_a_run_stopped_twice_is_the_uninterrupted_run(work: str) -> None:
    config = small_config(model=WORKS[work])
    expected = train(setup_of(config))

    first = stop_at(setup_of(config), 1)
    second = stop_at(setup_of(config), 5, resume_from=first)

    assert_same_result(resumed(second, setup_of(config)), expected)


def test_a_run_killed_after_a_validation_is_the_uninterrupted_run() -> None:
    config = small_config(model=DIRECT)
    states: list[bytes] = []
    expected = train(setup_of(config), Hooks(save=lambda state, _history: states.append(state)))

    assert len(states) == 3
    for state in states:
        assert_same_result(resumed(state, setup_of(config)), expected)


def test_a_run_stopped_just_before_its_patience_ends_is_the_uninterrupted_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def constant(setup: TrainingSetup, _network: torch.nn.Module) -> ValidationScore:
        return ValidationScore(1.0, 0.5, torch.ones(len(setup.validation_series)))

    monkeypatch.setattr("seqcast.training.loop.validate", constant)
    config = small_config(training={"patience": 2, "max_steps": 50})
    expected = train(setup_of(config))

    state = stop_at(setup_of(config), 3)

    few = "few windows to judge by, so try a longer validation part"
    assert expected.record.ended_by == f"no improvement beyond doubt in 2 validations; {few}"
    assert_same_result(resumed(state, setup_of(config)), expected)


def test_resuming_a_finished_run_does_no_further_step() -> None:
    states: list[bytes] = []
    expected = train(setup_of(small_config()), Hooks(save=lambda state, _history: states.append(state)))
    told: list[object] = []

    again = resumed(states[-1], setup_of(small_config()), Hooks(on_progress=told.append))

    assert told == []
    assert_same_result(again, expected)


def test_training_with_another_batch_order_is_another_run() -> None:
    """Without this the tests above could not fail."""
    state = stop_at(setup_of(small_config(model=DIRECT)), 3)
    tensors, counters = contents(state)
    earlier = sealed(tensors, counters | {"step": 2})

    expected = train(setup_of(small_config(model=DIRECT)))
    found = resumed(earlier, setup_of(small_config(model=DIRECT)))

    assert found.record.history != expected.record.history


@pytest.fixture(scope="module")
def state() -> bytes:
    with one_thread():
        return stop_at(setup_of(small_config()), 3)


def test_a_resealed_checkpoint_is_accepted(state: bytes) -> None:
    """Without this the tests below could not fail."""
    load_state(sealed(*contents(state)), setup_of(small_config()))


def test_no_tensor_may_be_missing(state: bytes) -> None:
    tensors, counters = contents(state)
    setup = setup_of(small_config())
    kinds = {name.split(".")[0] for name in tensors}

    assert kinds == {"network", "averaged", "best", "optimizer", "start_losses"}
    for name in tensors:
        with pytest.raises(RunError, match=r"checkpoint\.safetensors is incomplete: .*--overwrite"):
            load_state(sealed(without(tensors, name), counters), setup)


def test_no_tensor_may_have_another_shape(state: bytes) -> None:
    tensors, counters = contents(state)
    setup = setup_of(small_config())

    for name, value in tensors.items():
        longer = torch.cat([value.flatten(), torch.zeros(1)])
        with pytest.raises(RunError, match=r"checkpoint\.safetensors is incomplete: "):
            load_state(sealed(tensors | {name: longer}, counters), setup)


def test_no_counter_may_be_missing(state: bytes) -> None:
    tensors, counters = contents(state)
    setup = setup_of(small_config())

    assert {"format", "identity", "step", "history", "stale_validations"} <= counters.keys()
    for name in counters:
        with pytest.raises(RunError, match=r"checkpoint\.safetensors (is incomplete|has format None|belongs to other)"):
            load_state(sealed(tensors, without(counters, name)), setup)


def test_no_field_of_a_validation_may_be_missing(state: bytes) -> None:
    tensors, counters = contents(state)
    setup = setup_of(small_config())

    for name in ValidationRecord.__dataclass_fields__:
        history = [without(record, name) for record in counters["history"]]
        with pytest.raises(RunError, match=f"incomplete: .*{name}"):
            load_state(sealed(tensors, counters | {"history": history}), setup)


@pytest.mark.parametrize(
    ("name", "value"),
    [("step", "three"), ("step", [3]), ("loss_sum", None), ("history", 7), ("without_moments", None), ("step", 1e999)],
)
def test_counters_of_another_kind_are_refused(state: bytes, name: str, value: object) -> None:
    tensors, counters = contents(state)

    with pytest.raises(RunError, match=r"incomplete|damaged"):
        load_state(sealed(tensors, counters | {name: value}), setup_of(small_config()))


def test_a_state_that_is_no_table_of_counters_is_refused(state: bytes) -> None:
    with pytest.raises(RunError, match="damaged"):
        load_state(sealed(contents(state)[0], ["step", 3]), setup_of(small_config()))


def test_another_format_is_refused(state: bytes) -> None:
    tensors, counters = contents(state)
    newer = sealed(tensors, counters | {"format": FORMAT_VERSION + 1})

    with pytest.raises(RunError, match=f"has format {FORMAT_VERSION + 1}, this seqcast reads {FORMAT_VERSION}"):
        load_state(newer, setup_of(small_config()))


OTHER_OPTIONS: tuple[dict[str, dict[str, Any]], ...] = (
    {"training": {"seed": 1}},
    {"training": {"max_steps": 7}},
    {"training": {"learning_rate": 0.001}},
    {"model": {"dropout": 0.2}},
    {"model": {"hidden": 5}},
    {"data": {"validation_size": 8}},
)


@pytest.mark.parametrize("options", OTHER_OPTIONS)
def test_a_state_of_other_options_is_refused(state: bytes, options: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(RunError, match=r"belongs to other data or options than these\. Resume with the same"):
        resumed(state, setup_of(small_config(**options)))


def test_a_state_of_other_data_is_refused(state: bytes) -> None:
    with pytest.raises(RunError, match="belongs to other data or options"):
        resumed(state, setup_of(small_config(), fingerprint="other data"))


def test_the_device_is_no_part_of_the_work(state: bytes) -> None:
    elsewhere = small_config(training={"device": "cuda", "precision": "auto"})

    resumed(state, setup_of(elsewhere))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: b"",
        lambda state: state[:5],
        lambda state: state[: len(state) // 2],
        lambda state: state[:-1],
        lambda state: state + b"\0",
        lambda state: b"not safetensors at all",
        lambda state: save(load(state)),
        lambda state: save(load(state), metadata={"state": "{}"}),
    ],
)
def test_damaged_bytes_are_refused(state: bytes, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(RunError, match=r"checkpoint\.safetensors is damaged: .* Start afresh with --overwrite"):
        load_state(spoil(state), setup_of(small_config()))


def places(state: bytes) -> Iterable[int]:
    """Places in the header, in its text, and in every tensor."""
    header_end = 8 + int.from_bytes(state[:8], "little")
    return [*range(0, header_end, 97), *np.linspace(header_end, len(state) - 1, 40).astype(int).tolist()]


def test_a_flipped_bit_anywhere_is_refused(state: bytes) -> None:
    setup = setup_of(small_config())

    for place in places(state):
        flipped = bytearray(state)
        flipped[place] ^= 4
        with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
            load_state(bytes(flipped), setup)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_bytes_are_refused(state: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(state) - 4))
    other = data.draw(st.binary(min_size=4, max_size=4).filter(lambda part: part.strip() and part not in state))

    with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
        load_state(state[:place] + other + state[place + 4 :], setup_of(small_config()))
