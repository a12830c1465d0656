"""Which attackers there are, what each holds, and which careless design each must bring down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pipelines.drill.attacks import dictionary, frequency, nights, photos, side_channels, singling_out
from pipelines.drill.claims import Claims
from pipelines.drill.loot import Loot

ONE_RELEASE: Final = "one release of the supplier, and what the public knows"


@dataclass(frozen=True, slots=True)
class Attack:
    """An attacker on one supplier. `falls` names the careless design that it must bring down, and that design's supplier."""

    name: str
    holds: str
    asks: str
    run: Callable[[Loot], Sequence[Claims]]
    falls: tuple[str, str]
    nights: int = 1
    by_photo: bool = False
    needs_photos: bool = False
    needs_press: bool = False
    conditions: tuple[str, ...] = ()


def attacks(*, quick: bool, orders: tuple[str, ...]) -> tuple[Attack, ...]:
    """The attackers on one supplier's releases.

    Args:
        quick: try a sample of numbers and names.
        orders: the columns in whose order an export may come.
    """
    return (
        Attack(
            "dictionary",
            ONE_RELEASE,
            "which number or name a row's tokens were made from, without a key",
            partial(dictionary.attack, quick=quick),
            ("sha256-of-the-number", "sha256-a"),
            conditions=(
                f"hashes {', '.join(dictionary.HASHES)}; encodings {', '.join(dictionary.ENCODINGS)}, cut to 64 bits or more",
                "salts: supplier, prefix, epoch, date, release id, before and behind the value",
                "a sample of numbers and names" if quick else "every number in the ranges that are in use, every public name",
            ),
        ),
        Attack(
            "frequency",
            ONE_RELEASE,
            "which name a row has, from how often its values occur",
            frequency.attack,
            ("surname-token", "surname-a"),
        ),
        Attack(
            "side-channels",
            ONE_RELEASE,
            "of two rows, whose person comes first by number, name or day of joining",
            partial(side_channels.attack, orders=orders),
            ("sha256-of-the-number", "sha256-a"),
            conditions=("order of rows; order, size and time of photo files",),
        ),
        Attack(
            "singling-out",
            ONE_RELEASE,
            "which person is alone with what the view keeps, and alone with it on a public list",
            singling_out.attack,
            ("sha256-of-the-number", "sha256-a"),
        ),
        Attack(
            "two-nights",
            "the releases of two nights, and the public lists of both",
            "whose row changed on the day on which a public list changed",
            nights.attack,
            ("sha256-of-the-number", "sha256-a"),
            nights=2,
        ),
        Attack(
            "photo-metadata",
            ONE_RELEASE,
            "whose number or name stands in a photo's file beside its pixels",
            photos.attack_metadata,
            ("raw-export", "raw-a"),
            needs_photos=True,
        ),
        Attack(
            "photo-likeness",
            "one release of the supplier, and press pictures with names of 1 % of people",
            "which row's photo shows the person of a press picture",
            photos.attack_likeness,
            ("raw-export", "raw-a"),
            by_photo=True,
            needs_photos=True,
            needs_press=True,
            conditions=(
                "a perceptual hash: it finds the same picture, cut and compressed again; press pictures are HR's portraits",
                "no model that recognises faces is part of this software: a thief who has one tells more",
            ),
        ),
    )
