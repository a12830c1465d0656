"""What may travel in place of a key: the URI of where it is kept and the name of the keyset to open there.

::

    file:DIR                          opened by the key file DIR/kek.key
    file:DIR?passphrase-file=PATH     opened by the passphrase in PATH (Argon2id)

DIR and PATH are percent-decoded (RFC 3986), relative ones are taken from the working directory. A URI never holds a secret: it is
seen in process lists and logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from transforms.errors import UsageError
from transforms.keyring.keyset import check_name

SCHEMES: Final = ("file",)
_FORMS: Final = "the known forms are file:DIR and file:DIR?passphrase-file=PATH"


@dataclass(frozen=True, slots=True)
class KeyRef:
    """The keyset `opens` (a supplier, or a reserved name) under the URI `uri`; safe to pickle.

    Errors: UsageError if the URI or the name is not one that can be opened. Nothing is looked up yet.
    """

    uri: str
    opens: str

    def __post_init__(self) -> None:
        check_name(self.opens)
        file_location(self.uri)


@dataclass(frozen=True, slots=True)
class FileLocation:
    """Where the `file:` provider keeps its keysets; `passphrase_file` is None where a key file opens them."""

    directory: Path
    passphrase_file: Path | None


def scheme_of(uri: str) -> str:
    """The provider that the URI names; UsageError, which does not quote the URI, if it is not a known one."""
    scheme, colon, _ = uri.partition(":")
    if not colon or scheme not in SCHEMES:
        raise UsageError("it names no known provider", place="key URI", hint=_FORMS, code="key-uri-invalid")
    return scheme


def file_location(uri: str) -> FileLocation:
    """The parts of a `file:` URI; UsageError, which quotes no value, if a part is missing, repeated or unknown."""
    scheme_of(uri)
    # urlsplit drops line ends and tabs without a word; a name that holds them would silently be another name.
    if any(ord(character) < 32 for character in uri):
        raise _refusal("it holds a control character")
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise _refusal("it cannot be read as a URI") from None
    if parts.netloc or parts.fragment:
        raise _refusal("a file key URI has no host and no fragment")
    if not parts.path:
        raise _refusal("a file key URI needs a directory")
    passphrase_file: Path | None = None
    for parameter in parts.query.split("&") if parts.query else ():
        name, _, value = parameter.partition("=")
        if name == "passphrase":
            raise _refusal("a passphrase does not belong where others can see it")
        if name != "passphrase-file" or not value or passphrase_file is not None:
            raise _refusal("a file key URI takes one parameter, passphrase-file, once")
        passphrase_file = Path(unquote(value))
    return FileLocation(Path(unquote(parts.path)), passphrase_file)


def _refusal(rule: str) -> UsageError:
    return UsageError(rule, place="key URI", hint=_FORMS, code="key-uri-invalid")
