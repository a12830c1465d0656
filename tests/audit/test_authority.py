"""The authority file is closed: what is unknown, doubled or of the wrong kind stops the desk."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipelines.audit.authority import load_authority
from pipelines.audit.keys import Role, make_key, open_approver_key, open_auditor_key
from transforms.errors import InvalidInput, KeyUnavailable


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    return {role: make_key(role, tmp_path / f"{role}.key") for role in Role}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "resolving.toml"
    path.write_text(text)
    return path


def sound(keys: dict[str, str]) -> str:
    return f'shows = []\n[auditor]\npublic_key = "{keys["auditor"]}"\n[approvers]\n"a" = "{keys["approver"]}"\n'


def test_what_keygen_prints_is_what_the_file_takes(tmp_path: Path, keys: dict[str, str]) -> None:
    authority = load_authority(write(tmp_path, sound(keys)))
    assert authority.approvers["a"] == open_approver_key(tmp_path / "approver.key").public_bytes()
    assert authority.auditor == open_auditor_key(tmp_path / "auditor.key").public_key()


@pytest.mark.parametrize(
    "change",
    [
        lambda text, keys: text + '"b" = "' + keys["approver"] + '"\n',
        lambda text, keys: text + '"A" = "' + keys["approver"] + '"\n',
        lambda text, keys: text.replace(keys["auditor"], keys["approver"]),
        lambda text, keys: text.replace(keys["approver"], keys["auditor"]),
        lambda text, keys: text.replace(keys["approver"], "ed25519:AAAA"),
        lambda text, keys: text.replace(keys["approver"], "ed25519:?"),
        lambda text, keys: text + "[limits]\ntokens_per_hour = 0\n",
        lambda text, keys: text + "[limits]\ntokens_per_hour = true\n",
        lambda text, keys: text + "[limits]\ntokens_per_minute = 1\n",
        lambda text, keys: text.replace("shows = []", ""),
        lambda text, keys: "shows",
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, keys: dict[str, str], change) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput) as refusal:
        load_authority(write(tmp_path, change(sound(keys), keys)))
    assert refusal.value.code == "authority-invalid"


def test_a_private_key_is_private_and_never_overwritten(tmp_path: Path, keys: dict[str, str]) -> None:
    path = tmp_path / "auditor.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyUnavailable):
        make_key(Role.AUDITOR, path)
    assert len(set(keys.values())) == 2
    path.chmod(0o640)
    with pytest.raises(KeyUnavailable):
        open_auditor_key(path)


def test_one_role_does_not_take_the_other_ones_key(tmp_path: Path, keys: dict[str, str]) -> None:
    assert set(keys) == {"auditor", "approver"}
    with pytest.raises(KeyUnavailable):
        open_auditor_key(tmp_path / "approver.key")
    with pytest.raises(KeyUnavailable):
        open_approver_key(tmp_path / "auditor.key")
