"""The configuration of a run: the only home of every default, readable and writable as TOML.

A value of None means *automatic*: `training.plan` replaces it by a number chosen from the data and says why.
"""

import re
from collections import Counter
from typing import Annotated, Any, Literal, Self, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from seqcast.errors import UsageError, option

Attention = Literal["global", "local-m", "local-p", "none"]
Score = Literal["dot", "general", "concat", "location", "additive", "cosine", "hybrid"]
AdditiveOrder = Literal["previous", "current"]
Normaliser = Literal["softmax", "sparsemax"]
Decoding = Literal["direct", "autoregressive"]
Location = Literal["last", "season", "mean"]
Cell = Literal["lstm", "gru"]
NaiveForecast = Literal["naive", "seasonal_naive", "drift", "mean"]
"""Names of the naive forecasts, in tables and as members of a combination."""
NAIVE_FORECASTS: tuple[NaiveForecast, ...] = get_args(NaiveForecast)
NAIVE, SEASONAL_NAIVE = NAIVE_FORECASTS[:2]
Format = Literal["csv", "parquet", "json"]
"""Formats a table can be written in."""
Loss = Literal["quantile", "mae", "mse", "huber", "student-t"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Freeze = Literal["none", "encoder", "attention"]
Preset = Literal["fast", "best"]
TrackerName = Literal["tensorboard", "mlflow"]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")]

MOST_STEPS = 100_000
"""Longest context or horizon."""
MOST_QUANTILES = 999
MOST_CATEGORICAL = 1000
"""Largest number of categorical covariates in one role; each has a table of its own in the network."""
MOST_TRAINING_STEPS = 10_000_000
MOST_ROUNDS = 3
"""Largest number of rounds of growing length in a training."""
GROWTH = 3
"""Steps of a round over those of the one before."""
SHORTEST_ROUND = 100
"""Steps of the first round, if there is more than one."""
MOST_MEMBERS = 64
"""Largest number of networks in an ensemble."""
DURATION = r"(?P<number>\d*[1-9]\d*(\.\d+)?|\d+\.\d*[1-9]\d*)(?P<unit>s|m|min|h)?"
"""A duration above zero such as 600, 90s, 30m or 2h; a bare number counts seconds."""
Duration = Annotated[str, Field(pattern=f"^{DURATION}$")]
Length = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Names = Annotated[tuple[str, ...], Field(fail_fast=True)]
"""Any number of names; only the first one that is not text is reported."""

LEVELS = (80.0, 95.0)
"""Prediction intervals that are shown unless others are asked for, in percent."""
QUANTILES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)


class Section(BaseModel):
    """A frozen table of the configuration; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class DataConfig(Section):
    """The roles of the columns, and the split of the time axis."""

    target: Names = ()
    """Column to forecast; a,b,c in a wide table."""
    time: str | None = None
    """Time column."""
    id: str | None = None
    """Series id column of a long table; a,b joins two."""
    freq: str | None = None
    """Frequency, such as h, 15min, D, W-SUN or MS; inferred if not given."""
    timezone: str | None = None
    """Zone whose clock hours and days follow, such as Europe/Berlin; also that of times without an offset."""
    utc: bool = False
    """Times without an offset are UTC, not those of the zone's clock."""
    round: str | None = None
    """Step to which times are rounded, such as 10min, where clocks jitter."""
    resample: str | None = None
    """Step and function of the rows in it, such as 10min:mean (or sum, last, median)."""
    known: Names = ()
    """Covariates known in the future, a,b,c."""
    past: Names = ()
    """Covariates known only up to the last observation, a,b,c."""
    static: Names = ()
    """Covariates that do not change within a series, a,b,c."""
    calendar: Names | None = None
    """Calendar cycles the network is told of, such as day and week; those that recur in training if not given."""
    holidays: Annotated[Names, Field(max_length=20)] = ()
    """Public holidays as covariates known in the future, DE or DE-BY,US-NY; by the clock of the data."""
    validation_size: Annotated[int, Field(ge=1)] | None = None
    """Steps of each series kept for validation."""
    test_size: Annotated[int, Field(ge=0)] = 0
    """Last steps of each series, which training never sees."""
    non_negative: bool | None = None
    """Never forecast below zero; on where no training value is, if not given."""
    integer: bool = False
    """Forecast whole numbers."""

    @model_validator(mode="after")
    def _one_role_per_column(self) -> Self:
        columns = [*self.target, *self.known, *self.past, *self.static, *filter(None, (self.time, self.id))]
        twice = sorted(column for column, count in Counter(columns).items() if count > 1)
        if twice:
            raise ValueError(f"column {twice[0]!r} has two roles; give it one")
        return self


