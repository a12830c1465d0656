"""Detectors and verdict over decoded release bytes; shares no code with what it checks.

For each supplier: `scan_release` reads the staged view and holds it to a closed world; an `ExportMatcher` and an `OrderSample`
see every batch of the export, and `IssuedNumbers` where a view has bare numbers; `judge` takes all of it and returns the proof,
or raises.
"""

from transforms.leaks.findings import Finding, Outcome
from transforms.leaks.matcher import ExportMatcher, Match, add_matches
from transforms.leaks.numbers import IssuedNumbers
from transforms.leaks.order import OrderSample
from transforms.leaks.scan import ReleaseScan, RunFiles, scan_release
from transforms.leaks.verdict import CheckedRelease, judge

__all__ = [
    "CheckedRelease",
    "ExportMatcher",
    "Finding",
    "IssuedNumbers",
    "Match",
    "OrderSample",
    "Outcome",
    "ReleaseScan",
    "RunFiles",
    "add_matches",
    "judge",
    "scan_release",
]
