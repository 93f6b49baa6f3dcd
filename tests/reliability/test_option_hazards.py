"""Hazards of sizes and options."""

from pathlib import Path

import pytest

from tests.reliability.hazards import DATA, DONE, HUGE, USAGE, WARNED, Row, daily, each_of, expect, meet, orderly, panel

PLAIN = daily()
SHORT_SECOND = panel(["a"]) + panel(["b"], 9).partition("\n")[2]
SMALL = "--context 12 --horizon 3"
SIZES: list[Row] = [
    *(
        (f"horizon {value}", PLAIN, f"--horizon '{value}'", USAGE, "horizon")
        for value in ("0", "-1", "abc", "1.5", HUGE, "100001", "nan", "")
    ),
    *((f"context {value}", PLAIN, f"--context {value}", USAGE, "context") for value in ("0", "-7", "x", HUGE)),
    ("a context longer than the data", PLAIN, "--context 90", DATA, "longest series has 61 steps ... need"),
    ("a horizon longer than the data", PLAIN, "--horizon 90", DATA, "longest series has 61 steps ... need"),
    ("one row less than a window", daily(17), SMALL, DATA, "the longest series has 17 steps ... need 18"),
    ("just a window", daily(18), SMALL, DONE, ""),
    ("a series too short", SHORT_SECOND, SMALL, WARNED, "1 of 2 series have fewer than ... 'b'"),
    ("every series too short", panel(["a", "b"], 9), SMALL, DATA, "longest series has 9 steps ... need 18"),
    ("an unknown option", PLAIN, "--horizonn 3", USAGE, "No such option"),
    ("an option without value", PLAIN, "--horizon", USAGE, "--horizon"),
    ("two tables", PLAIN, "other.csv", USAGE, "unexpected extra argument"),
]


@each_of(SIZES)
def test_each_hazard_of_sizes_gets_what_it_must(hazard: Row, tmp_path: Path) -> None:
    meet(hazard, tmp_path)


ABSURD = [
    ("--hidden", "hidden", "0 -3 1000000000"),
    ("--hidden", "--hidden", "x"),
    ("--layers", "layers", "0 99"),
    ("--dropout", "dropout", "1 -0.1 nan"),
    ("--batch-size", "--batch-size", "0 10000000000"),
    ("--max-steps", "--max-steps", f"0 {HUGE}"),
    ("--learning-rate", "--learning-rate", "0 -1 inf nan"),
    ("--patience", "patience", "0"),
    ("--seed", "seed", f"-1 {HUGE}"),
    ("--validation-size", "--validation-size", "0"),
    ("--validation-size", "shorter than the horizon", "1"),
    ("--test-size", "--test-size", "-1"),
    ("--attention", "'everywhere'", "everywhere"),
    ("--score", "'psychic'", "psychic"),
    ("--loss", "'regret'", "regret"),
    ("--cell", "'rnn'", "rnn"),
    ("--decoding", "'backwards'", "backwards"),
    ("--precision", "'float8'", "float8"),
    ("--precision", "needs a GPU", "float16"),
    ("--device", "cuda:99", "cuda:99"),
    ("--device", "device", "toaster"),
    ("--config", "no such configuration file", "absent.toml"),
]


@pytest.mark.parametrize(
    ("option", "value", "word"), [(option, value, word) for option, word, values in ABSURD for value in values.split()]
)
def test_an_absurd_option_of_train_is_refused_before_anything_is_made(
    option: str, value: str, word: str, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text(PLAIN)
    words = ("train", tmp_path / "data.csv", *SMALL.split(), "--device", "cpu", "--run", tmp_path / "run")
    expect(orderly(*words, option, value), 2, [word])
    assert not (tmp_path / "run").exists()
