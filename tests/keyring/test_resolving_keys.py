"""Keys that resolve: no epoch need be active, and each epoch says for itself why it may not."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring import admin
from transforms.keyring.open import open_keyset
from transforms.keyring.resolving import open_resolving_keys

MADE = date(2026, 11, 24)
EXPIRED = date(2027, 11, 24)
OVER = date(2030, 11, 24)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    admin.init(f"file:{tmp_path / 'keys'}", ["uniform"], MADE)
    return f"file:{tmp_path / 'keys'}"


def test_an_expired_epoch_makes_no_token_and_still_resolves(uri: str) -> None:
    with pytest.raises(KeyUnavailable):
        open_keyset(uri, "uniform", EXPIRED)
    with open_keyset(uri, "uniform", MADE) as active, open_resolving_keys(uri, "uniform", EXPIRED) as keys:
        assert keys.refusal(1, for_incident=False) is None
        assert keys.key(1) == active.key()


def test_it_resolves_to_the_last_day_of_36_months_and_not_on_the_next(uri: str) -> None:
    with open_resolving_keys(uri, "uniform", OVER - timedelta(days=1)) as keys:
        assert keys.refusal(1, for_incident=True) is None
    with open_resolving_keys(uri, "uniform", OVER) as keys:
        assert keys.refusal(1, for_incident=True) == "key-expired"
        with pytest.raises(KeyUnavailable):
            keys.key(1)


def test_an_epoch_that_never_was_is_refused(uri: str) -> None:
    with open_resolving_keys(uri, "uniform", MADE) as keys:
        assert keys.refusal(2, for_incident=True) == "key-unknown-epoch"
        assert [epoch.number for epoch in keys.epochs] == [1]


def test_keys_are_wiped_at_the_end(uri: str) -> None:
    with open_resolving_keys(uri, "uniform", MADE) as keys:
        key = keys.key(1)
    with pytest.raises(InternalError):
        key.reveal()
