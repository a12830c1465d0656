"""What stage does with an export, a photo store or a disk that is no good: a plain refusal, nothing staged, and no value told."""

from __future__ import annotations

import codecs
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from transforms.errors import ExportError, KeyUnavailable, Refused, StoreUnavailable, SupplierViewsError, UsageError

if TYPE_CHECKING:
    from conftest import Row, Site

Refuses = Callable[..., SupplierViewsError]


@pytest.fixture
def refuses(capfd: pytest.CaptureFixture[str]) -> Refuses:
    """Runs stage, expects one error, and holds that nothing is staged and no value of the export is in any text."""

    def run(
        site: Site, kind: type[SupplierViewsError], code: str, exit_status: int, rows: list[Row], *, photos: bool = False
    ) -> SupplierViewsError:
        with pytest.raises(SupplierViewsError) as caught:
            site.stage() if photos else site.stage_without_photos()
        error = caught.value
        assert (type(error), error.code, error.exit_status) == (kind, code, exit_status), repr(error)
        assert not site.staging.is_dir() or site.left_in_staging() == []
        assert not list(site.root.rglob("stage.json"))
        out, err = capfd.readouterr()
        told = " ".join((out, err, str(error), repr(error), error.hint, error.place))
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None
        for row in rows:
            for name in ("pay_number", "warrant_number", "email", "photo_file", "surname"):
                assert len(row[name]) < 5 or row[name] not in told
        return error

    return run


def _header(site: Site) -> bytes:
    return ",".join(site.rows()[0]).encode() + b"\r\n"


# ---- the export as a whole


def test_an_empty_export_is_refused(site: Site, refuses: Refuses) -> None:
    refuses(site.with_export("export.csv", b""), ExportError, "empty-file", 20, [])


def test_an_export_that_is_not_there_is_refused(site: Site, refuses: Refuses) -> None:
    refuses(replace(site, export=str(site.root / "nothing*.csv")), ExportError, "export-missing", 20, [])


def test_a_header_only_stages_views_without_rows(site: Site) -> None:
    empty = site.with_export("export.csv", _header(site))
    run = empty.stage()
    assert run.counts == {"in": 0, "accepted": 0, "quarantined": 0}
    for supplier, report in run.reports.items():
        assert report.rows == 0
        assert empty.view(supplier) == []
        assert (empty.area(supplier).release / "people.csv").read_bytes().count(b"\n") == 1


def test_one_row_is_staged(site: Site) -> None:
    (row,) = [next(row for row in site.rows() if row["card_due"] == "yes" and row["protected"] == "no")]
    one = site.with_rows([row])
    run = one.stage()
    assert run.counts == {"in": 1, "accepted": 1, "quarantined": 0}
    assert len(one.view("card-printer")) == 1
    assert len(list((one.area("card-printer").release / "photos").iterdir())) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig as cp1252"])
def test_the_byte_order_mark_of_another_encoding_is_refused(site: Site, refuses: Refuses, encoding: str) -> None:
    text = Path(site.export).read_text(encoding="utf-8")
    if encoding == "utf-16":
        refuses(site.with_export("export.csv", text.encode("utf-16")), ExportError, "encoding", 20, site.rows())
    else:
        marked = site.with_export("export.csv", codecs.BOM_UTF8 + text.encode()).with_contract(encoding="cp1252")
        refuses(marked, ExportError, "encoding", 20, site.rows())


def test_an_export_in_another_encoding_than_the_declared_one_is_refused(site: Site, refuses: Refuses) -> None:
    rows = site.rows()
    for row in rows[:10]:
        row["surname"] = "Núñez-Señor"
    text = Path(site.with_rows(rows).export).read_text(encoding="utf-8")
    refuses(site.with_export("latin.csv", text.encode("cp1252", "replace")), Refused, "quarantine-over-limit", 10, rows)


def test_a_new_column_stops_the_run_before_anything_is_staged(site: Site, refuses: Refuses) -> None:
    rows = [row | {"home_address": "1 Zqx Street"} for row in site.rows()]
    error = refuses(site.with_rows(rows), ExportError, "unknown-column", 20, rows)
    assert "home_address" not in str(error)
    assert not site.quarantine.exists()


