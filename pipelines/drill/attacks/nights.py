"""Attack 5: two nights. Who joins, leaves, rises or changes name on the day that a public list says so is singled out [D4]."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.drill.attacks.singling_out import keys_of, list_keys, told_columns
from pipelines.drill.claims import Claims, PersonClaims
from pipelines.drill.loot import Haul, Ints, Loot, Text, joined, mask, once, picked, places

Mask = npt.NDArray[np.bool_]


def attack(loot: Loot) -> list[Claims]:
    """Claims about each kind of change; a claim is made where one row and one name change alike."""
    before, after = loot.hauls
    token = after.design.tokens[0].name if after.design.tokens else None
    if token is None:
        return []
    was = places(after.column(token), before.column(token))  # the row of the night before
    now = places(before.column(token), after.column(token))
    names_before, names_after = joined(loot.listed(before), loot.public.names), joined(loot.listed(after), loot.public.names)
    listed_was = np.where(once(names_after), places(names_after, names_before), -1)
    listed_now = np.where(once(names_before), places(names_before, names_after), -1)
    pair = _Pair(loot, before, after)
    found = [_promoted(pair, was, listed_was)]
    if after.design.everybody:
        found.append(_alone("joined", after, pair.shown_after, was < 0, pair.listed_after, listed_was < 0))
        found.append(_alone("left", before, pair.shown_before, now < 0, pair.listed_before, listed_now < 0))
    gone, new = listed_now < 0, listed_was < 0
    return [*found, *(_renamed(loot, after, before, column.name, was, new, gone) for column in after.design.tokens[1:])]


class _Pair:
    """What kept columns show, and would show of listed people, on both nights."""

    def __init__(self, loot: Loot, before: Haul, after: Haul) -> None:
        columns = told_columns(after, loot.public)
        self.after = after
        self.shown_before, self.shown_after = keys_of(before, columns), keys_of(after, columns)
        self.listed_before, self.listed_after = list_keys(loot, before, columns), list_keys(loot, after, columns)


def _promoted(pair: _Pair, was: Ints, listed_was: Ints) -> Claims:
    """Rows of one token whose kept columns differ, against names whose facts do: from the same to the same, one of each."""
    shown = _changes(pair.shown_before, pair.shown_after, was)
    listed = _changes(pair.listed_before, pair.listed_after, listed_was)
    return _alone("promoted", pair.after, shown, np.asarray(shown.is_valid()), listed, np.asarray(listed.is_valid()))


def _changes(before: Text, after: Text, was: Ints) -> Any:
    """What each entry changed from and to; null where it did not change or is new."""
    if not len(before):
        return pa.nulls(len(after), pa.string())
    old = picked(before, np.maximum(was, 0))
    changed = mask(pc.not_equal(old, after)) & (was >= 0)
    both: Any = pc.binary_join_element_wise(old, after, ">")
    return pc.if_else(pa.array(changed), both, pa.scalar(None, pa.string()))


def _alone(what: str, haul: Haul, shown: Any, rows: Mask, listed: Any, names: Mask) -> PersonClaims:
    """Rows and names that are the only ones of their kind among those that changed."""
    here, there = np.flatnonzero(rows), np.flatnonzero(names)
    keys, others = picked(shown, here), picked(listed, there)
    at = places(keys, others)
    sure = once(keys) & (at >= 0) & (once(others)[np.maximum(at, 0)] if len(others) else False)
    return PersonClaims(what, haul, here[sure], there[at[sure]] if len(there) else np.empty(0, np.int64))


def _renamed(loot: Loot, after: Haul, before: Haul, column: str, was: Ints, new: Mask, gone: Mask) -> PersonClaims:
    """Rows whose further token changed, against names that appeared beside one that vanished with the same last part."""
    old = picked(before.column(column), np.maximum(was, 0)) if before.rows else pa.nulls(after.rows, pa.string())
    differs: Any = pc.not_equal(old, after.column(column))
    changed = mask(differs) & (was >= 0)
    last = loot.public.names[-1:]
    appeared, vanished = np.flatnonzero(new), np.flatnonzero(gone)
    keep = joined(picked(loot.listed(after), appeared), last)
    kept = places(keep, joined(picked(loot.listed(before), vanished), last)) >= 0
    renamed = appeared[kept]
    rows = np.flatnonzero(changed)
    sure = len(rows) == 1 and len(renamed) == 1
    return PersonClaims(f"renamed, by {column}", after, rows if sure else rows[:0], renamed if sure else renamed[:0])
