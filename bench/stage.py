"""Stage three CSV views from one CSV export, beside plain pyarrow and beside a Python loop; memory of the run at two sizes.

Every contender is a process of its own, so its figures are those that the operating system accounts to it: user and system CPU
seconds from start to end, imports included, and peak resident memory. Contenders run in turn, round by round, and the ratios are
medians over the rounds. Absolute times are this machine's on that day.

The floor reads the same file with pyarrow, every column as text, and writes the same rows and the source columns of the same three
views, untokenised. The row loop does the work of `stage` in plain Python: the csv module, the contract's check of every cell, the
match form of names, one `hmac.digest` and check symbol a token, the maps, sorting, writing; on the first rows of the file, and its
cost is taken a row. It does less than `stage` where the standard library ends: no class of Unicode letters, no quarantine list.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "pipelines.cli"]
DATE = "2026-11-23"


@dataclass(frozen=True)
class Cost:
    """What one finished process used."""

    cpu_s: float
    peak_mb: float


def measure(command: list[str]) -> Cost:
    """Runs a command to its end; CPU of it and of its children, and the peak memory of the largest of them."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, cwd=ROOT)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(write, json.dumps([done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]).encode())
        sys.stderr.write(done.stderr.decode() if done.returncode else "")
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    status, cpu, peak = json.loads(os.read(read, 4096))
    if status != 0:
        sys.exit(f"bench: {' '.join(command[:4])} … ended with {status}")
    return Cost(cpu, peak)


def export_of(people: int, work: Path) -> Path:
    """A synthetic export without photos, made once and kept."""
    folder = work / f"people-{people}"
    if not (folder / "hr-export.csv").exists():
        subprocess.run(
            [*COMMAND, "demo-data", "--people", str(people), "--out", str(folder), "--no-photos"],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
    return folder / "hr-export.csv"


def policies_without_photos(work: Path) -> Path:
    """The example policies, less their photos."""
    folder = work / "suppliers"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "examples" / "suppliers").glob("*.yaml")):
        policy = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - the base loader makes text only
        policy.pop("photo", None)
        policy["output"] = {"format": "csv"}
        (folder / path.name).write_text(yaml.safe_dump(policy, sort_keys=False))
    return folder


def command_line(step: str, export: Path, policies: Path, keys: Path, out: Path) -> list[str]:
    return [
        *COMMAND, step, "--contract", str(ROOT / "examples" / "hr-export.yaml"), "--policies", str(policies),
        "--export", str(export), "--keys", f"file:{keys}", "--out", str(out), "--date", DATE,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--loop-rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=ROOT / "local" / "bench")
    options = parser.parse_args()
    policies = policies_without_photos(options.work)
    keys = options.work / "keys"
    subprocess.run(
        [*COMMAND, "keys", "init", "--keys", f"file:{keys}", "--policies", str(policies)],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    export = export_of(options.rows, options.work)
    contract = str(ROOT / "examples" / "hr-export.yaml")
    peers = str(ROOT / "bench" / "stage_peers.py")
    floor, ours, loop = [], [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.work) as scratch:
            floor.append(measure([sys.executable, peers, "floor", str(export), str(policies), scratch]))
            ours.append(measure(command_line("stage", export, policies, keys, Path(scratch) / "out")))
            loop.append(
                measure([sys.executable, peers, "loop", str(export), str(policies), scratch, str(options.loop_rows), contract])
            )
    memory = {}
    for rows in (options.rows, 5 * options.rows):
        out = options.work / f"out-{rows}"
        shutil.rmtree(out, ignore_errors=True)
        memory[rows] = measure(command_line("run", export_of(rows, options.work), policies, keys, out))
        shutil.rmtree(out)
    floor_s = statistics.median(cost.cpu_s for cost in floor)
    ours_s = statistics.median(cost.cpu_s for cost in ours)
    loop_row_s = statistics.median(cost.cpu_s for cost in loop) / min(options.loop_rows, options.rows)
    print(f"{options.rows:,} rows of {export.stat().st_size / options.rows:.0f} bytes, three CSV views, no photos; ", end="")
    print(f"medians of {options.rounds} rounds in turn; {os.cpu_count()} cores; whole processes, imports included")
    print(f"{'':28}{'CPU s':>10}{'ns a row':>10}{'peak MB':>10}")
    for name, seconds, rows, peak in (
        ("plain pyarrow (the floor)", floor_s, options.rows, max(c.peak_mb for c in floor)),
        ("supplier-views stage", ours_s, options.rows, max(c.peak_mb for c in ours)),
        ("loop of hmac.digest", loop_row_s * options.loop_rows, options.loop_rows, max(c.peak_mb for c in loop)),
        *((f"run, {rows:,} rows", cost.cpu_s, rows, cost.peak_mb) for rows, cost in memory.items()),
    ):
        print(f"{name:28}{seconds:10.2f}{seconds / rows * 1e9:10.0f}{peak:10.0f}")
    ratios = {
        "cpu_vs_floor": round(ours_s / floor_s, 2),
        "speedup_vs_row_loop": round(loop_row_s * options.rows / ours_s, 1),
        "memory_5m_vs_1m": round(memory[5 * options.rows].peak_mb / memory[options.rows].peak_mb, 2),
    }
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
