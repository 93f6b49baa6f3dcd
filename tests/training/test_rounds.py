from itertools import pairwise

import pytest
import torch

from seqcast import config
from seqcast.config import GROWTH, MOST_ROUNDS, TrainingConfig, round_lengths
from seqcast.training.counters import MemberRecord, ValidationRecord
from seqcast.training.fit import fit
from seqcast.training.rounds import forecasting, most_members, next_length
from seqcast.training.setup import TrainingSetup
from tests.panels import small_config, small_setup, wave_panel
from tests.training.improvement import Interruption, assert_same_fit, let_training_improve, stopped_after_every_step


def trained_to(loss: float, start: float = 9.0) -> MemberRecord:
    """The record of a network that came from one validation loss to another."""
    history = tuple(ValidationRecord(step, 0.0, each, None, 0.1, 1) for step, each in ((0, start), (5, loss)))
    return MemberRecord(history=history, best_step=5 if loss < start else 0, num_steps=5, ended_by="budget spent")


def lengths_of(losses: list[float], max_steps: int = 1300, ensemble: int = 1) -> list[int]:
    """Lengths of the networks that are trained when they reach these losses, one after the other."""
    training = TrainingConfig(max_steps=max_steps, ensemble=ensemble)
    found: list[int] = []
    while (length := next_length(training, [trained_to(loss) for loss in losses[: len(found)]])) is not None:
        found.append(length)
    assert len(found) <= most_members(training)
    return found


@pytest.mark.parametrize("max_steps", [1, 6, 399, 400, 1299, 1300, 5000, 5001, 10_000_000])
def test_rounds_grow_and_their_sum_is_within_the_steps(max_steps: int) -> None:
    lengths = round_lengths(max_steps)

    assert 1 <= len(lengths) <= MOST_ROUNDS
    assert max_steps - len(lengths) < sum(lengths) <= max_steps
    assert all(0 <= later - GROWTH * earlier < GROWTH for earlier, later in pairwise(lengths))


@pytest.mark.parametrize(("max_steps", "count"), [(399, 1), (400, 2), (1299, 2), (1300, 3)])
def test_a_short_training_has_fewer_rounds(max_steps: int, count: int) -> None:
    assert len(round_lengths(max_steps)) == count


@pytest.mark.parametrize(
    ("losses", "lengths"),
    [
        ([4.0, 3.0, 2.0], [100, 300, 900]),
        ([4.0, 4.0], [100, 300]),
        ([4.0, 4.5], [100, 300]),
        ([4.0, 3.97, 3.96], [100, 300, 900]),
        ([-4.0, -3.99], [100, 300]),  # such as those of a density
        ([-4.0, -4.1, -4.2], [100, 300, 900]),
    ],
)
def test_a_longer_round_follows_while_the_last_was_better(losses: list[float], lengths: list[int]) -> None:
    assert lengths_of(losses) == lengths


@pytest.mark.parametrize(
    ("losses", "lengths"),
    [
        ([4.0, 3.0, 2.0, 2.0, 2.0], [100, 300, 900, 900, 900]),
        ([4.0, 4.5, 4.0, 4.0], [100, 300, 100, 100]),
        ([4.0, 3.0, 3.5, 3.0, 3.0], [100, 300, 900, 300, 300]),
    ],
)
def test_an_ensemble_goes_on_with_the_best_length(losses: list[float], lengths: list[int]) -> None:
    assert lengths_of(losses, ensemble=3) == lengths


def test_the_networks_of_an_ensemble_do_not_reopen_the_rounds() -> None:
    assert lengths_of([4.0, 4.5, 1.0, 0.5], ensemble=3) == [100, 300, 100, 100]


@pytest.mark.parametrize(
    ("losses", "chosen"),
    [([], []), ([9.0, 10.0], []), ([4.0, 3.0, 3.05, 3.07], [1, 2]), ([-3.0, -3.05, -2.9], [0, 1])],
)
def test_networks_within_two_percent_of_the_best_forecast(losses: list[float], chosen: list[int]) -> None:
    assert forecasting([trained_to(loss) for loss in losses]) == chosen


def in_rounds(**training: int) -> TrainingSetup:
    """A training of two steps, of six, and of one network more."""
    config = small_config(
        model={"segment": 3, "dropout": 0.3},
        training={"max_steps": 8, "batch_size": 5, "refit": True, "ensemble": 2, **training},
    )
    return small_setup(wave_panel(), config)


@pytest.fixture
def _short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SHORTEST_ROUND", 2)
    let_training_improve(monkeypatch)


@pytest.mark.usefixtures("_short_rounds")
def test_rounds_stopped_after_every_step_and_resumed_are_the_uninterrupted_ones() -> None:
    watched = Interruption()
    torch.manual_seed(1)
    whole = fit(in_rounds(), watched.hooks)

    found, states = stopped_after_every_step(fit, in_rounds())

    assert [progress.member for progress in watched.told if progress.step == 1 and not progress.refit][:2] == [1, 2]
    steps = [(progress.member, progress.max_steps) for progress in watched.told if not progress.refit]
    assert steps[:8] == [(1, 2)] * 2 + [(2, 6)] * 6
    assert {member for member, _ in steps} == {1, 2, 3}
    assert {progress.num_members for progress in watched.told} == {3}
    shares = [progress.share for progress in watched.told]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(1 / 28)  # of 2 + 6 + 6 steps and as many of refits
    assert 0.9 < shares[-1] <= 1
    assert len(states) == len(watched.told)
    assert_same_fit(found, whole)


@pytest.mark.usefixtures("_short_rounds")
def test_every_round_and_network_has_a_seed_of_its_own_and_a_whole_schedule() -> None:
    setup = in_rounds()
    members = [setup.of_member(number, steps) for number, steps in enumerate((2, 6, 6))]

    assert len({each.config.training.seed for each in members}) == 3
    assert members[0].config.training.seed == setup.config.training.seed
    assert [each.config.training.max_steps for each in members] == [2, 6, 6]
    assert {each.identity for each in members} == {setup.identity}
    weights = [each.network.decoder.recurrence.state_dict() for each in members]
    assert not any(torch.equal(value, weights[2][name]) for name, value in weights[1].items() if "weight" in name)


def test_a_training_of_one_round_keeps_its_rhythm_of_validation() -> None:
    setup = in_rounds(validate_every=3)

    assert setup.of_member(0, 8).config.training.validate_every == 3
    assert setup.of_member(0, 6).config.training.validate_every == 1
