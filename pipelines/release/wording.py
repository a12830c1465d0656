"""What generated text must not claim."""

from __future__ import annotations

import re

from transforms.errors import PolicyError

_CLAIM = re.compile(r"an+on[yi]m", re.IGNORECASE)


def refuse_anonymity_claim(text: str, place: str) -> None:
    """Refuses text that calls a view anonymous: a pseudonymised view is personal data [L1].

    Raises:
        PolicyError: code `claims-anonymity`; the words come from the policy or the contract, for the rest is fixed and tested.
    """
    if _CLAIM.search(text):
        raise PolicyError(
            "the text calls the data anonymous, and it is pseudonymised personal data",
            place=place,
            hint="reword the purpose, reasons and labels in the policy and the contract",
            code="claims-anonymity",
        )
