"""The pkcs11: provider on a real token: what the token holds, and every way in which it must not open."""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import closing
from pathlib import Path

import pytest
from backends import PIN, private

from transforms.errors import KeyUnavailable
from transforms.keyring.admin import init
from transforms.keyring.keyset import KEK_MONTHS, add_months
from transforms.keyring.open import open_keyset, open_provider

pkcs11 = pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
# pkcs11.mechanisms, .constants and so on are all in the package's own name space.
Attribute = pkcs11.Attribute


def session_of(token):
    return pkcs11.lib(str(token.module)).get_token(token_label=token.label).open(user_pin=PIN, rw=True)


def keks(session) -> set[str]:
    return {key.label for key in session.get_objects({Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY})}


def refusal_of(uri: str, today) -> KeyUnavailable:
    with pytest.raises(KeyUnavailable) as refusal:
        open_keyset(uri, "uniform", today)
    assert refusal.value.exit_status == 30
    assert refusal.value.place
    assert refusal.value.hint
    assert PIN not in "".join(traceback.format_exception(refusal.value))
    return refusal.value


@pytest.fixture
def uri(token, tmp_path, today) -> str:
    uri = token.uri(tmp_path / "keys")
    init(uri, ["uniform"], today)
    return uri


def changed(uri: str, there, directory: Path, **changes: str) -> str:
    label = uri.partition("object=")[2].partition(";")[0]
    return there.uri(directory, **{"object": label} | changes)


def test_the_key_encryption_key_is_made_in_the_token_and_cannot_leave_it(token, tmp_path, today):
    uri = token.uri(tmp_path / "keys", object="kek-that-stays")
    init(uri, ["uniform"], today)
    with session_of(token) as session:
        key = session.get_key(label="kek-that-stays", object_class=pkcs11.ObjectClass.SECRET_KEY)
        assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE], key[Attribute.NEVER_EXTRACTABLE]) == (True, False, True)
        assert (key.key_type, key.key_length, key[Attribute.WRAP], key[Attribute.UNWRAP]) == (pkcs11.KeyType.AES, 256, False, False)
        assert bytes(key[Attribute.ID]) == f"supplier-views/kek {today}".encode()
        with pytest.raises(pkcs11.AttributeSensitive):
            key[Attribute.VALUE]


def test_a_key_that_is_there_already_is_used_and_keeps_its_age(token, tmp_path, today):
    uri = token.uri(tmp_path / "one")
    init(uri, ["uniform"], today)
    second = changed(uri, token, tmp_path / "two")
    init(second, ["uniform"], add_months(today, 6))
    with closing(open_provider(second)) as provider:
        assert provider.kek_expires() == add_months(today, KEK_MONTHS)


def test_a_key_that_does_not_say_how_old_it_is_is_refused(token, tmp_path, today):
    template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
    with session_of(token) as session:
        session.generate_key(pkcs11.KeyType.AES, 256, id=b"1", label="undated", store=True, template=template)
    with pytest.raises(KeyUnavailable) as refusal:
        init(token.uri(tmp_path / "keys", object="undated"), ["uniform"], today)
    assert refusal.value.code == "kek-undated"


@pytest.mark.parametrize(
    ("bits", "changes"),
    [(256, {"EXTRACTABLE": True}), (256, {"SENSITIVE": False}), (256, {"DECRYPT": False}), (128, {})],
)
def test_a_key_that_can_leave_the_token_or_is_too_short_is_refused(token, tmp_path, today, bits, changes):
    template = {"SENSITIVE": True, "EXTRACTABLE": False, "ENCRYPT": True, "DECRYPT": True} | changes
    label = f"unfit-{bits}-{'-'.join(changes)}"
    with session_of(token) as session:
        session.generate_key(
            pkcs11.KeyType.AES, bits, id=f"supplier-views/kek {today}".encode(), label=label, store=True,
            template={getattr(Attribute, name): value for name, value in template.items()},
        )  # fmt: skip
    with pytest.raises(KeyUnavailable) as refusal:
        init(token.uri(tmp_path / "keys", object=label), ["uniform"], today)
    assert refusal.value.code == "kek-unfit"
    assert not (tmp_path / "keys" / "kek.json").exists()


