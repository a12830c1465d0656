"""AES-256-CMAC of whole columns, against official vectors and against the library's one-value CMAC."""

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import ExportError
from transforms.tokens import mac
from transforms.tokens.cells import cells_of
from transforms.tokens.mac import cmac, cmac_fields

SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"
NIST = Path(__file__).resolve().parents[1] / "vectors" / "sp800-38b-aes256.txt"
KEY = bytes(range(100, 132))

# Every type that a column of messages may have, made from a binary one.
SHAPES = {
    "binary": lambda column: column,
    "large_binary": lambda column: column.cast(pa.large_binary()),
    "large_string": lambda column: pa.Array.from_buffers(pa.large_string(), len(column), column.cast(pa.large_binary()).buffers()),
    "dictionary": lambda column: column.dictionary_encode(),
    "slice": lambda column: pa.concat_arrays([pa.array([b"before"], pa.binary()), column, pa.array([b"x"], pa.binary())]).slice(
        1, len(column)
    ),
    "chunked": lambda column: pa.chunked_array([column[:1], column[1:1], column[1:]], pa.binary()),
    "chunked dictionary": lambda column: pa.chunked_array([column[:1].dictionary_encode(), column[1:].dictionary_encode()]),
}


def one(key: bytes, message: bytes) -> bytes:
    whole = CMAC(algorithms.AES(key))
    whole.update(message)
    return whole.finalize()


def framed(*fields: bytes | None) -> bytes:
    message = b""
    for field in fields:
        part = len(field or b"").to_bytes(2, "big") + (field or b"")
        message += part + bytes(-len(part) % 16)
    return message


def rows(macs: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in macs]


def nist_cases(path: Path) -> dict[bytes, list[tuple[bytes, bytes]]]:
    cases: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for block in path.read_text().split("COUNT =")[1:]:
        fields = dict(line.split(" =", 1) for line in block.splitlines()[1:] if " =" in line)
        key, message, output = (bytes.fromhex(fields[name].strip()) for name in ("KEY", "MESSAGE", "OUTPUT"))
        cases.setdefault(key, []).append((message, output))
    return cases


def check_column(key: bytes, cases: list[tuple[bytes, bytes]], shape: str) -> None:
    column = SHAPES[shape](pa.array([message for message, _ in cases], pa.binary()))
    assert [found[: len(tag)] for found, (_, tag) in zip(rows(cmac(key, column)), cases, strict=True)] == [tag for _, tag in cases]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_examples_of_sp_800_38b_come_out_of_a_column(shape: str) -> None:
    cases = nist_cases(NIST)
    assert sum(map(len, cases.values())) == 4
    for key, of_key in cases.items():
        check_column(key, of_key, shape)


@pytest.mark.suites
def test_the_library_s_copy_of_sp_800_38b_comes_out_of_a_column() -> None:
    path = SUITES / "crypto-rfc-pyca" / "CMAC" / "nist-800-38b-aes256.txt"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    for key, of_key in nist_cases(path).items():
        for shape in SHAPES:
            check_column(key, of_key, shape)


@pytest.mark.suites
def test_wycheproof_s_aes_256_cases_come_out_of_columns_and_its_forgeries_do_not() -> None:
    path = SUITES / "crypto-wycheproof" / "aes_cmac_test.json.gz"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    valid = invalid = refused = 0
    for group in json.loads(gzip.decompress(path.read_bytes()))["testGroups"]:
        by_key: dict[bytes, list[tuple[bytes, bytes, str]]] = {}
        for case in group["tests"]:
            key, message, tag = (bytes.fromhex(case[name]) for name in ("key", "msg", "tag"))
            by_key.setdefault(key, []).append((message, tag, case["result"]))
        for key, cases in by_key.items():
            column = pa.array([message for message, _, _ in cases], pa.binary())
            if len(key) != 32:
                with pytest.raises(ValueError, match="32 bytes"):
                    cmac(key, column)
                refused += len(cases)
                continue
            for shape in SHAPES.values():
                for found, (_, tag, result) in zip(rows(cmac(key, shape(column))), cases, strict=True):
                    assert (found[: len(tag)] == tag) == (result == "valid")
            for message, tag, result in cases:
                assert (rows(cmac(key, pa.array([message], pa.binary())))[0][: len(tag)] == tag) == (result == "valid")
                valid, invalid = valid + (result == "valid"), invalid + (result == "invalid")
    assert valid > 20
    assert invalid > 60
    assert refused > 0


