"""A reference to a photo leads to a regular file in the store, or to a refusal."""

from __future__ import annotations

import io
import os
import socket
import threading
from pathlib import Path

import pytest
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.localfilesystem import LocalFileSystem

from transforms.photos.model import PhotoRefused, RefusalCode
from transforms.steps.photo_store import read_photo

LIMIT = 1000


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    (store / "a" / "b").mkdir(parents=True)
    (store / "photo.jpg").write_bytes(b"one photo")
    (store / "a" / "b" / "photo.jpg").write_bytes(b"another")
    (tmp_path / "outside.jpg").write_bytes(b"not in the store")
    return store


def _refusal(store: Path | str, reference: str | None, limit: int = LIMIT) -> RefusalCode:
    with pytest.raises(PhotoRefused) as refused:
        read_photo(str(store), reference, limit)
    return refused.value.code


@pytest.mark.parametrize(("reference", "photo"), [("photo.jpg", b"one photo"), ("a/b/photo.jpg", b"another")])
def test_a_photo_is_read_from_the_store_and_from_below_it(store: Path, reference: str, photo: bytes) -> None:
    assert read_photo(str(store), reference, LIMIT) == photo


def test_a_store_that_is_itself_a_link_is_read(store: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store)
    assert read_photo(str(tmp_path / "link"), "photo.jpg", LIMIT) == b"one photo"


def test_a_relative_store_is_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    assert read_photo("store", "photo.jpg", LIMIT) == b"one photo"


def test_a_link_that_stays_in_the_store_is_followed(store: Path) -> None:
    (store / "same.jpg").symlink_to(store / "a" / "b" / "photo.jpg")
    assert read_photo(str(store), "same.jpg", LIMIT) == b"another"


@pytest.mark.parametrize(
    "reference",
    [
        "../outside.jpg",
        "a/../../outside.jpg",
        "a/../photo.jpg",
        "./photo.jpg",
        "a//b/photo.jpg",
        "/",
        "",
        "a/b/",
        "a\\b",
        "..\\x",
        "a\0b",
    ],
)
def test_a_reference_that_is_no_plain_path_is_refused(store: Path, reference: str) -> None:
    assert _refusal(store, reference) is RefusalCode.PATH


def test_an_absolute_path_is_refused_even_into_the_store(store: Path) -> None:
    assert _refusal(store, str(store / "photo.jpg")) is RefusalCode.PATH


@pytest.mark.parametrize("reference", ["none.jpg", "a/none.jpg", "photo.jpg/more.jpg", None])
def test_a_photo_that_is_not_there_is_missing(store: Path, reference: str | None) -> None:
    assert _refusal(store, reference) is RefusalCode.MISSING


def test_a_name_that_is_too_long_for_a_file_is_missing(store: Path) -> None:
    assert _refusal(store, "x" * 5000) is RefusalCode.MISSING


def test_a_link_out_of_the_store_is_refused(store: Path, tmp_path: Path) -> None:
    (store / "out.jpg").symlink_to(tmp_path / "outside.jpg")
    (store / "relative.jpg").symlink_to("../outside.jpg")
    (store / "chain.jpg").symlink_to(store / "out.jpg")
    (store / "folder").symlink_to(tmp_path)
    for reference in ("out.jpg", "relative.jpg", "chain.jpg", "folder/outside.jpg"):
        assert _refusal(store, reference) is RefusalCode.PATH


def test_a_store_beside_one_with_a_longer_name_is_not_mistaken_for_it(store: Path, tmp_path: Path) -> None:
    (tmp_path / "store-two").mkdir()
    (tmp_path / "store-two" / "photo.jpg").write_bytes(b"other")
    (store / "out.jpg").symlink_to(tmp_path / "store-two" / "photo.jpg")
    assert _refusal(store, "out.jpg") is RefusalCode.PATH


