"""A later night of the same force: some people have joined, left, been promoted or changed their name, and cards were printed.

A night is drawn from the roll of the first: everybody keeps their numbers, photo and sizes, so two nights differ as two real
exports do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa

from pipelines.demo_data.cells import Mask, Text, columns_of, put, take, text, where
from pipelines.demo_data.chance import Chance, Ints
from pipelines.demo_data.people import AS_OF, Roll

MOST_NIGHTS = 400
# A force of 47,000 turns over about one in sixteen a year; small forces get a few of each, or there is nothing to see.
_JOIN, _LEAVE, _PROMOTE, _RENAME = 12 / 47_000, 12 / 47_000, 8 / 47_000, 3 / 47_000
_LEAST = 4
_PRINTED = 0.3  # of the cards that were due
_NEW_NAMES = ("Ashdown-Northcote", "Birchall-Vane", "Colley-Thorne")
_NEXT_RANK: Mapping[str, str] = {
    "PC": "PS", "Constable": "Sergeant", "Police Constable": "Police Sergeant", "DC": "DS",
    "Detective Constable": "Detective Sergeant", "PS": "Insp", "Sgt": "Insp", "Sergeant": "Inspector", "DS": "DI",
    "Detective Sergeant": "Detective Inspector", "Insp": "Ch Insp", "Inspector": "Chief Inspector", "DI": "DCI",
    "Ch Insp": "Supt", "DCI": "DSU", "Supt": "Ch Supt", "Band E": "Band D", "Band D": "Band C", "Band C": "Band B",
    "Band B": "Band A",
}  # fmt: skip


def joiners(roll: Roll, night: int) -> int:
    """How many people have joined by a night; none by the first."""
    return _count(_JOIN, roll.people) * (night - 1)


def on_night(roll: Roll, start: int, rows: pa.RecordBatch, night: int) -> pa.RecordBatch:
    """Rows of the roll, from `start` on, as they are on a night from 2 on; those from `roll.people` on are people who joined.

    Who left is missing.
    """
    stop = start + rows.num_rows
    chance = Chance(roll.seed, start, stop)
    columns = columns_of(rows)
    new = chance.rows >= roll.people
    gone = np.zeros(len(new), np.bool_)
    for each in range(2, night + 1):
        gone |= _chosen(roll, f"leaves on night {each}", _LEAVE, start, stop)
        printed = chance.happens(f"printed before night {each}", _PRINTED)
        columns["card_due"] = _where(printed, "no", columns["card_due"])
        columns["card_reason"] = _where(printed, None, columns["card_reason"])
        raised = _chosen(roll, f"promoted on night {each}", _PROMOTE, start, stop)
        at = np.flatnonzero(raised)
        old = take(columns["rank"], at).to_pylist()
        columns["rank"] = put(columns["rank"], at, [_NEXT_RANK.get(rank or "", rank) for rank in old])
        _due(columns, at, "Change of rank")
        at = np.flatnonzero(_chosen(roll, f"renamed on night {each}", _RENAME, start, stop))
        columns["surname"] = put(columns["surname"], at, [_NEW_NAMES[place % len(_NEW_NAMES)] for place in range(len(at))])
        _due(columns, at, "Change of name")
    at = np.flatnonzero(new)
    _due(columns, at, "New starter")
    columns["card_expiry"] = put(columns["card_expiry"], at, [None] * len(at))
    first_day = (AS_OF + timedelta(days=night - 1)).isoformat()
    columns["hire_date"] = put(columns["hire_date"], at, [first_day] * len(at))
    batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema)
    return batch.filter(pa.array(~gone))


def _count(share: float, people: int) -> int:
    return max(_LEAST, round(share * people)) if people >= 100 else 0


def _chosen(roll: Roll, what: str, share: float, start: int, stop: int) -> Mask:
    """The rows of a block to which something happens: so many of the whole roll, anywhere in it."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([roll.seed, 4, *what.encode()])))
    chosen = rng.choice(roll.people, _count(share, roll.people), replace=False)
    places = np.arange(start, stop)
    return np.isin(places, chosen)


def _due(columns: dict[str, Text], at: Ints, reason: str) -> None:
    columns["card_due"] = put(columns["card_due"], at, ["yes"] * len(at))
    columns["card_reason"] = put(columns["card_reason"], at, [reason] * len(at))


def _where(mask: Mask, value: str | None, otherwise: Text) -> Text:
    return where(mask, text([value] * len(otherwise)), otherwise)
