"""The rule that a security operations centre searches with finds every token, and nothing in a million other lines [T6]."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from transforms.policy.token_size import BUCKETS
from transforms.tokens.column import TokenForm, make_tokens
from transforms.tokens.derive import tokenise
from transforms.tokens.format import ALPHABET, format_tokens

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "finding-leaked-tokens.md").read_text()
LINES = 1_000_000
POOL = 2_000


def published(kind: str) -> re.Pattern[str]:
    (found,) = re.findall(rf"^```{kind}\n(.*)\n```$", PAGE, re.M)
    return re.compile(found)


RULE = published("regex")
WIDE = published("regex-wide")
SHORT = published("regex-short")


@pytest.fixture(scope="module")
def tokens() -> list[str]:
    """Tokens of 60,000 people by the column path, and of 40,000 random MACs under every kind of prefix and epoch."""
    people = pa.array([f"{number:08d}" for number in range(60_000)])
    made = tokenise(bytes(range(32)), "WC1-", people, [people]).text.to_pylist()
    macs = np.random.default_rng(1).integers(0, 256, (10_000, 16), np.uint8)
    macs[:32] = 0
    for prefix in ("UN12-", "ZZZ999-", "MARK1-", "AB999999999-"):
        made += format_tokens(prefix, macs, np.ones(len(macs), np.bool_)).to_pylist()
    return made


@pytest.mark.parametrize("rule", [RULE, WIDE], ids=["rule", "wide rule"])
def test_every_token_is_found_wherever_it_stands(tokens, rule):
    assert len(tokens) == 100_000
    for around in ("{}", "x,{},y", '"{}"', "https://h/{}.jpg?a={}", "token={};", "({})", "\t{}\n", "-{}-", "é{}é", "photos/{}.jpg"):
        assert all(token in rule.findall(around.format(token, token)) for token in tokens)


@pytest.fixture(scope="module")
def columns():
    """Columns of tokens of every other kind, of every size that a policy can lead to."""
    people = pa.array([f"{number:08d}" for number in range(200)])
    sizes = [("reversible", bucket) for bucket in BUCKETS] + [("short", 8), ("digits", 8)]
    made = {}
    for kind, size in sizes:
        form = TokenForm(kind, "uniform", 12, "person_token", "UN12-", ("pay_number",), 0, size)
        key = bytes(range(64 if kind == "reversible" else 32))
        made[kind, size] = make_tokens(key, form, people, [people]).text.to_pylist()
    return made


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_reversible_token_of_any_bucket_is_found_whole(columns, bucket):
    for token in columns["reversible", bucket]:
        assert RULE.findall(f"x {token} y") == [token]
        assert WIDE.search(f"x {token} y")


def test_a_short_token_is_found_by_the_rule_that_names_the_prefixes_and_by_no_other(columns):
    for token in columns["short", 8]:
        assert SHORT.findall(f"x {token},{token[:-1]} y{token}") == [token]
        assert not RULE.search(token)
        assert not WIDE.search(token)


def test_a_bare_number_is_found_by_no_rule_as_the_page_says(columns):
    assert not [token for token in columns["digits", 8] if RULE.search(token) or WIDE.search(token) or SHORT.search(token)]


def fragments(chance: random.Random) -> list[list[str]]:
    """What other text is full of, most of it in capitals and with hyphens, as tokens are."""

    def many(make) -> list[str]:
        return [make() for _ in range(POOL)]

    def some(alphabet: str, *sizes: int) -> str:
        return "-".join("".join(chance.choices(alphabet, k=size)) for size in sizes)

    letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
    raw = chance.randbytes
    return [
        many(lambda: str(uuid.UUID(bytes=raw(16))).upper()),
        many(lambda: str(uuid.UUID(bytes=raw(16)))),
        many(lambda: f"SHA256-{hashlib.sha256(raw(8)).hexdigest().upper()}"),
        many(lambda: f"SHA1-{hashlib.sha256(raw(8)).hexdigest()[:40].upper()}"),
        many(lambda: f"MD5-{raw(16).hex().upper()}"),
        many(lambda: f"sha384-{base64.b64encode(raw(48)).decode()}"),
        many(lambda: base64.urlsafe_b64encode(raw(chance.randrange(12, 60))).decode()),
        many(lambda: base64.b32encode(raw(20)).decode()),
        many(lambda: f"ID{chance.randrange(1, 10**6)}-{some(ALPHABET, 26)}"),  # a ULID behind a label
        many(lambda: some(letters + digits, 5, 5, 5, 5, 5)),  # licence keys
        many(lambda: f"{some(letters, 2)}{some(digits, 2)} {some(letters, 3)}"),  # number plates
        many(lambda: f"{some(letters, 3)}{chance.randrange(1, 9999)}-{some(digits, 12)}"),  # part numbers
        many(lambda: f"{some(letters, 4)}{chance.randrange(1, 99)}-{some(letters + digits, 16)}"),  # one symbol short
        many(lambda: f"{some(letters, 3)}{chance.randrange(1, 99)}-{some(ALPHABET, 18)}"),  # one symbol long
        many(lambda: f"GB{some(digits, 2)}{some(letters, 4)}{some(digits, 14)}"),  # bank accounts
        many(lambda: f"2026-11-{chance.randrange(1, 31):02d}T{chance.randrange(24):02d}:{chance.randrange(60):02d}:00Z"),
        many(lambda: f"wc1-{some(ALPHABET.lower(), 17)}"),
        many(lambda: f"WC1_{some(ALPHABET, 17)}"),
        many(lambda: f"WC0-{some(ALPHABET, 17)}"),
        many(lambda: f"W1-{some(ALPHABET, 17)}"),
        many(lambda: f"{some(digits, 3)}.{some(digits, 2)}.{some(digits, 1)}.{some(digits, 3)}"),
        many(lambda: chance.choice(["ERROR", "GET /index", "user logged in", "O'Neill, Siobhan", "PO1-RECEIVED", "CVE-2026-1"])),
    ]


def test_nothing_is_found_in_a_million_lines_of_other_text():
    chance = random.Random(2026)  # noqa: S311 - the same lines each time
    pools = fragments(chance)
    found = seen = wide = 0
    for _ in range(LINES // POOL):
        one, two, three = (chance.choice(pools) for _ in range(3))
        shift = chance.randrange(POOL)
        lines = [f"{a} {b}={c}" for a, b, c in zip(one, two[shift:] + two[:shift], reversed(three), strict=True)]
        text = "\n".join(lines)
        seen += len(lines)
        found += len(RULE.findall(text))
        wide += len(WIDE.findall(text))
    assert (seen, found) == (LINES, 0)
    assert wide > 0  # the corpus is one that a careless rule would trip over


def test_the_check_symbol_tells_most_texts_that_only_look_like_tokens(tokens):
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    names: dict = {}
    exec(code, names)  # noqa: S102 - the page's own words
    chance = random.Random(5)  # noqa: S311 - the same texts each time
    forged = [f"WC1-{''.join(chance.choices(ALPHABET, k=17))}" for _ in range(3_200)]
    assert all(RULE.fullmatch(text) for text in forged)
    assert all(names["is_token"](token) for token in tokens[:1_000])
    assert 50 <= sum(names["is_token"](text) for text in forged) <= 160
