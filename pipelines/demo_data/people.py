"""Draws the rows of a synthetic export, a block at a time.

A row depends on the seed, the number of people and its own place only, so blocks may be of any size. Rows are in the order of their
pay numbers and hire dates, as real exports are [R8].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.demo_data import force
from pipelines.demo_data.cells import Mask, Text, constant, days_before, digits, join, take, text, where
from pipelines.demo_data.chance import Chance, Ints, Placed, place
from pipelines.demo_data.naming import Namer, Naming, prepare_names

SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in (
            "pay_number", "warrant_number", "collar_number", "surname", "forenames", "known_as", "email", "phone", "rank",
            "unit_code", "bcu",
            "site", "card_type", "card_expiry", "card_due", "card_reason", "protected", "vetting_level", "vetting_date",
            "hire_date",
            "photo_file", "tunic_size", "trouser_size", "shoe_size", "headgear_size",
        )
    ]
)  # fmt: skip

AS_OF = date(2026, 11, 2)  # the day of the export: fixed, or the same seed would not give the same bytes
MOST_PEOPLE = 20_000_000

_OLD_SERIES_SHARE = 0.3  # hired under the old payroll, whose numbers begin with zeros
_OLD_SERIES, _NEW_SERIES = 104_000, 20_150_000
_FIRST_WARRANT, _WARRANTS = 12_000, 988_000
_SERVICE_DAYS = 38 * 365
_PNG_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Roll:
    """What is decided for the whole run before its first block is drawn."""

    people: int
    seed: int
    naming: Naming
    chiefs: Placed  # kinds index `force.CHIEF_OFFICERS`
    clearances: Placed  # kinds index `force.VETTING`: everybody finds at least one holder
    protected: Placed


def prepare(people: int, seed: int) -> Roll:
    """Decides who has what there is little of."""
    small = people < 1000
    chiefs = [0 if small else max(1, round(count * people / 47_000)) for _, count in force.CHIEF_OFFICERS]
    clearances = [0 if people < 100 else 1] * len(force.VETTING)
    protected = max(round(people * force.PROTECTED_SHARE), 0 if people < 100 else 1)
    return Roll(
        people=people,
        seed=seed,
        naming=prepare_names(people, seed),
        chiefs=place(seed, "chiefs", people, chiefs),
        clearances=place(seed, "clearances", people, clearances),
        protected=place(seed, "protected", people, [protected]),
    )


def draw_rows(roll: Roll, start: int, stop: int) -> pa.RecordBatch:
    """Rows `start` to `stop` (exclusive), in SCHEMA; null where HR knows nothing."""
    chance = Chance(roll.seed, start, stop)
    pay = pay_numbers(roll, start, stop)
    names = Namer(roll.naming, chance)
    posts = _Posts(roll, chance)
    hired = _hire_days(roll, chance)
    due = chance.happens("due", force.DUE_SHARE)
    columns: dict[str, Text] = {
        "pay_number": pay,
        "warrant_number": where(posts.sworn & (chance.rows < _WARRANTS), digits(_FIRST_WARRANT + _warrants(roll, chance), 6)),
        "surname": names.surnames,
        "forenames": names.forenames,
        "known_as": names.known_as,
        "email": join("", constant("p", len(pay)), pay, constant(f"@{force.EMAIL_DOMAIN}", len(pay))),
        "phone": _phones(chance),
        **posts.columns,
        **_card(chance, due),
        **_vetting(roll, chance, hired, posts),
        "protected": _yes_no(_mark(roll.protected, chance)),
        "hire_date": days_before(AS_OF, hired),
        "photo_file": _photo_files(chance, pay, names.latin),
        "tunic_size": _weighted(chance, "tunic", force.TUNIC_SIZES),
        "trouser_size": _weighted(chance, "trouser", force.TROUSER_SIZES),
        "shoe_size": _weighted(chance, "shoe", force.SHOE_SIZES),
        "headgear_size": _weighted(chance, "headgear", force.HEADGEAR_SIZES),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def pay_numbers(roll: Roll, start: int, stop: int) -> Text:
    """Eight digits, rising, unique, every second number issued still in use [C9]."""
    chance = Chance(roll.seed, start, stop)
    rows, gaps = chance.rows, chance.integers("pay", 2)
    old = int(roll.people * _OLD_SERIES_SHARE)
    return digits(np.where(rows < old, _OLD_SERIES + 2 * rows, _NEW_SERIES + 2 * (rows - old)) + gaps, 8)


class _Posts:
    """Rank, unit and what follows from them."""

    def __init__(self, roll: Roll, chance: Chance) -> None:
        spellings = [rank.spelling for rank in force.RANKS] + [spelling for spelling, _ in force.CHIEF_OFFICERS]
        service = [rank.service for rank in force.RANKS] + [force.Service.OFFICER] * len(force.CHIEF_OFFICERS)
        detective = np.array([rank.detective for rank in force.RANKS] + [False] * len(force.CHIEF_OFFICERS))
        rank = chance.weighted("rank", (rank.per_mille for rank in force.RANKS))
        # Nobody hired this decade's first years ago is still a student.
        student, constable = spellings.index("Student Constable"), spellings.index("PC")
        rank = np.where((rank == student) & (chance.rows < roll.people * 0.94), constable, rank)
        at, which = roll.chiefs.within(chance.start, chance.stop)
        rank[at] = len(force.RANKS) + which
        services = list(force.Service)
        serves = np.array([services.index(s) for s in service])[rank]
        self.sworn: Mask = np.isin(serves, [services.index(force.Service.OFFICER), services.index(force.Service.SPECIAL)])
        self.staff: Mask = serves == services.index(force.Service.STAFF)
        self.volunteer: Mask = serves == services.index(force.Service.VOLUNTEER)
        collared = self.sworn | (serves == services.index(force.Service.PCSO))
        collared[at] = False  # chief officers wear no number

        command, number = _commands(roll, chance)
        prefixes = list(force.STRENGTHS)
        territorial = command < len(force.BCUS)
        unit = _units(chance, command, detective[rank])
        unit[at] = force.CHIEF_UNIT
        command[at], territorial[at] = prefixes.index("HQ"), False
        prefix = take(prefixes, command)
        site = (command * 2 + chance.integers("site", force.SITES_PER_COMMAND)) % len(force.SITES)
        self.columns: Mapping[str, Text] = {
            "collar_number": where(collared, join("", prefix, digits(number, 1))),
            "rank": take(spellings, rank),
            "unit_code": text(unit.tolist()),
            "bcu": where(territorial, prefix),
            "site": take(force.SITES, site),
            "card_type": take([s.value for s in services], serves),
        }


def _commands(roll: Roll, chance: Chance) -> tuple[Ints, Ints]:
    """The command of each row, an index into `force.STRENGTHS`, and a number that is its own within the command.

    Each run of `COLLAR_CYCLE` rows has every command in a shuffled order as often as its strength, so a row's number follows from
    its place. Four digits run out at about 140,000 people: after that numbers are given again.
    """
    cycle, strengths = force.COLLAR_CYCLE, np.array(list(force.STRENGTHS.values()))
    first, last = chance.start // cycle, -(-chance.stop // cycle)
    draws = Chance(chance.seed, first * cycle, last * cycle).uniform("command").reshape(-1, cycle)
    order = np.argsort(draws, axis=1, kind="stable")  # a shuffled cycle of 0 .. cycle - 1
    deck = np.repeat(np.arange(len(strengths)), strengths)
    nth = np.concatenate([np.arange(s) for s in strengths])
    turns = np.arange(first, last)[:, None]
    command = deck[order].ravel()
    number = (turns * strengths[deck[order]] + nth[order]).ravel() % 9999 + 1
    here = slice(chance.start - first * cycle, chance.stop - first * cycle)
    return command[here].astype(np.int64), number[here].astype(np.int64)


def _units(chance: Chance, command: Ints, detective: Mask) -> NDArray[np.object_]:
    teams = [[f"{bcu}{team}" for team in force.TEAMS] for bcu in force.BCUS]
    units = [*teams, *(list(units) for units in force.COMMANDS.values())]
    sizes = np.array([len(u) for u in units])
    table = np.array([u + [""] * (sizes.max() - len(u)) for u in units], dtype=object)
    draw = chance.uniform("unit")
    which = (draw * sizes[command]).astype(np.int64)
    investigating = [force.TEAMS.index(team) for team in force.INVESTIGATING_TEAMS]
    in_plain_clothes = detective & (command < len(force.BCUS))
    which = np.where(in_plain_clothes, np.array(investigating)[(draw * len(investigating)).astype(np.int64)], which)
    found: NDArray[np.object_] = table[command, which]
    return found


def _warrants(roll: Roll, chance: Chance) -> Ints:
    """How far each row's warrant number is from the first; the run of six digits ends, and later joiners go without."""
    if 2 * roll.people <= _WARRANTS:
        return 2 * chance.rows + chance.integers("warrant", 2)
    return chance.rows


