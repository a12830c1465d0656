"""What a line of JSON Lines says, by the letter of RFC 8259; and which lines a lenient, fast parser may be trusted with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.export.encoding import undecodable_rows

Indexes = npt.NDArray[np.intp]
_NEWLINE, _RETURN, _QUOTE, _BACKSLASH, _OPEN, _CLOSE = b'\n\r"\\{}'


class BrokenLine(Exception):
    """A line that is not one object of texts and nulls with the contract's keys; `rule` says why."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def _refuse_constant(_: str) -> object:
    raise ValueError  # NaN and the infinities, which JSON does not have


def _number(_: str) -> object:
    return 0


# An object becomes a tuple of its members, repeated ones included; an array stays a list. A number is only known to be one.
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_constant=_refuse_constant, parse_int=_number, parse_float=_number)


def members(line: bytes) -> tuple[tuple[str, object], ...]:
    """The members of the object on a line, in order, repeated ones included.

    Raises:
        BrokenLine: `encoding` (not UTF-8), `json-syntax` (not JSON), `json-type` (not an object).
    """
    try:
        value = _DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise BrokenLine("encoding") from None
    except (ValueError, RecursionError):
        raise BrokenLine("json-syntax") from None
    if not isinstance(value, tuple):
        raise BrokenLine("json-type")
    return value


def cells(line: bytes, names: Sequence[str]) -> list[str | None]:
    """The values on a line in the order of `names`, with None for an empty text.

    Raises:
        BrokenLine: as `members`, and `json-keys` (a key is missing, unknown or repeated), `json-type` (a value is neither text nor
            null), `encoding` (half of a surrogate pair).
    """
    found = members(line)
    values = dict(found)
    if len(found) != len(names) or values.keys() != set(names):
        raise BrokenLine("json-keys")
    row: list[str | None] = []
    for name in names:
        value = values[name]
        if value is not None and not isinstance(value, str):
            raise BrokenLine("json-type")
        try:
            (value or "").encode("utf-8")
        except UnicodeEncodeError:
            raise BrokenLine("encoding") from None
        row.append(value or None)
    return row


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the lines of some bytes end: the index of each newline."""

    ends: Indexes


def lay_out_lines(data: bytes) -> Lines:
    """Finds the lines of `data`."""
    return Lines(np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _NEWLINE))


def is_plain(data: memoryview, lines: Lines) -> npt.NDArray[np.bool_]:
    """Lines of the form `{…}` in UTF-8 with no other brace, no escape and no control character: one flat object, or no JSON."""
    octets = np.frombuffer(data, dtype=np.uint8)
    ends = lines.ends
    starts = np.concatenate(([0], ends[:-1] + 1))
    returned = (octets[ends - 1] == _RETURN) & (ends > starts)
    last = ends - 1 - returned
    plain = (last > starts) & (octets[starts] == _OPEN) & (octets[last] == _CLOSE)
    plain &= (_count(octets == _OPEN, ends) == 1) & (_count(octets == _CLOSE, ends) == 1)
    plain &= _count(octets == _BACKSLASH, ends) == 0
    plain &= _count(octets < 0x20, ends) == 1 + returned
    plain[undecodable_rows(data, ends, "utf-8")] = False
    return np.asarray(plain, np.bool_)


def names_every_column(data: memoryview, lines: Lines, rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Plain lines whose object has a member for every column of `rows`, which a parser made of them.

    The parser gives null for a member that is not there. A flat object without repeated keys has two quotes for each key and two
    for each text, so a row of `k` columns and `n` nulls has `4 k - 2 n` of them, and two fewer for each null that is not written.
    """
    nulls = np.zeros(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        if column.null_count:
            nulls += column.is_null().to_numpy()
    quotes = _count(np.frombuffer(data, dtype=np.uint8) == _QUOTE, lines.ends)
    complete: npt.NDArray[np.bool_] = quotes == 4 * rows.num_columns - 2 * nulls
    return complete


def _count(marked: npt.NDArray[np.bool_], ends: Indexes) -> Indexes:
    """How many bytes of each line are marked."""
    return np.diff(np.searchsorted(np.flatnonzero(marked), ends, side="right"), prepend=0)
