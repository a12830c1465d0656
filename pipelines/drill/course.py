"""Lets attackers at loot, one after the other, and scores what they claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import combinations

from pipelines.drill import stolen_key
from pipelines.drill.attacks import collusion
from pipelines.drill.attacks.photos import attack_marks
from pipelines.drill.careless import Careless, attack_with_key
from pipelines.drill.claims import Claims
from pipelines.drill.loot import Haul, Loot, Public
from pipelines.drill.model import AttackResult, Limit, NotRun
from pipelines.drill.plan import Attack, attacks
from pipelines.drill.score import Aim, score
from pipelines.drill.stolen_key import KeyReference
from pipelines.drill.truth import Truth
from transforms.keyring.resolving import open_resolving_keys
from transforms.policy.model import Policy

Progress = Callable[[str, int, int], None]


class Course:
    """Lets attackers at loot, one after the other, and keeps what came of it."""

    def __init__(
        self,
        policies: tuple[Policy, ...],
        public: Public,
        truth: Truth,
        progress: Progress,
        orders: tuple[str, ...],
        *,
        quick: bool,
    ) -> None:
        self._policies = {policy.supplier: policy for policy in policies}
        self._public = public
        self._truth = truth
        self._progress = progress
        self._attacks = attacks(quick=quick, orders=orders)
        self.listed = max((table.num_rows for table in public.lists.values()), default=0)
        self.results: list[AttackResult] = []
        self.not_run: list[NotRun] = []

    def attack_suppliers(self, hauls: Mapping[str, tuple[Haul, ...]]) -> None:
        """Every attacker on every supplier."""
        for done, (supplier, nights) in enumerate(hauls.items()):
            self._progress("suppliers attacked", done, len(hauls))
            policy = self._policies[supplier]
            for attack in self._attacks:
                loot = self._loot(attack, supplier, nights)
                if loot is not None:
                    aim = self._aim(attack, supplier, loot)
                    if not attack.by_photo:
                        aim = replace(aim, limit="attributed_above_guess", bound=float(policy.risk.attributed_above_guess))
                    self._run(attack, aim, loot)
        self._progress("suppliers attacked", len(hauls), len(hauls))

    def attack_together(self, hauls: Mapping[str, tuple[Haul, ...]]) -> None:
        """Every pair of suppliers, and all of them, with the releases of the last night."""
        last = {supplier: nights[-1] for supplier, nights in hauls.items() if nights[-1].rows}
        for one, other in combinations(last, 2):
            loot = Loot((last[one], last[other]), self._public)
            bound = min(self._policies[name].risk.relinkable_without_photos for name in (one, other))
            aim = self._together(f"{one}+{other}", loot, "the releases of two suppliers", bound)
            self._score(aim, collusion.attack(loot))
            if all(haul.photo_names() is not None for haul in loot.hauls):
                photos = replace(aim, attack="collusion-photos", by_photo=True, limit=None, bound=None)
                self._score(photos, collusion.attack_photos(loot))
                self._score(replace(photos, attack="photo-marks", asks=_MARK_ASKS), attack_marks(loot))
        if len(last) > 2:
            loot = Loot(tuple(last.values()), self._public)
            bound = min(self._policies[name].risk.relinkable_without_photos for name in last)
            aim = self._together("+".join(last), loot, "the releases of all suppliers", bound)
            self._score(replace(aim, attack="collusion-of-all"), collusion.attack_all(loot))

    def _together(self, target: str, loot: Loot, holds: str, bound: float | None) -> Aim:
        people = sum(self._truth.shared(one, other) for one, other in combinations(loot.hauls, 2))
        conditions = ("people are those whom both releases hold, summed over pairs", "exact joins of tokens and of what both keep")
        limit: Limit | None = None if bound is None else "relinkable_without_photos"
        asks = "which rows of two releases are about one person"
        return Aim("collusion", target, holds, asks, people, limit=limit, bound=bound, conditions=conditions)

    def attack_careless(self, designs: tuple[Careless, ...]) -> None:
        """Each attacker on the careless design that it must bring down."""
        by_name = {design.name: design for design in designs}
        for attack in self._attacks:
            design, supplier = attack.falls
            loot = self._loot(attack, design, by_name[design].hauls[supplier])
            if loot is not None:
                self._run(attack, replace(self._aim(attack, design, loot), careless=True), loot)
        shared = by_name["one-keyed-hash-for-all"]
        both = Loot(tuple(nights[-1] for nights in shared.hauls.values()), self._public)
        for name, run in (("collusion", collusion.attack), ("collusion-of-all", collusion.attack_all)):
            aim = self._together(shared.name, both, "the releases of two suppliers", None)
            self._score(replace(aim, attack=name, careless=True), run(both))
        raw = Loot(tuple(nights[-1] for nights in by_name["raw-export"].hauls.values()), self._public)
        if all(haul.photo_names() is not None for haul in raw.hauls):
            aim = self._together("raw-export", raw, "the releases of two suppliers", None)
            self._score(replace(aim, attack="collusion-photos", careless=True, by_photo=True), collusion.attack_photos(raw))
            marked = Loot(tuple(nights[-1] for nights in by_name["constant-mark"].hauls.values()), self._public)
            aim = self._together("constant-mark", marked, "the releases of two suppliers", None)
            self._score(replace(aim, attack="photo-marks", asks=_MARK_ASKS, careless=True, by_photo=True), attack_marks(marked))
        if shared.key is not None:
            loot = Loot((shared.hauls["shared-b"][-1],), self._public)
            aim = Aim(
                "stolen-key", shared.name, "the key that another supplier's hashes are made with", _STOLEN_ASKS, loot.last.rows,
                careless=True,
            )  # fmt: skip
            self._score(aim, attack_with_key(loot, shared.key))

    def attack_with_stolen_keys(self, hauls: Mapping[str, tuple[Haul, ...]], store: str, today: date) -> None:
        """Every supplier's keys, one epoch at a time, against every release: its own fall, and no other may."""
        for victim in hauls:
            with open_resolving_keys(store, victim, today) as opened:
                epochs = [each.number for each in opened.epochs if opened.refusal(each.number, for_incident=True) is None]
            for epoch in epochs:
                stolen = KeyReference(store, victim, epoch, today)
                for supplier, nights in hauls.items():
                    for haul in nights:
                        self._with_key(stolen, supplier, haul, epochs)

    def _with_key(self, stolen: KeyReference, supplier: str, haul: Haul, epochs: list[int]) -> None:
        if not haul.rows:
            return
        own = supplier == stolen.supplier and haul.epoch == stolen.epoch
        policy = self._policies[supplier]
        aim = Aim(
            "stolen-key",
            f"{supplier} {haul.day.isoformat()}",
            f"one release, and the key of {stolen.supplier}, epoch {stolen.epoch}",
            _STOLEN_ASKS,
            haul.rows,
            limit=None if own else "attributed_above_guess",
            bound=None if own else float(policy.risk.attributed_above_guess),
            conditions=(
                "every token of the stolen key's supplier and epoch falls: destroy the epoch, and treat its releases as known"
                if own
                else "not one token of another supplier or epoch may fall",
            ),
        )
        found = stolen_key.attack(Loot((haul,), self._public), stolen)
        self._score(aim, found)

    def _loot(self, attack: Attack, target: str, nights: tuple[Haul, ...]) -> Loot | None:
        if len(nights) < attack.nights:
            self.not_run.append(NotRun(attack.name, target, "needs the releases of two nights"))
            return None
        loot = Loot(nights[-attack.nights :], self._public)
        if attack.needs_photos and loot.last.photo_names() is None:
            self.not_run.append(NotRun(attack.name, target, "the release has no photos"))
            return None
        if attack.needs_press and not self._public.press:
            self.not_run.append(NotRun(attack.name, target, "there are no press pictures"))
            return None
        if not loot.last.rows:
            self.not_run.append(NotRun(attack.name, target, "the release has no rows"))
            return None
        return loot

    def _aim(self, attack: Attack, target: str, loot: Loot) -> Aim:
        return Aim(
            attack.name, target, attack.holds, attack.asks, loot.last.rows, by_photo=attack.by_photo, conditions=attack.conditions
        )

    def _run(self, attack: Attack, aim: Aim, loot: Loot) -> None:
        self._score(aim, attack.run(loot))

    def _score(self, aim: Aim, found: Sequence[Claims]) -> None:
        self.results.append(score(aim, found, self._truth, self.listed))


_MARK_ASKS = "of which of two suppliers a photo is, by a mark that was guessed without its key"
_STOLEN_ASKS = "which number a row's token was made from"
