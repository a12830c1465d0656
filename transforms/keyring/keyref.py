"""What may travel in place of a key: the URI of where it is kept and the name of the keyset to open there."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.keyring.keyset import check_name
from transforms.keyring.location import location_of


@dataclass(frozen=True, slots=True)
class KeyRef:
    """The keyset `opens` (a supplier, or a reserved name) under the URI `uri`; safe to pickle.

    Errors: UsageError if the URI or the name is not one that can be opened. Nothing is looked up yet.
    """

    uri: str
    opens: str

    def __post_init__(self) -> None:
        check_name(self.opens)
        location_of(self.uri)
