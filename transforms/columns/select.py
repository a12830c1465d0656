"""Which rows of a batch a supplier has work for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.model import Contract
from transforms.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one batch, split three ways: every row is in exactly one of the counts.

    `candidates` is a mask (one boolean a row) of rows that the supplier has work for and that may leave.
    """

    candidates: np.ndarray
    not_due: int
    protected: int


def protected_rows(batch: pa.RecordBatch, contract: Contract) -> np.ndarray:
    """A mask of the people who appear in no external view [P17]; all False where the contract has no such flag.

    Fails closed: everything that is not a plain `no` counts as protected, nulls included.
    """
    if contract.protected_column is None:
        return np.zeros(batch.num_rows, dtype=bool)
    return ~_equals_any(batch.column(contract.protected_column), ("no",))


def select(batch: pa.RecordBatch, contract: Contract, policy: Policy) -> Selection:
    """Splits a batch into candidates, rows that are not due, and protected people.

    A row is due when every column of the policy's `where` holds one of its values; a null is never due.
    A protected person is counted as protected whether due or not.
    """
    protected = protected_rows(batch, contract)
    due = np.ones(batch.num_rows, dtype=bool)
    for name, values in policy.where.items():
        due &= _equals_any(batch.column(name), values)
    return Selection(
        candidates=due & ~protected,
        not_due=int(np.count_nonzero(~due & ~protected)),
        protected=int(np.count_nonzero(protected)),
    )


def _equals_any(values: pa.Array[Any], wanted: tuple[str, ...]) -> np.ndarray:
    mask: np.ndarray = pc.is_in(values, value_set=pa.array(wanted, pa.string())).to_numpy(zero_copy_only=False)
    return mask
