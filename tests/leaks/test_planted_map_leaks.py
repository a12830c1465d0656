"""A continuity map at the gate: the real one passes, and whatever else could leave under its name is found."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from transforms.columns.select import select
from transforms.policy.model import Continuity, Policy
from transforms.tokens.continuity import CSV_HEADER, MapHeader, commit, content_key, map_lines, padded_size, seal_map
from transforms.tokens.derive import tokenise

Nights = Callable[..., Any]
EPOCH_KEY = bytes(range(32))
NAME = "continuity-1-2.hpke"
RELEASE = "2026-11-23-0123ab"
RECIPIENT = X25519PrivateKey.generate().public_key()
DER = RECIPIENT.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
TERMS = Continuity("clause 7", base64.b64encode(DER).decode(), hashlib.sha256(DER).hexdigest(), date(2027, 1, 1))


@dataclass
class Staged:
    """A view of epoch 2 and the parts of the map that belongs to it, which a test changes before it is sealed."""

    night: Any
    header: MapHeader
    lines: list[bytes]

    def seal(self, *, pad: int = 0, key: bytes | None = None) -> bytes:
        content = [CSV_HEADER.encode(), *self.lines]
        size = padded_size(self.header, self.night.policy.token_prefix) + pad
        content.append(b"\n" * (size - sum(map(len, content))))
        header = commit(EPOCH_KEY, self.header, content)
        return b"".join(seal_map(header, content, key or content_key(EPOCH_KEY, header.encoded()), RECIPIENT))

    def write(self, file: bytes | None = None, **how: Any) -> Any:
        self.night.write(NAME, self.seal(**how) if file is None else file)
        return self.night


def tokens(night: Any, epoch: int, key: bytes) -> pa.Array[Any]:
    batch = night.export.combine_chunks().to_batches()[0]
    rows = batch.filter(pa.array(select(batch, night.contract, night.policy).candidates))
    person = rows.column("pay_number")
    return tokenise(key, f"{night.policy.token_prefix}{epoch}-", person, [person]).text


@pytest.fixture
def staged(night: Nights, policies: dict[str, Policy]) -> Staged:
    policy = replace(policies["uniform"], continuity=TERMS)
    view = night(policy, key=40, epoch=2)
    report = json.loads((view.area / "stage.json").read_text())
    (view.area / "stage.json").write_text(json.dumps({**report, "release_id": RELEASE, "continuity_from": 1}))
    view.map_key = lambda header: content_key(EPOCH_KEY, header)
    new, old = tokens(view, 2, bytes([40] * 32)), tokens(view, 1, bytes([90] * 32))
    header = MapHeader("uniform", RELEASE, 1, 2, ("person_token",), len(new), TERMS.fingerprint)
    return Staged(view, header, map_lines("person_token", old, new).splitlines(keepends=True))


def assert_found(night: Any, rule: str, value: str = "\0") -> None:
    refused = night.refusal()
    assert f"{rule}: " in refused.rule
    assert value not in str(refused) + repr(refused)


def test_a_map_of_the_people_in_the_view_passes(staged: Staged) -> None:
    checked = staged.write().judge()
    assert NAME in {path for path, _, _ in checked.files}
    assert {"continuity-seal", "continuity-tokens"} <= {check.rule for check in checked.checks}


def test_a_map_that_is_missing_is_found(staged: Staged) -> None:
    assert_found(staged.night, "missing-file")


@pytest.mark.parametrize("name", ["continuity-1-3.hpke", "continuity-2-1.hpke", "continuity-1-2.hpke.bak", "people.hpke"])
def test_another_sealed_file_beside_it_is_found(staged: Staged, name: str) -> None:
    staged.write().write(name, staged.seal())
    assert_found(staged.night, "unexpected-file")


def test_a_map_that_no_policy_contracts_is_found(staged: Staged, policies: dict[str, Policy]) -> None:
    staged.night.policy = policies["uniform"]
    assert_found(staged.write(), "unexpected-file")


def test_a_map_that_stage_says_nothing_of_is_found(staged: Staged) -> None:
    path = staged.night.area / "stage.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "continuity_from": None}))
    assert_found(staged.write(), "unexpected-file")


def test_the_export_under_the_name_of_a_map_is_found(staged: Staged) -> None:
    surnames = staged.night.export.column("surname").to_pylist()
    file = b"".join(f"{name}\n".encode() for name in surnames)
    assert_found(staged.write(file), "continuity-header", "Okonkwo")
    assert "raw-value" in staged.night.refusal().rule


def test_values_behind_a_sound_header_and_a_sealed_key_are_found(staged: Staged) -> None:
    whole = staged.seal()
    start = whole.index(b"\n") + 81
    planted = (b"Featherstonehaugh " * 10_000)[: len(whole) - start]
    assert_found(staged.write(whole[:start] + planted), "continuity-seal", "Featherstonehaugh")
    assert "raw-value" in staged.night.refusal().rule


@pytest.mark.parametrize("value", ["Featherstonehaugh", "00120034", "NPPV 2F"])
def test_a_value_sealed_in_place_of_an_old_token_is_found(staged: Staged, value: str) -> None:
    column, old, new = staged.lines[5].split(b",")
    staged.lines[5] = b",".join((column, value.ljust(len(old)).encode(), new))
    assert_found(staged.write(), "token-shape", value)


def test_a_person_who_is_not_in_the_view_is_found_in_the_map(staged: Staged) -> None:
    staged.lines[3] = staged.lines[3].replace(staged.lines[3].split(b",")[2], staged.lines[4].split(b",")[2])
    assert_found(staged.write(), "continuity-tokens")


def test_a_person_of_the_view_who_is_left_out_of_the_map_is_found(staged: Staged) -> None:
    del staged.lines[3]
    assert_found(staged.write(), "continuity-tokens")


def test_lines_in_another_order_than_that_of_new_tokens_are_found(staged: Staged) -> None:
    staged.lines.reverse()
    assert_found(staged.write(), "row-order")


def test_one_old_token_for_two_people_is_found(staged: Staged) -> None:
    first, second = (line.split(b",") for line in staged.lines[:2])
    staged.lines[1] = b",".join((second[0], first[1], second[2]))
    assert_found(staged.write(), "token-repeated")


def test_new_tokens_in_place_of_old_ones_are_found(staged: Staged) -> None:
    new = [line.rstrip(b"\n").split(b",")[2] for line in staged.lines]
    staged.lines = [b"person_token," + token.replace(b"UN2-", b"UN1-") + b"," + token + b"\n" for token in new]
    assert_found(staged.write(), "continuity-tokens")


@pytest.mark.parametrize("line", [b"surname,Featherstonehaugh,x\n", b"Featherstonehaugh\n", b"a,b,c,Featherstonehaugh\n", b"\n"])
def test_a_line_of_its_own_is_found(staged: Staged, line: bytes) -> None:
    staged.lines.insert(7, line)
    assert_found(staged.write(pad=len(line)), "continuity-content", "Featherstonehaugh")


@pytest.mark.parametrize("pad", [1, 64])
def test_a_longer_file_than_its_rows_make_is_found(staged: Staged, pad: int) -> None:
    assert_found(staged.write(pad=pad), "continuity-size")


def test_bytes_behind_the_last_chunk_are_found(staged: Staged) -> None:
    assert_found(staged.write(staged.seal() + b"Featherstonehaugh"), "continuity-seal", "Featherstonehaugh")


def test_a_cut_file_is_found(staged: Staged) -> None:
    assert_found(staged.write(staged.seal()[:-1]), "continuity-seal")


@pytest.mark.parametrize(
    "change",
    [{"rows": 12_345}, {"supplier": "other"}, {"release": "2026-11-23-ffffff"}, {"recipient": "0" * 64}, {"columns": ("x",)}],
)
def test_a_header_that_says_anything_else_is_found(staged: Staged, change: dict[str, Any]) -> None:
    staged.header = replace(staged.header, **change)
    line, _, rest = staged.seal(pad=4096 * 1024).partition(b"\n")
    assert_found(staged.write(line + b"\n" + rest), "continuity-header")


def test_content_under_a_key_that_is_not_the_forces_is_found(staged: Staged) -> None:
    assert_found(staged.write(key=bytes(32)), "continuity-seal")


def test_the_key_of_the_content_in_the_open_is_found(staged: Staged) -> None:
    whole = staged.seal()
    start = whole.index(b"\n") + 1
    key = content_key(EPOCH_KEY, whole[:start])
    opened = whole[: start + 40] + key + whole[start + 72 :]
    assert_found(staged.write(opened), "continuity-seal")


def test_what_the_gate_cannot_read_is_refused(staged: Staged) -> None:
    staged.night.map_key = None
    assert_found(staged.write(), "continuity-seal")


def test_the_order_of_lines_tells_nothing_of_old_tokens(staged: Staged) -> None:
    old = [line.split(b",")[1] for line in staged.lines]
    new = [line.split(b",")[2] for line in staged.lines]
    assert new == sorted(new)
    assert old != sorted(old)
    assert pc.count_distinct(pa.array(old)).as_py() == len(old)
