"""The whole nightly run, from the command line, with keys that stay in a token and in a key service: run by `make test-keys`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DATE = ("--date", "2026-11-24")


def types(place: Path, *words: str) -> dict:
    done = subprocess.run([sys.executable, "-m", "pipelines.cli", *words], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    types(place, "demo-data", "--people", "60", "--seed", "1", "--photo-mp", "0.3", "--out", "export")
    return place / "export"


def releases(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place / "out")): path.read_bytes() for path in sorted((place / "out").glob("*/*/people.csv"))}


def test_a_night_with_keys_that_moved_elsewhere_gives_the_same_tokens(export, tmp_path, token, kms):
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
