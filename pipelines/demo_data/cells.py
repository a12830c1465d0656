"""Whole columns of text, made from whole columns of numbers; null where a value is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.demo_data.chance import Ints

Text = pa.StringArray
Mask = NDArray[np.bool_]


def text(values: Iterable[str | None]) -> Text:
    """A column of these values."""
    return pa.array(list(values), pa.string())


def constant(value: str, length: int) -> Text:
    """A column that repeats one value."""
    return pa.repeat(pa.scalar(value), length)


def take(words: Text | Sequence[str], which: Ints) -> Text:
    """`words[which]`, row by row."""
    source = words if isinstance(words, pa.Array) else text(words)
    return source.take(pa.array(which))  # type: ignore[arg-type]  # the stubs take int64 for bool


def where(mask: Mask, values: Text, otherwise: Text | None = None) -> Text:
    """`values` where the mask is true, and `otherwise` (or null) where it is not."""
    result: Text = pc.if_else(pa.array(mask), values, pa.scalar(None, pa.string()) if otherwise is None else otherwise)
    return result


def join(separator: str, *parts: Text) -> Text:
    """The parts in one cell; null if one of them is."""
    result: Text = pc.binary_join_element_wise(*parts, separator)  # type: ignore[call-overload]  # the last argument separates
    return result


def upper(values: Text) -> Text:
    """In capitals."""
    return pc.utf8_upper(values)


def swap(values: Text, find: str, instead: str) -> Text:
    """Every occurrence of a piece of text replaced by another."""
    return pc.replace_substring(values, find, instead)


def put(values: Text, at: Ints, chosen: Iterable[str | None]) -> Text:
    """The column with other values at some rows (ascending)."""
    mask = np.zeros(len(values), dtype=np.bool_)
    mask[at] = True
    result: Text = pc.replace_with_mask(values, pa.array(mask), text(chosen))
    return result


def filled(values: Text, instead: str) -> Text:
    """With other text where nothing is known."""
    result: Text = pc.fill_null(values, instead)  # type: ignore[type-var,assignment]  # the stubs know no string to fill with
    return result


def matching(values: Text, pattern: str) -> Mask:
    """Where an RE2 expression is found; a null is read as empty text."""
    found = pc.match_substring_regex(filled(values, ""), pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def columns_of(rows: pa.RecordBatch) -> dict[str, Text]:
    """The columns of a batch of text, by name."""
    return dict(zip(rows.schema.names, rows.columns, strict=True))  # type: ignore[arg-type]  # every column is text


def digits(values: Ints, width: int) -> Text:
    """Decimal, with zeros in front up to the width."""
    return pc.utf8_lpad(_as_text(pa.array(values)), width, "0")


def days_before(day: date, count: Ints) -> Text:
    """The day so many days before another, as YYYY-MM-DD."""
    since_epoch = (day - date(1970, 1, 1)).days - count
    return _as_text(pa.array(since_epoch.astype(np.int32)).cast(pa.date32()))


def _as_text(values: pa.Array) -> Text:  # type: ignore[type-arg]  # pa.Array takes no argument at run time
    result: Text = pc.cast(values, pa.string())  # type: ignore[assignment]  # the stubs name the same type twice
    return result