def test_a_dangling_link_is_missing_and_a_loop_is_refused(store: Path) -> None:
    (store / "dangling.jpg").symlink_to(store / "none.jpg")
    (store / "loop.jpg").symlink_to(store / "loop.jpg")
    assert _refusal(store, "dangling.jpg") is RefusalCode.MISSING
    assert _refusal(store, "loop.jpg") in (RefusalCode.PATH, RefusalCode.MISSING)


def test_what_is_no_regular_file_is_refused_at_once(store: Path) -> None:
    (store / "directory.jpg").mkdir()
    os.mkfifo(store / "pipe.jpg")
    (store / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(store / "socket.jpg"))
        outcomes: dict[str, RefusalCode] = {}

        def ask() -> None:
            for name in ("directory.jpg", "pipe.jpg", "device.jpg", "socket.jpg"):
                outcomes[name] = _refusal(store, name)

        # A pipe that nobody writes to would hold the reader for ever.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert {name: outcomes[name] for name in ("directory.jpg", "pipe.jpg", "device.jpg")} == dict.fromkeys(
        ("directory.jpg", "pipe.jpg", "device.jpg"), RefusalCode.PATH
    )
    assert outcomes["socket.jpg"] in (RefusalCode.PATH, RefusalCode.MISSING)


def test_a_file_of_the_limit_is_read_and_a_larger_one_refused(store: Path) -> None:
    (store / "full.jpg").write_bytes(b"x" * LIMIT)
    (store / "more.jpg").write_bytes(b"x" * (LIMIT + 1))
    assert len(read_photo(str(store), "full.jpg", LIMIT)) == LIMIT
    assert _refusal(store, "more.jpg") is RefusalCode.TOO_MANY_BYTES


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system shows no processes as files")
def test_a_file_with_more_bytes_than_it_says_or_none_that_can_be_read_is_refused() -> None:
    # Both are regular files of no bytes by their status, as one that is being written may be, and one on a bad disk.
    assert _refusal("/proc/self", "status", 100) is RefusalCode.TOO_MANY_BYTES
    assert _refusal("/proc/self", "mem") is RefusalCode.MISSING


REMOTE = {
    "remote://bucket/photos/photo.jpg": b"from afar",
    "remote://bucket/photos/full.jpg": b"x" * LIMIT,
    "remote://bucket/photos/more.jpg": b"x" * (LIMIT + 1),
    "remote://bucket/outside.jpg": b"not in the store",
}


class RemoteFileSystem(LocalFileSystem):
    """A file system that Beam finds by its scheme, and that has the files of REMOTE."""

    @classmethod
    def scheme(cls) -> str:
        return "remote"

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join((basepath.rstrip("/"), *paths))

    def open(self, path: str, *options: object, **more: object) -> io.BytesIO:
        if path not in REMOTE:
            raise BeamIOError("no such file", {path: FileNotFoundError()})
        return io.BytesIO(REMOTE[path])


def test_a_url_is_read_through_beam_with_the_same_refusals() -> None:
    store = "remote://bucket/photos"
    assert read_photo(store, "photo.jpg", LIMIT) == b"from afar"
    assert len(read_photo(store, "full.jpg", LIMIT)) == LIMIT
    assert _refusal(store, "more.jpg") is RefusalCode.TOO_MANY_BYTES
    assert _refusal(store, "none.jpg") is RefusalCode.MISSING
    assert _refusal(store, "../outside.jpg") is RefusalCode.PATH
    assert _refusal(store, None) is RefusalCode.MISSING


def test_no_descriptor_stays_open(store: Path) -> None:
    (store / "directory.jpg").mkdir()
    before = _descriptors()
    for reference in ("photo.jpg", "none.jpg", "directory.jpg", "../outside.jpg") * 5:
        try:
            read_photo(str(store), reference, 3 if reference == "photo.jpg" else LIMIT)
        except PhotoRefused:
            continue
    assert _descriptors() == before


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
