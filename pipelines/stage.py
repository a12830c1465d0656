"""Stage: read the export once and write every supplier's view where no supplier can see it."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.continuity import plan_map
from pipelines.inputs import Terms, check_photo_store, find_sources, read_terms, unchanged
from pipelines.photo_cache import open_photo_cache
from pipelines.release.files import make_private_directory, remove, replace, store_errors
from pipelines.release.stage_report import StageReport, TokenScheme, fingerprint
from pipelines.release.staging import Staging, SupplierStaging
from pipelines.release.supplier_files import README_NAME, SCHEMA_NAME, readme_text, schema_bytes
from pipelines.runner_presets import choose
from pipelines.runners import run_pipeline
from pipelines.settings import Settings, check_shared, quarantine_file
from pipelines.watch import Watch
from transforms.contract.model import Contract
from transforms.errors import InternalError, Refused, UsageError
from transforms.export.sources import Source
from transforms.keyring.open import open_keyset, open_verification_keys
from transforms.photos.codec import codec_versions, finder_versions
from transforms.photos.faces import can_find_faces
from transforms.photos.mark import MARK_VERSION
from transforms.photos.worker import PhotoWorker
from transforms.policy.model import ALGORITHMS, Policy
from transforms.steps.assemble_views import ORDER_FILE, PHOTOS, RELEASE, SPILLS, TALLIES, AssembleViews
from transforms.steps.check_contract import CheckContract
from transforms.steps.find_repeats import FindRepeats, RepeatsAsBroken
from transforms.steps.map_continuity import PIECES, VIEWS, MapContinuity, MapTask, WriteContinuity
from transforms.steps.minimise_photos import FLAGGED, MinimisePhotos, photo_limits
from transforms.steps.project_views import ProjectViews, ViewTask
from transforms.steps.quarantine import WriteQuarantine
from transforms.steps.read_export import ReadExport
from transforms.steps.tally import Tally
from transforms.steps.write_result import WriteResult
from transforms.tokens.canonicalise import CANON_VERSION, UNICODE_VERSION
from transforms.tokens.check import self_test
from transforms.tokens.check_kinds import self_test_kinds
from transforms.tokens.release_id import release_id

_RESULT = "result.json"
_QUARANTINE = "quarantine.jsonl"
_SOFTWARE = ("supplier-views", "apache-beam", "cryptography", "numpy", "pillow", "pyarrow")


@dataclass(frozen=True, slots=True)
class StagedRun:
    """What stage did: on which terms, counts of the export, how often each rule was broken, and a report a supplier.

    `flagged` counts rows that left and that somebody should look at, by what was noticed.
    """

    terms: Terms
    counts: Mapping[str, int]
    broken: Mapping[str, int]
    reports: Mapping[str, StageReport]
    notices: tuple[str, ...]
    flagged: Mapping[str, int]


def stage(settings: Settings, now: datetime, staging: Staging, watch: Watch, in_process: FnApiRunner | None = None) -> StagedRun:
    """Stages the views of every policy, or of the suppliers that the settings name.

    Nothing is staged unless all of it is: `stage.json`, which makes a directory a staged view, is written when every limit holds.
    `in_process` is as for `run_pipeline`.

    Raises:
        InvalidInput: contract, policies or export break a rule.
        KeyUnavailable: a key cannot be opened or used on this day.
        Refused: more rows or photos are broken than the contract allows.
        StoreUnavailable: a disk is full or cannot be written.
    """
    self_test()
    self_test_kinds()
    if not choose(settings.beam_options).in_process:
        check_shared(settings)
    terms = read_terms(settings)
    if any(policy.photo for policy in terms.policies):
        if settings.photos is None:
            raise UsageError("--photos is missing", hint="a policy of this run sends photos")
        check_photo_store(settings.photos)
    if any(policy.photo and policy.photo.crop == "detected" for policy in terms.policies) and not can_find_faces():
        hint = "install supplier-views[face], or write crop: top"
        raise UsageError("a policy crops photos on detected faces, and the extra face is not installed", hint=hint)
    unconfined = _unconfined(terms.contract, terms.policies)
    sources = find_sources(settings.export, terms.contract)
    tasks, maps, notices = _open_tasks(settings, terms.policies, now.date())
    areas = {task.policy.supplier: staging.area(settings.date, task.policy.supplier) for task in tasks}
    for area in areas.values():
        area.begin()
    quarantine = _make_quarantine_file(settings)
    cache = open_photo_cache(staging.root, now, wanted=settings.photo_cache)
    try:
        with _attempts(staging, settings.date) as attempts, watch.staging(attempts), unchanged(sources) as digest:
            job = _Job(settings, terms.contract, tasks, maps, sources, str(attempts), cache, now.date())
            run_pipeline(job.build, settings.beam_options, in_process)
            result = _take(attempts, areas, quarantine)
        _hold_limits(result, terms.contract, tasks)
        reports = _write_reports(settings, terms, tasks, maps, areas, result, digest, notices)
    except BaseException:
        for area in areas.values():
            area.wipe()
        raise
    if not result["export"]["in"]:
        notices = (*notices, "the export has no rows")
    notices = (*notices, *unconfined)
    flagged, broken = _apart(result["broken"])
    return StagedRun(terms, result["export"], broken, reports, (*terms.notices, *notices), flagged)


def _unconfined(contract: Contract, policies: tuple[Policy, ...]) -> tuple[str, ...]:
    """A notice if the process that decodes photos is less confined here than it could be; an error if it does not even start."""
    if not any(policy.photo for policy in policies):
        return ()
    find_faces = any(policy.photo and policy.photo.crop == "detected" for policy in policies)
    with PhotoWorker(photo_limits(contract, find_faces=find_faces)) as worker:
        lacking = sorted(part for part, holds in worker.confinement.items() if not holds)
    told = "the process that decodes photos is less confined here than it could be; lacking"
    return (f"{told}: {', '.join(lacking)}",) if lacking else ()


def _apart(rules: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """What was noticed and leaves, and what was broken and stays."""
    flagged = {rule: count for rule, count in rules.items() if rule.startswith(FLAGGED)}
    return flagged, {rule: count for rule, count in rules.items() if rule not in flagged}


@dataclass(frozen=True, slots=True)
class _Job:
    settings: Settings
    contract: Contract
    tasks: tuple[ViewTask, ...]
    maps: tuple[MapTask, ...]
    sources: tuple[Source, ...]
    attempts: str
    cache: Path | None
    day: date

    def build(self, pipeline: beam.Pipeline) -> None:
        """The whole graph of the stage phase."""
        keys = self.settings.keys
        read = pipeline | "List export" >> beam.Create(self.sources) | "Read export" >> ReadExport(self.contract)
        checked = read.rows | "Check contract" >> CheckContract(self.contract)
        repeats = checked.accepted | "Find repeats" >> FindRepeats(self.contract, keys, self.day, self.attempts)
        views = checked.accepted | "Project views" >> ProjectViews(self.contract, self.tasks, keys, self.day, self.attempts)
        photos = views.photos | "Minimise photos" >> MinimisePhotos(
            self.contract,
            self.tasks,
            keys,
            self.day,
            self.settings.photos or "",
            self.attempts,
            os.cpu_count() or 1,
            repeats.rows,
            None if self.cache is None else str(self.cache),
        )
        repeated = repeats.rows | "Break repeats" >> RepeatsAsBroken()
        broken = (read.broken, checked.broken, repeated.broken, photos.broken) | "All broken" >> beam.Flatten()
        assembled = {SPILLS: views.spills, PHOTOS: photos.outcomes, TALLIES: views.tallies} | "Assemble views" >> AssembleViews(
            self.tasks, self.attempts, repeats.rows
        )
        if self.maps:  # so rarely that every other night's graph is better without
            pieces = checked.accepted | "Map continuity" >> MapContinuity(self.contract, self.maps, keys, self.day, self.attempts)
            assembled = {PIECES: pieces, VIEWS: assembled} | "Write continuity" >> WriteContinuity(
                self.contract, self.maps, keys, self.day
            )
        rules = broken | "Quarantine" >> WriteQuarantine(str(Path(self.attempts) / _QUARANTINE), self.sources)
        tallies = (read.tallies, checked.tallies, repeated.tallies) | "All tallies" >> beam.Flatten()
        _ = (tallies, assembled, rules) | "Write result" >> WriteResult(str(Path(self.attempts) / _RESULT))


def _take(attempts: Path, areas: Mapping[str, SupplierStaging], quarantine: Path) -> dict[str, Any]:
    """Moves what the pipeline lists as its result to where it waits; what other attempts left stays behind, and is swept."""
    with store_errors(attempts):
        result: dict[str, Any] = json.loads((attempts / _RESULT).read_text())
        for supplier, area in areas.items():
            assembled = Path(result["views"][supplier])
            (assembled / RELEASE).replace(area.release)
            (assembled / ORDER_FILE).replace(area.root / ORDER_FILE)
        replace(quarantine, (attempts / _QUARANTINE).read_bytes())
    return result


def _open_tasks(
    settings: Settings, policies: tuple[Policy, ...], day: date
) -> tuple[tuple[ViewTask, ...], tuple[MapTask, ...], tuple[str, ...]]:
    tasks = []
    maps = []
    notices: list[str] = []
    public_keys = open_verification_keys(settings.keys, day)
    for policy in policies:
        with open_keyset(settings.keys, policy.supplier, day) as keyset:
            name = release_id(keyset.key().reveal(), policy.supplier, settings.date)
            tasks.append(ViewTask(policy, keyset.active.number, name))
            task, told = plan_map(settings, policy, keyset, name, public_keys, day)
            notices.extend(f"{policy.supplier}: {notice}" for notice in (*keyset.notices, *told))
            if task is not None:
                maps.append(task)
    return tuple(tasks), tuple(maps), tuple(notices)


@contextmanager
def _attempts(staging: Staging, day: date) -> Iterator[Path]:
    # No supplier's name begins with a dot, so the directory is no area, and the next sweep removes what a crash leaves in it.
    # A job may outlive the process that started it: it finds its own directory gone, and never the next run's.
    shelf = staging.root.absolute() / day.isoformat() / ".attempts"
    path = shelf / uuid.uuid4().hex
    with store_errors(path):
        shutil.rmtree(shelf, ignore_errors=True)
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(shelf, ignore_errors=True)


def _make_quarantine_file(settings: Settings) -> Path:
    path = quarantine_file(settings)
    make_private_directory(settings.records)
    make_private_directory(path.parent)
    for attempt in path.parent.glob(f"{path.name}.*"):  # of a run that was killed
        remove(attempt)
    return path


def _hold_limits(result: Mapping[str, Any], contract: Contract, tasks: tuple[ViewTask, ...]) -> None:
    export = result["export"]
    if export["in"] != export["accepted"] + export["quarantined"]:
        raise InternalError("rows were lost or doubled while reading", code="counts-differ")
    _hold(export["quarantined"], export["in"], contract.quarantine_limit, "rows", "quarantine-over-limit", "the export")
    for task in tasks:
        counts = result["suppliers"][task.policy.supplier]
        left_out = counts["not_due"] + counts["protected"] + counts["photos_withheld"]
        if export["accepted"] != counts["released"] + left_out:
            raise InternalError("accepted rows are not all accounted for", place=task.policy.supplier, code="counts-differ")
        wanted = counts["released"] + counts["photos_withheld"]
        limit = contract.photo_quarantine_limit
        _hold(counts["photos_withheld"], wanted, limit, "photos", "photos-over-limit", task.policy.supplier)


def _hold(broken: int, total: int, limit: float, what: str, code: str, place: str) -> None:
    if broken > total * limit:
        raise Refused(
            f"{broken:,} of {total:,} {what} are broken, and the contract allows {limit:.2%}",
            place=place,
            hint="the quarantine file under the records directory lists places and rules; mend the export and run again",
            code=code,
        )


def _write_reports(
    settings: Settings,
    terms: Terms,
    tasks: tuple[ViewTask, ...],
    maps: tuple[MapTask, ...],
    areas: Mapping[str, SupplierStaging],
    result: Mapping[str, Any],
    export_sha256: str,
    notices: tuple[str, ...],
) -> Mapping[str, StageReport]:
    reports = {}
    mapped_from = {task.policy.supplier: task.from_epoch for task in maps}
    flagged, broken = _apart(result["broken"])
    tally: Tally = {**flagged, **{f"quarantined {rule}": count for rule, count in broken.items()}}
    for task in tasks:
        policy = task.policy
        counts = result["suppliers"][policy.supplier]
        release = areas[policy.supplier].release
        with store_errors(release):
            (release / README_NAME).write_text(readme_text(policy, terms.contract, settings.date), encoding="utf-8")
            (release / SCHEMA_NAME).write_bytes(schema_bytes(policy, terms.contract))
            _set_times(release, settings.date)
        report = StageReport(
            supplier=policy.supplier,
            date=settings.date,
            release_id=task.release_id,
            rows=counts["released"],
            tokens=TokenScheme(
                format="1",
                algorithms={token.name: ALGORITHMS[token.kind] for token in policy.tokens},
                canonicalisation=str(CANON_VERSION),
                unicode=UNICODE_VERSION,
                epoch=task.epoch,
                key_id=f"{policy.supplier}/{task.epoch}",
            ),
            photo_codec=_photo_codec(policy),
            contract_sha256=fingerprint(terms.contract),
            policy_sha256=fingerprint(policy),
            export_sha256=export_sha256,
            software={name: version(name) for name in _SOFTWARE},
            counts={**result["export"], **counts, **tally},
            notices=notices,
            continuity_from=mapped_from.get(policy.supplier),
        )
        areas[policy.supplier].write_report(report)
        reports[policy.supplier] = report
    return reports


def _photo_codec(policy: Policy) -> dict[str, str]:
    """Names and versions of what the bytes of this policy's photos depend on."""
    if policy.photo is None:
        return {}
    return codec_versions() | {"supplier-mark": MARK_VERSION} | (finder_versions() if policy.photo.crop == "detected" else {})


def _set_times(release: Path, day: date) -> None:
    """Every file and directory carries the business date, not the minute at which a row was written [I13]."""
    stamp = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    for path in [*release.rglob("*"), release]:
        os.utime(path, (stamp, stamp))
