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
    return pc.replace_with_mask(values, pa.array(mask), text(chosen))


def digits(values: Ints, width: int) -> Text:
    """Decimal, with zeros in front up to the width."""
    return pc.utf8_lpad(pc.cast(pa.array(values), pa.string()), width, "0")


def days_before(day: date, count: Ints) -> Text:
    """The day so many days before another, as YYYY-MM-DD."""
    since_epoch = (day - date(1970, 1, 1)).days - count
    return pc.cast(pa.array(since_epoch.astype(np.int32)).cast(pa.date32()), pa.string())
