"""The page in a real browser: Debian's Chromium, driven by Playwright, with axe-core. `make test-report` installs it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from pipelines.reporting.model import Report
from pipelines.reporting.page import Listed, render_index, render_page

CHROMIUM = shutil.which("chromium")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PAGES = ("published", "refused", "index")
DESKTOP, PHONE, NARROW = (1280, 900), (390, 844), (320, 640)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium; make test-report installs it")

Show = Callable[..., AbstractContextManager[tuple[Page, list[str]]]]
Pages = dict[str, Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Playwright makes a fresh profile for every start.
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES), timeout=120_000)
        yield running
        running.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, report: Report, refused: Report) -> Pages:
    """The pages as they are kept: an index, and below it the pages of two runs."""
    root = tmp_path_factory.mktemp("reports")
    found = {
        "published": root / "2026-11-24/1/report.html",
        "refused": root / "2026-11-24/2/report.html",
        "index": root / "index.html",
    }
    refused = replace(refused, number=2)
    listed = [Listed("2026-11-24/2/report.html", refused), Listed("2026-11-24/1/report.html", report)]
    texts = {"published": render_page(report), "refused": render_page(refused), "index": render_index(listed)}
    for name, path in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[name], encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def shown(browser: Browser) -> Show:
    """Shows a file; gives the page, and what it said on the console and asked for."""

    @contextmanager
    def show(
        path: Path, size: tuple[int, int] = DESKTOP, scheme: str = "light", **options: bool
    ) -> Iterator[tuple[Page, list[str]]]:
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        page = context.new_page()
        noted: list[str] = []
        page.on("console", lambda message: noted.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: noted.append(f"error: {error}"))
        page.on("request", lambda request: noted.append(f"request: {request.url[:60]}"))
        page.goto(path.as_uri())
        yield page, noted
        context.close()

    return show


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_says_nothing_on_the_console_and_asks_for_nothing_but_itself(
    name: str, scheme: str, shown: Show, pages: Pages
) -> None:
    with shown(pages[name], scheme=scheme) as (page, noted):
        page.wait_for_load_state("networkidle")
        own = ("request: data:image/jpeg;base64,", f"request: {pages[name].as_uri()[:60]}")
        assert [each for each in noted if not each.startswith(own)] == []
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "700"


def test_a_script_or_a_picture_that_somebody_smuggles_in_is_stopped(shown: Show, pages: Pages, tmp_path: Path) -> None:
    text = pages["published"].read_text(encoding="utf-8")
    run = "document.title = 'it ran'"
    smuggled = f"<script>{run}</script><img src='http://127.0.0.1:9/x.png' onerror=\"{run}\"></body>"
    path = tmp_path / "report.html"
    path.write_text(text.replace("</body>", smuggled), encoding="utf-8")
    with shown(path) as (page, noted):
        assert page.title() == "Report for 24 November 2026"
        refused = [each for each in noted if each.startswith("console:")]
        assert len(refused) >= 2
        assert all("Content Security Policy" in each for each in refused)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong_contrast_included(
    name: str, scheme: str, size: tuple[int, int], shown: Show, pages: Pages
) -> None:
    with shown(pages[name], size, scheme, bypass_csp=True) as (page, _):  # axe itself is a script
        results = Axe().run(page)
        passed = {rule["id"] for rule in results.response["passes"]}
        assert results.violations_count == 0, results.generate_report()
        assert {"color-contrast", "document-title", "html-has-lang"} <= passed


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", [DESKTOP, PHONE, NARROW], ids=["desktop", "phone", "narrow"])
def test_a_page_never_scrolls_sideways(name: str, size: tuple[int, int], shown: Show, pages: Pages) -> None:
    with shown(pages[name], size) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_every_chart_is_an_image_with_a_name_to_a_screen_reader_and_is_drawn(shown: Show, pages: Pages) -> None:
    with shown(pages["published"]) as (page, _):
        charts = page.locator("svg.chart")
        assert charts.count() == 8  # blast radius and crowds of three suppliers, attacks, rows
        for index in range(charts.count()):
            chart = charts.nth(index)
            title = chart.locator("title").text_content()
            assert title
            assert page.get_by_role("img", name=title, exact=True).count() == 1
            drawn = chart.locator("rect, circle").last.bounding_box()
            assert drawn
            assert drawn["width"] > 1
            assert drawn["height"] > 1


def test_text_of_a_chart_never_runs_into_other_text_on_a_telephone(shown: Show, pages: Pages) -> None:
    overlaps = """() => {
      const rows = [...document.querySelectorAll('svg.chart')].flatMap(chart => {
        const labels = [...chart.querySelectorAll('.chart-label')], values = [...chart.querySelectorAll('.chart-value')];
        return labels.map((label, i) => [label, values[i]]);
      });
      return rows.filter(([a, b]) => a.getBoundingClientRect().right > b.getBoundingClientRect().left).map(([a]) => a.textContent);
    }"""
    with shown(pages["published"], PHONE) as (page, _):
        assert page.evaluate(overlaps) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints(name: str, shown: Show, pages: Pages) -> None:
    with shown(pages[name], scheme="dark") as (page, _):
        printed = page.pdf(format="A4")
        assert printed.startswith(b"%PDF-")
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 14
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("nav").count() == 0 or not page.locator("nav").first.is_visible()


def test_the_tab_key_goes_from_the_skip_link_through_the_page_in_its_order(shown: Show, pages: Pages) -> None:
    focused = """() => {
      const it = document.activeElement;
      return [it.getAttribute('href') || it.className, getComputedStyle(it).outlineStyle];
    }"""
    with shown(pages["published"]) as (page, _):
        order = page.evaluate("[...document.querySelectorAll('a, [tabindex]')].map(it => it.getAttribute('href') || it.className)")
        reached = []
        for _ in order:
            page.keyboard.press("Tab")
            name, outline = page.evaluate(focused)
            reached.append(name)
            assert outline != "none"
        assert reached == order
        assert reached[0] == "#main"


def test_the_skip_link_shows_itself_and_skips(shown: Show, pages: Pages) -> None:
    with shown(pages["published"]) as (page, _):
        page.keyboard.press("Tab")
        box = page.locator("a.skip").bounding_box()
        assert box
        assert box["x"] >= 0
        page.keyboard.press("Enter")
        assert page.url.endswith("#main")


def test_a_page_leads_to_the_index_and_the_index_back(shown: Show, pages: Pages) -> None:
    with shown(pages["published"]) as (page, _):
        page.get_by_role("link", name="Past runs").click()
        page.wait_for_url("**/index.html")
        page.get_by_role("link", name="24 November 2026, run 1").click()
        page.wait_for_url("**/1/report.html")
        assert page.title() == "Report for 24 November 2026"
