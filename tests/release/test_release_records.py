from __future__ import annotations

import json
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.release.events import Action, Event, EventLog
from pipelines.release.heartbeat import Heartbeat, read_heartbeat, write_heartbeat
from transforms.errors import Refused, StoreUnavailable
from transforms.keyring.signing import SigningKey

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
BEAT = Heartbeat(NOON, date(2026, 11, 23), {"card-printer": "published", "uniform": "leak-found"})


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return tmp_path / "records"


def test_every_kind_of_event_is_logged_and_read_back_in_order(records: Path) -> None:
    log = EventLog(records)
    events = [Event(action, NOON, "operator", recipient="uniform", reference="case 7") for action in Action]
    for event in events:
        log.append(event)
    assert list(log.events()) == events


def test_the_kinds_of_event_are_those_of_section_62_and_re_identification() -> None:
    assert {action.value for action in Action} == {
        "collection",
        "alteration",
        "consultation",
        "disclosure",
        "combination",
        "erasure",
        "re-identification",
    }


def test_a_log_line_names_time_actor_and_recipient_and_has_no_place_for_a_value(records: Path) -> None:
    EventLog(records).append(Event(Action.COLLECTION, NOON, "operator"))
    line = json.loads((records / "events.jsonl").read_text())
    assert set(line) == {"action", "when", "actor", "recipient", "date", "release_id", "reference"}
    assert (line["action"], line["when"], line["actor"]) == ("collection", "2026-11-23T12:00:00Z", "operator")


def test_the_log_is_private_and_only_grows(records: Path) -> None:
    log = EventLog(records)
    log.append(Event(Action.COLLECTION, NOON, "operator"))
    before = (records / "events.jsonl").read_bytes()
    log.append(Event(Action.ERASURE, NOON, "operator"))
    assert (records / "events.jsonl").read_bytes().startswith(before)
    assert stat.S_IMODE((records / "events.jsonl").stat().st_mode) == 0o600


def test_a_line_that_a_crash_tore_costs_no_other_line(records: Path) -> None:
    log = EventLog(records)
    first, second = Event(Action.COLLECTION, NOON, "operator"), Event(Action.ERASURE, NOON, "operator")
    log.append(first)
    with (records / "events.jsonl").open("ab") as torn:
        torn.write(b'{"action":"disc')
    log.append(second)
    assert list(log.events()) == [first, second]


def test_a_link_in_place_of_the_log_is_refused(records: Path, tmp_path: Path) -> None:
    log = EventLog(records)
    (records / "events.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable):
        log.append(Event(Action.COLLECTION, NOON, "operator"))
    assert not (tmp_path / "elsewhere").exists()


def test_a_run_that_released_nothing_leaves_a_sign_of_life_too(records: Path, signer: SigningKey) -> None:
    assert read_heartbeat(records, (signer.public_bytes(),)) is None
    write_heartbeat(records, BEAT, signer)
    assert read_heartbeat(records, (signer.public_bytes(),)) == BEAT


def test_a_sign_of_life_that_nobody_signed_is_refused(records: Path, signer: SigningKey) -> None:
    write_heartbeat(records, BEAT, signer)
    path = records / "heartbeat.json"
    path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"A'))
    with pytest.raises(Refused):
        read_heartbeat(records, (signer.public_bytes(),))
