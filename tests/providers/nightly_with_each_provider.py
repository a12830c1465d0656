"""The whole nightly run, from the command line, with keys that stay in a token and in a key service: run by `make test-keys`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from transforms.keyring.envelope import unwrap_all
from transforms.keyring.open import open_provider

# The command line with every logger at DEBUG, as a careless operator would have it.
TALKATIVE = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s %(message)s")
from pipelines.cli import main
main(sys.argv[1:])
"""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DATE = ("--date", "2026-11-24")


def types(place: Path, *words: str) -> dict:
    summary, _ = observed(place, *words)
    return summary


def observed(place: Path, *words: str) -> tuple[dict, dict[str, bytes]]:
    """Runs a command line at its most talkative; its summary, and what others could see while it ran and afterwards.

    That is what it printed and logged, every command line and environment of it and its children, and all files under its
    directory, which holds its temporary files too.
    """
    (place / "tmp").mkdir(exist_ok=True)
    printed = {name: place / "tmp" / name for name in ("stdout", "stderr")}
    seen: dict[str, bytes] = {}
    with printed["stdout"].open("wb") as out, printed["stderr"].open("wb") as err:
        variables = os.environ | {"TMPDIR": str(place / "tmp")}
        run = subprocess.Popen([sys.executable, "-c", TALKATIVE, *words], cwd=place, stdout=out, stderr=err, env=variables)
        while run.poll() is None:
            for pid in family(run.pid):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        seen[f"/proc/{pid}/{name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
            for path in place.rglob("*"):
                with suppress(OSError):
                    if path.is_file() and str(path) not in seen:
                        seen[str(path)] = path.read_bytes()
            time.sleep(0.1)
    assert run.returncode == 0, printed["stderr"].read_text()[-3000:]
    seen |= {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    return json.loads(printed["stdout"].read_text().splitlines()[-1]), seen


def family(pid: int) -> list[int]:
    """A process and its descendants, as far as they still live."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found.extend(map(int, children.read_text().split()))
    return found


def forms(secret: bytes) -> list[bytes]:
    """A secret raw, in hexadecimal, and in base 64 at any place of a longer text."""
    coded = [base64.b64encode(bytes(pad) + secret)[4 if pad else 0 : -4] for pad in range(3)]
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), *coded]


def known_keys(uri: str) -> dict[str, bytes]:
    found = {}
    with closing(open_provider(uri)) as provider:
        for name in provider.names():
            for epoch, key in unwrap_all(provider, provider.read(name)).items():
                with key:
                    found[f"{name}/{epoch}"] = bytes(key.reveal())
    return found


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    types(place, "demo-data", "--people", "60", "--seed", "1", "--photo-mp", "0.3", "--out", "export")
    return place / "export"


def releases(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place / "out")): path.read_bytes() for path in sorted((place / "out").glob("*/*/people.csv"))}


def hold_no_secret(shown: dict[str, bytes], secrets: dict[str, bytes]) -> None:
    # What was looked through is what there was to look through.
    assert len(secrets) == 6
    assert sum(place.endswith("/cmdline") for place in shown) > 1
    assert any(b"transforms.photos.child" in content for content in shown.values())
    assert any(b"TMPDIR=" in content for place, content in shown.items() if place.endswith("/environ"))
    assert any(b"DEBUG" in content for place, content in shown.items() if place.endswith("/stderr"))
    assert any(place.endswith(".arrow") for place in shown)
    assert any(place.endswith("/people.csv") for place in shown)
    searched = {name: forms(secret) for name, secret in secrets.items()}
    found = [(name, place) for name, coded in searched.items() for place in shown if any(form in shown[place] for form in coded)]
    assert found == []


def test_the_search_finds_a_secret_in_every_form():
    secret = bytes(range(0x91, 0x91 + 32))
    texts = [b"x" + secret, secret.hex().encode(), secret.hex().upper().encode()]
    texts += [base64.b64encode(before + secret + b"z") for before in (b"", b"1", b"12", b"123")]
    assert all(any(form in text for form in forms(secret)) for text in texts)
    assert not any(form in text for form in forms(bytes(32)) for text in texts)


def test_a_night_with_keys_that_moved_elsewhere_gives_the_same_tokens_and_shows_no_key(export, tmp_path, token, kms):
    policies = ("--policies", str(EXAMPLES / "suppliers"))
    uris = {
        "file": f"file:{tmp_path / 'file-keys'}",
        "pkcs11": token.uri(tmp_path / "token-keys"),
        "awskms": kms.uri(tmp_path / "service-keys"),
    }
    types(tmp_path, "keys", "init", "--keys", uris["file"], *policies)
    types(tmp_path, "keys", "rewrap", "--keys", uris["file"], "--to", uris["pkcs11"])
    types(tmp_path, "keys", "rewrap", "--keys", uris["pkcs11"], "--to", uris["awskms"])
    seen = {}
    for kind, uri in uris.items():
        place = tmp_path / kind
        place.mkdir()
        source = ("--export", str(export / "hr-export.csv"), "--photos", str(export / "photos"))
        types(
            place, "run", "--contract", str(EXAMPLES / "hr-export.yaml"), *policies, *source, "--keys", uri, "--out", "out", *DATE
        )
        seen[kind] = releases(place)
    assert len(seen["file"]) == 3
    assert seen["file"] == seen["pkcs11"] == seen["awskms"]