def test_an_unclosed_quote_is_refused(site: Site, refuses: Refuses) -> None:
    rows = site.rows()
    lines = [_line(row) for row in rows]
    lines[250] = _line(rows[250] | {"surname": "Open"}).replace(b",Open,", b',"Open,')
    data = _header(site) + b"".join(lines)
    assert b'"' not in data.replace(b',"Open,', b"")
    error = refuses(site.with_export("export.csv", data), ExportError, "unclosed-quote", 20, rows)
    assert error.place.endswith("row 251")


def test_an_error_of_a_step_in_another_worker_refuses_as_well(site: Site) -> None:
    broken = site.with_export("export.csv", Path(site.export).read_bytes() + b'"')
    with pytest.raises(SupplierViewsError):
        broken.stage_without_photos(beam_options=("--direct_running_mode=multi_threading", "--direct_num_workers=2"))
    assert broken.left_in_staging() == []


# ---- single rows


def test_rows_of_every_broken_kind_are_quarantined_and_the_others_staged(site: Site) -> None:
    rows = site.rows()
    sound = rows[8:]
    data = _header(site) + b"".join(
        (
            _line(rows[0] | {"surname": "L" * 10_000_000}),
            _line(rows[1] | {"forenames": "N\0L"}),
            _line(rows[2] | {"surname": "Nú"}).replace("ú".encode(), b"\xfa"),
            _line(rows[3] | {"rank": "Constabel"}),
            _line(rows[4]).replace(b"\r\n", b",one more\r\n"),
            _line(rows[5] | {"pay_number": sound[0]["pay_number"]}),
            _line(rows[6] | {"photo_file": "../outside.jpg"}),
            _line(rows[7] | {"photo_file": "/etc/passwd.jpg"}),
            *map(_line, sound),
        )
    )
    broken = site.with_export("export.csv", data).with_contract(quarantineLimit=0.05)
    run = broken.stage_without_photos()
    assert run.counts == {"in": 300, "accepted": 291, "quarantined": 9}
    found = {(entry["row"], entry["rule"], entry["column"]) for entry in broken.quarantined()}
    assert found == {
        (1, "too-long", "surname"),
        (2, "control-character", "forenames"),
        (3, "encoding", None),
        (4, "vocabulary", "rank"),
        (5, "ragged-row", None),
        (6, "unique", "pay_number"),
        (9, "unique", "pay_number"),
        (7, "pattern", "photo_file"),
        (8, "pattern", "photo_file"),
    }
    alone = site.with_rows(sound[1:], name="alone").named("alone")
    alone.stage_without_photos()
    assert broken.staged() == alone.staged()


def _line(row: Row) -> bytes:
    return ",".join(f'"{value}"' if "," in value else value for value in row.values()).encode() + b"\r\n"


# ---- photos


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_photos_that_cannot_be_had_cost_their_row_alone(site: Site, tmp_path: Path) -> None:
    """Missing, no image, out of the store by path or by link, and what is no file: each is one row's outcome."""
    rows = site.rows()
    due = [row for row in rows if row["card_due"] == "yes" and row["protected"] == "no"]
    lax = site.copied_photos().with_contract(photoQuarantineLimit=0.9)
    pattern = next(line for line in lax.contract.read_text().splitlines() if r"\.(jpg|jpeg|png)" in line)
    lax = lax.with_contract_text(lax.contract.read_text().replace(pattern + "\n", ""))  # so that the store has to hold the line
    outside = tmp_path / "outside.jpg"
    outside.write_bytes((lax.photos / due[-1]["photo_file"]).read_bytes())

    missing, no_image, climbing, absolute, link, directory, pipe, blank, linked_directory = due[:9]
    places = {row["pay_number"]: lax.photos / row["photo_file"] for row in due}
    for row in (missing, no_image, link, directory, pipe):
        places[row["pay_number"]].unlink()
    places[no_image["pay_number"]].write_bytes(b"GIF89a, or so it says")
    places[link["pay_number"]].symlink_to(outside)
    places[directory["pay_number"]].mkdir()
    os.mkfifo(places[pipe["pay_number"]])
    climbing["photo_file"] = "../outside.jpg"
    absolute["photo_file"] = str(outside)
    blank["photo_file"] = ""
    (lax.photos / "elsewhere").symlink_to(tmp_path)
    linked_directory["photo_file"] = "elsewhere/outside.jpg"

    broken = lax.with_rows(rows)
    run = broken.stage()
    assert run.broken == {"photo-missing row": 2, "photo-path-outside-store row": 6, "photo-unsupported-format row": 1}
    counts = run.reports["card-printer"].counts
    assert (counts["photos_withheld"], counts["released"]) == (9, len(due) - 9)
    refused = {entry["row"] for entry in broken.quarantined() if not entry["rule"].startswith("flagged-")}
    assert refused == {rows.index(row) + 1 for row in due[:9]}
    photos = broken.area("card-printer").release / "photos"
    assert sum(1 for _ in photos.iterdir()) == len(due) - 9


