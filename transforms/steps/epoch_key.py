"""The key that a supplier's view is made with, opened where it is used: in a DoFn's `setup()`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from transforms.errors import KeyUnavailable
from transforms.keyring.open import open_keyset


@contextmanager
def epoch_key(keys: str, supplier: str, epoch: int, day: date) -> Iterator[memoryview]:
    """The supplier's key of that epoch, 32 bytes; wiped at the end of the block.

    Raises:
        KeyUnavailable: as `open_keyset`, or with the code `epoch-changed` if another epoch is active by now.
    """
    with open_keyset(keys, supplier, day) as keyset:
        if keyset.active.number != epoch:
            raise KeyUnavailable(
                "the active epoch changed while the run was at work", place=supplier, hint="run again", code="epoch-changed"
            )
        yield keyset.key().reveal()
