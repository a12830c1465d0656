"""Back ends that are really there, as the tests see them: a token of SoftHSM's, and moto's AWS KMS over HTTP."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TODAY = datetime.now(UTC).date()  # what AWS KMS makes has the date of its own clock
REGION = "eu-west-2"
PIN = "4711-0815"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")


@dataclass(frozen=True)
class Token:
    """A token of SoftHSM's, and the file with its PIN."""

    module: Path
    label: str
    pin_file: Path

    def uri(self, directory: Path, **changes: str) -> str:
        """A key URI with a key of its own; changes are of its parts."""
        parts = {
            "token": self.label, "object": f"kek-{uuid.uuid4().hex}", "module": str(self.module), "pin": f"file:{self.pin_file}",
        } | changes  # fmt: skip
        return (
            f"pkcs11:token={parts['token']};object={parts['object']};type=secret-key"
            f"?module-path={parts['module']}&pin-source={parts['pin']}&directory={directory}"
        )


@dataclass(frozen=True)
class KeyService:
    """An AWS KMS, and a client of its own for whoever administers it."""

    endpoint: str
    client: Any

    def make_key(self, **options: Any) -> str:
        """The ARN of a new key."""
        arn: str = self.client.create_key(**{"KeyUsage": "ENCRYPT_DECRYPT"} | options)["KeyMetadata"]["Arn"]
        return arn

    def uri(self, directory: Path, arn: str | None = None, endpoint: str | None = None) -> str:
        """A key URI, with a key of its own unless one is given."""
        return f"awskms:{arn or self.make_key()}?directory={directory}&endpoint={endpoint or self.endpoint}"


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Sets variables of the environment, or removes them, for as long as it is held."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set(values)
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def private(path: Path, content: str) -> Path:
    """A file that only its owner can read."""
    path.touch(0o600)
    path.write_text(content)
    return path
