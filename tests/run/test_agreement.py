from dataclasses import replace
from typing import Any

import pytest

from seqcast.config import Config
from seqcast.errors import RunError
from seqcast.run.agreement import require_agreement
from tests.run.making_records import FINISHED, RECORD, SHAPE

DATA = {"time": "ds", "target": ("y",), "id": "unique_id", "freq": "D"}
CONFIG = Config().override(data=DATA, model={"horizon": 5, "context": 11})


def test_a_run_agrees_with_its_own_configuration() -> None:
    require_agreement(RECORD, CONFIG, "run.json")
    require_agreement(FINISHED, CONFIG, "run.json")


def test_several_id_columns_are_called_by_the_usual_name() -> None:
    require_agreement(RECORD, CONFIG.override(data={"id": "shop,product"}), "run.json")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": replace(SHAPE, horizon=6)}, "the horizon"),
        ({"shape": replace(SHAPE, horizon=6, context=9)}, "the horizon, the context"),
        ({"frequency": "h"}, "the frequency"),
        ({"columns": replace(RECORD.columns, time="\x1b[31m")}, "the time columns"),
        ({"columns": replace(RECORD.columns, known=("y",))}, "the known columns"),
        ({"columns": replace(RECORD.columns, id="=cmd")}, "the id column"),
    ],
)
def test_a_value_that_contradicts_the_configuration_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(RunError, match=rf"a/run\.json: damaged: it contradicts config\.toml in {told}\. Restore"):
        require_agreement(RECORD.model_copy(update=change), CONFIG, "a/run.json")


@pytest.mark.parametrize(
    ("num_members", "linear_share", "training", "fits"),
    [
        (5, 0.5, {}, False),
        (5, 0.5, {"ensemble": 2}, True),
        (4, 0.5, {}, True),  # three rounds and the start
        (4, 0.0, {}, False),
        (4, 0.5, {"max_steps": 1299}, False),  # two rounds
        (3, 0.5, {"max_steps": 1299}, True),
        (2, 0.5, {"max_steps": 7}, True),
        (3, 0.5, {"max_steps": 7}, False),
        (1, 0.5, {}, False),  # the start and nothing beside it
        (1, 1.0, {}, True),
        (2, 1.0, {}, False),
    ],
)
def test_a_number_of_networks_that_the_training_cannot_have_is_refused(
    num_members: int, linear_share: float, training: dict[str, int], fits: bool
) -> None:
    changed = FINISHED.result.model_copy(update={"num_members": num_members, "linear_share": linear_share})
    record, config = FINISHED.model_copy(update={"result": changed}), CONFIG.override(training=training)
    if fits:
        require_agreement(record, config, "run.json")
    else:
        with pytest.raises(RunError, match="in the number of networks"):
            require_agreement(record, config, "run.json")
