"""The `awskms:` provider: keysets in a private directory, their key-encryption key (KEK) a symmetric key of AWS KMS.

Wrapping is the service's Encrypt with an encryption context, which it authenticates as associated data (AWS KMS Developer Guide,
"Encryption context"). The context is the SHA-256 of ours: the service logs it, and a supplier's name is none of its business.
Decrypt names the key, so that what another key wrapped does not open.

Credentials are those that AWS's client finds by itself: a role of the instance or container, or a profile. None is in the URI.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as NotConnected

from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring.location import AwsKmsLocation, location_of
from transforms.keyring.outside import OutsideKek

_CONTEXT: Final = "supplier-views-context"
_ATTEMPTS: Final = 2
_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 5
_NOT_OURS: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_DENIED: Final = frozenset({
    "AccessDenied", "AccessDeniedException", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId",
    "InvalidSignatureException", "MissingAuthenticationToken", "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch",
    "UnrecognizedClientException",
})  # fmt: skip
_DISABLED: Final = frozenset({"DisabledException", "KMSInvalidStateException", "KeyUnavailableException"})
_NAME: Final = re.compile(r"[A-Za-z]{1,64}")


class AwsKmsProvider(OutsideKek):
    """Keysets under an `awskms:` URI."""

    __slots__ = ("_client", "_location")

    def __init__(self, uri: str) -> None:
        location = location_of(uri)
        if not isinstance(location, AwsKmsLocation):
            raise InternalError("another provider's URI was given to the awskms provider")
        super().__init__(location.directory, "awskms", location.key_arn)
        self._location = location
        self._client: Any = None

    def find_kek(self, day: date) -> date:
        """The day on which AWS KMS made the key; see `OutsideKek`. The key is made by whoever administers the account.

        Rotation inside the service is not counted: what it keeps of older material still opens what that wrapped [C11].
        """
        key = self._call(lambda client: client.describe_key(KeyId=self._location.key_arn)["KeyMetadata"])
        if key.get("KeyState") != "Enabled":
            raise self._disabled()
        if key.get("KeyUsage") != "ENCRYPT_DECRYPT" or key.get("KeySpec") != "SYMMETRIC_DEFAULT":
            raise KeyUnavailable(
                "the key is not a symmetric one for encryption", place=self._whose, code="kek-unfit",
                hint="make a key of the specification SYMMETRIC_DEFAULT and the usage ENCRYPT_DECRYPT",
            )  # fmt: skip
        made: date = key["CreationDate"].astimezone(UTC).date()
        return min(made, day)

    def encrypt(self, raw: memoryview, context: bytes) -> bytes:
        """What the service answers; see `OutsideKek`."""
        plaintext = bytes(raw)  # the client takes no other kind, and this copy cannot be wiped
        wrapped: bytes = self._call(
            lambda client: client.encrypt(
                KeyId=self._location.key_arn, Plaintext=plaintext, EncryptionContext=_encryption_context(context)
            )["CiphertextBlob"]
        )
        return wrapped

    def decrypt(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The key, or None; see `OutsideKek`."""
        if not wrapped:
            return None

        def request(client: Any) -> bytes | None:
            answer = client.decrypt(
                KeyId=self._location.key_arn, CiphertextBlob=wrapped, EncryptionContext=_encryption_context(context)
            )
            raw: bytes = answer["Plaintext"]
            return raw if answer["KeyId"] == self._location.key_arn else None

        opened: bytes | None = self._call(request, not_ours=True)
        return opened

    def close(self) -> None:
        """Closes the connections to the service."""
        super().close()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _call(self, request: Callable[[Any], Any], *, not_ours: bool = False) -> Any:
        """The service's answer; None if it says that the ciphertext is not its own and `not_ours` expects that it may."""
        _keep_out_of_logs()
        try:
            if self._client is None:
                self._client = boto3.session.Session().client(
                    "kms", region_name=self._location.region, endpoint_url=self._location.endpoint, config=_config()
                )
            return request(self._client)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if not_ours and code in _NOT_OURS:
                return None
            raise self._refusal(code) from None
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound):
            raise KeyUnavailable(
                "there are no credentials for AWS KMS", place=self._whose, code="key-service-denied",
                hint="run with a role of the instance, or with a profile",
            ) from None  # fmt: skip
        except (NotConnected, HTTPClientError):
            raise KeyUnavailable(
                "AWS KMS cannot be reached", place=self._whose, code="key-service-unreachable",
                hint="check the network, the region in the key's ARN, and the endpoint if the key URI names one",
            ) from None  # fmt: skip
        except BotoCoreError as error:
            raise self._refusal(type(error).__name__) from None
        except (KeyError, ValueError):
            raise self._refusal("no answer of a key service") from None

    def _refusal(self, code: str) -> KeyUnavailable:
        if code in _DISABLED:
            return self._disabled()
        if code in _DENIED:
            return KeyUnavailable(
                "AWS KMS denies access to the key", place=self._whose, code="key-service-denied",
                hint="the role needs kms:Encrypt and kms:Decrypt on it, and kms:DescribeKey to make a store",
            )  # fmt: skip
        if code == "NotFoundException":
            return KeyUnavailable(
                "AWS KMS knows no such key in that region and account", place=self._whose, code="kek-missing",
                hint="check the region and the account in the key's ARN",
            )  # fmt: skip
        name = code if _NAME.fullmatch(code) else "not an answer that it gives"
        return KeyUnavailable(
            f"AWS KMS failed ({name})", place=self._whose, code="key-service-failed",
            hint="try again, then ask the account's people",
        )  # fmt: skip

    def _disabled(self) -> KeyUnavailable:
        return KeyUnavailable(
            "the key is disabled, about to be deleted, or not ready", place=self._whose, code="kek-disabled",
            hint="enable it in AWS KMS; a deletion can be cancelled until its day",
        )  # fmt: skip


def _encryption_context(context: bytes) -> Mapping[str, str]:
    return {_CONTEXT: hashlib.sha256(context).hexdigest()}


def _config() -> Config:
    # Every endpoint stands in the URI, where it is checked: one from the environment could be a listener without TLS.
    return Config(
        connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, ignore_configured_endpoint_urls=True,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )  # fmt: skip


def _keep_out_of_logs() -> None:
    """At DEBUG the client writes requests and answers, and so keys, to whatever handler there is [C14]."""
    for name in ("botocore", *(known for known in logging.root.manager.loggerDict if known.startswith("botocore."))):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
