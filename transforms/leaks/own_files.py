"""What a run writes for itself beside a release: the staging area, what attempts left there, and the list of broken places.

None of it leaves with the release, but all of it is copied, backed up and read by more people than the export [R15, R16]. So it is
held to a closed world as well, and what that does not explain is searched for raw values.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from transforms.contract.model import Contract
from transforms.errors import StoreUnavailable
from transforms.leaks.claims import STAGE_REPORT
from transforms.leaks.findings import Check
from transforms.leaks.order import ORDER_FILE
from transforms.leaks.words import Words

_IN_THE_AREA = frozenset({"release", STAGE_REPORT, ORDER_FILE, "proof.json"})
_RULE = re.compile("[a-z][a-z0-9-]{1,60}")
_PLAIN = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}|[0-9]{4}-[0-9]{2}-[0-9]{2}(-[0-9a-f]{6})?|[0-9]+(\.[0-9]+)*(\.?[a-z]+[0-9]*)?")
_MOST_SEARCHED = 1 << 20
_MOST_LISTED = 1_000  # names below a directory that should not be there


class TemporaryFiles(Check):
    """Something lies in the staging area that a finished stage does not leave there [R16]."""

    rule = "temporary-file"


class QuarantineLines(Check):
    """A line of the list of broken places says more than a place and a rule [R15]."""

    rule = "quarantine-line"


class OwnFiles:
    """Reads what the run wrote beside one supplier's release."""

    def __init__(self, contract: Contract, sources: Iterable[str], words: Words) -> None:
        """`sources` are the names under which the run read its export."""
        self._columns = frozenset((None, *contract.names))
        self._sources = frozenset((None, *sources))
        self._words = words
        self._temporary = TemporaryFiles()
        self._quarantine = QuarantineLines()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of these files."""
        return (self._temporary, self._quarantine)

    def read_area(self, area: Path) -> None:
        """Reads an area and what lies hidden beside it.

        Raises:
            StoreUnavailable: the directory cannot be read.
        """
        try:
            strange = [entry for entry in sorted(area.iterdir()) if entry.name not in _IN_THE_AREA]
            strange += [entry for entry in sorted(area.parent.iterdir()) if entry.name.startswith(".")]
            for number, entry in enumerate(strange, start=1):
                place = f"the staging area, file {number} that should not be there"
                self._temporary.found(place)
                for path in (entry, *_below(entry)):
                    self._words.add(path.name, f"{place}, a name")
                    if path.is_file() and not path.is_symlink():
                        with path.open("rb") as source:
                            self._words.add_bytes(source.read(_MOST_SEARCHED), place)
            self._temporary.examine(len(strange) + len(_IN_THE_AREA))
            report = (area / STAGE_REPORT).read_bytes()
        except OSError:
            # The message of an OSError quotes a file name, and a file name may be what leaked.
            raise StoreUnavailable("the staging area cannot be read", place=str(area), hint="stage again") from None
        for text in _strings(json.loads(report)):
            if not _PLAIN.fullmatch(text):
                self._words.add_numbers(text, STAGE_REPORT)

    def read_quarantine(self, path: Path) -> None:
        """Reads a list of broken places, if there is one: one JSON object a line, of source, row, rule and column.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        place = "the list of broken places"
        try:
            with path.open("rb") as source:
                for number, line in enumerate(source, start=1):
                    self._quarantine.examine()
                    if not self._is_place(line):
                        self._quarantine.found(f"{place}, line {number}")
                        self._words.add_bytes(line[:_MOST_SEARCHED], f"{place}, line {number}")
        except FileNotFoundError:
            return
        except OSError:
            raise StoreUnavailable(f"{place} cannot be read", place=str(path), hint="stage again") from None

    def _is_place(self, line: bytes) -> bool:
        try:
            entry: Any = json.loads(line)
            source, row, rule, column = (entry[key] for key in ("source", "row", "rule", "column"))
            known = source in self._sources and column in self._columns
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        if line != json.dumps(entry).encode() + b"\n" or len(entry) != 4:
            return False
        numbered = row is None or (type(row) is int and row >= 0)
        return known and numbered and isinstance(rule, str) and _RULE.fullmatch(rule) is not None


def _below(directory: Path) -> Iterator[Path]:
    """Everything below a directory, as far as it is worth searching; links are never followed."""
    listed = 0
    for root, directories, files in os.walk(directory):
        for name in sorted((*directories, *files)):
            listed += 1
            if listed > _MOST_LISTED:
                return
            yield Path(root) / name


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
