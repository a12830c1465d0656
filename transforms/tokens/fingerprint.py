"""Keyed fingerprints that tell equal values apart from different ones, on the force's side only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transforms.tokens.canonicalise import canonicalise
from transforms.tokens.mac import cmac

_LABEL = b"supplier-views/fingerprint/1"


def fingerprint(key: bytes | bytearray | memoryview, column: str, values: pa.Array[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The AES-256-CMAC (SP 800-38B) of each value's canonical form, as two unsigned 64-bit halves.

    Two values are the same person's exactly when their canonical forms are, as in a token. All 128 bits are kept: a chance
    collision would quarantine two innocent rows.

    Args:
        key: 32 bytes, of the force's own keyset; each column gets a key of its own by HKDF-SHA-256 (RFC 5869).
        column: the column's name.
        values: n strings without nulls.

    Returns:
        The high and the low halves, n each.
    """
    name = column.encode()
    info = _LABEL + len(name).to_bytes(2, "big") + name
    column_key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(bytes(key))
    halves = cmac(column_key, canonicalise(values)).view(">u8").astype(np.uint64)
    return halves[:, 0].copy(), halves[:, 1].copy()
