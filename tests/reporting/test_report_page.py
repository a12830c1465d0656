"""The HTML of a page without a browser: escaping, the Content-Security-Policy, structure, and what it says."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pipelines.reporting.model import Report
from pipelines.reporting.page import Listed, content_security_policy, render_index, render_page, share

VOID = {"meta", "img", "link", "br", "hr", "input"}
DRAWN = {"rect", "line", "circle", "path"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=\"alert('&')\">"


class Tree(HTMLParser):
    """The elements of a page in order, each with its attributes and the elements round it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.unbalanced: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}, tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}, tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def named(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes, _ in self.found if tag in tags]


@pytest.fixture(scope="module", params=["published", "refused", "index", "empty index"])
def html(request: pytest.FixtureRequest, report: Report, refused: Report) -> str:
    pages = {
        "published": lambda: render_page(report),
        "refused": lambda: render_page(refused),
        "index": lambda: render_index([Listed("2026-11-24/2/report.html", refused), Listed("2026-11-24/1/report.html", report)]),
        "empty index": lambda: render_index([]),
    }
    return pages[request.param]()


def test_elements_are_closed_in_their_order(html: str) -> None:
    tree = Tree(html)
    assert tree.unbalanced == []
    assert len(tree.found) > 15


def test_the_policy_lets_nothing_in_but_the_style_of_the_page_and_pictures_in_it(html: str) -> None:
    (policy,) = (meta["content"] for meta in Tree(html).named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == content_security_policy()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def test_nothing_runs_and_nothing_is_fetched(html: str) -> None:
    tree = Tree(html)
    assert not tree.named("script", "iframe", "object", "embed", "link", "base", "form", "video", "audio", "foreignobject")
    for _, attributes, _ in tree.found:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset", "xlink:href")]
        assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
        assert re.fullmatch(r"#[a-z-]+|[0-9/.-]*(index|report)\.html", attributes.get("href", "#main"))
    assert "@import" not in html
    assert "url(" not in html


def test_every_link_within_the_page_has_its_place_and_no_id_is_there_twice(html: str) -> None:
    tree = Tree(html)
    ids = [attributes["id"] for _, attributes, _ in tree.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["href"][1:] for attributes in tree.named("a") if attributes["href"].startswith("#")]
    named += [
        each
        for _, attributes, _ in tree.found
        for each in f"{attributes.get('aria-labelledby', '')} {attributes.get('aria-describedby', '')}".split()
    ]
    assert set(named) <= set(ids)


def test_every_chart_has_a_title_and_a_description_that_name_it(html: str) -> None:
    for _, attributes, _ in (each for each in Tree(html).found if each[0] == "svg" and each[1].get("role") == "img"):
        title, description = attributes["aria-labelledby"], attributes["aria-describedby"]
        assert len(re.search(rf'<title id="{title}">([^<]+)</title>', html)[1]) > 10  # type: ignore[index]
        assert len(re.search(rf'<desc id="{description}">([^<]+)</desc>', html)[1]) > 10  # type: ignore[index]


def test_every_drawing_is_a_chart_with_words_or_hidden_from_readers(html: str) -> None:
    for tag, attributes, around in Tree(html).found:
        if tag == "svg" and "svg" not in around:
            assert attributes.get("role") == "img" or attributes.get("aria-hidden") == "true"


def test_every_picture_has_words_and_every_table_can_be_reached_by_keyboard(html: str) -> None:
    tree = Tree(html)
    assert all(len(picture["alt"]) > 20 for picture in tree.named("img"))
    regions = [attributes for attributes in tree.named("div") if attributes.get("class") == "scroll"]
    assert len(regions) == len(tree.named("table"))
    assert all(each["role"] == "region" and each["tabindex"] == "0" for each in regions)
    assert all("aria-label" in each or "aria-labelledby" in each for each in regions)
    assert all(header.get("scope") in ("row", "col") for header in tree.named("th"))


def test_headings_go_down_one_step_at_a_time(html: str) -> None:
    levels = [int(tag[1]) for tag, _, _ in Tree(html).found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in itertools.pairwise(levels))


def test_a_page_says_its_language_and_fits_a_telephone(html: str) -> None:
    tree = Tree(html)
    assert tree.named("html") == [{"lang": "en-GB"}]
    assert "width=device-width, initial-scale=1" in [meta.get("content") for meta in tree.named("meta")]


def test_every_text_of_the_model_is_escaped(report: Report) -> None:
    first, *others = report.suppliers
    texts = {"purpose": HOSTILE, "agreement": HOSTILE, "legal_basis": HOSTILE, "assumed": HOSTILE, "release_id": HOSTILE}
    lines = tuple(replace(line, why=HOSTILE, of=(HOSTILE,)) for line in first.columns)
    hostile = replace(
        report,
        suppliers=(replace(first, **texts, columns=lines, everybody=HOSTILE, checks=(HOSTILE,)), *others),  # type: ignore[arg-type]
        hr_record=tuple(replace(cell, value=HOSTILE) for cell in report.hr_record),
        changes=(HOSTILE,),
        notices=(HOSTILE,),
        drill=replace(report.drill, attacks=tuple(replace(each, attack=HOSTILE, target=HOSTILE) for each in report.drill.attacks)),  # type: ignore[union-attr]
    )
    html = render_page(hostile)
    assert "<script" not in html
    assert 'onerror="' not in html.replace("&#34;", "")
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 12
    assert not Tree(html).named("script")


def test_a_refusal_is_the_first_thing_that_its_page_says(refused: Report) -> None:
    html = render_page(refused)
    assert html.index("Held back") < html.index("raw-value: people.csv column site") < html.index("<nav")
    assert "Nothing left for any supplier" in html
    assert "received a view" not in html


def test_a_run_that_stopped_while_it_published_does_not_say_that_nothing_left(refused: Report) -> None:
    assert refused.refusal is not None
    html = render_page(replace(refused, refusal=replace(refused.refusal, during="publishing")))
    assert "Some suppliers may have received their view" in html
    assert "Nothing left for any supplier" not in html


def test_a_drill_that_was_not_run_is_said_to_be_none(report: Report) -> None:
    html = render_page(replace(report, drill=None, full_drill=None))
    assert "<b>Not run.</b>" in html
    assert "Attacks on them stayed within their limits" not in html
    assert "<b>Not run.</b>" not in render_page(report)


def test_crowds_that_were_not_measured_are_said_to_be_none(report: Report) -> None:
    html = render_page(replace(report, suppliers=tuple(replace(part, crowds=None) for part in report.suppliers)))
    assert html.count("was not measured in this run") == 3


def test_who_came_went_and_changed_is_told_for_each_supplier_and_who_stands_alone_with_it(report: Report) -> None:
    html = render_page(report)
    assert html.count("<li>1 of these, alone with what changed of them") == 3
    assert (
        html.index("<li>5 people who are in it") < html.index("<li>2 people who were in that") < html.index("<li>3 people of whom")
    )


def test_a_rule_without_words_is_shown_by_its_name(report: Report) -> None:
    assert "a new rule <code" in render_page(report)


def test_an_index_lists_every_run_and_links_to_its_page(report: Report, refused: Report) -> None:
    html = render_index([Listed("2026-11-24/2/report.html", refused), Listed("2026-11-24/1/report.html", report)])
    assert [each["href"] for each in Tree(html).named("a")] == ["#main", "2026-11-24/2/report.html", "2026-11-24/1/report.html"]
    assert "held back" in html
    assert html.count('role="img"') == 3


def test_a_share_that_is_not_nothing_never_looks_like_nothing() -> None:
    assert [share(part) for part in (0.0, 0.0001, 0.5, 0.514, 1.0)] == ["0 %", "under 0.1 %", "50 %", "51.4 %", "100 %"]
