"""What changed since a supplier's last release, and whom that singles out [D4].

Tokens last, so two releases side by side say who came, who went, and whose labels changed. Somebody who changed alone, on a day
on which a newspaper says who was promoted, is known from then on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.leaks.findings import Check
from transforms.leaks.groups import Codes, KeptCells, combine
from transforms.leaks.strings import Strings
from transforms.leaks.table import Chunk
from transforms.policy.model import Policy

JOINED, LEFT, CHANGED, SINGLED_OUT = "rows_joined", "rows_left", "rows_changed", "singled_out_by_change"


class SingledOut(Check):
    """More people than the policy allows are each the only one with what changed of them since the last release [D4]."""

    rule = "singled-out-by-change"


class Rows:
    """The rows of one release, as far as two are compared: the first token of each, and the kept cells as numbers."""

    def __init__(self, policy: Policy, kept: KeptCells) -> None:
        self._place = policy.columns.index(policy.sort_token)
        self._kept = kept
        self._tokens: list[Strings] = []
        self._codes: list[tuple[Codes, ...]] = []

    def see(self, chunk: Chunk) -> None:
        """Adds some rows."""
        self._tokens.append(chunk.columns[self._place])
        self._codes.append(self._kept.codes(chunk))

    @property
    def tokens(self) -> Strings:
        """The first token of each row."""
        return pa.concat_arrays([pa.array([], pa.string()), *self._tokens])

    @property
    def codes(self) -> tuple[Codes, ...]:
        """The kept columns."""
        columns = zip(*self._codes, strict=True) if self._codes else [()] * len(self._kept.names)
        return tuple(np.concatenate([np.zeros(0, np.int64), *parts]) for parts in columns)


def check_changes(now: Rows, before: Rows, policy: Policy, table: str) -> tuple[SingledOut, Mapping[str, int]]:
    """Compares two releases of one supplier under the same keys.

    Returns:
        The check, and what was counted: rows that joined, left and changed, and of those the ones that are alone in it. Nothing is
        counted if the releases have no token in common, as after a change of keys: nobody can compare them either.
    """
    check = SingledOut()
    new, old = now.tokens, before.tokens
    at: Codes = pc.index_in(new, value_set=old).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    stayed = at >= 0
    if not stayed.any():
        return check, {}
    check.examine(at.size)
    gone = np.ones(len(old), np.bool_)
    gone[at[stayed]] = False
    news, olds = now.codes, before.codes
    differs = np.zeros(int(stayed.sum()), np.bool_)
    for fresh, former in zip(news, olds, strict=True):
        differs |= fresh[stayed] != former[at[stayed]]
    moved = np.flatnonzero(stayed)[differs]
    counts = {JOINED: int((~stayed).sum()), LEFT: int(gone.sum()), CHANGED: int(moved.size)}
    alone = _alone([column[~stayed] for column in news]) + _alone([column[gone] for column in olds])
    alone += _alone([*(column[moved] for column in news), *(column[at[moved]] for column in olds)])
    limit = policy.risk.singled_out_by_change
    if limit is not None and alone > limit:
        check.found(f"{table} since the release before", alone)
    return check, {**counts, SINGLED_OUT: alone}


def _alone(columns: list[Codes]) -> int:
    """How many rows no other is equal to."""
    if not columns or not columns[0].size:
        return 0
    return int((np.bincount(combine(columns)) == 1).sum())
