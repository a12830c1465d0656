"""No key is in the graph that travels to workers, nor in anything that a run writes, says or is started with [C14]."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import json
import lzma
import pickle
import pickletools
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from pipelines.watch import Watch
from transforms.keyring import admin
from transforms.keyring.envelope import unwrap_all
from transforms.keyring.open import open_provider
from transforms.keyring.secret import SecretKey
from transforms.policy.load import load_policies
from transforms.tokens.column import label_of
from transforms.tokens.derive import column_key

if TYPE_CHECKING:
    from conftest import Site

_DEEPEST = 12
_SHORTEST = 20  # what is shorter holds no key in any form


# ---- the search


def unfold(data: bytes, depth: int = 0, seen: set[bytes] | None = None) -> Iterator[bytes]:
    """Some bytes and everything that is coded, compressed, pickled or framed inside them."""
    seen = set() if seen is None else seen
    if len(data) < _SHORTEST or data in seen or depth > _DEEPEST:
        return
    seen.add(data)
    yield data
    for inside in (*_decoded(data), *_fields(data), *_unpickled(data)):
        yield from unfold(inside, depth + 1, seen)


def _decoded(data: bytes) -> Iterator[bytes]:
    for decode in (_base64, bytes.fromhex, bz2.decompress, gzip.decompress, lzma.decompress, zlib.decompress):
        with suppress(ValueError, TypeError, OSError, EOFError, lzma.LZMAError, zlib.error):
            yield decode(data.decode("ascii") if decode == bytes.fromhex else data)


def _base64(data: bytes) -> bytes:
    return base64.b64decode(data.translate(bytes.maketrans(b"-_", b"+/")), validate=True)


def _fields(data: bytes) -> Iterator[bytes]:
    """The length-delimited fields, if this is a protocol buffer's wire format."""
    at = 0
    found = []
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            found.append(data[at : at + size])
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            return
        if key < 8 or at > len(data):
            return
    yield from found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            break
    return value, at


def _unpickled(data: bytes) -> Iterator[bytes]:
    """Every text, byte string and number of a pickle, and the small numbers that stand in a row, as bytes."""
    if not data.startswith(b"\x80"):
        return
    row = bytearray()
    with suppress(ValueError, UnicodeDecodeError):
        for opcode, argument, _ in pickletools.genops(data):
            if isinstance(argument, str):
                yield argument.encode("utf-8", "surrogatepass")
            elif isinstance(argument, (bytes, bytearray)):
                yield bytes(argument)
            elif isinstance(argument, int) and opcode.name.startswith("BININT") and 0 <= argument < 256:
                row.append(argument)
            elif isinstance(argument, int) and opcode.name.startswith(("INT", "LONG")):
                yield argument.to_bytes(argument.bit_length() // 8 + 1, "big", signed=True)
    yield bytes(row)


def holds(pieces: list[bytes], key: bytes) -> bool:
    """Whether a key is in what `unfold` gave."""
    coded = [form for pad in range(3) for form in _base64_forms(key, pad)]
    exact = (key, key[::-1], *coded, str(int.from_bytes(key, "big")).encode(), str(int.from_bytes(key, "little")).encode())
    hexed = key.hex().encode()
    return any(any(form in piece for form in exact) or hexed in piece.lower() for piece in pieces)


def _base64_forms(key: bytes, pad: int) -> Iterator[bytes]:
    middle = base64.b64encode(bytes(pad) + key)[4 if pad else 0 : -4]
    yield from (middle, middle.translate(bytes.maketrans(b"+/", b"-_")))


KEY = bytes(range(0x91, 0x91 + 32))


class _Holder(beam.DoFn):
    def __init__(self, held: Any) -> None:
        self._held = held

    def process(self, element: Any) -> Iterator[Any]:
        yield self._held


class _Slotted:
    __slots__ = ("key",)

    def __init__(self, key: bytes) -> None:
        self.key = key


PLANTS: dict[str, Callable[[beam.Pipeline], object]] = {
    "bytes": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(KEY)),
    "a bytearray": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(bytearray(KEY))),
    "hex": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(KEY.hex())),
    "capital hex": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder({"k": KEY.hex().upper()})),
    "base 64": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder("x" + base64.b64encode(b"1" + KEY).decode())),
    "safe base 64": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(base64.urlsafe_b64encode(KEY))),
    "a number": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(int.from_bytes(KEY, "big"))),
    "small numbers": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(list(KEY))),
    "an array": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(np.frombuffer(KEY, np.uint64))),
    "a slot": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder([_Slotted(KEY)])),
    "a pickle in a pickle": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(pickler.dumps(_Holder(KEY)))),
    "compressed": lambda pipeline: pipeline | beam.Create([1]) | beam.ParDo(_Holder(zlib.compress(pickle.dumps([KEY])))),
    "a closure": lambda pipeline: pipeline | beam.Create([1]) | beam.Map(_closure(KEY)),
    "an element": lambda pipeline: pipeline | beam.Create([KEY]),
    "an argument": lambda pipeline: pipeline | beam.Create([1]) | beam.Map(lambda x, key: x, KEY),
    "a label": lambda pipeline: pipeline | f"Use {KEY.hex()}" >> beam.Create([1]),
}


def _closure(key: bytes) -> Callable[[int], bytes]:
    return lambda number: key[number:]


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_the_search_finds_a_key_that_is_planted_in_a_graph(plant: Callable[[beam.Pipeline], object]) -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner())
    plant(pipeline)
    pieces = list(unfold(pipeline.to_runner_api().SerializeToString()))
    assert holds(pieces, KEY)
    assert not holds(pieces, hashlib.sha256(KEY).digest())


