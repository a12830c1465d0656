"""Whether the order of a view says anything about the people in it [R8], and whether anybody is in it who must not be [P17]."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.model import Contract
from transforms.errors import Refused
from transforms.leaks.findings import Check
from transforms.leaks.strings import Mask, among, sort_keys
from transforms.policy.model import Policy

ORDER_FILE = "order.npy"
_ROW_REF = "row_ref"
_POSITION, _PROTECTED, _DUE = "position", "protected", "due"
# At this many rows 0.02 is five standard deviations: more rows would cost time and tell nothing more.
_SAMPLE = 65_536
_FEWEST_ROWS = 30
_LIMIT = 0.02
_SIGMAS = 4.5


class OrderCorrelation(Check):
    """The order of released rows goes with a column of the export: |Spearman rho| is 0.02 or more, and no accident [R8].

    Below 50,000 rows chance alone goes beyond 0.02, so the limit is 4.5 standard deviations there. A view of fewer than 30 rows
    is not tested: that its tokens ascend is the proof that its order is theirs.
    """

    rule = "order-correlation"


class OrderRows(Check):
    """`order.npy` is not the places of the view's rows: a place twice, or one that the export does not have."""

    rule = "order-file"


class ProtectedRows(Check):
    """A protected person is in the view [P17]."""

    rule = "protected-person"


class DueRows(Check):
    """A row is in the view that the policy's `where` leaves out [L6]."""

    rule = "row-not-due"


class OrderSample:
    """At most 65,536 rows of one view, chosen by a fixed stride, and what the export says of them. Can be pickled.

    `collect` is called for every batch of the export, in any order and any process; `close` gets all that it returned.
    """

    def __init__(self, area: Path, policy: Policy, contract: Contract) -> None:
        """Maps `order.npy` of a staged view.

        Raises:
            Refused: code `stage-malformed` if it is not a list of int64.
        """
        self._area = area
        self._where = dict(policy.where)
        self._protected = contract.protected_column
        self._columns = tuple(column.name for column in contract.columns)
        refs = load_order(area)
        self.rows = len(refs)
        positions = np.arange(0, self.rows, max(1, -(-self.rows // _SAMPLE)))
        by_ref = np.argsort(refs[positions], kind="stable")
        self._positions = positions[by_ref]
        self._refs = np.asarray(refs[self._positions])

    @property
    def schema(self) -> pa.Schema:
        """The schema of what `collect` returns."""
        fixed: dict[str, pa.DataType] = {_ROW_REF: pa.int64(), _POSITION: pa.int64(), _PROTECTED: pa.bool_(), _DUE: pa.bool_()}
        keys: dict[str, pa.DataType] = {f"key {name}": pa.uint64() for name in self._columns}
        return pa.schema({**fixed, **keys})

    def collect(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The sampled rows of a batch, and its protected rows.

        Args:
            batch: the contract's columns as `string`, and `row_ref`.

        Returns:
            For each such row its place, its position in the view (-1 if it is not in the sample), whether it is protected and
            due, and the first eight bytes of each cell as a number, which sorts as the cell does.
        """
        refs = batch.column(_ROW_REF).to_numpy()
        index = np.searchsorted(self._refs, refs)
        index[index == self._refs.size] = 0
        sampled = self._refs[index] == refs if self._refs.size else np.zeros(refs.size, np.bool_)
        protected = self._is_protected(batch)
        chosen = np.flatnonzero(sampled | protected)
        rows = batch.take(pa.array(chosen))  # type: ignore[arg-type]
        positions = np.where(sampled, self._positions[index], -1)[chosen] if self._refs.size else np.full(chosen.size, -1)
        due = np.ones(chosen.size, np.bool_)
        for name, values in self._where.items():
            due &= among(rows.column(name), pa.array(values, pa.string()))
        keys = [pa.array(sort_keys(rows.column(name))) for name in self._columns]
        return pa.record_batch(
            [rows.column(_ROW_REF), pa.array(positions), pa.array(protected[chosen]), pa.array(due), *keys], schema=self.schema
        )

    def close(self, collected: Iterable[pa.RecordBatch]) -> tuple[Check, ...]:
        """The checks of the view's order and rows, given everything that `collect` returned for the whole export."""
        table = pa.Table.from_batches(list(collected), schema=self.schema)
        sample = table.filter(pa.array(table.column(_POSITION).to_numpy() >= 0))
        checks = (self._rows(sample), self._protected_rows(table), self._due_rows(sample), OrderCorrelation())
        if sample.num_rows >= _FEWEST_ROWS:
            self._correlate(sample, checks[3])
        return checks

    def _is_protected(self, batch: pa.RecordBatch) -> Mask:
        if self._protected is None:
            return np.zeros(batch.num_rows, np.bool_)
        return ~among(batch.column(self._protected), pa.array(["no"]))

    def _rows(self, sample: pa.Table) -> OrderRows:
        check = OrderRows()
        check.examine(self._refs.size)
        repeated = int(np.count_nonzero(self._refs[1:] == self._refs[:-1]))
        if repeated:
            check.found(f"{ORDER_FILE}, places that repeat", repeated)
        if strays := abs(self._refs.size - repeated - sample.num_rows):
            check.found(f"{ORDER_FILE}, places that the export does not have", strays)
        return check

    def _protected_rows(self, table: pa.Table) -> ProtectedRows:
        check = ProtectedRows()
        refs = table.filter(table.column(_PROTECTED)).column(_ROW_REF).to_numpy()
        check.examine(refs.size)
        if released := int(np.isin(refs, load_order(self._area)).sum()):
            check.found(f"{ORDER_FILE}, all rows", released)
        return check

    def _due_rows(self, sample: pa.Table) -> DueRows:
        check = DueRows()
        check.examine(sample.num_rows)
        if strays := sample.num_rows - (pc.sum(sample.column(_DUE)).as_py() or 0):
            check.found(f"{ORDER_FILE}, sampled rows", strays)
        return check

    def _correlate(self, sample: pa.Table, check: Check) -> None:
        limit = max(_LIMIT, _SIGMAS / (sample.num_rows - 1) ** 0.5)
        places = _ranks(sample.column(_POSITION).to_numpy())
        for name in (_ROW_REF, *(f"key {name}" for name in self._columns)):
            check.examine()
            if abs(_correlation(places, _ranks(sample.column(name).to_numpy()))) >= limit:
                check.found(f"row order against {name.removeprefix('key ')}")


def load_order(area: Path) -> npt.NDArray[np.int64]:
    """The places of a view's rows in the export, in the view's order.

    Raises:
        Refused: code `stage-malformed` if `order.npy` is not a list of int64.
    """
    try:
        refs = np.load(area / ORDER_FILE, mmap_mode="r", allow_pickle=False)
        if refs.dtype != np.int64 or refs.ndim != 1:
            raise ValueError
    except (OSError, ValueError, EOFError):
        raise Refused(
            "not the places of a view's rows", place=str(area / ORDER_FILE), hint="stage again", code="stage-malformed"
        ) from None
    return np.asarray(refs)


def _ranks(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: npt.NDArray[np.float64] = (ends - (counts + 1) / 2)[which]
    return mean


def _correlation(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Pearson's coefficient, which of ranks is Spearman's; 0 where one side says nothing."""
    left, right = left - left.mean(), right - right.mean()
    # Not `@`: a library that spreads a short product over threads takes a hundred times as long on a busy machine.
    scale = float(np.sqrt((left * left).sum() * (right * right).sum()))
    return float((left * right).sum()) / scale if scale else 0.0
