"""What the records of the run know of the key store: a store that was put back as a whole to an older copy is found here.

`RECORDS/keysets.json` holds, signed, the highest revision of every keyset that a run has seen. Whoever can put back store and
records together goes unseen by the machine; the revisions in the custodians' minutes show it to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipelines.release.dsse import open_envelope, sign_envelope
from pipelines.release.files import make_private_directory, read_file, replace
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import KeyUnavailable, Refused
from transforms.keyring.ledger import Ledger
from transforms.keyring.open import open_ledger, open_signing_key, open_verification_keys

KEYSETS_TYPE: Final = "application/vnd.supplier-views.keysets.v1+json"
KEYSETS_NAME: Final = "keysets.json"


@dataclass(frozen=True, slots=True)
class SeenKeysets:
    """The highest revision of each keyset that a run has seen, by the keyset's name."""

    revisions: Mapping[str, int]


def witness_keysets(uri: str, records: Path, now: datetime) -> None:
    """Holds a store's ledger against what earlier runs saw, and notes what is new; one process at a time.

    Raises:
        KeyUnavailable: code `keyset-rolled-back`, or the store cannot be opened.
        Refused: code `signature-invalid` or `record-malformed` if `RECORDS/keysets.json` was edited, or the signing key of another
            store signed it.
        StoreUnavailable: the records cannot be read or written.
    """
    make_private_directory(records)
    ledger, seen = check_seen(uri, records, now)
    place = records / KEYSETS_NAME
    reached = SeenKeysets({name: entry.revision for name, entry in ledger.entries.items()})
    if reached != seen:
        replace(place, sign_envelope(canonical_json(reached), KEYSETS_TYPE, open_signing_key(uri, now.date())))


def check_seen(uri: str, records: Path, now: datetime) -> tuple[Ledger, SeenKeysets]:
    """Holds a store's ledger against what earlier runs saw; writes nothing. Raises: as `witness_keysets`."""
    ledger = open_ledger(uri)
    place = records / KEYSETS_NAME
    data = read_file(place)
    seen = SeenKeysets({}) if data is None else _open_seen(data, open_verification_keys(uri, now.date()), place)
    _check(ledger, seen, place)
    return ledger, seen


def _open_seen(data: bytes, public_keys: tuple[bytes, ...], place: Path) -> SeenKeysets:
    payload = open_envelope(data, public_keys, KEYSETS_TYPE, str(place))
    try:
        return parse_canonical(payload, SeenKeysets)
    except ValueError:
        raise Refused("not a list of keysets of this format", place=str(place), code="record-malformed") from None


def _check(ledger: Ledger, seen: SeenKeysets, place: Path) -> None:
    for name, revision in seen.revisions.items():
        entry = ledger.entries.get(name)
        if entry is None or entry.revision < revision:
            raise KeyUnavailable(
                f"an earlier run saw revision {revision} of the keyset of {name}, and the store holds an older one",
                place=str(place),
                hint="the store was put back to an older copy; restore the newest one, or see keys/README.md",
                code="keyset-rolled-back",
            )
