"""docs/resolving.md and docs/spec/audit.md say what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from pipelines.audit.authority import Limits, load_authority
from pipelines.audit.keys import Role, make_key
from pipelines.audit.record import AuditRecord, Purpose
from pipelines.cli_resolving import PURPOSES
from pipelines.resolution import Status
from pipelines.subject import Outcome

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs" / "resolving.md").read_text(encoding="utf-8")
SPEC = (ROOT / "docs" / "spec" / "audit.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    return text[text.index(f"## {heading}") :].split("\n## ")[0]


def named(text: str) -> list[str]:
    return [name for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([a-z_-]+)`", cell)]


def test_the_manual_lists_every_purpose_and_status() -> None:
    assert named(section(MANUAL, "Asking")) == [*Purpose, *sorted(Status, key=named(section(MANUAL, "Asking")).index)]
    assert list(PURPOSES) == list(Purpose)


def test_the_manual_lists_every_outcome_of_a_search() -> None:
    assert named(section(MANUAL, "What was released about one person")) == list(Outcome)


def test_the_manual_explains_every_code_of_the_audit_and_no_other() -> None:
    given = set()
    for path in (ROOT / "pipelines" / "audit").glob("*.py"):
        pattern = r'"((?:audit|checkpoint|approval|approver|rate|too)-[a-z-]+)"'
        given |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    given -= {"audit-unsealed"}
    assert set(named(section(MANUAL, "The audit log")) + named(section(MANUAL, "Refusals"))) - {"signature-invalid"} == given


def test_the_authority_file_of_the_manual_loads_and_holds_the_defaults(tmp_path: Path) -> None:
    auditor = make_key(Role.AUDITOR, tmp_path / "auditor.key")
    approver = make_key(Role.APPROVER, tmp_path / "approver.key")
    (example,) = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    path = tmp_path / "resolving.toml"
    path.write_text(example.replace("x25519:BASE64", auditor).replace("ed25519:BASE64", approver))
    authority = load_authority(path)
    assert authority.limits == Limits()
    assert set(authority.approvers) == {"j.okafor"}


def test_the_specification_names_every_key_of_a_record() -> None:
    assert named(section(SPEC, "The log")) == [field.name for field in dataclasses.fields(AuditRecord)]
