"""The full drill: reads releases as a thief would, lets every attacker at them, and scores what they claim."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa

from pipelines.drill.careless import write_careless
from pipelines.drill.course import Course
from pipelines.drill.loot import Haul, Ints, design_of, read_haul
from pipelines.drill.model import CHANCE, CONFIDENCE, FORMAT, DrillReport, NotRun, Verdict
from pipelines.drill.press import print_press
from pipelines.drill.public import columns_known, make_public, name_columns
from pipelines.drill.truth import Truth, read_people, rows_behind
from pipelines.release.files import read_file
from pipelines.release.manifest import MANIFEST_NAME, open_manifest
from transforms.contract.load import load_contract
from transforms.contract.model import Classification, Contract
from transforms.errors import Refused, StoreUnavailable, UsageError
from transforms.keyring.hardening import harden_process
from transforms.keyring.open import open_verification_keys
from transforms.policy.lint import check_policies
from transforms.policy.load import load_policies
from transforms.policy.model import Policy

Progress = Callable[[str, int, int], None]

INTERVAL = "Clopper-Pearson"
_ORDERS = ("hire_date",)  # beside the person key and the surname, an order in which exports come


@dataclass(frozen=True, slots=True)
class DrillSettings:
    """What a drill is told: the terms, one export a night (oldest first), where releases and keys are, and which suppliers.

    `quick` leaves out what the nightly drill leaves out.
    """

    contract: Path
    policies: Path
    exports: Mapping[date, str]
    photos: Path | None
    keys: str
    out: Path
    suppliers: tuple[str, ...] = ()
    quick: bool = False


class LimitExceeded(Refused):
    """A release is over the limits of its policy; `findings` has an error for each attack that is."""

    def __init__(self, findings: tuple[Refused, ...]) -> None:
        first = findings[0]
        super().__init__(first.rule, place=first.place, hint=first.hint, code=first.code)
        self.findings = findings


def drill(settings: DrillSettings, now: datetime, progress: Progress) -> DrillReport:
    """Attacks the published releases of one or two nights.

    Raises:
        InvalidInput: contract, policies or export break a rule.
        Refused: a release is not of the export that was given.
        KeyUnavailable: a key of the force's side, which scores, cannot be opened.
        StoreUnavailable: a release cannot be read.
    """
    harden_process()
    contract = load_contract(settings.contract)
    policies = _chosen(load_policies(settings.policies), contract, settings.suppliers)
    columns = columns_drilled(contract)
    exports = {day: read_people(pattern, contract, columns) for day, pattern in sorted(settings.exports.items())}
    with _private_directory() as root:
        public, behind = make_public(exports, contract, _press(settings, contract, exports, root))
        truth = Truth(contract.person_key, exports, behind)
        course = Course(policies, public, truth, progress, orders_of(contract), quick=settings.quick)
        hauls = _read_releases(settings, contract, policies, exports, truth, now.date(), course)
        course.attack_suppliers(hauls)
        course.attack_together(hauls)
        if not settings.quick:
            course.attack_with_stolen_keys(hauls, settings.keys, now.date())
            names = name_columns(contract)
            designs = write_careless(root, exports, names, truth, settings.photos, photo_column(contract))
            course.attack_careless(designs)
    return report_of(course, exports, policies, "nightly" if settings.quick else "full")


def report_of(
    course: Course, exports: Mapping[date, pa.Table], policies: tuple[Policy, ...], mode: Literal["full", "nightly"]
) -> DrillReport:
    """What came of a course, as the report."""
    return DrillReport(
        format=FORMAT,
        mode=mode,
        nights=tuple(exports),
        suppliers=tuple(policy.supplier for policy in policies),
        people=exports[max(exports)].num_rows,
        public_people=course.listed,
        confidence=CONFIDENCE,
        interval=INTERVAL,
        chance=CHANCE,
        attacks=tuple(course.results),
        not_run=tuple(course.not_run),
    )


def hold_limits(report: DrillReport, policies: tuple[Policy, ...]) -> None:
    """Passes if every attack is within its limit.

    Raises:
        LimitExceeded: with a rule and a place, a line of a policy, for each attack that is not.
    """
    by_supplier = {policy.supplier: policy for policy in policies}
    findings = []
    for result in report.over:
        policy = by_supplier[result.target.partition("+")[0].partition(" ")[0]]
        if result.limit == "relinkable_without_photos":
            rule = f"{result.attack} on {result.target} re-links {result.share:.2%} of shared people, and {result.bound:.2%} may be"
        else:
            rule = (
                f"{result.attack} on {result.target} attributes {result.above_guess:,} people above guessing, "
                f"and {result.bound:g} is allowed"
            )
        findings.append(
            Refused(
                rule,
                place=_line_of(policy, f"risk.{result.limit}"),
                hint="keep fewer columns or coarser ones; docs/drill.md says what each attack shows",
                code="drill-over-limit",
            )
        )
    if findings:
        raise LimitExceeded(tuple(findings))


def columns_drilled(contract: Contract) -> tuple[str, ...]:
    """The columns of the export that a drill reads: what the public knows, what views keep, and the photo's name."""
    kept = [column.name for column in contract.columns if column.classification is Classification.QUASI]
    photo = photo_column(contract)
    return tuple(dict.fromkeys((*columns_known(contract), *kept, *((photo,) if photo else ()))))


