"""Rounds: trainings of growing length, one after the other, until a longer one is no better.

How long to train differs between data sets by a factor of thirty, and a learning rate that has not come down forecasts
worse than one that has. So the steps of a training are spent on whole schedules, each three times as long as the one
before, and validation says which was right. An ensemble goes on with that length, from other seeds.
"""

from collections.abc import Sequence
from itertools import pairwise

from seqcast.config import TrainingConfig, round_lengths
from seqcast.training.counters import MemberRecord

PATIENT_VALIDATIONS, FEWEST_PATIENT_STEPS = 10, 100
"""Patience of a training that is not told another: validations, and the least number of steps."""
NEARLY_BEST = 0.02
"""Part of the loss by which a network may be worse than the best and still forecast beside it."""


def patience(training: TrainingConfig) -> int:
    """Steps without improvement before a network is trained no further."""
    assert training.validate_every is not None
    return training.patience or max(PATIENT_VALIDATIONS * training.validate_every, FEWEST_PATIENT_STEPS)


def default_interval(max_steps: int) -> int:
    """Steps between validations of a training of `max_steps`."""
    return max(1, max_steps // 40)


def most_steps(training: TrainingConfig) -> int:
    """Largest number of steps of all networks of a training together, without those of refits."""
    assert training.max_steps is not None
    lengths = round_lengths(training.max_steps, training.rounds)
    return sum(lengths) + (training.ensemble - 1) * lengths[-1]


def steps_before(training: TrainingConfig, trained: Sequence[MemberRecord]) -> int:
    """Steps that these networks might have taken together, without those of refits."""
    return sum(next_length(training, trained[:number]) or 0 for number in range(len(trained)))


def most_members(training: TrainingConfig) -> int:
    """Largest number of networks that a training may have."""
    assert training.max_steps is not None
    return len(round_lengths(training.max_steps, training.rounds)) + training.ensemble - 1


def next_length(training: TrainingConfig, trained: Sequence[MemberRecord]) -> int | None:
    """Steps of the network after those that were trained; None after the last."""
    assert training.max_steps is not None
    lengths = round_lengths(training.max_steps, training.rounds)
    rounds = trained[: len(lengths)]
    for number, (before, after) in enumerate(pairwise(rounds), start=2):
        if after.best.validation_loss >= before.best.validation_loss:
            rounds, lengths = rounds[:number], lengths[:number]
            break
    if len(trained) < len(lengths):
        return lengths[len(trained)]
    if len(trained) >= len(lengths) + training.ensemble - 1:
        return None
    return min(zip(rounds, lengths, strict=True), key=lambda pair: pair[0].best.validation_loss)[1]


def forecasting(trained: Sequence[MemberRecord], *, starts_trained: bool = False) -> list[int]:
    """Indices of the networks that are nearly as good as the best; one that stayed at an untrained start is none."""
    improved = [number for number, record in enumerate(trained) if starts_trained or record.best_step > 0]
    if not improved:
        return []
    best = min(trained[number].best.validation_loss for number in improved)
    limit = best + NEARLY_BEST * abs(best)
    return [number for number in improved if trained[number].best.validation_loss <= limit]
