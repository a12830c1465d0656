"""Whom a view tells apart, by what it keeps of them and by what changed: counted, and refused where the policy says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from transforms.contract.model import Contract
from transforms.errors import StoreUnavailable
from transforms.leaks.changes import Rows, SingledOut, check_changes
from transforms.leaks.findings import Check
from transforms.leaks.groups import KeptCells, SmallGroups, SmallMarginals, check_groups
from transforms.leaks.table import Chunk, UnreadableTable
from transforms.leaks.view_table import table_chunks, table_name
from transforms.leaks.words import Words
from transforms.policy.model import Policy


class Disclosure:
    """Sees a view's rows once; eight bytes a row and kept column, and the row's first token, stay in memory until it is closed."""

    def __init__(self, policy: Policy, contract: Contract) -> None:
        self._policy = policy
        self._kept = KeptCells(policy, contract)
        self._now = Rows(policy, self._kept)
        self.checks: tuple[Check, ...] = (SmallGroups(), SmallMarginals(), SingledOut())

    def see(self, chunk: Chunk) -> None:
        """Remembers some rows."""
        if self._kept.names:
            self._now.see(chunk)

    def close(self, previous: Path | None) -> Mapping[str, int]:
        """Ends the checks; returns what they counted.

        Args:
            previous: the directory of the supplier's last release, if there is one.

        Raises:
            StoreUnavailable: the last release cannot be read.
        """
        if not self._kept.names:
            return {}
        groups, counted = check_groups(self._kept, self._now.codes, self._policy, table_name(self._policy))
        changes, changed = self._compare(previous)
        self.checks = (*groups, changes)
        return {**counted, **changed}

    def _compare(self, previous: Path | None) -> tuple[SingledOut, Mapping[str, int]]:
        """Against the last release, if it had the same columns in the same form and its tokens last."""
        table = table_name(self._policy)
        if previous is None or self._policy.sort_token.scope != "relationship" or not (previous / table).is_file():
            return SingledOut(), {}
        before = Rows(self._policy, self._kept)
        try:
            for chunk in table_chunks(previous, self._policy, Words(), []):
                before.see(chunk)
        except UnreadableTable:
            return SingledOut(), {}
        except OSError:
            hint = "see that the user of the run may read earlier releases"
            raise StoreUnavailable("the last release cannot be read", place=str(previous), hint=hint) from None
        return check_changes(self._now, before, self._policy, table)
