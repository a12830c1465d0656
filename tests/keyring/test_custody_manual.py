"""keys/README.md says what the code does."""

import re
from datetime import date
from pathlib import Path

from transforms.keyring import keyset
from transforms.keyring.admin import init

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "keys" / "README.md").read_text()


def test_the_manual_explains_every_code_that_the_keyring_gives_and_no_other():
    given = set()
    for path in (ROOT / "transforms" / "keyring").glob("*.py"):
        given |= set(re.findall(r'"((?:key|kek|keyset|store|passphrase|public-key|core-dumps)-[a-z-]+)"', path.read_text()))
    given -= {"key-file", "passphrase-file"}  # what opens a store, not codes
    table = MANUAL[MANUAL.index("## Messages") :]
    assert set(re.findall(r"`([a-z-]+)`", table)) == given


def test_the_manual_names_every_file_of_a_store(tmp_path):
    init(f"file:{tmp_path / 'keys'}", ["uniform"], date(2026, 11, 24))
    table = MANUAL[MANUAL.index("## What lies in a store") : MANUAL.index("## How long")]
    named = {name.replace("SUPPLIER", "uniform").replace("-N", "-1") for name in re.findall(r"`([A-Za-z.-]+)`", table)}
    assert {path.name for path in (tmp_path / "keys").iterdir()} <= named


def test_the_manual_gives_the_cryptoperiods_of_the_code():
    rows = dict(
        re.findall(r"^\| (supplier's token key|`internal`|`signing`|KEK) \| (?:wraps new keys for )?(\d+) months", MANUAL, re.M)
    )
    assert {name: int(months) for name, months in rows.items()} == {
        "supplier's token key": keyset.TOKEN_MONTHS,
        "`internal`": keyset.FINGERPRINT_MONTHS,
        "`signing`": keyset.SIGNING_MONTHS,
        "KEK": keyset.KEK_MONTHS,
    }
    assert f"{keyset.RESOLVE_ONLY_MONTHS} months more" in MANUAL
    assert f"warn from {keyset.WARN_DAYS} days before" in MANUAL
