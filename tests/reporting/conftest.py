"""A page's model, gathered from what a run would tell, without a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.inputs import Terms
from pipelines.publish import Published
from pipelines.release.stage_report import StageReport, TokenScheme
from pipelines.reporting.gather import Beside, Told, gather
from pipelines.reporting.model import Attack, Crowd, Crowds, Drill, KeyLine, Report
from transforms.contract.load import load_contract
from transforms.errors import SupplierViewsError
from transforms.policy.load import load_policies
from transforms.policy.model import Policy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 25, 2, 14, tzinfo=UTC)
PROTECTED, NOT_DUE = 60_613, 30_307  # numbers that nothing else on a page has

Gather = Callable[..., Report]


@pytest.fixture(scope="session")
def terms() -> Terms:
    return Terms(load_contract(EXAMPLES / "hr-export.yaml"), load_policies(EXAMPLES / "suppliers"), ())


def stage_report(policy: Policy, rows: int) -> StageReport:
    counts = {"in": 1000, "accepted": 997, "quarantined": 3, "released": rows, "not_due": NOT_DUE, "protected": PROTECTED}
    rules = {
        "photos_withheld": 1,
        "quarantined pattern pay_number": 2,
        "quarantined vocabulary rank": 1,
        "flagged-photo-small row": 4,
    }
    return StageReport(
        supplier=policy.supplier,
        date=DAY,
        release_id=f"{DAY}-0a1b2c",
        rows=rows,
        tokens=TokenScheme("1", {"person_token": "AES-256-CMAC"}, "1", "17.0.0", 1, f"{policy.supplier}/1"),
        photo_codec={},
        contract_sha256="",
        policy_sha256="",
        export_sha256="",
        software={},
        counts=counts | rules,
    )


@pytest.fixture(scope="session")
def gathered(terms: Terms) -> Gather:
    """Gathers a page of the example policies; what is given by name replaces what a published run would tell."""

    def make(
        day: date = DAY,
        before: tuple[Report, ...] = (),
        error: SupplierViewsError | None = None,
        told_terms: Terms | None = terms,
        rows: int = 84,
        **told: Any,
    ) -> Report:
        policies = told_terms.policies if told_terms else ()
        reports = {policy.supplier: stage_report(policy, rows) for policy in policies}
        published = {policy.supplier: Published("published", f"{day}-0a1b2c", None) for policy in policies}
        story = Told(
            terms=told_terms, reports=None if error else reports, published=None if error else published, error=error, **told
        )
        keys = (KeyLine("card-printer", "token", 1, "2027-11-02", 343), KeyLine("signing", "manifest-signing", 1, "2026-12-20", 26))
        report = gather(story, day, 1, NOW, Beside(before, keys=keys))
        crowds = Crowds(
            ("rank_band", "card_type"), 1, tuple(Crowd(label, n, n) for n, label in enumerate(("1", "2 to 4", "5 to 9")))
        )
        counted = (("rows_changed", 3), ("rows_joined", 5), ("rows_left", 2), ("singled_out_by_change", 1), ("smallest_group", 1))
        suppliers = tuple(
            replace(
                part,
                measures=counted,
                checks=("raw-value", "token-shape", "drill-dictionary", "a-new-rule"),
                crowds=crowds if part.tonight else None,
            )
            for part in report.suppliers
        )
        return replace(report, suppliers=suppliers)

    return make


def attack(name: str, target: str, *, careless: bool = False, correct: int = 0, verdict: str = "within") -> Attack:
    return Attack(name, target, careless, False, 84, 40, correct, correct / 40, 0.001, 0.0, 0.2, correct, verdict)


@pytest.fixture(scope="session")
def report(gathered: Gather) -> Report:
    """A page of a published run, with all that a page can hold."""
    before = gathered(day=date(2026, 11, 23), rows=70)
    page = gathered(before=(before,), notices=("examples/suppliers/card-printer.yaml:16: card-printer gets 2 tokens a row",))
    tonight = Drill("nightly", DAY, 1000, (attack("dictionary", "card-printer"), attack("collusion", "card-printer+uniform")), 2)
    careless = (
        attack("dictionary", "sha256-of-the-number", careless=True, correct=40, verdict="won"),
        attack("stolen-key", "uniform 2026-11-24", correct=31, verdict="told"),
    )
    return replace(page, drill=tonight, full_drill=Drill("full", date(2026, 11, 2), 47_000, careless, 0))


@pytest.fixture(scope="session")
def refused(gathered: Gather) -> Report:
    """A page of a run that the leak gate stopped."""
    from transforms.errors import Refused

    error = Refused("the staged view is not clean: raw-value: people.csv column site (3)", place="uniform 2026-11-24", code="leak")
    return gathered(error=error, during="checking")
