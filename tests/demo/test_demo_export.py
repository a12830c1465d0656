"""Synthetic exports on disk: formats, broken rows, repeatability, and whose folder it is."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.demo import MARKER, DemoSummary, make_demo
from pipelines.demo_data import force
from pipelines.demo_data.people import SCHEMA
from pipelines.demo_data.writers import SUFFIXES
from transforms.errors import StoreUnavailable, UsageError

Row = dict[str, str | None]


def silent(what: str, done: int, total: int) -> None:
    assert what in ("rows", "photos")
    assert 0 <= done <= total


def make(
    out: Path, people: int = 400, seed: int = 1, suffix: str = "csv", broken: float = 0.0, mp: float | None = None
) -> DemoSummary:
    return make_demo(people, seed, out, suffix, broken, mp, silent)


def cells(path: Path) -> list[list[str]]:
    """Every record of a CSV file, by the standard library's reader."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def rows_of(path: Path) -> list[Row]:
    if path.suffix == ".csv":
        header, *records = cells(path)
        return [{name: value or None for name, value in zip(header, record, strict=True)} for record in records]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return pq.read_table(path).to_pylist()


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        make(tmp_path / name, people=30, suffix=suffix, broken=0.2, mp=0.02)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_another_seed_gives_other_rows_and_other_photos(tmp_path: Path) -> None:
    for seed in (1, 2):
        make(tmp_path / str(seed), people=30, seed=seed, mp=0.02)
    one, two = digests(tmp_path / "1"), digests(tmp_path / "2")
    assert {one["hr-export.csv"]} & {two["hr-export.csv"]} == set()
    assert set(one.values()) & set(two.values()) == {one[MARKER]}


def test_rows_do_not_depend_on_whether_photos_are_made(tmp_path: Path) -> None:
    make(tmp_path / "with", people=30, mp=0.02)
    make(tmp_path / "without", people=30)
    assert (tmp_path / "with" / "hr-export.csv").read_bytes() == (tmp_path / "without" / "hr-export.csv").read_bytes()


def test_all_formats_hold_the_same_values(tmp_path: Path) -> None:
    exports = [rows_of(make(tmp_path / suffix, people=3_000, suffix=suffix).export) for suffix in SUFFIXES]
    assert exports[0] == exports[1] == exports[2]
    assert len(exports[0]) == 3_000


def test_broken_rows_are_the_same_in_all_formats_but_for_the_ragged(tmp_path: Path) -> None:
    parquet, jsonl = (rows_of(make(tmp_path / suffix, suffix=suffix, broken=0.2).export) for suffix in ("parquet", "jsonl"))
    assert parquet == jsonl
    assert any("\x07" in (row["forenames"] or "") for row in jsonl)
    records = cells(make(tmp_path / "csv", broken=0.2).export)[1:]
    whole = [
        (n, dict(zip(SCHEMA.names, (v or None for v in r), strict=True))) for n, r in enumerate(records) if len(r) == len(SCHEMA)
    ]
    assert 0 < len(records) - len(whole) < 20
    assert all(row == jsonl[n] for n, row in whole)


def test_csv_keeps_rfc_4180(tmp_path: Path) -> None:
    data = make(tmp_path / "out", people=3_000).export.read_bytes()
    assert not data.startswith(b"\xef\xbb\xbf")
    assert data.endswith(b"\r\n")
    assert data.count(b"\n") == data.count(b"\r\n") == 3_001
    assert {len(record) for record in cells(tmp_path / "out" / "hr-export.csv")} == {len(SCHEMA)}


def test_parquet_columns_are_plain_strings(tmp_path: Path) -> None:
    assert pq.read_schema(make(tmp_path / "out", suffix="parquet").export).equals(SCHEMA)


BROKEN = {
    "unknown-rank": lambda row: row["rank"] not in {r.spelling for r in force.RANKS} | {name for name, _ in force.CHIEF_OFFICERS},
    "bad-pay-number": lambda row: len(row["pay_number"] or "") != 8,
    "control-character": lambda row: any(ord(c) < 32 for value in row.values() for c in value or ""),
    "missing-value": lambda row: row["unit_code"] is None,
    "over-long-cell": lambda row: any(len((value or "").encode()) > 4096 for value in row.values()),
    "wrong-vocabulary": lambda row: row["card_type"] not in {service.value for service in force.Service},
}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_the_summary_counts_every_broken_row(tmp_path: Path, suffix: str) -> None:
    summary = make(tmp_path / "out", people=2_000, suffix=suffix, broken=0.05)
    if suffix == "csv":
        records = cells(summary.export)[1:]
        rows = [dict(zip(SCHEMA.names, (v or None for v in r), strict=True)) for r in records if len(r) == len(SCHEMA)]
        found = {"ragged-row": len(records) - len(rows)}
    else:
        rows, found = rows_of(summary.export), {"ragged-row": 0}
    pay = Counter(row["pay_number"] for row in rows)
    kinds = [{kind for kind, is_broken in BROKEN.items() if is_broken(row)} for row in rows]
    for row, kind in zip(rows, kinds, strict=True):
        if pay[row["pay_number"]] > 1:
            kind.add("duplicate-pay-number")
    assert max(len(kind) for kind in kinds) == 1
    found |= Counter(name for kind in kinds for name in kind)
    assert found == dict(summary.broken_rows)
    assert abs(sum(found.values()) - 100) <= 1


