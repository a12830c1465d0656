"""The parts of a key URI: which provider, which directory, and which key-encryption key (KEK) opens it.

::

    file:DIR                          opened by the key file DIR/kek.key
    file:DIR?passphrase-file=PATH     opened by the passphrase in PATH (Argon2id)
    pkcs11:token=LABEL;object=LABEL?module-path=PATH&pin-source=PATH&directory=DIR        RFC 7512; the KEK is a token's
    awskms:ARN-OF-KEY?directory=DIR                                                       the KEK is a key of AWS KMS

Every part is percent-decoded (RFC 3986); relative paths are taken from the working directory. A URI never holds a secret: it is
seen in process lists and logs. Nothing here needs a vendor's client, so a URI is checked where none is installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from transforms.errors import UsageError

_FORMS: Final = (
    "the known forms are file:DIR, file:DIR?passphrase-file=PATH, "
    "pkcs11:token=LABEL;object=LABEL?module-path=PATH&pin-source=PATH&directory=DIR and awskms:KEY-ARN?directory=DIR"
)
# An alias could be pointed at another key; an ARN cannot. Partitions are aws, aws-cn, aws-us-gov and the like.
_KEY_ARN: Final = re.compile(r"arn:aws(?:-[a-z]+)*:kms:(?P<region>[a-z0-9-]{1,32}):[0-9]{12}:key/[A-Za-z0-9-]{1,64}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class FileLocation:
    """Where the `file:` provider keeps its keysets; `passphrase_file` is None where a key file opens them."""

    directory: Path
    passphrase_file: Path | None


@dataclass(frozen=True, slots=True)
class Pkcs11Location:
    """Keysets in a directory, their KEK the secret key `label` in the token that `token` or `serial`, or both, name.

    `module` is the PKCS#11 library of the token's maker, `pin_file` a private file with the user's PIN.
    """

    directory: Path
    module: Path
    pin_file: Path
    token: str | None
    serial: str | None
    label: str


@dataclass(frozen=True, slots=True)
class AwsKmsLocation:
    """Keysets in a directory, their KEK the key of that ARN; `endpoint` is None where the region's public one answers."""

    directory: Path
    key_arn: str
    region: str
    endpoint: str | None


Location = FileLocation | Pkcs11Location | AwsKmsLocation


def location_of(uri: str) -> Location:
    """The parts of a key URI.

    Errors: UsageError, which quotes no value, for an unknown scheme or a part that is missing, repeated, unknown or secret.
    """
    scheme, colon, _ = uri.partition(":")
    parse = _PARSERS.get(scheme) if colon else None
    if parse is None:
        raise _refusal("it names no known provider")
    return parse(uri)


def _file(uri: str) -> FileLocation:
    path, query = _split(uri, "file")
    if not path:
        raise _refusal("a file key URI needs a directory")
    if "passphrase" in query:
        raise _refusal("a passphrase does not belong where others can see it")
    if query.keys() - {"passphrase-file"}:
        raise _refusal("a file key URI takes one parameter, passphrase-file, once")
    passphrase_file = query.get("passphrase-file")
    return FileLocation(Path(unquote(path)), Path(passphrase_file) if passphrase_file else None)


def _pkcs11(uri: str) -> Pkcs11Location:
    path, query = _split(uri, "pkcs11")
    names = _attributes(path, ";", "pkcs11")
    if "pin-value" in query or "pin-value" in names:
        raise _refusal("a PIN does not belong where others can see it; name a private file with pin-source")
    if query.keys() != {"module-path", "pin-source", "directory"}:
        raise _refusal("a pkcs11 key URI takes module-path, pin-source and directory after the question mark, each once")
    if names.keys() - {"token", "serial", "object", "type"} or "object" not in names or not names.keys() & {"token", "serial"}:
        raise _refusal("a pkcs11 key URI names the key by object and the token by token or serial")
    if names.get("type", "secret-key") != "secret-key":
        raise _refusal("a key-encryption key is of the type secret-key")
    module = Path(query["module-path"])
    if not module.is_absolute():
        raise _refusal("module-path is an absolute path, or the loader would search for it")
    source = query["pin-source"].removeprefix("file:")
    if source.startswith("|"):
        raise _refusal("a PIN comes from a file, not from a command")
    return Pkcs11Location(Path(query["directory"]), module, Path(source), names.get("token"), names.get("serial"), names["object"])


def _awskms(uri: str) -> AwsKmsLocation:
    path, query = _split(uri, "awskms")
    arn = _KEY_ARN.fullmatch(path)
    if arn is None:
        raise _refusal("an awskms key URI names a key by its ARN, and no alias, which could be pointed at another key")
    if query.keys() - {"directory", "endpoint"} or "directory" not in query:
        raise _refusal("an awskms key URI takes directory, and perhaps endpoint, after the question mark, each once")
    return AwsKmsLocation(Path(query["directory"]), path, arn["region"], _endpoint(query.get("endpoint")))


def _endpoint(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise _refusal("its endpoint cannot be read as a URL") from None
    if not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise _refusal("its endpoint is a URL of a host, without a name, a password or a query")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise _refusal("its endpoint is not https, and keys would cross the network in the clear")
    return text


def _split(uri: str, scheme: str) -> tuple[str, Mapping[str, str]]:
    """The path as it stands and the decoded parameters after the question mark."""
    # urlsplit drops line ends and tabs without a word; a name that holds them would silently be another name.
    if any(ord(character) < 32 for character in uri):
        raise _refusal("it holds a control character")
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise _refusal("it cannot be read as a URI") from None
    if parts.netloc or parts.fragment:
        raise _refusal(f"a {scheme} key URI has no host and no fragment")
    return parts.path, _attributes(parts.query, "&", scheme)


def _attributes(text: str, separator: str, scheme: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(separator) if text else ():
        name, _, value = part.partition("=")
        decoded = unquote(value)
        if not name or not decoded or name in found or any(ord(character) < 32 for character in decoded):
            raise _refusal(f"a parameter of a {scheme} key URI is empty, twice there or holds a control character")
        found[name] = decoded
    return found


def _refusal(rule: str) -> UsageError:
    return UsageError(rule, place="key URI", hint=_FORMS, code="key-uri-invalid")


_PARSERS: Final[Mapping[str, Callable[[str], Location]]] = {"file": _file, "pkcs11": _pkcs11, "awskms": _awskms}
