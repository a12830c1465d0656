"""Tokens a column at a time beside the same work a row at a time and beside the best peers, on one core.

Every contender takes Arrow arrays and gives an Arrow array. They run in turn, round by round, in one process pinned to one core
with every library held to one thread; a cost is the median of CPU seconds over the rounds, divided by the contender's rows, and a
ratio is a peer's cost over ours. Row loops run on the first rows only. Before anything is timed, ours and the peers' results
are compared wherever they should be equal.

Where time goes is measured by running the product's own steps one by one on the same columns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokens_peers as peers
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from pipelines.demo_data.people import draw_rows, prepare
from transforms.contract.buffers import byte_views
from transforms.tokens import mac
from transforms.tokens.aes import BLOCK, BLOCK_TYPE, CHUNK_ROWS, SPARE, BlockCipher, block_buffer
from transforms.tokens.cells import cells_of
from transforms.tokens.derive import tokenise
from transforms.tokens.ff1 import ff1_decrypt, ff1_encrypt
from transforms.tokens.format import format_tokens
from transforms.tokens.mac import cmac_fields
from transforms.tokens.siv import TAG_BYTES, siv_decrypt, siv_encrypt

KEY, SIV_KEY = bytes(range(32)), bytes(range(64))
PREFIX = "WC1-"
STRINGS = (b"uniform", b"pay_token", b"1")
TWEAK = b"uniform/pay_token/1"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "ARROW_IO_THREADS"), "1"
)
Column = pa.Array
TARGETS = {
    "cmac_vs_hmac_loop": 50, "cmac_vs_polars_hash": 6, "cmac_vs_tink": 20, "canon_vs_row_loop": 20, "siv_vs_row": 20,
    "siv_verify_vs_row": 20, "ff1_vs_libffx": 100, "ff1_vs_fastfpe": 30,
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """n synthetic people: unique eight-digit pay numbers, canonical surnames, and surnames with one in ten untidy."""

    pay: Column
    surnames: Column
    untidy: Column

    def first(self, rows: int) -> Data:
        return Data(self.pay[:rows], self.surnames[:rows], self.untidy[:rows])


@dataclass(frozen=True)
class Contender:
    name: str
    rows: int
    run: Callable[[], Any]


def people(rows: int) -> Data:
    """Names by the demo data's generator (Faker, Zipf-like weights), of people who do not exist."""
    batch = draw_rows(prepare(rows, 7), 0, rows)
    surnames = pc.fill_null(batch.column("surname"), "Mononym")
    random = np.random.default_rng(7)
    pay = pa.array([f"{number:08d}" for number in random.permutation(100_000_000)[:rows].tolist()])
    texts = surnames.to_pylist()
    for place, row in enumerate(np.flatnonzero(random.random(rows) < 0.1).tolist()):
        name = texts[row]
        texts[row] = (
            name.upper(), f" {name}", f"{name} ", f"O\u2019{name}", f"{name}  {name}", unicodedata.normalize("NFD", name)
        )[place % 6]  # fmt: skip
    canonical = pc.utf8_lower(surnames)
    return Data(pay, canonical, pa.array(texts))


def our_tokens(person: Column, values: Column) -> Column:
    """Person-bound tokens with check symbol of values that are canonical already."""
    return format_tokens(PREFIX, cmac_fields(KEY, [person, values]), np.ones(len(person), np.bool_))


def our_canonical_tokens(person: Column, values: Column) -> Column:
    return tokenise(KEY, PREFIX, person, [values]).text


def rows_of(column: Column, width: int) -> np.ndarray:
    """A column whose values all have one width, as its (n, width) bytes."""
    if pa.types.is_fixed_size_binary(column.type):
        return np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, width)[column.offset : column.offset + len(column)]
    offsets, data = byte_views(column)
    assert (np.diff(offsets) == width).all()
    return data[offsets[0] : offsets[-1]].reshape(-1, width)


def fixed(rows: np.ndarray) -> Column:
    return pa.Array.from_buffers(pa.binary(rows.shape[1]), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))])


def our_siv(person: Column, blocks: Column) -> Column:
    return fixed(siv_encrypt(SIV_KEY, rows_of(blocks, BLOCK), [*STRINGS, cells_of(person)]))


def our_siv_opened(person: Column, sealed: Column) -> Column:
    texts, genuine = siv_decrypt(SIV_KEY, rows_of(sealed, TAG_BYTES + BLOCK), [*STRINGS, cells_of(person)])
    assert genuine.all()
    return fixed(texts)


def our_ff1(numbers: Column, *, encrypt: bool) -> Column:
    numerals = rows_of(numbers, 8) - np.uint8(0x30)
    numerals = (ff1_encrypt if encrypt else ff1_decrypt)(KEY, TWEAK, 10, numerals)
    numerals += np.uint8(0x30)
    offsets = np.arange(0, numerals.size + 1, 8, dtype=np.int32)
    return pa.StringArray.from_buffers(len(numerals), pa.py_buffer(offsets), pa.py_buffer(numerals))


