"""What a check reports: a rule and a place, never a value [R15]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A broken rule.

    `place` names what is fixed (a file of the policy, a column, a row number), and never what was found there: an unexpected file's
    name may be the leak itself. `count` is how often the rule was broken there.
    """

    rule: str
    place: str
    count: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """A check that was run, and the number of things (rows, files, values) that it looked at."""

    rule: str
    examined: int


class Check:
    """One rule of the gate: looks at things, counts them, and remembers where the rule was broken."""

    rule: ClassVar[str]

    def __init__(self) -> None:
        self._examined = 0
        self._found: dict[str, int] = {}

    def examine(self, count: int = 1) -> None:
        """Counts things that were looked at."""
        self._examined += count

    def found(self, place: str, count: int = 1) -> None:
        """Notes that the rule was broken `count` times at a place."""
        self._found[place] = self._found.get(place, 0) + count

    def findings(self) -> tuple[Finding, ...]:
        """Where the rule was broken, in the order of places; nothing if it holds."""
        return tuple(Finding(self.rule, place, count) for place, count in sorted(self._found.items()))

    def outcome(self) -> Outcome:
        """That the check was run."""
        return Outcome(self.rule, self._examined)


def add_outcomes(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """One outcome a rule, in the order of rules: several columns may have a check of the same rule."""
    total: dict[str, int] = {}
    for outcome in outcomes:
        total[outcome.rule] = total.get(outcome.rule, 0) + outcome.examined
    return tuple(Outcome(rule, examined) for rule, examined in sorted(total.items()))
