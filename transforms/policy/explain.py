"""A policy in plain words, for somebody who decides about it and reads no YAML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from transforms.contract.model import Classification, Column, Contract
from transforms.policy.model import GeneraliseColumn, KeepColumn, PhotoSpec, Policy, TokenColumn, ViewColumn

WIDTH = 80

_REGIMES = {"uk-gdpr": "UK GDPR", "dpa-2018-part-3": "Part 3 of the Data Protection Act 2018"}
_FORMATS = {"csv": "CSV", "parquet": "Parquet"}
_WAY_BACK = {
    "one-way": "Only the force can turn it back.",
    "reversible": "It holds these values and the person's number, encrypted: the force's key alone turns it back, years later too.",
    "digits": (
        "A bare number as long as the real one, which for some people is another person's real number. The force's key alone turns "
        "it back."
    ),
    "short": "Nine symbols behind a prefix. The force's key alone turns it back.",
}
_STAYS = (
    (Classification.RESTRICTED, "Vetting and other restricted facts, which go to nobody"),
    (Classification.IDENTIFIER, "What names a person"),
    (Classification.ALIAS, "What leads back to a name or number"),
    (Classification.PHOTO, "Photographs"),
    (Classification.QUASI, "What could single a person out together with other facts"),
    (Classification.OPERATIONAL, "Facts that this supplier's work does not need"),
)


def explain(policy: Policy, contract: Contract) -> str:
    """Says who receives what, why, for how long, what stays, and what a thief would learn.

    Args:
        policy: a policy that `transforms.policy.lint.lint` accepts against the contract.

    Returns:
        Text of at most `WIDTH` columns a line, ending in a line end. Every column of the contract is listed once, either under
        what leaves or under what does not.
    """
    title = f"What {policy.supplier} receives"
    parts = [
        [title, "=" * len(title)],
        _section("Who, and why", _terms(policy)),
        _section("Which people", _people(policy, contract)),
        _section("What leaves, for each of them", _leaving(policy, contract)),
        _section("What does not leave", _staying(policy, contract)),
        _section("What a thief of this view would learn", _thief(policy)),
        _section("What the breach drill may find", _limits(policy)),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [title, "-" * len(title), *lines]


def _paragraph(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _bullet(text: str) -> list[str]:
    return _paragraph(text, "- ", "  ")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _items(values: Iterable[str], last: str = "and") -> str:
    *first, final = values
    return f"{', '.join(first)} {last} {final}" if first else final


def _terms(policy: Policy) -> Iterator[str]:
    days = f"{policy.delete_after_days} day{'' if policy.delete_after_days == 1 else 's'}"
    facts = (
        ("Supplier", f"{policy.supplier}, as {policy.role}, in {policy.transfer_country}"),
        ("Purpose", policy.purpose),
        ("Agreement", policy.agreement),
        ("Legal basis", f"{policy.legal_basis}, under {_REGIMES[policy.legal_regime]}"),
        ("Assessment", policy.dpia or "no impact assessment is named"),
        ("For how long", f"the supplier deletes each release within {days}"),
        ("Written as", _FORMATS[policy.delivery_format] + (_DELIVERIES[policy.photo_delivery] if policy.photo else "")),
    )
    for name, fact in facts:
        yield from _paragraph(fact, f"{name:<14}", " " * 14)


def _people(policy: Policy, contract: Contract) -> Iterator[str]:
    if policy.where:
        conditions = [f"{column} is {_items(values, 'or')}" for column, values in policy.where.items()]
        yield from _paragraph(f"Only people for whom {_items(conditions)}.")
    else:
        yield from _paragraph(_sentence(f"Everybody in the export. The written justification: {policy.full_population}"))
    if contract.protected_column is not None:
        yield from _paragraph("People whom HR marks as protected are never among them, and nothing shows that they are missing.")


def _limits(policy: Policy) -> Iterator[str]:
    risk = policy.risk
    yield from _paragraph("Before this view leaves, it is attacked as a thief without the force's keys would. It stays unless")
    people = "nobody" if risk.attributed_above_guess == 0 else f"at most {risk.attributed_above_guess:,} people"
    faces = ", faces in photos aside" if policy.photo is not None else ""
    yield from _bullet(f"{people} can be told from it more surely than by guessing{faces}")
    share = f"{risk.relinkable_without_photos:.4%}".rstrip("0%").rstrip(".") or "0"
    yield from _bullet(f"at most {share} % of the people whom another supplier has too can be linked by joining the two views")
    if risk.small_groups == "refuse":
        yield from _bullet(
            f"everybody in it is like {risk.smallest_group - 1:,} others or more in all columns that could tell people apart"
        )
    if risk.singled_out_by_change is not None:
        yield from _bullet(f"at most {risk.singled_out_by_change:,} people are alone in what changed since the release before")


def _leaving(policy: Policy, contract: Contract) -> Iterator[str]:
    for column in policy.columns:
        yield from _bullet(f"{column.name}: {_form(column, contract)} {_sentence(f'Why: {column.why}')}")
    if policy.photo is not None:
        yield from _bullet(f"photo: {_photo(policy.photo)}")
    if policy.continuity is not None:
        yield from _paragraph(
            "In the first release after the force changes this supplier's keys, also a map from the old tokens to the new ones, of "
            "the people in that release alone, which only the supplier can open: with the key whose fingerprint begins "
            f"{policy.continuity.fingerprint[:16]} and which expires on {policy.continuity.expires}. "
            + _sentence(f"It is owed by {policy.continuity.contracted}")
        )


def _form(column: ViewColumn, contract: Contract) -> str:
    if isinstance(column, TokenColumn):
        lasting = (
            "the same in every release until the force changes its keys"
            if column.scope == "relationship"
            else "a new one in every release"
        )
        stays = "which do not leave" if len(column.of) > 1 else "which does not leave"
        return (
            f"a token in place of {_items(column.of)}, {stays}; {lasting}, different at every other supplier, and blank where "
            f"there is nothing to stand for. {_WAY_BACK[column.kind]}"
        )
    source = contract.column(column.source)
    if isinstance(column, GeneraliseColumn):
        labels = dict.fromkeys(source.generalisations[column.name].values())
        return f"{column.source}, but only as coarse as {_items(labels, 'or')}."
    if source.vocabulary is not None:
        return f"as HR has it, one of {_items(source.vocabulary, 'or')}."
    return "as HR has it, in a fixed pattern."


_DELIVERIES = {"folder": ", with a folder of photos", "zip": ", with ZIP archives of photos"}
_CROPS = {
    "top": "from the top and the middle of the picture",
    "face": "around the face, for whose place HR's export has a box",
    "detected": "around the face, which a program finds in the picture",
}


def _photo(photo: PhotoSpec) -> str:
    return (
        f"the picture of {photo.of}, cut to {photo.width_mm:g} x {photo.height_mm:g} mm at {photo.dpi} dpi "
        f"({photo.width_px} x {photo.height_px} pixels) {_CROPS[photo.crop]}, "
        "without anything that the camera wrote into the file, "
        f"and named by {photo.name} instead of its own name."
    )


def _used(policy: Policy) -> set[str]:
    used = {policy.photo.of} if policy.photo else set()
    for column in policy.columns:
        used |= set(column.of) if isinstance(column, TokenColumn) else {column.source}
    return used


def _staying(policy: Policy, contract: Contract) -> Iterator[str]:
    used = _used(policy)
    for classification, title in _STAYS:
        columns = [column for column in contract.columns if column.classification is classification and column.name not in used]
        # the flag of protected people last, so that vetting comes first
        columns.sort(key=lambda column: column.name == contract.protected_column)
        if columns:
            yield f"{title}:"
            for column in columns:
                yield from _bullet(_stays(column, policy))
    yield from _paragraph("A column that HR adds to the export stops the run: nothing leaves that is not named here.")


def _stays(column: Column, policy: Policy) -> str:
    text = f"{column.name}: {column.description}" if column.description else column.name
    return f"{text} (dropped: {policy.dropped[column.name]})" if column.name in policy.dropped else text


def _thief(policy: Policy) -> Iterator[str]:
    yield from _paragraph(
        "This view is pseudonymised personal data: it stays personal data wherever it is. Whoever steals it, without the force's "
        "keys, would still learn"
    )
    yield from _bullet("how many people are in each release")
    if any(token.scope == "relationship" for token in policy.tokens):
        yield from _bullet("which rows of two releases are about the same person, from their tokens")
    for token in policy.tokens[1:]:
        if token.scope == "relationship":
            yield from _bullet(f"when {_items(token.of, 'or')} of a person changed, from {token.name}")
    if bare := [token.name for token in policy.tokens if token.kind == "digits"]:
        yield from _bullet(f"numbers in {_items(bare)} that look real, a few of which are the real numbers of other people")
    facts = [column.name for column in policy.columns if isinstance(column, KeepColumn | GeneraliseColumn)]
    if facts:
        yield from _bullet(f"{_items(facts)} of each person, and whom these facts together single out")
    for column, values in policy.where.items():
        yield from _bullet(f"that {column} is {_items(values, 'or')} for every person in it")
    if policy.photo is not None:
        yield from _bullet("what each person looks like: a face that can be printed can be recognised, and searched for elsewhere")
    if policy.continuity is not None:
        yield from _bullet(
            "with the supplier's private key too, which tokens of before and after a change of keys are about the same person"
        )
    if coded := [token.name for token in policy.tokens if token.kind != "one-way"]:
        yield from _paragraph(
            f"Whoever has the force's key as well reads what {_items(coded)} stands for, at any later time and without the export."
        )
    if policy.domain is not None:
        yield from _paragraph(_sentence(f"Assumed about the supplier, and about whoever breaks into it: {policy.domain}"))
