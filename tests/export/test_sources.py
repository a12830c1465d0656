"""Every format is known by its extension, and says the same of the same people."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.contract.model import Classification, Column, Contract
from transforms.errors import ExportError
from transforms.export.sources import Format, Source, check_header, format_of, open_reader

AB = Contract("export", "1", tuple(Column(name, Classification.OPERATIONAL) for name in "ab"), "a", None)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/in/hr.csv", Format.CSV), ("gs://b/HR.CSV", Format.CSV), ("a.b.parquet", Format.PARQUET), ("x.jsonl", Format.JSONL)],
)
def test_the_extension_names_the_format(path: str, kind: Format) -> None:
    assert format_of(path) is kind


@pytest.mark.parametrize("path", ["hr.xlsx", "hr.XLS", "hr.ods"])
def test_a_spreadsheet_is_refused_with_the_reason(path: str) -> None:
    with pytest.raises(ExportError) as caught:
        format_of(path)
    assert caught.value.code == "spreadsheet"
    assert "leading zeros" in caught.value.hint


@pytest.mark.parametrize("path", ["hr", "hr.txt", "hr.json", "csv", "dir.csv/hr"])
def test_any_other_extension_is_refused(path: str) -> None:
    with pytest.raises(ExportError) as caught:
        format_of(path)
    assert caught.value.code == "unknown-format"


def written(kind: Format, rows: list[tuple[str, str]]) -> bytes:
    if kind is Format.PARQUET:
        binary = io.BytesIO()
        pq.write_table(pa.table({name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate("ab")}), binary)
        return binary.getvalue()
    file = io.StringIO(newline="")
    if kind is Format.CSV:
        csv.writer(file).writerows([("a", "b"), *rows])
    else:
        file.writelines(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows)
    return file.getvalue().encode()


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"), max_size=6)] * 2), min_size=1, max_size=12))
def test_all_formats_say_the_same_of_the_same_rows(rows: list[tuple[str, str]]) -> None:
    answers = []
    for kind in Format:
        stream = io.BytesIO(written(kind, rows))
        source = Source(7, f"hr.{kind}", len(stream.getvalue()), kind)
        check_header(source, stream, AB)
        answers.append([row for block in open_reader(source, stream, AB) for row in block.rows.to_pylist()])
    assert answers[0] == answers[1] == answers[2]
    assert [(row["a"] or "", row["b"] or "") for row in answers[0]] == rows
