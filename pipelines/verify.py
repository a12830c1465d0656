"""Verify: an independent reader attacks what was staged; only what withstands can be published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial

import pyarrow as pa

from pipelines.drill.nightly import drill_staged
from pipelines.inputs import Terms, find_sources, open_binary, unchanged
from pipelines.release.proof import CleanRelease, attest
from pipelines.release.stage_report import fingerprint
from pipelines.release.staging import Staging
from pipelines.release.store import last_release
from pipelines.release.supplier_files import readme_text
from pipelines.settings import Settings, quarantine_file
from pipelines.watch import Watch
from transforms.contract.model import Contract
from transforms.contract.places import ROW_REF
from transforms.errors import Refused
from transforms.export.block import Block, gather
from transforms.export.sources import Source, open_reader
from transforms.keyring.open import open_keyset
from transforms.leaks.matcher import ExportMatcher, Match, add_matches
from transforms.leaks.numbers import IssuedNumbers
from transforms.leaks.order import OrderSample
from transforms.leaks.scan import ReleaseScan, RunFiles, scan_release
from transforms.leaks.verdict import CheckedRelease, judge
from transforms.policy.model import Policy
from transforms.tokens.continuity import content_key

Clock = Callable[[], datetime]


def verify(settings: Settings, terms: Terms, staging: Staging, watch: Watch, clock: Clock) -> Mapping[str, CleanRelease]:
    """Reads every staged view as a stranger would, then searches it for the export's own values.

    The views are read first and leave a few words that their policies do not explain; the export is then read once, in batches, and
    every identifier in it is looked up among those words. So memory does not grow with either. What passes is then attacked by the
    nightly drill, which holds the export's names, numbers and ranks in memory.

    `clock` is asked for the day on which keys are opened: of a continuity map, and of the drill's truth.

    Returns:
        A clean release for every supplier of the run; all of them passed.

    Raises:
        LimitExceeded: code `drill-over-limit`: an attack found more than a policy allows.
        Refused: code `leak`, with the rules and places of one supplier's findings; `stage-stale` if export, policy or contract
            are others than when the views were staged; `export-changed`.
        Unavailable: nothing is staged for a supplier.
    """
    gates = {}
    sources = find_sources(settings.export, terms.contract)
    for done, policy in enumerate(terms.policies):
        watch.say("views read", done, len(terms.policies))
        gates[policy.supplier] = _Gate(settings, terms, staging, policy, clock, sources)
    watch.say("views read", len(gates), len(gates))
    unreadable = rows = 0
    with unchanged(sources) as digest:
        for gate in gates.values():
            gate.hold_to(digest)
        for block in _read(sources, terms.contract):
            if block.broken.num_rows:
                unreadable += len(block.broken.column(ROW_REF).unique())
            for gate in gates.values():
                gate.look(block.rows)
            rows += block.rows.num_rows
            watch.say("rows searched", rows, 0)
        watch.say("rows searched", rows, rows)
        scans = [gate.scan for gate in gates.values()]
        checked = {supplier: gate.verdict(unreadable, scans) for supplier, gate in gates.items()}
        withstood = drill_staged(settings, terms, staging, watch, clock().date())
    return {supplier: gates[supplier].attest(release, withstood) for supplier, release in checked.items()}


class _Gate:
    """One supplier's staged view, what was found in it, and what the export says of it so far."""

    def __init__(
        self, settings: Settings, terms: Terms, staging: Staging, policy: Policy, clock: Clock, sources: tuple[Source, ...]
    ) -> None:
        self._policy = policy
        self._area = staging.area(settings.date, policy.supplier)
        self._report = self._area.read_report()
        if (self._report.policy_sha256, self._report.contract_sha256) != (fingerprint(policy), fingerprint(terms.contract)):
            raise _stale("policy or contract", policy.supplier)
        known_text = [readme_text(policy, terms.contract, settings.date)]
        map_key = partial(_map_key, settings.keys, policy.supplier, self._report.tokens.epoch, clock)
        previous = last_release(settings.out / policy.supplier, settings.date)
        run_files = RunFiles(quarantine_file(settings), tuple(source.path for source in sources), previous)
        self.scan = scan_release(self._area.root, policy, terms.contract, settings.date, known_text, map_key, run_files)
        self._matcher = ExportMatcher(self.scan, terms.contract)
        self._order = OrderSample(self._area.root, policy, terms.contract)
        self._numbers = IssuedNumbers(self._area.root, self.scan, terms.contract) if self.scan.numbers else None
        self._match = Match(0)
        self._collected: list[pa.RecordBatch] = []

    def hold_to(self, export_sha256: str) -> None:
        """Refuses an export other than the one that was staged: a search of another one proves nothing."""
        if self._report.export_sha256 != export_sha256:
            raise _stale("the export", self._policy.supplier)

    def look(self, rows: pa.RecordBatch) -> None:
        self._match = add_matches((self._match, self._matcher.match(rows)))
        self._collected.append(self._order.collect(rows))
        if self._numbers is not None:
            self._numbers.look(rows)

    def verdict(self, unreadable: int, scans: list[ReleaseScan]) -> CheckedRelease:
        return judge(
            self.scan,
            self._policy,
            matches=[self._match],
            order=self._order,
            collected=self._collected,
            unreadable_rows=unreadable,
            numbers=self._numbers,
            others=scans,
        )

    def attest(self, checked: CheckedRelease, withstood: tuple[str, ...]) -> CleanRelease:
        """The clean release, of what the gate judged and no attack of the drill brought down."""
        return attest(
            self._area, checked.files, [*(check.rule for check in checked.checks), *withstood], checked.overlaps, checked.measures
        )


def _read(sources: tuple[Source, ...], contract: Contract) -> Iterator[Block]:
    for source in sources:
        with open_binary(source.path) as stream:
            yield from gather(open_reader(source, stream, contract))


def _map_key(keys: str, supplier: str, epoch: int, clock: Clock, header: bytes) -> bytes:
    """The key of a continuity map's content: the gate itself opens no keyset."""
    with open_keyset(keys, supplier, clock().date()) as keyset:
        return content_key(keyset.key(epoch).reveal(), header)


def _stale(what: str, supplier: str) -> Refused:
    return Refused(f"{what} changed after the view was staged", place=supplier, hint="stage again", code="stage-stale")
