"""A desk at which tokens are resolved, beside a site that was really published, with real keys of its people."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.pipelines.conftest import Ended, Site

Call = Callable[[Sequence[str]], "Ended"]


@dataclass
class Desk:
    """A site that was published, a desk of its own beside it, and the keys of the people who sit there."""

    site: Site
    root: Path
    call: Call

    @property
    def records(self) -> Path:
        return self.root / "records"

    @property
    def public_key(self) -> str:
        return str(Path(self.site.keys.removeprefix("file:")) / "signing.pub")

    def flags(self, **changes: str) -> list[str]:
        told = {
            "supplier": "card-printer",
            "actor": "r.mensah",
            "purpose": "supplier-reply",
            "case": "PSD/2026/0142",
            "contract": str(self.site.contract),
            "policies": str(self.site.policies),
            "export": self.site.export,
            "keys": self.site.keys,
            "out": str(self.site.out),
            "records": str(self.records),
            "authority": str(self.root / "resolving.toml"),
            "checkpoints": str(self.root / "checkpoints"),
        }
        told |= changes
        return [text for name, value in told.items() for text in (f"--{name.replace('_', '-')}", value)]

    def resolve(self, *tokens: str, **changes: str) -> Ended:
        return self.call(["resolve", *tokens, *self.flags(**changes)])

    def table(self, *tokens: str, **changes: str) -> list[dict[str, str]]:
        ended = self.resolve(*tokens, **changes)
        assert ended.status == 0, ended.stderr
        return list(csv.DictReader(io.StringIO("\n".join(ended.stdout.splitlines()[:-1]))))

    def statuses(self, *tokens: str, **changes: str) -> list[str]:
        return [row["status"] for row in self.table(*tokens, **changes)]

    def audit(self) -> list[dict[str, Any]]:
        """The audit log as the auditor reads it."""
        places = ["--records", str(self.records), "--checkpoints", str(self.root / "checkpoints")]
        ended = self.call(
            ["audit", "read", *places, "--public-key", self.public_key, "--key", str(self.root / "people" / "auditor.key")]
        )
        assert ended.status == 0, ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()[:-1]]

    def view(self, supplier: str) -> list[dict[str, str]]:
        with (self.site.release(supplier) / "people.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def limits(self, **limits: int) -> None:
        path = self.root / "resolving.toml"
        lines = "".join(f"{name} = {value}\n" for name, value in limits.items())
        path.write_text(path.read_text() + f"[limits]\n{lines}")


@pytest.fixture
def desk(first_run: tuple[Site, Ended], tmp_path: Path, call: Call) -> Desk:
    return _desk(first_run[0], tmp_path, call)


@pytest.fixture
def kinds_desk(kinds_run: tuple[Site, dict[str, Any]], tmp_path: Path, call: Call) -> Desk:
    """A desk beside a site whose policies ask for every kind of token."""
    site = kinds_run[0]
    (tmp_path / "records").mkdir(mode=0o700)
    for supplier in ("card-printer", "shift-rostering", "uniform"):  # a token of one release is found by the release's record
        shutil.copytree(site.records / supplier, tmp_path / "records" / supplier)
    return _desk(site, tmp_path, call)


def _desk(site: Site, tmp_path: Path, call: Call) -> Desk:
    desk = Desk(site, tmp_path, call)
    (tmp_path / "people").mkdir()
    public = {}
    for name, role in (("auditor", "auditor"), ("j.okafor", "approver"), ("r.mensah", "approver"), ("stranger", "approver")):
        ended = call(["audit", "keygen", "--role", role, "--key", str(tmp_path / "people" / f"{name}.key")])
        public[name] = ended.summary["public_key"]
    (tmp_path / "resolving.toml").write_text(
        'shows = ["surname", "forenames"]\n'
        f'[auditor]\npublic_key = "{public["auditor"]}"\n'
        f'[approvers]\n"j.okafor" = "{public["j.okafor"]}"\n"r.mensah" = "{public["r.mensah"]}"\n'
    )
    return desk
