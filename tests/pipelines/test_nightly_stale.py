"""A search proves something only if it is of the export that was staged."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.inputs import find_sources, unchanged
from transforms.contract.load import load_contract
from transforms.errors import ExportError, Refused

if TYPE_CHECKING:
    from conftest import Ended, Site

Call = Callable[[Sequence[str]], "Ended"]
VIEWS = ("--supplier", "uniform", "shift-rostering")


def test_a_view_is_not_verified_against_another_export(site: Site, call: Call) -> None:
    rows = site.rows()
    staged = site.with_rows(rows)
    assert call(staged.arguments("stage", *VIEWS)).status == 0
    other = staged.with_rows([row | {"surname": "Sentinel"} for row in rows])
    ended = call(other.arguments("verify", *VIEWS))
    assert (ended.status, ended.summary["code"]) == (10, "stage-stale")
    assert "Sentinel" not in ended.stdout + ended.stderr


def test_an_export_that_changes_while_it_is_read_is_refused(site: Site) -> None:
    copy = site.with_rows(site.rows())
    settings = copy.settings()
    sources = find_sources(settings.export, load_contract(settings.contract))
    with pytest.raises(Refused) as caught, unchanged(sources):
        Path(sources[0].path).write_bytes(b"x")
    assert caught.value.code == "export-changed"


def test_a_named_pipe_is_no_export(site: Site, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "export.csv")
    with pytest.raises(ExportError) as caught:
        find_sources(str(tmp_path / "export.csv"), load_contract(site.settings().contract))
    assert caught.value.code == "export-not-a-file"
