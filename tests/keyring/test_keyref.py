"""A key reference says where, and never holds a secret."""

import contextlib
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import UsageError
from transforms.keyring.keyref import FileLocation, KeyRef, file_location


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
    assert file_location(uri) == FileLocation(Path(directory), Path(passphrase_file) if passphrase_file else None)


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
    ],
)
def test_a_uri_of_no_known_form_is_refused_with_the_known_forms(uri):
    with pytest.raises(UsageError) as refusal:
        KeyRef(uri, "uniform")
    assert refusal.value.place == "key URI"
    assert "file:DIR?passphrase-file=PATH" in refusal.value.hint


@pytest.mark.parametrize(
    "uri", ["file:/k?passphrase=hunter2-hunter2", "pkcs11:token=t?pin-value=hunter2-hunter2", "hunter2-hunter2:/k"]
)
def test_a_secret_in_a_uri_is_refused_and_not_repeated(uri):
    with pytest.raises(UsageError) as refusal:
        KeyRef(uri, "uniform")
    assert "hunter2" not in f"{refusal.value} {refusal.value.hint} {refusal.value!r}"


@given(st.text(max_size=30))
def test_any_text_is_a_location_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        assert str(file_location(f"file:{text}").directory)


@pytest.mark.parametrize("name", ["", "a", "A1", "1a", "a/b", "..", "a.b", "a_b", "a" * 42, "uniform\n", "ünif"])
def test_a_name_that_is_no_keyset_name_is_refused(name):
    with pytest.raises(UsageError, match="does not match"):
        KeyRef("file:/etc/keys", name)


def test_a_reference_survives_a_pickle():
    ref = KeyRef("file:/etc/keys", "uniform")
    assert pickle.loads(pickle.dumps(ref)) == ref  # noqa: S301
