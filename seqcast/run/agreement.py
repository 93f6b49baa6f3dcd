"""Whether run.json says what config.toml says of the same things."""

from __future__ import annotations

from seqcast.config import Config
from seqcast.data.roles import DEFAULT_ID
from seqcast.errors import Place, RunError
from seqcast.run.record import CONFIG_FILE, RunRecord

_ROLES = ("time", "target", "known", "past")


def require_agreement(record: RunRecord, config: Config, file: str) -> None:
    """Compare what both files of a run hold.

    Args:
        record: Content of run.json.
        config: Content of config.toml, with everything written out that was found or chosen.
        file: Name of run.json, for messages.

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
    if record.result is not None and record.result.num_members > config.training.ensemble + 1:
        different.append("number of networks")
    if different:
        raise RunError(
            f"damaged: it contradicts {CONFIG_FILE} in the {', the '.join(different)}.",
            place=Place(file=file),
            hint="Restore the directory from a copy, or train again.",
        )