def test_a_photo_store_that_is_not_mounted_is_not_taken_for_photos_that_are_all_missing(site: Site, refuses: Refuses) -> None:
    refuses(replace(site, photos=site.root / "unmounted"), StoreUnavailable, "store-missing", 30, site.rows(), photos=True)


def test_a_photo_store_of_an_unknown_kind_is_refused(site: Site) -> None:
    with pytest.raises(UsageError) as caught:
        site.stage(photos="carrier-pigeon://loft/photos")
    assert caught.value.exit_status == 2
    assert site.left_in_staging() == []


def test_only_a_run_with_photos_needs_a_store(site: Site) -> None:
    header_only = _header_only(site)
    assert header_only.stage_without_photos(photos=None).counts["in"] == 0
    with pytest.raises(UsageError):
        header_only.stage(photos=None)


# ---- keys


def test_a_key_file_that_others_can_read_is_refused(site: Site, refuses: Refuses, own_keys: Path) -> None:
    (own_keys / "kek.key").chmod(0o640)
    refuses(replace(site, keys=f"file:{own_keys}"), KeyUnavailable, "key-file-exposed", 30, site.rows())


def test_a_missing_key_store_is_refused(site: Site, refuses: Refuses) -> None:
    refuses(replace(site, keys=f"file:{site.root / 'nowhere'}"), KeyUnavailable, "key-file-missing", 30, site.rows())


def test_a_wrong_passphrase_is_refused(
    site: Site, refuses: Refuses, passphrase_keys: tuple[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    uri, file = passphrase_keys
    file.write_text("correct horse battery staple, wrong\n")
    error = refuses(replace(site, keys=uri), KeyUnavailable, "kek-wrong", 30, site.rows())
    assert "staple" not in f"{error!r} {error.hint}"


# ---- places to write to


@pytest.mark.parametrize("what", ["out", "staging", "records", "quarantine"])
def test_a_file_in_place_of_a_directory_to_write_to_is_refused(site: Site, refuses: Refuses, what: str) -> None:
    place = {
        "out": site.out,
        "staging": site.staging,
        "records": site.records,
        "quarantine": site.records / "quarantine",
    }[what]
    if what == "quarantine":
        site.out.mkdir()
        site.records.mkdir(mode=0o700)
    place.parent.mkdir(exist_ok=True)
    place.write_text("in the way")
    refuses(site, StoreUnavailable, "store-missing", 30, site.rows())
    assert place.read_text() == "in the way"


@pytest.fixture
def no_file_over() -> Callable[[int], AbstractContextManager[None]]:
    """For the time of a block, no file of this process or of its children can grow over so many bytes, as on a full disk."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


def _whole_export_broken(site: Site) -> Site:
    return site.with_rows([row | {"rank": "Constabel"} for row in site.rows()]).with_contract(quarantineLimit=1)


def _header_only(site: Site) -> Site:
    return site.with_export("export.csv", _header(site))


def _one_row(site: Site) -> Site:
    return site.with_rows([next(row for row in site.rows() if row["card_due"] == "yes" and row["protected"] == "no")])


@pytest.mark.parametrize(
    ("export", "size", "photos"),
    [
        (lambda site: site, 4096, False),
        (_one_row, 4096, True),
        (_whole_export_broken, 4096, False),
        (_header_only, 1000, False),
    ],
    ids=["a-spill", "a-photo", "the-quarantine", "the-readme"],
)
def test_a_disk_that_fills_up_is_told_as_such_and_nothing_stays(
    site: Site,
    refuses: Refuses,
    no_file_over: Callable[[int], AbstractContextManager[None]],
    export: Callable[[Site], Site],
    size: int,
    photos: bool,
) -> None:
    full = export(site)
    with no_file_over(size):
        refuses(full, StoreUnavailable, "store-full", 30, site.rows(), photos=photos)
    records = [path for path in full.records.rglob("*") if path.is_file() and path != full.quarantine]
    assert records == []
