"""A whole run as the scheduler starts it: what it says, what it leaves, and for whom [A14, A15, R13, L3]."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.demo import DemoSummary
from pipelines.release.events import Action, EventLog
from pipelines.release.heartbeat import read_heartbeat
from pipelines.release.offline import verify_release
from transforms.errors import Refused

if TYPE_CHECKING:
    from conftest import Ended, Site

SUPPLIERS = {"card-printer", "shift-rostering", "uniform"}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "suppliers"
Call = Callable[[list[str]], "Ended"]


@pytest.fixture
def published(first_run: tuple[Site, Ended]) -> Site:
    return first_run[0]


@pytest.fixture
def ended(first_run: tuple[Site, Ended]) -> Ended:
    return first_run[1]


def test_a_run_exits_0_and_prints_one_json_object_and_nothing_else(ended: Ended, published: Site) -> None:
    assert ended.status == 0, ended.stderr
    (line,) = ended.stdout.splitlines()
    summary = json.loads(line)
    assert {"command": "run", "exit": 0, "outcome": "published", "date": published.date.isoformat()}.items() <= summary.items()
    assert set(summary["suppliers"]) == SUPPLIERS
    for supplier, view in summary["suppliers"].items():
        assert view["outcome"] == "published"
        assert Path(view["directory"]) == published.release(supplier)
        assert published.release(supplier).name == view["release"]


def test_a_run_tells_people_one_line_a_supplier(ended: Ended) -> None:
    for supplier in SUPPLIERS:
        assert (
            len(re.findall(rf"^{supplier}: published: .* rows left with .* columns stayed; .*$", ended.stderr, re.MULTILINE)) == 1
        )


def test_the_summary_accounts_for_everybody_in_the_export(ended: Ended, published: Site, demo: DemoSummary) -> None:
    summary = ended.summary
    assert (summary["in"], summary["accepted"], summary["quarantined"], summary["broken"]) == (demo.people, demo.people, 0, {})
    assert summary["flagged"] == {"flagged-photo-small row": demo.due}  # the pictures here have fewer pixels than a print
    assert demo.due > 0
    assert demo.protected > 0
    assert summary["suppliers"]["card-printer"]["released"] == demo.due
    for supplier, view in summary["suppliers"].items():
        assert view["released"] + view["not_due"] + view["protected"] + view["photos_withheld"] == demo.people
        assert view["protected"] == demo.protected
        assert verify_release(published.release(supplier), published.public_key).terms.rows == view["released"]


def test_every_release_is_complete_and_signed(published: Site, demo: DemoSummary) -> None:
    for supplier in SUPPLIERS:
        manifest = verify_release(published.release(supplier), published.public_key)
        assert (manifest.sequence, manifest.previous) == (1, None)
        names = {subject.name for subject in manifest.subjects}
        assert {name for name in names if not name.startswith("photos/")} == {"people.csv", "people.schema.json", "README.txt"}
        photos = {name for name in names if name.startswith("photos/")}
        assert len(photos) == (demo.due if supplier == "card-printer" else 0)


def test_suppliers_can_enter_their_releases_and_nobody_else_can(published: Site) -> None:
    directories = [published.out, *(published.out / supplier for supplier in SUPPLIERS)]
    directories += [path for path in published.out.glob("[!.]*/**/*") if path.is_dir()]
    files = [path for path in published.out.glob("[!.]*/**/*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o750}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}
    kept = [path for root in (published.records, published.staging) for path in (root, *root.rglob("*"))]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in kept} == {0}


def test_a_run_leaves_releases_and_records_and_nothing_staged(published: Site) -> None:
    assert {path.name for path in published.out.iterdir()} == {*SUPPLIERS, ".records", ".staging"}
    assert all(len(list((published.out / supplier).iterdir())) == 1 for supplier in SUPPLIERS)
    assert published.left_in_staging() == []
    assert not list(published.records.rglob("pending.json"))


def test_no_identifier_is_in_what_a_run_prints_or_keeps_or_gives(ended: Ended, published: Site) -> None:
    columns = ("pay_number", "warrant_number", "email", "phone", "photo_file")
    identifiers = {row[column] for row in published.rows() for column in columns} - {""}
    assert len(identifiers) > 1_000
    texts = [ended.stdout.encode(), ended.stderr.encode()]
    texts += [path.read_bytes() + b" " + path.name.encode() for path in published.out.rglob("*") if path.is_file()]
    words = {word.decode() for text in texts for word in re.findall(rb"[0-9A-Za-z@._/-]+", text)}
    words |= {part for word in words for part in re.findall(r"[0-9A-Za-z]+", word)}
    assert len(words) > 1_000
    assert words & identifiers == set()


def test_a_run_logs_that_it_collected_and_to_whom_it_disclosed(published: Site) -> None:
    events = list(EventLog(published.records).events())
    assert [event.action for event in events] == [Action.COLLECTION, *[Action.DISCLOSURE] * 3]
    assert {event.date for event in events} == {published.date}
    disclosed = {event.recipient: event.release_id for event in events[1:]}
    assert disclosed == {supplier: published.release(supplier).name for supplier in SUPPLIERS}


def test_a_run_leaves_a_signed_sign_of_life(published: Site) -> None:
    beat = read_heartbeat(published.records, (published.public_key,))
    assert beat is not None
    assert (beat.date, beat.outcomes) == (published.date, dict.fromkeys(SUPPLIERS, "published"))


def test_the_defaults_file_that_the_scheduling_page_shows_is_all_that_a_run_needs(
    site: Site, command: Callable[..., Ended], first_run: tuple[Site, Ended]
) -> None:
    page = (EXAMPLES.parents[1] / "docs" / "scheduling.md").read_text(encoding="utf-8")
    (defaults,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    there = {
        "/etc/supplier-views/hr-export.yaml": site.contract,
        "/etc/supplier-views/suppliers": site.policies,
        "/srv/hr/export/hr-export-*.csv": site.export,
        "/srv/hr/photos": site.photos,
        "file:/etc/supplier-views/keys": site.keys,
        "/srv/releases/.staging": site.staging,
        "/srv/releases": site.out,
        "/var/lib/supplier-views/records": site.records,
    }
    for path, real in there.items():
        assert f'"{path}"' in defaults
        defaults = defaults.replace(f'"{path}"', f'"{real}"')
    (site.root / "supplier-views.toml").write_text(defaults)
    ended = command(["run", "--date", site.date.isoformat()], cwd=site.root)
    assert ended.status == 0, ended.stderr
    assert site.visible() == first_run[0].visible()


def test_one_run_may_be_for_some_suppliers(site: Site, call: Call) -> None:
    ended = call(site.arguments("run", "--supplier", "uniform", "shift-rostering"))
    assert (ended.status, set(ended.summary["suppliers"])) == (0, {"shift-rostering", "uniform"})
    assert {path.name for path in site.out.glob("[!.]*")} == {"shift-rostering", "uniform"}
    again = call(site.arguments("run", "--supplier", "uniform", "--supplier", "shift-rostering"))
    outcomes = {supplier: view["outcome"] for supplier, view in again.summary["suppliers"].items()}
    assert outcomes == {"shift-rostering": "already-published", "uniform": "already-published"}


def test_an_export_of_a_header_alone_is_nothing_to_do_and_a_sign_of_life(site: Site, call: Call) -> None:
    header = Path(site.export).read_bytes().splitlines(keepends=True)[0]
    empty = site.with_export("header.csv", header)
    ended = call(empty.arguments("run"))
    assert (ended.status, ended.summary["outcome"], ended.summary["in"]) == (0, "nothing-to-do", 0)
    assert [path.name for path in sorted(empty.out.iterdir())] == [".records", ".staging"]
    assert empty.left_in_staging() == []
    beat = read_heartbeat(empty.records, (empty.public_key,))
    assert beat is not None
    assert beat.outcomes == dict.fromkeys(SUPPLIERS, "nothing-to-do")


def test_names_that_are_words_of_the_releases_raise_no_false_alarm(site: Site, first_run: tuple[Site, Ended]) -> None:
    released = [path for path in first_run[0].out.glob("[!.]*/**/*") if path.suffix in {".csv", ".json", ".txt"}]
    texts = [path.read_text(encoding="utf-8") for path in (*released, *EXAMPLES.glob("*.yaml"))]
    words = sorted({word.capitalize() for text in texts for word in re.findall(r"\b[a-z]{4,}\b", text, re.IGNORECASE)})
    assert {"Constable", "Sergeant", "London", "Warrant", "Territorial", "Photo"} <= set(words)
    rows = site.rows()
    for number, row in enumerate(rows):
        names = words[number :: len(rows)]
        row |= {"surname": words[number % len(words)], "forenames": " ".join(names)[:80], "known_as": names[-1] if names else ""}
    assert {name for row in rows for name in row["forenames"].split()} >= set(words[: len(rows)])
    ordinary = site.with_rows(rows)
    assert ordinary.run()["outcome"] == "published"


def test_a_surname_that_is_a_word_of_the_contract_is_still_found_where_that_word_does_not_belong(site: Site) -> None:
    rows = site.rows()
    rows[0]["surname"] = "Sergeant"
    named = site.with_rows(rows)

    def leak(what: str, done: int, total: int) -> None:
        if (what, done) == ("views read", 0):
            with (named.area("uniform").release / "README.txt").open("a") as readme:
                readme.write("Sergeant\n")

    with pytest.raises(Refused) as refusal:
        named.run(report=leak, suppliers=("uniform",))
    assert refusal.value.code == "leak"
    assert "raw-value" in refusal.value.rule
