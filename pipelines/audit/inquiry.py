"""Who asks to look behind which tokens, why and for which case; and who that is to the operating system."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipelines.audit.record import Command, Purpose, digest
from pipelines.release.strict_json import canonical_json
from transforms.errors import UsageError

_CASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9/._-]{2,63}")
_ACTOR: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_NO_LOGIN: Final = 2**32 - 1  # audit(7): a process that no login began


@dataclass(frozen=True, slots=True)
class Account:
    """The account that runs this: taken from the process, never from the environment, which the actor can set.

    `login_uid` is the number of the account that logged in, which `sudo` does not change; None where the kernel does not say.
    """

    name: str
    uid: int
    login_uid: int | None


def own_account() -> Account:
    """The account of this process."""
    uid = os.getuid()
    name = f"uid {uid}"
    with suppress(KeyError):
        name = pwd.getpwuid(uid).pw_name
    login: int | None = None
    with suppress(OSError, ValueError):
        login = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    return Account(name, uid, None if login == _NO_LOGIN else login)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One call.

    `actor` is the name that the person gives of themselves, beside the account's. `supplier` is the one whose tokens were asked
    about (empty for a person's own request). `asked` are the tokens in canonical spelling and order, or the one person key.

    Raises:
        UsageError: actor or case have another form than theirs.
    """

    command: Command
    actor: str
    account: Account
    purpose: Purpose
    case: str
    supplier: str
    asked: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _CASE.fullmatch(self.case):
            raise UsageError("--case is no case reference", hint="3 to 64 letters, digits and / . _ -, such as PSD/2026/0142")
        if not _ACTOR.fullmatch(self.actor) or not self.actor.strip():
            raise UsageError("--actor is no name", hint="name the person who asks, as the approvers know them")

    @property
    def asked_sha256(self) -> str:
        """SHA-256 (hex) of the canonical JSON list of what is asked: what an approval is bound to."""
        return digest(canonical_json(self.asked))

    @property
    def details(self) -> Mapping[str, Any]:
        """What the auditor reads of the question."""
        return {
            "account": self.account.name,
            "actor": self.actor,
            "asked": self.asked,
            "case": self.case,
            "login_uid": self.account.login_uid,
            "supplier": self.supplier,
            "uid": self.account.uid,
        }
