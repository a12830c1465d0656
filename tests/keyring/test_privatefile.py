"""Private files: refused when others can reach them, written whole or not at all."""

import os
import stat
import struct
from pathlib import Path

import pytest

from transforms.errors import KeyUnavailable, StoreUnavailable
from transforms.keyring.privatefile import (
    check_private_directory,
    create_whole,
    make_private_directory,
    read_private,
    replace_whole,
)

NOBODY = 0xFFFFFFFF
OTHER_USER = 54321


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    create_whole(path, b"hush")
    return path


def refusal_of(path: Path, limit: int = 100) -> KeyUnavailable:
    with pytest.raises(KeyUnavailable) as refusal:
        read_private(path, limit, what="key file")
    assert refusal.value.place == str(path)
    assert refusal.value.hint
    return refusal.value


def give_list(path: Path, *, user: int, group: int = 0) -> None:
    """Opens the file to one more user with an access control list, as systemd does with credentials."""
    entries = [(0x01, 4, NOBODY), (0x02, 4, user), (0x04, group, NOBODY), (0x10, 4, NOBODY), (0x20, 0, NOBODY)]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", value)
    except OSError:
        pytest.skip("this file system has no access control lists")
    assert stat.S_IMODE(path.stat().st_mode) & 0o040  # the mask shows where the group's bits are


def test_a_private_file_is_read_whole(secret):
    assert read_private(secret, 4, what="key file") == b"hush"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o440])
def test_a_file_open_to_group_or_others_is_refused(secret, mode):
    secret.chmod(mode)
    refusal = refusal_of(secret)
    assert refusal.code == "key-file-exposed"
    assert "chmod 600" in refusal.hint


def test_a_link_to_a_private_file_is_refused(secret, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(secret)
    assert refusal_of(link).code == "key-file-exposed"


def test_a_directory_in_the_place_of_a_private_file_is_refused(tmp_path):
    tmp_path.chmod(0o700)
    assert refusal_of(tmp_path).code == "key-file-exposed"


def test_a_pipe_in_the_place_of_a_private_file_is_refused_without_waiting_for_its_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal_of(tmp_path / "pipe").code == "key-file-exposed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(secret):
    os.chown(secret, OTHER_USER, -1)
    assert refusal_of(secret).code == "key-file-exposed"


def test_a_missing_file_is_told_from_an_exposed_one(tmp_path):
    assert refusal_of(tmp_path / "none").code == "key-file-missing"


def test_a_file_that_is_too_long_is_refused(secret):
    assert refusal_of(secret, limit=3).code == "key-file-unreadable"


def test_a_list_that_opens_the_file_to_this_user_alone_is_accepted(secret):
    give_list(secret, user=os.geteuid())
    assert read_private(secret, 4, what="passphrase file") == b"hush"


def test_a_list_that_opens_the_file_to_another_user_is_refused(secret):
    give_list(secret, user=OTHER_USER)
    assert refusal_of(secret).code == "key-file-exposed"


def test_a_list_that_opens_the_file_to_its_group_is_refused(secret):
    give_list(secret, user=os.geteuid(), group=4)
    assert refusal_of(secret).code == "key-file-exposed"


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o710, 0o777])
def test_a_directory_open_to_group_or_others_is_refused(tmp_path, mode):
    tmp_path.chmod(mode)
    with pytest.raises(KeyUnavailable, match="open to group or others") as refusal:
        check_private_directory(tmp_path)
    assert "chmod 700" in refusal.value.hint


def test_a_link_to_a_private_directory_is_refused(tmp_path):
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(KeyUnavailable, match="symbolic link"):
        check_private_directory(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path):
    tmp_path.chmod(0o700)
    os.chown(tmp_path, OTHER_USER, -1)
    with pytest.raises(KeyUnavailable, match="another user"):
        check_private_directory(tmp_path)


def test_missing_parents_are_as_private_as_the_directory(tmp_path):
    make_private_directory(tmp_path / "a" / "b")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")] == [0o700, 0o700]


def test_creating_never_replaces(secret):
    assert create_whole(secret, b"other") is False
    assert secret.read_bytes() == b"hush"


def test_replacing_gives_the_file_its_mode_back(secret):
    secret.chmod(0o644)
    replace_whole(secret, b"new")
    assert secret.read_bytes() == b"new"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@pytest.mark.parametrize("write", [create_whole, replace_whole])
def test_a_writer_leaves_nothing_but_its_file(tmp_path, write):
    write(tmp_path / "file", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("write", [create_whole, replace_whole])
def test_a_store_that_cannot_be_written_says_so_without_the_content(tmp_path, write):
    with pytest.raises(StoreUnavailable, match="cannot be written") as refusal:
        write(tmp_path / "missing" / "file", b"hush")
    assert refusal.value.place == str(tmp_path / "missing" / "file")
    assert "hush" not in repr(refusal.value)


def test_a_replacement_that_fails_leaves_the_older_file_and_nothing_else(tmp_path):
    (tmp_path / "busy").mkdir()  # a file cannot be renamed over a directory
    with pytest.raises(StoreUnavailable):
        replace_whole(tmp_path / "busy", b"hush")
    assert [path.name for path in tmp_path.iterdir()] == ["busy"]
