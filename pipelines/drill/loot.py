"""What a thief holds: release directories, what the public knows, and the published design. Nothing here leads to a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from transforms.contract.model import Contract
from transforms.errors import StoreUnavailable
from transforms.policy.model import GeneraliseColumn, Policy, TokenColumn, TokenKind
from transforms.policy.token_size import token_size

Ints = npt.NDArray[np.int64]
Text = Any  # a pyarrow StringArray: its stubs know few of the functions that take one

PHOTOS = "photos"
PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class ColumnDesign:
    """What is published of one column: a token of some export columns, or values that stand for themselves or for several.

    `meanings` maps each label to the values of the one source column that it may stand for; None for values in clear and tokens.
    `kind` and `size` say what a token is: the bytes of plaintext of a reversible one, the digits of a number, 0 for a one-way one.
    """

    name: str
    token: bool
    of: tuple[str, ...]
    meanings: Mapping[str, frozenset[str]] | None = None
    kind: TokenKind = "one-way"
    size: int = 0

    def label_of(self, value: str) -> str:
        """The label under which a value of the source column appears here; empty if it never does."""
        if self.meanings is None:
            return value
        return next((label for label, values in self.meanings.items() if value in values), "")


@dataclass(frozen=True, slots=True)
class Design:
    """What the supplier, and so its thief, knows of a view: its columns, and whether everybody is in it. Kerckhoffs' principle."""

    supplier: str
    prefix: str
    columns: tuple[ColumnDesign, ...]
    everybody: bool

    @property
    def tokens(self) -> tuple[ColumnDesign, ...]:
        """The token columns."""
        return tuple(column for column in self.columns if column.token)

    @property
    def kept(self) -> tuple[ColumnDesign, ...]:
        """The columns that are no tokens."""
        return tuple(column for column in self.columns if not column.token)


def design_of(policy: Policy, contract: Contract) -> Design:
    """The design that a policy publishes."""
    columns = []
    for column in policy.columns:
        if isinstance(column, TokenColumn):
            columns.append(ColumnDesign(column.name, True, column.of, kind=column.kind, size=token_size(column, contract)))
            continue
        meanings: dict[str, set[str]] | None = None
        if isinstance(column, GeneraliseColumn):
            meanings = {}
            for value, label in contract.column(column.source).generalisations[column.name].items():
                meanings.setdefault(label, set()).add(value)
        frozen = None if meanings is None else {label: frozenset(values) for label, values in meanings.items()}
        columns.append(ColumnDesign(column.name, False, (column.source,), frozen))
    return Design(policy.supplier, policy.token_prefix, tuple(columns), everybody=not policy.where)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Haul:
    """One release as a thief finds it: the directory, its table as text (null for an empty cell), and the epoch that it tells."""

    design: Design
    day: date
    release: str
    directory: Path
    table: pa.Table
    epoch: int = 1

    @property
    def rows(self) -> int:
        """How many people are in it."""
        return int(self.table.num_rows)

    def column(self, name: str) -> Text:
        """A column in one piece."""
        return _whole(self.table.column(name))

    def photo_names(self) -> Text | None:
        """The file name of each row's photo; None if the release has none."""
        return self.column(PHOTO) if PHOTO in self.table.column_names else None

    def photo(self, name: str) -> Path:
        """Where a photo is."""
        return self.directory / PHOTOS / name


@dataclass(frozen=True, slots=True)
class Press:
    """A picture that a newspaper printed: whom it shows, as a row of the public list, and the file."""

    listed: int
    file: Path


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Public:
    """What anybody can know without a breach.

    `lists` holds, for each night, one row a listed person: `names` and `facts` columns, cleaned, sorted by name, some people
    missing and some facts out of date. `salaries` is a list of names with a pay band, which is a label of `salary_of` (a fact).
    `numbers` are the ranges in which person keys are issued, `width` their digits. `press` refers to the last night's list.
    """

    person_key: str
    names: tuple[str, ...]
    facts: tuple[str, ...]
    lists: Mapping[date, pa.Table]
    salaries: pa.Table | None
    salary_of: ColumnDesign | None
    numbers: tuple[range, ...]
    width: int = 0
    press: tuple[Press, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loot:
    """All that an attacker is given."""

    hauls: tuple[Haul, ...]
    public: Public

    @property
    def last(self) -> Haul:
        """The newest release, or the only one."""
        return self.hauls[-1]

    def listed(self, haul: Haul) -> pa.Table:
        """The public list of a release's night."""
        return self.public.lists[haul.day]


def read_haul(design: Design, day: date, release: str, directory: Path, epoch: int = 1) -> Haul:
    """A release as a thief reads it.

    Raises:
        StoreUnavailable: there is no `people.csv` or `people.parquet`, or it cannot be read.
    """
    try:
        return Haul(design, day, release, directory, _read_table(directory), epoch)
    except (OSError, pa.ArrowException):
        raise StoreUnavailable(
            "a release cannot be read", place=str(directory), hint="check the path", code="release-unreadable"
        ) from None


def _read_table(directory: Path) -> pa.Table:
    parquet = directory / "people.parquet"
    if parquet.exists():
        return pq.read_table(parquet)
    path = directory / "people.csv"
    with path.open("rb") as file:
        names = pa_csv.read_csv(file, convert_options=pa_csv.ConvertOptions()).column_names
    text: Any = {name: pa.string() for name in names}
    options = pa_csv.ConvertOptions(column_types=text, strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True)
    return pa_csv.read_csv(path, convert_options=options)


def clean(values: pa.Array[Any] | pa.ChunkedArray[Any]) -> Text:
    """Text as people compare names: small letters, single blanks, none around; empty for null."""
    text: Any = _whole(values).fill_null("")
    text = pc.utf8_lower(pc.call_function("utf8_normalize", [text], pc.Utf8NormalizeOptions("NFC")))
    return _whole(pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s+", " ")))


def joined(table: pa.Table, names: tuple[str, ...]) -> Text:
    """Some columns of a table, cleaned, in one text a row."""
    columns: list[Any] = [clean(table.column(name)) for name in names]
    return _whole(pc.binary_join_element_wise(*columns, "|"))


def picked(values: Any, rows: Any) -> Any:
    """Rows of a column or table, by their places: a list or an array of whole numbers."""
    return values.take(pa.array(rows))


def mask(found: Any) -> npt.NDArray[np.bool_]:
    """Arrow's booleans as numpy's; null is False."""
    return np.asarray(found.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


def once(keys: pa.Array[Any]) -> npt.NDArray[np.bool_]:
    """Which of n values occur once."""
    coded = keys.dictionary_encode()
    codes = np.asarray(coded.indices.fill_null(-1), np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=max(1, len(coded.dictionary)))
    alone: npt.NDArray[np.bool_] = (codes >= 0) & (counts[np.maximum(codes, 0)] == 1)
    return alone


def places(values: pa.Array[Any], among: pa.Array[Any]) -> Ints:
    """For each value, the first place where it stands among others; -1 where it does not, or is null."""
    found = pc.index_in(values, value_set=among, skip_nulls=True)
    return np.asarray(found.fill_null(-1), np.int64)


def _whole(values: Any) -> Any:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = values.chunk(0) if values.num_chunks else pa.array([], pa.string())
    return values
