"""A small force with real keys, real policies and a synthetic export: what every test of a phase starts from."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from pipelines.cli import main
from pipelines.demo import DemoSummary, make_demo
from pipelines.nightly import run
from pipelines.release.staging import SupplierStaging, open_staging
from pipelines.settings import Settings
from pipelines.stage import StagedRun, stage
from pipelines.watch import Watch
from transforms.keyring import admin

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SUPPLIERS = ("card-printer", "shift-rostering", "uniform")
WITHOUT_PHOTOS = ("shift-rostering", "uniform")
DAY = date(2026, 11, 23)
# The clock of the machine, since what is staged goes stale by it.
NOW = datetime.now(UTC)
PEOPLE, SEED, PHOTO_MP = 300, 7, 0.05

Row = dict[str, str]

_STAGE = """
import json, sys
from datetime import date, datetime
from pathlib import Path
from pipelines.release.staging import open_staging
from pipelines.settings import Settings
from pipelines.stage import stage
from pipelines.watch import Watch
from transforms.errors import SupplierViewsError

told = json.loads(sys.argv[1])
paths = {name: Path(told["paths"][name]) for name in told["paths"]}
lists = {name: tuple(told["lists"][name]) for name in told["lists"]}
settings = Settings(**paths, **told["texts"], **lists, date=date.fromisoformat(told["date"]))
now = datetime.fromisoformat(told["now"])
try:
    with open_staging(settings.staging, now) as staging:
        stage(settings, now, staging, Watch(lambda what, done, total: None))
except SupplierViewsError as error:
    sys.exit(error.exit_status)
