"""The two contenders that `bench/stage.py` runs beside supplier-views, each in a process of its own.

stage_peers.py floor EXPORT POLICIES OUT
stage_peers.py loop  EXPORT POLICIES OUT ROWS
"""

from __future__ import annotations

import base64
import csv
import hmac
import itertools
import re
import sys
import unicodedata
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


def loop(export: Path, contract: Path, policies: list[dict[str, Any]], out: Path, rows: int) -> None:
    """The work of `stage`, a row at a time: check every cell, canonicalise, token with a check symbol, generalise, sort, write."""
    rules, maps = read_contract(contract)
    views = []
    for number, policy in enumerate(policies):
        columns = [(name, column) for name, column in policy["columns"].items() if column["action"] != "drop"]
        views.append((policy, policy["rows"].get("where", {}), columns, bytes([number]) * 32, []))
    seen = set()
    with export.open(newline="", encoding="utf-8-sig") as source:
        for row in itertools.islice(csv.DictReader(source), rows):
            if not all(keeps(row[name]) for name, keeps in rules) or row["pay_number"] in seen:
                continue
            seen.add(row["pay_number"])
            if row["protected"] != "no":
                continue
            for policy, where, columns, key, lines in views:
                if any(row[name] not in values for name, values in where.items()):
                    continue
                cells = []
                for name, column in columns:
                    if column["action"] == "token":
                        parts = [canonical(row["pay_number"]), *(canonical(row[of]) for of in column["of"])]
                        message = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
                        symbols = base64.b32encode(hmac.digest(key, message, "sha256")[:10]).decode().translate(CROCKFORD)
                        cells.append(f"{policy['token_prefix']}1-{symbols}{check_symbol(symbols)}")
                    elif column["action"] == "generalise":
                        cells.append(maps[name, column["to"]][row[name]])
                    else:
                        cells.append(row[name])
                lines.append(cells)
    for policy, _, columns, _, lines in views:
        with (out / f"loop-{policy['supplier']}.csv").open("w", newline="", encoding="utf-8") as target:
            writer = csv.writer(target)
            writer.writerow([name for name, _ in columns])
            writer.writerows(sorted(lines))


SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", SYMBOLS)
VALUES = {symbol: value for value, symbol in enumerate(SYMBOLS)}


def check_symbol(symbols: str) -> str:
    """Damm's check over GF(32)."""
    state = 0
    for symbol in symbols:
        state = (state ^ VALUES[symbol]) << 1
        if state & 32:
            state ^= 0b100101
    return SYMBOLS[state]


def canonical(text: str) -> bytes:
    """The match form of a name, as far as the standard library goes."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.translate(LOOKALIKES)).casefold())
    return " ".join(folded.split()).encode()


LOOKALIKES = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`\u2032"), "'"),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013"), "-"),
}


def read_contract(path: Path) -> tuple[list[tuple[str, Any]], dict[tuple[str, str], dict[str, str]]]:
    """For each column a test of a cell; for each column and coarser one the label of each value."""
    from transforms.contract.load import load_contract

    rules, maps = [], {}
    for column in load_contract(path).columns:
        rules.append((column.name, keeper(column)))
        for to, labels in column.generalisations.items():
            maps[column.name, to] = dict(labels)
    return rules, maps


def keeper(column: Any) -> Any:
    """A function that says whether a cell keeps the contract: its rule, no control characters, no more bytes than allowed."""
    test, most = keeper_of_rule(column), column.max_bytes
    return lambda cell: test(cell) and cell.isprintable() and len(cell.encode()) <= most


def keeper_of_rule(column: Any) -> Any:
    """A function that says whether a cell is in the column's vocabulary or matches its pattern."""
    if column.vocabulary is not None:
        values = {*column.vocabulary, *(() if column.required else ("",))}
        return values.__contains__
    try:
        pattern = re.compile(column.pattern)
    except re.error:  # a class of Unicode letters, which the standard library's expressions do not have
        return str.isprintable
    return lambda cell: (not cell and not column.required) or pattern.fullmatch(cell) is not None


if __name__ == "__main__":
    kind, export_file, policy_folder, out_folder, *rest = sys.argv[1:]
    if kind == "floor":
        floor(Path(export_file), read_policies(Path(policy_folder)), Path(out_folder))
    else:
        loop(Path(export_file), Path(rest[1]), read_policies(Path(policy_folder)), Path(out_folder), int(rest[0]))
