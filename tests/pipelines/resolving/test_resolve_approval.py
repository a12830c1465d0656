"""Above the hourly allowance a second person signs, for one exact request, once; refusals reveal nothing and are recorded [P11]."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.audit.approval import APPROVAL_TYPE, Approval, read_request, sign_approval
from pipelines.audit.inquiry import own_account
from pipelines.audit.keys import open_approver_key
from pipelines.release.dsse import sign_envelope
from pipelines.release.strict_json import canonical_json

if TYPE_CHECKING:
    from tests.pipelines.conftest import Ended
    from tests.pipelines.resolving.conftest import Desk


@pytest.fixture
def tokens(desk: Desk) -> list[str]:
    return [row["person_token"] for row in desk.view("card-printer")]


@pytest.fixture
def approve(desk: Desk) -> Callable[..., Path]:
    """Has these tokens approved as the flags say, and returns the approval."""

    def approve(tokens: Sequence[str], approver: str = "j.okafor", key: str = "", hours: str = "4", **changes: str) -> Path:
        count = len(list(desk.root.glob("*.request")))
        request, approval = desk.root / f"{count}.request", desk.root / f"{count}.approval"
        asked = desk.resolve(*tokens, ask=str(request), **changes)
        assert asked.status == 0, asked.stderr
        signed = desk.call(
            ["audit", "approve", "--request", str(request), "--approver", approver, "--hours", hours,
             "--key", str(desk.root / "people" / f"{key or approver}.key"), "--approval", str(approval)]
        )  # fmt: skip
        assert signed.status == 0, signed.stderr
        return approval

    return approve


def refused(ended: Ended, code: str) -> None:
    """Passes if a call was refused for that reason and printed its summary and nothing else."""
    assert (ended.status, ended.summary["code"], ended.stdout.count("\n")) == (10, code, 1), ended.stdout


def test_the_twenty_first_token_in_an_hour_needs_an_approver_and_the_refusal_is_recorded(desk: Desk, tokens: list[str]) -> None:
    assert desk.statuses(*tokens[:15]) == ["resolved"] * 15
    assert desk.statuses(*tokens[15:20]) == ["resolved"] * 5
    refused(desk.resolve(tokens[20]), "approval-needed")
    last = desk.audit()[-1]
    assert (last["stage"], last["code"], last["details"]["asked"]) == ("refused", "approval-needed", [tokens[20]])


def test_twenty_one_tokens_at_once_need_an_approver(desk: Desk, tokens: list[str]) -> None:
    refused(desk.resolve(*tokens[:21]), "approval-needed")


def test_another_actor_has_no_allowance_of_their_own(desk: Desk, tokens: list[str]) -> None:
    desk.table(*tokens[:20])
    refused(desk.resolve(tokens[20], actor="somebody.else"), "approval-needed")


def test_an_approved_request_is_answered_and_the_auditor_sees_who_approved(
    desk: Desk, tokens: list[str], approve: Callable[..., Path]
) -> None:
    assert desk.statuses(*tokens[:30], approval=str(approve(tokens[:30]))) == ["resolved"] * 30
    asked, answered = desk.audit()
    assert asked["details"]["approver"] == "j.okafor"
    assert asked["approval"] == answered["approval"] is not None


def test_an_approval_holds_for_the_tokens_in_any_order_and_spelling(
    desk: Desk, tokens: list[str], approve: Callable[..., Path]
) -> None:
    approval = approve(tokens[:30])
    typed = [token.lower() for token in reversed(tokens[:30])]
    assert desk.statuses(*typed, approval=str(approval)) == ["resolved"] * 30


def test_an_approval_works_once(desk: Desk, tokens: list[str], approve: Callable[..., Path]) -> None:
    approval = str(approve(tokens[:30]))
    desk.table(*tokens[:30], approval=approval)
    refused(desk.resolve(*tokens[:30], approval=approval), "approval-used")


@pytest.mark.parametrize(
    "change", [{"case": "PSD/2026/0143"}, {"purpose": "incident"}, {"actor": "somebody.else"}, {"supplier": "uniform"}]
)
def test_an_approval_for_another_request_is_refused(
    desk: Desk, tokens: list[str], approve: Callable[..., Path], change: dict[str, str]
) -> None:
    refused(desk.resolve(*tokens[:30], approval=str(approve(tokens[:30])), **change), "approval-other")


def test_an_approval_for_other_tokens_is_refused_and_recorded(desk: Desk, tokens: list[str], approve: Callable[..., Path]) -> None:
    assert len(tokens) > 26
    approval = str(approve(tokens[:25]))
    for others in (tokens[1:26], tokens[:24], tokens[:26]):
        refused(desk.resolve(*others, approval=approval), "approval-other")
    assert [(record["stage"], record["code"]) for record in desk.audit()] == [("refused", "approval-other")] * 3


def test_nobody_approves_their_own_request(desk: Desk, tokens: list[str]) -> None:
    request = desk.root / "request"
    desk.resolve(*tokens[:30], ask=str(request))
    key = str(desk.root / "people" / "r.mensah.key")
    for approver in ("r.mensah", "R.Mensah", own_account().name):
        ended = desk.call(
            ["audit", "approve", "--request", str(request), "--approver", approver, "--key", key,
             "--approval", str(desk.root / "approval")]
        )  # fmt: skip
        refused(ended, "approver-is-actor")
    now = datetime.now(UTC)
    forged = Approval(read_request(request), "r.mensah", now, now + timedelta(hours=1))
    path = desk.root / "forged"
    path.write_bytes(sign_envelope(canonical_json(forged), APPROVAL_TYPE, open_approver_key(Path(key))))
    refused(desk.resolve(*tokens[:30], approval=str(path)), "approver-is-actor")


def test_an_approval_by_a_key_that_is_not_pinned_is_refused(desk: Desk, tokens: list[str], approve: Callable[..., Path]) -> None:
    refused(desk.resolve(*tokens[:30], approval=str(approve(tokens[:30], key="stranger"))), "signature-invalid")


def test_one_approver_does_not_sign_in_the_name_of_another(desk: Desk, tokens: list[str], approve: Callable[..., Path]) -> None:
    refused(desk.resolve(*tokens[:30], approval=str(approve(tokens[:30], key="r.mensah"))), "signature-invalid")


def test_an_approval_that_was_edited_is_refused(desk: Desk, tokens: list[str], approve: Callable[..., Path]) -> None:
    approval = approve(tokens[:30])
    envelope = json.loads(approval.read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b"PSD/2026/0142", b"PSD/2026/0143")
    approval.write_text(json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}))
    refused(desk.resolve(*tokens[:30], approval=str(approval), case="PSD/2026/0143"), "signature-invalid")


@pytest.mark.parametrize("approved", [timedelta(hours=-5), timedelta(hours=1)])
def test_an_approval_that_is_over_or_to_come_is_refused(desk: Desk, tokens: list[str], approved: timedelta) -> None:
    request, path = desk.root / "request", desk.root / "approval"
    desk.resolve(*tokens[:30], ask=str(request))
    key = open_approver_key(desk.root / "people" / "j.okafor.key")
    path.write_bytes(sign_approval(read_request(request), "j.okafor", key, datetime.now(UTC) + approved, 4))
    refused(desk.resolve(*tokens[:30], approval=str(path)), "approval-expired")


def test_an_approval_for_longer_than_the_rules_allow_is_refused(
    desk: Desk, tokens: list[str], approve: Callable[..., Path]
) -> None:
    refused(desk.resolve(*tokens[:30], approval=str(approve(tokens[:30], hours="25"))), "approval-expired")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_approval_is_refused(desk: Desk, tokens: list[str], content: bytes) -> None:
    path = desk.root / "approval"
    path.write_bytes(content)
    refused(desk.resolve(*tokens[:30], approval=str(path)), "signature-invalid")


def test_no_approval_lifts_the_limits_of_a_call_and_of_a_day(desk: Desk, tokens: list[str], approve: Callable[..., Path]) -> None:
    desk.limits(tokens_per_call=25, tokens_per_day=35)
    refused(desk.resolve(*tokens[:26], approval=str(approve(tokens[:26]))), "too-many-tokens")
    desk.table(*tokens[:25], approval=str(approve(tokens[:25])))
    refused(desk.resolve(*tokens[:11], approval=str(approve(tokens[:11]))), "rate-limit")


def test_refused_calls_count_against_the_calls_of_an_hour(desk: Desk, tokens: list[str]) -> None:
    desk.limits(calls_per_hour=3, tokens_per_call=1)
    for _ in range(3):
        refused(desk.resolve(*tokens[:2]), "too-many-tokens")
    refused(desk.resolve(tokens[0]), "rate-limit")


def test_a_file_with_more_tokens_than_a_call_may_ask_is_refused(desk: Desk, tokens: list[str]) -> None:
    desk.limits(tokens_per_call=5)
    reply = desk.root / "reply.csv"
    reply.write_text("card\n" + "\n".join(tokens))
    refused(desk.resolve(tokens_csv=str(reply), column="card"), "too-many-tokens")


def test_every_record_names_the_rules_that_were_in_force(desk: Desk, tokens: list[str]) -> None:
    desk.table(tokens[0])
    desk.limits(tokens_per_hour=1000)
    desk.table(tokens[0])
    rules = [record["rules"] for record in desk.audit()]
    assert rules[0] == rules[1] != rules[2] == rules[3]


def test_a_request_holds_no_token(desk: Desk, tokens: list[str]) -> None:
    desk.resolve(*tokens[:30], ask=str(desk.root / "request"))
    text = (desk.root / "request").read_text()
    assert not any(token[-17:] in text for token in tokens)
