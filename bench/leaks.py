"""The leak gate over views of a force of 100,000, beside ripgrep; its memory at a million; the full drill at 47,000.

The gate keeps a release's unexplained words rather than the export's values, so its speed is defined as bytes of decoded releases
over CPU seconds of all that verifying them takes: reading them and holding them to the closed world, then reading every row of the
export once a view and looking its values up. A view is what `stage` writes, made here with the product's own columns; one of the
three keeps a column by a pattern, so that it has words and the export's spellings are made. The export waits in memory as Arrow.

ripgrep gets the same tables and every distinct value of four bytes and more of the columns that the gate searches, as fixed strings
and whole words (`-F -w -f`); it decodes nothing, knows no forms, and cannot tell a leak from a label. Its CPU includes building its
automaton, as ours includes making the spellings. Contenders run in turn; a cost is the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.demo_data.people import draw_rows, prepare
from pipelines.release.supplier_files import readme_text, schema_bytes
from transforms.columns.deliver import people_file, spill_batch, tie_break, write_people
from transforms.columns.order import sort_shard
from transforms.columns.select import select
from transforms.columns.view import project
from transforms.contract.load import load_contract
from transforms.contract.model import Contract
from transforms.contract.places import row_ref
from transforms.leaks import ExportMatcher, OrderSample, judge, scan_release
from transforms.leaks.matcher import SEARCHED
from transforms.policy.load import load_policies
from transforms.policy.model import KeepColumn, Policy

ROOT = Path(__file__).resolve().parent.parent
DAY = date(2026, 11, 23)
BATCH = 65_536
TARGETS = {"mb_per_s_100k": 100, "vs_ripgrep": 1, "peak_mb_1m": 2048, "drill_s_47000": 300}


def policies() -> tuple[Contract, tuple[Policy, ...]]:
    """Two example views, and one that keeps the month of a card's expiry by its pattern."""
    contract = load_contract(ROOT / "examples" / "hr-export.yaml")
    found = {policy.supplier: policy for policy in load_policies(ROOT / "examples" / "suppliers")}
    roster = found["shift-rostering"]
    keeps = KeepColumn("card_expiry", why="when a card must be renewed")
    third = replace(roster, supplier="renewals", token_prefix="RN", columns=(*roster.columns, keeps))  # noqa: S106
    return contract, (roster, found["uniform"], third)


def export_of(people: int) -> pa.Table:
    """The demo data's people in the contract's columns, with their places."""
    roll = prepare(people, 7)
    table = pa.Table.from_batches([draw_rows(roll, start, min(start + BATCH, people)) for start in range(0, people, BATCH)])
    return table.append_column("row_ref", pa.array(np.arange(people) + row_ref(0, 1), pa.int64()))


def stage(area: Path, policy: Policy, contract: Contract, export: pa.Table) -> None:
    """Writes a view as the stage phase does, with throw-away keys."""
    release = area / "release"
    release.mkdir(parents=True, mode=0o700)
    spills, counts = [], {"not_due": 0, "protected": 0}
    keys = {token.name: bytes([number + 1] * 32) for number, token in enumerate(policy.tokens)}
    for batch in export.to_batches(max_chunksize=BATCH):
        selection = select(batch, contract, policy)
        rows = batch.filter(pa.array(selection.candidates))
        view = project(rows, contract, policy, epoch=1, column_keys=keys)
        spills.append(spill_batch(view, rows.column("row_ref"), contract, policy))
        counts = {"not_due": counts["not_due"] + selection.not_due, "protected": counts["protected"] + selection.protected}
    shard = sort_shard(pa.Table.from_batches(spills).combine_chunks(), tie_break(policy))
    write_people(release / people_file(policy), [shard], policy)
    np.save(area / "order.npy", shard.column("row_ref").to_numpy())
    (release / "README.txt").write_text(readme_text(policy, contract, DAY), encoding="utf-8")
    (release / "people.schema.json").write_bytes(schema_bytes(policy, contract))
    stamp = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp())
    for path in [*release.rglob("*"), release]:
        os.utime(path, (stamp, stamp))
    rows_in, released = export.num_rows, shard.num_rows
    claimed = {"in": rows_in, "accepted": rows_in, "quarantined": 0, "released": released, "photos_withheld": 0, **counts}
    report = {"supplier": policy.supplier, "date": DAY.isoformat(), "rows": released, "tokens": {"epoch": 1}, "counts": claimed}
    (area / "stage.json").write_text(json.dumps(report))


