import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.pages.browser import Opened, opened, opened_browser
from tests.running import TINY, done, hours, wave, write_rows

pytestmark = pytest.mark.slow
NAMES = (
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 2'>",
    "{{ 7 * 7 }}{% raw %}",
    "a\u2028b\u202ec",
    "'\"><svg onload='window.ran = 3'>",
    "plain",
)
"""Ids of series that try to run, to break the page, or to be read as something else."""
HEADING = "<script>window.ran = 4</script>"
"""The column name of a covariate."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on a run whose table, columns and series have hostile names."""
    folder = tmp_path_factory.mktemp("<b>'&amp;\"")
    rows: list[tuple[object, ...]] = []
    for number, name in enumerate(NAMES):
        quoted = '"' + name.replace('"', '""') + '"'
        level = [value + 100 * number for value in wave(97, 5 * number)]
        rows += zip([quoted] * 97, hours(97), level, [step % 3 for step in range(97)], strict=True)
    data = write_rows(folder / "<i>.csv", f"unique_id,ds,y,{HEADING}", list(zip(*rows, strict=True)))
    done("train", data, *TINY, "--past", HEADING, "--run", folder / "run")
    done("report", folder / "run", "--output", folder / "report.html", "--quiet")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as found:
        yield found


@pytest.fixture(scope="module")
def shown(browser: Browser, report: Path) -> Iterator[Opened]:
    """The page as a system with light colours shows it; drawing it takes seconds, so tests share it."""
    with opened(browser, report) as page:
        yield page


@pytest.fixture(scope="module")
def dark(browser: Browser, report: Path) -> Iterator[Opened]:
    """The page as a system with dark colours shows it."""
    with opened(browser, report, dark=True) as page:
        yield page


def test_the_page_opens_without_an_error_and_asks_for_nothing_else(shown: Opened, report: Path) -> None:
    shown.page.wait_for_timeout(200)
    assert shown.said == []
    assert shown.requested == [report.as_uri()]
    charts = shown.page.locator(".chart .main-svg").count()
    assert charts >= shown.page.locator(".chart").count() >= 8


def test_names_are_shown_and_never_run(shown: Opened) -> None:
    for number in range(len(NAMES)):
        shown.page.select_option("#series", str(number))
    assert shown.page.evaluate("window.ran") is None
    assert shown.page.locator("main img, main script, main b > svg").count() == 0
    options = shown.page.locator("#series option").all_inner_texts()
    expected = [name.replace("\u2028", "\\u2028").replace("\u202e", "\\u202e") for name in NAMES]
    assert options == expected
    body = shown.text("main")
    assert HEADING in body
    assert "{{ 7 * 7 }}" in body
    assert "<b>'&amp;\"" in body
    assert "<i>.csv" in shown.text("header")


def test_a_series_is_picked_from_the_list_and_by_the_arrows(shown: Opened) -> None:
    values = "document.getElementById('series-chart').calcdata.at(-2).slice(-3).map((point) => point.y)"
    shown.page.select_option("#series", "0")
    first = shown.page.evaluate(values)
    shown.page.select_option("#series", label="plain")
    assert shown.text("#series-name") == "plain"
    assert shown.page.evaluate(values) != first
    assert re.search(r"mase [\d.]+", shown.text("#series-facts"))
    shown.page.click("#next")
    assert shown.text("#series-name") == NAMES[0]
    assert shown.page.evaluate(values) == first
    shown.page.click("#previous")
    assert shown.text("#series-name") == "plain"


def test_a_value_is_told_where_the_pointer_is(shown: Opened) -> None:
    chart = shown.page.locator("#series-chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    shown.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.4)
    told = shown.page.locator("#series-chart .hoverlayer .legend, #series-chart .hoverlayer .hovertext")
    told.first.wait_for(state="attached")
    assert re.search(r"observed : [\d.]+", shown.page.locator("#series-chart .hoverlayer").text_content() or "")


def test_the_map_of_attention_tells_step_lag_and_weight(shown: Opened) -> None:
    chart = shown.page.locator(".chart:has(.hm)").first
    chart.scroll_into_view_if_needed()
    plot = chart.locator(".nsewdrag").bounding_box()
    assert plot is not None
    shown.page.mouse.move(plot["x"] + plot["width"] * 0.5, plot["y"] + plot["height"] * 0.5)
    told = chart.locator(".hoverlayer .hovertext")
    told.first.wait_for(state="attached")
    assert re.search(r"step 3, lag \d+: [\d.]+%", told.first.text_content() or "")


@pytest.mark.parametrize("system", ["shown", "dark"])
def test_the_page_follows_the_system_and_the_switch(system: str, request: pytest.FixtureRequest) -> None:
    opened_page: Opened = request.getfixturevalue(system)
    begins_dark = system == "dark"
    ground = "getComputedStyle(document.body).backgroundColor"
    colour = "document.getElementById('series-chart').layout.font.color"
    grounds, colours = {True: "rgb(20, 24, 31)", False: "rgb(247, 248, 250)"}, {True: "#e6e9ef", False: "#1c2430"}
    for now in (begins_dark, not begins_dark, begins_dark, not begins_dark):
        assert opened_page.page.evaluate(ground) == grounds[now]
        assert opened_page.page.evaluate(colour) == colours[now]
        opened_page.page.click("#theme")


def test_nothing_is_wider_than_a_narrow_screen(browser: Browser, report: Path) -> None:
    with opened(browser, report, width=380) as page:
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 380


def test_a_print_is_light_and_fits_its_sheet(dark: Opened) -> None:
    dark.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    layout = "document.getElementById('series-chart').layout"
    assert dark.page.evaluate(f"{layout}.width") <= 680
    assert dark.page.evaluate(f"{layout}.font.color") == "#1c2430"
    dark.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert dark.page.evaluate(f"{layout}.font.color") == "#e6e9ef"
    assert dark.page.pdf().startswith(b"%PDF")
