"""The columns of an export against those of its contract [P13].

A file without a header shows its first row of data where the names should be, so a name that the contract does not know is told by
its position and never by its text [R15].
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from transforms.contract.model import Contract
from transforms.errors import ExportError

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def check_columns(names: Sequence[str], contract: Contract, place: str) -> None:
    """Passes if `names` are exactly the contract's columns, in any order.

    Raises:
        ExportError: `unknown-column`, `missing-column` or `repeated-column`; no name is quoted but the contract's own.
    """
    known = set(contract.names)
    missing = [name for name in contract.names if name not in names]
    unknown = [position for position, name in enumerate(names, 1) if name not in known]
    repeated = [name for name, count in Counter(names).items() if count > 1 and name in known]
    lacking = f"; missing: {', '.join(missing)}" if missing else ""
    if unknown:
        raise ExportError(
            f"{len(unknown)} of {len(names)} columns are not in the contract, at {_positions(unknown)}{lacking}",
            place=place,
            hint=_hint(names, contract),
            code="unknown-column",
        )
    if missing:
        raise ExportError(
            f"columns are missing: {', '.join(missing)}",
            place=place,
            hint="ask HR for the whole export, or change the contract and every policy that uses these columns",
            code="missing-column",
        )
    if repeated:
        raise ExportError(
            f"columns appear more than once: {', '.join(repeated)}",
            place=place,
            hint="each column must appear once; nobody can say which of two is right",
            code="repeated-column",
        )


def _positions(unknown: Sequence[int], shown: int = 10) -> str:
    listed = ", ".join(str(position) for position in unknown[:shown])
    return f"position {listed}" + (" and more" if len(unknown) > shown else "")


def _hint(names: Sequence[str], contract: Contract) -> str:
    known = set(contract.names)
    if known.isdisjoint(names):
        if len(names) == 1:
            for delimiter, word in _OTHER_DELIMITERS.items():
                if not known.isdisjoint(re.split(re.escape(delimiter), names[0])):
                    return f"the file is separated by {word}; only commas are read"
        return "the first line must be the header, with the contract's column names letter by letter"
    return "classify the new or renamed column in the contract, or have it taken out of the export"
