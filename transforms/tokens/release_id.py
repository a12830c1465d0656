"""The name of a release: one a supplier, date and epoch."""

from __future__ import annotations

from datetime import date

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_LABEL = b"supplier-views/release-id/1"


def release_id(epoch_key: bytes | bytearray | memoryview, supplier: str, business_date: date) -> str:
    """The business date and six hex digits, derived by HKDF-SHA-256 (RFC 5869) from the supplier's epoch key.

    It does not depend on the contents, so that a second run of a date finds the directory of the first; and nobody without the key
    can tell the next one.
    """
    name = supplier.encode()
    info = _LABEL + len(name).to_bytes(2, "big") + name + business_date.isoformat().encode()
    digits = HKDF(algorithm=SHA256(), length=3, salt=None, info=info).derive(bytes(epoch_key)).hex()
    return f"{business_date.isoformat()}-{digits}"
