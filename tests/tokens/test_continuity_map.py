"""The file that takes old tokens to new ones: what a second reader, written from the specification, makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from transforms.errors import InternalError, KeyUnavailable, Refused
from transforms.tokens.continuity import (
    CHUNK,
    CSV_HEADER,
    MapHeader,
    commit,
    content_key,
    load_recipient,
    map_lines,
    open_map,
    padded_size,
    same_map,
    seal_map,
    self_test_continuity,
)

SPEC = Path(__file__).parents[2] / "docs" / "spec" / "continuity.md"
KEY = bytes(range(32))
PRIVATE = X25519PrivateKey.generate()
HEADER = MapHeader("uniform", "2026-11-23-0123ab", 1, 2, ("person_token",), 3, "ab" * 32)


def content(size: int = 0) -> list[bytes]:
    text = b"person_token,UN1-A,UN2-B\n"
    return [CSV_HEADER.encode(), text * max(1, size // len(text)), b"\n" * 40]


def sealed(parts: list[bytes]) -> bytes:
    header = commit(KEY, HEADER, parts)
    return b"".join(seal_map(header, parts, content_key(KEY, header.encoded()), PRIVATE.public_key()))


@pytest.mark.parametrize("size", [0, CHUNK - 100, CHUNK, 2 * CHUNK + 77])
def test_the_program_in_the_specification_opens_what_this_one_sealed(size: int, tmp_path: Path) -> None:
    program = re.search(r"```python\n(.*?)```", SPEC.read_text(encoding="utf-8"), re.DOTALL)
    assert program is not None
    (tmp_path / "map.hpke").write_bytes(sealed(content(size)))
    pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "supplier.key").write_bytes(pem)
    said = (
        program[1]
        .replace("continuity-1-2.hpke", str(tmp_path / "map.hpke"))
        .replace('"supplier.key"', f'"{tmp_path}/supplier.key"')
    )
    scope: dict[str, object] = {}
    exec(compile(said, SPEC, "exec"), scope)  # noqa: S102 - the specification's own example
    assert scope["content"] == b"".join(content(size))
    assert open_map((tmp_path / "map.hpke").read_bytes(), PRIVATE)[1] == b"".join(content(size)[:2])


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(KeyUnavailable) as caught:
        open_map(sealed(content()), X25519PrivateKey.generate())
    assert caught.value.code == "continuity-unopened"


def test_every_flipped_byte_of_the_file_is_found() -> None:
    whole = sealed(content())
    for place in range(len(whole)):
        with pytest.raises((KeyUnavailable, Refused)):
            open_map(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], PRIVATE)


@pytest.mark.parametrize(
    "cut", [lambda file: file[:-1], lambda file: file[: -CHUNK - 16], lambda file: file[:200], lambda file: b""]
)
def test_a_cut_file_is_found_even_where_a_chunk_ends(cut: Callable[[bytes], bytes]) -> None:
    whole = sealed([b"x" * (2 * CHUNK)])
    with pytest.raises((KeyUnavailable, Refused)):
        open_map(cut(whole), PRIVATE)


def test_chunks_in_another_order_are_found() -> None:
    whole = sealed([b"x" * CHUNK, b"y" * CHUNK, b"z"])
    start = whole.index(b"\n") + 81
    first, second, rest = whole[start:][: CHUNK + 16], whole[start:][CHUNK + 16 : 2 * CHUNK + 32], whole[start:][2 * CHUNK + 32 :]
    with pytest.raises(KeyUnavailable):
        open_map(whole[:start] + second + first + rest, PRIVATE)


def test_one_content_has_one_key_and_another_content_another() -> None:
    one, same, other = commit(KEY, HEADER, content()), commit(KEY, HEADER, content()), commit(KEY, HEADER, [b"other"])
    assert one == same
    assert content_key(KEY, one.encoded()) == content_key(KEY, same.encoded())
    assert content_key(KEY, one.encoded()) != content_key(KEY, other.encoded())
    assert one.commitment != commit(bytes(32), HEADER, content()).commitment


def test_a_file_is_known_as_the_same_map_by_its_header() -> None:
    file = sealed(content())
    assert same_map(file, commit(KEY, HEADER, content()))
    assert not same_map(file, commit(KEY, HEADER, [b"other"]))


def test_a_content_is_as_long_as_its_rows_make_it_with_tokens_of_any_epoch() -> None:
    header = MapHeader("uniform", "r", 9, 10, ("person_token", "b"), 2, "")
    old, new = (pa.array([f"UN{epoch}-{'0' * 16}{end}" for end in "AB"]) for epoch in (9, 10))
    text = CSV_HEADER.encode() + map_lines("person_token", old, new) + map_lines("b", old, new)
    assert len(text) == padded_size(header, "UN")


def test_lines_are_in_the_order_of_new_tokens_and_blank_rows_have_none() -> None:
    lines = map_lines("t", pa.array(["A", None, "C", "B"]), pa.array(["3", None, "1", "2"]))
    assert lines == b"t,C,1\nt,B,2\nt,A,3\n"
    assert map_lines("t", pa.array([None], pa.string()), pa.array([None], pa.string())) == b""


@pytest.mark.parametrize(("old", "new"), [(["A", "A"], ["1", "2"]), (["A", "B"], ["1", "1"])])
def test_two_people_with_one_token_stop_the_map(old: list[str], new: list[str]) -> None:
    with pytest.raises(InternalError) as caught:
        map_lines("t", pa.array(old), pa.array(new))
    assert caught.value.code == "token-collision"


def test_a_row_with_one_token_of_two_stops_the_map() -> None:
    with pytest.raises(InternalError) as caught:
        map_lines("t", pa.array(["A", None]), pa.array(["1", "2"]))
    assert caught.value.code == "continuity-differs"


@pytest.mark.parametrize("text", ["", "x", "MCowBQYDK2VwAyEA" + "A" * 43 + "=", "MCowBQYDK2VuAyEA" + "A" * 43 + "="])
def test_a_key_that_nothing_can_be_sealed_to_is_refused(text: str) -> None:
    # blank, no base 64, an Ed25519 key, and the point of small order to which every secret is shared
    with pytest.raises(KeyUnavailable) as caught:
        load_recipient(text)
    assert caught.value.code == "recipient-key-invalid"


def test_the_self_test_passes() -> None:
    self_test_continuity()


def test_a_file_names_its_format_first_of_all_a_reader_needs() -> None:
    header = json.loads(sealed(content()).partition(b"\n")[0])
    assert header["format"] == "supplier-views/continuity/1"
    assert MapHeader(**{name: tuple(value) if name == "columns" else value for name, value in header.items() if name != "format"})
