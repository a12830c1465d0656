"""From the model to HTML: one file that fetches nothing, runs nothing, and escapes every text that it is given."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.reporting import plain_words
from pipelines.reporting.charts import Bar, Column, Dot, bars, columns, dots
from pipelines.reporting.model import Attack, Crowds, Exposure, HrCell, Report, SupplierReport

_MOST_COLUMNS: Final = 60
_STOLEN: Final = "stolen-key"


@dataclass(frozen=True, slots=True)
class Row:
    """One column of HR's record, and what each supplier sees of it: texts, empty where it stays."""

    cell: HrCell
    seen: tuple[tuple[tuple[str, bool], ...], ...]  # for each supplier: what is shown, and whether it is a token


@dataclass(frozen=True, slots=True)
class Listed:
    """One run in the index: its page, relative to the index, and its model."""

    href: str
    report: Report


def render_page(report: Report) -> str:
    """The page of one run."""
    raw = _raw_export(report)
    return _environment().get_template("report.html").render(
        report=report,
        title=f"Report for {long_date(report.date)}",
        words=plain_words,
        raw=raw,
        rows=_rows(report),
        blast={part.supplier: _blast_chart(part, raw, report) for part in report.suppliers if part.tonight},
        last_night=dict(report.last_night),
        attack_chart=_attack_chart(report),
        attacks=_attacks(report),
        stolen=_attacks(report, stolen=True),
        careless=tuple(attack for attack in (report.full_drill.attacks if report.full_drill else ()) if attack.careless),
        crowds={part.supplier: _crowd_chart(part.supplier, part.crowds) for part in report.suppliers if part.crowds},
        checks=_checks(report),
        flow=_flow_chart(report),
        left=[part for part in report.suppliers if part.tonight],
    )  # fmt: skip


def render_index(listed: Sequence[Listed]) -> str:
    """The page that lists runs, the newest first, with a trend for each supplier."""
    suppliers = sorted({part.supplier for run in listed for part in run.report.suppliers})
    return _environment().get_template("index.html").render(
        title="Reports of past runs",
        runs=listed,
        trends={supplier: _trend(supplier, listed) for supplier in suppliers},
    )  # fmt: skip


