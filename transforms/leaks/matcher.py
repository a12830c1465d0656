"""The open search: is any raw value of the export among a release's unexplained words? [R14, P14, P15]

The export streams past and the words stay, so memory is that of the words, whatever the export's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.model import Classification, Contract
from transforms.leaks.findings import Finding
from transforms.leaks.scan import ReleaseScan
from transforms.leaks.strings import Strings, begins, contains, keep, lengths, matches, replace
from transforms.leaks.tokens import is_token
from transforms.leaks.words import SHORTEST_NAME, SHORTEST_NUMBER, normalise

RAW_VALUE = "raw-value"
SEARCHED = frozenset({Classification.IDENTIFIER, Classification.ALIAS, Classification.PHOTO, Classification.RESTRICTED})
_MOST_LOOKALIKES = 10_000
_GLUED = "[ '’.,-]"
_GLUE = (" ", "-", "'", "’", ".", ",")


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
        self._words = pa.array(list(scan.words), pa.string())
        self._places = tuple(scan.words.values())
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
            values = batch.column(name)
            lookalikes |= self._lookalikes(values)
            if self._places:
                for form in _forms(normalise(values)):
                    self._count(form, name, counts)
        findings = tuple(Finding(RAW_VALUE, place, count) for place, count in sorted(counts.items()))
        return Match(batch.num_rows, findings, frozenset(lookalikes))

    def _count(self, values: Strings, column: str, counts: dict[str, int]) -> None:
        hits = pc.index_in(values, value_set=self._words).drop_null()
        if not len(hits):
            return
        for index, count in zip(*np.unique(hits.to_numpy(), return_counts=True), strict=True):
            place = f"{self._places[index]}, as a {column} of the export"
            counts[place] = counts.get(place, 0) + int(count)

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


def _forms(values: Strings) -> Iterator[Strings]:
    """What to look up of some values in normal form: whole, without leading zeros, before an @, and each name of several."""
    yield values
    padded = begins(values, "0")
    if padded.any():
        bare = pc.ascii_ltrim(keep(values, padded), "0")
        yield keep(bare, lengths(bare) >= SHORTEST_NUMBER)
    addresses = contains(values, "@")
    if addresses.any():
        yield pc.list_element(pc.split_pattern(keep(values, addresses), "@", max_splits=1), 0)
    glued = matches(values, _GLUED)
    if glued.any():
        names = keep(values, glued)
        for glue in _GLUE[1:]:
            names = replace(names, glue, " ")
        parts: Strings = pc.list_flatten(pc.split_pattern(names, " "))
        yield keep(parts, lengths(parts) >= SHORTEST_NAME)
