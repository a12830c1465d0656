"""The example contract, against the standard and against what the example's columns must be."""

import json
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from transforms.contract.load import load_contract
from transforms.contract.model import Classification, Contract

EXAMPLE = Path(__file__).parents[2] / "examples" / "hr-export.yaml"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(EXAMPLE)


def rank_bands(contract: Contract) -> Mapping[str, str]:
    return contract.column("rank").generalisations["rank_band"]


def test_the_example_is_valid_against_the_standards_json_schema() -> None:
    schema = json.loads(OpenDataContractStandard.json_schema())
    document = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    jsonschema.Draft201909Validator.check_schema(schema)
    jsonschema.Draft201909Validator(schema).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft201909Validator(schema).validate(document | {"kind": "DataProduct"})


def test_the_example_is_read_alike_by_the_standards_own_model(contract: Contract) -> None:
    theirs = OpenDataContractStandard.from_file(str(EXAMPLE))
    assert theirs.schema_ is not None
    properties = theirs.schema_[0].properties or []
    assert [p.name for p in properties] == list(contract.names)
    assert [p.classification for p in properties] == [c.classification.value for c in contract.columns]
    assert [bool(p.required) for p in properties] == [c.required for c in contract.columns]
    assert [tuple(v.value for v in p.enum) if p.enum else None for p in properties] == [c.vocabulary for c in contract.columns]
    assert [(p.logicalTypeOptions or {}).get("pattern") for p in properties] == [c.pattern for c in contract.columns]


def test_every_column_has_a_vocabulary_or_a_pattern_and_a_description(contract: Contract) -> None:
    for column in contract.columns:
        assert (column.pattern is None) != (column.vocabulary is None), column.name
        assert column.description, column.name


def test_every_vetting_term_of_the_national_vocabulary_is_known_and_restricted(contract: Contract) -> None:
    terms = {"RV", "IV", "MV", "NPPV 1", "NPPV 2A", "NPPV 2F", "NPPV 3", "BPSS", "AC", "CTC", "Level 1B"}
    assert terms | {"SC", "SCe", "eSC", "DV", "eDV", "STRAP"} <= set(contract.column("vetting_level").vocabulary or ())
    restricted = {column.name for column in contract.columns if column.classification is Classification.RESTRICTED}
    assert restricted == {"vetting_level", "vetting_date", "protected"}


@pytest.mark.parametrize(
    ("spelling", "band"),
    [
        ("PC", "Constable"),
        ("Constable", "Constable"),
        ("DC", "Constable"),
        ("CT DC", "Constable"),
        ("TFC PC", "Constable"),
        ("Special Constable", "Constable"),
        ("PS", "Sergeant"),
        ("DS", "Sergeant"),
        ("Insp", "Inspecting"),
        ("DI", "Inspecting"),
        ("Ch Insp", "Inspecting"),
        ("CI", "Inspecting"),
        ("DCI", "Inspecting"),
        ("Supt", "Superintending"),
        ("Ch Supt", "Superintending"),
        ("ACC", "Chief officer"),
        ("DCC", "Chief officer"),
        ("CC", "Chief officer"),
        ("Commander", "Chief officer"),
        ("DAC", "Chief officer"),
        ("AC", "Chief officer"),
        ("Deputy Commissioner", "Chief officer"),
        ("Commissioner", "Chief officer"),
        ("PCSO", "Staff"),
        ("Band A", "Staff"),
        ("Police Support Volunteer", "Staff"),
        ("Volunteer Cadet", "Staff"),
    ],
)
def test_spellings_of_a_rank_fall_into_its_band(contract: Contract, spelling: str, band: str) -> None:
    assert rank_bands(contract)[spelling] == band


def test_ranks_leave_in_no_other_bands_than_the_pooled_ones(contract: Contract) -> None:
    assert set(rank_bands(contract).values()) == {"Constable", "Sergeant", "Inspecting", "Superintending", "Chief officer", "Staff"}


def test_a_coarser_grade_never_splits_a_rank_band(contract: Contract) -> None:
    grades = contract.column("rank").generalisations["grade_band"]
    together = {(band, grades[rank]) for rank, band in rank_bands(contract).items()}
    assert len(together) == len(set(rank_bands(contract).values()))


def test_specialist_units_leave_as_other_only(contract: Contract) -> None:
    bands = contract.column("unit_code").generalisations["unit_band"]
    specialist = [code for code in bands if code[:2] in {"SO", "MO", "SC"} and code[2:].isdigit()]
    assert len(specialist) > 5
    assert {bands[code] for code in specialist} == {"Other"}
    assert {code[:2] for code, band in bands.items() if band == "Territorial"} == set(contract.column("bcu").vocabulary or ())


@pytest.mark.parametrize(
    ("column", "accepted", "refused"),
    [
        ("pay_number", "00012345", "1234567"),
        ("surname", "O’Neill-Ní Dhónaill", "Smith1"),
        ("surname", "O", "=Smith"),
        ("photo_file", "00/00012345_ONeill.jpg", "../00012345.jpg"),
        ("photo_file", "a.png", "/a.png"),
        ("photo_file", "a.jpeg", "a.gif"),
        ("card_expiry", "2029-03", "2029-03-31"),
        ("email", "p00012345@force.example", "p00012345@forcexexample"),
    ],
)
def test_patterns_tell_cells_from_mistakes(contract: Contract, column: str, accepted: str, refused: str) -> None:
    whole = f"^(?:{contract.column(column).pattern})$"
    assert pc.match_substring_regex(pa.array([accepted, refused]), whole).to_pylist() == [True, False]
