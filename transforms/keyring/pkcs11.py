"""The `pkcs11:` provider: keysets in a private directory, their key-encryption key (KEK) in a token (OASIS PKCS#11; an HSM).

The KEK is an AES-256 secret key of the token that is sensitive and was never extractable. Wrapping is CKM_AES_GCM under a random
96-bit nonce, with the context as associated data, so the token itself checks the binding. The KEK's CKA_ID is
`supplier-views/kek YYYY-MM-DD`, the day it was made, because not every token keeps CKA_START_DATE.

Each call logs in and out again: login is a state of the whole process, and one thread's logout would be every thread's. The
calls of all providers take turns for the same reason, and because the library is initialised for one thread.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import date
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import (
    DataInvalid,
    DeviceRemoved,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    FunctionNotSupported,
    GeneralError,
    MechanismInvalid,
    MultipleTokensReturned,
    NoSuchToken,
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    TokenNotPresent,
    TokenNotRecognised,
    UserPinNotInitialized,
)

from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring import privatefile
from transforms.keyring.envelope import KEY_BYTES
from transforms.keyring.location import Pkcs11Location, location_of
from transforms.keyring.outside import OutsideKek

_SECONDS: Final = 30.0  # [P]: a device that is gone must not hold a nightly run until the morning
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_MAX_PIN: Final = 256
_ID: Final = "supplier-views/kek "
_OPEN_TO_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_TURN: Final = threading.Lock()

_MADE: Final = {
    Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: False,
    Attribute.ENCRYPT: True, Attribute.DECRYPT: True, Attribute.WRAP: False, Attribute.UNWRAP: False,
    Attribute.SIGN: False, Attribute.VERIFY: False, Attribute.DERIVE: False,
}  # fmt: skip
_DEMANDED: Final = {
    Attribute.KEY_TYPE: KeyType.AES, Attribute.VALUE_LEN: KEY_BYTES, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False,
    Attribute.ALWAYS_SENSITIVE: True, Attribute.NEVER_EXTRACTABLE: True, Attribute.ENCRYPT: True, Attribute.DECRYPT: True,
}  # fmt: skip

_T = TypeVar("_T")


class Pkcs11Provider(OutsideKek):
    """Keysets under a `pkcs11:` URI."""

    __slots__ = ("_location",)

    def __init__(self, uri: str) -> None:
        location = location_of(uri)
        if not isinstance(location, Pkcs11Location):
            raise InternalError("another provider's URI was given to the pkcs11 provider")
        super().__init__(location.directory, "pkcs11", f"token {location.token or location.serial}, object {location.label}")
        self._location = location

    def find_kek(self, day: date) -> date:
        """The KEK's day from its CKA_ID; a new KEK, made inside the token, where there is none. See `OutsideKek`.

        Errors: KeyUnavailable, also with the code `kek-undated`: a key of unknown age could be older than it may be [C11].
        """

        def find(session: pkcs11.Session) -> date | None:
            if not self._candidates(session):
                session.generate_key(
                    KeyType.AES, 8 * KEY_BYTES, id=f"{_ID}{day.isoformat()}".encode(), label=self._location.label, store=True,
                    template=_MADE,
                )  # fmt: skip
            return _day_in(bytes(self._kek(session)[Attribute.ID]))

        made = self._in_session(find, writes=True)
        if made is None:
            raise KeyUnavailable(
                "the key does not say since when it has existed", place=self._whose, code="kek-undated",
                hint=f"name an object that is not there yet, or give the key the id '{_ID}YYYY-MM-DD'",
            )  # fmt: skip
        return min(made, day)

    def encrypt(self, raw: memoryview, context: bytes) -> bytes:
        """Nonce, ciphertext and tag; see `OutsideKek`."""
        plaintext = bytes(raw)  # the client takes no other kind, and this copy cannot be wiped
        return self._in_session(lambda session: _encrypt(self._kek(session), plaintext, context))

    def decrypt(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The key, or None; see `OutsideKek`."""
        if len(wrapped) != _NONCE_BYTES + KEY_BYTES + _TAG_BYTES:
            return None
        return self._in_session(lambda session: _decrypt(self._kek(session), wrapped, context))

    def _in_session(self, use: Callable[[pkcs11.Session], _T], *, writes: bool = False) -> _T:
        """What `use` makes of a session in which the user is logged in. Errors: KeyUnavailable, whatever the token does."""
        pin = self._pin()
        self._check_module()

        def call() -> _T:
            token = self._token()
            with token.open(user_pin=pin, rw=writes) as session:
                return use(session)

        try:
            return within(_SECONDS, _TURN, call)
        except TimeoutError:
            raise KeyUnavailable(
                f"the token did not answer within {_SECONDS:.0f} seconds", place=self._whose, code="key-token-failed",
                hint="check the device and the network between",
            ) from None  # fmt: skip
        except PKCS11Error as error:
            raise self._refusal(error) from None

    def _pin(self) -> str:
        place = self._location.pin_file
        raw = privatefile.read_private(place, _MAX_PIN, what="PIN file")
        for line_end in (b"\n", b"\r"):  # an editor's line end is not part of the PIN
            if raw.endswith(line_end):
                raw.pop()
        try:
            pin = raw.decode()
        except UnicodeDecodeError:
            pin = ""
        if not pin:
            raise KeyUnavailable(
                "the PIN file is empty or no text", place=str(place), hint="write the user's PIN there", code="key-pin-wrong"
            )
        return pin

    def _check_module(self) -> None:
        """The module is code that runs here, with keys in reach: nobody else may be able to change it."""
        module = self._location.module
        try:
            status = module.stat()
            fault = "can be changed by group or others" if status.st_mode & _OPEN_TO_OTHERS else ""
            if status.st_uid not in (0, os.geteuid()):
                fault = "belongs to another user"
        except OSError:
            fault = "is missing or cannot be read"
        if fault:
            raise self._module_refusal(f"the token's module {fault}")

    def _module_refusal(self, rule: str) -> KeyUnavailable:
        return KeyUnavailable(
            rule, place=str(self._location.module), hint="check module-path and the package of the token's maker",
            code="key-module-unusable",
        )  # fmt: skip

    def _token(self) -> pkcs11.Token:
        try:
            library = pkcs11.lib(str(self._location.module))
        except PKCS11Error:
            raise self._module_refusal("the token's module cannot be loaded or started") from None
        wanted: dict[str, str | bytes] = {}
        if self._location.token is not None:
            wanted["token_label"] = self._location.token
        if self._location.serial is not None:
            wanted["token_serial"] = self._location.serial.encode()
        return library.get_token(**wanted)

    def _candidates(self, session: pkcs11.Session) -> list[pkcs11.SecretKey]:
        found = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: self._location.label})
        return [key for key in found if isinstance(key, pkcs11.SecretKey)]

    def _kek(self, session: pkcs11.Session) -> pkcs11.SecretKey:
        keys = self._candidates(session)
        if len(keys) != 1:
            raise KeyUnavailable(
                "the token holds no such key" if not keys else "the token holds more than one key of that name",
                place=self._whose, code="kek-missing",
                hint="check the key URI and the token; a key that was deleted is restored from the token's backup",
            )  # fmt: skip
        if any(keys[0][attribute] != value for attribute, value in _DEMANDED.items()):
            raise KeyUnavailable(
                "the key is no AES-256 key that was made in the token and can never leave it", place=self._whose,
                hint="let supplier-views keys init make one: name an object that is not there yet", code="kek-unfit",
            )  # fmt: skip
        return keys[0]

    def _refusal(self, error: PKCS11Error) -> KeyUnavailable:
        """What went wrong, by the kind of the error only: its text may quote."""
        match error:
            case PinLocked() | PinExpired() | UserPinNotInitialized():
                rule, code = "the user's PIN is locked, expired or not set", "key-pin-wrong"
                hint = "let the token's officer set it anew"
            case PinIncorrect() | PinInvalid() | PinLenRange():
                rule, code = "the PIN is wrong", "key-pin-wrong"
                hint = f"check {self._location.pin_file} before the next try: a token locks itself after a few"
            case MultipleTokensReturned():
                rule, code, hint = "more than one token has that name", "key-token-missing", "add serial to the key URI"
            case NoSuchToken() | TokenNotPresent() | TokenNotRecognised() | DeviceRemoved():
                rule, code = "the token is not there", "key-token-missing"
                hint = "check the key URI, the device, and the settings of its module"
            case MechanismInvalid() | FunctionNotSupported():
                rule, code, hint = "the token does not do AES-GCM", "kek-unfit", "use a token that has the mechanism CKM_AES_GCM"
            case _:
                rule, code, hint = f"the token failed ({type(error).__name__})", "key-token-failed", "check the device and its log"
        return KeyUnavailable(rule, place=self._whose, hint=hint, code=code)