def test_the_summary_counts_who_is_due_and_who_is_protected_among_whole_rows(tmp_path: Path) -> None:
    summary = make(tmp_path / "out", people=3_000, suffix="jsonl", broken=0.1)
    rows = rows_of(summary.export)
    pay = Counter(row["pay_number"] for row in rows)
    whole = [row for row in rows if pay[row["pay_number"]] == 1 and not any(is_broken(row) for is_broken in BROKEN.values())]
    assert len(whole) == 3_000 - sum(summary.broken_rows.values())
    assert summary.protected == sum(row["protected"] == "yes" for row in whole)
    assert summary.due == sum(row["card_due"] == "yes" and row["protected"] == "no" for row in whole)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_any_share_of_rows_can_be_broken(tmp_path: Path, share: float) -> None:
    summary = make(tmp_path / "out", people=50, suffix="jsonl", broken=share)
    assert (
        abs(sum(summary.broken_rows.values()) - round(50 * share)) <= 4
    )  # the neighbours of duplicates are hard to find in a crowd


def test_the_summary_counts_damaged_photos(tmp_path: Path) -> None:
    summary = make(tmp_path / "out", people=60, broken=0.1, mp=0.02, suffix="jsonl")
    assert sum(summary.broken_photos.values()) == 6
    files = {row["photo_file"]: tmp_path / "out" / "photos" / (row["photo_file"] or "") for row in rows_of(summary.export)}
    present = [path for path in files.values() if path.exists()]
    assert len(files) - len(present) == summary.broken_photos["missing-photo"] == 2
    assert summary.photos == len(present)
    assert sum(path.read_bytes().startswith(b"<") for path in present) == summary.broken_photos["not-an-image"] == 2
    whole = (b"\xff\xd9", b"IEND\xaeB`\x82")
    pictures = [data for path in present if not (data := path.read_bytes()).startswith(b"<")]
    assert sum(not data.endswith(whole) for data in pictures) == summary.broken_photos["truncated-photo"] == 2


def test_every_row_has_a_photo_that_no_other_row_has_and_some_are_png(tmp_path: Path) -> None:
    summary = make(tmp_path / "out", people=120, mp=0.02)
    files = [tmp_path / "out" / "photos" / (row["photo_file"] or "") for row in rows_of(summary.export)]
    assert summary.photos == len(files) == 120
    assert len({path.read_bytes() for path in files}) == 120
    for path in files:
        assert path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"\xff\xd8\xff")
    assert 1 <= sum(path.suffix == ".png" for path in files) <= 20


def test_without_photos_the_folder_is_there_and_empty(tmp_path: Path) -> None:
    assert make(tmp_path / "out").photos == 0
    assert list((tmp_path / "out" / "photos").iterdir()) == []


def test_a_second_call_replaces_the_export_of_the_first(tmp_path: Path) -> None:
    make(tmp_path / "out", people=20, mp=0.02)
    make(tmp_path / "out", people=10, seed=9, suffix="jsonl")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {MARKER, "hr-export.jsonl", "photos"}
    assert list((tmp_path / "out" / "photos").iterdir()) == []


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "hr-export.csv").write_text("real\n")
    with pytest.raises(UsageError, match="something else"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["hr-export.csv"]
    assert (tmp_path / "hr-export.csv").read_text() == "real\n"


def test_a_photo_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path / "out", people=5)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.jpg").write_bytes(b"kept")
    (tmp_path / "out" / "photos").rmdir()
    (tmp_path / "out" / "photos").symlink_to(tmp_path / "elsewhere")
    make(tmp_path / "out", people=5, mp=0.02)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["kept.jpg"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="not a folder"):
        make(tmp_path / "out")


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        make(tmp_path / "file" / "out")


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": 0},
        {"people": 10**9},
        {"seed": -1},
        {"suffix": "xlsx"},
        {"broken": 1.5},
        {"broken": -0.1},
        {"mp": 0.0},
        {"mp": 500.0},
    ],
)
def test_an_argument_out_of_its_range_is_refused_before_anything_is_written(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        make(tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_progress_reaches_the_end_of_rows_and_photos(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    make_demo(150, 1, tmp_path / "out", "csv", 0.05, 0.02, lambda *step: seen.append(step))
    assert ("rows", 150, 150) in seen
    photos = [done for what, done, total in seen if what == "photos"]
    assert photos == sorted(photos)
    assert photos[-1] == 150
