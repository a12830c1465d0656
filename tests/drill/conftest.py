"""Two nights of a small force, published, and a full drill on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.demo import make_demo
from pipelines.drill.model import AttackResult, DrillReport
from pipelines.drill.run import DrillSettings, drill
from pipelines.nightly import run
from pipelines.settings import Settings
from transforms.keyring import admin

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SUPPLIERS = ("card-printer", "shift-rostering", "uniform")
NIGHTS = (date(2026, 11, 23), date(2026, 11, 24))
PEOPLE, SEED, PHOTO_MP = 400, 11, 0.02
ROTATED = "uniform"


def nobody_listens(what: str, done: int, total: int) -> None:
    """Takes a report of progress."""


def machine_clock() -> datetime:
    """The time of the machine."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Force:
    """What the force has, and where its releases are."""

    root: Path

    @property
    def keys(self) -> str:
        return f"file:{self.root / 'custody' / 'keys'}"

    @property
    def out(self) -> Path:
        return self.root / "out"

    def export(self, night: int) -> Path:
        return self.root / f"night-{night}" / "hr-export.csv"

    def photos(self, night: int) -> Path:
        return self.root / f"night-{night}" / "photos"

    def publish(
        self, night: int, policies: Path = EXAMPLES / "suppliers", out: Path | None = None, suppliers: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Runs one night; its summary."""
        place = out or self.out
        return run(
            Settings(
                contract=EXAMPLES / "hr-export.yaml",
                policies=policies,
                export=str(self.export(night)),
                photos=str(self.photos(night)),
                keys=self.keys,
                out=place,
                staging=place / ".staging",
                records=place / ".records",
                date=NIGHTS[night - 1],
                suppliers=suppliers,
            ),
            machine_clock,
            nobody_listens,
        )

    def settings(self, *nights: int) -> DrillSettings:
        return DrillSettings(
            contract=EXAMPLES / "hr-export.yaml",
            policies=EXAMPLES / "suppliers",
            exports={NIGHTS[night - 1]: str(self.export(night)) for night in nights},
            photos=self.photos(1),
            keys=self.keys,
            out=self.out,
        )


@pytest.fixture(scope="session")
def force(tmp_path_factory: pytest.TempPathFactory) -> Force:
    """Two published nights; one supplier's keys changed in between."""
    force = Force(tmp_path_factory.mktemp("force"))
    for night in (1, 2):
        make_demo(PEOPLE, SEED, force.export(night).parent, "csv", 0.0, PHOTO_MP, nobody_listens, night)
    force.root.joinpath("custody").mkdir()
    admin.init(force.keys, SUPPLIERS, machine_clock())
    force.publish(1)
    admin.new_epoch(force.keys, ROTATED, machine_clock())
    force.publish(2)
    return force


@pytest.fixture(scope="session")
def telling(force: Force, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Policies of two suppliers that keep the same telling columns; they have keys."""
    policies = tmp_path_factory.mktemp("telling")
    for supplier, prefix in (("caterer", "CA"), ("laundry", "LA")):
        (policies / f"{supplier}.yaml").write_text(
            f"""\
supplier: {supplier}
token_prefix: {prefix}
purpose: feed and clothe people
agreement: DPA-2026-099
legal_basis: public task
delete_after_days: 30
rows: {{full_population: everybody eats and everybody wears what is washed}}
columns:
  person_token: {{action: token, of: [pay_number], why: label}}
  site: {{action: keep, why: where to deliver}}
  trouser_size: {{action: keep, why: what to wash}}
  shoe_size: {{action: keep, why: what to mend}}
  tunic_size: {{action: keep, why: what to wash}}
""",
            encoding="utf-8",
        )
    admin.init(force.keys, ("caterer", "laundry"), machine_clock())
    return policies


@pytest.fixture(scope="session")
def careless(force: Force, telling: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same policies, and releases that left one by one, so that no run saw both."""
    out = tmp_path_factory.mktemp("one-by-one") / "out"
    for supplier in ("caterer", "laundry"):
        force.publish(2, telling, out, (supplier,))
    return telling, out


@pytest.fixture(scope="session")
def report(force: Force) -> DrillReport:
    """A full drill on both nights."""
    return drill(force.settings(1, 2), machine_clock(), nobody_listens)


Find = Callable[..., list[AttackResult]]


@pytest.fixture(scope="session")
def find(report: DrillReport) -> Find:
    """The results of an attack, on careless designs or on the force's releases."""

    def of(attack: str, *, careless: bool = False) -> list[AttackResult]:
        return [result for result in report.attacks if result.attack == attack and result.careless == careless]

    return of
