"""Names of a UK force: what most people are called, what few are, and what breaks naive software.

The pools are drawn once by faker in English and in the languages of the communities that a UK force has; only names in Latin
script are kept. Who gets which name is drawn by `people`. The pools are the same for every seed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pipelines.demo_data.chance import Floats, Ints, cumulative
from transforms.errors import UsageError

SMITH = "Smith"
SMITH_SHARE = 0.012  # of the electoral register [F6]: 564 in 47,000

# Share of the force in per cent, how many draws are made from faker's lists.
_COMMUNITIES: Mapping[str, tuple[float, int]] = {
    "en_GB": (71.0, 4000), "en_IE": (6.0, 500), "ga_IE": (0.8, 200), "en_IN": (6.5, 600), "en_PK": (4.5, 500), "pl_PL": (2.6, 400),
    "yo_NG": (1.4, 250), "ig_NG": (0.7, 100), "ha_NG": (0.3, 100), "tw_GH": (0.9, 250), "ro_RO": (0.9, 200), "it_IT": (1.0, 300),
    "pt_PT": (0.7, 200), "tr_TR": (0.7, 300), "es_ES": (0.5, 250), "fr_FR": (0.5, 250), "de_DE": (0.3, 150), "lt_LT": (0.3, 100),
    "hu_HU": (0.3, 100), "sk_SK": (0.2, 100), "zu_ZA": (0.3, 150),
}  # fmt: skip
# Common in Britain beside Smith, in per cent of the force [F6]; the rest of the English share is spread over faker's other names.
_COMMON: Mapping[str, float] = {
    "Jones": 0.90, "Williams": 0.64, "Brown": 0.60, "Taylor": 0.58, "Davies": 0.50, "Wilson": 0.45, "Evans": 0.40, "Thomas": 0.37,
    "Johnson": 0.36, "Roberts": 0.34, "Walker": 0.33, "Wright": 0.32, "Robinson": 0.31, "Thompson": 0.31, "White": 0.30,
    "Hughes": 0.30,
    "Edwards": 0.29, "Green": 0.28, "Hall": 0.28, "Wood": 0.27, "Harris": 0.26, "Martin": 0.26, "Patel": 0.5, "Khan": 0.45,
    "Singh": 0.35,
}  # fmt: skip

_WELSH_AND_SCOTS = (
    "Llewellyn", "Ap Rhys", "Cadwaladr", "Gruffydd", "Prydderch", "Ynyr", "Tŷ Gwyn", "MacDonald", "McKenzie", "Mac a' Ghobhainn",
    "MacLeòid", "NicDhòmhnaill", "Dalziel", "Menzies", "Colquhoun",
)  # fmt: skip
_WELSH_AND_SCOTS_FORENAMES = (
    "Siân",
    "Llŷr",
    "Gwenllïan",
    "Dafydd",
    "Eirlys",
    "Iwan",
    "Catrìona",
    "Seumas",
    "Mòrag",
    "Ruaridh",
    "Eilidh",
    "Hamish",
)


@dataclass(frozen=True, slots=True)
class Trap:
    """Surnames of one awkward kind, and the share of people who have one of them."""

    kind: str
    share: float
    surnames: Sequence[str | None]


_DIACRITICS = (
    "Núñez",
    "Brontë",
    "Żółkiewski",
    "Ćwiklińska",
    "Müller",
    "Çelik",
    "Ağaoğlu",
    "Ştefănescu",
    "Ó Súilleabháin",
    "Škvorecký",
    "Gonçalves",
    "Zoë-Ågård",
)

SURNAME_TRAPS: Sequence[Trap] = (
    Trap("smith", SMITH_SHARE, (SMITH,)),
    Trap("blank", 0.0022, (None,)),
    Trap("white-space", 0.0006, ("   ",)),
    Trap("one-letter", 0.0006, ("O", "E", "Y", "Ó")),
    Trap("apostrophe", 0.006, ("O'Neill", "O'Brien", "D'Souza", "O'Connor", "N'Diaye", "D'Arcy", "M'Bala")),
    Trap("typographic-apostrophe", 0.0024, ("O’Neill", "O’Brien", "D’Souza", "O‘Connor", "O´Neill", "O`Hara", "OʼDea", "O′Shea")),
    Trap(
        "rank-or-site-word",
        0.004,
        ("Constable", "Sergeant", "London", "Grant", "May", "Major", "Marshall", "Inspector", "Park", "Castle", "Holly",
        "Lost", "Band",
         "Staff", "Northgate", "Southgate", "Westgate", "Card"),
    ),
    Trap("particle", 0.004, ("de la Cruz", "van der Merwe", "St John", "da Silva", "Ap Rhys", "Al-Hassan", "von Trapp",
    "Ó Conaill", "El Sayed")),
    Trap("diacritics", 0.004, _DIACRITICS),
    Trap("decomposed", 0.003, tuple(unicodedata.normalize("NFD", name) for name in _DIACRITICS)),
    Trap("odd-hyphen", 0.0008, ("Lloyd‐Jones", "Parry–Evans", "Bowes‑Lyon", "Fox—Pitt")),
    Trap("long", 0.0004, ("Wolfeschlegelsteinhausenbergerdorff", "Featherstonehaugh-Cholmondeley-Marjoribanks")),
    Trap("vetting-word", 0.0006, ("Strap",)),
)  # fmt: skip

# Forenames that are words of the export, and the initials that some people are recorded by.
WORD_FORENAMES = ("May", "Grant", "Victoria", "Albert", "Holly", "Major", "London", "Constable")
INITIALS = tuple("ABCDEJKLMRST")
KNOWN_AS = (
    "Bob", "Liz", "Jim", "Kate", "Mo", "Sandy", "Chris", "Sam", "Taff", "Jock", "Paddy", "Ali", "Raj", "Kasia", "Ayo", "Nick",
    "Alex",
    "Beth", "Tony", "Steve", "Maggie", "Dee", "Jo", "Zo", "Smudge",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pools:
    """Surnames with running weights, and the forenames of each surname's community.

    `community[s]` is the community of surname s; its forenames are `forenames[first[c] : first[c] + size[c]]`, the common first.
    """

    surnames: Sequence[str]
    weights: Floats
    community: Ints
    forenames: Sequence[str]
    first: Ints
    size: Ints


@cache
def draw_pools() -> Pools:
    """Draws the pools; the same every time, with the locked release of faker.

    Raises:
        UsageError: faker, which only this needs, is not installed.
    """
    try:
        from faker import Faker
    except ImportError:
        raise UsageError("synthetic names need faker", hint="pip install 'supplier-views[demo]'", code="extra-missing") from None
    surnames: list[str] = []
    shares: list[float] = []
    community: list[int] = []
    forenames: list[str] = []
    first: list[int] = []
    for number, (locale, (share, draws)) in enumerate(_COMMUNITIES.items()):
        faker = Faker(locale)
        faker.seed_instance(number)
        family = _unique(faker.last_name, draws)
        given = _unique(faker.first_name, draws)
        if locale == "en_GB":
            family = [name for name in family if name not in _COMMON]
            rest = _zipf(len(family), offset=60, exponent=0.5) * (share - sum(_COMMON.values()))
            family, weights = [*_COMMON, *family], [*_COMMON.values(), *rest]
        else:
            if locale == "en_IE":
                family, given = [*_WELSH_AND_SCOTS, *family], [*_WELSH_AND_SCOTS_FORENAMES, *given]
            weights = list(_zipf(len(family), offset=3, exponent=0.9) * share)
        surnames += family
        shares += weights
        community += [number] * len(family)
        first.append(len(forenames))
        forenames += given
    sizes = np.diff([*first, len(forenames)])
    return Pools(tuple(surnames), cumulative(shares), np.array(community), tuple(forenames), np.array(first), sizes)


def latin(name: str) -> str:
    """The name in the letters, digits and hyphens that a file name may have; empty if nothing is left."""
    plain = "".join(_PLAIN.get(c, c) for c in unicodedata.normalize("NFKD", name))
    return re.sub(r"[^A-Za-z-]", "", plain).strip("-")


_PLAIN = {
    "ł": "l",
    "Ł": "L",
    "ø": "o",
    "Ø": "O",
    "đ": "d",
    "Đ": "D",
    "ı": "i",
    "ß": "ss",
    "æ": "ae",
    "‐": "-",
    "‑": "-",
    "–": "-",
    "—": "-",
}


def _zipf(count: int, *, offset: float, exponent: float) -> Floats:
    """Zipf-Mandelbrot weights that sum to 1."""
    weights = (np.arange(count) + offset) ** -exponent
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _unique(draw: Callable[[], str], draws: int) -> list[str]:
    """What faker draws, once each in the order of first appearance, without Smith and what is not in Latin script."""
    names = dict.fromkeys(draw() for _ in range(draws))
    return [name for name in names if name != SMITH and len(name) <= 40 and all(_is_latin(c) for c in name)]


def _is_latin(char: str) -> bool:
    return char in " '-’" or unicodedata.name(char, "").startswith("LATIN ")
