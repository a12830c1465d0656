"""Rows that repeat a unique value, as other steps see them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from transforms.contract.places import ROW_REF

PROTECTED = "protected"
_FIELDS: list[tuple[str, pa.DataType]] = [(ROW_REF, pa.int64()), ("column", pa.string()), (PROTECTED, pa.bool_())]
REPEATED_SCHEMA = pa.schema(_FIELDS)

_NO_REFS = np.empty(0, dtype=np.int64)


def repeated_refs(repeats: Iterable[pa.RecordBatch]) -> np.ndarray:
    """The places of the rows in batches of REPEATED_SCHEMA, each once, ascending."""
    return np.unique(np.concatenate([batch.column(ROW_REF).to_numpy() for batch in repeats] or [_NO_REFS]))


def repeated_protected_refs(repeats: Iterable[pa.RecordBatch]) -> np.ndarray:
    """The same, of protected people alone."""
    return repeated_refs(batch.filter(batch.column(PROTECTED)) for batch in repeats)
