from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.release.supplier_files import readme_text, schema_bytes, table_schema, token_pattern
from transforms.errors import PolicyError
from transforms.policy.model import KeepColumn

if TYPE_CHECKING:
    from conftest import World

DAY = date(2026, 11, 23)


def fields(world: World) -> dict[str, dict[str, Any]]:
    schema: dict[str, Any] = table_schema(world.policy, world.contract)
    return {field["name"]: field for field in schema["fields"]}


def test_the_schema_lists_the_columns_of_the_table_in_order_with_the_photo_last(world: World) -> None:
    assert list(fields(world)) == ["person_token", "name_token", "rank_band", "card_type", "site", "photo"]
    no_photo = world.with_policy(replace(world.policy, photo=None))
    assert list(fields(no_photo)) == ["person_token", "name_token", "rank_band", "card_type", "site"]


def test_the_schema_says_what_every_cell_may_hold(world: World) -> None:
    constraints = {name: field["constraints"] for name, field in fields(world).items()}
    assert constraints["person_token"] == {"pattern": "^WC[0-9]+-[0-9A-HJKMNP-TV-Z]{17}$", "unique": True, "required": True}
    assert constraints["name_token"] == {"pattern": "^WC[0-9]+-[0-9A-HJKMNP-TV-Z]{17}$", "unique": True}
    assert constraints["rank_band"] == {"enum": ["Constable", "Sergeant"], "required": True}
    assert constraints["card_type"] == {"enum": ["Warrant card", "Staff pass"], "required": True}
    assert constraints["photo"] == {"pattern": r"^WC[0-9]+-[0-9A-HJKMNP-TV-Z]{17}\.jpg$", "unique": True}


def test_a_pattern_with_alternatives_is_anchored_as_a_whole(world: World) -> None:
    pattern = re.compile(fields(world)["site"]["constraints"]["pattern"])
    assert pattern.search("ABC")
    assert pattern.search("HQ")
    assert not pattern.search("ABCD")
    assert not pattern.search("XXHQ")


def test_every_field_is_text_and_blank_means_missing(world: World) -> None:
    assert {field["type"] for field in fields(world).values()} == {"string"}
    assert table_schema(world.policy, world.contract)["missingValues"] == [""]


def test_the_schema_file_is_the_schema(world: World) -> None:
    assert json.loads(schema_bytes(world.policy, world.contract)) == table_schema(world.policy, world.contract)


def test_the_token_pattern_takes_tokens_of_every_epoch_and_no_other_text(world: World) -> None:
    pattern = re.compile(token_pattern(world.policy.tokens[0], world.policy, world.contract))
    assert pattern.search("WC1-7K3M9X2PQRTV8HJED")
    assert pattern.search("WC12-7K3M9X2PQRTV8HJED")
    for other in (
        "WC1-7K3M9X2PQRTV8HJE",
        "XX1-7K3M9X2PQRTV8HJED",
        "WC1-7K3M9X2PQRTV8HJEI",
        "WC-7K3M9X2PQRTV8HJED",
        " WC1-7K3M9X2PQRTV8HJED",
    ):
        assert not pattern.search(other)


def test_the_readme_tells_the_terms_the_columns_and_the_law(world: World) -> None:
    text = readme_text(world.policy, world.contract, DAY)
    for needed in (
        "print warrant cards",
        "DPA-2026-014",
        "public task",
        "2026-12-23",
        "section 171",
        "PERSONAL DATA",
        "manifest.json",
        "Ed25519",
        "rank_band",
        "one of Warrant card, Staff pass",
        "image folder",
    ):
        assert needed in " ".join(text.split())


def test_the_readme_of_a_view_without_photos_speaks_of_none(world: World) -> None:
    text = readme_text(replace(world.policy, photo=None, delivery_format="parquet"), world.contract, DAY)
    assert "people.parquet" in text
    assert "people.csv" not in text
    assert not re.search("photo|jpg|image", text.replace("joins photo and card", ""))


def test_the_readme_promises_a_photo_of_everybody_in_a_view_with_photos(world: World) -> None:
    said = " ".join(readme_text(world.policy, world.contract, DAY).split())
    assert "25 x 32 mm at 300 dots an inch; every person here has one" in said


def test_the_readme_of_a_view_with_archives_names_them_and_no_folder(world: World) -> None:
    zipped = replace(world.policy, photo_delivery="zip")
    said = " ".join(readme_text(zipped, world.contract, DAY).split())
    assert "photos-NNN.zip one JPEG a person" in said
    assert "photos-000.zip and on" in said
    assert "photos/" not in said
    assert "photos-NNN.zip" in fields(world.with_policy(zipped))["photo"]["description"]


def test_the_readme_has_no_placeholder_left_and_no_long_line(world: World) -> None:
    text = readme_text(world.policy, world.contract, DAY)
    assert "$" not in text
    assert max(map(len, text.splitlines())) <= 90
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_both_files_depend_on_policy_contract_and_date_alone(world: World) -> None:
    moved = replace(world.policy, source="/elsewhere")
    assert readme_text(moved, world.contract, DAY) == readme_text(world.policy, world.contract, DAY)
    assert schema_bytes(moved, world.contract) == schema_bytes(world.policy, world.contract)


def test_no_generated_text_calls_the_data_anonymous(world: World) -> None:
    for text in (readme_text(world.policy, world.contract, DAY), schema_bytes(world.policy, world.contract).decode()):
        assert "anonym" not in text.lower()
    claim = replace(world.policy, columns=(*world.policy.columns, KeepColumn("site", "anonymised place")))
    with pytest.raises(PolicyError):
        readme_text(claim, world.contract, DAY)
    with pytest.raises(PolicyError):
        table_schema(claim, world.contract)
