"""How many people share what a view keeps of them [D1, D3]: whoever is alone in that can be found in a list of colleagues.

Counted on the view as it was read, after all else has been merged and left out. Columns that the contract classes as quasi are held
together; of all kept columns, every two and every three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from transforms.contract.model import Classification, Contract
from transforms.leaks.findings import Check
from transforms.leaks.strings import Strings
from transforms.leaks.table import Chunk
from transforms.policy.model import Policy, TokenColumn

Codes = npt.NDArray[np.int64]

SMALLEST_GROUP = "smallest_group"
IN_SMALL_GROUPS = "rows_in_small_groups"
IN_SMALL_MARGINALS = "rows_in_small_marginals"
_MOST_NUMBERS = 1 << 20  # as many counters are cheaper than a sort
_MOST_COLUMNS = 12  # 220 threes; a view that keeps more is rare, and its first twelve tell enough


class SmallGroups(Check):
    """Fewer people than the policy allows are alike in all quasi-identifying columns of a view [D1]."""

    rule = "small-group"


class SmallMarginals(Check):
    """Fewer people than the policy allows are alike in two or three kept columns, whatever their class [D3]."""

    rule = "small-marginal"


class KeptCells:
    """The kept and generalised columns of a view, as numbers: what a stranger could compare people by."""

    def __init__(self, policy: Policy, contract: Contract) -> None:
        kept = [(place, column) for place, column in enumerate(policy.columns) if not isinstance(column, TokenColumn)]
        self.names = tuple(column.name for _, column in kept)
        self.quasi = tuple(
            number
            for number, (_, column) in enumerate(kept)
            if contract.column(column.source).classification is Classification.QUASI
        )
        self._places = tuple(place for place, _ in kept)
        self._known: tuple[dict[str | None, int], ...] = tuple({} for _ in kept)

    def codes(self, chunk: Chunk) -> tuple[Codes, ...]:
        """A number a row for each kept column; equal cells have equal numbers, in whatever table they stand."""
        return tuple(_codes(chunk.columns[place], known) for place, known in zip(self._places, self._known, strict=True))


def check_groups(
    kept: KeptCells, columns: Sequence[Codes], policy: Policy, table: str
) -> tuple[tuple[Check, ...], Mapping[str, int]]:
    """Counts groups of people who are alike.

    Args:
        kept: whose columns these are.
        columns: the view's rows, as `KeptCells` encodes them.
        policy: says how small a group may be, and whether a smaller one is refused.
        table: names the place of a finding.

    Returns:
        The two checks, and what was counted: the size of the smallest group, and rows in groups that are too small. Empty for a
        view without rows or without kept columns.
    """
    groups, marginals = SmallGroups(), SmallMarginals()
    counted: dict[str, int] = {}
    least = policy.risk.smallest_group
    refused = policy.risk.small_groups == "refuse"
    if kept.quasi and columns[0].size:
        sizes = group_sizes([columns[number] for number in kept.quasi])
        groups.examine(sizes.size)
        small = int((sizes < least).sum())
        counted |= {SMALLEST_GROUP: int(sizes.min()), IN_SMALL_GROUPS: small}
        if small and refused:
            groups.found(f"{table} columns {', '.join(kept.names[number] for number in kept.quasi)}", small)
    if len(kept.names) > 1 and columns[0].size:
        alone = np.zeros(columns[0].size, np.bool_)
        numbers = range(min(len(kept.names), _MOST_COLUMNS))
        for some in (*combinations(numbers, 2), *combinations(numbers, 3)):
            few = group_sizes([columns[number] for number in some]) < least
            marginals.examine(few.size)
            alone |= few
            if few.any() and refused:
                marginals.found(f"{table} columns {', '.join(kept.names[number] for number in some)}", int(few.sum()))
        counted[IN_SMALL_MARGINALS] = int(alone.sum())
    return (groups, marginals), counted


def group_sizes(columns: Sequence[Codes]) -> Codes:
    """For each row, how many rows are equal to it in all of some columns (itself among them)."""
    which = combine(columns)
    sizes: Codes = np.bincount(which).take(which)
    return sizes


def combine(columns: Sequence[Codes]) -> Codes:
    """One number a row that is equal where all columns are, from 0, and never much larger than rows or `_MOST_NUMBERS`."""
    which, most = np.zeros(columns[0].size, np.int64), 1
    for column in columns:
        values = int(column.max(initial=0)) + 1
        which, most = which * values + column, most * values
        if most > _MOST_NUMBERS:
            found, which = np.unique(which, return_inverse=True)
            which, most = which.astype(np.int64), found.size
    return which


def _codes(cells: Strings, known: dict[str | None, int]) -> Codes:
    encoded = cells.dictionary_encode()
    values: list[str | None] = [*map(str, encoded.dictionary.to_pylist()), None]
    numbers = np.array([known.setdefault(value, len(known)) for value in values], np.int64)
    codes: Codes = numbers[encoded.indices.fill_null(len(values) - 1).to_numpy()]
    return codes
