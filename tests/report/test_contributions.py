from dataclasses import replace

from seqcast.attention.contributions import Contribution, Contributions, InputContribution
from seqcast.report.contributions import contribution_view
from tests.report.rendering import shown, words_of

PART = Contribution("all steps", 0.75, 0.03, 0.5, 0.25, 0.0625)
GROUPS = tuple(replace(PART, label=f"step {step}", forecast=step / 8) for step in (1, 2, 3))
FOUND = Contributions((InputContribution("pr\x1b[31mice", "known", PART, GROUPS),), 0.125, 192)


def test_each_input_has_a_line_with_its_parts_and_standard_errors() -> None:
    text = shown(contribution_view(FOUND))
    words = words_of(text, "pr\\x1b[31mice")
    assert words[2:] == ["75.0", "%", "3.0", "%", "50.0", "%", "25.0", "%", "6.2", "%"]
    assert "12.5 % is decided by several together" in " ".join(text.split())
    assert "No lag shows what the level carries." in " ".join(text.split())


def test_parts_that_are_no_parts_are_explained() -> None:
    told = "Parts below 0 % or above 100 %: the inputs go together in the data"
    assert told not in shown(contribution_view(FOUND), 200)
    torn = replace(FOUND.inputs[0], overall=replace(PART, forecast=1.75, alone=-0.25))
    assert told in " ".join(shown(contribution_view(replace(FOUND, inputs=(torn,))), 200).split())


def test_groups_of_forecast_steps_stand_side_by_side() -> None:
    text = shown(contribution_view(FOUND))
    below = text[text.index("The same by forecast step") :]
    assert words_of(below, "pr\\x1b[31mice")[1:] == ["12.5", "%", "25.0", "%", "37.5", "%"]
    one = Contributions((replace(FOUND.inputs[0], by_horizon=GROUPS[:1]),), 0.125, 192)
    assert "The same by forecast step" not in shown(contribution_view(one))


def test_accuracy_without_meaning_is_a_dash() -> None:
    without = replace(PART, accuracy=None, accuracy_error=None)
    text = shown(contribution_view(Contributions((InputContribution("x", "past", without, GROUPS),), 0.0, 20)))
    assert words_of(text, "x")[-2:] == ["-", "-"]
