"""Attack 4: suppliers who put their releases together, or whose thief is the same [D5].

Without photos: tokens, and kept columns that say the same of a person, where a row is alone with them in both. With photos: bytes,
sizes and what the pictures look like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.drill.claims import Claims, ManyPairs, PairClaims
from pipelines.drill.loot import ColumnDesign, Haul, Ints, Loot, Text, clean, once, picked, places

_TAIL = 17  # symbols of a token without its prefix: a shared key shows even under two prefixes


def attack(loot: Loot) -> list[Claims]:
    """Pairs of rows of two releases, by tokens and by kept columns."""
    one, other = loot.hauls
    return [*_by_tokens(one, other), _by_columns(one, other)]


def attack_photos(loot: Loot) -> list[Claims]:
    """Pairs of rows of two releases, by the bytes of their photos."""
    one, other = loot.hauls
    return [_paired("bytes of photos", one, other, _digests(one), _digests(other))]


def attack_all(loot: Loot) -> list[Claims]:
    """The best of every pair taken together, and what a joined pair tells apart in a third release."""
    pairs: list[PairClaims] = []
    for one, other in combinations(loot.hauls, 2):
        tried = [*_by_tokens(one, other), _by_columns(one, other)]
        best = max(tried, key=lambda claims: len(claims.rows))
        pairs.append(best)
        pairs += [_through(best, third) for third in loot.hauls if len(best.rows) and third not in (one, other)]
    return [ManyPairs("the best way of every pair, and joined pairs against a third", tuple(pairs))]


def _through(pair: PairClaims, third: Haul) -> PairClaims:
    """The rows that two releases share, with the columns of both, against a third: claims about the first and the third."""
    keys: tuple[list[Text], list[Text]] = ([], [])
    for haul, rows in ((pair.haul, pair.rows), (pair.other, pair.others)):
        for mine in haul.design.kept:
            for theirs in third.design.kept:
                if mine.of == theirs.of:
                    common = _common(mine, theirs, haul, third)
                    keys[0].append(picked(common[0], rows))
                    keys[1].append(common[1])
    how = "joined columns of a pair"
    if not keys[0]:
        return PairClaims(how, pair.haul, pair.rows[:0], third, pair.rows[:0])
    found = _paired(how, pair.haul, third, _text(keys[0]), _text(keys[1]))
    return PairClaims(how, pair.haul, pair.rows[found.rows], third, found.others)


def _by_tokens(one: Haul, other: Haul) -> Iterator[PairClaims]:
    for mine in one.design.tokens:
        for theirs in other.design.tokens:
            how = f"{mine.name} and {theirs.name}"
            yield _paired(how, one, other, _tail(one.column(mine.name)), _tail(other.column(theirs.name)))


def _tail(values: Text) -> Text:
    tail: Text = pc.utf8_slice_codeunits(values, -_TAIL)
    return tail


def _by_columns(one: Haul, other: Haul) -> PairClaims:
    """Rows that are alone, in both releases, with all that both say."""
    keys: tuple[list[Text], list[Text]] = ([], [])
    used = []
    for mine in one.design.kept:
        for theirs in other.design.kept:
            if mine.of == theirs.of:
                common = _common(mine, theirs, one, other)
                keys[0].append(common[0])
                keys[1].append(common[1])
                used.append(mine.of[0])
    if not used:
        empty = np.empty(0, np.int64)
        return PairClaims("no kept column in common", one, empty, other, empty)
    return _paired(f"columns from {', '.join(used)}", one, other, _text(keys[0]), _text(keys[1]))


def _common(mine: ColumnDesign, theirs: ColumnDesign, one: Haul, other: Haul) -> tuple[Text, Text]:
    """Both columns in the finest labels that both can be told in: labels that share a source value are one."""
    shown = (one.column(mine.name), other.column(theirs.name))
    values = [{each for each in pc.unique(column).to_pylist() if each} for column in shown]
    meant = [
        {label: (design.meanings or {}).get(label, frozenset({label})) for label in labels}
        for design, labels in zip((mine, theirs), values, strict=True)
    ]
    group: dict[str, str] = {}

    def root(value: str) -> str:
        while group.setdefault(value, value) != value:
            value = group[value]
        return value

    for labels in meant:
        for stands_for in labels.values():
            first, *rest = sorted(stands_for)
            for each in rest:
                group[root(each)] = root(first)
    names = [{label: root(min(stands_for)) for label, stands_for in labels.items()} for labels in meant]
    mapped = [
        pa.array([each[value] if value else "" for value in column.to_pylist()], pa.string())
        for each, column in zip(names, shown, strict=True)
    ]
    return mapped[0], mapped[1]


def _text(columns: list[Text]) -> Text:
    text: Text = pc.binary_join_element_wise(*columns, "|")
    return clean(text)


def _paired(how: str, one: Haul, other: Haul, mine: Text, theirs: Text) -> PairClaims:
    at = places(mine, theirs)
    alone = once(mine) & (at >= 0) & (once(theirs)[np.maximum(at, 0)] if len(theirs) else False)
    rows: Ints = np.flatnonzero(alone)
    return PairClaims(how, one, rows, other, at[rows])


def _digests(haul: Haul) -> Text:
    names = haul.photo_names()
    listed = names.to_pylist() if names is not None else [None] * haul.rows
    digests: list[str | None] = []
    for name in listed:
        path = haul.photo(name) if name else None
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else None)
    return pa.array(digests, pa.string())
