"""The finished run whose networks another training takes up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from seqcast.errors import RunError, option
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork
from seqcast.run.directory import RunDirectory
from seqcast.run.load import TrainedModel, load_trained_model
from seqcast.run.record import MODEL_FILE, ParentRecord, RunRecord


@dataclass(frozen=True, eq=False)
class Parent:
    """A finished run with its model."""

    directory: RunDirectory
    record: RunRecord
    model: TrainedModel

    @property
    def reference(self) -> ParentRecord:
        """What the record of the other run keeps of this one."""
        return ParentRecord(path=str(self.directory.path.resolve()), checksum=self.record.files[MODEL_FILE])

    @property
    def validated_networks(self) -> tuple[ForecastNetwork, ...]:
        """The trained networks before they took in the validation part; none where the linear start forecasts alone."""
        return self._trained(self.model.as_validated.network)

    @property
    def final_networks(self) -> tuple[ForecastNetwork, ...]:
        """The trained networks that forecast; the same as the others where a run was not refitted."""
        return self._trained(self.model.network)

    def _trained(self, ensemble: Ensemble) -> tuple[ForecastNetwork, ...]:
        return ensemble.networks[int(self.model.linear_share > 0) :]


def load_parent(directory: RunDirectory, device: torch.device) -> Parent:
    """Read a finished run.

    Raises:
        RunError: It is absent or damaged, or its training has not finished.
    """
    record = directory.read_record()
    return Parent(directory, record, load_trained_model(directory, record, device))


def load_same_parent(reference: ParentRecord, device: torch.device) -> Parent:
    """Read the parent of a run that is resumed.

    Raises:
        RunError: It is absent or damaged, or is not what it was.
    """
    directory = RunDirectory(Path(reference.path))
    parent = load_parent(directory, device)
    if parent.reference.checksum != reference.checksum:
        raise RunError(
            f"{directory.path}: the run that is resumed took its networks from here, and these are others now.",
            hint=f"Restore the directory from a copy, or start afresh with {option('overwrite')}.",
        )
    return parent
