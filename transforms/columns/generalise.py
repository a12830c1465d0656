"""A closed vocabulary in, a coarser one out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import InternalError


def generalise(values: pa.Array[Any], to: Mapping[str, str]) -> pa.Array[Any]:
    """Maps each value to its label.

    Args:
        values: n strings, all of them keys of `to` or null.
        to: the contract's map, total over the column's vocabulary.

    Returns:
        n strings; null for null.

    Raises:
        InternalError: a value is not in the map. The row checks quarantine such rows before; nothing is ever passed through.
    """
    index = pc.index_in(values, value_set=pa.array(list(to), pa.string()))
    if index.null_count != values.null_count:
        raise InternalError("a value has no label in its generalisation map", code="generalise-unmapped")
    return pa.array(list(to.values()), pa.string()).take(index)
