"""What a token looks like, and how one is read back."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import InvalidInput
from transforms.tokens.format import ALPHABET, TOKEN_PATTERN, Token, check_symbol, format_tokens, parse_token


def made(count: int, seed: int = 1) -> list[str]:
    macs = np.random.default_rng(seed).integers(0, 256, (count, 16), np.uint8)
    return format_tokens("WC1-", macs, np.ones(count, np.bool_)).to_pylist()


def times_two(element: int) -> int:
    return (element << 1) ^ 37 if element & 16 else element << 1


def test_the_alphabet_is_crockford_s() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") - set(ALPHABET) == set("ILOU")


def test_the_multiplication_of_the_check_symbol_never_meets_itself() -> None:
    # What the Damm scheme needs of x * y = 2 (x xor y): a Latin square, zero on the diagonal, and no swap of neighbours unseen.
    star = [[times_two(x ^ y) for y in range(32)] for x in range(32)]
    assert all(sorted(row) == list(range(32)) for row in star)
    assert all(sorted(column) == list(range(32)) for column in zip(*star, strict=True))
    assert all(star[x][x] == 0 for x in range(32))
    assert all(star[star[c][x]][y] != star[star[c][y]][x] for c in range(32) for x in range(32) for y in range(32) if x != y)


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=8))
def test_symbols_are_the_first_80_bits_five_at_a_time(macs: list[bytes]) -> None:
    texts = format_tokens("AB12-", np.frombuffer(b"".join(macs), np.uint8).reshape(-1, 16), np.ones(len(macs), np.bool_))
    for mac, text in zip(macs, texts.to_pylist(), strict=True):
        bits = f"{int.from_bytes(mac[:10], 'big'):080b}"
        digits = [int(bits[at : at + 5], 2) for at in range(0, 80, 5)]
        interim = 0
        for digit in digits:
            interim = times_two(interim ^ digit)
        assert text == "AB12-" + "".join(ALPHABET[digit] for digit in [*digits, interim])


def test_a_column_longer_than_a_chunk_has_the_same_tokens_as_its_parts() -> None:
    macs = np.random.default_rng(2).integers(0, 256, (20_011, 16), np.uint8)
    whole = format_tokens("WC1-", macs, np.ones(len(macs), np.bool_))
    whole.validate(full=True)
    parts = [format_tokens("WC1-", macs[at : at + 17], np.ones(len(macs[at : at + 17]), np.bool_)) for at in (0, 8_185, 19_994)]
    assert [whole[at : at + 17] for at in (0, 8_185, 19_994)] == parts


def test_null_rows_stay_null_and_leave_no_byte_of_their_mac() -> None:
    macs = np.random.default_rng(3).integers(0, 256, (5, 16), np.uint8)
    every = format_tokens("WC1-", macs, np.ones(5, np.bool_)).to_pylist()
    some = format_tokens("WC1-", macs, np.array([True, False, True, False, False]))
    some.validate(full=True)
    assert some.to_pylist() == [every[0], None, every[2], None, None]
    data = some.buffers()[2]
    assert data is not None
    assert data.to_pybytes() == (every[0] + every[2]).encode()


@pytest.mark.parametrize("valid", [0, 3])
def test_a_column_without_tokens_is_an_array_of_nulls(valid: int) -> None:
    none = format_tokens("WC1-", np.zeros((valid, 16), np.uint8), np.zeros(valid, np.bool_))
    none.validate(full=True)
    assert none.to_pylist() == [None] * valid
    assert none.type == pa.string()


@pytest.mark.parametrize("prefix", ["", "WC1", "wc1-", "W1-", "WCXYZ1-", "WC-", "WC1--", "=WC1-", "ŴC1-", "WC1-\n"])
def test_a_prefix_of_another_form_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        format_tokens(prefix, np.zeros((1, 16), np.uint8), np.ones(1, np.bool_))


def test_every_token_matches_the_published_pattern() -> None:
    assert all(re.fullmatch(TOKEN_PATTERN, token) for token in made(2_000))


def test_the_published_pattern_finds_a_token_in_running_text_and_none_in_prose() -> None:
    (token,) = made(1)
    assert re.findall(TOKEN_PATTERN, f"seen in ticket: {token}, again") == [token]
    assert not re.search(TOKEN_PATTERN, "WC1-ANTHONY-ORDINARY UK12-3456 AB1-0123456789ABCDEU0 invoice INV2026-11")


def test_every_wrong_symbol_and_every_swap_of_neighbours_in_1000_tokens_is_found() -> None:
    missed = tried = 0
    for token in made(1_000):
        body = token[4:]
        wrong = {body[:at] + symbol + body[at + 1 :] for at in range(17) for symbol in ALPHABET}
        wrong |= {body[:at] + body[at + 1] + body[at] + body[at + 2 :] for at in range(16)}
        for other in wrong - {body}:
            tried += 1
            missed += check_symbol(other[:16]) == other[16]
    assert tried > 1_000 * 17 * 31
    assert missed == 0


def test_a_mistyped_token_is_told_apart_from_what_is_no_token() -> None:
    (token,) = made(1)
    mistyped = token[:-1] + ALPHABET[(ALPHABET.index(token[-1]) + 1) % 32]
    for text, code in ((mistyped, "token-mistyped"), (token[:-1], "token-malformed"), ("John Smith", "token-malformed")):
        with pytest.raises(InvalidInput) as caught:
            parse_token(text)
        assert caught.value.code == code
        assert text not in f"{caught.value} {caught.value.args}"


@pytest.mark.parametrize("row", range(20))
def test_a_token_is_read_as_people_type_it(row: int) -> None:
    token = made(20)[row]
    prefix, body = token.split("-")
    expected = Token("WC", 1, body[:16])
    grouped = "-".join([prefix, body[:4], body[4:8], body[8:12], body[12:16], body[16:]])
    confused = body.replace("0", "o").replace("1", "l").lower()
    for text in (token, token.lower(), f" {token} ", grouped, prefix + body, f"wc1-{confused}", f"WC1-{body.replace('1', 'I')}"):
        assert parse_token(text) == expected
    assert expected.text == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "WC1-",
        "WC1-0000000000000000U",
        "WC1-00000000000000000\u0660",
        "W1-00000000000000000",
        "WCXYZ1-00000000000000000",
        "WC-00000000000000000",
        "WC0-00000000000000000",
        "WC01-00000000000000000",
        "WC1-000000000000000000",
        "WC1-0000000000000000",
        "WC1-0-00000000000000000",
        "WC1-0000 0000 0000 0000 0",
        "WC" + "9" * 5_000 + "-00000000000000000",
        "ŴC1-00000000000000000",
        "=WC1-00000000000000000",
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_token(text)
    assert caught.value.code == "token-malformed"


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        token = parse_token(text)
    except InvalidInput:
        return
    assert re.fullmatch(TOKEN_PATTERN, token.text)