@pytest.mark.suites
def test_acvp_s_aes_256_cases_come_out_of_columns_of_mixed_lengths() -> None:
    path = SUITES / "crypto-nist-acvp" / "CMAC-AES-1.0" / "internalProjection.json.gz"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    checked = 0
    for group in json.loads(gzip.decompress(path.read_bytes()))["testGroups"]:
        if group["keyLen"] != 256:
            continue
        for case in group["tests"]:
            key, message, tag = (bytes.fromhex(case[name]) for name in ("key", "message", "mac"))
            column = pa.array([b"", message, None, b"a" * 40, message, message[:-1]], pa.binary())
            shape = list(SHAPES.values())[checked % len(SHAPES)]
            fits = case.get("testPassed", True)
            for of_shape in (column, shape(column)):
                found = [row[: len(tag)] for row in rows(cmac(key, of_shape))]
                assert (found[1] == tag) == (found[4] == tag) == fits
                assert not any(found[2])
            checked += 1
    assert checked > 40


@settings(deadline=None)
@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.none() | st.binary(max_size=70), min_size=1, max_size=20),
    st.sampled_from(sorted(SHAPES)),
)
def test_any_column_agrees_with_the_library_row_by_row(key: bytes, messages: list[bytes | None], shape: str) -> None:
    column = SHAPES[shape](pa.array(messages, pa.binary()))
    expected = [bytes(16) if message is None else one(key, message) for message in messages]
    assert rows(cmac(key, column)) == expected


@given(st.lists(st.none() | st.text(max_size=20)), st.booleans(), st.integers(0, 4))
def test_text_columns_are_their_utf_8_bytes(texts: list[str | None], large: bool, skip: int) -> None:
    column = pa.array(texts, pa.large_string() if large else pa.string()).slice(skip)
    expected = [bytes(16) if text is None else one(KEY, text.encode()) for text in texts[skip:]]
    assert rows(cmac(KEY, column)) == expected


def test_every_length_around_every_block_boundary_agrees_in_one_column_longer_than_a_chunk() -> None:
    generator = np.random.default_rng(3)
    lengths = generator.integers(0, 66, mac.CHUNK_ROWS + 4_000)
    data = generator.bytes(int(lengths.sum()))
    ends = np.cumsum(lengths)
    messages = [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    macs = cmac(KEY, pa.array(messages, pa.binary()))
    picked = {*range(200), *range(mac.CHUNK_ROWS - 100, mac.CHUNK_ROWS + 100), *range(len(messages) - 200, len(messages))}
    assert all(macs[row].tobytes() == one(KEY, messages[row]) for row in picked)
    assert set(lengths[sorted(picked)].tolist()) == set(range(66))


def test_a_very_long_message_among_short_ones_agrees() -> None:
    messages = [b"short", b"long" * 20_000, b"", b"x" * 16]
    assert rows(cmac(KEY, pa.array(messages, pa.binary()))) == [one(KEY, message) for message in messages]


def test_a_slice_far_into_a_column_past_four_gibibytes_reads_the_right_bytes() -> None:
    # Offsets beyond 2^32 over a buffer of untouched zero pages: the column is 5 GiB long and costs no memory.
    length = 5 << 30
    data = np.zeros(length, np.uint8)
    data[-6:] = np.frombuffer(b"secret", np.uint8)
    offsets = np.array([0, length - 40, length - 6, length], np.int64)
    column = pa.Array.from_buffers(pa.large_binary(), 3, [None, pa.py_buffer(offsets), pa.py_buffer(data)]).slice(1)
    assert rows(cmac(KEY, column)) == [one(KEY, bytes(34)), one(KEY, b"secret")]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([], pa.string()),
        pa.array([], pa.large_binary()),
        pa.chunked_array([], pa.string()),
        pa.array(["x"]).slice(1),
        pa.array([], pa.string()).dictionary_encode(),
    ],
)
def test_an_empty_column_gives_no_rows(column: pa.Array) -> None:
    assert cmac(KEY, column).shape == (0, 16)


