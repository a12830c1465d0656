"""The force that the synthetic people belong to: ranks in real proportions, commands, sites, cards, clearances, sizes.

The tables are the generator's own; a test proves that they agree with the example contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Service(Enum):
    """Which part of the force a rank belongs to; says which card its holder carries."""

    OFFICER = "Warrant card"
    SPECIAL = "Special constabulary card"
    PCSO = "PCSO card"
    STAFF = "Staff pass"
    VOLUNTEER = "Volunteer pass"


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank as HR spells it, how many of a thousand people hold it, and whether it is a detective's."""

    spelling: str
    per_mille: float
    service: Service
    detective: bool = False


def _ranks(service: Service, shares: Mapping[str, float], *, detective: bool = False) -> tuple[Rank, ...]:
    return tuple(Rank(spelling, share, service, detective) for spelling, share in shares.items())


RANKS: Sequence[Rank] = (
    *_ranks(Service.OFFICER, {"PC": 255, "Constable": 76, "Police Constable": 46, "Student Constable": 22, "TFC PC": 7}),
    *_ranks(Service.OFFICER, {"DC": 72, "Detective Constable": 28, "TDC": 8, "CT DC": 7}, detective=True),
    *_ranks(Service.OFFICER, {"PS": 55, "Sgt": 12, "Sergeant": 9, "Police Sergeant": 5, "TFC PS": 1.5}),
    *_ranks(Service.OFFICER, {"DS": 22, "Detective Sergeant": 7, "CT DS": 2}, detective=True),
    *_ranks(Service.OFFICER, {"Insp": 13, "Inspector": 8, "Ch Insp": 4, "CI": 1, "Chief Inspector": 3}),
    *_ranks(Service.OFFICER, {"DI": 9, "Detective Inspector": 3, "DCI": 4, "Detective Chief Inspector": 1}, detective=True),
    *_ranks(Service.OFFICER, {"Supt": 2, "Superintendent": 1.5, "Ch Supt": 1, "Chief Superintendent": 0.6}),
    *_ranks(
        Service.OFFICER,
        {"DSU": 0.5, "Det Supt": 0.4, "Detective Superintendent": 0.4, "DCS": 0.2, "Det Ch Supt": 0.2,
        "Detective Chief Superintendent": 0.2},
        detective=True,
    ),
    *_ranks(
        Service.SPECIAL,
        {"Special Constable": 26, "SPC": 6, "Special Sergeant": 3, "Special Inspector": 1, "Special Chief Inspector": 0.3,
         "Special Superintendent": 0.2},
    ),
    *_ranks(Service.PCSO, {"PCSO": 25, "Police Community Support Officer": 5}),
    *_ranks(Service.STAFF, {"DDO": 12, "Designated Detention Officer": 3, "Designated Investigator": 9}),
    *_ranks(Service.STAFF, {"Band A": 3, "Band B": 14, "Band C": 42, "Band D": 74, "Band E": 60, "Band F": 28, "Band S": 14}),
    *_ranks(Service.VOLUNTEER, {"Police Support Volunteer": 12, "Volunteer Cadet": 6}),
)  # fmt: skip

# One or a handful each in a whole force: (spelling, holders among 47,000).
CHIEF_OFFICERS: Sequence[tuple[str, int]] = (
    ("Commissioner", 1), ("Deputy Commissioner", 1), ("AC", 3), ("Assistant Commissioner", 1), ("DAC", 5),
    ("Deputy Assistant Commissioner", 2), ("Cmdr", 12), ("Commander", 5), ("Special Chief Officer", 1),
)  # fmt: skip

BCUS: Sequence[str] = ("AS", "AW", "CE", "CN", "CW", "EA", "NA", "NE", "NW", "SE", "SN", "SW", "WA")
TEAMS: Sequence[str] = ("R", "N", "I", "P")  # response, neighbourhoods, investigation, public protection
INVESTIGATING_TEAMS: Sequence[str] = ("I", "P")
# Commands outside the BCUs, by the two letters of their collar numbers.
COMMANDS: Mapping[str, Sequence[str]] = {
    "SO": ("SO01", "SO02", "SO03", "SO04", "SO05"),
    "MO": ("MO01", "MO02", "MO03", "MO04", "MO05", "MO06"),
    "SC": ("SC01", "SC02", "SC03"),
    "HQ": ("HQ01", "HQ02", "HQ03"),
    "TR": ("TRN1",),
    "CT": ("CTM1",),
}
# How many of `COLLAR_CYCLE` people in a row of the export belong to each command.
STRENGTHS: Mapping[str, int] = {**dict.fromkeys(BCUS, 11), "SO": 10, "MO": 14, "SC": 12, "HQ": 9, "TR": 4, "CT": 8}
COLLAR_CYCLE = sum(STRENGTHS.values())
CHIEF_UNIT = "HQ01"

SITES: Sequence[str] = (
    "Abbey Road", "Albert House", "Beacon House", "Bridge Street", "Canal Wharf", "Castle Hill", "Cedar House", "Dock Road",
    "Elm Court",
    "Fairfield Centre", "Garden Square", "Harbour Point", "Holly House", "Kingsway", "Lime Grove", "London Road", "Market Place",
    "Meridian House", "Northgate", "Old Mill Lane", "Park View", "Priory Court", "Quayside", "Riverside", "Southgate",
    "Station Road",
    "Tower Court", "Victoria House", "Westgate", "Windmill Lane",
)  # fmt: skip
SITES_PER_COMMAND = 3

CARD_REASONS: Mapping[str, float] = {
    "Renewal": 52, "New starter": 18, "Lost": 9, "Change of rank": 8, "Damaged": 5, "Change of name": 4, "New photo": 3,
    "Stolen": 1,
}  # fmt: skip
DUE_SHARE = 0.08
PROTECTED_SHARE = 0.002

# Clearances [P14], with how many of a thousand hold them; the rare ones are placed so that even a small export has each.
VETTING: Mapping[str, float] = {
    "RV": 560, "MV": 140, "CTC": 90, "NPPV 2": 40, "SC": 50, "NPPV 3": 20, "NPPV 1": 15, "IV": 15, "BPSS": 15, "NPPV 2A": 6,
    "NPPV 2F": 8,
    "DV": 5, "AC": 3, "Level 1B": 1, "SCe": 2, "eSC": 1, "eDV": 1, "STRAP": 1,
}  # fmt: skip
UNVETTED_PER_MILLE = 27.0

TUNIC_SIZES: Mapping[str, float] = {"XS": 4, "S": 16, "M": 28, "L": 26, "XL": 15, "2XL": 7, "3XL": 3, "4XL": 1}
TROUSER_SIZES: Mapping[str, float] = {
    "26": 3, "28": 8, "30": 16, "32": 21, "34": 19, "36": 13, "38": 8, "40": 5, "42": 3, "44": 2, "46": 1, "48": 0.6, "50": 0.4,
}  # fmt: skip
SHOE_SIZES: Mapping[str, float] = {
    "3": 1, "4": 5, "5": 11, "6": 13, "7": 14, "8": 16, "9": 16, "10": 12, "11": 7, "12": 3, "13": 1.4, "14": 0.6,
}  # fmt: skip
HEADGEAR_SIZES: Mapping[str, float] = {"S": 18, "M": 42, "L": 31, "XL": 9}

EMAIL_DOMAIN = "force.example"
# Numbers that Ofcom keeps for drama: each prefix has a thousand.
PHONE_PREFIXES: Sequence[str] = ("07700900", "02079460", "01134960", "01144960", "01164960", "01214960", "01614960", "01632960")
