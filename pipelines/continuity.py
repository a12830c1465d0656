"""Whether a run writes a map from old tokens to new ones, and how a supplier opens it [C12, C16-C18].

A map is written once: in a supplier's first release under a new epoch, if its policy contracts continuity.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipelines.release.chain import read_records
from pipelines.release.files import read_file
from pipelines.release.offline import verify_release
from pipelines.release.record import Record
from pipelines.release.store import Shelf
from pipelines.settings import Settings
from transforms.errors import KeyUnavailable, Refused
from transforms.keyring.keyset import WARN_DAYS, State
from transforms.keyring.open import OpenKeyset
from transforms.policy.model import Continuity, Policy
from transforms.steps.map_continuity import MapTask
from transforms.tokens.continuity import is_map_name, load_recipient, map_name, open_map, self_test_continuity

_LONGEST_KEY = 4096


def plan_map(
    settings: Settings, policy: Policy, keyset: OpenKeyset, release_id: str, public_keys: tuple[bytes, ...], day: date
) -> tuple[MapTask | None, tuple[str, ...]]:
    """The map that a supplier's release of the settings' date needs, None if it needs none, and what a custodian should be told.

    Args:
        policy: of the supplier.
        keyset: the supplier's, open.
        release_id: of the release that is being staged.
        public_keys: those that the records are signed with.
        day: today, in UTC.

    Raises:
        KeyUnavailable: code `recipient-key-expired` or `recipient-key-invalid`, whether or not a map is due: a key that is out of
            date would stop the rotation in the night when it cannot wait.
        Refused: code `signature-invalid` or `record-malformed` for a record of the supplier.
    """
    terms = policy.continuity
    if terms is None:
        return None, ()
    notices = _hold_recipient(policy.supplier, terms, day)
    load_recipient(terms.recipient_key)
    shelf = Shelf(policy.supplier, settings.out / policy.supplier, settings.records / policy.supplier)
    before = _release_before(read_records(shelf, public_keys), settings.date)
    if before is None or (old := epoch_of(before)) >= keyset.active.number:
        return None, notices
    if (refusal := _refusal(keyset, old, day)) is not None:
        return None, (*notices, f"no map from the tokens of epoch {old} is made: {refusal}")
    self_test_continuity()
    published = shelf.release(release_id) / map_name(old, keyset.active.number)
    return MapTask(policy, release_id, old, keyset.active.number, str(published)), notices


def epoch_of(record: Record) -> int:
    """The epoch of a release's tokens."""
    return int(record.key_id.rpartition("/")[2])


def open_release_map(directory: Path, public_key: bytes, private: Path) -> bytes:
    """The map of a release as CSV text: `column,old_token,new_token`; what the supplier runs, without the force.

    Args:
        directory: the release as it was received.
        public_key: the force's 32-byte Ed25519 public key, pinned by the supplier.
        private: the file of the supplier's X25519 private key, PKCS #8 in PEM.

    Raises:
        Refused: as `pipelines.release.offline.verify_release`, before the map is opened: HPKE itself does not say who sent it;
            code `continuity-missing` if the release has no map, `continuity-malformed` if it is another release's.
        KeyUnavailable: code `private-key-invalid` or `continuity-unopened`.
    """
    manifest = verify_release(directory, public_key)
    names = [subject.name for subject in manifest.subjects if is_map_name(subject.name)]
    if not names:
        hint = "only the first release after the force changed its keys has one, where the agreement says so"
        raise Refused("the release has no map of old tokens", place=str(directory), hint=hint, code="continuity-missing")
    header, content = open_map(read_file(directory / names[0]) or b"", _load_private(private))
    if (header.supplier, header.release) != (manifest.terms.supplier, manifest.terms.release_id):
        raise Refused("the map is another release's", place=str(directory), hint="tell the force", code="continuity-malformed")
    return content


def _hold_recipient(supplier: str, terms: Continuity, day: date) -> tuple[str, ...]:
    left = (terms.expires - day).days
    if left <= 0:
        raise KeyUnavailable(
            f"the key of {supplier}, to which maps of old tokens are encrypted, expired on {terms.expires}",
            place=supplier,
            hint="pin the supplier's new key in its policy, or take continuity out",
            code="recipient-key-expired",
        )
    if left > WARN_DAYS:
        return ()
    return (f"key of {supplier}, to which maps of old tokens are encrypted, expires on {terms.expires}, days left: {left}",)


def _release_before(records: tuple[Record, ...], business_date: date) -> Record | None:
    """The release before that of a date, as they were published: a rerun finds the one that the first run found."""
    own = next((record.sequence for record in records if record.date == business_date), len(records) + 1)
    earlier = [record for record in records if record.sequence < own]
    return max(earlier, key=lambda record: record.sequence, default=None)


def _refusal(keyset: OpenKeyset, old: int, day: date) -> str | None:
    """Why old tokens must not, or cannot, be joined to new ones."""
    try:
        epoch = keyset.keyset.resolvable(old, day)
    except KeyUnavailable as error:
        return error.rule
    if epoch.state is State.COMPROMISED:
        return "the epoch is compromised, and whoever holds its key could follow people into the new one"
    return None


def _load_private(path: Path) -> X25519PrivateKey:
    try:
        with path.open("rb") as file:
            key = load_pem_private_key(file.read(_LONGEST_KEY), None)
        if isinstance(key, X25519PrivateKey):
            return key
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        pass
    raise KeyUnavailable(
        "this is no X25519 private key in PEM",
        place=str(path),
        hint="name the file that `openssl genpkey -algorithm X25519` wrote, without a passphrase",
        code="private-key-invalid",
    )
