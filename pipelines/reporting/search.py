"""The leak gate's search, over a page before it is kept: is any raw value of the export in it?

As in a release, most of a page is explained: by this software's own words, by contract and policies, and by the synthetic person,
none of which had the export in reach. What is left is searched for in the export, and of the explained text the long numbers and
the addresses. Where nothing is left, as on most nights, the export is not read again.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.inputs import find_sources, open_binary
from pipelines.reporting.model import Report
from pipelines.reporting.page import content_security_policy
from pipelines.reporting.sample import make_sample
from transforms.contract.model import Classification, Contract
from transforms.errors import Refused
from transforms.export.block import gather
from transforms.export.sources import open_reader
from transforms.leaks.strings import Strings, keep, lengths
from transforms.leaks.words import SHORTEST_NAME, SHORTEST_NUMBER, forms, normal, normalise
from transforms.policy.model import Policy, TokenColumn

_LETTERS: Final = re.compile(r"[^\W\d_]+")
_LONG: Final = re.compile(rf"[0-9]{{{SHORTEST_NUMBER},}}|@")
_SEARCHED: Final = frozenset({Classification.IDENTIFIER, Classification.ALIAS, Classification.PHOTO, Classification.RESTRICTED})
_PICTURES: Final = frozenset({"jpeg"})  # the model's keys whose text is a drawn picture's bytes
_DIGESTS: Final = ("_sha256",)
# Whose words are no words of ours: lists of names, from which synthetic people are made or names in policies are told.
_NOT_OURS: Final = frozenset({"demo_data", "disclosure.py", "__pycache__"})
_MONTHS: Final = frozenset(name.lower() for name in calendar.month_name if name)


def search_page(
    html: str, model: bytes, report: Report, contract: Contract | None, policies: Sequence[Policy], told: Sequence[str], export: str
) -> None:
    """Passes if a page and its model hold no raw value of the export.

    Args:
        html: the page.
        model: its JSON.
        report: the same as values, for the synthetic person and the names of releases.
        contract, policies: the terms of the run; no contract where it ended before they were read.
        told: paths and names that the run was told on its command line.
        export: the pattern of the export's files.

    Raises:
        Refused: code `report-leak`, with rule and place and never a value.
        SupplierViewsError: the export cannot be read, and something is left to search for.
    """
    left = unexplained([*_page_texts(html), *_model_texts(json.loads(model))], report, contract, policies, told)
    if not left:
        return
    if contract is None:
        raise _refused("numbers or words that nothing explains, and no contract to search an export with")
    wanted = pa.array(sorted(left), pa.string())
    searched = [column.name for column in contract.columns if column.classification in _SEARCHED]
    for source in find_sources(export, contract):
        with open_binary(source.path) as stream:
            for block in gather(open_reader(source, stream, contract)):
                for name in searched:
                    _look(block.rows.column(name), wanted, name)


def _look(values: Strings, wanted: pa.StringArray, column: str) -> None:
    """Looks some values of the export up: whole, without leading zeros, and each name or number in them that is long enough."""
    whole = normalise(values)
    parts: Strings = pc.list_flatten(pc.split_pattern_regex(whole, "[ '’.,@/_-]+"))
    for candidates in (whole, pc.ascii_ltrim(whole, "0"), keep(parts, lengths(parts) >= SHORTEST_NAME)):
        if pc.any(pc.is_in(candidates, value_set=wanted)).as_py():
            raise _refused(f"the report, as a {column} of the export")


def unexplained(
    found: Iterable[str], report: Report, contract: Contract | None, policies: Sequence[Policy], told: Sequence[str]
) -> set[str]:
    """The forms of text that nothing explains; empty for an ordinary page."""
    synthetic = [*_synthetic(report, contract, policies)]
    ids = [part.release_id for part in report.suppliers if part.release_id]
    known_texts = {normal(text) for text in (*synthetic, *ids)}
    known_forms = set().union(*(forms(text) for text in (*synthetic, *ids))) if known_texts else set()
    written = [*_terms(contract, policies), *told, *synthetic]
    letters = {word for text in written for word in _LETTERS.findall(normal(text))} | _MONTHS | _own_words()
    left: set[str] = set()
    for text in dict.fromkeys(found):
        whole = normal(text)
        if whole in known_texts or not (_LONG.search(whole) or any(word not in letters for word in _LETTERS.findall(whole))):
            continue
        for form in forms(text) - known_forms:
            if _LONG.search(form) or any(word not in letters for word in _LETTERS.findall(form)):
                left.add(form)
    return left


def _synthetic(report: Report, contract: Contract | None, policies: Sequence[Policy]) -> Iterator[str]:
    """The synthetic person's record, made once more rather than taken from the page, and their tokens, which are random."""
    if contract is not None:
        yield from (cell.value for cell in make_sample(contract, policies).record if cell.value)
    for part in report.suppliers:
        tokens = {line.name for line in part.columns if line.action in ("token", "photo")}
        yield from (cell.value for cell in part.seen or () if cell.value and cell.column in tokens)


def _terms(contract: Contract | None, policies: Sequence[Policy]) -> Iterator[str]:
    """What people wrote in contract and policies, and what the program would say of it."""
    for column in contract.columns if contract else ():
        yield from (column.name, column.description, *(column.vocabulary or ()))
        for coarser, labels in column.generalisations.items():
            yield from (coarser, *labels.values())
    for policy in policies:
        yield from (policy.supplier, policy.purpose, policy.agreement, policy.legal_basis, policy.token_prefix, policy.source)
        yield from (policy.full_population or "", policy.domain or "", policy.dpia or "")
        yield from policy.dropped.values()
        for line in policy.columns:
            yield from (line.name, line.why)
            if isinstance(line, TokenColumn):
                yield from line.of


@cache
def _own_words() -> frozenset[str]:
    """The words that this software is written in, so those of its pages, rules and hints; never those of its lists of names."""
    words: set[str] = set()
    for package in ("pipelines", "transforms"):
        for path in _files(resources.files(package)):
            words.update(_LETTERS.findall(path.read_text(encoding="utf-8").lower()))
    return frozenset(words)


def _files(directory: Any) -> Iterator[Any]:
    for path in directory.iterdir():
        if path.name in _NOT_OURS:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.name.endswith((".py", ".html", ".css", ".txt")):
            yield path


class _Reader(HTMLParser):
    """Every text of a page: between tags, and in attributes; pictures aside."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._style = False
        self._csp = content_security_policy()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        self.texts += [value for _, value in attrs if value and value != self._csp and not value.startswith("data:image/jpeg;")]

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style and data.strip():
            self.texts.append(data.strip())

    def handle_comment(self, data: str) -> None:
        self.texts.append(data)


def _page_texts(html: str) -> list[str]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.texts


def _model_texts(value: object, key: str = "") -> Iterator[str]:
    """Every text of the model; a bare number is a count, and no name or number of a person is a number in JSON."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _model_texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _model_texts(item, key)
    elif isinstance(value, str) and key not in _PICTURES and not key.endswith(_DIGESTS):
        yield value


def _refused(place: str) -> Refused:
    return Refused(
        "the report would hold a raw value of the export, so it was not kept",
        place=place,
        hint="look for it in the policies, the contract and the names of files, and run again",
        code="report-leak",
    )
