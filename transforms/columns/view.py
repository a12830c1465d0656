"""From accepted rows to the columns of one supplier's view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.columns.generalise import generalise
from transforms.columns.render import join, needs_no_quotes, refuse_formulas
from transforms.contract.model import Contract
from transforms.policy.model import PHOTO_COLUMN, GeneraliseColumn, KeepColumn, Policy, TokenColumn
from transforms.tokens.column import form_of, make_tokens

PHOTO_SUFFIX = ".jpg"


@dataclass(frozen=True, slots=True)
class View:
    """n rows of a view: `columns` as strings in the policy's order, and `order`, by which the first token sorts them."""

    columns: Mapping[str, pa.Array[Any]]
    order: np.ndarray


def view_names(policy: Policy) -> tuple[str, ...]:
    """The names of a view's columns, in order; a view with photos ends in the file name of each."""
    names = tuple(column.name for column in policy.columns)
    return (*names, PHOTO_COLUMN) if policy.photo else names


def columns_that_stay(policy: Policy, contract: Contract) -> tuple[str, ...]:
    """The export's columns of which a supplier sees neither values nor labels; those behind a token are among them."""
    shown = {column.source for column in policy.columns if not isinstance(column, TokenColumn)}
    return tuple(name for name in contract.names if name not in shown)


def plain_columns(policy: Policy, contract: Contract) -> tuple[bool, ...]:
    """For each column of the view, whether its values never need quotes or a formula check: tokens and closed vocabularies.

    Decided once from the contract, so that no such column is searched row by row.
    """
    plain = []
    for column in policy.columns:
        if isinstance(column, TokenColumn):
            plain.append(True)
        elif isinstance(column, GeneraliseColumn):
            plain.append(needs_no_quotes(list(contract.column(column.source).generalisations[column.name].values())))
        else:
            vocabulary = contract.column(column.source).vocabulary
            plain.append(vocabulary is not None and needs_no_quotes(vocabulary))
    return (*plain, True) if policy.photo else tuple(plain)


def project(
    rows: pa.RecordBatch, contract: Contract, policy: Policy, *, epoch: int, column_keys: Mapping[str, bytes | bytearray]
) -> View:
    """Makes the columns that a policy names, and no others.

    Args:
        rows: n accepted rows with the contract's columns as strings.
        contract: what the rows keep to.
        policy: what the supplier may receive.
        epoch: the epoch of the keys; it stands in every token.
        column_keys: the key of each token column of the policy.

    Returns:
        n rows in the order of `rows`.

    Raises:
        Refused: a kept value starts like a spreadsheet formula [R2].
        ExportError: a value cannot be made a token of (`transforms.tokens.column.make_tokens`).
    """
    person = rows.column(contract.person_key)
    columns: dict[str, pa.Array[Any]] = {}
    order = np.empty(0, dtype=np.uint64)
    for column in policy.columns:
        if isinstance(column, TokenColumn):
            form = form_of(policy, contract, column, epoch)
            tokens = make_tokens(column_keys[column.name], form, person, [rows.column(name) for name in column.of])
            columns[column.name] = tokens.text
            if column is policy.sort_token:
                order = tokens.order
        elif isinstance(column, GeneraliseColumn):
            columns[column.name] = generalise(
                rows.column(column.source), contract.column(column.source).generalisations[column.name]
            )
        else:
            columns[column.name] = _keep(rows, contract, column)
    if policy.photo:
        columns[PHOTO_COLUMN] = join(columns[policy.photo.name], PHOTO_SUFFIX, separator="")
    return View(columns, order)


def _keep(rows: pa.RecordBatch, contract: Contract, column: KeepColumn) -> pa.Array[Any]:
    values = rows.column(column.source)
    if contract.column(column.source).vocabulary is None:
        refuse_formulas(column.name, values)
    return values