def test_a_column_of_numbers_is_refused() -> None:
    with pytest.raises(TypeError):
        cmac(KEY, pa.array([1]))


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        cmac(bytes(size), pa.array(["x"]))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_key_may_be_any_bytes_like_object(kind: type) -> None:
    assert rows(cmac(kind(KEY), pa.array(["x"]))) == [one(KEY, b"x")]


def test_an_open_cipher_refuses_to_be_pickled() -> None:
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(mac.Cmac(KEY))


def test_the_cells_of_a_column_do_not_show_themselves() -> None:
    assert "Smith" not in repr(cells_of(pa.array(["Smith"])))


FIELD = st.none() | st.binary(min_size=1, max_size=40)


@settings(deadline=None)
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[FIELD] * width), min_size=1, max_size=12)), st.integers(0, 2))
def test_framed_fields_are_plain_cmac_of_their_framing(people: list[tuple[bytes | None, ...]], skip: int) -> None:
    fields = [pa.array(column, pa.binary()).slice(skip) for column in zip(*people, strict=True)]
    assert rows(cmac_fields(KEY, fields)) == [one(KEY, framed(*person)) for person in people[skip:]]


def test_the_same_array_may_be_two_fields() -> None:
    column = pa.array([b"a", b"b" * 30], pa.binary())
    cells = cells_of(column)
    expected = [one(KEY, framed(value, value)) for value in (b"a", b"b" * 30)]
    assert rows(cmac_fields(KEY, [column, column])) == rows(cmac_fields(KEY, [cells, cells])) == expected


@pytest.mark.parametrize("size", [13, 14, 15, 16, 29, 30, 31, 65_535])
def test_a_field_of_any_length_up_to_the_last_is_framed_right(size: int) -> None:
    value = bytes([7]) * size
    assert rows(cmac_fields(KEY, [pa.array([value, b"x"]), pa.array([b"y", value])])) == [
        one(KEY, framed(value, b"y")),
        one(KEY, framed(b"x", value)),
    ]


def test_framed_fields_agree_across_the_border_of_two_chunks() -> None:
    numbers = [f"{row:08d}".encode() for row in range(mac.CHUNK_ROWS + 50)]
    names = [b"n" * (row % 37) for row in range(len(numbers))]
    macs = cmac_fields(KEY, [pa.array(numbers), pa.array(names)])
    for row in range(mac.CHUNK_ROWS - 50, len(numbers)):
        assert macs[row].tobytes() == one(KEY, framed(numbers[row], names[row]))


def test_a_field_too_long_for_its_length_is_refused_without_its_value() -> None:
    with pytest.raises(ExportError) as caught:
        cmac_fields(KEY, [pa.array(["secret" * 11_000])])
    assert caught.value.code == "token-value-too-long"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fields", [[], [pa.array(["a"]), pa.array(["a", "b"])]])
def test_fields_that_do_not_line_up_are_refused(fields: list[pa.Array]) -> None:
    with pytest.raises(ValueError, match="field"):
        cmac_fields(KEY, fields)


@given(st.integers(1, 3).flatmap(lambda width: st.tuples(*[st.tuples(*[st.binary(max_size=20)] * width)] * 2)))
def test_two_rows_have_one_message_only_if_their_fields_are_equal(
    pair: tuple[tuple[bytes, ...], tuple[bytes, ...]],
) -> None:
    first, second = pair
    macs = cmac_fields(KEY, [pa.array(column, pa.binary()) for column in zip(first, second, strict=True)])
    assert (macs[0].tobytes() == macs[1].tobytes()) == (first == second)


def test_moving_a_letter_from_one_field_to_the_next_changes_the_mac() -> None:
    macs = cmac_fields(KEY, [pa.array(["ab", "a", "abc", None]), pa.array(["c", "bc", None, "abc"])])
    assert len(set(rows(macs))) == 4
