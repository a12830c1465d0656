"""Who is who, on the force's side: scores claims, and is never given to an attacker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, final

import numpy as np
import pyarrow as pa

from pipelines.drill.loot import Haul, Ints, Text, clean, joined, picked, places
from pipelines.inputs import find_sources, open_binary
from transforms.contract.model import Contract
from transforms.contract.rows import RowChecker
from transforms.errors import Refused
from transforms.export.block import gather
from transforms.export.sources import open_reader
from transforms.keyring.resolving import open_resolving_keys
from transforms.keyring.secret import Unshareable
from transforms.policy.model import Policy
from transforms.tokens.column import form_of, label_of, make_tokens
from transforms.tokens.derive import column_key


@final
class Truth(Unshareable):
    """The export of each night, the person behind each line of the public lists, and the export's row behind each release's."""

    def __init__(self, person_key: str, exports: Mapping[date, pa.Table], listed: Mapping[date, Ints]) -> None:
        self.person_key = person_key
        self._exports = exports
        self._listed = listed
        self._rows: dict[Haul, Ints] = {}

    def know(self, haul: Haul, rows: Ints) -> None:
        """Notes the export's row of each row of a release."""
        self._rows[haul] = rows

    def person(self, haul: Haul, rows: Ints) -> Text:
        """The person keys of some rows of a release."""
        keys: Text = picked(self._column(haul, self.person_key), self._rows[haul][rows])
        return keys

    def listed(self, haul: Haul, listed: Ints) -> Text:
        """The person keys of some lines of the public list of a release's night."""
        keys: Text = picked(self._column(haul, self.person_key), self._listed[haul.day][listed])
        return keys

    def values(self, haul: Haul, rows: Ints, about: tuple[str, ...]) -> Text:
        """Values of the people in some rows, cleaned and joined."""
        return joined(picked(self._exports[haul.day], self._rows[haul][rows]), about)

    def cleaned(self, haul: Haul, rows: Ints, about: str) -> Text:
        """One column of the people in some rows, cleaned."""
        return clean(picked(self._exports[haul.day].column(about), self._rows[haul][rows]))

    def shared(self, one: Haul, other: Haul) -> int:
        """How many people two releases of one night have in common."""
        return len(np.intersect1d(self._rows[one], self._rows[other]))

    def _column(self, haul: Haul, name: str) -> Any:
        return self._exports[haul.day].column(name).combine_chunks()


def read_people(pattern: str, contract: Contract, columns: tuple[str, ...]) -> pa.Table:
    """The sound rows of an export, some of its columns, first of each person only.

    Raises:
        ExportError, StoreUnavailable: see `pipelines.inputs.find_sources`.
    """
    checker = RowChecker(contract)
    schema = pa.schema([(name, pa.string()) for name in columns])
    parts = [schema.empty_table()]  # an export may have no rows
    for source in find_sources(pattern, contract):
        with open_binary(source.path) as stream:
            blocks = gather(open_reader(source, stream, contract))
            parts += [pa.Table.from_batches([checker.check(block.rows).accepted.select(list(columns))]) for block in blocks]
    return first_of_each(pa.concat_tables(parts).combine_chunks(), contract.person_key)


def first_of_each(people: pa.Table, person_key: str) -> pa.Table:
    """The table with the first row of each person."""
    keys = people.column(person_key).combine_chunks()
    found = places(keys, keys)
    whole = np.arange(people.num_rows, dtype=np.int64)
    return people if bool((found == whole).all()) else picked(people, np.flatnonzero(found == whole))


def rows_behind(haul: Haul, policy: Policy, contract: Contract, people: pa.Table, keys: str, today: date) -> Ints:
    """The export's row of each row of a release, by making its tokens once more.

    Raises:
        Refused: code `drill-other-export` if a token is no person's of this export.
        KeyUnavailable: the release's key cannot be opened any more.
    """
    if haul.rows == 0:
        return np.empty(0, np.int64)
    token = policy.sort_token
    person = people.column(contract.person_key).combine_chunks()
    with open_resolving_keys(keys, policy.supplier, today) as opened:
        key = column_key(opened.key(haul.epoch).reveal(), label_of(policy, token, haul.epoch, haul.release))
        tokens = make_tokens(key, form_of(policy, contract, token, haul.epoch), person, [person])
    rows = places(haul.column(token.name), tokens.text)
    if (rows < 0).any():
        raise Refused(
            "a row of the release is nobody's in the export",
            place=f"{policy.supplier} {haul.day.isoformat()}",
            hint="give the export that the release was made from",
            code="drill-other-export",
        )
    return rows
