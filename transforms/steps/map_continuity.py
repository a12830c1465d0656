"""At a rotation: from accepted rows to the file in which a supplier finds its old tokens beside the new ones [C12].

Old and new tokens of a batch wait in staging as one sealed piece: under staging's custody a view's rows are open, but whoever held
both tokens of a person could join what the rotation parts. Only the wanted columns are ever made, and nothing leads back to
people: a piece holds rows' places and tokens.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transforms.columns.select import select
from transforms.contract.model import Contract
from transforms.contract.places import ROW_REF
from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring.open import open_keyset
from transforms.policy.model import Policy, TokenColumn
from transforms.steps.assemble_views import ORDER_FILE, RELEASE, Assembled
from transforms.steps.step import Step
from transforms.tokens.check import random_rows
from transforms.tokens.check_kinds import spot_check_column
from transforms.tokens.column import form_of, label_of, make_tokens
from transforms.tokens.continuity import (
    CSV_HEADER,
    MapHeader,
    commit,
    content_key,
    load_recipient,
    map_lines,
    map_name,
    padded_size,
    same_map,
    seal_map,
    spill_key,
)
from transforms.tokens.derive import column_key

VIEWS = "views"
PIECES = "pieces"
_NONCE = 12


@dataclass(frozen=True, slots=True)
class MapTask:
    """The map of one supplier: `policy` contracts it, `from_epoch` is that of the release before, `to_epoch` the active one.

    `published` is where the file is if this release is out already: a rerun that makes the same map takes those very bytes.
    """

    policy: Policy
    release_id: str
    from_epoch: int
    to_epoch: int
    published: str


class MapContinuity(beam.PTransform):
    """Makes old and new tokens of every row that may be in a view; keyed by supplier, the paths of sealed pieces."""

    def __init__(self, contract: Contract, tasks: tuple[MapTask, ...], keys: str, day: date, attempts: str) -> None:
        super().__init__()
        self._fn = _MapFn(contract, tasks, keys, day, attempts)

    def expand(self, accepted: beam.PCollection[pa.RecordBatch]) -> beam.PCollection[tuple[str, str]]:
        """Accepted batches in, sealed pieces out."""
        return accepted | "Make pairs" >> beam.ParDo(self._fn).with_output_types(tuple[str, str])


class WriteContinuity(beam.PTransform):
    """Writes each supplier's map into its staged release, of exactly the rows that its table has.

    Takes PCollections keyed by supplier under the names `pieces` and `views`, the second being what `AssembleViews` gives: the
    map is written after the table. One supplier's columns are in memory one at a time, its file's content as a whole.
    """

    def __init__(self, contract: Contract, tasks: tuple[MapTask, ...], keys: str, day: date) -> None:
        super().__init__()
        self._fn = _WriteFn(contract, tasks, keys, day)

    def expand(self, parts: dict[str, beam.PCollection[Any]]) -> beam.PCollection[tuple[str, Assembled]]:
        """Parts in, views keyed by supplier out, as they came."""
        return (
            parts
            | "Gather pieces" >> beam.CoGroupByKey()
            | "Write map" >> beam.ParDo(self._fn).with_output_types(tuple[str, Assembled])
        )


class _MapFn(Step):
    def __init__(self, contract: Contract, tasks: tuple[MapTask, ...], keys: str, day: date, attempts: str) -> None:
        self._contract = contract
        self._tasks = tasks
        self._keys = keys
        self._day = day
        self._attempts = attempts

    def setup(self) -> None:
        self._column_keys: dict[tuple[str, int, str], bytes] = {}
        self._ciphers: dict[str, AESGCM] = {}
        for task in self._tasks:
            supplier = task.policy.supplier
            with open_keyset(self._keys, supplier, self._day) as keyset:
                _hold_epoch(keyset.active.number, task)
                self._ciphers[supplier] = AESGCM(spill_key(keyset.key().reveal(), task.release_id))
                for epoch in (task.from_epoch, task.to_epoch):
                    epoch_key = keyset.key(epoch).reveal()
                    for token in task.policy.continuing_tokens:
                        label = label_of(task.policy, token, epoch, task.release_id)
                        self._column_keys[supplier, epoch, token.name] = column_key(epoch_key, label)

    def process(self, batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
        for task in self._tasks:
            rows = batch.filter(pa.array(select(batch, self._contract, task.policy).candidates))
            if rows.num_rows:
                columns = {ROW_REF: rows.column(ROW_REF)}
                for token in task.policy.continuing_tokens:
                    for epoch in (task.from_epoch, task.to_epoch):
                        columns[_piece_column(token, epoch)] = self._tokens(task, epoch, token, rows)
                yield task.policy.supplier, self._sealed(task.policy.supplier, pa.record_batch(columns))

    def _tokens(self, task: MapTask, epoch: int, token: TokenColumn, rows: pa.RecordBatch) -> pa.Array[Any]:
        key = self._column_keys[task.policy.supplier, epoch, token.name]
        form = form_of(task.policy, self._contract, token, epoch)
        person, values = rows.column(self._contract.person_key), [rows.column(name) for name in token.of]
        tokens = make_tokens(key, form, person, values).text
        spot_check_column(key, form, person, values, tokens, random_rows(rows.num_rows))
        return tokens

    def _sealed(self, supplier: str, pairs: pa.RecordBatch) -> str:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, pairs.schema) as writer:
            writer.write_batch(pairs)
        nonce = os.urandom(_NONCE)
        path = Path(self._attempts) / f"{uuid.uuid4().hex}.sealed"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(nonce + self._ciphers[supplier].encrypt(nonce, sink.getvalue().to_pybytes(), supplier.encode()))
        return str(path)


class _WriteFn(Step):
    def __init__(self, contract: Contract, tasks: tuple[MapTask, ...], keys: str, day: date) -> None:
        self._contract = contract
        self._tasks = {task.policy.supplier: task for task in tasks}
        self._keys = keys
        self._day = day

    def process(self, keyed: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[tuple[str, Assembled]]:
        supplier, parts = keyed
        (view,) = parts[VIEWS]
        if supplier in self._tasks:
            self._write(self._tasks[supplier], list(parts[PIECES]), Path(view.directory))
        yield supplier, view

    def _write(self, task: MapTask, pieces: list[str], directory: Path) -> None:
        release = directory / RELEASE
        released = np.load(directory / ORDER_FILE, allow_pickle=False)
        terms = task.policy.continuity
        if terms is None:
            raise InternalError("a map was to be made without terms", place=task.policy.supplier, code="continuity-terms")
        names = tuple(token.name for token in task.policy.continuing_tokens)
        bare = MapHeader(
            task.policy.supplier, task.release_id, task.from_epoch, task.to_epoch, names, released.size, terms.fingerprint
        )
        with open_keyset(self._keys, task.policy.supplier, self._day) as keyset:
            _hold_epoch(keyset.active.number, task)
            epoch_key = keyset.key().reveal()
            cipher = AESGCM(spill_key(epoch_key, task.release_id))
            content = [CSV_HEADER.encode()]
            content += (_column_lines(task, token, pieces, cipher, released) for token in task.policy.continuing_tokens)
            symbols = {
                token.name: form_of(task.policy, self._contract, token, task.to_epoch).symbols
                for token in task.policy.continuing_tokens
            }
            padding = padded_size(bare, task.policy.token_prefix, symbols) - sum(map(len, content))
            content.append(b"\n" * padding)
            header = commit(epoch_key, bare, content)
            path = release / map_name(task.from_epoch, task.to_epoch)
            unfinished = directory / f"{uuid.uuid4().hex}.part"  # two attempts may be at the same view
            published = Path(task.published)
            if published.is_file() and same_map(data := published.read_bytes(), header):
                unfinished.write_bytes(data)
            else:
                key = content_key(epoch_key, header.encoded())
                with unfinished.open("xb") as out:
                    out.writelines(seal_map(header, content, key, load_recipient(terms.recipient_key)))
            unfinished.replace(path)


def _column_lines(task: MapTask, token: TokenColumn, pieces: list[str], cipher: AESGCM, released: np.ndarray) -> bytes:
    """The lines of one column for the rows that were released."""
    names = [_piece_column(token, epoch) for epoch in (task.from_epoch, task.to_epoch)]
    tables = []
    for path in pieces:
        data = Path(path).read_bytes()
        try:
            opened = cipher.decrypt(data[:_NONCE], data[_NONCE:], task.policy.supplier.encode())
        except InvalidTag:
            raise InternalError("a piece of the map was altered in staging", code="continuity-piece") from None
        pairs = pa.ipc.open_stream(opened).read_all()
        wanted = pc.is_in(pairs.column(ROW_REF), value_set=pa.array(released))
        tables.append(pairs.filter(wanted).select([ROW_REF, *names]))
    if sum(table.num_rows for table in tables) != released.size:
        raise InternalError("a released row has no place in the map, or two", place=task.policy.supplier, code="continuity-rows")
    if not tables:
        return b""
    old, new = (pa.concat_tables(tables).column(name).combine_chunks() for name in names)
    return map_lines(token.name, old, new)


def _piece_column(token: TokenColumn, epoch: int) -> str:
    return f"{token.name} {epoch}"


def _hold_epoch(active: int, task: MapTask) -> None:
    if active != task.to_epoch:
        raise KeyUnavailable(
            "the active epoch changed while the run was at work", place=task.policy.supplier, hint="run again", code="epoch-changed"
        )
