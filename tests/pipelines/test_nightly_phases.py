"""Stage, verify and publish as three commands: the same release as one run, and no way round any of them [R13, R14, R16]."""

from __future__ import annotations

import os
import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.offline import verify_release
from transforms.errors import Refused

if TYPE_CHECKING:
    from conftest import Ended, Row, Site

Call = Callable[[list[str]], "Ended"]
SUPPLIERS = ("card-printer", "shift-rostering", "uniform")


@pytest.fixture
def staged(site: Site, staged_site: Site) -> Site:
    """A site at which all views are staged and not yet verified."""
    site.out.mkdir(mode=0o750)
    shutil.copytree(staged_site.staging, site.staging)
    return site


@pytest.fixture
def verified(staged: Site, call: Call) -> Site:
    ended = call(staged.arguments("verify"))
    assert (ended.status, ended.summary["outcome"]) == (0, "verified")
    return staged


def test_three_processes_publish_what_one_run_publishes(site: Site, first_run: tuple[Site, Ended]) -> None:
    steps = [site.command(phase) for phase in ("stage", "verify", "publish")]
    assert [step.status for step in steps] == [0, 0, 0], steps
    assert [step.summary["outcome"] for step in steps] == ["staged", "verified", "published"]
    undisturbed, run = first_run
    assert site.visible() == undisturbed.visible()
    assert site.left_in_staging() == []
    assert _counts(steps[0]) == _counts(steps[1]) == _counts(steps[2]) == _counts(run)
    assert all(len(checks) > 1 for checks in steps[1].summary["checks"].values())


def _counts(ended: Ended) -> dict[str, list[int]]:
    names = ("released", "not_due", "protected", "photos_withheld")
    return {supplier: [view[name] for name in names] for supplier, view in ended.summary["suppliers"].items()}


def test_nothing_is_verified_or_published_that_was_not_staged(site: Site, call: Call) -> None:
    for phase in ("verify", "publish"):
        ended = call(site.arguments(phase))
        assert (ended.status, ended.summary["code"]) == (30, "not-staged")
    assert site.visible() == {}


def test_nothing_is_published_that_was_not_verified(staged: Site, call: Call) -> None:
    before = staged.staged()
    ended = call(staged.arguments("publish"))
    assert (ended.status, ended.summary["code"]) == (30, "not-verified")
    assert staged.visible() == {}
    # It waits for verify.
    assert staged.staged() == before
    assert call(staged.arguments("verify")).status == 0
    assert call(staged.arguments("publish")).summary["outcome"] == "published"


def test_a_second_stage_takes_the_proof_of_the_first_away(verified: Site, call: Call) -> None:
    assert call(verified.arguments("stage", "--supplier", "uniform")).status == 0
    ended = call(verified.arguments("publish"))
    assert (ended.status, ended.summary["code"]) == (30, "not-verified")
    assert "uniform" in ended.summary["place"]
    assert verified.visible() == {}


def _change_a_cell(site: Site) -> None:
    path = site.area("uniform").release / "people.csv"
    path.write_bytes(path.read_bytes().replace(b"Officer", b"Offices", 1))


def _add_a_file(site: Site) -> None:
    (site.area("card-printer").release / "notes.txt").write_text("notes")


def _remove_a_photo(site: Site) -> None:
    next((site.area("card-printer").release / "photos").iterdir()).unlink()


def _swap_two_photos(site: Site) -> None:
    one, two, *_ = sorted((site.area("card-printer").release / "photos").iterdir())
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


def _edit_the_report(site: Site) -> None:
    path = site.area("shift-rostering").report
    path.write_bytes(path.read_bytes().replace(b'"notices":[]', b'"notices":["x"]'))


def _put_a_link(site: Site) -> None:
    path = site.area("shift-rostering").release / "people.csv"
    path.rename(site.root / "people.csv")
    path.symlink_to(site.root / "people.csv")


