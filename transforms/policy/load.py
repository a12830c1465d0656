"""From policy files to `Policy` values; what a policy says about the contract's columns is for `transforms.policy.lint`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from transforms.contract.file_schema import validate
from transforms.contract.yaml_tree import Document, read_yaml
from transforms.errors import InternalError, InvalidInput, PolicyError
from transforms.policy.document import TOKEN_BITS, ColumnEntry, ContinuityTerms, PolicyDocument
from transforms.policy.model import (
    Continuity,
    GeneraliseColumn,
    KeepColumn,
    PhotoSpec,
    Policy,
    RiskLimits,
    TokenColumn,
    TokenKind,
    ViewColumn,
)

RESERVED_SUPPLIERS = frozenset({"internal", "signing"})  # names of keys that are no supplier's
_MIN_JUSTIFICATION = 20
_X25519_START = bytes.fromhex("302a300506032b656e032100")  # RFC 8410 section 4: SubjectPublicKeyInfo of 32 bytes of key
_KEYS_OF_ACTION = {"token": {"of", "scope", "reversal", "format", "algorithm", "bits"}, "generalise": {"to"}}
_WITHDRAWN = frozenset({"FF3", "FF3-1"})


def load_policy(path: Path) -> Policy:
    """Reads one policy.

    Args:
        path: a local YAML file; docs/spec/policy.md says what it holds.

    Raises:
        PolicyError: the file cannot be read or breaks a rule; `findings` lists every rule that it breaks.
    """
    document = read_yaml(Path(path), PolicyError, prose=frozenset({"why"}))
    sheet = validate(PolicyDocument, document.plain(), document)
    findings = [*_sheet_findings(sheet, document)]
    if sheet.continuity is not None:
        findings += _continuity_findings(sheet.continuity, document)
    for name, entry in sheet.columns.items():
        findings += _column_findings(name, entry, document)
    if findings:
        raise PolicyError.of(findings)
    return Policy(
        supplier=sheet.supplier,
        token_prefix=sheet.token_prefix,
        purpose=sheet.purpose,
        agreement=sheet.agreement,
        legal_basis=sheet.legal_basis,
        delete_after_days=sheet.delete_after_days,
        columns=tuple(_view_column(name, entry) for name, entry in sheet.columns.items() if entry.action != "drop"),
        legal_regime=sheet.legal_regime,
        role=sheet.role,
        transfer_country=sheet.transfer_country,
        dpia=sheet.dpia,
        domain=sheet.domain,
        where={column: tuple(values) for column, values in (sheet.rows.where or {}).items()},
        full_population=sheet.rows.full_population,
        dropped={name: entry.why for name, entry in sheet.columns.items() if entry.action == "drop"},
        photo=PhotoSpec(**sheet.photo.model_dump()) if sheet.photo else None,
        risk=RiskLimits(**sheet.risk.model_dump()),
        delivery_format=sheet.output.format,
        photo_delivery=sheet.output.photos or "folder",
        continuity=_continuity(sheet.continuity) if sheet.continuity else None,
        source=str(path),
        lines=document.lines(),
    )


def load_policies(directory: Path) -> tuple[Policy, ...]:
    """Reads every policy in a directory, sorted by supplier.

    Raises:
        PolicyError: the directory cannot be read, holds no `.yaml` file, holds a `.yml` file that would be overlooked, or two of
            its policies share a supplier or a token prefix; or what `load_policy` raises, for all files at once.
    """
    directory = Path(directory)
    try:
        files = sorted(path for path in directory.iterdir() if path.suffix.lower() in {".yaml", ".yml"})
    except OSError:
        raise PolicyError(
            "the directory of policies cannot be read", place=str(directory), hint="check the path", code="policies-unreadable"
        ) from None
    if not files:
        hint = "write one .yaml file for each supplier"
        raise PolicyError("there is no policy here", place=str(directory), hint=hint, code="policies-missing")
    findings: list[InvalidInput] = []
    policies: list[Policy] = []
    for path in files:
        if path.suffix != ".yaml":
            rule = "a policy's file name must end in .yaml"
            findings.append(PolicyError(rule, place=str(path), hint="rename it", code="policy-file-name"))
            continue
        try:
            policies.append(load_policy(path))
        except PolicyError as error:
            findings += error.findings
    findings += shared_names(policies)
    if findings:
        raise PolicyError.of(findings)
    return tuple(sorted(policies, key=lambda policy: policy.supplier))


def shared_names(policies: Iterable[Policy]) -> list[InvalidInput]:
    """A finding for every supplier or token prefix that an earlier policy has already."""
    findings: list[InvalidInput] = []
    holders: dict[tuple[str, str], str] = {}
    for policy in policies:
        for key, value in (("supplier", policy.supplier), ("token_prefix", policy.token_prefix)):
            holder = holders.setdefault((key, value), policy.source)
            if holder != policy.source:
                place = f"{policy.source}:{policy.lines.get(key, 1)}"
                hint = f"{holder} has it already; tokens and releases must tell suppliers apart"
                code = f"{key.replace('_', '-')}-taken"
                findings.append(PolicyError(f"{key} {value} is taken", place=place, hint=hint, code=code))
    return findings


def _sheet_findings(sheet: PolicyDocument, document: Document) -> Iterable[InvalidInput]:
    if sheet.supplier in RESERVED_SUPPLIERS:
        rule = f"{sheet.supplier} is a reserved name and no supplier's"
        yield document.finding("supplier-reserved", rule, "choose another name", ("supplier",))
    rows = sheet.rows
    if not rows.where and rows.full_population is None:
        rule = "no filter on rows, and no written justification for the full population"
        hint = "add rows: {where: {column: [value]}}, or rows: {full_population: why nobody can be left out}"
        yield document.finding("full-population-unjustified", rule, hint, ("rows",))
    if rows.where is not None and rows.full_population is not None:
        rule = "rows has a filter and a justification for having none"
        yield document.finding("rows-contradictory", rule, "keep where or full_population", ("rows",))
    if rows.full_population is not None and len(rows.full_population) < _MIN_JUSTIFICATION:
        rule = f"the justification for the full population has fewer than {_MIN_JUSTIFICATION} characters"
        hint = "say in a sentence why nobody can be left out"
        yield document.finding("full-population-unjustified", rule, hint, ("rows", "full_population"))
    if sheet.output.photos is not None and sheet.photo is None:
        rule = "output says where photos go, but the policy has no photo"
        yield document.finding("output-photos", rule, "remove output.photos, or add photo", ("output", "photos"))


def _continuity_findings(terms: ContinuityTerms, document: Document) -> Iterable[InvalidInput]:
    der = base64.b64decode(terms.recipient_key)
    if not der.startswith(_X25519_START):
        rule = "the supplier's key is no X25519 public key"
        hint = "take the line between the rules of what openssl pkey -pubout prints"
        yield document.finding("recipient-key", rule, hint, ("continuity", "recipient_key"))
    elif hashlib.sha256(der).hexdigest() != terms.fingerprint:
        rule = "the supplier's key is not the one whose fingerprint was confirmed"
        hint = "compare both with the supplier by telephone, and use neither until they agree"
        yield document.finding("recipient-fingerprint", rule, hint, ("continuity", "fingerprint"))
    try:
        date.fromisoformat(terms.expires)
    except ValueError:
        rule = "expires is no date of the calendar"
        yield document.finding("recipient-expires", rule, "write YYYY-MM-DD", ("continuity", "expires"))


def _continuity(terms: ContinuityTerms) -> Continuity:
    return Continuity(terms.contracted, terms.recipient_key, terms.fingerprint, date.fromisoformat(terms.expires))


def _column_findings(name: str, entry: ColumnEntry, document: Document) -> Iterable[InvalidInput]:
    at = ("columns", name)
    if entry.action == "seal":
        hint = "use token, or leave the column out"
        yield document.finding("action-unavailable", f"{name}: the action seal is not available yet", hint, (*at, "action"))
        return
    allowed = _KEYS_OF_ACTION.get(entry.action, set())
    for key in sorted(entry.model_fields_set - {"action", "why"} - allowed):
        rule = f"{name}: {key} does not belong to the action {entry.action}"
        yield document.finding("key-misplaced", rule, f"remove {key}, or choose another action", (*at, key))
    for key in ("of", "to"):
        if key in allowed and getattr(entry, key) is None:
            rule = f"{name}: the action {entry.action} needs {key}"
            yield document.finding("key-missing", rule, f"{key} is {ColumnEntry.model_fields[key].description}", at)
    if entry.of and len(set(entry.of)) < len(entry.of):
        yield document.finding("token-source-twice", f"{name} names a column twice", "name each column once", (*at, "of"))
    if entry.scope == "person":
        rule = f"{name}: a token of scope person would be the same at every supplier"  # [P3]
        yield document.finding("token-scope-person", rule, "use relationship or transaction", (*at, "scope"))
    if entry.format != "token" and entry.reversal == "needed":
        rule = f"{name}: a token of format {entry.format} can always be decrypted, and is no AES-SIV token"
        yield document.finding("token-format-reversal", rule, "remove reversal, or remove format", (*at, "reversal"))
    if entry.algorithm is not None:
        yield from _algorithm_findings(name, entry, document)
    if entry.bits != TOKEN_BITS:
        rule = f"{name}: a token has {TOKEN_BITS} bits, not {entry.bits}"
        code = "token-too-short" if entry.bits < TOKEN_BITS else "token-bits"
        yield document.finding(code, rule, "remove bits", (*at, "bits"))


def _algorithm_findings(name: str, entry: ColumnEntry, document: Document) -> Iterable[InvalidInput]:
    at = ("columns", name, "algorithm")
    spelt = (entry.algorithm or "").upper()
    if spelt in _WITHDRAWN:  # [C8]
        rule = f"{name}: {spelt} is refused: FF3 was broken, and the second draft of SP 800-38G revision 1 removes FF3-1 as well"
        yield document.finding("algorithm-withdrawn", rule, "use FF1, or remove algorithm", at)
    elif entry.format == "token" or spelt != "FF1":
        rule = f"{name}: the kind of token decides how it is made, and an algorithm can only be named as FF1, for digits and short"
        yield document.finding("algorithm-other", rule, "remove algorithm", at)


def _kind(entry: ColumnEntry) -> TokenKind:
    if entry.format != "token":
        return entry.format
    return "reversible" if entry.reversal == "needed" else "one-way"


def _view_column(name: str, entry: ColumnEntry) -> ViewColumn:
    if entry.action == "token" and entry.of is not None and entry.scope != "person":
        return TokenColumn(name=name, of=tuple(entry.of), why=entry.why, scope=entry.scope, kind=_kind(entry))
    if entry.action == "generalise" and entry.to is not None:
        return GeneraliseColumn(name=entry.to, source=name, why=entry.why)
    if entry.action == "keep":
        return KeepColumn(name=name, why=entry.why)
    raise InternalError(f"no column of a view comes from the action {entry.action}")
