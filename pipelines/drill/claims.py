"""What an attacker says: claims about rows, which the force's side scores. A claim says how it was come by, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.drill.loot import Haul, Ints


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PersonClaims:
    """Row `rows[i]` of a release is about row `listed[i]` of that night's public list."""

    how: str
    haul: Haul
    rows: Ints
    listed: Ints


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ValueClaims:
    """The person of row `rows[i]` has the value `said[i]` in some columns of the export (cleaned, joined as `loot.joined` does)."""

    how: str
    haul: Haul
    rows: Ints
    about: tuple[str, ...]
    said: pa.Array[Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PairClaims:
    """Rows `rows[i]` of one release and `others[i]` of another are about one person."""

    how: str
    haul: Haul
    rows: Ints
    other: Haul
    others: Ints


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OrderClaims:
    """The person of row `rows[i]` comes before the person of row `later[i]` in the order of a column of the export."""

    how: str
    haul: Haul
    rows: Ints
    later: Ints
    about: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ManyPairs:
    """Pairs of several releases, taken together."""

    how: str
    parts: tuple[PairClaims, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SourceClaims:
    """File i of `files` came from the release that the attacker says; `right` is whether the folder that it was taken from agrees.

    No truth about people is needed: the attacker shuffled the files itself.
    """

    how: str
    right: npt.NDArray[np.bool_]
    guess: float = 0.5


Claims = PersonClaims | ValueClaims | PairClaims | ManyPairs | OrderClaims | SourceClaims


def made(claims: Claims) -> int:
    """How many claims there are."""
    match claims:
        case ManyPairs():
            return sum(len(part.rows) for part in claims.parts)
        case SourceClaims():
            return len(claims.right)
        case _:
            return len(claims.rows)
