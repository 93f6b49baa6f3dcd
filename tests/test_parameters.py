"""A forecaster in the hands of scikit-learn."""

import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from seqcast import Config, Forecaster
from seqcast.errors import UsageError
from tests.running import CONTEXT, HORIZON, hours, wave

SMALL = Config().override(model={"hidden": 7, "location": "last"}, training={"max_steps": 3})


def test_a_clone_has_the_same_parameters_and_is_not_fitted() -> None:
    frame = pd.DataFrame({"ds": pd.to_datetime(hours(131)), "y": wave(131)})
    fitted = Forecaster(HORIZON, CONTEXT, config=SMALL).fit(frame)

    twin = clone(fitted)

    assert twin.get_params() == fitted.get_params()
    with pytest.raises(UsageError, match="this forecaster has not been fitted"):
        twin.predict()
    pd.testing.assert_frame_equal(twin.fit(frame).predict(), fitted.predict(), check_exact=True)


def test_parameters_are_those_that_were_given_and_every_setting() -> None:
    forecaster = Forecaster(24, config=SMALL)
    assert forecaster.get_params(deep=False) == {"horizon": 24, "context": None, "config": SMALL}
    deep = forecaster.get_params()
    assert (deep["config__model__hidden"], deep["config__training__seed"]) == (7, 0)
    assert forecaster.set_params(**deep).get_params() == deep


def test_a_grid_of_parameters_can_be_set() -> None:
    grid = ParameterGrid({"config__model__hidden": [11, 13], "horizon": [3]})
    made = [clone(Forecaster(config=SMALL)).set_params(**parameters) for parameters in grid]
    assert [each.settings.model.hidden for each in made] == [11, 13]
    assert {each.settings.model.horizon for each in made} == {3}
    assert {each.settings.training.max_steps for each in made} == {3}
    assert SMALL.model.hidden == 7


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"horizn": 3}, "a forecaster has no parameter 'horizn'"),
        ({"config__model__colour": 3}, "a forecaster has no parameter 'config__model__colour'"),
        ({"horizon": 5, "config__model__hidden": -1}, "hidden=-1: it should be greater than"),
        ({"context": 0, "config__training__seed": 5}, "context=0: it should be greater than"),
    ],
)
def test_a_wrong_parameter_is_refused_and_nothing_changes(parameters: dict[str, object], told: str) -> None:
    forecaster = Forecaster(24, config=SMALL)
    with pytest.raises(UsageError, match=told):
        forecaster.set_params(**parameters)
    assert forecaster.get_params() == Forecaster(24, config=SMALL).get_params()


def test_a_forecaster_is_printed_as_the_call_that_makes_it() -> None:
    assert repr(Forecaster()) == "Forecaster()"
    printed = repr(Forecaster(24, config=SMALL))
    assert printed == (
        "Forecaster(horizon=24, config=Config().override("
        "model={'location': 'last', 'hidden': 7}, training={'max_steps': 3}))"
    )
    made = eval(printed, {"Forecaster": Forecaster, "Config": Config})
    assert made.get_params() == Forecaster(24, config=SMALL).get_params()
