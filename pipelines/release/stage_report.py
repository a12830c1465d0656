"""What stage says about one supplier's staged files: the content of `stage.json`."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from pipelines.release.strict_json import canonical_json
from transforms.contract.model import Contract
from transforms.errors import InvalidInput
from transforms.policy.model import SUPPLIER_PATTERN, Policy

_PLACE = frozenset({"source", "lines"})  # where the file is and how it is laid out, not what it says
_RELEASE_ID = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class TokenScheme:
    """How a release's tokens were made [C19]; a key is named, never shown.

    `format` and `canonicalisation` are version names of this project's specifications, `algorithms` maps each token column to the
    name of what makes its tokens, `unicode` is the version of the Unicode data, `epoch` the keyset's epoch and `key_id` the name
    of its key.
    """

    format: str
    algorithms: Mapping[str, str]
    canonicalisation: str
    unicode: str
    epoch: int
    key_id: str


@dataclass(frozen=True, slots=True)
class StageReport:
    """One supplier's staged view, without a cell value.

    `rows` is the number of rows in the view. `counts` are this supplier's counters (rows in, accepted, quarantined by rule, not
    due, protected, photos refused by rule …): they stay on the force's side [P17]. `photo_codec` maps codec names to versions and
    is empty without photos. `contract_sha256` and `policy_sha256` are `fingerprint`s, `export_sha256` is the digest of the export
    that was read. `software` maps the names of what ran to versions. `notices` are remarks for the force's people.
    `continuity_from` is the epoch whose tokens the release maps to its own, None if it has no map.
    """

    supplier: str
    date: datetime.date
    release_id: str
    rows: int
    tokens: TokenScheme
    photo_codec: Mapping[str, str]
    contract_sha256: str
    policy_sha256: str
    export_sha256: str
    software: Mapping[str, str]
    counts: Mapping[str, int]
    notices: tuple[str, ...] = ()
    continuity_from: int | None = None


def fingerprint(model: Policy | Contract) -> str:
    """SHA-256 (hex) of what a policy or contract says: the same for another layout, comment or place of its file."""
    content = {field.name: getattr(model, field.name) for field in fields(model) if field.name not in _PLACE}
    return hashlib.sha256(canonical_json(content)).hexdigest()


def check_names(supplier: str, business_date: datetime.date, release_id: str) -> None:
    """Refuses names that could leave their directory or hide in it.

    Raises:
        InvalidInput: unless `supplier` matches SUPPLIER_PATTERN and `release_id` is the date and six hex digits.
    """
    if not re.fullmatch(SUPPLIER_PATTERN, supplier):
        raise InvalidInput(f"a supplier's name does not match {SUPPLIER_PATTERN}", place="supplier", code="supplier-name")
    if not is_release_id(release_id) or release_id[:10] != business_date.isoformat():
        raise InvalidInput("a release id is its date, a hyphen and six hex digits", place=supplier, code="release-id")


def is_release_id(name: str) -> bool:
    """Whether a directory name has the shape of a release id."""
    return _RELEASE_ID.fullmatch(name) is not None
