"""Every error that supplier-views raises on purpose, in one tree.

::

    SupplierViewsError
    ├── UsageError            exit  2   wrong arguments
    ├── Refused               exit 10   leak, quarantine or risk over its limit, changed input
    ├── InvalidInput          exit 20   what a person wrote or HR delivered breaks its rules
    │   ├── ContractError                 the contract file
    │   ├── PolicyError                   a policy file, or a policy against the contract
    │   └── ExportError                   the export as a whole, against the contract
    ├── Unavailable           exit 30   key, store, lock or clock cannot be used
    │   ├── KeyUnavailable
    │   └── StoreUnavailable
    ├── OutcomeUnknown        exit 40   look before retrying
    └── InternalError         exit 50   a bug

An error never carries a cell value [R15]: it says where (`place`: a file, line, column or row number), which rule
was broken (`rule`), and what to do about it (`hint`).

A runner on other machines hands back nothing of an error but its text, so an error can travel as one word in a text (`to_text`,
`from_text`).
"""

from __future__ import annotations

import base64
import errno
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final, Self


class SupplierViewsError(Exception):
    """An error with a place, a rule, a hint, a kebab-case code and an exit status.

    Args:
        rule: what is wrong, in lower case and without a full stop; never a cell value.
        place: where: a path with a line, a column name, a row number. Empty where there is no place.
        hint: what the reader can do next.
        code: kebab-case name of the rule for machines; stable between versions.
    """

    exit_status: ClassVar[int] = 50
    default_code: ClassVar[str] = "internal-error"

    def __init__(self, rule: str, *, place: str = "", hint: str = "", code: str | None = None) -> None:
        self.rule = rule
        self.place = place
        self.hint = hint
        self.code = code or self.default_code
        super().__init__(rule, place, hint, self.code)

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}" if self.place else self.rule

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only fields: a plain Exception would not survive the trip back from a Beam worker.
        return _rebuild, (type(self), self.rule, self.place, self.hint, self.code)


def _rebuild(kind: type[SupplierViewsError], rule: str, place: str, hint: str, code: str) -> SupplierViewsError:
    return kind(rule, place=place, hint=hint, code=code)


class UsageError(SupplierViewsError):
    """The command line does not say what to do."""

    exit_status = 2
    default_code = "wrong-arguments"


class Refused(SupplierViewsError):
    """The run worked and decided not to release."""

    exit_status = 10
    default_code = "refused"


class InvalidInput(SupplierViewsError):
    """Something that a person wrote or HR delivered breaks its rules.

    A file that breaks several rules raises one error, which reads like the first; `findings` holds an error for each.
    """

    exit_status = 20
    default_code = "invalid-input"

    def __init__(
        self, rule: str, *, place: str = "", hint: str = "", code: str | None = None, findings: tuple[InvalidInput, ...] = ()
    ) -> None:
        super().__init__(rule, place=place, hint=hint, code=code)
        self._findings = findings

    @property
    def findings(self) -> tuple[InvalidInput, ...]:
        """Every broken rule, each as an error of its own; the error itself where it is the only one."""
        return self._findings or (self,)

    @classmethod
    def of(cls, findings: Sequence[InvalidInput]) -> Self:
        """One error for one or more findings."""
        first, more = findings[0], len(findings) - 1
        rule = f"{first.rule} (and {more} more)" if more else first.rule
        return cls(rule, place=first.place, hint=first.hint, code=first.code, findings=tuple(findings))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_invalid, (type(self), self.rule, self.place, self.hint, self.code, self._findings)


def _rebuild_invalid(
    kind: type[InvalidInput], rule: str, place: str, hint: str, code: str, findings: tuple[InvalidInput, ...]
) -> InvalidInput:
    return kind(rule, place=place, hint=hint, code=code, findings=findings)


class ContractError(InvalidInput):
    """The contract file breaks a rule."""

    default_code = "contract-invalid"


class PolicyError(InvalidInput):
    """A policy breaks a rule, alone or against the contract."""

    default_code = "policy-invalid"


class ExportError(InvalidInput):
    """The export as a whole does not match its contract."""

    default_code = "export-mismatch"


class Unavailable(SupplierViewsError):
    """Something that the run needs is not there, and may be there later."""

    exit_status = 30
    default_code = "unavailable"


class KeyUnavailable(Unavailable):
    """A key cannot be opened, or its state or dates forbid its use."""

    default_code = "key-unavailable"


class StoreUnavailable(Unavailable):
    """A file store cannot be read or written."""

    default_code = "store-unavailable"


class OutcomeUnknown(SupplierViewsError):
    """Nobody knows whether the step took effect: look before retrying."""

    exit_status = 40
    default_code = "outcome-unknown"


class InternalError(SupplierViewsError):
    """A bug in supplier-views."""


# Base64 between a mark and a semicolon: job servers quote, escape, indent and cut the text around it.
_TEXT: Final = re.compile(r"supplier-views-error:([A-Za-z0-9_-]{1,8192}={0,2});")
_PARTS: Final = ("kind", "rule", "place", "hint", "code")


def to_text(error: SupplierViewsError) -> str:
    """The error as one word without spaces or quotes; of an error with several findings, the first."""
    parts = (type(error).__name__, error.rule, error.place, error.hint, error.code)
    told = json.dumps(dict(zip(_PARTS, parts, strict=True)), separators=(",", ":"))
    return f"supplier-views-error:{base64.urlsafe_b64encode(told.encode()).decode('ascii')};"


def from_text(text: str) -> SupplierViewsError | None:
    """The first error that `to_text` left somewhere in a text; None where there is none that is whole."""
    kinds = {kind.__name__: kind for kind in _kinds(SupplierViewsError)}
    for match in _TEXT.finditer(text):
        try:
            told = json.loads(base64.urlsafe_b64decode(match[1]))
        except ValueError:
            continue
        if isinstance(told, dict) and told.keys() == set(_PARTS) and all(isinstance(part, str) for part in told.values()):
            kind = kinds.get(told["kind"])
            if kind is not None:
                return _rebuild(kind, told["rule"], told["place"], told["hint"], told["code"])
    return None


def _kinds(kind: type[SupplierViewsError]) -> Iterator[type[SupplierViewsError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_DIRECTORY: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def store_unavailable(error: OSError, place: Path | str) -> StoreUnavailable:
    """The `StoreUnavailable` for an OSError at `place`."""
    if error.errno in _FULL:
        return StoreUnavailable(
            "no space left", place=str(place), hint="free space or raise the quota, then run again", code="store-full"
        )
    if error.errno in _FORBIDDEN:
        return StoreUnavailable(
            "not writable", place=str(place), hint="check owner, mode and mount options", code="store-not-writable"
        )
    if error.errno in _NO_DIRECTORY:
        return StoreUnavailable("not a directory", place=str(place), hint="check the path", code="store-missing")
    name = errno.errorcode.get(error.errno or 0, "unknown error")
    return StoreUnavailable(f"the file system failed with {name}", place=str(place), hint="check the disk, then run again")
