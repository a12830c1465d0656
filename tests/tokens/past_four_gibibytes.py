"""Columns with more than four gibibytes of real text, whose offsets and sizes no 32-bit number holds; run by `make test-large`.

Every row is compared with the library's one-value CMAC.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from transforms.tokens.mac import cmac, cmac_fields

KEY = bytes(range(100, 132))
SIZE = (4 << 30) + (200 << 20)
LONGEST = 60_000
PERIOD = 64_000_037  # bytes, prime: rows that far apart start elsewhere in the text


@pytest.fixture(scope="module")
def column() -> pa.Array:
    """Texts of 0 to 60,000 bytes, some empty, some null, behind and across the fourth gibibyte."""
    random = np.random.default_rng(4)
    letters = random.integers(0x20, 0x7F, PERIOD, dtype=np.uint8)
    data = np.empty(SIZE, np.uint8)
    for begin in range(0, SIZE, PERIOD):
        data[begin : begin + PERIOD] = letters[: SIZE - begin]
    lengths = random.integers(0, LONGEST + 1, 2 * SIZE // LONGEST)
    lengths[random.random(len(lengths)) < 0.02] = 0
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    offsets = offsets[offsets <= SIZE]
    assert offsets[-1] > 4 << 30
    valid = pa.array(random.random(len(offsets) - 1) > 0.01)
    rows = pa.Array.from_buffers(
        pa.large_binary(), len(valid), [valid.buffers()[1], pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)]
    )
    assert rows.null_count > 100
    return rows


@pytest.fixture(scope="module")
def expected(column: pa.Array) -> list[bytes]:
    return [bytes(16) if message is None else one(message) for message in values(column)]


def values(column: pa.Array) -> Iterator[memoryview | None]:
    for message in column:
        yield memoryview(message.as_buffer()) if message.is_valid else None


def one(*parts: bytes | memoryview) -> bytes:
    mac = CMAC(algorithms.AES(KEY))
    for part in parts:
        mac.update(bytes(part))
    return mac.finalize()


def rows(macs: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in macs]


def test_every_row_of_binary_agrees(column: pa.Array, expected: list[bytes]) -> None:
    assert rows(cmac(KEY, column)) == expected


def test_every_row_of_text_in_chunks_that_begin_and_end_anywhere_agrees(column: pa.Array, expected: list[bytes]) -> None:
    text = pa.Array.from_buffers(pa.large_string(), len(column), column.buffers())
    late = len(text) - 3_000  # begins past the fourth gibibyte
    assert text.slice(late).buffers()[1].address == text.buffers()[1].address
    chunks = pa.chunked_array([text.slice(0, 7), text.slice(7, 0), text.slice(7, late - 7), text.slice(late)])
    assert rows(cmac(KEY, chunks)) == expected


def test_every_row_of_two_framed_fields_agrees(column: pa.Array) -> None:
    numbers = pa.array([f"{row:08d}" for row in range(len(column))])
    found = cmac_fields(KEY, [numbers, column])
    for row, message in enumerate(values(column)):
        text = b"" if message is None else message
        number = b"\0\x08" + f"{row:08d}".encode() + bytes(6)
        padding = bytes(-(len(text) + 2) % 16)
        assert found[row].tobytes() == one(number, len(text).to_bytes(2, "big"), text, padding)