"""


def nobody_listens(what: str, done: int, total: int) -> None:
    """Takes a report of progress."""


def machine_clock() -> datetime:
    """The time of the machine."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Ended:
    """What a command that ended leaves to its caller."""

    status: int
    stdout: str
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of stdout."""
        summary: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return summary


def start(arguments: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "pipelines.cli", *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def end(process: subprocess.Popen[str]) -> Ended:
    stdout, stderr = process.communicate(timeout=120)
    return Ended(process.returncode, stdout, stderr)


@dataclass(frozen=True)
class Site:
    """Where one test's run reads and writes; `root` is the test's own directory, everything else may be shared."""

    root: Path
    export: str
    photos: Path
    keys: str
    contract: Path
    policies: Path
    name: str = "out"
    date: date = DAY
    now: datetime = NOW

    @property
    def out(self) -> Path:
        return self.root / self.name

    @property
    def staging(self) -> Path:
        return self.out / ".staging"

    @property
    def records(self) -> Path:
        return self.out / ".records"

    @property
    def quarantine(self) -> Path:
        return self.records / "quarantine" / f"{self.date.isoformat()}.jsonl"

    def settings(self, **changes: Any) -> Settings:
        """What a run of this site is told."""
        told = Settings(
            contract=self.contract,
            policies=self.policies,
            export=self.export,
            photos=str(self.photos),
            keys=self.keys,
            out=self.out,
            staging=self.staging,
            records=self.records,
            date=self.date,
        )
        return replace(told, **changes)

    def stage(self, watch: Watch | None = None, in_process: FnApiRunner | None = None, **changes: Any) -> StagedRun:
        """Runs the stage phase as a command does: staging is swept and locked around it."""
        settings = self.settings(**changes)
        with open_staging(settings.staging, self.now) as staging:
            return stage(settings, self.now, staging, watch or Watch(nobody_listens), in_process)

    def stage_without_photos(self, **changes: Any) -> StagedRun:
        """The same for the suppliers that get no photos, which takes half the time."""
        return self.stage(suppliers=WITHOUT_PHOTOS, **changes)

    def start_stage(self, **changes: Any) -> subprocess.Popen[bytes]:
        """The same in a process of its own, which can be killed; its exit status is the error's."""
        settings = self.settings(**changes)
        told = {
            "paths": {name: str(getattr(settings, name)) for name in ("contract", "policies", "out", "staging", "records")},
            "texts": {name: getattr(settings, name) for name in ("export", "photos", "keys")},
            "date": settings.date.isoformat(),
            "lists": {name: list(getattr(settings, name)) for name in ("suppliers", "beam_options")},
            "now": self.now.isoformat(),
        }
        # Its photo workers end with it or soon after: their pipes close.
        return subprocess.Popen([sys.executable, "-c", _STAGE, json.dumps(told)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(
        self,
        clock: Callable[[], datetime] = machine_clock,
        report: Callable[[str, int, int], None] = nobody_listens,
        **changes: Any,
    ) -> dict[str, Any]:
        """Runs all three phases in this process."""
        return run(self.settings(**changes), clock, report)

    def arguments(self, command: str, *more: str) -> list[str]:
        """What `supplier-views` is told on its command line."""
        paths = ("contract", "policies", "export", "photos", "keys", "out")
        flags = [text for name in paths for text in (f"--{name}", str(getattr(self, name)))]
        return [command, *flags, "--date", self.date.isoformat(), *more]

    def start(self, command: str, *more: str, **options: Any) -> subprocess.Popen[str]:
        """Starts a command in a process of its own."""
        return start(self.arguments(command, *more), **options)

    def command(self, command: str, *more: str, **options: Any) -> Ended:
        """Runs a command in a process of its own."""
        return end(self.start(command, *more, **options))

    def visible(self) -> dict[str, tuple[str, int, int]]:
        """All that suppliers can see: digest (of a file), mode and modification time (ns), by path below `out`."""
        releases = (path for path in self.out.glob("[!.]*/[!.]*"))
        paths = (path for release in releases for path in (release, *release.rglob("*")))
        return {path.relative_to(self.out).as_posix(): _facts(path) for path in paths}

    def release(self, supplier: str, day: date | None = None) -> Path:
        """The one release of a date."""
        (release,) = (self.out / supplier).glob(f"{(day or self.date).isoformat()}-*")
        return release

    @property
    def public_key(self) -> bytes:
        """The key that a supplier pins, from the file that the keys command publishes."""
        key = load_pem_public_key(Path(self.keys.removeprefix("file:"), "signing.pub").read_bytes())
        assert isinstance(key, Ed25519PublicKey)
        return key.public_bytes_raw()

    def area(self, supplier: str) -> SupplierStaging:
        return SupplierStaging(self.staging / self.date.isoformat() / supplier, supplier, self.date)

    def staged(self) -> dict[str, str]:
        """SHA-256 of every file that a supplier would get, by its path below the date."""
        day = self.staging / self.date.isoformat()
        files = (path for path in sorted(day.glob("*/release/**/*")) if path.is_file())
        return {path.relative_to(day).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def left_in_staging(self) -> list[str]:
        """What is in the staging root besides its lock and the cache of prints."""
        paths = (path.relative_to(self.staging) for path in self.staging.rglob("*"))
        return sorted(path.as_posix() for path in paths if path.parts[0] not in ("lock", "photo-cache"))

    @property
    def photo_cache(self) -> Path:
        return self.staging / "photo-cache"

    def quarantined(self) -> list[dict[str, Any]]:
        """The entries of the quarantine file."""
        return [json.loads(line) for line in self.quarantine.read_text().splitlines()]

    def view(self, supplier: str) -> list[Row]:
        """The rows of a staged CSV view."""
        return read_rows(self.area(supplier).release / "people.csv")

    def released(self, supplier: str) -> list[Row]:
        """The rows of a published CSV view."""
        return read_rows(self.release(supplier) / "people.csv")

    def rows(self) -> list[Row]:
        """The export's rows, as text; blank for null."""
        return read_rows(Path(self.export))

    def named(self, name: str) -> Site:
        """The same site with another place to write to."""
        return replace(self, name=name)

    def with_export(self, name: str, data: bytes) -> Site:
        """The same site with another export."""
        path = self.root / "exports" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return replace(self, export=str(path))

    def with_rows(self, rows: Iterable[Row], suffix: str = "csv", name: str = "export") -> Site:
        """The same site with an export of these rows."""
        return self.with_export(f"{name}.{suffix}", _WRITERS[suffix](list(rows)))

    def with_contract(self, **properties: float | str) -> Site:
        """The same site with a contract whose custom properties are other ones."""
        text = self.contract.read_text(encoding="utf-8")
        for name, value in properties.items():
            text, found = re.subn(rf"(- property: {name}\b[^\n]*\n\s+value: )\S+", rf"\g<1>{value}", text)
            assert found == 1, f"the contract has no property {name}"
        return self.with_contract_text(text)

    def with_contract_text(self, text: str) -> Site:
        """The same site with a contract of this text."""
        path = self.root / "contract.yaml"
        path.write_text(text, encoding="utf-8")
        return replace(self, contract=path)

    def with_policies(self, edit: Callable[[str, str], str]) -> Site:
        """The same site with policies of other text; `edit` gets a supplier and its policy's text."""
        directory = self.root / "policies"
        directory.mkdir(exist_ok=True)
        for path in self.policies.glob("*.yaml"):
            (directory / path.name).write_text(edit(path.stem, path.read_text(encoding="utf-8")), encoding="utf-8")
        return replace(self, policies=directory)

    def copied_photos(self) -> Site:
        """The same site with photos that the test may change."""
        shutil.copytree(self.photos, self.root / "photos", copy_function=os.link)
        return replace(self, photos=self.root / "photos")


def _facts(path: Path) -> tuple[str, int, int]:
    found = path.lstat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return digest, found.st_mode, found.st_mtime_ns


def read_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _csv(rows: Sequence[Row]) -> bytes:
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    return "".join(",".join(map(_cell, line)) + "\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(character in text for character in '",\r\n') else text


def _parquet(rows: Sequence[Row]) -> bytes:
    columns = {name: pa.array([row[name] or None for row in rows], pa.string()) for name in rows[0]}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def _jsonl(rows: Sequence[Row]) -> bytes:
    lines = (json.dumps({name: value or None for name, value in row.items()}, ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


_WRITERS: Mapping[str, Callable[[Sequence[Row]], bytes]] = {"csv": _csv, "parquet": _parquet, "jsonl": _jsonl}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    """A synthetic export with photos, all of it sound."""
    return make_demo(PEOPLE, SEED, tmp_path_factory.mktemp("demo"), "csv", 0.0, PHOTO_MP, nobody_listens)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a store with a keyset for each supplier."""
    uri = f"file:{tmp_path_factory.mktemp('custody') / 'keys'}"
    admin.init(uri, SUPPLIERS, NOW)
    return uri


def _site(root: Path, demo: DemoSummary, keys: str) -> Site:
    return Site(
        root=root,
        export=str(demo.export),
        photos=demo.export.parent / "photos",
        keys=keys,
        contract=EXAMPLES / "hr-export.yaml",
        policies=EXAMPLES / "suppliers",
    )


@pytest.fixture
def site(tmp_path: Path, demo: DemoSummary, keys: str) -> Site:
    """The example contract and policies on a sound export of 300 people; nothing is staged yet."""
    return _site(tmp_path, demo, keys)


@pytest.fixture(scope="session")
def bare_site(tmp_path_factory: pytest.TempPathFactory, demo: DemoSummary, keys: str) -> Site:
    """The same site for a whole session, to make others of; nothing is written below it."""
    return _site(tmp_path_factory.mktemp("bare"), demo, keys)


@pytest.fixture(scope="session")
def staged_site(tmp_path_factory: pytest.TempPathFactory, demo: DemoSummary, keys: str) -> Site:
    """The same site after a run that nothing disturbed; for reading only."""
    site = _site(tmp_path_factory.mktemp("staged"), demo, keys)
    site.stage()
    return site


@pytest.fixture(scope="session")
def undisturbed(staged_site: Site) -> dict[str, str]:
    """What `site` stages when nothing is in its way: SHA-256 of every supplier's files."""
    return staged_site.staged()


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, demo: DemoSummary, keys: str) -> tuple[Site, Ended]:
    """A site and its first run, through the command line and undisturbed; for reading only."""
    site = _site(tmp_path_factory.mktemp("published"), demo, keys)
    return site, site.command("run")


@pytest.fixture(scope="session")
def kinds_site(tmp_path_factory: pytest.TempPathFactory, demo: DemoSummary, keys: str) -> Site:
    """A site whose policies ask for every kind of token; nothing is staged yet."""
    site = _site(tmp_path_factory.mktemp("kinds"), demo, keys)
    text = site.contract.read_text(encoding="utf-8")
    for name in ("surname", "forenames"):
        bound = "        customProperties: [{property: maxBytes, value: 60}]\n"
        text, found = re.subn(rf"(- name: {name}\n(?:        .*\n)+)", rf"\g<1>{bound}", text)
        assert found == 1
    return site.with_contract_text(text).with_policies(_every_kind)


@pytest.fixture(scope="session")
def kinds_run(kinds_site: Site) -> tuple[Site, dict[str, Any]]:
    """The same site after a run that nothing disturbed, and the run's summary; for reading only."""
    return kinds_site, kinds_site.run()


def _every_kind(supplier: str, text: str) -> str:
    """Reversible tokens of a number, of names, and of one release; digits beside a short token; photos named by a short one."""
    first, more = {
        "shift-rostering": (
            "reversal: needed",
            "  names: {action: token, of: [surname, forenames], reversal: needed, why: shown where the force has no network}\n"
            "  nightly: {action: token, of: [pay_number], reversal: needed, scope: transaction, why: ties a file to its reply}\n"
            "  known: {action: token, of: [known_as], why: tells that it changed}\n",
        ),
        "uniform": ("format: digits", "  parcel: {action: token, of: [pay_number], format: short, why: label of the parcel}\n"),
        "card-printer": ("format: short, algorithm: FF1", ""),
    }[supplier]
    old = "person_token: {action: token, of: [pay_number], "
    assert old in text
    head, _, rest = text.partition(old)
    line, _, rest = rest.partition("\n")
    return f"{head}{old}{first}, {line}\n{more}{rest}"


@pytest.fixture
def command() -> Callable[..., Ended]:
    """Runs a command line in a process of its own; options are those of Popen."""

    def run_line(arguments: Sequence[str], **options: Any) -> Ended:
        return end(start(arguments, **options))

    return run_line


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[[Sequence[str]], Ended]:
    """Runs a command line in this process, which saves the second that Beam takes to start."""

    def run_line(arguments: Sequence[str]) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit:
            main(arguments)
        printed = capfd.readouterr()
        return Ended(int(exit.value.code or 0), printed.out, printed.err)

    return run_line


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits for something that another process does."""

    def wait(happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.002)

    return wait


@pytest.fixture
def own_keys(tmp_path: Path) -> Path:
    """A key store that the test may change."""
    admin.init(f"file:{tmp_path / 'own-keys'}", SUPPLIERS, NOW)
    return tmp_path / "own-keys"


@pytest.fixture
def passphrase_keys(tmp_path: Path) -> tuple[str, Path]:
    """The URI of a key store that a passphrase opens, and the file that holds the passphrase."""
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text("correct horse battery staple, twice\n")
    uri = f"file:{tmp_path / 'passphrase-keys'}?passphrase-file={file}"
    admin.init(uri, SUPPLIERS, NOW)
    return uri, file