def _hire_days(roll: Roll, chance: Chance) -> Ints:
    """Days of service up to AS_OF, falling along the export, with a few who came back."""
    share = np.minimum((chance.rows + 0.5) / roll.people, 1.0)  # rows beyond the roll's people join on a later night
    days = _SERVICE_DAYS * (1 - share) ** 1.6
    back = chance.happens("rejoined", 0.01)
    days = np.where(back, days * chance.uniform("back"), days + chance.uniform("day") * 20)
    return np.clip(days, 1, _SERVICE_DAYS).astype(np.int64)


def _card(chance: Chance, due: Mask) -> dict[str, Text]:
    """Type aside: when the card ends, whether one is due and why. Expiry is months from AS_OF."""
    names = list(force.CARD_REASONS)
    reason = chance.weighted("reason", force.CARD_REASONS.values())
    soon = due & (reason == names.index("Renewal"))
    months = np.where(soon, chance.integers("expiry", 3), 3 + chance.integers("expiry", 57)) + (AS_OF.year * 12 + AS_OF.month - 1)
    expiry = join("-", digits(months // 12, 4), digits(months % 12 + 1, 2))
    return {
        "card_expiry": where(~(due & (reason == names.index("New starter"))), expiry),
        "card_due": _yes_no(due),
        "card_reason": where(due, take(names, reason)),
    }


def _vetting(roll: Roll, chance: Chance, hired: Ints, posts: _Posts) -> dict[str, Text]:
    levels = list(force.VETTING)
    level = chance.weighted("vetting", force.VETTING.values())
    other = {name: levels.index(name) for name in ("RV", "NPPV 2", "NPPV 1")}
    # Recruitment vetting is for officers and most staff; volunteers have non-police personnel levels.
    level = np.where(posts.volunteer & (level == other["RV"]), other["NPPV 1"], level)
    level = np.where(posts.staff & (level == other["RV"]) & chance.happens("contractor", 0.1), other["NPPV 2"], level)
    known = ~chance.happens("unvetted", force.UNVETTED_PER_MILLE / 1000)
    at, which = roll.clearances.within(chance.start, chance.stop)
    level[at], known[at] = which, True
    given = np.minimum(hired, 10 * 365) * chance.uniform("vetted")
    return {
        "vetting_level": where(known, take(levels, level)),
        "vetting_date": where(known, days_before(AS_OF, given.astype(np.int64))),
    }


def _phones(chance: Chance) -> Text:
    numbers = join(
        "",
        take(force.PHONE_PREFIXES, chance.integers("prefix", len(force.PHONE_PREFIXES))),
        digits(chance.integers("phone", 1000), 3),
    )
    return where(~chance.happens("no phone", 0.04), numbers)


def _photo_files(chance: Chance, pay: Text, surname: Text) -> Text:
    """A folder per thousand pay numbers; number and surname in the name [P15]."""
    png = chance.happens("png", _PNG_SHARE)
    suffix = take((".jpg", ".png"), png.astype(np.int64))
    folder = pc.utf8_slice_codeunits(pay, 0, 5)
    return join("", folder, constant("/", len(pay)), pay, constant("_", len(pay)), surname, suffix)


def _mark(placed: Placed, chance: Chance) -> Mask:
    marked = np.zeros(chance.stop - chance.start, dtype=np.bool_)
    marked[placed.within(chance.start, chance.stop)[0]] = True
    return marked


def _weighted(chance: Chance, what: str, shares: Mapping[str, float]) -> Text:
    return take(list(shares), chance.weighted(what, shares.values()))


def _yes_no(mask: Mask) -> Text:
    return take(("no", "yes"), mask.astype(np.int64))
