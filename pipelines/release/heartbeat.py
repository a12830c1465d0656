"""The sign of life of every run that comes to its end, whatever it released, so that silence can be noticed [A15]."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.release.dsse import Signer, open_envelope, sign_envelope
from pipelines.release.files import make_private_directory, read_file, replace
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import Refused

HEARTBEAT_TYPE = "application/vnd.supplier-views.heartbeat.v1+json"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last run: when it ended (aware), the business date, and what publish did for each supplier."""

    when: datetime.datetime
    date: datetime.date
    outcomes: Mapping[str, str]


def write_heartbeat(records: Path, heartbeat: Heartbeat, signer: Signer) -> None:
    """Replaces `RECORDS/heartbeat.json`."""
    make_private_directory(records)
    replace(records / "heartbeat.json", sign_envelope(canonical_json(heartbeat), HEARTBEAT_TYPE, signer))


def read_heartbeat(records: Path, public_keys: tuple[bytes, ...]) -> Heartbeat | None:
    """The last run's sign of life, None if there never was one.

    Raises:
        Refused: code `signature-invalid` or `record-malformed`.
    """
    path = records / "heartbeat.json"
    data = read_file(path)
    if data is None:
        return None
    payload = open_envelope(data, public_keys, HEARTBEAT_TYPE, str(path))
    try:
        return parse_canonical(payload, Heartbeat)
    except ValueError:
        raise Refused("not a heartbeat of this format", place=str(path), code="record-malformed") from None
