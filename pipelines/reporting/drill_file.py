"""Reads what a drill wrote, and keeps of it what a page shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipelines.drill.model import FORMAT, DrillReport
from pipelines.release.files import read_file
from pipelines.reporting.model import Attack, Drill
from transforms.errors import Refused

_ADAPTER: Final = TypeAdapter(DrillReport)


def read_drill(path: Path) -> Drill | None:
    """A drill's report (docs/spec/drill.md), None where there is none.

    Raises:
        Refused: code `drill-malformed`.
        StoreUnavailable: the file cannot be read.
    """
    data = read_file(path)
    if data is None:
        return None
    try:
        report = _ADAPTER.validate_python(json.loads(data))
        if report.format != FORMAT or not report.nights:
            raise ValueError
    except (ValidationError, ValueError, RecursionError):
        raise Refused(
            "not a drill's report", place=str(path), hint="write one with supplier-views drill", code="drill-malformed"
        ) from None
    attacks = tuple(
        Attack(
            attack=result.attack,
            target=result.target,
            careless=result.careless,
            by_photo=result.by_photo,
            people=result.people,
            claims=result.claims,
            correct=result.correct,
            rate=float(result.rate),
            guess_rate=float(result.guess_rate),
            low=float(result.low),
            high=float(result.high),
            above_guess=result.above_guess,
            verdict=result.verdict.value,
        )
        for result in report.attacks
    )
    return Drill(report.mode, report.nights[-1], report.people, attacks, len(report.not_run))
