"""What stage says of itself in `stage.json`, and whether its counts add up."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from transforms.errors import Refused
from transforms.leaks.findings import Check

STAGE_REPORT = "stage.json"
_CLASSES = ("not_due", "protected", "photos_withheld")


@dataclass(frozen=True, slots=True)
class Claims:
    """What the gate checks of a stage report: `rows` of the view, `epoch` of its tokens, rows of the export by fate.

    `continuity_from` is the epoch whose tokens the view maps to its own, None without a map; a map names its `release_id`.
    """

    rows: int
    epoch: int
    rows_in: int
    accepted: int
    quarantined: int
    released: int
    not_due: int
    protected: int
    photos_withheld: int
    release_id: str = ""
    continuity_from: int | None = None


class Counts(Check):
    """Rows were lost, doubled or hidden between the export and the view."""

    rule = "counts"


def read_claims(area: Path, supplier: str, day: date) -> Claims:
    """Reads the claims of one staged view.

    Raises:
        Refused: code `stage-malformed` if there is no report, or it is not one of this supplier and date.
    """
    try:
        report = json.loads((area / STAGE_REPORT).read_bytes())
        if (report["supplier"], report["date"]) != (supplier, day.isoformat()):
            raise ValueError
        counts = report["counts"]
        numbers = [report["rows"], report["tokens"]["epoch"]]
        numbers += [counts[name] for name in ("in", "accepted", "quarantined", "released", *_CLASSES)]
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError
        mapped_from = report.get("continuity_from")
        if mapped_from is not None and (type(mapped_from) is not int or not 0 < mapped_from < report["tokens"]["epoch"]):
            raise ValueError
        named = str(report["release_id"]) if mapped_from is not None else ""
        return replace(Claims(*numbers), release_id=named, continuity_from=mapped_from)
    except (OSError, ValueError, TypeError, KeyError):
        raise Refused(
            "not a stage report of this view", place=str(area / STAGE_REPORT), hint="stage again", code="stage-malformed"
        ) from None


def check_counts(claims: Claims, rows_in_view: int, rows_in_export: int) -> Counts:
    """Compares the claims with each other, with the view and with the export, each counted by who read it."""
    check = Counts()
    left_out = sum(getattr(claims, name) for name in _CLASSES)
    sums = {
        "rows in the export": (claims.rows_in, rows_in_export),
        "accepted and quarantined rows": (claims.rows_in, claims.accepted + claims.quarantined),
        "released rows and rows left out": (claims.accepted, claims.released + left_out),
        "released rows and rows of the view": (claims.released, claims.rows),
        "rows of the view as read": (claims.rows, rows_in_view),
    }
    for place, (claimed, counted) in sums.items():
        check.examine()
        if claimed != counted:
            check.found(f"{STAGE_REPORT}, {place}")
    return check
