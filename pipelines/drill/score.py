"""From claims to results: how many are true, how many a guess would have, and what the policy allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipelines.drill.chance import at_least, clopper_pearson
from pipelines.drill.claims import Claims, ManyPairs, OrderClaims, PairClaims, PersonClaims, SourceClaims, ValueClaims, made
from pipelines.drill.loot import mask, picked
from pipelines.drill.model import CHANCE, CONFIDENCE, AttackResult, Limit, Verdict
from pipelines.drill.truth import Truth


@dataclass(frozen=True, slots=True)
class Aim:
    """What an attack is aimed at, and what may come of it. `limit` None: nothing bounds it."""

    attack: str
    target: str
    holds: str
    asks: str
    people: int
    careless: bool = False
    by_photo: bool = False
    limit: Limit | None = None
    bound: float | None = None
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scored:
    how: str
    claims: int
    correct: int
    guess: float
    chance: float


def score(aim: Aim, found: Sequence[Claims], truth: Truth, listed: int) -> AttackResult:
    """The result of one attack: of its variants, the one that guessing would match least often.

    Args:
        aim: the attack and its target.
        found: the claims of each variant that was tried; a variant without claims counts as tried.
        truth: who is who.
        listed: lines of the public list, among which a guess picks.
    """
    tried = [_scored(claims, truth, listed) for claims in found]
    best = min(tried, key=lambda each: (each.chance, -each.correct), default=_Scored("nothing to try", 0, 0, 0.0, 1.0))
    variants = max(1, len(tried))
    chance = min(1.0, best.chance * variants)  # Bonferroni: luck had so many tries
    beyond = best.correct - best.claims * best.guess
    above = max(1, round(beyond)) if chance < CHANCE and beyond > 0 else 0
    share = best.correct / aim.people if aim.people else 0.0
    low, high = clopper_pearson(best.correct, best.claims or aim.people, CONFIDENCE)
    return AttackResult(
        attack=aim.attack,
        target=aim.target,
        careless=aim.careless,
        by_photo=aim.by_photo,
        holds=aim.holds,
        asks=aim.asks,
        people=aim.people,
        claims=best.claims,
        correct=best.correct,
        rate=best.correct / best.claims if best.claims else 0.0,
        guess_rate=best.guess,
        low=low,
        high=high,
        chance=chance,
        above_guess=above,
        share=share,
        best=best.how,
        variants=variants,
        limit=aim.limit,
        bound=aim.bound,
        verdict=_verdict(aim, above, share),
        conditions=aim.conditions,
    )


def _verdict(aim: Aim, above: int, share: float) -> Verdict:
    if aim.careless:
        return Verdict.WON if above else Verdict.HELD
    if aim.limit is None or aim.bound is None:
        return Verdict.TOLD
    measure = above if aim.limit == "attributed_above_guess" else share if above else 0.0
    return Verdict.OVER if measure > aim.bound else Verdict.WITHIN


def _scored(claims: Claims, truth: Truth, listed: int) -> _Scored:
    count = made(claims)
    if not count:
        return _Scored(claims.how, 0, 0, 0.0, 1.0)
    right, guess = _right(claims, truth, listed)
    correct = int(np.count_nonzero(right))
    return _Scored(claims.how, count, correct, guess, at_least(correct, count, guess))


def _right(claims: Claims, truth: Truth, listed: int) -> tuple[Any, float]:
    """Which claims are true, and the rate at which guesses would be."""
    match claims:
        case PersonClaims():
            said = truth.listed(claims.haul, claims.listed)
            return _equal(said, truth.person(claims.haul, claims.rows)), 1 / max(1, listed)
        case ValueClaims():
            everybody = truth.values(claims.haul, np.arange(claims.haul.rows), claims.about)
            counts = pc.value_counts(everybody)
            at = pc.index_in(claims.said, value_set=counts.field("values"))
            times: Any = counts.field("counts").take(at)
            held = np.asarray(pc.fill_null(times, 0), np.float64)
            is_key = claims.about == (truth.person_key,)
            guess = 1 / max(1, listed) if is_key else float(held.mean()) / max(1, claims.haul.rows)
            return _equal(claims.said, picked(everybody, claims.rows)), guess
        case PairClaims():
            mine, theirs = truth.person(claims.haul, claims.rows), truth.person(claims.other, claims.others)
            return _equal(mine, theirs), 1 / max(1, claims.other.rows)
        case ManyPairs():
            scored = [_right(part, truth, listed) for part in claims.parts if len(part.rows)]
            guess = sum(len(right) * rate for right, rate in scored) / max(1, sum(len(right) for right, _ in scored))
            return np.concatenate([right for right, _ in scored]), guess
        case OrderClaims():
            first = truth.cleaned(claims.haul, claims.rows, claims.about)
            second = truth.cleaned(claims.haul, claims.later, claims.about)
            return mask(pc.less(first, second)), 0.5
        case SourceClaims():
            return claims.right, claims.guess


def _equal(one: Any, other: Any) -> Any:
    return mask(pc.equal(one, other))
