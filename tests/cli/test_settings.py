from pathlib import Path
from typing import Any

import pytest

from seqcast.cli.settings import PANELS, Settings, with_settings
from seqcast.config import Config
from seqcast.reading.options import ReadOptions
from tests.running import TINY, done, hours, wave

FILE_ONLY = {"calendar", "quantiles", "weight_decay", "gradient_clip", "schedule", "validate_every", "rounds"}


def section_of_help(text: str, title: str) -> str:
    return text.partition(f"\n{title}:\n")[2].partition("\n\n")[0]


def test_every_setting_has_an_option_or_is_known_to_belong_in_a_file() -> None:
    names = {name for panel in PANELS.values() for name in panel} - {"copy", "na_value", "static_file"}
    fields = {name for _, section in Config() for name in type(section).model_fields} | {*ReadOptions.__annotations__}
    assert fields - names == FILE_ONLY | {"copy_gate", "na_values", "text", "found_format"}
    assert names <= fields


@pytest.mark.parametrize("command", ["train", "compare", "tune", "check"])
def test_commands_that_read_a_new_table_offer_every_option_of_reading(command: str) -> None:
    text = done(command, "--help").out
    assert section_of_help(text, "Reading") == section_of_help(done("train", "--help").out, "Reading")
    assert all(f"--{name.replace('_', '-')} " in text for panel in ("Data", "Reading") for name in PANELS[panel])


def test_help_tells_what_a_setting_is_and_its_default() -> None:
    text = " ".join(done("train", "--help").out.split())
    assert "--hidden <int> Width of the recurrent state. [default: 64]" in text
    assert "--copy / --no-copy Let the forecast mix in the attended values themselves. [default: on]" in text
    assert "--freq <str> Frequency, such as h, 15min, D, W-SUN or MS; inferred if not given. --timezone" in text


def test_a_command_gets_the_given_settings_and_no_others() -> None:
    found: dict[str, Any] = {}

    @with_settings(*PANELS, omit=("time",))
    def command(data: str, *, settings: Settings, top: int = 3) -> None:
        found.update(data=data, settings=settings, top=top)

    command(
        "a.csv", top=7, known="a, b", copy=False, seed=0, na_value=["?", "x y"], delimiter=";", static_file=Path("s")
    )
    assert (found["data"], found["top"]) == ("a.csv", 7)
    assert found["settings"] == Settings(
        {"data": {"known": ("a", "b")}, "model": {"copy_gate": False}, "training": {"seed": 0}},
        ReadOptions(delimiter=";", na_values=("?", "x y")),
        "s",
    )


def test_compare_reads_a_table_as_it_is_told(in_tmp_path: Path) -> None:
    lines = ["ds;y", *(f"{time};{value}" for time, value in zip(hours(131), wave(131), strict=True))]
    Path("odd.csv").write_text("\n".join(lines).replace("50.0", "gone"))
    words = ("--delimiter", ";", "--na-value", "gone", "--score", "dot", "--json")
    document = done("compare", "odd.csv", *TINY, *words).document()
    assert [variant["variant"] for variant in document["variants"]] == ["dot-s0"]
