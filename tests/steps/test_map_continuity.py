"""Pairs of tokens on their way to a map: sealed while they wait, and made by nobody who lacks the keys."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import ROW_REF
from transforms.keyring import admin
from transforms.keyring.open import open_keyset
from transforms.policy.model import Policy, TokenColumn
from transforms.steps.arrow_coder import register_arrow_coder
from transforms.steps.map_continuity import MapContinuity, MapTask
from transforms.tokens.continuity import spill_key

CONTRACT = Contract(
    name="hr-export",
    version="1.0.0",
    columns=(Column("pay_number", Classification.IDENTIFIER, required=True, unique=True),),
    person_key="pay_number",
    protected_column=None,
)
POLICY = Policy(
    supplier="uniform",
    token_prefix="UN",
    purpose="make up parcels",
    agreement="DPA-1",
    legal_basis="public task",
    delete_after_days=30,
    columns=(TokenColumn("person_token", ("pay_number",), "label of the parcel"),),
    full_population="everybody wears a uniform",
)
RELEASE = "2026-11-23-0123ab"


@pytest.fixture
def rotated(tmp_path: Path, day: date) -> str:
    uri = f"file:{tmp_path / 'keys'}"
    admin.init(uri, ["uniform"], day)
    admin.new_epoch(uri, "uniform", day)
    return uri


def test_a_piece_that_waits_is_private_and_sealed_and_holds_both_tokens_of_each_row_and_no_value(
    rotated: str, tmp_path: Path, day: date
) -> None:
    register_arrow_coder()
    attempts = tmp_path / "attempts"
    attempts.mkdir()
    people = [f"{number:08}" for number in range(50)]
    batch = pa.record_batch({"pay_number": pa.array(people), ROW_REF: pa.array(range(50), pa.int64())})
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        step = MapContinuity(CONTRACT, (MapTask(POLICY, RELEASE, 1, 2, ""),), rotated, day, str(attempts))
        _ = pipeline | beam.Create([batch]) | step
    (piece,) = attempts.iterdir()
    data = piece.read_bytes()
    assert piece.stat().st_mode & 0o777 == 0o600
    assert b"UN1-" not in data
    assert b"UN2-" not in data
    with open_keyset(rotated, "uniform", day) as keyset:
        cipher = AESGCM(spill_key(keyset.key().reveal(), RELEASE))
    opened = pa.ipc.open_stream(cipher.decrypt(data[:12], data[12:], b"uniform")).read_all()
    assert opened.column_names == [ROW_REF, "person_token 1", "person_token 2"]
    for epoch, column in ((1, "person_token 1"), (2, "person_token 2")):
        tokens = opened.column(column).to_pylist()
        assert len(set(tokens)) == 50
        assert all(token.startswith(f"UN{epoch}-") for token in tokens)