def _borrow_a_proof(site: Site) -> None:
    shutil.copy(site.area("uniform").proof, site.area("shift-rostering").proof)


EDITS = [
    _change_a_cell,
    _add_a_file,
    _remove_a_photo,
    _swap_two_photos,
    _edit_the_report,
    _put_a_link,
    _borrow_a_proof,
]


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_edited_after_it_was_verified_is_not_published(verified: Site, call: Call, edit: Callable[[Site], None]) -> None:
    before = _tree(verified.staging)
    edit(verified)
    assert _tree(verified.staging) != before
    ended = call(verified.arguments("publish"))
    assert ended.status == 10
    assert ended.summary["code"] in {"proof-stale", "not-a-regular-file"}
    assert verified.visible() == {}
    assert verified.left_in_staging() == []


def _tree(root: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() and not path.is_symlink() else None for path in root.rglob("*")}


def _surname_in_a_cell(site: Site, row: Row) -> None:
    path = site.area("shift-rostering").release / "people.csv"
    header, first, rest = path.read_bytes().split(b"\r\n", 2)
    cells = first.decode().split(",")
    path.write_bytes(b"\r\n".join([header, f"{cells[0]},{cells[1]},{row['surname']}".encode(), rest]))


def _surname_in_the_readme(site: Site, row: Row) -> None:
    with (site.area("uniform").release / "README.txt").open("a", encoding="utf-8") as readme:
        readme.write(f"Questions to {row['surname']}\n")


def _pay_number_as_a_file_name(site: Site, row: Row) -> None:
    (site.area("uniform").release / f"{row['pay_number']}.txt").write_text("x")


def _extra_file(site: Site, row: Row) -> None:
    (site.area("card-printer").release / "notes.txt").write_text("nothing of note")


def _exif_in_a_photo(site: Site, row: Row) -> None:
    _insert(site, b"\xff\xe1", b"Exif\x00\x00MM\x00\x2a" + row["pay_number"].encode())


def _comment_in_a_photo(site: Site, row: Row) -> None:
    _insert(site, b"\xff\xfe", f"Portrait of {row['surname']}".encode())


def _email_after_a_photo(site: Site, row: Row) -> None:
    with next((site.area("card-printer").release / "photos").iterdir()).open("ab") as photo:
        photo.write(row["email"].encode())


def _vetting_level_in_a_cell(site: Site, row: Row) -> None:
    path = site.area("uniform").release / "people.csv"
    path.write_bytes(path.read_bytes().replace(b"Officer", b"NPPV 3", 1))


def _row_left_out(site: Site, row: Row) -> None:
    path = site.area("uniform").release / "people.csv"
    lines = path.read_bytes().split(b"\r\n")
    path.write_bytes(b"\r\n".join([*lines[:4], *lines[5:]]))


def _insert(site: Site, marker: bytes, segment: bytes) -> None:
    path = next((site.area("card-printer").release / "photos").iterdir())
    data = path.read_bytes()
    path.write_bytes(data[:2] + marker + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:])


LEAKS = [
    (_surname_in_a_cell, r"raw-value: people\.csv column site row 1, as a surname"),
    (_surname_in_the_readme, r"raw-value: README\.txt line \d+, as a surname"),
    (_pay_number_as_a_file_name, r"raw-value: the release directory, a file name, as a pay_number"),
    (_extra_file, r"unexpected-file"),
    (_exif_in_a_photo, r"raw-value: photos/\S+, a segment, as a pay_number"),
    (_comment_in_a_photo, r"raw-value: photos/\S+, a segment, as a surname"),
    (_email_after_a_photo, r"raw-value: photos/\S+, after the end, as a email"),
    (_vetting_level_in_a_cell, r"vetting-term: people\.csv column grade_band"),
    (_row_left_out, r"counts: stage\.json"),
]


