"""What the public knows of a force, made from its people with noise: lists are incomplete and out of date, as real ones are."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.drill.loot import ColumnDesign, Ints, Press, Public, Text, joined, mask, picked
from transforms.contract.model import Classification, Contract

FACTS = ("rank",)  # columns that a public list of names tells beside them
UNLISTED, OUT_OF_DATE, UNSALARIED, PRESSED = 0.02, 0.02, 0.05, 0.01
_GAP = 1_000  # person keys further apart than this belong to another range
_MOST_NUMBERS = 1 << 21
_LETTERS = re.compile(r"\\p\{L\}|A-Z.*a-z")


def name_columns(contract: Contract) -> tuple[str, ...]:
    """The columns that spell a name: identifiers whose pattern takes letters, at most two, in the contract's order."""
    named = [
        column.name
        for column in contract.columns
        if column.classification is Classification.IDENTIFIER
        and column.name != contract.person_key
        and _LETTERS.search(column.pattern or "")
    ]
    return tuple(named[:2])


def fact_columns(contract: Contract) -> tuple[str, ...]:
    """The columns that public lists tell beside a name, of those that the contract has."""
    return tuple(name for name in FACTS if name in contract.names)


def columns_known(contract: Contract) -> tuple[str, ...]:
    """The export's columns from which public knowledge is made."""
    return tuple(dict.fromkeys((contract.person_key, *name_columns(contract), *fact_columns(contract))))


def make_public(
    exports: Mapping[date, pa.Table], contract: Contract, press: tuple[tuple[str, Any], ...] = ()
) -> tuple[Public, dict[date, Ints]]:
    """Public knowledge, and for each night the export's row behind each line of its list, which is for `truth` alone.

    Args:
        exports: each night's people, oldest first; the columns of `columns_known` at least.
        contract: what the columns are.
        press: person keys of people with a picture in a newspaper, and the picture's file.

    Returns:
        Lists of the same people on every night, but for joiners and leavers: who is not listed stays so.
    """
    names, facts = name_columns(contract), fact_columns(contract)
    lists: dict[date, pa.Table] = {}
    behind: dict[date, Ints] = {}
    for day, people in exports.items():
        lists[day], behind[day] = _list_of(people, contract, names, facts)
    last = max(exports)
    people = exports[last]
    numbers, width = _ranges(people.column(contract.person_key).combine_chunks())
    salaries, salary_of = _salaries(people, contract, names, facts)
    keys = picked(people.column(contract.person_key).combine_chunks(), behind[last]).to_pylist()
    place = {key: index for index, key in enumerate(keys)}
    shown = tuple(Press(place[key], file) for key, file in press if key in place)
    return Public(contract.person_key, names, facts, lists, salaries, salary_of, numbers, width, shown), behind


def _list_of(people: pa.Table, contract: Contract, names: tuple[str, ...], facts: tuple[str, ...]) -> tuple[pa.Table, Ints]:
    keys = people.column(contract.person_key).combine_chunks()
    spelt = joined(people, names)
    known = mask(pc.not_equal(spelt, pa.scalar("|" * (len(names) - 1))))
    rows = np.flatnonzero(known & (drawn(keys, "unlisted") >= UNLISTED))
    rows = rows[np.asarray(pc.sort_indices(picked(spelt, rows)), np.int64)]  # in the order of names: the export's tells nothing
    listed = picked(people, rows)
    columns: dict[str, Any] = {name: _tidy(listed.column(name)) for name in names}
    for fact in facts:
        old = drawn(keys, f"out of date: {fact}")[rows] < OUT_OF_DATE
        values = listed.column(fact).combine_chunks()
        other = picked(values, np.roll(np.arange(len(rows)), 1))  # somebody else's, so the mix stays as it is
        columns[fact] = pc.if_else(pa.array(old), other, values)
    return pa.table(columns), rows


def drawn(keys: Any, what: str) -> npt.NDArray[np.float64]:
    """A number in [0, 1) a person, the same on every night and for every export."""
    return np.array([zlib.crc32(f"{what}:{key}".encode()) for key in keys.to_pylist()], np.float64) / 2**32


def _tidy(values: Any) -> Any:
    text: Any = pc.fill_null(values, "")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s+", " "))


def _salaries(
    people: pa.Table, contract: Contract, names: tuple[str, ...], facts: tuple[str, ...]
) -> tuple[pa.Table | None, ColumnDesign | None]:
    """Who is paid in which band: bands are the first coarser form of the first fact."""
    source = next((contract.column(fact) for fact in facts if contract.column(fact).generalisations), None)
    if source is None:
        return None, None
    name, labels = next(iter(source.generalisations.items()))
    meanings: dict[str, set[str]] = {}
    for value, label in labels.items():
        meanings.setdefault(label, set()).add(value)
    kept = np.flatnonzero(drawn(people.column(contract.person_key).combine_chunks(), "unsalaried") >= UNSALARIED)
    paid = picked(people, kept)
    known = pa.array(list(labels), pa.string())
    band = pa.array(list(labels.values()), pa.string()).take(
        pc.index_in(paid.column(source.name).combine_chunks(), value_set=known)
    )
    design = ColumnDesign(name, False, (source.name,), {label: frozenset(values) for label, values in meanings.items()})
    return pa.table({**{each: _tidy(paid.column(each)) for each in names}, "band": band}), design


def _ranges(keys: Text) -> tuple[tuple[range, ...], int]:
    """Where person keys are issued, if they are numbers: the runs between wide gaps; nothing if that is too much to try."""
    if not len(keys) or not pc.all(pc.match_substring_regex(keys, "^[0-9]{1,12}$")).as_py():
        return (), 0
    width = max(map(len, keys.to_pylist()))
    numbers = np.sort(np.asarray(pc.cast(keys, pa.int64())))
    cuts = np.flatnonzero(np.diff(numbers) > _GAP)
    first, last = np.r_[0, cuts + 1], np.r_[cuts, len(numbers) - 1]
    ranges = tuple(range(int(numbers[a]), int(numbers[b]) + 1) for a, b in zip(first, last, strict=True))
    return (ranges, width) if sum(map(len, ranges)) <= _MOST_NUMBERS else ((), width)
