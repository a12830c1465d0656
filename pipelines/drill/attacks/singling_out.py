"""Attack 6: a person who is alone with what a view keeps of them, and alone with it on a public list too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.drill.claims import Claims, PersonClaims
from pipelines.drill.loot import ColumnDesign, Haul, Loot, Public, Text, clean, joined, mask, once, picked, places


def attack(loot: Loot) -> list[Claims]:
    """One set of claims for all kept columns that public lists tell, and one for each alone."""
    haul, public = loot.last, loot.public
    known = told_columns(haul, public)
    sets = [known, *([column] for column in known)] if len(known) > 1 else [known] if known else []
    found: list[Claims] = []
    for columns in sets:
        shown, listed = keys_of(haul, columns), list_keys(loot, haul, columns)
        at = places(shown, listed)
        alone = once(shown) & (at >= 0) & once(listed)[np.maximum(at, 0)]
        rows = np.flatnonzero(alone)
        names = ", ".join(column.name for column in columns)
        found.append(PersonClaims(f"alone with {names}", haul, rows, at[rows]))
    return found


def told_columns(haul: Haul, public: Public) -> list[ColumnDesign]:
    """The kept columns whose source public lists tell beside a name."""
    return [column for column in haul.design.kept if column.of[0] in public.facts]


def keys_of(haul: Haul, columns: list[ColumnDesign]) -> Text:
    """What some columns show of each row, in one text."""
    return _text([haul.column(column.name).fill_null("") for column in columns], haul.rows)


def list_keys(loot: Loot, haul: Haul, columns: list[ColumnDesign]) -> Text:
    """What the same columns would show of each person on the public list; salaries mend a fact that contradicts them."""
    listed = loot.listed(haul)
    return _text([_labels(column, _mended(loot.public, listed, column.of[0])) for column in columns], listed.num_rows)


def _mended(public: Public, listed: pa.Table, fact: str) -> Text:
    """A fact of each listed person; empty where the list of salaries says that it is out of date."""
    values: Text = listed.column(fact).combine_chunks()
    design = public.salary_of
    if public.salaries is None or design is None or design.of != (fact,):
        return values
    spelt, paid = joined(listed, public.names), joined(public.salaries, public.names)
    at = places(spelt, paid)
    sure = (at >= 0) & once(spelt) & once(paid)[np.maximum(at, 0)]
    band: Text = picked(public.salaries.column("band").combine_chunks(), np.maximum(at, 0))
    differs = mask(pc.not_equal(_labels(design, values), band))
    mended: Text = pc.if_else(pa.array(sure & differs), pa.scalar(""), values)
    return mended


def _labels(column: ColumnDesign, values: Text) -> Text:
    coded = values.dictionary_encode()
    labels = pa.array([column.label_of(value) if value else "" for value in coded.dictionary.to_pylist()], pa.string())
    shown: Text = labels.take(coded.indices)
    return shown.fill_null("")


def _text(columns: list[Text], rows: int) -> Text:
    if not columns:
        return pa.array([""] * rows, pa.string())
    text: Text = pc.binary_join_element_wise(*columns, "|")
    return clean(text)
