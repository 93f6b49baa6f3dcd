"""Notices about the parts of a table, and how they add up."""

import pickle

import numpy as np

from seqcast.panel.notices import (
    Example,
    Largest,
    Names,
    Notice,
    PartNotices,
    SeriesNames,
    distinct_notices,
    untold,
)


def missing(count: int, total: int) -> Notice:
    return Notice.summable("repair", count, count, " of ", total, " values are missing")


def texts(*notices: Notice) -> list[str]:
    return [notice.text for notice in notices]


def test_numbers_add_up_and_names_are_joined_but_each_is_told_once() -> None:
    def rounded(count: int, most: int, first: str, *names: str) -> Notice:
        pieces = (" rows, first ", Example(first), ", by at most ", Largest(most, f"{most} s"), " in ", Names(names, 2))
        return Notice.summable("repair", count, count, *pieces)

    one, other = rounded(999, 7, "here", "it's", "b"), rounded(2, 60, "there", "b", "c", "d")
    assert one.text == """999 rows, first here, by at most 7 s in "it's", 'b'"""
    whole = one.joined(pickle.loads(pickle.dumps(other)))
    assert whole.text == """1,001 rows, first here, by at most 60 s in "it's", 'b' and 2 more"""
    assert (whole.kind, whole.count) == ("repair", 1001)


def test_notices_that_add_up_are_told_at_the_end_and_others_when_they_come_first() -> None:
    parts = PartNotices()
    rolled, drift = Notice("decision", "forecasts build on forecasts"), Notice("repair", "7 % differ in 'a'")
    assert parts.new([missing(3, 10), rolled, drift]) == [rolled, drift]
    assert parts.new([missing(0, 5), rolled, Notice("repair", "9 % differ in 'b'")]) == []
    assert parts.new([missing(4, 1000)]) == []
    assert texts(*parts.sums(), *untold(parts.num_untold)) == [
        "7 of 1,015 values are missing",
        "1 more notices like these are about other groups",
    ]
    assert untold(0) == ()


def test_of_many_series_only_the_first_names_are_kept() -> None:
    parts = [SeriesNames.of(ids, np.arange(len(ids)), 5) for ids in ("abc", "de", "fghijklm")]
    assert str(parts[0].joined(parts[1])) == "'a', 'b', 'c', 'd', 'e'"
    whole = parts[0].joined(parts[1]).joined(parts[2])
    assert (str(whole), len(whole.first)) == ("'a', 'b', 'c', 'd', 'e' and 8 more", 5)
    assert str(SeriesNames.of("xyz", np.array([2, 0]), 1)) == "'z' and 1 more"


def test_words_that_differ_keep_notices_apart() -> None:
    parts = PartNotices()
    others = [
        Notice.summable("repair", number, number, " of ", 2, f" values of {number} are missing") for number in (0, 1)
    ]
    parts.new([missing(1, 2), *others, missing(1, 2)])
    assert texts(*parts.sums()) == ["2 of 4 values are missing", "1 of 2 values of 1 are missing"]


def test_shares_of_a_table_tell_of_the_whole_or_say_which_share_it_is() -> None:
    same, odd = Notice("repair", "numbers have a decimal comma"), Notice("repair", "half of the weight is new")
    shares = [[missing(3, 10), same], [missing(3, 10), same, odd], [same, Notice("decision", "as trained on")]]
    assert distinct_notices([[missing(0, 10)], [missing(0, 7)]]) == ()
    assert texts(*distinct_notices(shares)) == [
        "6 of 20 values are missing",
        "numbers have a decimal comma",
        "in share 2 of 3: half of the weight is new",
        "as trained on",
    ]


def test_a_notice_about_a_part_of_the_data_no_longer_adds_up() -> None:
    told = missing(3, 10).about("future table")
    assert (told.text, told.pieces) == ("future table: 3 of 10 values are missing", ())
