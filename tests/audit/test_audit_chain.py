"""Whatever is done to the log or its checkpoints is found, and a crash is not taken for an attack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.audit.log import read_chain
from transforms.errors import Refused, StoreUnavailable, Unavailable

if TYPE_CHECKING:
    from conftest import Book


def test_a_log_that_nobody_touched_verifies(book: Book) -> None:
    book.write(5)
    verified = book.verify()
    assert [record.sequence for record in verified.chain.records] == [1, 2, 3, 4, 5]
    assert (verified.unconfirmed, verified.chain.torn) == (0, b"")


def test_a_log_that_was_never_begun_verifies(book: Book) -> None:
    assert book.verify().chain.records == ()


def edit(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"count":3', b'"count":1'), *lines[3:]]


def edit_last(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1].replace(b'"count":3', b'"count":1')]


def edit_sealed(lines: list[bytes]) -> list[bytes]:
    record = json.loads(lines[-1])
    sealed = record["sealed"]
    return [*lines[:-1], lines[-1].replace(sealed.encode(), sealed[::-1].encode())]


TAMPERING: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "edits a line": (edit, "audit-altered"),
    "edits the last line": (edit_last, "audit-forked"),
    "exchanges the last sealed part": (edit_sealed, "audit-forked"),
    "deletes the first line": (lambda lines: lines[1:], "audit-altered"),
    "deletes a line": (lambda lines: lines[:2] + lines[3:], "audit-altered"),
    "swaps two lines": (lambda lines: [lines[1], lines[0], *lines[2:]], "audit-altered"),
    "swaps the last two lines": (lambda lines: [*lines[:-2], lines[-1], lines[-2]], "audit-altered"),
    "doubles a line": (lambda lines: [*lines[:3], lines[2], *lines[3:]], "audit-altered"),
    "doubles the last line": (lambda lines: [*lines, lines[-1]], "audit-altered"),
    "cuts the last line": (lambda lines: lines[:-1], "audit-truncated"),
    "cuts all lines but one": (lambda lines: lines[:1], "audit-truncated"),
    "empties the log": (lambda lines: [], "audit-truncated"),
    "tears the last line": (lambda lines: [*lines[:-1], lines[-1][:40]], "audit-truncated"),
    "garbles the last line": (lambda lines: [*lines[:-1], b"x" * 40 + b"\n"], "audit-truncated"),
    "garbles a line": (lambda lines: [*lines[:2], b"x" * 40 + b"\n", *lines[3:]], "audit-altered"),
    "adds a line of no record between two": (lambda lines: [*lines[:2], b"note\n", *lines[2:]], "audit-altered"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_it_is_found_when_somebody(book: Book, how: str) -> None:
    book.write(5)
    tamper, code = TAMPERING[how]
    book.file.write_bytes(b"".join(tamper(book.lines)))
    with pytest.raises(Refused) as refusal:
        book.verify()
    assert refusal.value.code == code
    with pytest.raises(Refused):
        book.write()


def test_a_log_that_was_written_anew_from_some_point_is_found(book: Book, tmp_path: Path) -> None:
    book.write(3)
    other = book.copy(tmp_path / "other")
    book.write(2)
    other.write(2)
    book.file.write_bytes(other.file.read_bytes())
    with pytest.raises(Refused) as refusal:
        book.verify()
    assert refusal.value.code == "audit-forked"


def test_two_logs_cannot_be_confirmed_in_one_place(book: Book, tmp_path: Path) -> None:
    book.write(2)
    other = book.copy(tmp_path / "other")
    (tmp_path / "other" / "checkpoints").rename(tmp_path / "old")
    (tmp_path / "other" / "checkpoints").symlink_to(book.root / "checkpoints")
    with pytest.raises(StoreUnavailable):
        other.write()
    assert book.verify().unconfirmed == 0


def test_the_log_and_its_checkpoints_cut_alike_verify_so_checkpoints_belong_elsewhere(book: Book) -> None:
    book.write(3)
    book.file.write_bytes(b"".join(book.lines[:-1]))
    book.confirmation(3).unlink()
    assert len(book.verify().chain.records) == 2


@pytest.mark.parametrize("sequence", [1, 2, 3])
def test_a_checkpoint_that_was_edited_is_found(book: Book, sequence: int) -> None:
    book.write(3)
    path = book.confirmation(sequence)
    path.write_bytes(path.read_bytes().replace(b'"payload":"', b'"payload":"A'))
    with pytest.raises(Refused) as refusal:
        book.verify()
    assert refusal.value.code == "signature-invalid"


def test_a_checkpoint_under_another_key_is_found(book: Book, tmp_path: Path) -> None:
    book.write(3)
    stranger = type(book)(tmp_path / "stranger")
    stranger.write(3)
    book.file.write_bytes(stranger.file.read_bytes())
    for sequence in (1, 2, 3):
        book.confirmation(sequence).write_bytes(stranger.confirmation(sequence).read_bytes())
    with pytest.raises(Refused) as refusal:
        book.verify()
    assert refusal.value.code == "signature-invalid"


@pytest.mark.parametrize("gone", [{1}, {2}])
def test_a_gap_among_checkpoints_is_found(book: Book, gone: set[int]) -> None:
    book.write(3)
    for sequence in gone:
        book.confirmation(sequence).unlink()
    with pytest.raises(Refused) as refusal:
        book.verify()
    assert refusal.value.code == "checkpoint-missing"


def test_a_checkpoint_under_anothers_number_is_found(book: Book) -> None:
    book.write(3)
    book.confirmation(2).write_bytes(book.confirmation(1).read_bytes())
    with pytest.raises(Refused) as refusal:
        book.verify()
    assert refusal.value.code == "checkpoint-missing"


def test_more_records_without_checkpoints_than_one_crash_explains_are_found(book: Book) -> None:
    book.write(3)
    book.confirmation(3).unlink()
    assert book.verify().unconfirmed == 1
    book.confirmation(2).unlink()
    with pytest.raises(Refused) as refusal:
        book.verify()
    assert refusal.value.code == "audit-unconfirmed"


def test_a_record_whose_checkpoint_a_crash_prevented_gets_it_with_the_next(book: Book) -> None:
    book.write(3)
    before = book.confirmation(3).read_bytes()
    book.confirmation(3).unlink()
    book.write()
    assert book.confirmation(3).read_bytes() == before
    assert book.verify().unconfirmed == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), garbage=st.sampled_from([b"", b"\x00\x00\x00", b"\n\n", b"{\n"]))
def test_a_torn_end_is_no_tampering_and_the_next_record_vouches_for_it(
    book: Book, tmp_path_factory: pytest.TempPathFactory, share: float, garbage: bytes
) -> None:
    torn = type(book)(tmp_path_factory.mktemp("torn") / "book")
    torn.write(3)
    torn.confirmation(3).unlink()
    whole = torn.lines
    torn.file.write_bytes(b"".join(whole[:2]) + whole[2][: int(share * len(whole[2]))] + garbage)
    torn.verify()
    torn.write(2)
    verified = torn.verify()
    assert verified.unconfirmed == 0
    assert verified.chain.torn == b""
    found = torn.file.read_bytes()
    place = found.index(b"\n", found.index(b"\n") + 1) + 1
    if verified.chain.records[2].torn is not None:
        changed = found[:place] + b"X" + found[place:]
        with pytest.raises(Refused):
            read_chain(changed, "log")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_of_a_confirmed_log_goes_unseen(book: Book, data: st.DataObject) -> None:
    if not book.file.exists():
        book.write(4)
    sound = b"".join(book.lines)
    place = data.draw(st.integers(0, len(sound) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != sound[place]))
    book.file.write_bytes(sound[:place] + bytes([byte]) + sound[place + 1 :])
    try:
        with pytest.raises(Refused):
            book.verify()
    finally:
        book.file.write_bytes(sound)


def test_a_last_record_without_its_line_end_is_a_record(book: Book) -> None:
    book.write(3)
    book.file.write_bytes(b"".join(book.lines)[:-1])
    assert len(book.verify().chain.records) == 3
    book.write()
    assert [record.torn for record in book.verify().chain.records] == [None] * 4


def test_a_clock_that_was_set_back_stops_the_desk(book: Book) -> None:
    book.write(3)
    book.minutes = 0
    with pytest.raises(Unavailable) as refusal:
        book.write()
    assert refusal.value.code == "clock-behind"
