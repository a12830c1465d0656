"""The verdict on one staged view, and the proof that only a clean one gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from datetime import date
from itertools import combinations

import numpy as np
import pyarrow as pa

from transforms.errors import InternalError, Refused
from transforms.leaks.chance import too_many
from transforms.leaks.claims import check_counts
from transforms.leaks.findings import Check, Finding, Outcome, add_outcomes
from transforms.leaks.matcher import RAW_VALUE, Match, add_matches
from transforms.leaks.numbers import IssuedNumbers
from transforms.leaks.order import OrderSample
from transforms.leaks.scan import ReleaseScan, find_tokens
from transforms.leaks.tokens import Sketch
from transforms.leaks.view_table import FileDigest
from transforms.policy.model import Policy

_MOST_NAMED = 20
_SEAL = object()


@dataclass(frozen=True, slots=True)
class CheckedRelease:
    """A staged view in which every check of this package found nothing.

    `overlaps` counts, for each column of bare numbers, those that equal a person key of the export, as chance explains them [C8];
    `measures` count whom the view tells apart; both are for the force alone. `checks` are the rules that were checked and how many
    things each looked at; `files` are path below `release/`, size and SHA-256 (hex) of every file, in the order of paths, as they
    were read. Made by `judge` alone; any other way raises InternalError.
    """

    supplier: str
    date: date
    checks: tuple[Outcome, ...]
    files: tuple[FileDigest, ...]
    overlaps: Mapping[str, int]
    measures: Mapping[str, int]
    seal: InitVar[object]  # never stored, so that no copy with other files can be made of it

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise InternalError("a checked release is made by the leak gate alone", code="unverified-release")

    def __reduce__(self) -> tuple[object, ...]:
        raise InternalError("a checked release stays in the process that checked it", code="unverified-release")


class SharedTokens(Check):
    """Two suppliers, or two columns of one, have the same tokens under different prefixes: one key made both [P2].

    Compares the 4,096 smallest fingerprints of each column, which finds any overlap of one person in a thousand and more. Numbers
    of a small domain meet by chance: of them more than chance gives have to be the same.
    """

    rule = "token-shared"


def judge(
    scan: ReleaseScan,
    policy: Policy,
    *,
    matches: Iterable[Match],
    order: OrderSample,
    collected: Iterable[pa.RecordBatch],
    unreadable_rows: int,
    numbers: IssuedNumbers | None = None,
    others: Sequence[ReleaseScan] = (),
) -> CheckedRelease:
    """The verdict on one staged view.

    Args:
        scan: what the view holds.
        policy: of its supplier.
        matches: what `ExportMatcher.match` returned for every batch of the whole export.
        order: the sample of the view's rows.
        collected: what `order.collect` returned for every batch of the whole export.
        unreadable_rows: rows of the export that could not be read as rows, and are in no batch.
        numbers: has looked at every batch of the whole export; needed where the view has bare numbers.
        others: the scans of the other suppliers of the run.

    Raises:
        Refused: code `leak`; rule and place of what was found, at most twenty of them, and never a value.
        InternalError: the view has bare numbers, and nobody compared them.
    """
    if scan.numbers and numbers is None:
        raise InternalError("nobody compared the bare numbers of a view with the export", code="unverified-release")
    match = add_matches(matches)
    checks = [
        check_counts(scan.claims, scan.rows, match.rows + unreadable_rows),
        *order.close(collected),
        _shared_tokens(scan, others),
        *(numbers.close() if numbers else ()),
    ]
    findings = [*scan.findings, *match.findings, *(finding for check in checks for finding in check.findings())]
    if order.rows != scan.rows:
        findings.append(Finding("order-file", "order.npy, another number of rows than the view", abs(order.rows - scan.rows)))
    if match.lookalikes:
        findings += find_tokens(scan, policy, match.lookalikes)
    if findings:
        raise _refused(scan, findings)
    outcomes = [*scan.outcomes, Outcome(RAW_VALUE, match.rows), *(check.outcome() for check in checks)]
    return CheckedRelease(
        scan.supplier, scan.date, add_outcomes(outcomes), scan.files, numbers.overlaps() if numbers else {}, scan.measures, _SEAL
    )


def _shared_tokens(scan: ReleaseScan, others: Sequence[ReleaseScan]) -> SharedTokens:
    check = SharedTokens()
    own = [(f"column {name}", sketch) for name, sketch in scan.sketches.items()]
    foreign = [
        (f"column {name} of {other.supplier}", sketch)
        for other in others
        if other.supplier != scan.supplier
        for name, sketch in other.sketches.items()
    ]
    pairs = [*combinations(own, 2), *((mine, theirs) for mine in own for theirs in foreign)]
    for (place, sketch), (other_place, other_sketch) in pairs:
        check.examine()
        shared = int(np.intersect1d(sketch.prints, other_sketch.prints).size)
        if too_many(shared, _expected(sketch, other_sketch)):
            check.found(f"{place} and {other_place}", shared)
    return check


def _expected(sketch: Sketch, other: Sketch) -> float:
    """How many fingerprints two columns share by chance: none, but where both are numbers of one small domain."""
    if sketch.domain != other.domain or not sketch.domain:
        return 0
    # Either sketch is the smallest of all fingerprints; both together reach as far as the shorter one does.
    return min(sketch.prints.size * other.tokens, other.prints.size * sketch.tokens) / sketch.domain


def _refused(scan: ReleaseScan, findings: list[Finding]) -> Refused:
    """One error for all findings, the most telling first."""
    ordered = sorted(set(findings), key=lambda finding: (finding.rule != RAW_VALUE, finding))
    named = [f"{finding.rule}: {finding.place} ({finding.count:,})" for finding in ordered[:_MOST_NAMED]]
    more = [f"and {len(ordered) - _MOST_NAMED} more"] if len(ordered) > _MOST_NAMED else []
    return Refused(
        "the staged view is not clean: " + "; ".join([*named, *more]),
        place=f"{scan.supplier} {scan.date.isoformat()}",
        hint="nothing was released; mend what these rules name and stage again, and treat what is staged as the export itself",
        code="leak",
    )
