"""Gives people their names: the common often, the awkward now and then, Smith exactly as often as on the electoral register."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.demo_data.cells import Text, join, put, swap, take, text, upper, where
from pipelines.demo_data.chance import Chance, Ints, Placed, pick, place
from pipelines.demo_data.names import INITIALS, KNOWN_AS, SURNAME_TRAPS, WORD_FORENAMES, Pools, draw_pools, latin

_EVERY_TRAP_FROM = 200  # people; fewer cannot hold one of each kind and still look like a force


@dataclass(frozen=True, slots=True)
class Naming:
    """The pools as Arrow columns, and who falls into which trap of `SURNAME_TRAPS`."""

    pools: Pools
    surnames: Text
    latin_surnames: Text
    forenames: Text
    traps: Placed


def prepare_names(people: int, seed: int) -> Naming:
    """Draws the pools and places the traps."""
    pools = draw_pools()
    least = 1 if people >= _EVERY_TRAP_FROM else 0
    counts = [max(least, round(trap.share * people)) for trap in SURNAME_TRAPS]
    return Naming(
        pools=pools,
        surnames=text(pools.surnames),
        latin_surnames=text(latin(name) for name in pools.surnames),
        forenames=text(pools.forenames),
        traps=place(seed, "surname traps", people, counts),
    )


class Namer:
    """The names of the rows of one block; `latin` is the surname as it stands in a file name, never null."""

    def __init__(self, naming: Naming, chance: Chance) -> None:
        family = pick(chance.uniform("surname"), naming.pools.weights)
        second = pick(chance.uniform("second surname"), naming.pools.weights)
        plain = take(naming.surnames, family)
        double = join("-", plain, take(naming.surnames, second))
        plain = where(chance.happens("double-barrelled", 0.025), double, plain)
        plain = where(chance.happens("upper case", 0.015), upper(plain), plain)
        plain = _stray_blanks(chance, plain, "surname")
        self.surnames, self.latin = _trapped(naming, chance, plain, take(naming.latin_surnames, family))
        self.forenames, self.known_as = _forenames(naming, chance, family)


def _trapped(naming: Naming, chance: Chance, surnames: Text, file_names: Text) -> tuple[Text, Text]:
    """Puts awkward surnames where they were placed; few rows, so one at a time."""
    at, kinds = naming.traps.within(chance.start, chance.stop)
    # By row number, so that the names of a kind take turns.
    chosen = [
        SURNAME_TRAPS[kind].surnames[(row + chance.start) % len(SURNAME_TRAPS[kind].surnames)]
        for row, kind in zip(at.tolist(), kinds.tolist(), strict=True)
    ]
    return put(surnames, at, chosen), put(file_names, at, (latin(name or "") or "Unknown" for name in chosen))


def _forenames(naming: Naming, chance: Chance, family: Ints) -> tuple[Text, Text]:
    pools = naming.pools
    english = np.zeros(len(family), dtype=np.int64)
    community = np.where(chance.happens("English forename", 0.12), english, pools.community[family])

    def given(what: str) -> Text:
        draw = chance.uniform(what) ** 1.7  # the first of a pool are the common ones
        return take(naming.forenames, pools.first[community] + (draw * pools.size[community]).astype(np.int64))

    only, second = given("forename"), given("second forename")
    first = where(chance.happens("double forename", 0.012), join("-", only, second), only)
    first = _some(chance, "word forename", 0.003, WORD_FORENAMES, first)
    first = _some(chance, "initial", 0.002, INITIALS, first)
    names = where(chance.happens("two forenames", 0.3), join(" ", first, second), first)
    names = where(chance.happens("upper-case forenames", 0.015), upper(names), names)
    names = _stray_blanks(chance, names, "forenames")
    names = where(~chance.happens("blank forenames", 0.0015), names)

    known = _some(chance, "nickname", 0.12, KNOWN_AS, only)
    return names, where(~chance.happens("no known-as", 0.2), known)


def _some(chance: Chance, what: str, share: float, words: tuple[str, ...], otherwise: Text) -> Text:
    """One of the words for that share of rows."""
    return where(chance.happens(what, share), take(words, chance.integers(f"{what}: which", len(words))), otherwise)


def _stray_blanks(chance: Chance, names: Text, what: str) -> Text:
    """A blank too many before, after or within some names."""
    draw = chance.uniform(f"stray blanks: {what}")
    before, after, within = (((draw >= low) & (draw < low + 0.002)).astype(np.int64) for low in (0.0, 0.002, 0.004))
    names = join("", take(("", " "), before), names, take(("", " "), after))
    return where(within.astype(np.bool_), swap(names, " ", "  "), names)