def content_security_policy() -> str:
    """Nothing may be fetched or run; the one style sheet stands in the page, named by its digest, and so do pictures."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def long_date(day: date) -> str:
    """A date as people write it."""
    return f"{day.day} {day:%B %Y}"


def share(part: float) -> str:
    """A share (0 to 1) as a percentage that never rounds something to nothing."""
    if 0 < part < 0.001:
        return "under 0.1 %"
    return f"{part:.1%}".replace("%", " %").replace(".0 ", " ")


@cache
def _style() -> str:
    return resources.files("pipelines.reporting").joinpath("templates", "style.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipelines.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"long_date": long_date, "share": share, "number": "{:,}".format}
    # The style sheet is a file of this package, and in HTML a style element's text is not escaped.
    environment.globals |= {"style": Markup(_style()), "csp": content_security_policy()}  # noqa: S704
    return environment


def _raw_export(report: Report) -> Exposure | None:
    if report.counts is None:
        return None
    people = report.counts.rows
    return Exposure(people, len(report.export_columns), people if report.portrait else 0, None)


def _rows(report: Report) -> list[Row]:
    return [Row(cell, tuple(tuple(_seen(part, cell.column)) for part in report.suppliers)) for cell in report.hr_record]


def _seen(part: SupplierReport, column: str) -> list[tuple[str, bool]]:
    values = {cell.column: cell.value for cell in part.seen or ()}
    lines = [line for line in part.columns if column in line.of]
    return [(value, line.action in ("token", "photo")) for line in lines if (value := values.get(line.name)) is not None]


def _blast_chart(part: SupplierReport, raw: Exposure | None, report: Report) -> Markup:
    tonight = part.tonight
    before = dict(report.last_night).get(part.supplier)
    if tonight is None or raw is None:
        return Markup("")
    rows = [
        _against("People", tonight.people, raw.people, before.people if before else None),
        _against("Columns about each", tonight.fields, raw.fields, before.fields if before else None),
    ]
    if raw.photos:
        rows.append(_against("Photos", tonight.photos, raw.photos, before.photos if before else None))
    description = "; ".join(f"{row.label}: {row.value}" for row in rows)
    title = f"What a breach of {part.supplier} would expose tonight, as a share of HR's export"
    return bars(f"blast-{part.supplier}", title, description, rows)


def _against(label: str, now: int, whole: int, before: int | None) -> Bar:
    return Bar(
        label, f"{now:,} of {whole:,}", now / whole if whole else 0.0, None if before is None or not whole else before / whole
    )


def _attacks(report: Report, *, stolen: bool = False) -> list[Attack]:
    """Results on real releases, without a key or with a stolen one, the most telling first."""
    drill = report.drill or report.full_drill
    found = [attack for attack in (drill.attacks if drill else ()) if not attack.careless and (attack.attack == _STOLEN) is stolen]
    return sorted(found, key=lambda attack: (attack.verdict != "over", -attack.above_guess, attack.attack, attack.target))


def _attack_chart(report: Report) -> Markup:
    """One row an attack: the result on the supplier where it told most, and on the careless design for scale."""
    worst: dict[str, Attack] = {}
    for attack in _attacks(report):
        known = worst.get(attack.attack)
        if known is None or (attack.above_guess, attack.rate) > (known.above_guess, known.rate):
            worst[attack.attack] = attack
    scale = {attack.attack: attack.rate for attack in (report.full_drill.attacks if report.full_drill else ()) if attack.careless}
    rows = [
        Dot(
            label=plain_words.label(plain_words.ATTACKS, name),
            value=f"{attack.above_guess:,} told" if attack.above_guess else "nobody told",
            rate=attack.rate,
            low=attack.low,
            high=attack.high,
            guess=attack.guess_rate,
            careless=scale.get(name),
            tone="bad" if attack.verdict == "over" else "plain" if attack.by_photo else "good",
        )
        for name, attack in worst.items()
    ]
    if not rows:
        return Markup("")
    description = "; ".join(
        f"{row.label}: {share(row.rate)} of claims right, {share(row.guess)} by guessing"
        + (f", {share(row.careless)} on a careless design" if row.careless is not None else "")
        for row in rows
    )
    return dots("attacks", "How often each attack was right, against guessing", description, rows)


def _crowd_chart(supplier: str, crowds: Crowds) -> Markup:
    whole = sum(size.people for size in crowds.sizes)
    rows = [
        Bar(
            label="Alone with their facts" if size.label == "1" else f"In a group of {size.label}",
            value=f"{size.people:,} people in {size.groups:,} group{'' if size.groups == 1 else 's'}",
            share=size.people / whole if whole else 0.0,
            tone="bad" if index < 2 else "plain",  # of fewer than five [D1]
        )
        for index, size in enumerate(crowds.sizes)
        if size.people or index < 2
    ]
    description = "; ".join(f"{row.label}: {row.value}" for row in rows)
    return bars(f"crowds-{supplier}", f"How many people of {supplier} share the same readable facts", description, rows)


def _checks(report: Report) -> list[tuple[str, list[tuple[str, str]], list[tuple[str, int]]]]:
    """Each family of rules, and how many of them every checked view was held to."""
    views = [(part.supplier, part.checks) for part in report.suppliers if part.checks]
    families = plain_words.grouped(rule for _, checks in views for rule in checks)
    return [
        (family, rules, [(supplier, sum(rule in checks for rule, _ in rules)) for supplier, checks in views])
        for family, rules in families
    ]


def _flow_chart(report: Report) -> Markup:
    counts = report.counts
    if counts is None:
        return Markup("")
    rows = [
        Bar("Rows in HR's export", f"{counts.rows:,}", 1.0 if counts.rows else 0.0),
        Bar("Kept the contract", f"{counts.accepted:,}", counts.accepted / counts.rows if counts.rows else 0.0, tone="good"),
        Bar("Quarantined", f"{counts.quarantined:,}", counts.quarantined / counts.rows if counts.rows else 0.0, tone="bad"),
    ]
    rows += [
        Bar(f"In the view of {part.supplier}", f"{part.rows:,}", part.rows / counts.rows if counts.rows else 0.0)
        for part in report.suppliers
        if part.rows is not None
    ]
    description = "; ".join(f"{row.label}: {row.value}" for row in rows)
    return bars("flow", "Rows in, out and quarantined", description, rows)


def _trend(supplier: str, listed: Sequence[Listed]) -> Markup:
    runs = [(run.report, _rows_left(run.report, supplier)) for run in reversed(listed[:_MOST_COLUMNS])]
    tallest = max((left for _, left in runs if left), default=0)
    drawn = [Column(run.date.isoformat(), left / tallest if left and tallest else None) for run, left in runs]
    known = [left for _, left in runs if left]
    if known:
        description = f"{len(known)} of the last {len(runs)} runs sent rows: {min(known):,} to {max(known):,}, last {known[-1]:,}"
    else:
        description = f"none of the last {len(runs)} runs sent rows"
    return columns(f"trend-{supplier}", f"Rows that left for {supplier} in each run", description, drawn)


def _rows_left(report: Report, supplier: str) -> int | None:
    return next((part.tonight.people for part in report.suppliers if part.supplier == supplier and part.tonight), None)