def within(seconds: float, turn: threading.Lock, call: Callable[[], _T]) -> _T:
    """What `call` returns or raises, once it is its turn; TimeoutError if either takes longer than that.

    A call into foreign code cannot be ended. One that hangs keeps its turn, so that those after it are refused and do not pile up.
    """
    if not turn.acquire(timeout=seconds):
        raise TimeoutError
    done: Future[_T] = Future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            turn.release()
            done.set_exception(error)
        else:
            turn.release()
            done.set_result(result)

    threading.Thread(target=work, daemon=True).start()
    return done.result(timeout=seconds)


# A key's methods come from mix-ins that the client's types do not know: hence Any.


def _encrypt(kek: Any, plaintext: bytes, context: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    parameters = GCMParams(nonce, context, 8 * _TAG_BYTES)
    return nonce + bytes(kek.encrypt(plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))


def _decrypt(kek: Any, wrapped: bytes, context: bytes) -> bytes | None:
    parameters = GCMParams(wrapped[:_NONCE_BYTES], context, 8 * _TAG_BYTES)
    try:
        return bytes(kek.decrypt(wrapped[_NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters))
    except (EncryptedDataInvalid, EncryptedDataLenRange):
        return None
    except (DataInvalid, FunctionFailed, GeneralError):
        # Not every token names a wrong tag (SoftHSM: CKR_GENERAL_ERROR). One that still works with this key meant the tag.
        sample = bytes(KEY_BYTES)
        again = _encrypt(kek, sample, context)
        parameters = GCMParams(again[:_NONCE_BYTES], context, 8 * _TAG_BYTES)
        if bytes(kek.decrypt(again[_NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters)) != sample:
            raise
        return None


def _day_in(identifier: bytes) -> date | None:
    text = identifier.decode("ascii", "replace")
    try:
        return date.fromisoformat(text.removeprefix(_ID)) if text.startswith(_ID) else None
    except ValueError:
        return None
