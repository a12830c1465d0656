"""The awskms: provider over HTTP: what the service sees, and every answer that must not open a key."""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from backends import environment

from transforms.errors import KeyUnavailable
from transforms.keyring.admin import init
from transforms.keyring.open import open_keyset


@pytest.fixture
def arn(kms) -> str:
    return kms.make_key()


@pytest.fixture
def uri(kms, arn, tmp_path, today) -> str:
    uri = kms.uri(tmp_path / "keys", arn)
    init(uri, ["uniform"], today)
    return uri


def refusal_of(uri: str, today) -> KeyUnavailable:
    with pytest.raises(KeyUnavailable) as refusal:
        open_keyset(uri, "uniform", today)
    assert refusal.value.exit_status == 30
    assert refusal.value.place
    assert refusal.value.hint
    return refusal.value


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """The endpoint of a service that gives everybody the same answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_service_learns_no_supplier_s_name(kms, arn, tmp_path, today):
    seen = []

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(body)
            headers = {name: self.headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")}
            there = HTTPConnection(kms.endpoint.removeprefix("http://"))
            there.request("POST", "/", body, headers)
            content = there.getresponse().read()
            there.close()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    init(kms.uri(tmp_path / "keys", arn, f"http://127.0.0.1:{server.server_port}"), ["uniform"], today)
    server.shutdown()
    server.server_close()
    assert len(seen) > 5
    assert not any(b"uniform" in body for body in seen)
    contexts = {json.loads(body).get("EncryptionContext", {}).get("supplier-views-context") for body in seen} - {None}
    assert {len(context) for context in contexts} == {64}


def test_a_key_that_the_service_does_not_know_is_called_that(kms, tmp_path, today):
    unknown = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-4000-8000-000000000000"
    with pytest.raises(KeyUnavailable) as refusal:
        init(kms.uri(tmp_path / "keys", unknown), ["uniform"], today)
    assert refusal.value.code == "kek-missing"
    assert not (tmp_path / "keys" / "kek.json").exists()


def test_a_key_of_another_region_is_not_found_there(kms, arn, tmp_path, today):
    with pytest.raises(KeyUnavailable) as refusal:
        init(kms.uri(tmp_path / "keys", arn.replace("eu-west-2", "eu-west-1")), ["uniform"], today)
    assert refusal.value.code == "kek-missing"
    assert "region" in refusal.value.hint


def test_a_disabled_key_makes_no_store(kms, arn, tmp_path, today):
    kms.client.disable_key(KeyId=arn.rpartition("/")[2])
    with pytest.raises(KeyUnavailable) as refusal:
        init(kms.uri(tmp_path / "keys", arn), ["uniform"], today)
    assert refusal.value.code == "kek-disabled"


def test_a_key_that_is_not_for_encryption_makes_no_store(kms, tmp_path, today):
    arn = kms.make_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    with pytest.raises(KeyUnavailable) as refusal:
        init(kms.uri(tmp_path / "keys", arn), ["uniform"], today)
    assert refusal.value.code == "kek-unfit"


def test_a_key_that_is_about_to_be_deleted_makes_no_store(kms, arn, tmp_path, today):
    kms.client.schedule_key_deletion(KeyId=arn.rpartition("/")[2], PendingWindowInDays=7)
    with pytest.raises(KeyUnavailable) as refusal:
        init(kms.uri(tmp_path / "keys", arn), ["uniform"], today)
    assert refusal.value.code == "kek-disabled"


def test_what_another_key_wrapped_does_not_open(uri, kms, tmp_path, today):
    # AWS KMS itself answers IncorrectKeyException; moto says that access is denied.
    assert refusal_of(kms.uri(tmp_path / "keys"), today).code in ("kek-wrong", "key-service-denied")


# The errors of Decrypt in the AWS KMS API reference, and what is no answer of a key service at all.
ANSWERS = {
    "DisabledException": (400, "kek-disabled"),
    "KMSInvalidStateException": (400, "kek-disabled"),
    "KeyUnavailableException": (500, "kek-disabled"),
    "AccessDeniedException": (400, "key-service-denied"),
    "UnrecognizedClientException": (400, "key-service-denied"),
    "ExpiredTokenException": (400, "key-service-denied"),
    "NotFoundException": (400, "kek-missing"),
    "IncorrectKeyException": (400, "kek-wrong"),
    "InvalidCiphertextException": (400, "kek-wrong"),
    "ThrottlingException": (400, "key-service-failed"),
    "KMSInternalException": (500, "key-service-failed"),
    "hunter2 hunter2": (400, "key-service-failed"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_error_of_the_service_refuses_and_says_what_to_do(uri, kms, arn, tmp_path, today, name):
    status, code = ANSWERS[name]
    with answering(status, json.dumps({"__type": name, "message": "hunter2"}).encode()) as endpoint:
        refusal = refusal_of(kms.uri(tmp_path / "keys", arn, endpoint), today)
    assert refusal.code == code
    assert "hunter2" not in f"{refusal} {refusal.hint} {refusal!r}"


@pytest.mark.parametrize(
    "answer",
    [
        {"KeyId": "arn:aws:kms:eu-west-2:123456789012:key/another", "Plaintext": base64.b64encode(bytes(32)).decode()},
        {"Plaintext": base64.b64encode(bytes(32)).decode()},
        {"KeyId": "ARN", "Plaintext": base64.b64encode(bytes(16)).decode()},
        {"KeyId": "ARN"},
        {},
        {"KeyId": "ARN", "Plaintext": "!"},
    ],
)
def test_an_answer_that_names_another_key_or_has_no_key_of_ours_in_it_is_refused(uri, kms, arn, tmp_path, today, answer):
    body = json.dumps(answer).replace("ARN", arn).encode()
    with answering(200, body) as endpoint:
        assert refusal_of(kms.uri(tmp_path / "keys", arn, endpoint), today).code in (
            "kek-wrong", "key-service-failed", "key-unwrap-failed",
        )  # fmt: skip


def test_an_answer_that_is_no_json_is_refused(uri, kms, arn, tmp_path, today):
    with answering(200, b"<html>") as endpoint:
        assert refusal_of(kms.uri(tmp_path / "keys", arn, endpoint), today).code == "key-service-failed"


def test_a_service_that_is_not_there_is_called_unreachable(uri, kms, arn, tmp_path, today):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert refusal_of(kms.uri(tmp_path / "keys", arn, endpoint), today).code == "key-service-unreachable"


def test_a_service_that_never_answers_is_not_waited_for(uri, kms, arn, tmp_path, today):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        refusal = refusal_of(kms.uri(tmp_path / "keys", arn, f"http://127.0.0.1:{silent.getsockname()[1]}"), today)
        assert time.monotonic() - started < 60
    assert refusal.code == "key-service-unreachable"


def test_no_credentials_are_told_from_denied_access(uri, today):
    nothing = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None}
    with environment(**nothing, AWS_SHARED_CREDENTIALS_FILE="/nonexistent"):
        refusal = refusal_of(uri, today)
    assert (refusal.code, refusal.rule) == ("key-service-denied", "there are no credentials for AWS KMS")
    with environment(**nothing, AWS_PROFILE="hunter2"):
        assert "hunter2" not in repr(refusal_of(uri, today))


def test_an_endpoint_of_the_environment_is_not_followed(uri, today):
    with environment(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ENDPOINT_URL_KMS="http://127.0.0.1:9"):
        open_keyset(uri, "uniform", today)


def test_the_client_s_debug_log_holds_no_key(kms, arn, tmp_path, today):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root, clients = logging.getLogger(), [logging.getLogger(name) for name in ("botocore", "botocore.parsers", "urllib3")]
    levels = [logger.level for logger in (root, *clients)]
    root.addHandler(handler)
    try:
        for logger in (root, *clients):
            logger.setLevel(logging.DEBUG)
        uri = kms.uri(tmp_path / "keys", arn)
        init(uri, ["uniform"], today)
        key = bytes(open_keyset(uri, "uniform", today).key().reveal())
    finally:
        root.removeHandler(handler)
        for logger, level in zip((root, *clients), levels, strict=True):
            logger.setLevel(level)
    log = written.getvalue()
    assert "POST / HTTP" in log  # it did write
    assert not any(form in log for form in (base64.b64encode(key).decode(), key.hex(), repr(key)[2:-1]))


def test_a_store_may_lie_on_another_host_than_its_key(uri, tmp_path, today, kms, arn):
    moved = tmp_path / "restored"
    Path(tmp_path / "keys").rename(moved)
    assert open_keyset(kms.uri(moved, arn), "uniform", today).active.number == 1
