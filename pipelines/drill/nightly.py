"""The part of the drill that every run takes: staged views are attacked before they can leave.

Between the leak gate and the proof: a view over its limits gets no proof, and without one nothing is published. The export is the
truth that scores. What needs more than tonight's views (two nights, careless designs, a stolen key) is the full drill's.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pipelines.drill.course import Course
from pipelines.drill.loot import design_of, read_haul
from pipelines.drill.model import DrillReport, report_json
from pipelines.drill.public import columns_known, make_public
from pipelines.drill.run import hold_limits, orders_of, report_of
from pipelines.drill.truth import Truth, read_people, rows_behind
from pipelines.inputs import Terms
from pipelines.release.files import make_private_directory, replace
from pipelines.release.staging import Staging
from pipelines.settings import Settings
from pipelines.watch import Watch

CHECK = "drill-"  # before an attack's name, among the checks that a proof lists


def drill_staged(settings: Settings, terms: Terms, staging: Staging, watch: Watch, today: date) -> tuple[str, ...]:
    """Attacks the staged views of a run; writes counts and rates to the records, whether they are within their limits or not.

    Returns:
        The names of the attacks that were withstood, as checks.

    Raises:
        LimitExceeded: with rule and place of each attack over its policy's limit; nothing of the run may leave.
        Refused: a staged row is nobody's in the export.
    """
    contract = terms.contract
    columns = tuple(dict.fromkeys((*columns_known(contract), *orders_of(contract))))
    exports = {settings.date: read_people(settings.export, contract, columns)}
    public, behind = make_public(exports, contract)
    truth = Truth(contract.person_key, exports, behind)
    course = Course(terms.policies, public, truth, watch.say, orders_of(contract), quick=True)
    hauls = {}
    for policy in terms.policies:
        area = staging.area(settings.date, policy.supplier)
        report = area.read_report()
        if not report.rows:
            continue
        haul = read_haul(design_of(policy, contract), settings.date, report.release_id, area.release, report.tokens.epoch)
        truth.know(haul, rows_behind(haul, policy, contract, exports[settings.date], settings.keys, today))
        hauls[policy.supplier] = (haul,)
    course.attack_suppliers(hauls)
    course.attack_together(hauls)
    found = report_of(course, exports, terms.policies, "nightly")
    _record(settings.records, settings.date, found)
    hold_limits(found, terms.policies)
    return tuple(sorted({f"{CHECK}{result.attack}" for result in found.attacks if result.limit is not None}))


def report_path(records: Path, day: date) -> Path:
    """Where the records keep the nightly drill of a business date."""
    return records / "drill" / f"{day.isoformat()}.json"


def _record(records: Path, day: date, report: DrillReport) -> None:
    make_private_directory(records)
    path = report_path(records, day)
    make_private_directory(path.parent)
    replace(path, report_json(report))
