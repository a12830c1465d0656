"""Signed statements of how far the audit log has come, kept in another place than the log.

Each record of the log has one, a DSSE envelope in a file of its own that is created and never replaced: `0000000012.json` says
what the twelfth line was. A log that was cut, edited or begun anew does not match them any more [A6].
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipelines.release.dsse import Signer, open_envelope, sign_envelope
from pipelines.release.files import make_private_directory, read_file, store_errors, write_new
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import Refused

CHECKPOINT_TYPE: Final = "application/vnd.supplier-views.audit-checkpoint.v1+json"
_NAME = re.compile(r"[0-9]{10}\.json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Record `sequence` of the log was the line with this SHA-256 (hex), said at that time."""

    sequence: int
    record_sha256: str
    when: datetime


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints below a directory, which is made private if it is not there; `public_keys` are 32 bytes each."""

    root: Path
    public_keys: tuple[bytes, ...]

    def read(self) -> tuple[Checkpoint, ...]:
        """Every checkpoint, in order, each with a good signature.

        Raises:
            Refused: `signature-invalid`, `checkpoint-malformed`, or `checkpoint-missing` where the numbers have a gap.
        """
        with store_errors(self.root):
            names = sorted(path.name for path in self.root.iterdir() if _NAME.fullmatch(path.name)) if self.root.is_dir() else []
        found = tuple(self._read(self.root / name) for name in names)
        if [checkpoint.sequence for checkpoint in found] != list(range(1, len(found) + 1)):
            raise Refused(
                "a checkpoint is missing, or stands under another's name",
                place=str(self.root),
                hint="restore the directory from its backup, and find out who could write there",
                code="checkpoint-missing",
            )
        return found

    def write(self, checkpoint: Checkpoint, signer: Signer) -> None:
        """Keeps a checkpoint.

        Raises:
            StoreUnavailable: it could not be written; code `already-exists` if another log has written that number.
        """
        make_private_directory(self.root)
        path = self.root / f"{checkpoint.sequence:010d}.json"
        data = sign_envelope(canonical_json(checkpoint), CHECKPOINT_TYPE, signer)
        write_new(path, data, mode=0o600, temporary=self.root / f".tmp-{path.name}")

    def _read(self, path: Path) -> Checkpoint:
        payload = open_envelope(read_file(path) or b"", self.public_keys, CHECKPOINT_TYPE, str(path))
        try:
            return parse_canonical(payload, Checkpoint)
        except ValueError:
            raise Refused("not a checkpoint of this format", place=str(path), code="checkpoint-malformed") from None
