"""The two contenders that `bench/stage.py` runs beside supplier-views, each in a process of its own.

stage_peers.py floor EXPORT POLICIES OUT
stage_peers.py loop  EXPORT POLICIES OUT ROWS
"""

from __future__ import annotations

import base64
import csv
import hmac
import itertools
import sys
from pathlib import Path
from typing import Any


def read_policies(folder: Path) -> list[dict[str, Any]]:
    import yaml

    return [yaml.load(path.read_text(), Loader=yaml.BaseLoader) for path in sorted(folder.glob("*.yaml"))]  # noqa: S506


def sources_of(policy: dict[str, Any]) -> list[str]:
    """The export's columns that a policy reads, each once, in order."""
    names: dict[str, None] = {}
    for name, column in policy["columns"].items():
        if column["action"] != "drop":
            names.update(dict.fromkeys(column.get("of", [name])))
    return list(names)


def floor(export: Path, policies: list[dict[str, Any]], out: Path) -> None:
    """Plain pyarrow: read every column as text, write each view's source columns for the rows that the view has."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pcsv

    with export.open("rb") as source:
        header = source.readline().decode("utf-8-sig").strip().split(",")
    convert = pcsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""])
    table = pcsv.read_csv(export, convert_options=convert, parse_options=pcsv.ParseOptions(newlines_in_values=True))
    for policy in policies:
        rows = pc.equal(table.column("protected"), "no")
        for name, values in policy["rows"].get("where", {}).items():
            rows = pc.and_(rows, pc.is_in(table.column(name), value_set=pa.array(values)))
        pcsv.write_csv(table.select(sources_of(policy)).filter(rows), out / f"floor-{policy['supplier']}.csv")


def loop(export: Path, policies: list[dict[str, Any]], out: Path, rows: int) -> None:
    """The csv module and a keyed hash a token, a row at a time."""
    writers = []
    for number, policy in enumerate(policies):
        target = (out / f"loop-{policy['supplier']}.csv").open("w", newline="", encoding="utf-8")
        writer = csv.writer(target)
        columns = [(name, column) for name, column in policy["columns"].items() if column["action"] != "drop"]
        writer.writerow([name for name, _ in columns])
        writers.append((policy["rows"].get("where", {}), columns, bytes([number]) * 32, policy["token_prefix"], writer))
    with export.open(newline="", encoding="utf-8-sig") as source:
        for row in itertools.islice(csv.DictReader(source), rows):
            if row["protected"] != "no":
                continue
            for where, columns, key, prefix, writer in writers:
                if any(row[name] not in values for name, values in where.items()):
                    continue
                cells = []
                for name, column in columns:
                    if column["action"] == "token":
                        text = "\x1f".join([row["pay_number"], *(row[of].casefold() for of in column["of"])])
                        digest = hmac.digest(key, text.encode(), "sha256")
                        cells.append(f"{prefix}1-{base64.b32encode(digest[:10]).decode()}")
                    else:
                        cells.append(row[name])
                writer.writerow(cells)


if __name__ == "__main__":
    kind, export_file, policy_folder, out_folder, *rest = sys.argv[1:]
    if kind == "floor":
        floor(Path(export_file), read_policies(Path(policy_folder)), Path(out_folder))
    else:
        loop(Path(export_file), read_policies(Path(policy_folder)), Path(out_folder), int(rest[0]))
