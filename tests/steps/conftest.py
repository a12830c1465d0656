"""A key store for steps that open keys."""

from __future__ import annotations

from datetime import date

import pytest

from transforms.keyring import admin

DAY = date(2026, 11, 23)


@pytest.fixture(scope="session")
def day() -> date:
    return DAY


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a store with the force's own keys."""
    uri = f"file:{tmp_path_factory.mktemp('custody') / 'keys'}"
    admin.init(uri, [], DAY)
    return uri
