"""The whole nightly job beside what a user would pick instead: plain pyarrow, pandas, polars with polars-hash, DuckDB.

Ours is `supplier-views run` in process: an export of text is checked, tokenised and staged as three CSV views without photos, the
views are attacked by the independent reader, and published with a signed manifest. The floor reads the same file with pyarrow and
writes the same rows and columns, untokenised. The peers (`peers_contenders.py`) tokenise, and do nothing else of it.

Every contender is a process of its own: user and system CPU seconds from start to end, imports included, and peak resident memory.
They run in turn, round by round; ratios are medians over the rounds. What a thief gains is then measured on one round's files:
whether rows stand by token or in another order, that is the export's, and how many people of the most frequent name share a token.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stage import COMMAND, ROOT, Cost, command_line, export_of, measure, policies_without_photos

CONTRACT = ROOT / "examples" / "hr-export.yaml"
PEERS = ("pandas", "polars", "duckdb")
VIEW = "card-printer"  # the one with a token of names


def contenders(export: Path, policies: Path, keys: Path, scratch: Path) -> dict[str, list[str]]:
    """The command line of each contender."""
    for name in ("floor", *PEERS):
        (scratch / name).mkdir(parents=True)
    bench = ROOT / "bench"
    lines = {
        "floor": [sys.executable, str(bench / "stage_peers.py"), "floor", str(export), str(policies), str(scratch / "floor")],
        "supplier-views": command_line("run", export, policies, keys, scratch / "ours"),
    }
    for name in PEERS:
        program = [sys.executable, str(bench / "peers_contenders.py"), name]
        lines[name] = [*program, str(export), str(policies), str(CONTRACT), str(scratch / name)]
    return lines


def wanted_people(export: Path) -> list[tuple[str, str]]:
    """Pay number and full name of everybody in the view, in the export's order."""
    with export.open(newline="", encoding="utf-8-sig") as source:
        rows = (row for row in csv.DictReader(source) if row["protected"] == "no" and row["card_due"] == "yes")
        return [(row["pay_number"], f"{row['surname']}\x1f{row['forenames']}") for row in rows]


def read_view(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as source:
        return list(csv.DictReader(source))


def _most(values: Iterable[str]) -> int:
    return max(Counter(values).values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=ROOT / "local" / "bench")
    options = parser.parse_args()
    policies = policies_without_photos(options.work)
    keys = options.work / "keys"
    init = [*COMMAND, "keys", "init", "--keys", f"file:{keys}", "--policies", str(policies)]
    subprocess.run(init, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    export = export_of(options.rows, options.work)
    scratch = options.work / "peers"
    costs: dict[str, list[Cost]] = {}
    for _ in range(options.rounds):
        shutil.rmtree(scratch, ignore_errors=True)
        for name, line in contenders(export, policies, keys, scratch).items():
            costs.setdefault(name, []).append(measure(line))

    people = wanted_people(export)
    most_frequent = _most(name for _, name in people)
    (ours,) = (scratch / "ours" / VIEW).glob("*/people.csv")
    views = {"supplier-views": read_view(ours)} | {name: read_view(scratch / name / f"{VIEW}.csv") for name in PEERS}
    if len({len(view) for view in views.values()}) != 1:
        sys.exit("bench: the contenders do not make the same rows")
    seconds = {name: statistics.median(cost.cpu_s for cost in found) for name, found in costs.items()}
    peaks = {name: max(cost.peak_mb for cost in found) for name, found in costs.items()}
    print(f"{options.rows:,} rows of {export.stat().st_size / options.rows:.0f} bytes, three CSV views, no photos; ", end="")
    print(f"medians of {options.rounds} rounds in turn; {os.cpu_count()} cores; whole processes, imports included")
    print(f"of {len(people):,} people in the view {VIEW}, {most_frequent} share the most frequent name")
    print(f"{'':20}{'CPU s':>9}{'rows/CPU s':>12}{'peak MB':>9}  {'row order':14}people behind the commonest name token")
    for name, cpu in seconds.items():
        told = f"{name:20}{cpu:9.2f}{options.rows / cpu:12,.0f}{peaks[name]:9.0f}"
        if name in views:
            tokens = [row["person_token"] for row in views[name]]
            order = "by token" if tokens == sorted(tokens) else "another"
            told += f"  {order:14}{_most(row['name_token'] for row in views[name])}"
        print(told)
    ratios = {"vs_floor": round(seconds["supplier-views"] / seconds["floor"], 2)}
    ratios |= {f"vs_{name}": round(seconds[name] / seconds["supplier-views"], 2) for name in PEERS}
    shutil.rmtree(scratch)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
