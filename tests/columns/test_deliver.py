"""What waits in staging, and the table that is made of it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.columns.deliver import spill_batch, tie_break, write_people
from transforms.columns.order import ORDER, sort_shard
from transforms.columns.view import View
from transforms.contract.model import Classification, Column, Contract
from transforms.policy.model import KeepColumn, Policy, TokenColumn

CONTRACT = Contract(
    name="hr",
    version="1.0.0",
    columns=(
        Column("pay_number", Classification.IDENTIFIER, required=True, unique=True),
        *(Column(name, Classification.OPERATIONAL, vocabulary=("S", "M", "L")) for name in ("order", "line", "size")),
    ),
    person_key="pay_number",
    protected_column=None,
)
TOKENS = ["UN1-00000000000000000", "UN1-8000000000000000M"]


@pytest.mark.parametrize("name", ["order", "line", "size"])
def test_a_parquet_table_holds_the_view_whatever_its_columns_are_called(tmp_path: Path, name: str) -> None:
    policy = Policy(
        supplier="uniform",
        token_prefix="UN",
        purpose="p",
        agreement="a",
        legal_basis="l",
        delete_after_days=30,
        columns=(TokenColumn("person_token", ("pay_number",), "parcel"), KeepColumn(name, "size")),
        delivery_format="parquet",
    )
    view = View({"person_token": pa.array(TOKENS[::-1]), name: pa.array(["L", "M"])}, np.array([1 << 63, 0], np.uint64))
    spilled = pa.Table.from_batches([spill_batch(view, pa.array([1, 2]), CONTRACT, policy)])
    path = tmp_path / "people.parquet"
    assert write_people(path, [sort_shard(spilled, tie_break(policy))], policy) == 2
    assert pq.read_table(path).to_pydict() == {"person_token": TOKENS, name: ["M", "L"]}
    assert ORDER not in pq.read_schema(path).names
