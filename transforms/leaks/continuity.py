"""The map from old tokens to new ones, as the gate reads it: every byte that leaves but the sealed key [C12, R9].

The supplier's private key is not here, so the gate is given the key of the content. What it cannot read is the HPKE message with
that key, whose 80 bytes are held to their length and searched for the key itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transforms.contract.model import Contract
from transforms.leaks.cells import TokenCells
from transforms.leaks.chance import too_many
from transforms.leaks.claims import Claims
from transforms.leaks.findings import Check
from transforms.leaks.shapes import shape_of
from transforms.leaks.words import Words
from transforms.policy.model import Policy, TokenColumn

_FORMAT: Final = "supplier-views/continuity/1"
_CSV_HEADER: Final = b"column,old_token,new_token\n"
_CHUNK: Final = 1 << 20
_TAG: Final = 16
_WRAPPED: Final = 80
_LONGEST_HEADER: Final = 1 << 16
_COMMITMENT: Final = re.compile("[0-9a-f]{64}")
# A value that begins like a number or holds a quote is no token; as text it stays what it is, and fails as one.
_AS_TEXT: Final = pa_csv.ConvertOptions(
    column_types={name: pa.string() for name in ("column", "old", "new")}, strings_can_be_null=False
)


class MapHeaderLine(Check):
    """The open first line of a continuity map says anything but what policy and release say [P17]."""

    rule = "continuity-header"


class MapSize(Check):
    """A continuity map is not as long as the rows of its view make it, so its length or its end says something."""

    rule = "continuity-size"


class MapSeal(Check):
    """A continuity map is not encrypted as it must be: its content does not open, or its key lies open in it."""

    rule = "continuity-seal"


class MapContent(Check):
    """The content of a continuity map is not the lines of its columns, in their order and that of new tokens."""

    rule = "continuity-content"


class MapTokens(Check):
    """A continuity map names other people than the table, or fewer: its new tokens are not those of the view."""

    rule = "continuity-tokens"


def continuity_name(policy: Policy, claims: Claims) -> str | None:
    """The one name that a map may have in this release; None if there may be none."""
    if policy.continuity is None or claims.continuity_from is None:
        return None
    return f"continuity-{claims.continuity_from}-{claims.epoch}.hpke"


class ContinuityReader:
    """Reads the map of one release; memory is a chunk, and a fingerprint of eight bytes a token."""

    def __init__(
        self, policy: Policy, contract: Contract, claims: Claims, words: Words, key: Callable[[bytes], bytes] | None
    ) -> None:
        self._policy = policy
        self._contract = contract
        self._claims = claims
        self._words = words
        self._key = key
        self._name = continuity_name(policy, claims) or ""
        self._columns = policy.continuing_tokens
        self._header = MapHeaderLine()
        self._size = MapSize()
        self._seal = MapSeal()
        self._content = MapContent()
        self._tokens = MapTokens()
        self._cells = {token.name: [self._side(token, epoch) for epoch in self._epochs] for token in self._columns}
        self._seen = dict.fromkeys(self._cells, 0)
        self._place = 0
        self._begun = False
        self._padded = False

    @property
    def _epochs(self) -> tuple[int, int]:
        return self._claims.continuity_from or 0, self._claims.epoch

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that reading runs."""
        cells = [check for sides in self._cells.values() for side in sides for check in side.checks]
        return (self._header, self._size, self._seal, self._content, self._tokens, *cells)

    def read(self, source: BinaryIO, released: Mapping[str, npt.NDArray[np.uint64]]) -> tuple[int, str]:
        """Reads the file to its end.

        Args:
            source: the file, at its start.
            released: the fingerprints of the table's tokens, by column.

        Returns:
            The file's size in bytes and its SHA-256 in hex.
        """
        digest = hashlib.sha256()
        size = 0

        def take(count: int) -> bytes:
            nonlocal size
            data = source.read(count)
            digest.update(data)
            size += len(data)
            return data

        line = source.readline(_LONGEST_HEADER)
        digest.update(line)
        size += len(line)
        self._check_header(line)
        wrapped = take(_WRAPPED)
        length = 0
        for text in self._lines(self._chunks(line, wrapped, take)):
            length += len(text)
            self._see(text)
        while take(_CHUNK):  # what does not open is hashed all the same
            pass
        self._close(length, size - len(line) - _WRAPPED, released)
        return size, digest.hexdigest()

    def _side(self, token: TokenColumn, epoch: int) -> TokenCells:
        place = f"{self._name} column {token.name}, epoch {epoch}"
        ordered = epoch == self._claims.epoch
        shape = shape_of(token, self._policy, self._contract, epoch)
        return TokenCells(shape, place, self._claims.rows, first=ordered, required=True, words=self._words)

    def _check_header(self, line: bytes) -> None:
        self._header.examine()
        terms = self._policy.continuity
        try:
            found = json.loads(line)
            commitment = found["commitment"]
            made = isinstance(commitment, str) and _COMMITMENT.fullmatch(commitment) is not None
        except (ValueError, TypeError, KeyError):
            made, commitment = False, ""
        expected = {
            "columns": [token.name for token in self._columns],
            "commitment": commitment,
            "format": _FORMAT,
            "from_epoch": self._epochs[0],
            "recipient": terms.fingerprint if terms else "",
            "release": self._claims.release_id,
            "rows": self._claims.rows,
            "supplier": self._policy.supplier,
            "to_epoch": self._epochs[1],
        }
        if not made or line != json.dumps(expected, sort_keys=True, separators=(",", ":")).encode() + b"\n":
            self._header.found(self._name)
            self._words.add_bytes(line, f"{self._name}, first line")

    def _chunks(self, line: bytes, wrapped: bytes, take: Callable[[int], bytes]) -> Iterator[bytes]:
        """The content, chunk by chunk, as far as it opens."""
        self._seal.examine()
        if self._key is None or len(wrapped) != _WRAPPED:
            self._seal.found(self._name)
            return
        key = self._key(line)
        if any(key[start : start + 16] in wrapped for start in (0, 8, 16)):
            self._seal.found(self._name)
        cipher = AESGCM(key)
        chunk, number, last = take(_CHUNK + _TAG), 0, False
        while not last:
            following = take(_CHUNK + _TAG)
            last = not following
            try:
                yield cipher.decrypt(number.to_bytes(11, "big") + bytes([last]), chunk, None)
            except (InvalidTag, ValueError):
                self._seal.found(self._name)
                self._words.add_bytes(chunk[:4096], f"{self._name}, sealed content")
                return
            chunk, number = following, number + 1

    def _lines(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same in pieces of whole lines."""
        rest = b""
        for chunk in chunks:
            whole, end, tail = (rest + chunk).rpartition(b"\n")
            rest = tail
            if end:
                yield whole + end
        if rest:
            self._content.found(self._name)
            self._words.add_bytes(rest[:4096], f"{self._name}, last line")
            yield rest

    def _see(self, text: bytes) -> None:
        self._content.examine()
        if not self._begun:
            self._begun = True
            if not text.startswith(_CSV_HEADER):
                self._content.found(self._name)
            text = text.removeprefix(_CSV_HEADER)
        lines = text.rstrip(b"\n")
        if lines and (self._padded or b"\n\n" in lines or lines.startswith(b"\n")):  # blank lines are the padding, and all of it
            self._content.found(self._name)
        self._padded = self._padded or text.endswith(b"\n\n") or not lines
        if not lines:
            return
        options = pa_csv.ReadOptions(column_names=["column", "old", "new"], block_size=2 * _CHUNK)
        plain = pa_csv.ParseOptions(quote_char=False, double_quote=False)
        try:
            table = pa_csv.read_csv(io.BytesIO(text), options, plain, _AS_TEXT).combine_chunks()
        except pa.ArrowException:
            self._content.found(self._name)
            self._words.add_bytes(text[: 1 << 16], f"{self._name}, a line that is none")
            return
        for name in self._cells:
            rows = table.filter(pc.equal(table.column("column"), pa.scalar(name)))
            if rows.num_rows:
                self._see_column(name, rows)
        known = pc.is_in(table.column("column"), value_set=pa.array(list(self._cells), pa.string()))
        if strange := table.filter(pc.invert(known)).num_rows:
            self._content.found(self._name, strange)
            for line in text.decode("utf-8", "replace").splitlines()[:1000]:
                self._words.add(line, f"{self._name}, a line of no column")

    def _see_column(self, name: str, rows: pa.Table) -> None:
        position = list(self._cells).index(name)
        if position < self._place:
            self._content.found(self._name)
        self._place = max(position, self._place)
        for side, column in zip(self._cells[name], ("old", "new"), strict=True):
            side.see(_one_array(rows.column(column)), self._seen[name])
        self._seen[name] += rows.num_rows

    def _close(self, content: int, sealed: int, released: Mapping[str, npt.NDArray[np.uint64]]) -> None:
        self._size.examine(2)
        pairs = {name: sum(side.shape.width for side in sides) for name, sides in self._cells.items()}
        expected = len(_CSV_HEADER) + sum(self._claims.rows * (len(name) + pair + 3) for name, pair in pairs.items())
        if content != expected or sealed != expected + _TAG * -(-expected // _CHUNK):
            self._size.found(self._name)
        for name, (old, new) in self._cells.items():
            self._tokens.examine(new.prints().size)
            wanted = np.sort(released.get(name, np.zeros(0, np.uint64)))
            if not np.array_equal(np.sort(new.prints()), wanted):
                self._tokens.found(f"{self._name} column {name}")
            by_chance = old.prints().size * new.prints().size / old.shape.domain if old.shape.domain else 0
            if too_many(int(np.intersect1d(old.prints(), new.prints()).size), by_chance):
                self._tokens.found(f"{self._name} column {name}, the same under both keys")
            old.close()
            new.close()


def _one_array(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
