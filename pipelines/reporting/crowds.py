"""How small the crowds are in which people of a release hide: k of its kept columns, counted on what the supplier can read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipelines.reporting.model import Crowd, Crowds
from transforms.columns.deliver import people_file
from transforms.policy.model import Policy, TokenColumn

# The first number of each class; below five a person is close to being singled out [D1].
_FROM: Final = (1, 2, 5, 10, 20, 50, 100, 1000)


def read_crowds(directory: Path, policy: Policy) -> Crowds | None:
    """Groups of people of a published release with the same kept columns; None where it keeps none or has no rows.

    Raises:
        OSError, pa.ArrowException: the release cannot be read.
    """
    kept = [column.name for column in policy.columns if not isinstance(column, TokenColumn)]
    if not kept:
        return None
    table = _read(directory / people_file(policy), kept)
    if not table.num_rows:
        return None
    groups = table.group_by(kept).aggregate([([], "count_all")]).column("count_all").to_numpy()
    return Crowds(tuple(kept), int(groups.min()), _classes(groups))


def _read(path: Path, names: list[str]) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path, columns=names)
    types = pa_csv.ConvertOptions(include_columns=names, column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    return pa_csv.read_csv(path, convert_options=types)


def _classes(groups: np.ndarray) -> tuple[Crowd, ...]:
    found = []
    for first, following in zip(_FROM, (*_FROM[1:], None), strict=True):
        within = groups[(groups >= first) & (groups < following)] if following else groups[groups >= first]
        label = f"{first:,}" if following == first + 1 else f"{first:,} to {following - 1:,}" if following else f"{first:,} or more"
        found.append(Crowd(label, len(within), int(within.sum())))
    return tuple(found)
