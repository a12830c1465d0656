"""The synthetic person: real in every way but one."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pyarrow as pa
import pytest

from pipelines.inputs import Terms
from pipelines.reporting.sample import Sample, make_sample, see
from transforms.contract.places import ROW_REF
from transforms.contract.rows import RowChecker
from transforms.photos.audit import audit
from transforms.steps.minimise_photos import print_spec


@pytest.fixture(scope="module")
def sample(terms: Terms) -> Sample:
    return make_sample(terms.contract, terms.policies)


def test_the_record_has_every_column_and_keeps_the_contract(sample: Sample, terms: Terms) -> None:
    assert tuple(cell.column for cell in sample.record) == terms.contract.names
    values = [pa.array([cell.value], pa.string()) for cell in sample.record]
    row = pa.record_batch([*values, pa.array([0], pa.int64())], names=[*terms.contract.names, ROW_REF])
    assert RowChecker(terms.contract).check(row).accepted.num_rows == 1
    assert all(cell.value for cell in sample.record)


def test_every_supplier_of_the_examples_sees_its_own_columns_of_the_person(sample: Sample, terms: Terms) -> None:
    for policy in terms.policies:
        seen = see(sample, terms.contract, policy, 7)
        assert seen.cells is not None
        assert [cell.column for cell in seen.cells][: len(policy.columns)] == [column.name for column in policy.columns]
        tokens = {token.name for token in policy.tokens}
        for cell in seen.cells:
            shape = rf"{policy.token_prefix}7-[0-9A-HJKMNP-TV-Z]{{17}}"
            assert bool(re.fullmatch(shape, cell.value or "")) == (cell.column in tokens)
        assert (seen.photo is not None) == (policy.photo is not None)


def test_tokens_are_nobodys_because_each_time_they_are_others(sample: Sample, terms: Terms) -> None:
    policy = terms.policies[0]
    assert see(sample, terms.contract, policy, 1).cells != see(sample, terms.contract, policy, 1).cells


def test_the_photo_is_what_the_photo_path_would_deliver(sample: Sample, terms: Terms) -> None:
    (policy,) = (policy for policy in terms.policies if policy.photo)
    photo = see(sample, terms.contract, policy, 1).photo
    assert photo is not None
    data = base64.b64decode(photo.jpeg)
    audit(data, print_spec(policy), (photo.width_px, photo.height_px))
    assert len(data) == photo.file_bytes
    assert photo.beside_pixels == ()


def test_the_portrait_on_the_page_has_nothing_of_the_camera_in_it(sample: Sample) -> None:
    assert sample.portrait is not None
    data = base64.b64decode(sample.portrait.jpeg)
    assert b"Exif" not in data
    assert b"Example" not in data
    assert len(data) < sample.portrait.file_bytes


def test_a_supplier_without_work_for_the_person_sees_nothing(sample: Sample, terms: Terms) -> None:
    policy = replace(terms.policies[0], where={"card_due": ("no",)})
    assert see(sample, terms.contract, policy, 1) == replace(see(sample, terms.contract, policy, 1), cells=None, photo=None)


def test_a_contract_that_asks_for_what_cannot_be_made_up_has_no_person(terms: Terms) -> None:
    columns = tuple(
        replace(column, pattern="[q]{7}[0-9]{3}[w]{2}") if column.name == "pay_number" else column
        for column in terms.contract.columns
    )
    contract = replace(terms.contract, columns=columns)
    sample = make_sample(contract, terms.policies)
    assert (sample.record, sample.portrait) == ((), None)
    assert see(sample, contract, terms.policies[0], 1).cells is None