@pytest.mark.parametrize(("leak", "finding"), LEAKS, ids=[leak.__name__.strip("_") for leak, _ in LEAKS])
def test_a_leak_in_one_view_holds_all_of_them_back_and_the_refusal_names_no_value(
    staged: Site, call: Call, leak: Callable[[Site, Row], None], finding: str
) -> None:
    row = next(row for row in staged.rows() if len(row["surname"]) > 6 and row["email"] and row["protected"] == "no")
    before = staged.staged()
    leak(staged, row)
    assert staged.staged() != before
    ended = call(staged.arguments("verify"))
    assert (ended.status, ended.summary["outcome"], ended.summary["code"]) == (10, "refused", "leak")
    assert re.search(finding, ended.summary["rule"])
    said = (ended.stdout + ended.stderr).casefold()
    values = (row["surname"], row["pay_number"], row["email"], "NPPV")
    assert not [value for value in values if value.casefold() in said]
    assert staged.left_in_staging() == []
    again = call(staged.arguments("publish"))
    assert (again.status, again.summary["code"]) == (30, "not-staged")
    assert staged.visible() == {}
    assert not [path for path in staged.out.iterdir() if not path.name.startswith(".")]


def test_what_is_edited_between_the_phases_of_one_run_is_not_published(site: Site) -> None:
    """The last word of verify is that it has searched every row; what is edited then was read already."""
    edited = []

    def edit(what: str, done: int, total: int) -> None:
        if what == "rows searched" and total and not edited:
            edited.append(site.area("uniform").release / "README.txt")
            with edited[0].open("a") as readme:
                readme.write("Sergeant\n")

    with pytest.raises(Refused) as refusal:
        site.run(report=edit, suppliers=("uniform",))
    assert refusal.value.code == "proof-stale"
    assert edited
    assert site.visible() == {}
    assert site.left_in_staging() == []


def test_a_policy_that_changed_after_it_was_staged_is_not_published(verified: Site, call: Call) -> None:
    longer = verified.with_policies(lambda _, text: text.replace("delete_after_days: 30", "delete_after_days: 29"))
    ended = call(longer.arguments("publish"))
    assert (ended.status, ended.summary["code"]) == (10, "stage-stale")
    assert verified.visible() == {}


def test_a_full_disk_while_publishing_shows_nothing_and_the_next_try_publishes(
    verified: Site, call: Call, first_run: tuple[Site, Ended]
) -> None:
    largest = max(path.stat().st_size for path in (first_run[0].out / "card-printer").rglob("manifest.json"))
    full = verified.command("publish", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, largest - 1)))
    assert (full.status, full.summary["code"]) == (30, "store-full"), full
    assert not list(verified.out.glob("*/*/manifest.json"))
    assert not list(verified.out.glob("card-printer/.*"))
    assert call(verified.arguments("publish")).summary["outcome"] == "published"
    assert verified.visible() == first_run[0].visible()
    assert verified.left_in_staging() == []


def test_staging_on_another_file_system_publishes_the_same_bytes(verified: Site, call: Call, first_run: tuple[Site, Ended]) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == verified.root.stat().st_dev:
        pytest.skip("there is no other file system to stage on")
    staging = other / f"supplier-views-test-{os.getpid()}"
    try:
        shutil.move(verified.staging, staging)
        ended = call(verified.arguments("publish", "--staging", str(staging)))
        assert ended.status == 0, ended.stderr
        assert verified.visible() == first_run[0].visible()
        assert {path.name for path in staging.iterdir()} == {"lock", "photo-cache"}
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def test_a_release_is_verified_by_whoever_has_the_public_key_alone(verified: Site, call: Call) -> None:
    assert call(verified.arguments("publish", "--supplier", "uniform")).status == 0
    received = verified.root / "received"
    shutil.copytree(verified.release("uniform"), received)
    assert verify_release(received, verified.public_key).terms.supplier == "uniform"
    # The other two wait for theirs.
    assert {path.split("/")[0] for path in verified.staged()} == {"card-printer", "shift-rostering"}
    assert {path.split("/")[0] for path in verified.visible()} == {"uniform"}
