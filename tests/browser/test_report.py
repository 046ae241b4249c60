from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opendlign_core.evaluation import ZERO_SHOT
from opendlign_core.evaluation.classification.published import published_zero_shot
from opendlign_core.evaluation.report.data import Rejection
from opendlign_core.evaluation.report.page import render_report
from tests.evaluation.report_case import filled_report

pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM} (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(filled_report()), encoding="utf-8")
    return path


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, file: Path) -> Iterator[Any]:
    opened = browser.new_page(color_scheme=request.param, viewport={"width": 1280, "height": 900})
    opened.problems = []
    opened.requests = []
    opened.on("console", lambda message: opened.problems.append(message.text))
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on("request", lambda asked: opened.requests.append(asked.url))
    opened.goto(file.as_uri())
    opened.scheme = request.param
    yield opened
    opened.close()


def test_the_page_is_quiet_and_asks_nobody_for_anything(page: Any) -> None:
    assert page.problems == []
    outside = [url for url in page.requests if not url.startswith(("file:", "data:"))]
    assert outside == []


def test_every_picture_loads(page: Any) -> None:
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 6
    assert all(width > 0 for width in widths)


def test_measured_rows_come_first_and_published_rows_are_marked(page: Any) -> None:
    rows = page.locator("#zero-shot-table tbody tr")
    measured, published = page.locator("#zero-shot-table tr.measured"), page.locator("#zero-shot-table tr.published")
    assert measured.count() == 2
    assert published.count() == len(published_zero_shot())
    assert rows.count() == measured.count() + published.count() + 2
    assert all("published" in text for text in published.all_inner_texts())
    assert "82.6 / 96.2 / 98.4" in published.last.inner_text()
    top1 = filled_report().results.of(ZERO_SHOT)[0].top1.value
    assert f"{100 * top1:.1f} / " in measured.first.inner_text()


def test_every_section_is_there_and_reachable(page: Any) -> None:
    links = page.locator("nav a")
    assert links.count() == page.locator("section").count() >= 13
    for link in links.all():
        assert page.locator(str(link.get_attribute("href"))).count() == 1
    assert page.locator("svg").count() >= 5


def test_text_stands_out_from_the_page(page: Any) -> None:
    ink, paper = page.evaluate(
        "(() => { const style = getComputedStyle(document.body); return [style.color, style.backgroundColor] })()"
    )
    brightness = [sum(int(part) for part in text[4:-1].split(",")) for text in (ink, paper)]
    assert (brightness[0] > brightness[1]) == (page.scheme == "dark")
    assert abs(brightness[0] - brightness[1]) > 450


def test_a_narrow_window_does_not_scroll_sideways(page: Any) -> None:
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


LONG = "a_collection_of_scans/" + 30 * "very-long-name-of-a-file-"


@pytest.mark.parametrize("width", [420, 1280])
def test_long_names_fit(browser: Any, tmp_path: Path, width: int) -> None:
    data = filled_report()
    rows = tuple(row.model_copy(update={"dataset": LONG}) for row in data.results.of(ZERO_SHOT)[:2])
    examples = tuple(
        replace(shown, example=shown.example.model_copy(update={"object_id": LONG})) for shown in data.examples
    )
    pairs = tuple(replace(pair, title=LONG) for pair in data.pairs)
    results = data.results.model_copy(update={"rows": {**data.results.rows, "zero-shot": rows}})
    turned = (Rejection("ingest", LONG, 3, LONG),)
    filled = replace(data, title=LONG, results=results, examples=examples, pairs=pairs, rejections=turned)
    (tmp_path / "long.html").write_text(render_report(filled), encoding="utf-8")
    opened = browser.new_page(viewport={"width": width, "height": 900})
    opened.goto((tmp_path / "long.html").as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    wide = (
        "[...document.querySelectorAll('.shot, .verdict, .facts, .card')].filter(e => e.scrollWidth > e.clientWidth)"
    )
    assert opened.evaluate(f"{wide}.length") == 0
    opened.close()
