import time

import pytest

from seqcast.run.untrusted.bounded_json import parse_json


def test_json_comes_back() -> None:
    assert parse_json(b'{"a": [1, 2.5, "x{[:"], "b": {"c": null}}', 6) == {"a": [1, 2.5, "x{[:"], "b": {"c": None}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 1}', "it has a key twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": [-Infinity]}', "-Infinity is no number"),
        ("[[[[[[]]]]]]", "more parts than seqcast writes"),
        ('{"a": {"b": {}, "c": {}}}', "more parts than seqcast writes"),
        ('{"a": "', "Unterminated string"),
        ("", "Expecting value"),
    ],
)
def test_what_seqcast_does_not_write_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text, 5)


def test_the_keys_of_one_object_are_counted() -> None:
    text = '{"a": 1, "b": 2, "c": 3}'
    assert len(dict(parse_json(text, 9, most_keys=3))) == 3  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="an object in it has more than 2 keys"):
        parse_json(text, 9, most_keys=2)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000, 100_000)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse_json(b"\xff", 5)


@pytest.mark.parametrize("text", ['"' + '\\"' * 1_000_000, '"' * 2_000_001, "[" + '"\\' * 1_000_000])
def test_quotes_without_end_take_no_time(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"line 1 column|Extra data"):
        parse_json(text, 5)
    assert time.perf_counter() - started < 5