class ModelConfig(Section):
    """The shape of the network."""

    horizon: Length | None = None
    """Steps to forecast; chosen from the frequency if not given."""
    context: Length | None = None
    """Past steps to read; chosen from frequency and length if not given."""
    segment: Length | None = None
    """Steps the recurrence takes at once; 1 is one step at a time, as published."""
    location: Location | None = None
    """Zero of a window's units: its last value, the mean of its last season, or its mean."""
    attention: Attention = "global"
    """Lags that may be attended to: all, a window (local-m, local-p), or none."""
    score: Score = "general"
    """How a decoder state scores an encoder state."""
    additive_order: AdditiveOrder = "previous"
    """Decoder state in an additive score: previous (Bahdanau 2015) or current (Vinyals 2015)."""
    normaliser: Normaliser = "softmax"
    """Function that turns scores into weights."""
    decoding: Decoding = "direct"
    """Forecast all steps at once, or each from the one before."""
    input_feeding: bool = False
    """Join the last attentional state to the next decoder input (Luong 2015, section 3.3)."""
    repeat_context: bool = False
    """Join the encoder's final state to every decoder input (Cho 2014)."""
    reverse_input: bool = False
    """Read the context from its newest step to its oldest (Sutskever 2014)."""
    cell: Cell = "lstm"
    """Recurrent cell."""
    bidirectional: bool = False
    """Read the context in both directions."""
    hidden: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width of the recurrent state."""
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Number of stacked recurrent layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of values dropped in training."""
    copy_gate: bool = True
    """Let the forecast mix in the attended values themselves."""
    lag_bias: bool = True
    """Add a learned term for each step and lag to the attention score."""
    quantiles: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(max_length=MOST_QUANTILES)] = QUANTILES
    """Levels of the quantile head, increasing, with the median among them."""

    @model_validator(mode="after")
    def _order_belongs_to_the_additive_score(self) -> Self:
        if self.additive_order == "current" and self.score != "additive":
            raise ValueError("additive_order = current needs score = additive")
        return self

    @model_validator(mode="after")
    def _quantiles_increase_around_the_median(self) -> Self:
        if 0.5 not in self.quantiles or list(self.quantiles) != sorted(set(self.quantiles)):
            raise ValueError("quantiles must increase and contain 0.5")
        return self