def test_a_step_that_holds_a_key_object_cannot_be_made() -> None:
    holder = _Holder(SecretKey(bytearray(KEY)))
    with pytest.raises(RuntimeError, match="never pickled") as refusal:
        beam.ParDo(holder)
    assert not holds(list(unfold(repr(refusal.value).encode())), KEY)


# ---- a real run


class RecordingRunner(FnApiRunner):
    """Keeps the graph that it runs."""

    graph = b""

    def run_via_runner_api(self, pipeline_proto: beam_runner_api_pb2.Pipeline, options: PipelineOptions) -> Any:
        self.graph = pipeline_proto.SerializeToString()
        return super().run_via_runner_api(pipeline_proto, options)


class ProcessWatch(Watch):
    """Keeps the command line and environment of this process and its children, and every file of staging or temporary use."""

    def __init__(self, root: Path) -> None:
        super().__init__(lambda what, done, total: None)
        self._root = root
        self._temporary = Path(tempfile.gettempdir())
        self._before = set(self._temporary.iterdir())
        self.seen: dict[str, bytes] = {}

    @contextmanager
    def staging(self, attempts: Path) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._sample, args=(ended,))
        thread.start()
        try:
            with super().staging(attempts):
                yield
        finally:
            ended.set()
            thread.join()
            self.look()

    def look(self) -> None:
        for top in (self._root, *(set(self._temporary.iterdir()) - self._before)):
            for path in (top, *top.rglob("*")):
                with suppress(OSError):  # others use the temporary directory too
                    self.seen[str(path)] = path.read_bytes() if path.is_file() else b""

    def _sample(self, ended: threading.Event) -> None:
        while not ended.wait(0.05):
            for children in Path("/proc/self/task").glob("*/children"):
                with suppress(OSError):
                    for pid in ("self", *children.read_text().split()):
                        for name in ("cmdline", "environ"):
                            with suppress(OSError):
                                self.seen[f"/proc/{pid}/{name}"] = Path(f"/proc/{pid}/{name}").read_bytes()


def _keys_in(uri: str) -> dict[str, bytes]:
    """Every key of a store by name and epoch: suppliers', fingerprint and signing keys."""
    found = {}
    with closing(open_provider(uri)) as provider:
        for name in provider.names():
            for epoch, key in unwrap_all(provider, provider.read(name)).items():
                with key:
                    found[f"{name}/{epoch}"] = bytes(key.reveal())
    return found


def _column_keys(site: Site, keys: dict[str, bytes]) -> dict[str, bytes]:
    """The keys of token columns, which a worker derives when it starts."""
    found = {}
    for policy in load_policies(site.policies):
        epoch = max(int(name.split("/")[1]) for name in keys if name.startswith(f"{policy.supplier}/"))
        for token in policy.tokens:
            label = label_of(policy, token, epoch, "unused")
            found[f"{policy.supplier}.{token.name}"] = column_key(keys[f"{policy.supplier}/{epoch}"], label)
    return found


def _derived_kek(directory: Path, passphrase: bytes) -> bytes:
    terms = json.loads((directory / "kek.json").read_text())["argon2id"]
    salt = base64.b64decode(terms["salt"])
    return Argon2id(
        salt=salt, length=32, iterations=terms["iterations"], lanes=terms["lanes"], memory_cost=terms["memory_kib"]
    ).derive(passphrase)


def test_a_run_shows_no_key_to_workers_disk_or_process_list(site: Site, own_keys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    uri = f"file:{own_keys}"
    admin.new_epoch(uri, "card-printer", site.now)
    keys = _keys_in(uri)
    assert len(keys) == 3 + 2 + 1
    secrets = keys | _column_keys(site, keys) | {"kek": (own_keys / "kek.key").read_bytes()}
    _hold_no_secret(replace(site, keys=uri), secrets, capfd)


def test_a_run_that_a_passphrase_opens_shows_neither_it_nor_a_key(
    site: Site, passphrase_keys: tuple[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    uri, file = passphrase_keys
    passphrase = file.read_bytes().strip()
    directory = next(site.root.glob("passphrase-keys"))
    keys = _keys_in(uri)
    secrets = keys | {"passphrase": passphrase, "kek": _derived_kek(directory, passphrase)}
    _hold_no_secret(replace(site, keys=uri), secrets, capfd)


def _hold_no_secret(site: Site, secrets: dict[str, bytes], capfd: pytest.CaptureFixture[str]) -> None:
    runner, watch = RecordingRunner(), ProcessWatch(site.out)
    site.stage(watch=watch, in_process=runner)
    watch.look()
    out, err = capfd.readouterr()
    places = {"graph": runner.graph, "stdout": out.encode(), "stderr": err.encode(), **watch.seen}

    opened = {place: list(unfold(data)) for place, data in places.items()}
    # What was looked through is what there was to look through.
    assert any(b"_ProjectFn" in piece and site.keys.encode() in piece for piece in opened["graph"])
    assert any(b"_FingerprintFn" in piece for piece in opened["graph"])
    assert any(name.endswith(".arrow") for name in opened)
    assert any(name.endswith("stage.json") for name in opened)
    assert len(opened["/proc/self/environ"]) > 0
    assert any(b"transforms.photos.child" in data for name, data in places.items() if name.endswith("cmdline"))

    assert min(map(len, secrets.values())) >= 30
    assert [(name, place) for name, secret in secrets.items() for place in opened if holds(opened[place], secret)] == []
