"""The parameters of a forecaster in the manner of scikit-learn: to read, to change, to clone and to print."""

from collections.abc import Iterable
from typing import Any, Self

from seqcast.config import LEVELS, Config, changed_settings, flat_settings
from seqcast.errors import UsageError, option

_NESTED = "config__"


class Parameters:
    """What `sklearn.base.clone` and searches over parameters ask of an estimator; scikit-learn is not imported.

    Attributes:
        horizon: As given.
        context: As given.
        config: As given.
    """

    def __init__(self, horizon: int | None, context: int | None, config: Config) -> None:
        self.horizon, self.context, self.config = horizon, context, config
        self.settings  # noqa: B018  # so that a value outside of its range is refused here

    @property
    def settings(self) -> Config:
        """The configuration, with the horizon and the context where they are given.

        Raises:
            UsageError: One of them is outside of its range.
        """
        given = {"horizon": self.horizon, "context": self.context}
        try:
            return self.config.override(model={name: value for name, value in given.items() if value is not None})
        except UsageError as error:
            error.for_python = True
            raise

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; `deep` adds each setting of the configuration, as `config__training__seed`."""
        own: dict[str, Any] = {"horizon": self.horizon, "context": self.context, "config": self.config}
        return own | (self._nested() if deep else {})

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters, by the names of `get_params`, for the next `fit`; returns self.

        Raises:
            UsageError: There is no such parameter, or a value is outside its range; then nothing is changed.
        """
        known = self.get_params()
        unknown = next((name for name in parameters if name not in known), None)
        if unknown is not None:
            raise UsageError(
                f"a forecaster has no parameter {unknown[:80]!r}.",
                hint="Its parameters are horizon, context, config and settings such as config__training__seed.",
            )
        own = {name: parameters.get(name, known[name]) for name in ("horizon", "context", "config")}
        sections: dict[str, dict[str, Any]] = {}
        for name in parameters.keys() & self._nested().keys():
            section, setting = name.removeprefix(_NESTED).split("__", 1)
            sections.setdefault(section, {})[setting] = parameters[name]
        try:
            changed = Parameters(**own | {"config": own["config"].override(**sections) if sections else own["config"]})
        except UsageError as error:
            error.for_python = True
            raise
        self.horizon, self.context, self.config = changed.horizon, changed.context, changed.config
        return self

    def _nested(self) -> dict[str, Any]:
        return {_NESTED + name.replace(".", "__"): value for name, value in flat_settings(self.config).items()}

    def __repr__(self) -> str:
        """The call that makes such a forecaster, with the parameters that are not the defaults."""
        words = [f"{name}={value}" for name, value in self.get_params(deep=False).items() if isinstance(value, int)]
        sections = ", ".join(f"{name}={values!r}" for name, values in changed_settings(self.config).items() if values)
        if sections:
            words.append(f"config=Config().override({sections})")
        return f"{type(self).__name__}({', '.join(words)})"


def require_whole(**numbers: object) -> None:
    """Check that arguments are whole numbers where they are given.

    Raises:
        UsageError: One is not; the message names it.
    """
    for name, value in numbers.items():
        if value is not None and not hasattr(value, "__index__"):
            raise UsageError(f"{option(name, repr(value)[:80])}: it should be a whole number.")


Levels = float | Iterable[float] | None
"""Levels of prediction intervals in percent: one, several, or those that are usual."""


def levels_of(level: Levels, levels: Levels) -> tuple[float, ...]:
    """The levels of the intervals that are asked for under one of the two names.

    Raises:
        UsageError: Both are given, or a level is not between 0 and 100, or is given twice.
    """
    if level is not None and levels is not None:
        raise UsageError("level and levels are two names of the same argument.", hint="Give one of them.")
    asked = level if levels is None else levels
    if asked is None:
        return LEVELS
    wanted = tuple(map(float, asked)) if isinstance(asked, Iterable) else (float(asked),)
    for each in wanted:
        if not 0 < each < 100:
            raise UsageError(f"An interval level must be between 0 and 100, got {each:g}.")
    if len(set(wanted)) < len(wanted):
        raise UsageError("A level is given twice.", hint="Give for example [80, 95].")
    return wanted
