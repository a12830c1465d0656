"""Official FF1 vectors through whole columns: NIST's samples, ACVP, Wycheproof.

Cases for AES-128 and AES-192 go through the same path under an open cipher; those for AES-256 through the public functions.
Skipped are texts with characters outside the alphabet, which never become numerals here.
"""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from transforms.tokens.aes import BlockCipher
from transforms.tokens.ff1 import LEAST_DOMAIN, ff1, ff1_decrypt, ff1_encrypt

SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"
OWN = Path(__file__).resolve().parents[1] / "vectors" / "ff1-nist-samples.json"
WYCHEPROOF = sorted(
    {"aes_ff1_radix10_test", "aes_ff1_base10_test", "aes_ff1_base36_test"}
    | {path.name.removesuffix(".json.gz") for path in (SUITES / "crypto-wycheproof").glob("aes_ff1_*_test.json.gz")}
)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def numerals_of(text: str, alphabet: str) -> list[int]:
    return [alphabet.index(character) for character in text]


def check(key: bytes, tweak: bytes, radix: int, plain: list[list[int]], sealed: list[list[int]]) -> None:
    """Cases of one key, tweak and length as a column with a stranger in it, both ways."""
    kind = np.uint16 if radix > 256 else np.uint8
    for direction, given, expected in ((True, plain, sealed), (False, sealed, plain)):
        column = np.array([*given, [0] * len(given[0]), given[0]], kind)
        found = ff1(BlockCipher(key), tweak, radix, column, encrypt=direction)
        assert found[: len(given)].tolist() == expected
        assert found[-1].tolist() == expected[0]
        if len(key) == 32:
            assert ((ff1_encrypt if direction else ff1_decrypt)(key, tweak, radix, column) == found).all()


def test_the_samples_of_nist_come_out_of_columns() -> None:
    cases = json.loads(OWN.read_text())["tests"]
    assert len(cases) == 9
    for case in cases:
        plain, sealed = (numerals_of(case[name], DIGITS) for name in ("pt", "ct"))
        check(bytes.fromhex(case["key"]), bytes.fromhex(case["tweak"]), case["radix"], [plain], [sealed])


@pytest.mark.suites
def test_every_acvp_case_comes_out_of_columns() -> None:
    path = SUITES / "crypto-nist-acvp" / "ACVP-AES-FF1-1.0" / "internalProjection.json.gz"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    checked: Counter[int] = Counter()
    for group in json.loads(gzip.decompress(path.read_bytes()))["testGroups"]:
        for case in group["tests"]:
            plain, sealed = (numerals_of(case[name], group["alphabet"]) for name in ("pt", "ct"))
            check(bytes.fromhex(case["key"]), bytes.fromhex(case["tweak"]), group["radix"], [plain], [sealed])
            checked[group["keyLen"]] += 1
    assert min(checked[size] for size in (128, 192, 256)) >= 250


@pytest.mark.suites
@pytest.mark.parametrize("name", WYCHEPROOF)
def test_every_wycheproof_case_comes_out_of_columns_or_is_refused(name: str) -> None:
    path = SUITES / "crypto-wycheproof" / f"{name}.json.gz"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    agreeing: dict[tuple[bytes, bytes, int, int], list[tuple[list[int], list[int]]]] = {}
    refused = 0
    for group in json.loads(gzip.decompress(path.read_bytes()))["testGroups"]:
        for case in group["tests"]:
            key, tweak, radix = bytes.fromhex(case["key"]), bytes.fromhex(case["tweak"]), group["radix"]
            plain, sealed = case["msg"], case["ct"]
            if "alphabet" in group:
                if not set(plain + sealed) <= set(group["alphabet"]):
                    continue
                plain, sealed = numerals_of(plain, group["alphabet"]), numerals_of(sealed, group["alphabet"])
            if case["result"] == "valid" and radix ** len(plain) >= LEAST_DOMAIN:
                agreeing.setdefault((key, tweak, radix, len(plain)), []).append((plain, sealed))
                continue
            # A wrong key length, a value that is no numeral, or a domain that only the first edition of the standard allowed.
            with pytest.raises((ValueError, OverflowError)):
                ff1(BlockCipher(key), tweak, radix, np.array([plain], np.uint16), encrypt=True)
            refused += 1
    for (key, tweak, radix, _), cases in agreeing.items():
        check(key, tweak, radix, [plain for plain, _ in cases], [sealed for _, sealed in cases])
    assert sum(map(len, agreeing.values())) > 500
    assert refused > 10
