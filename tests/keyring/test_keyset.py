"""States and dates of keysets: every day is given, none is read from a clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import InternalError, KeyUnavailable, UsageError
from transforms.keyring.keyset import (
    Epoch,
    Keyset,
    State,
    add_months,
    check_supplier,
    day_of,
    first_keyset,
)

MADE = date(2026, 11, 24)
DAY = timedelta(days=1)
days = st.dates(date(2000, 1, 1), date(2150, 1, 1))


def epoch(number: int = 1, state: State = State.ACTIVE) -> Epoch:
    return Epoch(number, state, MADE, MADE, date(2027, 11, 24))


@pytest.mark.parametrize(
    ("name", "last_day"),
    [("uniform", date(2027, 11, 23)), ("internal", date(2028, 11, 23)), ("signing", date(2028, 11, 23))],
)
def test_a_key_is_active_from_its_first_day_to_the_last_of_its_cryptoperiod(name, last_day):
    keyset = first_keyset(name, MADE)
    assert keyset.active(MADE).number == keyset.active(last_day).number == 1


@pytest.mark.parametrize("name", ["uniform", "internal", "signing"])
def test_a_clock_one_day_back_finds_no_active_key(name):
    with pytest.raises(KeyUnavailable, match="not active before 2026-11-24") as refusal:
        first_keyset(name, MADE).active(MADE - DAY)
    assert refusal.value.code == "key-not-yet-active"
    assert "clock" in refusal.value.hint
    assert refusal.value.place == f"keyset {name}"
    assert refusal.value.exit_status == 30


@pytest.mark.parametrize(
    ("name", "day"), [("uniform", date(2027, 11, 24)), ("internal", date(2028, 11, 24)), ("signing", date(2028, 11, 24))]
)
def test_a_key_is_refused_on_the_day_after_its_cryptoperiod(name, day):
    with pytest.raises(KeyUnavailable, match=f"expired on {day}") as refusal:
        first_keyset(name, MADE).active(day)
    assert refusal.value.code == "key-expired"
    assert "new-epoch" in refusal.value.hint


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACTIVE}))
def test_only_an_active_epoch_may_tokenise(state):
    with pytest.raises(KeyUnavailable, match="no epoch is active") as refusal:
        Keyset("uniform", (epoch(state=state),)).active(MADE)
    assert refusal.value.code == "key-not-active"


def test_expiry_is_announced_thirty_days_before_and_not_thirty_one():
    keyset = first_keyset("uniform", MADE)
    assert keyset.notices(date(2027, 10, 24)) == ()
    assert keyset.notices(date(2027, 10, 25)) == ("key of uniform, epoch 1, expires on 2027-11-24, days left: 30",)


ALLOWED = {
    ("pre-active", "active"),
    ("pre-active", "compromised"),
    ("pre-active", "destroyed"),
    ("active", "deactivated"),
    ("active", "compromised"),
    ("deactivated", "compromised"),
    ("deactivated", "destroyed"),
    ("compromised", "destroyed"),
}


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize("after", list(State))
def test_states_change_as_the_table_of_the_standard_allows(before, after):
    if (before.value, after.value) in ALLOWED:
        assert epoch(state=before).moved_to(after, MADE).state is after
    else:
        with pytest.raises(KeyUnavailable, match=f"cannot go from {before} to {after}"):
            epoch(state=before).moved_to(after, MADE)


@pytest.mark.parametrize("state", [State.ACTIVE, State.DEACTIVATED, State.COMPROMISED])
def test_an_epoch_resolves_for_thirty_six_months_after_it_expired(state):
    keyset = Keyset("uniform", (epoch(state=state),))
    assert keyset.resolvable(1, date(2030, 11, 23)).number == 1
    with pytest.raises(KeyUnavailable, match="resolved until 2030-11-24"):
        keyset.resolvable(1, date(2030, 11, 24))


@pytest.mark.parametrize(("state", "code"), [(State.DESTROYED, "key-destroyed"), (State.PRE_ACTIVE, "key-not-yet-active")])
def test_an_epoch_without_a_usable_key_does_not_resolve(state, code):
    with pytest.raises(KeyUnavailable) as refusal:
        Keyset("uniform", (epoch(state=state),)).resolvable(1, MADE)
    assert refusal.value.code == code


def test_an_epoch_that_never_was_does_not_resolve():
    with pytest.raises(KeyUnavailable, match="there is no epoch 2") as refusal:
        first_keyset("uniform", MADE).resolvable(2, MADE)
    assert refusal.value.code == "key-unknown-epoch"


def test_a_new_epoch_is_active_at_once_and_the_old_one_only_resolves():
    rotated = first_keyset("uniform", MADE).with_new_epoch(MADE + 7 * DAY)
    assert rotated.active(MADE + 7 * DAY).number == 2
    assert rotated.epochs[0] == replace(epoch(), state=State.DEACTIVATED, expires=MADE + 7 * DAY)
    assert rotated.resolvable(1, MADE + 7 * DAY).number == 1


def test_a_new_epoch_after_expiry_keeps_the_day_on_which_the_old_one_expired():
    rotated = first_keyset("uniform", MADE).with_new_epoch(date(2028, 1, 1))
    assert rotated.epochs[0].expires == date(2027, 11, 24)
    assert rotated.active(date(2028, 1, 1)).number == 2


def test_a_new_epoch_is_refused_when_the_clock_is_before_the_last_one():
    with pytest.raises(KeyUnavailable, match="today is 2026-11-23") as refusal:
        first_keyset("uniform", MADE).with_new_epoch(MADE - DAY)
    assert refusal.value.code == "key-not-yet-active"


def test_a_compromised_epoch_is_followed_by_a_new_one_and_stays_compromised():
    rotated = Keyset("uniform", (epoch(state=State.COMPROMISED),)).with_new_epoch(MADE)
    assert [(e.number, e.state) for e in rotated.epochs] == [(1, State.COMPROMISED), (2, State.ACTIVE)]


@pytest.mark.parametrize(
    "epochs",
    [
        (),
        (epoch(0),),
        (epoch(2, State.DEACTIVATED), epoch(1)),
        (epoch(1, State.DEACTIVATED), epoch(1)),
        (epoch(1), epoch(2)),
        (replace(epoch(), created=MADE + DAY),),
        (replace(epoch(), expires=MADE - DAY),),
        (replace(epoch(), expires=date(2027, 11, 25)),),
    ],
    ids=["none", "zero", "falling", "twice", "two active", "active before made", "expired before active", "over its cryptoperiod"],
)
def test_a_keyset_that_contradicts_itself_is_refused(epochs):
    with pytest.raises(KeyUnavailable) as refusal:
        Keyset("uniform", epochs)
    assert refusal.value.code == "keyset-invalid"


@given(days)
def test_whatever_the_day_a_new_key_lives_its_cryptoperiod_and_no_day_more(day):
    keyset = first_keyset("uniform", day)
    expires = keyset.epochs[0].expires
    assert 365 <= (expires - day).days <= 366
    assert keyset.active(expires - DAY).number == 1
    with pytest.raises(KeyUnavailable):
        keyset.active(expires)


@given(days, st.lists(st.integers(0, 800), max_size=6))
def test_any_history_of_rotations_has_one_active_epoch(day, gaps):
    keyset = first_keyset("uniform", day)
    for gap in gaps:
        day += gap * DAY
        keyset = keyset.with_new_epoch(day)
    assert keyset.active(day).number == len(gaps) + 1


def test_a_prepared_epoch_takes_over_on_its_day_and_changes_nothing_before():
    day = MADE + 10 * DAY
    prepared = first_keyset("uniform", MADE).with_new_epoch(MADE + DAY, day)
    assert prepared.at(day - DAY) == prepared
    assert prepared.active(day - DAY).number == 1
    assert prepared.epochs[1] == Epoch(2, State.PRE_ACTIVE, MADE + DAY, day, add_months(day, 12))
    with pytest.raises(KeyUnavailable) as refusal:
        prepared.resolvable(2, day - DAY)
    assert refusal.value.code == "key-not-yet-active"
    for later in (day, day + 90 * DAY):
        taken = prepared.at(later)
        assert [(epoch.state, epoch.expires) for epoch in taken.epochs] == [
            (State.DEACTIVATED, day),
            (State.ACTIVE, add_months(day, 12)),
        ]
        assert taken.active(later).number == 2
        assert taken.resolvable(1, later).number == 1


def test_a_prepared_epoch_takes_over_where_the_one_before_was_ended():
    prepared = first_keyset("uniform", MADE).with_new_epoch(MADE, MADE + 10 * DAY)
    ended = prepared.moved(State.DEACTIVATED, MADE + DAY, 1)
    with pytest.raises(KeyUnavailable):
        ended.at(MADE + 9 * DAY).active(MADE + 9 * DAY)
    assert ended.at(MADE + 10 * DAY).active(MADE + 10 * DAY).number == 2
    assert ended.at(MADE + 10 * DAY).epochs[0].expires == MADE + DAY


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_prepared_epoch_leaves_no_day_without_an_active_key_and_is_of_a_later_day(days):
    with pytest.raises(UsageError):
        first_keyset("uniform", MADE).with_new_epoch(MADE, MADE + days * DAY)
    assert first_keyset("uniform", MADE).with_new_epoch(MADE, MADE + 365 * DAY)  # the day on which epoch 1 expires


@pytest.mark.parametrize("state", [State.DESTROYED, State.COMPROMISED])
def test_only_one_epoch_waits_and_one_that_was_taken_back_is_in_nobody_s_way(state):
    prepared = first_keyset("uniform", MADE).with_new_epoch(MADE, MADE + 10 * DAY)
    for activates in (None, MADE + 20 * DAY):
        with pytest.raises(KeyUnavailable) as refusal:
            prepared.with_new_epoch(MADE, activates)
        assert refusal.value.code == "key-state"
    back = prepared.moved(state, MADE, 2)
    assert back.at(MADE + 11 * DAY).active(MADE + 11 * DAY).number == 1
    assert back.with_new_epoch(MADE + DAY).active(MADE + DAY).number == 3


def test_months_end_on_the_last_day_of_a_shorter_month():
    assert add_months(date(2028, 2, 29), 12) == date(2029, 2, 28)
    assert add_months(date(2026, 11, 30), 3) == date(2027, 2, 28)
    assert add_months(date(2026, 12, 31), 1) == date(2027, 1, 31)


def test_a_time_counts_as_its_day_in_utc():
    summer = timezone(timedelta(hours=1))
    assert day_of(datetime(2026, 6, 2, 0, 30, tzinfo=summer)) == date(2026, 6, 1)
    assert day_of(datetime(2026, 6, 2, 0, 30, tzinfo=UTC)) == date(2026, 6, 2)


def test_a_time_without_a_zone_is_a_bug():
    with pytest.raises(InternalError, match="without a zone"):
        first_keyset("uniform", MADE).active(datetime(2026, 11, 24))  # noqa: DTZ001, RUF100


@pytest.mark.parametrize("name", ["internal", "signing"])
def test_no_supplier_may_have_a_name_of_the_force(name):
    with pytest.raises(UsageError, match="reserved"):
        check_supplier(name)
