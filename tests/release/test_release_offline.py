from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.release.dsse import sign_envelope
from pipelines.release.manifest import PAYLOAD_TYPE, open_manifest, render_statement, sign_manifest
from pipelines.release.offline import verify_release, verify_sequence
from transforms.errors import Refused
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey

if TYPE_CHECKING:
    from conftest import World

DAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def release(world: World) -> Path:
    return world.publish(world.clean()).directory


@pytest.fixture
def key(signer: SigningKey) -> bytes:
    return signer.public_bytes()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_single_changed_byte_is_found(release: Path, key: bytes, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(p for p in release.rglob("*") if p.is_file())))
    good = path.read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    path.write_bytes(good[:position] + bytes([good[position] ^ data.draw(st.integers(1, 255))]) + good[position + 1 :])
    try:
        with pytest.raises(Refused):
            verify_release(release, key)
    finally:
        path.write_bytes(good)
    verify_release(release, key)


def test_every_single_bit_of_the_manifest_counts(release: Path, key: bytes) -> None:
    good = (release / "manifest.json").read_bytes()
    for position in range(len(good)):
        other = bytearray(good)
        other[position] ^= 1
        with pytest.raises(Refused):
            open_manifest(bytes(other), (key,))


def _swap(release: Path) -> None:
    one, other = release / "README.txt", release / "people.csv"
    a, b = one.read_bytes(), other.read_bytes()
    one.write_bytes(b)
    other.write_bytes(a)


def _link(release: Path) -> None:
    (release / "README.txt").rename(release.parent / "elsewhere.txt")
    (release / "README.txt").symlink_to(release.parent / "elsewhere.txt")


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file too many": (lambda r: (r / "extra.txt").write_bytes(b""), "release-altered"),
    "a hidden file too many": (lambda r: (r / "photos" / ".extra").write_bytes(b""), "release-altered"),
    "a directory too many": (lambda r: (r / "empty").mkdir(), "release-altered"),
    "a file too few": (lambda r: (r / "README.txt").unlink(), "release-altered"),
    "two files swapped": (_swap, "release-altered"),
    "a file renamed": (lambda r: (r / "README.txt").rename(r / "readme.txt"), "release-altered"),
    "a file cut": (lambda r: (r / "people.csv").write_bytes(b""), "release-altered"),
    "a link to the same bytes": (_link, "not-a-regular-file"),
    "no manifest": (lambda r: (r / "manifest.json").unlink(), "manifest-missing"),
    "no release": (shutil.rmtree, "manifest-missing"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_release_that_is_not_whole_is_refused(release: Path, key: bytes, harm: str) -> None:
    act, code = HARM[harm]
    act(release)
    with pytest.raises(Refused) as caught:
        verify_release(release, key)
    assert caught.value.code == code


def test_a_release_signed_by_another_key_is_refused_whatever_its_key_id_says(release: Path, key: bytes) -> None:
    manifest = open_manifest((release / "manifest.json").read_bytes(), (key,))
    stranger = SigningKey(SecretKey(bytes(32)), epoch=1)
    (release / "manifest.json").write_bytes(sign_manifest(manifest, stranger))
    with pytest.raises(Refused) as caught:
        verify_release(release, key)
    assert caught.value.code == "signature-invalid"


def test_a_manifest_of_another_payload_type_is_refused(release: Path, key: bytes, signer: SigningKey) -> None:
    manifest = open_manifest((release / "manifest.json").read_bytes(), (key,))
    (release / "manifest.json").write_bytes(sign_envelope(render_statement(manifest), PAYLOAD_TYPE + "x", signer))
    with pytest.raises(Refused) as caught:
        verify_release(release, key)
    assert caught.value.code == "signature-invalid"


@pytest.fixture
def releases(world: World) -> list[Path]:
    return [world.publish(world.clean(DAY + timedelta(days=n)), now=NOON + timedelta(days=n)).directory for n in range(4)]


def test_releases_that_follow_one_another_verify_in_any_order(releases: list[Path], key: bytes) -> None:
    assert [m.sequence for m in verify_sequence([releases[n] for n in (2, 0, 3, 1)], key)] == [1, 2, 3, 4]
    assert [m.sequence for m in verify_sequence(releases[1:3], key)] == [2, 3]


@pytest.mark.parametrize("held", [(0, 2), (0, 1, 3), (0, 1, 1, 2)])
def test_a_gap_or_a_repeat_between_releases_is_found(releases: list[Path], key: bytes, held: tuple[int, ...]) -> None:
    with pytest.raises(Refused) as caught:
        verify_sequence([releases[n] for n in held], key)
    assert caught.value.code == "chain-broken"


def test_a_release_of_another_history_does_not_fit(releases: list[Path], key: bytes, new_world: Callable[[str], World]) -> None:
    other = new_world("other")
    other.publish(other.clean(files={"people.csv": b"person_token\r\n"}), now=NOON)
    forked = other.publish(other.clean(DAY + timedelta(days=1)), now=NOON + timedelta(days=1)).directory
    with pytest.raises(Refused) as caught:
        verify_sequence([releases[0], forked], key)
    assert caught.value.code == "chain-broken"
