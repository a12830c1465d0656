"""What a run refuses before it reads anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipelines.settings import Settings, check_apart
from transforms.errors import UsageError

OUT = Path("/srv/releases")
APART = Settings(
    contract=Path("c.yaml"),
    policies=Path("p"),
    export="e.csv",
    photos=None,
    keys="file:/etc/keys",
    out=OUT,
    staging=OUT / ".staging",
    records=OUT / ".records",
    date=date(2026, 11, 23),
)


def test_private_places_in_hidden_directories_or_elsewhere_pass() -> None:
    check_apart(APART)
    check_apart(replace(APART, staging=Path("/var/staging"), records=Path("/var/records")))


@pytest.mark.parametrize(
    "settings",
    [
        replace(APART, keys=f"file:{OUT}/uniform"),
        replace(APART, keys=f"file:{OUT}/.keys"),
        replace(APART, keys=f"file:{OUT}/%75niform?passphrase-file=/run/p"),
        replace(APART, keys=f"pkcs11:token=t;object=o?module-path=/m&pin-source=/p&directory={OUT}/uniform"),
        replace(APART, keys=f"awskms:arn:aws:kms:eu-west-2:123456789012:key/1?directory={OUT}/.keys"),
        replace(APART, staging=OUT / "uniform"),
        replace(APART, staging=OUT),
        replace(APART, records=OUT / "uniform" / ".records"),
    ],
)
def test_a_private_place_where_suppliers_look_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError) as caught:
        check_apart(settings)
    assert caught.value.code == "inside-out"
