"""From a leaked photo back to the supplier whose copy it is, and to no other [I16]."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageOps
from portraits import ATTACKS, SPEC, all_three, opened, portrait

from transforms.photos.encode import render
from transforms.photos.mark import DOWN, Mark
from transforms.photos.model import PrintSpec
from transforms.photos.trace import WIDTHS, Waves, match, read_waves, threshold

PEOPLE = 20
OWN = Mark(bytes([1]) * 32)
OTHERS = [Mark(bytes([2, number]) * 16) for number in range(8)]
LIMIT = threshold(1 + len(OTHERS))


@cache
def leaked(person: int, attack: str) -> Waves:
    copy = opened(render([portrait(person)], [SPEC], [OWN]).rendition().jpeg)
    return read_waves(ATTACKS[attack](copy, np.random.default_rng(person)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_leaked_portrait_names_its_supplier(attack: str) -> None:
    scores = [match(leaked(person, attack), OWN).score for person in range(PEOPLE)]
    assert min(scores) > LIMIT


def test_no_leaked_portrait_names_another_supplier() -> None:
    scores = [match(leaked(person, "all three"), other).score for person in range(PEOPLE) for other in OTHERS]
    assert max(scores) < LIMIT


def test_a_portrait_that_nobody_marked_names_nobody() -> None:
    for person in range(0, PEOPLE, 3):
        copy = opened(render([portrait(person)], [SPEC]).rendition().jpeg)
        assert match(read_waves(copy), OWN).score < LIMIT


def test_a_trace_says_how_much_of_the_width_is_left_and_whether_it_is_mirrored() -> None:
    copy = opened(render([portrait(3)], [SPEC], [OWN]).rendition().jpeg)
    half = copy.crop((40, 30, 40 + 206, 330))
    found = match(read_waves(ImageOps.mirror(half)), OWN)
    assert found.score > LIMIT
    assert found.mirrored
    assert found.share == pytest.approx(206 / 295, rel=0.02)
    assert not match(read_waves(half), OWN).mirrored


@pytest.mark.parametrize("size", [(591, 756), (200, 256), (413, 531)])
def test_prints_of_other_sizes_are_traced_too(size: tuple[int, int]) -> None:
    spec = PrintSpec(*size, 300, 400_000)
    copy = opened(render([portrait(4, spec)], [spec], [OWN]).rendition().jpeg)
    assert match(read_waves(all_three(copy, np.random.default_rng(1))), OWN).score > LIMIT


def test_the_mean_of_two_suppliers_copies_names_both() -> None:
    picture = portrait(5)
    first, second = (opened(render([picture], [SPEC], [mark]).rendition().jpeg) for mark in (OWN, OTHERS[0]))
    waves = read_waves(Image.blend(first, second, 0.5))
    assert min(match(waves, OWN).score, match(waves, OTHERS[0]).score) > LIMIT
    assert match(waves, OTHERS[1]).score < LIMIT


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (1, 1), "white"),
        Image.new("RGB", (295, 378), "grey"),
        Image.linear_gradient("L").resize((900, 300)),
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 700), dtype=np.uint8)),
    ],
    ids=["one pixel", "plain", "gradient", "noise"],
)
def test_what_is_no_portrait_names_nobody(image: Image.Image) -> None:
    assert match(read_waves(image), OWN).score < LIMIT


def test_scores_of_keys_that_have_nothing_to_do_with_a_picture_keep_under_the_bound() -> None:
    """One width, no shift, many keys: of n scores no more than n exp(-z²/2) reach z, with room for chance."""
    waves = leaked(0, "as it was sent").plain[WIDTHS.index(256)]
    keys = 20_000
    phases = np.random.default_rng(11).uniform(0, 2 * np.pi, (keys, DOWN.size))
    scores = np.cos(phases - np.angle(waves)).sum(1) / math.sqrt(DOWN.size / 2)
    for z in (1.0, 2.0, 3.0):
        expected = keys * math.exp(-(z**2) / 2)
        assert (scores >= z).sum() <= expected + 4 * math.sqrt(expected)


def test_more_keys_raise_the_threshold_so_that_the_odds_stay() -> None:
    assert threshold(1) < threshold(10) < threshold(1000) < 8
    trials = 2 * len(WIDTHS) * 96**2
    assert trials * 10 * math.exp(-(threshold(10) ** 2) / 2) == pytest.approx(1e-4)