def orders_of(contract: Contract) -> tuple[str, ...]:
    """The columns in whose order an export may come: the person key, the surname, the day of joining."""
    wanted = (contract.person_key, *name_columns(contract)[:1], *_ORDERS)
    return tuple(name for name in wanted if name in contract.names)


def photo_column(contract: Contract) -> str | None:
    """The export's column of photos."""
    return next((column.name for column in contract.columns if column.classification is Classification.PHOTO), None)


def _chosen(policies: tuple[Policy, ...], contract: Contract, wanted: tuple[str, ...]) -> tuple[Policy, ...]:
    check_policies(contract, policies)
    known = {policy.supplier: policy for policy in policies}
    for name in wanted:
        if name not in known:
            raise UsageError("no policy has a supplier that --supplier names", hint=f"known: {', '.join(known)}")
    return tuple(known[name] for name in sorted(set(wanted) or known))


def _read_releases(
    settings: DrillSettings,
    contract: Contract,
    policies: tuple[Policy, ...],
    exports: Mapping[date, pa.Table],
    truth: Truth,
    today: date,
    course: Course,
) -> dict[str, tuple[Haul, ...]]:
    hauls: dict[str, tuple[Haul, ...]] = {}
    public_keys = open_verification_keys(settings.keys, today)
    for policy in policies:
        nights = []
        for day, people in exports.items():
            directory = _release(settings.out, policy.supplier, day)
            if directory is None:
                course.not_run.append(NotRun("all", policy.supplier, f"no release of {day.isoformat()}"))
                continue
            data = read_file(directory / MANIFEST_NAME) or b""
            epoch = open_manifest(data, public_keys, str(directory)).terms.tokens.epoch
            haul = read_haul(design_of(policy, contract), day, directory.name, directory, epoch)
            rows: Ints = rows_behind(haul, policy, contract, people, settings.keys, today)
            truth.know(haul, rows)
            nights.append(haul)
        if nights:
            hauls[policy.supplier] = tuple(nights)
    if not hauls:
        raise StoreUnavailable("no release of these dates", place=str(settings.out), hint="publish first", code="release-missing")
    return hauls


def _release(out: Path, supplier: str, day: date) -> Path | None:
    found = sorted(path for path in (out / supplier).glob(f"{day.isoformat()}-*") if (path / MANIFEST_NAME).is_file())
    return found[0] if found else None


def _press(
    settings: DrillSettings, contract: Contract, exports: Mapping[date, pa.Table], root: Path
) -> tuple[tuple[str, Path], ...]:
    column = photo_column(contract)
    if settings.photos is None or column is None or settings.quick:
        return ()
    return print_press(exports[max(exports)], contract.person_key, column, settings.photos, root / "press")


def _line_of(policy: Policy, path: str) -> str:
    for key in (path, path.partition(".")[0]):
        if key in policy.lines:
            return f"{policy.source}:{policy.lines[key]}"
    return f"{policy.source}: {path}"


@contextmanager
def _private_directory() -> Iterator[Path]:
    """A directory that nobody else can enter, gone at the end: careless designs hold what must not lie around."""
    umask = os.umask(0o077)
    try:
        with tempfile.TemporaryDirectory(prefix="supplier-views-drill-") as path:
            yield Path(path)
    finally:
        os.umask(umask)


def verdicts(report: DrillReport) -> dict[str, int]:
    """How many results have each verdict."""
    return {verdict.value: sum(result.verdict is verdict for result in report.attacks) for verdict in Verdict}
