"""The open search: is any raw value of the export among a release's unexplained words? [R14, P14, P15]

The export streams past and the words stay, so memory is that of the words, whatever the export's size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.model import Classification, Contract
from transforms.leaks.digests import search_digests
from transforms.leaks.findings import Finding
from transforms.leaks.glued import GluedSearch
from transforms.leaks.scan import ReleaseScan
from transforms.leaks.spellings import COLUMN_SPELLINGS, PAIR_SPELLINGS, each_name, name_pairs
from transforms.leaks.strings import Strings, begins, keep, lengths
from transforms.leaks.tokens import is_token
from transforms.leaks.words import normalise

RAW_VALUE = "raw-value"
SEARCHED = frozenset({Classification.IDENTIFIER, Classification.ALIAS, Classification.PHOTO, Classification.RESTRICTED})
_DIGIT = re.compile("[0-9@]")  # which no pair of names has
_MOST_LOOKALIKES = 10_000


@dataclass(frozen=True, slots=True)
class Match:
    """What the search found in some rows of an export; small, and can be pickled.

    `rows` is the number of rows searched. `lookalikes` are values of the export that look exactly like tokens of the view, to be
    searched for among them.
    """

    rows: int
    findings: tuple[Finding, ...] = ()
    lookalikes: frozenset[str] = field(default=frozenset(), repr=False)


class ExportMatcher:
    """Searches batches of the export for the words of one release. Can be pickled; holds no key, and the release's words."""

    def __init__(self, scan: ReleaseScan, contract: Contract) -> None:
        self._columns = tuple(column.name for column in contract.columns if column.classification in SEARCHED)
        named = (Classification.IDENTIFIER, Classification.ALIAS)
        self._names = tuple(column.name for column in contract.columns if column.classification in named)
        self._words = pa.array(list(scan.words), pa.string())
        self._places = tuple(scan.words.values())
        self._may_have_names = any(not _DIGIT.search(word) for word in scan.words)
        self._digests = dict(scan.digests)
        self._glued = GluedSearch(scan.texts)
        # A bare number looks like any other: those are compared by `transforms.leaks.numbers`.
        self._shapes = tuple({shape for shape in scan.shapes.values() if not shape.bare})

    def __repr__(self) -> str:
        return f"ExportMatcher({len(self._places)} words)"

    def match(self, batch: pa.RecordBatch) -> Match:
        """Searches some rows.

        Args:
            batch: has the contract's columns as `string`; other columns are not looked at. Rows that broke the contract belong
                here too: what was quarantined must not have left either.
        """
        counts: dict[str, int] = {}
        lookalikes: set[str] = set()
        for name in self._columns:
            lookalikes |= self._lookalikes(batch.column(name))
        if self._places:
            self._match_words(batch, counts)
        if self._digests:
            self._match_digests(batch, counts)
        findings = tuple(Finding(RAW_VALUE, place, count) for place, count in sorted(counts.items()))
        return Match(batch.num_rows, findings, frozenset(lookalikes))

    def _match_words(self, batch: pa.RecordBatch, counts: dict[str, int]) -> None:
        columns = {name: normalise(batch.column(name)) for name in self._columns}
        for name, values in columns.items():
            for spelling in COLUMN_SPELLINGS:
                for spelt in spelling(values):
                    self._count(spelt, name, counts)
            for parts in (values, *each_name(values)):
                for place, count in self._glued.search(parts):
                    _add(counts, place, f"part of a word and {name}", count)
        if not self._may_have_names:
            return
        for forenames, surnames in name_pairs([columns[name] for name in self._names]):
            for pair_spelling in PAIR_SPELLINGS:
                for spelt in pair_spelling(forenames, surnames):
                    self._count(spelt, "name", counts)

    def _match_digests(self, batch: pa.RecordBatch, counts: dict[str, int]) -> None:
        for name in self._columns:
            values = batch.column(name).drop_null().to_pylist()
            for digest in search_digests(map(str, values), self._digests.keys()):
                _add(counts, self._digests[digest], f"hash of a {name}", 1)

    def _count(self, values: Strings, column: str, counts: dict[str, int]) -> None:
        hits = pc.index_in(values, value_set=self._words).drop_null()
        if not len(hits):
            return
        for index, count in zip(*np.unique(hits.to_numpy(), return_counts=True), strict=True):
            _add(counts, self._places[index], column, int(count))

    def _lookalikes(self, values: Strings) -> set[str]:
        found: set[str] = set()
        for shape in self._shapes:
            width = lengths(values) == shape.width
            if width.any():
                candidates = keep(values, width & begins(values, shape.head)).unique().to_pylist()
                found |= {value for value in map(str, candidates) if is_token(value, shape)}
        return found


def add_matches(matches: Iterable[Match]) -> Match:
    """The sum of matches, in whatever order they come.

    Past ten thousand lookalikes the export is full of this supplier's tokens: that is a finding, and they are kept no longer.
    """
    rows = 0
    counts: dict[tuple[str, str], int] = {}
    lookalikes: set[str] = set()
    for match in matches:
        rows += match.rows
        for finding in match.findings:
            key = finding.rule, finding.place
            counts[key] = counts.get(key, 0) + finding.count
        if len(lookalikes) <= _MOST_LOOKALIKES:
            lookalikes |= match.lookalikes
    if len(lookalikes) > _MOST_LOOKALIKES:
        counts[RAW_VALUE, "the export, identifiers that are tokens of the view"] = len(lookalikes)
        lookalikes = set()
    findings = tuple(Finding(rule, place, count) for (rule, place), count in sorted(counts.items()))
    return Match(rows, findings, frozenset(lookalikes))


def _add(counts: dict[str, int], place: str, kind: str, count: int) -> None:
    where = f"{place}, as a {kind} of the export"
    counts[where] = counts.get(where, 0) + count