def verify(area: Path, policy: Policy, contract: Contract, batches: list[pa.RecordBatch] | pa.ipc.RecordBatchFileReader) -> int:
    """Reads a view, searches the export for its words, judges; returns the bytes of the release."""
    scan = scan_release(area, policy, contract, DAY, [readme_text(policy, contract, DAY)])
    matcher, order = ExportMatcher(scan, contract), OrderSample(area, policy, contract)
    matches, collected = [], []
    count = len(batches) if isinstance(batches, list) else batches.num_record_batches
    for number in range(count):
        batch = batches[number] if isinstance(batches, list) else batches.get_batch(number)
        matches.append(matcher.match(batch))
        collected.append(order.collect(batch))
    checked = judge(scan, policy, matches=matches, order=order, collected=collected, unreadable_rows=0)
    return sum(size for _, size, _ in checked.files)


def ripgrep_cpu(patterns: Path, tables: list[Path]) -> float:
    """CPU seconds of one search."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            "rg",
            "--regex-size-limit",
            "8G",
            "--dfa-size-limit",
            "1G",
            "-j",
            "1",
            "-F",
            "-w",
            "-c",
            "-f",
            str(patterns),
            *map(str, tables),
        ],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode > 1:
        sys.exit("bench: ripgrep failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def speed(work: Path, people: int, rounds: int) -> dict[str, float]:
    """Bytes a CPU second, and ripgrep's CPU over ours."""
    contract, views = policies()
    export = export_of(people)
    for policy in views:
        stage(work / policy.supplier, policy, contract, export)
    columns = [column.name for column in contract.columns if column.classification in SEARCHED]
    values = {value for name in columns for value in export.column(name).unique().to_pylist() if value and len(value) >= 4}
    patterns = work / "values"
    patterns.write_text("\n".join(sorted(value for value in values if "\n" not in value)), encoding="utf-8")
    batches = export.to_batches(max_chunksize=BATCH)
    tables = [work / policy.supplier / "release" / people_file(policy) for policy in views]
    ours: list[float] = []
    theirs: list[float] = []
    size = 0
    for _ in range(rounds):
        start = time.process_time()
        sizes = {policy.supplier: verify(work / policy.supplier, policy, contract, batches) for policy in views}
        ours.append(time.process_time() - start)
        theirs.append(ripgrep_cpu(patterns, tables))
        size = sum(sizes.values())
    print(f"{people:,} people, {len(values):,} values; {size / 1e6:.1f} MB of releases in {len(views)} views")
    for policy in views:
        start = time.process_time()
        scan_release(work / policy.supplier, policy, contract, DAY, [readme_text(policy, contract, DAY)])
        table = (work / policy.supplier / "release" / people_file(policy)).stat().st_size
        print(f"  {policy.supplier}: closed world alone {table / 1e6 / (time.process_time() - start):.0f} MB/s")
    print(f"  the gate {statistics.median(ours):.3f} s, ripgrep {statistics.median(theirs):.3f} s of CPU")
    return {
        "mb_per_s_100k": round(size / 1e6 / statistics.median(ours), 1),
        "vs_ripgrep": round(statistics.median(theirs) / statistics.median(ours), 2),
    }


def peak(work: Path, people: int) -> float:
    """Most resident memory, in MB, of a process that verifies the view with words against an export, batch by batch."""
    contract, views = policies()
    export = export_of(people)
    stage(work / "peak", views[-1], contract, export)
    with pa.OSFile(str(work / "export.arrow"), "wb") as sink, pa.ipc.new_file(sink, export.schema) as writer:
        writer.write_table(export, max_chunksize=BATCH)
    done = subprocess.run(
        [sys.executable, __file__, "--verify-one", str(work)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


def verify_one(work: Path) -> None:
    """In a process of its own: one verification, and the most memory that it had."""
    contract, views = policies()
    with pa.OSFile(str(work / "export.arrow")) as source:
        verify(work / "peak", views[-1], contract, pa.ipc.open_file(source))
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+([0-9]+) kB", status)
    print(int(found[1]) / 1024 if found else float("nan"))


def drill(people: int) -> float:
    """Seconds of the full drill, as `make drill` reports them."""
    done = subprocess.run(["make", "drill", f"PEOPLE={people}"], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["drill_s"])


def main() -> None:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000, help="of the export whose values are searched for")
    parser.add_argument("--many", type=int, default=1_000_000, help="of the export at which memory is measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drill", type=int, default=47_000, help="people of the drill; 0 leaves it out")
    parser.add_argument("--verify-one", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    os.umask(0o077)
    pa.set_cpu_count(1)
    if told.verify_one:
        verify_one(told.verify_one)
        return
    if shutil.which("rg") is None:
        sys.exit("bench: ripgrep is missing; make bench-leaks installs it")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, pyarrow {pa.__version__}")
    figures: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        figures |= speed(Path(folder), told.people, told.rounds)
        print(json.dumps(figures), flush=True)
        figures["peak_mb_1m"] = round(peak(Path(folder), told.many)) if told.many else None
    figures["drill_s_47000"] = drill(told.drill) if told.drill else None
    for name, target in TARGETS.items():
        print(f"  {name}: {figures[name]}, target {target}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
