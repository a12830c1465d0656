"""A directory is swept only if it was made for that."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.release.staging import open_staging
from transforms.errors import StoreUnavailable

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)


def test_a_directory_with_files_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    (archive / "2026-11-20").mkdir(parents=True)
    archive.chmod(0o700)
    (archive / "2026-11-20" / "hr-export.csv").write_bytes(b"pay_number\r\n")
    with pytest.raises(StoreUnavailable) as caught, open_staging(archive, NOW):
        pass
    assert caught.value.code == "staging-foreign"
    assert (archive / "2026-11-20" / "hr-export.csv").read_bytes() == b"pay_number\r\n"
    assert [path.name for path in archive.iterdir()] == ["2026-11-20"]


def test_an_empty_directory_is_claimed_and_swept_from_then_on(tmp_path: Path) -> None:
    root = tmp_path / "staging"
    root.mkdir(mode=0o700)
    with open_staging(root, NOW):
        pass
    (root / "2026-11-20" / "left-behind").mkdir(parents=True)
    with open_staging(root, NOW):
        assert not (root / "2026-11-20").exists()
