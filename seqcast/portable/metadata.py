"""The metadata of an exported model: all that is known of its run besides the networks, as one JSON document.

    {"format_version": 1, "run": run.json, "config": config.toml, "scalers": {"target": {"mean": [...], ...}, ...},
     "inputs": {"target": ["y"], "calendar": ["sin-day", ...], ...}}

No torch here, so that an exported model forecasts without it.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationError

from seqcast.config import MOST_CATEGORICAL, Config, parse_config
from seqcast.errors import Place, RunError, UsageError
from seqcast.panel.calendar import calendar_names
from seqcast.panel.frequency import Frequency, parse_frequency
from seqcast.panel.holidays import holiday_names
from seqcast.run.agreement import require_agreement, require_known_holidays
from seqcast.run.record import MODEL_FILE, Count, Part, RunRecord, dump_record, record_from
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.tensors.scaling import (
    MAX_CATEGORY_LENGTH,
    ROLES,
    CovariateScalers,
    Moments,
    PanelScalers,
)

METADATA_KEY = "seqcast"
FORMAT_VERSION = 1
"""Version of the metadata and of the inputs of the graph. Raise it when a name or a meaning changes."""
LARGEST_METADATA = 128 * 2**20
MOST_MARKS = 30_000
"""Largest number of [, { and : outside of strings."""
_LONGEST_SHOWN = 80

Finite = Annotated[float, Field(allow_inf_nan=False)]
Categories = tuple[Annotated[str, Field(max_length=MAX_CATEGORY_LENGTH)], ...]


class MomentsPart(Part):
    """`Moments` as lists."""

    count: tuple[Count, ...]
    mean: tuple[Finite, ...]
    variance: tuple[Annotated[float, Field(ge=0)], ...]
    scale: tuple[Annotated[float, Field(gt=0)], ...]

    @classmethod
    def of(cls, moments: Moments) -> Self:
        """The moments as lists."""
        return cls(**{name: tuple(getattr(moments, name).tolist()) for name in cls.model_fields})

    def moments(self, size: int) -> Moments:
        """The moments of `size` groups.

        Raises:
            ValueError: These are the moments of more or fewer.
        """
        columns = {name: np.array(getattr(self, name)) for name in type(self).model_fields}
        if {len(column) for column in columns.values()} != {size}:
            raise ValueError(f"it has not the scalers of {size:,} series or columns")
        return Moments(columns.pop("count").astype(np.int64), **{n: c.astype(np.float64) for n, c in columns.items()})


class CovariatesPart(Part):
    """`CovariateScalers` as lists."""

    numeric: MomentsPart
    categories: Annotated[tuple[Categories, ...], Field(max_length=MOST_CATEGORICAL)]

    @classmethod
    def of(cls, scalers: CovariateScalers) -> Self:
        """The scalers as lists."""
        names = tuple(tuple(column.tolist()) for column in scalers.categories)
        return cls(numeric=MomentsPart.of(scalers.numeric), categories=names)

    def scalers(self, num_numeric: int, num_codes: tuple[int, ...]) -> CovariateScalers:
        """The scalers of so many numeric columns, and of categorical ones with so many codes.

        Raises:
            ValueError: These are other ones.
        """
        tables = tuple(np.array(column, dtype=np.str_) for column in self.categories)
        if tuple(len(table) + 1 for table in tables) != num_codes or any((t[1:] <= t[:-1]).any() for t in tables):
            raise ValueError("its categories do not fit the networks")
        return CovariateScalers(self.numeric.moments(num_numeric), tables)


class ScalersPart(Part):
    """`PanelScalers` as lists."""

    target: MomentsPart
    known: CovariatesPart
    past: CovariatesPart
    static: CovariatesPart


@dataclass(frozen=True, eq=False)
class ModelCard:
    """A run without its networks."""

    record: RunRecord
    config: Config
    scalers: PanelScalers
    frequency: Frequency

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the quantiles that the model forecasts; none for points."""
        return self.config.model.quantiles if self.config.training.loss == "quantile" else ()

    def inputs(self) -> dict[str, tuple[str, ...]]:
        """The columns of each input of the graph that has columns."""
        columns, data = self.record.columns, self.config.data
        texts = set(self.record.data.read_options.text)
        found: dict[str, tuple[str, ...]] = {"target": columns.target}
        for role in ROLES:
            own = getattr(columns, role)
            found[role] = tuple(name for name in own if name not in texts)
            found[f"{role}_codes"] = tuple(name for name in own if name in texts)
        found["calendar"] = (*calendar_names(data.calendar or ()), *holiday_names(data.holidays))
        return {name: names for name, names in found.items() if names}


def dump_card(card: ModelCard) -> str:
    """Return the JSON document; names of files of the run, and what was noticed in training, stay out of it.

    Raises:
        RunError: It would be too large to read back.
    """
    own = card.record
    data = own.data.model_copy(update={"path": "", "static_path": None})
    files = {MODEL_FILE: own.files[MODEL_FILE]}
    unneeded = {"choices": (), "notices": (), "parent": None, "attention": None}
    record = own.model_copy(update={"data": data, "files": files, **unneeded})
    scalers = ScalersPart(
        target=MomentsPart.of(card.scalers.target),
        **{role: CovariatesPart.of(getattr(card.scalers, role)) for role in ROLES},
    )
    text = json.dumps(
        {
            "format_version": FORMAT_VERSION,
            "run": json.loads(dump_record(record, "the run")),
            "config": card.config.model_dump(mode="json", exclude_none=True),
            "scalers": scalers.model_dump(mode="json"),
            "inputs": card.inputs(),
        }
    )
    if len(text) > LARGEST_METADATA:
        raise RunError(f"the scalers and names of this run are too long for one file ({len(text):,} bytes).")
    return text


def parse_card(text: str, file: str) -> ModelCard:
    """Return what the metadata of an exported model in `file` say.

    Raises:
        RunError: They are damaged, contradict themselves, or have another format version.
        UsageError: They need a library that is not installed.
    """
    place = Place(file=file)
    try:
        if len(text) > LARGEST_METADATA:
            raise ValueError(f"its metadata are longer than {LARGEST_METADATA:,} bytes")
        values = _object({METADATA_KEY: parse_json(text, MOST_MARKS)}, METADATA_KEY)
        _require_version(values, place)
        record = record_from(_object(values, "run"), file)
        config = parse_config(_object(values, "config"), "its metadata")
        card = ModelCard(record, config, _scalers(record, config, values), parse_frequency(record.frequency))
    except (ValueError, UsageError) as error:
        raise RunError(f"damaged: {str(error).rstrip('.')}.", place=place) from None
    require_agreement(record, config, file)
    require_known_holidays(config, card.frequency, file)
    return card


def _require_version(values: dict[str, Any], place: Place) -> None:
    version = values.get("format_version")
    if version != FORMAT_VERSION or type(version) is not int:
        raise RunError(
            f"its metadata have the format {str(version)[:20]}, and this seqcast reads {FORMAT_VERSION}.",
            place=place,
            hint="Export the run again with this seqcast, or use the one that wrote the file.",
        )


def _object(values: dict[str, Any], key: str) -> dict[str, Any]:
    match values.get(key):
        case dict(found):
            return found
        case _:
            raise ValueError(f"its metadata have no object {key!r}")


def _scalers(record: RunRecord, config: Config, values: dict[str, Any]) -> PanelScalers:
    """Return the scalers in the metadata, which must fit the run."""
    try:
        parts = ScalersPart.model_validate(_object(values, "scalers"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{key[:_LONGEST_SHOWN]!r} of its scalers: {first['msg']}") from None
    shape = record.shape
    calendar = (*calendar_names(config.data.calendar or ()), *holiday_names(config.data.holidays))
    sizes = {"known": shape.num_known - len(calendar), "past": shape.num_past, "static": shape.num_static}
    roles = {role: getattr(parts, role).scalers(sizes[role], getattr(shape, f"{role}_categories")) for role in ROLES}
    return PanelScalers(parts.target.moments(len(record.series_ids)), **roles)
