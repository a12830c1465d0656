"""An audit log with real keys and nothing behind it: what every test of the chain starts from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pipelines.audit.checkpoint import Checkpoints
from pipelines.audit.log import LOG_NAME, Verified, audit_directory, open_log, verify_log
from pipelines.audit.record import AuditRecord, Command, Entry, Purpose, Stage
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass
class Book:
    """An audit log, its checkpoints and the keys of both."""

    root: Path
    signer: SigningKey = field(default_factory=lambda: SigningKey(SecretKey.random(), 1))
    auditor: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    minutes: int = 0

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.root / "checkpoints", (self.signer.public_bytes(),))

    @property
    def file(self) -> Path:
        return audit_directory(self.root / "records") / LOG_NAME

    @property
    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)

    def confirmation(self, sequence: int) -> Path:
        return self.root / "checkpoints" / f"{sequence:010d}.json"

    def write(self, count: int = 1, stage: Stage = Stage.ASKED, details: Mapping[str, Any] | None = None) -> AuditRecord:
        """Adds records a minute apart, each in a call of its own; the last is returned."""
        for _ in range(count):
            entry = Entry(
                "00" * 8,
                Command.RESOLVE,
                stage,
                Purpose.INCIDENT,
                3,
                "ab" * 32,
                details or {"actor": "r.mensah", "asked": ["WC1-X"]},
            )
            with open_log(self.root / "records", self.checkpoints, self.signer, self.auditor.public_key()) as log:
                record = log.append(entry, NOON + timedelta(minutes=self.minutes))
            self.minutes += 1
        return record

    def verify(self) -> Verified:
        return verify_log(self.root / "records", self.checkpoints)

    def copy(self, root: Path) -> Book:
        """The same book on another disk."""
        shutil.copytree(self.root, root)
        return Book(root, self.signer, self.auditor, self.minutes)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "book")
