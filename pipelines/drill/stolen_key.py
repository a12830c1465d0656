"""Attack 8: a thief who has one supplier's key of one epoch as well. All tokens made with it fall; no other may.

The only attacker that may open a key, and the key is named to it: a supplier and an epoch of a key store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.drill.claims import Claims, ValueClaims
from pipelines.drill.loot import ColumnDesign, Haul, Loot, Text, picked, places
from transforms.keyring.resolving import open_resolving_keys
from transforms.tokens.column import TokenForm, make_tokens
from transforms.tokens.derive import TokenLabel, column_key


@dataclass(frozen=True, slots=True)
class KeyReference:
    """Which key was stolen: a store, a supplier and an epoch. Never the key."""

    store: str
    supplier: str
    epoch: int
    today: date


def attack(loot: Loot, stolen: KeyReference) -> list[Claims]:
    """Makes every token of every number that may be issued, under the stolen key, and looks for them in each release.

    The thief knows how labels are made, so it makes those of the victim's columns too, and of which kind a column's tokens are.
    Prefixes are not compared.
    """
    found: list[Claims] = []
    people = _numbers(loot)
    if not len(people):
        return found
    with open_resolving_keys(stolen.store, stolen.supplier, stolen.today) as opened:
        key = opened.key(stolen.epoch).reveal()
        for haul in loot.hauls:
            for token in haul.design.tokens:
                if token.of != (loot.public.person_key,):
                    continue
                for label in _labels(stolen, haul, token):
                    form = TokenForm(token.kind, label.supplier, label.epoch, label.column, "XX1-", token.of, 0, token.size)
                    tokens = make_tokens(column_key(key, label), form, people, [people]).text
                    how = f"tokens of {label.supplier}, epoch {label.epoch}, column {label.column}, scope {label.scope}"
                    found.append(_matched(how, haul, form, people, tokens, loot.public.person_key))
    return found


def _labels(stolen: KeyReference, haul: Haul, token: ColumnDesign) -> list[TokenLabel]:
    suppliers = dict.fromkeys((stolen.supplier, haul.design.supplier))
    labels = []
    for supplier in suppliers:
        for scope, release in (("relationship", None), ("transaction", haul.release)):
            labels.append(TokenLabel(supplier, stolen.epoch, token.name, token.of, scope, release, token.kind))
    return labels


def _numbers(loot: Loot) -> Text:
    public = loot.public
    return pa.array([f"{number:0{public.width}d}" for each in public.numbers for number in each], pa.string())


def _matched(how: str, haul: Haul, form: TokenForm, people: Text, tokens: Text, person_key: str) -> Claims:
    symbols = pc.utf8_slice_codeunits(haul.column(form.column), -form.symbols)
    at = places(symbols, pc.utf8_slice_codeunits(tokens, -form.symbols))
    rows = np.flatnonzero(at >= 0)
    return ValueClaims(how, haul, rows, (person_key,), picked(people, at[rows]))