def test_a_wrong_pin_is_called_that_and_not_repeated(uri, token, tmp_path, today):
    wrong = private(tmp_path / "wrong", "0815-4711")
    refusal = refusal_of(changed(uri, token, tmp_path / "keys", pin=f"file:{wrong}"), today)
    assert refusal.code == "key-pin-wrong"
    assert "0815-4711" not in "".join(traceback.format_exception(refusal))
    assert (
        refusal_of(changed(uri, token, tmp_path / "keys", pin=str(private(tmp_path / "empty", "\n"))), today).code
        == "key-pin-wrong"
    )
    open_keyset(uri, "uniform", today)  # and the token still serves whoever knows it


def test_a_pin_file_that_others_can_read_is_refused(uri, token, tmp_path, today):
    exposed = private(tmp_path / "exposed", PIN)
    exposed.chmod(0o644)
    assert refusal_of(changed(uri, token, tmp_path / "keys", pin=str(exposed)), today).code == "key-file-exposed"


def test_a_pin_file_that_is_missing_is_named(uri, token, tmp_path, today):
    refusal = refusal_of(changed(uri, token, tmp_path / "keys", pin=str(tmp_path / "none")), today)
    assert (refusal.code, refusal.place) == ("key-file-missing", str(tmp_path / "none"))


def test_a_token_that_is_not_there_is_called_that(uri, token, tmp_path, today):
    assert refusal_of(changed(uri, token, tmp_path / "keys", token="farce"), today).code == "key-token-missing"


def test_a_token_whose_serial_number_is_another_is_not_taken(uri, token, tmp_path, today):
    refusal = refusal_of(changed(uri, token, tmp_path / "keys", token="force;serial=0000"), today)
    assert refusal.code == "key-token-missing"


def test_two_tokens_of_one_name_are_not_guessed_between(uri, token, tmp_path, today):
    refusal = refusal_of(changed(uri, token, tmp_path / "keys", token="twin"), today)
    assert (refusal.code, "serial" in refusal.hint) == ("key-token-missing", True)


def test_a_key_that_is_not_in_the_token_is_called_that_and_not_made_anew(uri, token, tmp_path, today):
    gone = changed(uri, token, tmp_path / "keys", object="gone")
    assert refusal_of(gone, today).code == "kek-missing"
    with pytest.raises(KeyUnavailable):
        init(gone, ["uniform"], today)
    with session_of(token) as session:
        assert "gone" not in keks(session)


def test_two_keys_of_one_name_are_not_guessed_between(uri, token, today):
    label = uri.partition("object=")[2].partition(";")[0]
    with session_of(token) as session:
        session.generate_key(pkcs11.KeyType.AES, 256, label=label, store=True)
    assert refusal_of(uri, today).code == "kek-missing"


def test_a_module_that_is_missing_no_module_or_open_to_others_is_refused(uri, token, tmp_path, today):
    text = private(tmp_path / "text.so", "not a library")
    copied = tmp_path / "copied.so"
    copied.write_bytes(token.module.read_bytes())
    copied.chmod(0o666)
    for module in (tmp_path / "none.so", text, copied):
        refusal = refusal_of(changed(uri, token, tmp_path / "keys", module=str(module)), today)
        assert (refusal.code, refusal.place) == ("key-module-unusable", str(module))


def test_many_threads_open_keysets_at_once(uri, today):
    expected = open_keyset(uri, "uniform", today).key()
    found = []
    threads = [threading.Thread(target=lambda: found.append(open_keyset(uri, "uniform", today).key())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_a_call_that_hangs_ends_in_time_and_keeps_those_after_it_out():
    from transforms.keyring.pkcs11 import within

    turn, release = threading.Lock(), threading.Event()
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            within(0.05, turn, release.wait)
        assert time.monotonic() - started < 5
    release.set()
    assert within(5, turn, lambda: 7) == 7