def contenders(data: Data, loop_rows: int) -> list[Contender]:
    few, rows = data.first(loop_rows), len(data.pay)
    slow = few.first(min(loop_rows, 2_000))  # libffx takes tens of microseconds a value
    blocks = fixed(np.pad(rows_of(data.pay, 8), ((0, 0), (0, 8))))
    sealed = our_siv(data.pay, blocks)
    coded = our_ff1(data.pay, encrypt=True)
    deterministic, siv = peers.tink_cipher(), AESSIV(SIV_KEY)
    person_bytes, few_blocks = few.pay.cast(pa.binary()), blocks[:loop_rows].cast(pa.binary())
    few_sealed = sealed[:loop_rows].cast(pa.binary())
    libffx, fastfpe = (
        {way: peer(KEY, TWEAK, encrypt=way) for way in (True, False)} for peer in (peers.libffx_rows, peers.fastfpe_rows)
    )
    buffer, cipher = block_buffer(rows), BlockCipher(KEY)

    def ecb() -> None:
        for begin in range(0, rows, CHUNK_ROWS):
            cipher.encrypt(buffer[begin * BLOCK : min(begin + CHUNK_ROWS, rows) * BLOCK + SPARE])

    assert our_siv(few.pay, blocks[:loop_rows]).to_pylist() == peers.siv_rows(siv, STRINGS, person_bytes, few_blocks).to_pylist()
    for peer in (libffx, fastfpe):
        assert peer[True](slow.pay).equals(coded[: len(slow.pay)])
        assert peer[False](coded[: len(slow.pay)]).equals(slow.pay)
    return [
        Contender("token", rows, lambda: our_tokens(data.pay, data.surnames)),
        Contender("hmac loop", loop_rows, lambda: peers.hmac_loop(KEY, PREFIX, few.pay, few.surnames)),
        Contender("polars-hash", rows, lambda: peers.polars_hmac(KEY.hex(), data.surnames)),
        Contender("tink", loop_rows, lambda: peers.tink_rows(deterministic, few.pay, few.surnames)),
        Contender("canonical token", rows, lambda: our_canonical_tokens(data.pay, data.untidy)),
        Contender("canonical loop", loop_rows, lambda: peers.canonical_hmac_loop(KEY, PREFIX, few.pay, few.untidy)),
        Contender("siv", rows, lambda: our_siv(data.pay, blocks)),
        Contender("siv loop", loop_rows, lambda: peers.siv_rows(siv, STRINGS, person_bytes, few_blocks)),
        Contender("siv verify", rows, lambda: our_siv_opened(data.pay, sealed)),
        Contender("siv verify loop", loop_rows, lambda: peers.siv_rows_opened(siv, STRINGS, person_bytes, few_sealed)),
        Contender("ff1", rows, lambda: our_ff1(data.pay, encrypt=True)),
        Contender("libffx", len(slow.pay), lambda: libffx[True](slow.pay)),
        Contender("fastfpe", loop_rows, lambda: fastfpe[True](few.pay)),
        Contender("ff1 back", rows, lambda: our_ff1(coded, encrypt=False)),
        Contender("libffx back", len(slow.pay), lambda: libffx[False](coded[: len(slow.pay)])),
        Contender("fastfpe back", loop_rows, lambda: fastfpe[False](coded[:loop_rows])),
        Contender("mac", rows, lambda: cmac_fields(KEY, [data.pay, data.surnames])),
        Contender("ecb", rows, ecb),
        Contender("copy", rows, buffer.copy),
    ]


def measure(field: Sequence[Contender], rounds: int) -> dict[str, float]:
    """Nanoseconds of CPU a row, medians over rounds in which all run in turn."""
    costs: dict[str, list[float]] = {contender.name: [] for contender in field}
    for _ in range(rounds):
        for contender in field:
            begin = time.process_time_ns()
            contender.run()
            costs[contender.name].append((time.process_time_ns() - begin) / contender.rows)
    return {name: statistics.median(values) for name, values in costs.items()}


def stages(data: Data) -> list[Contender]:
    """The steps of a token, run apart: the same functions on the same columns, in the same chunks."""
    rows = len(data.pay)
    macs = cmac_fields(KEY, [data.pay, data.surnames])
    valid = np.ones(rows, np.bool_)
    chunks = [slice(begin, begin + CHUNK_ROWS) for begin in range(0, rows, CHUNK_ROWS)]
    buffer, cipher = block_buffer(CHUNK_ROWS), BlockCipher(KEY)

    def gather() -> None:
        for chunk in chunks:
            for column in (data.pay, data.surnames):
                cells = cells_of(column[chunk])
                windows = np.ndarray((len(cells.data) - BLOCK + 1,), BLOCK_TYPE, cells.data, strides=(1,))
                mac._first_blocks(windows, cells, mac.HEADER)

    def convert() -> None:
        for chunk in chunks:
            for column in (data.pay, data.surnames):
                cells_of(column[chunk])

    def encrypt() -> None:
        for chunk in chunks:
            for _ in range(2):
                cipher.encrypt(buffer[: (min(chunk.stop, rows) - chunk.start) * BLOCK + SPARE])

    return [
        Contender("cells", rows, convert),
        Contender("cells and gather", rows, gather),
        Contender("aes", rows, encrypt),
        Contender("text", rows, lambda: format_tokens(PREFIX, macs, valid)),
    ]


