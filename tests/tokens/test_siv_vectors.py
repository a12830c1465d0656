"""Official AES-SIV vectors through whole columns: RFC 5297 and OpenSSL, Wycheproof, Tink.

Of the vectors for smaller keys and other widths none is skipped: `Siv` takes what the public functions refuse.
"""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from transforms.tokens.cells import cells_of
from transforms.tokens.siv import Siv, siv_decrypt, siv_encrypt

SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"
OWN = Path(__file__).resolve().parents[1] / "vectors" / "siv-rfc5297.txt"


def rows_of(*rows: bytes) -> np.ndarray:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), len(rows[0]))


def cells(*values: bytes) -> object:
    return cells_of(pa.array([b"before", *values], pa.binary()).slice(1))


def check_sealed(key: bytes, message: bytes, associated: list[bytes], sealed: bytes) -> None:
    """The case as two rows of a column of three, with its strings once as constants and once as cells a row."""
    other = bytes(len(message))
    texts = rows_of(message, other, message)
    for strings in (associated, [cells(string, b"other" * 5, string) for string in associated]):
        found = Siv(key).encrypt(texts, strings)
        assert found[0].tobytes() == found[2].tobytes() == sealed
        opened, genuine = Siv(key).decrypt(found, strings)
        assert genuine.all()
        assert (opened == texts).all()
        if len(key) == 64 and message and len(message) % 16 == 0:
            assert (siv_encrypt(key, texts, strings) == found).all()
            assert siv_decrypt(key, found, strings)[1].all()


def check_forged(key: bytes, associated: list[bytes], forged: bytes) -> None:
    """The forgery between two genuine rows: found, cleared, and the others untouched."""
    genuine_row = Siv(key).encrypt(rows_of(bytes(len(forged) - 16)), associated)[0].tobytes()
    for strings in (associated, [cells(string, string, string) for string in associated]):
        opened, genuine = Siv(key).decrypt(rows_of(genuine_row, forged, genuine_row), strings)
        assert genuine.tolist() == [True, False, True]
        assert not opened.any()


def openssl_cases(path: Path) -> list[tuple[bytes, bytes, list[bytes], bytes]]:
    cases = []
    for block in path.read_text().split("COUNT =")[1:]:
        lines = [line.split("=", 1) for line in block.splitlines()[1:] if "=" in line and not line.startswith("#")]
        fields = {name.strip(): bytes.fromhex(value.strip()) for name, value in lines}
        strings = [value for name, value in fields.items() if name.startswith("AAD")]
        cases.append((fields["Key"], fields["Plaintext"], strings, fields["Tag"] + fields["Ciphertext"]))
    return cases


def test_the_vectors_of_rfc_5297_come_out_of_columns() -> None:
    cases = openssl_cases(OWN)
    assert len(cases) == 4
    assert {len(strings) for _, _, strings, _ in cases} == {1, 3}
    for case in cases:
        check_sealed(*case)


def test_the_example_of_the_specification_is_right() -> None:
    text = (OWN.parents[2] / "docs" / "spec" / "tokens.md").read_text("utf-8").split("## Appendix A")[1]
    stated = re.search(r"^key +(\w+)\nassociated +(\w+)\nplaintext +(\w+)\nV +(\w+)\nC +(\w+)$", text, re.MULTILINE)
    assert stated is not None
    key, associated, plaintext, tag, rest = map(bytes.fromhex, stated.groups())
    check_sealed(key, plaintext, [associated], tag + rest)


@pytest.mark.suites
def test_the_library_s_copy_of_rfc_5297_comes_out_of_columns() -> None:
    path = SUITES / "crypto-rfc-pyca" / "ciphers" / "AES" / "SIV" / "openssl.txt"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    for case in openssl_cases(path):
        check_sealed(*case)


@pytest.mark.suites
def test_wycheproof_s_deterministic_cases_come_out_of_columns_and_its_forgeries_do_not_open() -> None:
    path = SUITES / "crypto-wycheproof" / "aes_siv_cmac_test.json.gz"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    results: Counter[tuple[int, str]] = Counter()
    for group in json.loads(gzip.decompress(path.read_bytes()))["testGroups"]:
        for case in group["tests"]:
            key, aad, message, sealed = (bytes.fromhex(case[name]) for name in ("key", "aad", "msg", "ct"))
            if case["result"] == "valid":
                check_sealed(key, message, [aad], sealed)
            else:
                check_forged(key, [aad], sealed)
            results[len(key), case["result"]] += 1
    assert results[64, "valid"] > 30
    assert results[64, "invalid"] > 100


@pytest.mark.suites
def test_wycheproof_s_cases_with_a_nonce_come_out_with_it_as_the_last_associated_string() -> None:
    path = SUITES / "crypto-wycheproof" / "aead_aes_siv_cmac_test.json.gz"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    results: Counter[str] = Counter()
    for group in json.loads(gzip.decompress(path.read_bytes()))["testGroups"]:
        for case in group["tests"]:
            names = ("key", "aad", "iv", "msg", "tag", "ct")
            key, aad, nonce, message, tag, text = (bytes.fromhex(case[name]) for name in names)
            if case["result"] == "valid":
                check_sealed(key, message, [aad, nonce], tag + text)
            else:
                check_forged(key, [aad, nonce], tag + text)
            results[case["result"]] += 1
    assert results["valid"] > 200
    assert results["invalid"] > 600


@pytest.mark.suites
def test_tink_s_cases_come_out_behind_their_prefix_with_one_associated_string() -> None:
    path = SUITES / "peer-fpe-and-tokens" / "tink-aes-siv.json"
    if not path.exists():
        pytest.skip("the official vectors are not beside the checkout")
    cases = json.loads(path.read_text())["tests"]
    for case in cases:
        key, text, aad, sealed = (bytes.fromhex(case[name]) for name in ("key", "pt", "aad", "ct"))
        check_sealed(key, text, [aad], sealed if case["variant"] == "NoPrefix" else sealed[5:])
    assert len(cases) == 9
