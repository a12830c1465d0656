"""What is new since the last page of a run that published, in sentences without a value."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.reporting.model import Report, SupplierReport


def changes_since(now: Report, before: Report) -> tuple[str, ...]:
    """Sentences on the terms first, then on counts; none where nothing differs."""
    return tuple(_changes(now, before))


def _changes(now: Report, before: Report) -> Iterator[str]:
    if now.contract_sha256 != before.contract_sha256:
        yield "The contract, which says what HR promises, is another one."
    yield from _names("HR's export has", now.export_columns, before.export_columns)
    earlier = {part.supplier: part for part in before.suppliers}
    for part in now.suppliers:
        if part.supplier in earlier:
            yield from _supplier(part, earlier[part.supplier])
        else:
            yield f"{part.supplier} is new."
    for name in sorted(earlier.keys() - {part.supplier for part in now.suppliers}):
        yield f"{name} was not in this run."
    if now.counts and before.counts:
        yield from _number("Rows in HR's export", now.counts.rows, before.counts.rows)
        yield from _number("Rows in quarantine", now.counts.quarantined, before.counts.quarantined)


def _supplier(now: SupplierReport, before: SupplierReport) -> Iterator[str]:
    if now.policy_sha256 != before.policy_sha256:
        yield f"{now.supplier}: the policy is another one."
    names = [tuple(line.name for line in part.columns) for part in (now, before)]
    yield from _names(f"{now.supplier} receives", *names)
    if now.delete_after_days != before.delete_after_days:
        yield f"{now.supplier}: must delete after {_days(now.delete_after_days)}, before after {_days(before.delete_after_days)}."
    if now.epoch is not None and before.epoch is not None and now.epoch != before.epoch:
        yield f"{now.supplier}: new keys (epoch {now.epoch}), so every token is a new one."
    if now.rows is not None and before.rows is not None:
        yield from _number(f"{now.supplier}: people who left", now.rows, before.rows)


def _names(what: str, now: tuple[str, ...], before: tuple[str, ...]) -> Iterator[str]:
    if more := [name for name in now if name not in before]:
        yield f"{what} for the first time: {', '.join(more)}."
    if fewer := [name for name in before if name not in now]:
        yield f"{what} no longer: {', '.join(fewer)}."


def _number(what: str, now: int, before: int) -> Iterator[str]:
    if now != before:
        yield f"{what}: {now:,}, before {before:,}."


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
