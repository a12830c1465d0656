"""What a user would pick instead of supplier-views, each in a process of its own: the same three views from the same export.

peers_contenders.py pandas|polars|duckdb EXPORT POLICIES CONTRACT OUT

Each reads every column as text, leaves protected people and rows that a policy does not want out, makes keyed tokens of whole
columns, maps ranks and units to their bands, and writes three CSV files. None checks the contract, keeps a quarantine, binds a
token to its person, sorts, verifies or signs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from stage_peers import read_contract, read_policies

KEY = "0f" * 32
BOUNDARY = "\x1f"


def plan(policies: list[dict[str, Any]], maps: dict[tuple[str, str], dict[str, str]]) -> list[dict[str, Any]]:
    """Per supplier: which rows, and per column its name, what is done, and with what."""
    views = []
    for policy in policies:
        columns = []
        for name, column in policy["columns"].items():
            if column["action"] == "token":
                columns.append((name, "token", column["of"]))
            elif column["action"] == "generalise":
                columns.append((name, "map", maps[name, column["to"]]))
            elif column["action"] == "keep":
                columns.append((name, "keep", None))
        views.append({"supplier": policy["supplier"], "where": policy["rows"].get("where", {}), "columns": columns})
    return views


def with_pandas(export: Path, views: list[dict[str, Any]], out: Path) -> None:
    """`hmac.digest` a row, as most such scripts do it."""
    import hmac

    import pandas as pd

    key = bytes.fromhex(KEY)
    table = pd.read_csv(export, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    for view in views:
        rows = table[table["protected"] == "no"]
        for name, values in view["where"].items():
            rows = rows[rows[name].isin(values)]
        made = {}
        for name, action, terms in view["columns"]:
            if action == "token":
                joined = rows[terms[0]] if len(terms) == 1 else rows[terms].agg(BOUNDARY.join, axis=1)
                made[name] = [hmac.digest(key, text.encode(), "sha256").hex() for text in joined]
            else:
                made[name] = rows[name].map(terms) if action == "map" else rows[name]
        pd.DataFrame(made, index=rows.index).to_csv(out / f"{view['supplier']}.csv", index=False)


def with_polars(export: Path, views: list[dict[str, Any]], out: Path) -> None:
    """polars-hash's HMAC of a column."""
    import polars as pl
    import polars_hash  # noqa: F401 - registers the namespace `chash`

    table = pl.read_csv(export, infer_schema=False).fill_null("")
    for view in views:
        rows = table.filter(pl.col("protected") == "no")
        for name, values in view["where"].items():
            rows = rows.filter(pl.col(name).is_in(list(values)))
        made = []
        for name, action, terms in view["columns"]:
            if action == "token":
                made.append(pl.concat_str(terms, separator=BOUNDARY).chash.hmac_sha256(key=KEY).alias(name))
            else:
                made.append(pl.col(name).replace_strict(terms, default=None) if action == "map" else pl.col(name))
        rows.select(made).write_csv(out / f"{view['supplier']}.csv")


def with_duckdb(export: Path, views: list[dict[str, Any]], out: Path) -> None:
    """One SQL query a view. DuckDB has no HMAC: the key stands before the value, which SHA-256 lets be extended."""
    import duckdb

    base = duckdb.connect(config={"preserve_insertion_order": True})
    base.execute("CREATE TABLE export AS SELECT * FROM read_csv(?, all_varchar = true, header = true, nullstr = '')", [str(export)])
    for view in views:
        made, where = [], ["protected = 'no'"]
        for name, action, terms in view["columns"]:
            if action == "token":
                made.append(f"sha256('{KEY}' || concat_ws(chr(31), {', '.join(terms)})) AS {name}")
            elif action == "map":
                pairs = ", ".join(f"{_text(value)}: {_text(label)}" for value, label in terms.items())
                made.append(f"(MAP {{{pairs}}})[{name}] AS {name}")
            else:
                made.append(name)
        where += [f"{name} IN ({', '.join(map(_text, values))})" for name, values in view["where"].items()]
        select = f"SELECT {', '.join(made)} FROM export WHERE {' AND '.join(where)}"  # noqa: S608 - names of our own policies
        base.execute(f"COPY ({select}) TO {_text(str(out / view['supplier']))[:-1]}.csv' (HEADER)")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


CONTENDERS = {"pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb}

if __name__ == "__main__":
    kind, export_file, policy_folder, contract_file, out_folder = sys.argv[1:]
    terms = plan(read_policies(Path(policy_folder)), read_contract(Path(contract_file))[1])
    CONTENDERS[kind](Path(export_file), terms, Path(out_folder))
