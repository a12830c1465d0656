"""Starts a SoftHSM token of this process's own, and moto's AWS KMS over HTTP; gives tests the URIs of every provider."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from backends import MODULES, PIN, REGION, TODAY, KeyService, Token, environment, private


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    module = next((Path(path) for path in MODULES if Path(path).exists()), None)
    if module is None:
        pytest.skip("SoftHSM is not installed; make test-keys installs it")
    place = tmp_path_factory.mktemp("softhsm")
    (place / "tokens").mkdir(0o700)
    settings = place / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {place / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    with environment(SOFTHSM2_CONF=str(settings)):
        # Both before the library is loaded: it looks for tokens once.
        for label in ("force", "twin", "twin"):
            arguments = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "8-so-pin-8"]
            subprocess.run(["softhsm2-util", *arguments], check=True, stdout=subprocess.DEVNULL)
        yield Token(module, "force", private(place / "pin", PIN + "\n"))


@pytest.fixture(scope="session")
def kms() -> Iterator[KeyService]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": "testing"}
    with environment(**credentials, AWS_CONFIG_FILE="/nonexistent", AWS_EC2_METADATA_DISABLED="true", AWS_PROFILE=None):
        yield KeyService(endpoint, boto3.client("kms", region_name=REGION, endpoint_url=endpoint))
    server.stop()


NewUri = Callable[[Path], str]


def _new_uri(kind: str, request: pytest.FixtureRequest) -> NewUri:
    if kind == "file":
        return lambda directory: f"file:{directory}"
    backend: Token | KeyService = request.getfixturevalue({"pkcs11": "token", "awskms": "kms"}[kind])
    return lambda directory: backend.uri(directory)


NEXT = {"file": "pkcs11", "pkcs11": "awskms", "awskms": "file"}


@pytest.fixture(params=NEXT)
def kind(request: pytest.FixtureRequest) -> str:
    """The provider under test."""
    kind: str = request.param
    return kind


@pytest.fixture
def new_uri(kind: str, request: pytest.FixtureRequest) -> NewUri:
    """Gives a directory a URI of the provider under test, with a key-encryption key of its own."""
    return _new_uri(kind, request)


@pytest.fixture
def other_uri(kind: str, request: pytest.FixtureRequest) -> NewUri:
    """As `new_uri`, of the provider after it, so that each is left once and reached once."""
    return _new_uri(NEXT[kind], request)


@pytest.fixture
def today() -> date:
    """The day on which every key here is made."""
    return TODAY
