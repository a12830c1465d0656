"""Which rows a supplier has work for."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from transforms.columns.select import protected_rows, select
from transforms.contract.model import Classification, Column, Contract
from transforms.policy.model import Policy, TokenColumn

CONTRACT = Contract(
    name="c",
    version="1",
    columns=(
        Column("pay_number", Classification.IDENTIFIER, required=True, unique=True),
        Column("card_due", Classification.OPERATIONAL, vocabulary=("yes", "no")),
        Column("protected", Classification.OPERATIONAL, vocabulary=("yes", "no")),
    ),
    person_key="pay_number",
    protected_column="protected",
)
POLICY = Policy(
    supplier="printer",
    token_prefix="WC",
    purpose="print",
    agreement="a",
    legal_basis="b",
    delete_after_days=30,
    columns=(TokenColumn("person_token", ("pay_number",), "joins"),),
    where={"card_due": ("yes",)},
)
FLAGS = st.sampled_from(["yes", "no", None, "maybe"])


def batch(rows: list[tuple[str | None, str | None]]) -> pa.RecordBatch:
    due, protected = [list(column) for column in zip(*rows, strict=True)] if rows else ([], [])
    numbers = pa.array([str(n) for n in range(len(rows))], pa.string())
    return pa.record_batch(
        {"pay_number": numbers, "card_due": pa.array(due, pa.string()), "protected": pa.array(protected, pa.string())}
    )


@given(st.lists(st.tuples(FLAGS, FLAGS), max_size=30))
def test_every_row_is_in_exactly_one_class(rows: list[tuple[str | None, str | None]]) -> None:
    selection = select(batch(rows), CONTRACT, POLICY)
    assert int(selection.candidates.sum()) + selection.not_due + selection.protected == len(rows)


@given(st.lists(st.tuples(FLAGS, FLAGS), max_size=30))
def test_only_a_plain_no_lets_a_person_leave(rows: list[tuple[str | None, str | None]]) -> None:
    selection = select(batch(rows), CONTRACT, POLICY)
    assert selection.candidates.tolist() == [due == "yes" and protected == "no" for due, protected in rows]


def test_a_contract_without_the_flag_protects_nobody() -> None:
    contract = Contract("c", "1", CONTRACT.columns[:2], "pay_number", None)
    assert not np.any(protected_rows(batch([("yes", "no")]).select(["pay_number", "card_due"]), contract))
