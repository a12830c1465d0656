"""What a page says, as plain frozen values; `report.json` is its canonical JSON, and HTML is made from nothing else.

No value of an export is in it: counts, dates, names of columns, rules and suppliers, words of policies and contract, and the
synthetic person of `pipelines.reporting.sample`. How many people are protected is never a figure of its own [P17].
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final, Literal

from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import Refused

FORMAT: Final = "supplier-views/report/1"

Outcome = Literal["published", "already-published", "nothing-to-do", "held-back"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a run ended without publishing, and what it was at: the error's code, rule, place, hint, and how many findings more."""

    during: Literal["preparing", "staging", "checking", "publishing"]
    code: str
    rule: str
    place: str
    hint: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One column and the value in it; None where the cell is empty, or nothing can be shown."""

    column: str
    value: str | None


@dataclass(frozen=True, slots=True)
class HrCell:
    """A cell of the synthetic person as HR has it, with what the column can do to a person."""

    column: str
    value: str | None
    classification: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the synthetic person: JPEG in base 64; size of the file behind it, and what that holds beside pixels."""

    jpeg: str
    width_px: int
    height_px: int
    file_bytes: int
    beside_pixels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ViewLine:
    """A column that leaves: what is done to it (`token`, `keep`, `generalise` or `photo`), from which columns, and why.

    `kind` is a token's (docs/spec/policy.md), None for the others.
    """

    name: str
    action: str
    kind: str | None
    of: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Columns of the export that stay, by what they could do to a person."""

    classification: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What falls if a supplier is breached: people, facts about each, photos, and days until it must be gone (None: never)."""

    people: int
    fields: int
    photos: int
    days: int | None


@dataclass(frozen=True, slots=True)
class Crowd:
    """People whose kept columns are shared by as many people as the label says, and how many such groups there are."""

    label: str
    groups: int
    people: int


@dataclass(frozen=True, slots=True)
class Crowds:
    """How many people share their kept columns with how many others, in one release; `smallest` is the smallest group."""

    columns: tuple[str, ...]
    smallest: int
    sizes: tuple[Crowd, ...]


@dataclass(frozen=True, slots=True)
class SupplierReport:
    """One supplier's part.

    `rows` and `photos_withheld` are None where the run ended before they were known. `seen` is the synthetic person in this view,
    None if the supplier has no work for them. `measures` are what the leak gate counted beside its verdict. `earlier` are
    releases before this one that the supplier may still hold.
    """

    supplier: str
    purpose: str
    agreement: str
    legal_basis: str
    delete_after_days: int
    only: tuple[str, ...]
    everybody: str | None
    assumed: str | None
    outcome: Outcome
    release_id: str | None
    delete_by: datetime.date | None
    epoch: int | None
    policy_sha256: str
    columns: tuple[ViewLine, ...]
    stays: tuple[Kept, ...]
    seen: tuple[Cell, ...] | None
    photo: Picture | None
    rows: int | None
    photos_withheld: int | None
    tonight: Exposure | None
    earlier: int
    earlier_rows: int
    checks: tuple[str, ...]
    measures: tuple[tuple[str, int], ...]
    crowds: Crowds | None


@dataclass(frozen=True, slots=True)
class Counts:
    """The export's rows by fate; `broken` and `flagged` are how often each rule was broken, and how often something was noticed."""

    rows: int
    accepted: int
    quarantined: int
    broken: tuple[tuple[str, int], ...]
    flagged: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack of the drill on one target; fields as in docs/spec/drill.md."""

    attack: str
    target: str
    careless: bool
    by_photo: bool
    people: int
    claims: int
    correct: int
    rate: float
    guess_rate: float
    low: float
    high: float
    above_guess: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill found, and on which business date."""

    mode: str
    date: datetime.date
    people: int
    attacks: tuple[Attack, ...]
    not_run: int


@dataclass(frozen=True, slots=True)
class KeyLine:
    """The key that is in use: of which supplier (or of the force itself), its epoch, and the days until it may not be used."""

    name: str
    purpose: str
    epoch: int
    expires: str
    days_left: int


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `number` counts the runs of the business date. `compared_with` is the date that `changes` refers to, None on the
    first; `last_night` is the exposure of each supplier then."""

    format: str
    date: datetime.date
    number: int
    finished: datetime.datetime
    outcome: Outcome
    refusal: Refusal | None
    export_columns: tuple[str, ...]
    contract_sha256: str
    counts: Counts | None
    suppliers: tuple[SupplierReport, ...]
    hr_record: tuple[HrCell, ...]
    portrait: Picture | None
    drill: Drill | None
    full_drill: Drill | None
    keys: tuple[KeyLine, ...]
    compared_with: datetime.date | None
    last_night: tuple[tuple[str, Exposure], ...]
    changes: tuple[str, ...]
    notices: tuple[str, ...]


def report_json(report: Report) -> bytes:
    """The bytes of `report.json`."""
    return canonical_json(report)


def read_report(data: bytes, place: str) -> Report:
    """A report from the bytes of `report.json` at `place`.

    Raises:
        Refused: code `report-malformed` unless they are exactly what `report_json` writes for it.
    """
    try:
        report = parse_canonical(data, Report)
    except ValueError:
        raise Refused(
            "not a report of this format", place=place, hint="the next run writes a new one", code="report-malformed"
        ) from None
    if report.format != FORMAT:
        raise Refused("a report of another format", place=place, hint="use the version that wrote it", code="report-malformed")
    return report
