"""Exact intervals and tails, against values that can be worked out by hand or are in tables."""

from __future__ import annotations

import math

import pytest

from pipelines.drill.chance import at_least, clopper_pearson

TAILS = [(0, 5, 0.3), (1, 5, 0.3), (3, 5, 0.3), (5, 5, 0.3), (2, 30, 0.01), (40, 60, 0.5)]


@pytest.mark.parametrize(("correct", "tried", "rate"), TAILS)
def test_a_tail_is_the_sum_of_its_binomial_terms(correct: int, tried: int, rate: float) -> None:
    terms = (math.comb(tried, k) * rate**k * (1 - rate) ** (tried - k) for k in range(correct, tried + 1))
    assert at_least(correct, tried, rate) == pytest.approx(math.fsum(terms), rel=1e-9)


def test_an_interval_without_success_ends_where_the_closed_form_says() -> None:
    low, high = clopper_pearson(0, 50, 0.95)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 50), rel=1e-9)


def test_an_interval_of_success_alone_begins_where_the_closed_form_says() -> None:
    low, high = clopper_pearson(50, 50, 0.95)
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / 50), rel=1e-9)


def test_a_published_interval_is_met() -> None:
    # 10 of 100: the table of Clopper and Pearson (1934) reads 0.05 and 0.18 on its chart; exact to four places below
    low, high = clopper_pearson(10, 100, 0.95)
    assert (round(low, 4), round(high, 4)) == (0.0490, 0.1762)


def test_each_end_of_an_interval_leaves_its_tail() -> None:
    low, high = clopper_pearson(7, 47_000, 0.95)
    assert at_least(7, 47_000, low) == pytest.approx(0.025, rel=1e-6)
    assert 1 - at_least(8, 47_000, high) == pytest.approx(0.025, rel=1e-6)


def test_nothing_tried_says_nothing() -> None:
    assert clopper_pearson(0, 0, 0.95) == (0, 1)
