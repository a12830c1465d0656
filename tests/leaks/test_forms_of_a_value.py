"""The forms that an accident gives a value: each is found in text that nothing explains, and ordinary words are not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

Nights = Callable[..., Any]

# Two names of a person and all that HR writes of one; a surname of two letters, one with an accent, one that capitals change.
PERSON = {
    "surname": ["Okonkwo", "Li", "Ngũgĩ", "Strauß", "Smith", "Wainwright-Ho", "Block", "Long", "Lock", "Rice", "Wu"],
    "forenames": ["Bronwen", "Kofi Mensah", "Zoë", "Jean-Luc", "Sam", "Ada", "Ben", "Ada", "Bea", "Pat", "Eva"],
    "email": ["p00120034@force.example", "jvz.qrt@force.example"],
    "phone": ["+44 7911 654 321", "07900120035"],
    "warrant_number": ["115713", "115720", "202704"],
}
SMITHS = b"Smith, Sam (00120034)"


def hashed(name: str, value: str = "00120034", encoding: str = "utf-8") -> Any:
    return hashlib.new(name, value.encode(encoding))


FORMS = {
    "as is": "Okonkwo",
    "in capitals": "OKONKWO",
    "folded as capitals fold": "STRAUSS",
    "in compatibility letters": "Ｏｋｏｎｋｗｏ",
    "with accents apart": "Ngu\u0303gi\u0303",
    "without accents": "Ngugi",
    "surname first": "Wu, Eva",
    "surname last": "eva WU",
    "with a stop between": "eva.wu",
    "an initial and a surname": "K. Li",
    "all initials and a surname": "KM Li",
    "initials with stops": "K. M. Li",
    "a surname and an initial": "Li K",
    "an initial glued to a surname": "ssmith",
    "a surname glued to an initial": "smiths7",
    "names glued": "samsmith",
    "names glued, surname first": "SmithSam.old",
    "in words that capitals tell apart": "lockerOfSmithNow",
    "beside digits": "smith2019",
    "beside underscores": "x_smith_y",
    "half of a double name": "wainwright",
    "inside a longer word": "xxwainwrightxx",
    "without leading zeros": "120034",
    "without leading zeros, inside text": "no.120034/7",
    "digits inside longer text": "ref00120034b",
    "digits inside longer digits": "9900120034001",
    "a number in groups": "00-12-00-34",
    "a telephone number without its marks": "call 447911654321",
    "a telephone number in other groups": "on +44 (7911) 654321",
    "a collar number inside a word": "xCW3034y",
    "an address inside a link": "mailto:P00120034@force.example?x",
    "the local part": "by jvz.qrt",
    "the local part inside a word": "xp00120034y",
    "URL-encoded": "Sm%69th%2C%20Sam",
    "URL-encoded all through": "%53%6D%69%74%68",
    "URL-encoded with accents": "Ng%C5%A9g%C4%A9",
    "URL-encoded with pluses": "name=Li%2c+Kofi",
    "HTML-encoded": "Ng&#361;g&#x129;",
    "HTML-encoded by name": "Zo&euml; Ng&utilde;g&itilde; &amp; Okonk&#119;o",
    "in hexadecimal": SMITHS.hex(),
    "in hexadecimal from an odd digit on": "f" + SMITHS.hex(),
    "in hexadecimal with marks": SMITHS.hex(":"),
    "a number in hexadecimal": b"00120034".hex().upper(),
    "two-byte text in hexadecimal": "Smith".encode("utf-16-le").hex(),
    **{f"base 64, alignment {n}": base64.b64encode(b"\xfe\xff"[:n] + SMITHS + b"\xff").decode() for n in range(3)},
    **{f"base 64 cut off before {n}": base64.b64encode(b"\xfe\xff" + SMITHS).decode()[n:] for n in range(1, 4)},
    "base 64 without padding": base64.b64encode(b"Smith").decode().rstrip("="),
    "base 64 inside text": f"id={base64.b64encode(b'Okonkwo').decode()};",
    "base 64 of the URL alphabet": base64.urlsafe_b64encode("Ngũgĩ>>???".encode()).decode(),
    "two-byte text in base 64": base64.b64encode("Ngũgĩ".encode("utf-16-le")).decode(),
    "two-byte text, the other order, in base 64": base64.b64encode("Smith".encode("utf-16-be")).decode(),
    "base 64 of a link": base64.b64encode(b"?n=%53mith").decode(),
    **{f"{name} in hexadecimal": hashed(name).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")},
    **{f"{name} in capitals": hashed(name).hexdigest().upper() for name in ("md5", "sha1", "sha256", "sha512")},
    **{
        f"{name} in base 64": f"id {base64.b64encode(hashed(name).digest()).decode()}"
        for name in ("md5", "sha1", "sha256", "sha512")
    },
    **{f"{name} in base 32": base64.b32encode(hashed(name).digest()).decode() for name in ("md5", "sha1", "sha256", "sha512")},
    "a digest in base 64 without padding": base64.urlsafe_b64encode(hashed("sha256").digest()).decode().rstrip("="),
    "a digest in base 32 without padding": base64.b32encode(hashed("md5").digest()).decode().rstrip("=").lower(),
    "a digest inside text": f"id sha256:{hashed('sha256').hexdigest()}.",
    "a digest written as a UUID": "{:.8}-{:.4}-{:.4}-{:.4}-{:.12}".format(
        *(hashed("md5").hexdigest()[n:] for n in (0, 8, 12, 16, 20))
    ),
    "a digest of a surname": hashed("md5", "Okonkwo").hexdigest(),
    "a digest of a surname in capitals": hashed("sha1", "OKONKWO").hexdigest(),
    "a digest of an address in small letters": hashed("sha256", "p00120034@force.example").hexdigest(),
    "a digest of a number without zeros": hashed("sha256", "120034").hexdigest(),
    "a digest of two-byte text": hashed("sha256", "00120034", "utf-16-le").hexdigest(),
    "a digest of a line": hashed("sha256", "00120034\n").hexdigest(),
}
ORDINARY = [
    "Block 3", "locks of lockers", "along the wall", "Plong", "priced", "blocker", "Ng", "a1b2c3d4e5f6", "2026-11-23", "2027-04",
    "20 27-04", "9912345", "deadbeef" * 7, "SGVsbG8sIHdvcmxk", "%41%42%43%44", "&amp;&#65;",
]  # fmt: skip


def with_lockers(night: Nights, *texts: str) -> Any:
    return night("lockers", people=60, cells={**PERSON, "locker": ["A 1", *texts]})


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_a_value_is_found(night: Nights, form: str) -> None:
    refused = with_lockers(night, FORMS[form]).refusal()
    assert "raw-value: people.csv column locker row" in refused.rule
    assert FORMS[form] not in str(refused) + repr(refused)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_word_is_no_form_of_a_value(night: Nights, text: str) -> None:
    people = {**PERSON, "surname": [name for name in PERSON["surname"] if name not in {"Block"}]}
    staged = night("lockers", people=60, cells={**people, "locker": ["A 1", text]})
    assert staged.judge().supplier == "lockers"


def test_a_digest_in_a_file_name_and_in_a_label_of_the_contract_is_found(night: Nights) -> None:
    staged = with_lockers(night, "A 2")
    staged.write(hashed("sha1").hexdigest(), b"")
    assert "raw-value: the release directory, a file name" in staged.refusal().rule
