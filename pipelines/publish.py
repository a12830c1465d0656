"""Publish: hand verified views over, each with its signed manifest written last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipelines.inputs import Terms
from pipelines.release.manifest import release_terms
from pipelines.release.proof import CleanRelease
from pipelines.release.publish import publish
from pipelines.release.store import ReleaseStore
from pipelines.settings import Settings
from transforms.errors import Refused
from transforms.keyring.open import open_signing_key, open_verification_keys


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one supplier's view: `published`, `already-published` or `nothing-to-do`, and where the release is."""

    outcome: str
    release: str | None
    directory: str | None


def publish_all(
    settings: Settings, terms: Terms, clean: Mapping[str, CleanRelease], clock: Callable[[], datetime], actor: str
) -> Mapping[str, Published]:
    """Publishes each clean release; a view without rows is nothing to do, since a supplier without work gets no file.

    Raises:
        Refused: the date is published already with other content; what is published stays as it is.
        SupplierViewsError: see `pipelines.release.publish`. Suppliers before the one that failed stay published; a rerun says so.
    """
    now = clock()
    signer = open_signing_key(settings.keys, now.date())
    store = ReleaseStore(settings.out, settings.records, open_verification_keys(settings.keys, now.date()))
    for policy in terms.policies:  # what can be known beforehand holds all of them back
        release_terms(policy, terms.contract, clean[policy.supplier].report, clean[policy.supplier].files)
    published = {}
    for policy in terms.policies:
        release = clean[policy.supplier]
        if release.report.rows == 0:
            published[policy.supplier] = _nothing(settings, policy.supplier)
            continue
        outcome = publish(release, policy, terms.contract, store, signer, actor=actor, now=clock())
        published[policy.supplier] = Published(outcome.status, outcome.release_id, str(outcome.directory))
    return published


def _nothing(settings: Settings, supplier: str) -> Published:
    shelf = settings.out / supplier
    if shelf.is_dir() and any(shelf.glob(f"{settings.date.isoformat()}-*")):
        raise Refused(
            "the date is published already, and this time the view has no rows",
            place=f"{supplier} {settings.date.isoformat()}",
            hint="the published release stays as it is; publish the change under the next date",
            code="already-published-different",
        )
    return Published("nothing-to-do", None, None)
