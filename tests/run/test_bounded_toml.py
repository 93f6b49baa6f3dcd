import pytest

from seqcast.run.untrusted.bounded_toml import parse_toml


@pytest.mark.parametrize("comment", ["tried 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0 1.1", "." * 40, "{[=" * 20_000])
def test_comments_do_not_count(comment: str) -> None:
    assert parse_toml(f"[model]\nhidden = 4  # {comment}\n".encode()) == {"model": {"hidden": 4}}


def test_a_key_of_many_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 10 parts"):
        parse_toml(b"a.a.a.a.a.a.a.a.a.a.a = 1")
