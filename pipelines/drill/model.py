"""What a drill found, as plain frozen values: counts, rates and words, and never a value of a person.

`docs/spec/drill.md` says what each field means; `docs/spec/drill.schema.json` is the JSON Schema of what `report_json` writes.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final, Literal

FORMAT: Final = "supplier-views/drill/1"
CONFIDENCE: Final = 0.95
# How improbable it must be that guessing does as well, before an attack counts as one that beats guessing. A force is attacked
# hundreds of times a year; at 95 % every other night would be refused by luck.
CHANCE: Final = 1e-4

Limit = Literal["attributed_above_guess", "relinkable_without_photos"]


class Verdict(StrEnum):
    """What a result means for the release."""

    WITHIN = "within"  # within the policy's limit
    OVER = "over"  # over it: the release does not leave
    TOLD = "told"  # no limit holds for this attack: faces, a stolen key
    WON = "won"  # a careless design fell, as it should
    HELD = "held"  # a careless design did not fall: the attack proves nothing


@dataclass(frozen=True, slots=True)
class AttackResult:
    """One attack on one target.

    `target` is a supplier, two or more joined by `+`, or the name of a careless design (then `careless`). `holds` says what the
    thief has, `asks` what is claimed of whom. `people` are those whom the attack could have told; `claims` is how many claims it
    made, `correct` how many of them were true; `rate` is `correct / claims` (0 without a claim). `guess_rate` is what the
    same number of claims would score by guessing. `low` and `high` are the Clopper-Pearson interval of `rate`; without a claim,
    of no success among `people`. `chance` is the probability that guessing does at least as well, over all `variants` that were
    tried; `best` says which of them is told here. `above_guess` are the people beyond what guessing gives, 0 unless `chance`
    is below the report's. `share` is `correct / people`. `limit` names the key of the policy that bounds the result, `bound` is
    its value; both None where none does.
    """

    attack: str
    target: str
    careless: bool
    by_photo: bool
    holds: str
    asks: str
    people: int
    claims: int
    correct: int
    rate: float
    guess_rate: float
    low: float
    high: float
    chance: float
    above_guess: int
    share: float
    best: str
    variants: int
    limit: Limit | None
    bound: float | None
    verdict: Verdict
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotRun:
    """An attack that was not run, and why: what a report does not say is not thereby safe."""

    attack: str
    target: str
    why: str


@dataclass(frozen=True, slots=True)
class DrillReport:
    """One drill. `people` is the number of sound rows in the export, `nights` the business dates, oldest first."""

    format: str
    mode: Literal["full", "nightly"]
    nights: tuple[datetime.date, ...]
    suppliers: tuple[str, ...]
    people: int
    public_people: int
    confidence: float
    interval: str
    chance: float
    attacks: tuple[AttackResult, ...]
    not_run: tuple[NotRun, ...]

    @property
    def over(self) -> tuple[AttackResult, ...]:
        """The results over their limits."""
        return tuple(result for result in self.attacks if result.verdict is Verdict.OVER)


def report_json(report: DrillReport) -> bytes:
    """The report's file: UTF-8, two blanks a level, keys in the order of the fields."""
    return (json.dumps(asdict(report), indent=2, default=_plain, allow_nan=False) + "\n").encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not belong into a report")
