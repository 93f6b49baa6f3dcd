"""Checks that run.json agrees with config.toml and with this machine, and a resumed run with its first settings."""

from seqcast.config import FREE_SETTINGS, Config, TrainingConfig, flat_settings, round_lengths
from seqcast.errors import Place, RunError, UsageError, option
from seqcast.panel.frequency import Frequency
from seqcast.panel.holidays import holidays_library, require_holidays
from seqcast.reading.roles import DEFAULT_ID
from seqcast.reading.table import MOST_EXAMPLES
from seqcast.run.record import CONFIG_FILE, ResultRecord, RunRecord

_ROLES = ("time", "target", "known", "past")


def require_agreement(record: RunRecord, config: Config, file: str) -> None:
    """Check that run.json (`record`, in `file`) and config.toml (`config`, without automatic values) say the same.

    Raises:
        RunError: They contradict each other.
    """
    told = {
        "horizon": (record.shape.horizon, config.model.horizon),
        "context": (record.shape.context, config.model.context),
        "frequency": (record.frequency, config.data.freq),
        **{f"{role} columns": (getattr(record.columns, role), getattr(config.data, role)) for role in _ROLES},
    }
    different = [name for name, (here, there) in told.items() if here != there]
    if record.columns.id not in (config.data.id, DEFAULT_ID):
        different.append("id column")
    if record.result is not None and not _may_have_trained(record.result, config.training):
        different.append("number of networks")
    if different:
        raise RunError(
            f"damaged: it contradicts {CONFIG_FILE} in the {', the '.join(different)}.",
            place=Place(file=file),
            hint="Restore the directory from a copy, or train again.",
        )


def _may_have_trained(result: ResultRecord, training: TrainingConfig) -> bool:
    """Whether so many networks can come from this training: one for each round, and the others of an ensemble.

    The linear start is counted beside them where it has a share, and is the only network where it has all.
    """
    if result.linear_share == 1:
        return result.num_members == 1
    num_rounds = training.rounds
    if training.max_steps is not None:
        num_rounds = len(round_lengths(training.max_steps, training.rounds))
    num_trained = result.num_members - (result.linear_share > 0)
    return 1 <= num_trained <= num_rounds + training.ensemble - 1


def require_same_settings(name: str, began: Config, now: Config, *others: str) -> None:
    """Check that the run `name` is resumed with the settings it began with; `others` are differences in words.

    Raises:
        RunError: A setting that affects the result was changed.
    """
    before, after = flat_settings(began), flat_settings(now)
    changed = [
        f"{key} was {before[key]!r} and is {after[key]!r} now"
        for key in before
        if key not in FREE_SETTINGS and before[key] != after[key]
    ]
    if changed or others:
        raise RunError(
            f"{name}: the run was begun with other data or options: {'; '.join([*changed, *others][:MOST_EXAMPLES])}.",
            hint=f"Resume with the same data and options, or start afresh with {option('overwrite')}.",
        )


def require_known_holidays(config: Config, frequency: Frequency, file: str) -> None:
    """Check that the library for holidays is installed and knows those of a run, whose settings are in `file`.

    Raises:
        UsageError: It is not installed.
        RunError: It does not know them.
    """
    if not config.data.holidays:
        return
    holidays_library()
    try:
        require_holidays(config.data.holidays, frequency)
    except UsageError as error:
        raise RunError(f"refused: {error}", place=Place(file=file)) from None
