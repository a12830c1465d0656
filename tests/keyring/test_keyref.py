"""A key reference says where, and never holds a secret."""

import contextlib
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import UsageError
from transforms.keyring.keyref import KeyRef
from transforms.keyring.location import AwsKmsLocation, FileLocation, Pkcs11Location, location_of

ARN = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-4000-8000-000000000000"
PKCS11 = "pkcs11:token=force;object=kek?module-path=/m.so&pin-source=/run/pin&directory=/k"


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        (PKCS11, Pkcs11Location(Path("/k"), Path("/m.so"), Path("/run/pin"), "force", None, "kek")),
        (
            "pkcs11:serial=0%3B1;object=a%20b;type=secret-key?directory=k&module-path=/m&pin-source=file:/run/p%26q",
            Pkcs11Location(Path("k"), Path("/m"), Path("/run/p&q"), None, "0;1", "a b"),
        ),
        (f"awskms:{ARN}?directory=/k", AwsKmsLocation(Path("/k"), ARN, "eu-west-2", None)),
        (
            f"awskms:{ARN}?directory=k%3F&endpoint=https%3A%2F%2Fkms.example",
            AwsKmsLocation(Path("k?"), ARN, "eu-west-2", "https://kms.example"),
        ),
        (f"awskms:{ARN}?directory=k&endpoint=http://[::1]:9", AwsKmsLocation(Path("k"), ARN, "eu-west-2", "http://[::1]:9")),
    ],
)
def test_a_key_that_stays_elsewhere_is_named_by_its_uri(uri, location):
    assert location_of(uri) == location
    assert KeyRef(uri, "uniform").uri == uri


@pytest.mark.parametrize(
    ("uri", "directory", "passphrase_file"),
    [
        ("file:/etc/keys", "/etc/keys", None),
        ("file:///etc/keys", "/etc/keys", None),
        ("file:local/keys", "local/keys", None),
        ("file:/a%20b%3Fc", "/a b?c", None),
        ("file:/k?passphrase-file=/run/c+d/p%26q", "/k", "/run/c+d/p&q"),
    ],
)
def test_a_file_uri_names_a_directory_and_perhaps_a_passphrase_file(uri, directory, passphrase_file):
    assert location_of(uri) == FileLocation(Path(directory), Path(passphrase_file) if passphrase_file else None)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/etc/keys",
        "file",
        "file:",
        "files:/etc/keys",
        "FILE:/etc/keys",
        "file://host/etc/keys",
        "file:/etc/keys#x",
        "file:/etc/keys?passphrase-file=",
        "file:/etc/keys?passphrase-file=a&passphrase-file=b",
        "file:/etc/keys?passphrase-fil=a",
        "file:/etc/keys?x",
        "file:/etc\n/keys",
        "file://[/keys",
        "pkcs11:token=force",
        f"{PKCS11}&pin-value=1",
        f"{PKCS11}&directory=/k2",
        f"{PKCS11}&slot=1",
        PKCS11.replace("object=kek", "id=%01"),
        PKCS11.replace("object=kek", "object="),
        PKCS11.replace("token=force;", ""),
        PKCS11.replace("token=force;", "token=force;token=farce;"),
        PKCS11.replace("token=force", "token=force%0A"),
        PKCS11.replace("kek?", "kek;type=private?"),
        PKCS11.replace("module-path=/", "module-path="),
        PKCS11.replace("pin-source=/run/pin", "pin-source=|/bin/cat"),
        PKCS11.replace("&pin-source=/run/pin", ""),
        PKCS11.replace("pkcs11:", "pkcs11://host/"),
        "awskms:",
        f"awskms:{ARN}",
        f"awskms:{ARN}?directory=",
        f"awskms:{ARN}?directory=/k&region=eu-west-1",
        f"awskms:{ARN.replace('key/', 'alias/')}?directory=/k",
        f"awskms:{ARN.rpartition('/')[2]}?directory=/k",
        f"awskms:{ARN}?directory=/k&endpoint=http://kms.example",
        f"awskms:{ARN}?directory=/k&endpoint=http://127.0.0.1.example",
        f"awskms:{ARN}?directory=/k&endpoint=https://name:word@kms.example",
        f"awskms:{ARN}?directory=/k&endpoint=https://[",
        f"awskms:{ARN}?directory=/k&endpoint=ftp://127.0.0.1",
    ],
)
def test_a_uri_of_no_known_form_is_refused_with_the_known_forms(uri):
    with pytest.raises(UsageError) as refusal:
        KeyRef(uri, "uniform")
    assert refusal.value.place == "key URI"
    assert "file:DIR?passphrase-file=PATH" in refusal.value.hint


@pytest.mark.parametrize(
    "uri",
    [
        "file:/k?passphrase=hunter2-hunter2",
        "pkcs11:token=t?pin-value=hunter2-hunter2",
        f"{PKCS11}&pin-value=hunter2-hunter2",
        f"awskms:{ARN}?directory=/k&endpoint=https://u:hunter2-hunter2@h",
        "hunter2-hunter2:/k",
    ],
)
def test_a_secret_in_a_uri_is_refused_and_not_repeated(uri):
    with pytest.raises(UsageError) as refusal:
        KeyRef(uri, "uniform")
    assert "hunter2" not in f"{refusal.value} {refusal.value.hint} {refusal.value!r}"


@given(st.sampled_from(["file:", "pkcs11:", f"awskms:{ARN}?directory=", PKCS11]), st.text(max_size=30))
def test_any_text_is_a_location_or_a_usage_error(start, text):
    with contextlib.suppress(UsageError):
        assert str(location_of(f"{start}{text}").directory)


@pytest.mark.parametrize("name", ["", "a", "A1", "1a", "a/b", "..", "a.b", "a_b", "a" * 42, "uniform\n", "ünif"])
def test_a_name_that_is_no_keyset_name_is_refused(name):
    with pytest.raises(UsageError, match="does not match"):
        KeyRef("file:/etc/keys", name)


def test_a_reference_survives_a_pickle():
    ref = KeyRef("file:/etc/keys", "uniform")
    assert pickle.loads(pickle.dumps(ref)) == ref  # noqa: S301