class TrainingConfig(Section):
    """How the network is trained."""

    loss: Loss = "quantile"
    """Loss that training minimises."""
    max_steps: Annotated[int, Field(ge=1, le=MOST_TRAINING_STEPS)] | None = None
    """Most optimiser steps; chosen from the data if not given."""
    time_limit: Duration | None = None
    """Time to train, such as 90s, 10m or 2h, in place of the automatic steps."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Windows in each optimiser step; chosen from the data if not given."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 4e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 1e-2
    """Weight decay of AdamW."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest gradient norm."""
    schedule: Literal["cosine", "one-cycle"] = "cosine"
    """Course of the learning rate."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Steps without improvement before training stops; ten validations, and no fewer than 100 steps, if not given."""
    validate_every: Annotated[int, Field(ge=1)] | None = None
    """Optimiser steps between validations; chosen from the budget if not given."""
    refit: bool = True
    """Train on the validation part too, once it is known how long to train."""
    ensemble: Annotated[int, Field(ge=1, le=MOST_MEMBERS)] = 1
    """Networks trained from different seeds, whose forecasts are averaged."""
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS)] = MOST_ROUNDS
    """Most rounds of growing length."""
    freeze: Freeze = "none"
    """Part of the networks that --from does not train further."""
    precision: Precision = "auto"
    """Number format of matrix products."""
    device: Device = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Random seed; the same seed, machine and options give the same run."""


def round_lengths(max_steps: int, most_rounds: int = MOST_ROUNDS) -> tuple[int, ...]:
    """Steps of each round: each has `GROWTH` times those of the one before, and their sum is at most `max_steps`."""
    counts = range(1, most_rounds + 1)
    parts = [sum(GROWTH**number for number in range(count)) for count in counts]
    count = max((count for count in counts if max_steps >= SHORTEST_ROUND * parts[count - 1]), default=1)
    return tuple(max_steps * GROWTH**number // parts[count - 1] for number in range(count))


def duration_seconds(text: str) -> float:
    """Seconds of a duration that matches `DURATION`."""
    found = re.fullmatch(DURATION, text)
    assert found is not None
    return float(found["number"]) * {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}[found["unit"]]


class Config(Section):
    """Everything that decides what a training run does."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()

    def to_toml(self) -> str:
        """Return this configuration as TOML; automatic (None) values are left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def override(self, **sections: dict[str, Any]) -> "Config":
        """Return a validated copy in which the given values of each section replace this configuration's.

        Raises:
            UsageError: A value is outside its range or of the wrong type.
        """
        values = self.model_dump()
        for section, changes in sections.items():
            values[section].update(changes)
        return parse_config(values)


PRESETS: dict[Preset, dict[str, dict[str, Any]]] = {
    "fast": {"training": {"max_steps": 300, "refit": False}},
    "best": {"training": {"ensemble": 5}},
}
"""Settings under one name: a first look, and the last percent at several times the cost."""
FREE_SETTINGS = frozenset({"training.device", "training.precision"})
"""Settings that may differ when a stopped run is resumed."""


def flat_settings(config: Config) -> dict[str, object]:
    """Return every setting under its full name, such as `training.seed`."""
    sections = config.model_dump()
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}


def changed_settings(config: Config) -> dict[str, dict[str, Any]]:
    """Return the settings of each section that are not the defaults."""
    usual = Config().model_dump()
    return {
        section: {key: value for key, value in values.items() if value != usual[section][key]}
        for section, values in config.model_dump().items()
    }


_PATTERN_WORDS = {
    "device": "auto, cpu, cuda, cuda:N or mps",
    "time_limit": "a duration such as 600, 90s, 10m or 2h",
}


_PARSER_WORDS = (
    ("Value error, ", ""),
    ("Input should", "it should"),
    (", unable to parse string as an integer", ""),
    (", unable to parse string as a number", ""),
    (", got a number with a fractional part", ""),
    ("a valid integer", "a whole number"),
    ("a valid number", "a number"),
)
"""Words with which pydantic speaks of its own work, and those for a person."""


def plain_words(message: str) -> str:
    """What is wrong with a value, from a message of pydantic."""
    for words, plainly in _PARSER_WORDS:
        message = message.replace(words, plainly)
    return message


def parse_config(values: dict[str, Any], source: str | None = None) -> Config:
    """Validate nested values; `source` names the file they are from, in the message. Without one they are options.

    Raises:
        UsageError: A key is unknown or a value is outside its range or of the wrong type.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = plain_words(first["msg"])
        if first["type"] == "string_pattern_mismatch":
            what = f"it should be {_PATTERN_WORDS[str(first['loc'][-1])]}"
        if first["type"] != "value_error":
            key, value = ".".join(str(part) for part in first["loc"]), repr(first["input"])[:80]
            setting = str(first["loc"][:2][-1])
            is_option = source is None and first["type"] != "extra_forbidden"
            what = f"{option(setting, value) if is_option else f'{key} {value}'}: {what}"
        raise UsageError(f"{source}: {what}." if source else f"{what}.") from None
