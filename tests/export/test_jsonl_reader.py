"""JSON Lines exports: what is read is what the lines say by the letter of RFC 8259."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import place_of
from transforms.errors import ExportError
from transforms.export.json_lines import BrokenLine, cells, members
from transforms.export.jsonl import check_jsonl_header, read_jsonl

SENTINEL = "Zzyzx-Quux"
SUITE = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites" / "tab-jsonl" / "test_parsing"
AB = Contract("export", "1", tuple(Column(name, Classification.OPERATIONAL) for name in "ab"), "a", None)
FIRST = b'{"a": "first", "b": null}\n'


def read(data: bytes, chunk_bytes: int = 1 << 20) -> tuple[dict[int, tuple[str | None, str | None]], dict[int, str]]:
    """Rows by number, and rules by the number of the line that broke them."""
    rows: dict[int, tuple[str | None, str | None]] = {}
    broken: dict[int, str] = {}
    for block in read_jsonl(io.BytesIO(data), AB, 3, "hr.jsonl", chunk_bytes=chunk_bytes):
        assert block.rows.schema.names == ["a", "b", "row_ref"]
        refs = block.rows.column("row_ref").to_pylist()
        assert refs == sorted(refs)
        for row in block.rows.to_pylist():
            number = place_of(row["row_ref"])[1]
            assert number not in rows
            rows[number] = row["a"], row["b"]
        broken |= {place_of(place["row_ref"])[1]: place["rule"] for place in block.broken.to_pylist()}
    assert sorted([*rows, *broken]) == list(range(1, len(rows) + len(broken) + 1))
    return rows, broken


def refusal(data: bytes) -> ExportError:
    with pytest.raises(ExportError) as caught:
        check_jsonl_header(io.BytesIO(data), AB, "hr.jsonl")
    assert SENTINEL not in f"{caught.value!r}{caught.value.hint}"
    assert caught.value.__cause__ is None
    return caught.value


def test_keys_in_any_order_and_white_space_and_either_line_end_are_read() -> None:
    rows, broken = read(b'{"b":"2","a":"1"}\r\n { "a" : "001" , "b" : null }\t\n{"a":"","b":"x"}')
    assert rows == {1: ("1", "2"), 2: ("001", None), 3: (None, "x")}
    assert broken == {}


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b'{"a":"x"}', "json-keys"),
        (b"{}", "json-keys"),
        (b'{"a":"\\"\\""}', "json-keys"),  # as many quotes as a whole line has
        (b'{"a":"x","b":"y","c":"z"}', "json-keys"),
        (b'{"a":"x","c":"y"}', "json-keys"),
        (b'{"a":"x","a":"y"}', "json-keys"),
        (b'{"a":"x","a":null}', "json-keys"),
        (b'{"a":"x","b":"y","b":"y"}', "json-keys"),
        (b'{"a":1,"b":"y"}', "json-type"),
        (b'{"a":true,"b":"y"}', "json-type"),
        (b'{"a":["x"],"b":"y"}', "json-type"),
        (b'{"a":{"x":"y"},"b":"y"}', "json-type"),
        (b'{"a":{},"b":"y"}', "json-type"),
        (b'{"a":1e999,"b":"y"}', "json-type"),
        (b"9" * 5000, "json-type"),
        (b'["x","y"]', "json-type"),
        (b"null", "json-type"),
        (b'{"a":NaN,"b":"y"}', "json-syntax"),
        (b'{"a":-Infinity,"b":"y"}', "json-syntax"),
        (b'{"a":"x","b":"y",}', "json-syntax"),
        (b'{"a":"x","b":"y"} {"a":"x","b":"y"}', "json-syntax"),
        (b'{"a":"x","b":"y"}{"a":"x","b":"y"}', "json-syntax"),
        (b'{"a":"x","b":"y"', "json-syntax"),
        (b"{'a':'x','b':'y'}", "json-syntax"),
        (b'{"a":"x\ty","b":"y"}', "json-syntax"),
        (b'{"a":"x\x00y","b":"y"}', "json-syntax"),
        (b'{"a":"x","b":"y"}\x00', "json-syntax"),
        (b'{"a":"x","b":"y"} // z', "json-syntax"),
        (b"", "json-syntax"),
        (b"[" * 100_000, "json-syntax"),
        (b'\xef\xbb\xbf{"a":"x","b":"y"}', "json-syntax"),
        (b'{"a":"\xff","b":"y"}', "encoding"),
        (b'{"a":"\xed\xa0\x80","b":"y"}', "encoding"),
        (b'{"a":"\\ud800","b":"y"}', "encoding"),
    ],
)
def test_a_line_that_is_not_one_object_of_texts_is_quarantined_alone(line: bytes, rule: str) -> None:
    rows, broken = read(FIRST + line + b"\n" + FIRST * 200)
    assert broken == {2: rule}
    assert len(rows) == 201


def test_escapes_are_read_and_an_escaped_nul_reaches_the_row_check() -> None:
    rows, _ = read(b'{"a":"\\u00e9\\ud83d\\ude00","b":"\\"\\\\\\n"}\n{"\\u0061":"x\\u0000y","b":"{}"}\n')
    assert rows == {1: ("é\U0001f600", '"\\\n'), 2: ("x\x00y", "{}")}


def test_a_byte_order_mark_at_the_start_is_skipped() -> None:
    assert read("\ufeff".encode() + FIRST) == ({1: ("first", None)}, {})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty-file"),
        (f'{{"a":"{SENTINEL}","{SENTINEL}":"x"}}\n'.encode(), "unknown-column"),
        (f'{{"a":"{SENTINEL}"}}\n'.encode(), "missing-column"),
        (f'{{"a":"{SENTINEL}","b":null,"a":"x"}}\n'.encode(), "repeated-column"),
        (f'["{SENTINEL}"]\n'.encode() * 3, "json-syntax"),
        (f'[{{"a":"{SENTINEL}","b":""}}]'.encode(), "json-syntax"),
        (f'{{"a":"{SENTINEL}","b":""}}\n'.encode("utf-16"), "encoding"),
    ],
)
def test_a_file_whose_first_object_is_not_the_contracts_is_refused(data: bytes, code: str) -> None:
    assert refusal(data).code == code
    with pytest.raises(ExportError):
        read(data)


def test_a_line_over_32_mebibytes_stops_the_run() -> None:
    with pytest.raises(ExportError) as caught:
        read(FIRST + b'{"a":"' + b"x" * (32 << 20) + b'","b":null}\n')
    assert (caught.value.code, caught.value.place) == ("row-too-long", "hr.jsonl: row 2")


def strictly(line: bytes) -> tuple[str | None, ...] | str:
    try:
        return tuple(cells(line, ("a", "b")))
    except BrokenLine as error:
        return error.rule


texts = st.text(st.characters(codec="utf-8"), max_size=6) | st.text('"{}:,\\ab', max_size=4) | st.none()
JUDGED = {"y_": {"", "json-type"}, "n_": {"json-syntax", "encoding"}, "i_": {"", "json-type", "json-syntax", "encoding"}}
tokens = st.sampled_from(
    ['{"a":', '"b":', "null", '"x"', ",", "{", "}", '"', "\\", " ", "\t", "é", "\r", "1", '{"a":"x","b":"y"}', ':"']
)
lines = (
    st.builds(lambda a, b, ascii_only: json.dumps({"a": a, "b": b}, ensure_ascii=ascii_only), texts, texts, st.booleans())
    | st.lists(tokens, max_size=8).map("".join)
    | st.sampled_from(['{"a":"x"}', '{"a":null,"a":"x"}', '{"b":"y","a":"x"}', '{"a":"x","a":null}', '{"a":1,"b":"y"}', "{}"])
)


@given(st.lists(lines, max_size=90), st.integers(1, 400))
def test_many_lines_at_once_are_read_as_one_by_one(given_lines: list[str], chunk_bytes: int) -> None:
    given_lines = [FIRST.decode().strip(), *given_lines, FIRST.decode().strip()]
    rows, broken = read("\n".join(given_lines).encode(), chunk_bytes)
    assert {**rows, **broken} == {number: strictly(line.encode()) for number, line in enumerate(given_lines, 1)}


@pytest.mark.suites
@pytest.mark.skipif(not SUITE.exists(), reason="the public corpora are not beside the checkout")
def test_json_test_suite_is_judged_as_its_file_names_say() -> None:
    files = sorted(SUITE.glob("*.json"))
    assert len(files) > 300
    for file in files:
        document = file.read_bytes()
        rule = ""
        try:
            members(document)
        except BrokenLine as error:
            rule = error.rule
        assert rule in JUDGED[file.name[:2]], file.name


@pytest.mark.suites
@pytest.mark.skipif(not SUITE.exists(), reason="the public corpora are not beside the checkout")
@pytest.mark.parametrize("wrapped", [b"%s", b'{"a": %s, "b": null}', b'{"b": "x", "a": %s}'])
def test_json_test_suite_is_judged_alike_among_other_lines(wrapped: bytes) -> None:
    documents = [file.read_bytes() for file in sorted(SUITE.glob("*.json"))]
    given_lines = [wrapped.replace(b"%s", document) for document in documents if b"\n" not in document]
    assert len(given_lines) > 200
    rows, broken = read(FIRST + b"\n".join(given_lines))
    rows.pop(1)
    assert {**rows, **broken} == {number: strictly(line) for number, line in enumerate(given_lines, 2)}