def blocks_a_row(data: Data) -> float:
    """AES calls that the MACs of person and surname need: one a started block of each field behind its two bytes of length."""
    return float(sum((np.diff(byte_views(column)[0]) + 2 + 15) // BLOCK for column in (data.pay, data.surnames)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--loop-rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if not ONE_THREAD.items() <= os.environ.items():  # the libraries read it once, when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)  # noqa: S606
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    pa.set_cpu_count(1)
    data = people(options.rows)
    field = contenders(data, min(options.loop_rows, options.rows))
    measure(field, 1)  # tables are built, pages are touched
    ns = measure(field, options.rounds)
    parts = measure(stages(data), options.rounds)
    ours = {"hmac loop": "token", "polars-hash": "token", "tink": "token", "canonical loop": "canonical token", "siv loop": "siv",
            "siv verify loop": "siv verify", "libffx": "ff1", "fastfpe": "ff1", "libffx back": "ff1 back",
            "fastfpe back": "ff1 back"}  # fmt: skip
    vs = {name: ns[name] / ns[mine] for name, mine in ours.items()}
    limit = blocks_a_row(data) * ns["ecb"]
    ratios = {
        "cmac_vs_hmac_loop": vs["hmac loop"],
        "cmac_vs_polars_hash": vs["polars-hash"],
        "cmac_vs_tink": vs["tink"],
        "canon_vs_row_loop": vs["canonical loop"],
        "siv_vs_row": vs["siv loop"],
        "siv_verify_vs_row": vs["siv verify loop"],
        "ff1_vs_libffx": min(vs["libffx"], vs["libffx back"]),
        "ff1_vs_fastfpe": min(vs["fastfpe"], vs["fastfpe back"]),
        "cmac_share_of_ecb": limit / ns["mac"],
    }
    used = ("cryptography", "numpy", "pyarrow", "polars", "polars-hash", "tink", "libffx", "fastfpe")
    lengths = [float(np.diff(byte_views(column)[0]).mean()) for column in (data.pay, data.surnames, data.untidy)]
    print(f"{options.rows:,} synthetic people, {options.rows:,} pay numbers; mean bytes: pay number {lengths[0]:.1f}, surname "
          f"{lengths[1]:.1f}, with one in ten untidy {lengths[2]:.1f}")  # fmt: skip
    print(f"medians of {options.rounds} rounds in turn, CPU time, core {core} of {os.cpu_count()}, load {os.getloadavg()[0]:.1f}, "
          f"Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in used)}")  # fmt: skip
    print(f"\n{'':20}{'rows':>10}{'ns a row':>10}{'M rows/s':>10}{'ours is faster by':>20}")
    for contender in field:
        faster = f"{vs[contender.name]:.1f}" if contender.name in vs else ""
        cost = ns[contender.name]
        print(f"{contender.name:20}{contender.rows:10,}{cost:10.1f}{1e3 / cost:10.2f}{faster:>20}")
    print(f"\nwhere a token's {ns['token']:.1f} ns go")
    steps = {
        "Arrow offsets to places": parts["cells"],
        "gathering and masking blocks": parts["cells and gather"] - parts["cells"],
        "AES, two blocks a row": parts["aes"],
        "lengths, chains, longer rows": ns["token"] - parts["cells and gather"] - parts["aes"] - parts["text"],
        "symbols, check symbol, text": parts["text"],
    }
    for name, cost in steps.items():
        print(f"  {name:30}{cost:8.1f}{cost / ns['token']:8.0%}")
    print(f"  AES-ECB alone runs at {1e3 / ns['ecb']:.0f} M blocks/s; the MACs need {blocks_a_row(data):.2f} blocks a row, "
          f"{limit:.1f} ns: {limit / ns['mac']:.0%} of a MAC, {limit / ns['token']:.0%} of a token")  # fmt: skip
    print(f"  copying 16 bytes a row takes {ns['copy']:.1f} ns, {ns['copy'] / ns['token']:.0%} of a token")
    for name, target in TARGETS.items():
        if ratios[name] < target:
            print(f"below its target: {name} is {ratios[name]:.1f}, not {target}")
    print(json.dumps({name: round(value, 3 if name == "cmac_share_of_ecb" else 1) for name, value in ratios.items()}))


if __name__ == "__main__":
    main()
