"""Whether a policy may be run against a contract: every rule has a name, every finding a line.

Refusals are errors. Notices do not stop a run: they tell the author what a reviewer will ask.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import ROW_REF
from transforms.errors import InvalidInput, PolicyError
from transforms.policy.disclosure import starts_like_formula, what_a_pattern_lets_through
from transforms.policy.load import shared_names
from transforms.policy.model import PHOTO_COLUMN, GeneraliseColumn, KeepColumn, Policy, RiskLimits, TokenColumn
from transforms.policy.token_lint import LONGEST_NAMING_BUCKET, token_findings, token_notices
from transforms.policy.token_size import bucket_of

MAX_PHOTO_PX = (700, 900)  # covers 25 x 32 mm and 27.75 x 37 mm at 600 dpi [I1]
MIN_PHOTO_PX = 32
MAX_PHOTO_ASPECT = 2  # of the longer side to the shorter
PHOTO_DPI = (72, 600)
MAX_VOCABULARY = 1_000  # values of a column that leaves; what has more is no code but stands for people [P15]
PHOTO_BYTES = (1_024, 200_000)  # [I3]

# Clearances that a prefix could spell. The leak gate finds them in what was staged; the policy's author should hear of it first.
_CLEARANCES = frozenset({"AC", "BPSS", "CTC", "DV", "IV", "MV", "NPPV", "RV", "SC"})
_IDENTIFYING = frozenset({Classification.IDENTIFIER, Classification.ALIAS, Classification.PHOTO})


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a reviewer will ask about, and that does not stop a run."""

    place: str
    code: str
    rule: str
    hint: str


def lint(policy: Policy, contract: Contract) -> tuple[Notice, ...]:
    """Checks one policy against the contract, without data.

    Returns:
        Notices, which are no reason to stop.

    Raises:
        PolicyError: the policy breaks rules; `findings` lists them all, in the order of docs/spec/policy.md.
    """
    if findings := _findings(policy, contract):
        raise PolicyError.of(findings)
    return tuple(_notices(policy))


def check_policies(contract: Contract, policies: Sequence[Policy]) -> tuple[Notice, ...]:
    """Checks policies against the contract and beside each other, without data.

    Raises:
        PolicyError: with the findings of all policies.
    """
    findings = [*shared_names(policies)]
    for policy in policies:
        findings += _findings(policy, contract)
    if findings:
        raise PolicyError.of(findings)
    return tuple(notice for policy in policies for notice in _notices(policy))


def _findings(policy: Policy, contract: Contract) -> list[InvalidInput]:
    check = _Check(policy, contract)
    return [*check.terms(), *check.names(), *check.rows(), *check.columns(), *check.tokens(), *check.continuity(), *check.photo()]


def _known(contract: Contract, name: str) -> Column | None:
    return contract.column(name) if name in contract.names else None


def _is_restricted(contract: Contract, name: str) -> bool:
    """Whether a name is that of a column which no policy may name: a restricted one, or the flag of protected people."""
    column = _known(contract, name)
    return column is not None and (column.classification is Classification.RESTRICTED or name == contract.protected_column)


def _place(policy: Policy, path: str) -> str:
    while path and path not in policy.lines:
        path = path.rpartition(".")[0]
    return f"{policy.source}:{policy.lines[path]}" if path else policy.source or policy.supplier


class _Check:
    """The rules about one policy; each method yields findings."""

    def __init__(self, policy: Policy, contract: Contract) -> None:
        self._policy = policy
        self._contract = contract

    def _finding(self, path: str, code: str, rule: str, hint: str) -> InvalidInput:
        return PolicyError(rule, place=_place(self._policy, path), hint=hint, code=code)

    def _usable(self, name: str) -> Column | None:
        """The column, if it exists and may be named: what is wrong otherwise is said once, by `names`."""
        return None if _is_restricted(self._contract, name) else _known(self._contract, name)

    def terms(self) -> Iterator[InvalidInput]:
        policy = self._policy
        for key in ("purpose", "agreement", "legal_basis"):
            if not getattr(policy, key).strip():
                yield self._finding(key, "term-missing", f"{key} is missing", f"nothing leaves without {key}")
        if policy.token_prefix in _CLEARANCES | self._restricted_terms():  # [P14]
            rule = f"the token prefix {policy.token_prefix} is a term of vetting or of another restricted column"
            yield self._finding("token_prefix", "token-prefix-restricted", rule, "choose letters that say who receives the tokens")
        prose = {"purpose": policy.purpose, "domain": policy.domain or "", "rows.full_population": policy.full_population or ""}
        prose |= {f"columns.{_key(column)}.why": column.why for column in policy.columns}
        prose |= {f"columns.{name}.why": why for name, why in policy.dropped.items()}
        for path, text in prose.items():
            if "anonym" in text.casefold():  # [L1]
                rule = f"{path} calls the view anonymous, and it is not"
                yield self._finding(
                    path, "claims-anonymity", rule, "a pseudonymised view stays personal data; say so, or say nothing"
                )

    def names(self) -> Iterator[InvalidInput]:
        """Every name that the policy uses, for whatever purpose."""
        policy, known = self._policy, self._contract.names
        sources = [(f"rows.where.{name}", name) for name in policy.where]
        sources += [(f"columns.{name}", name) for name in policy.dropped]
        made = []
        for column in policy.columns:
            path = f"columns.{_key(column)}"
            if isinstance(column, TokenColumn):
                made.append((path, column.name))
                sources += [(f"{path}.of", name) for name in column.of]
            else:
                sources.append((path, column.source))
                if isinstance(column, GeneraliseColumn):
                    made.append((f"{path}.to", column.name))
        if policy.photo is not None:
            sources.append(("photo.of", policy.photo.of))
            made.append(("photo.name", policy.photo.name))
        for path, name in sources + made:
            if _is_restricted(self._contract, name):
                rule = f"{name} is restricted, and no policy may name it"
                yield self._finding(path, "restricted-named", rule, "remove it; what a policy does not name does not leave")
            elif (path, name) in sources and name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"the contract has {', '.join(known)}"
                yield self._finding(path, "column-unknown", f"the contract has no column {name}", hint)
        yield from self._clashes()

    def _clashes(self) -> Iterator[InvalidInput]:
        seen = {PHOTO_COLUMN: "the column of photos"} if self._policy.photo else {}
        for column in self._policy.columns:
            path = f"columns.{_key(column)}"
            if column.name == ROW_REF:
                rule = f"{column.name} is what supplier-views calls the place of a row"
                yield self._finding(path, "name-reserved", rule, "choose another name")
            elif column.name in seen:
                rule = f"the view would have two columns called {column.name}"
                yield self._finding(path, "name-twice", rule, f"{seen[column.name]} has the name already")
            elif isinstance(column, TokenColumn) and self._usable(column.name) is not None:
                rule = f"{column.name} is a token with the name of a column of the export"
                yield self._finding(path, "name-of-export-column", rule, "choose a name that nobody takes for the column itself")
            seen[column.name] = path

    def rows(self) -> Iterator[InvalidInput]:
        policy = self._policy
        if not policy.where and not (policy.full_population or "").strip():
            rule = "no filter on rows, and no written justification for the full population"
            yield self._finding("rows", "full-population-unjustified", rule, "add rows.where or rows.full_population")
        for name, values in policy.where.items():
            path = f"rows.where.{name}"
            column = self._usable(name)
            if column is None:
                continue
            if column.classification in _IDENTIFYING:
                rule = f"a filter on {name} would pick people out by an {column.classification}"
                yield self._finding(path, "filter-identifying", rule, "filter on what the work needs")
            elif column.vocabulary is None:
                rule = f"a filter on {name} needs a closed vocabulary"
                yield self._finding(path, "filter-open", rule, "list the column's values in the contract")
            elif unknown := [value for value in values if value not in column.vocabulary]:
                rule = f"{name} never is {', '.join(unknown)}"
                yield self._finding(path, "filter-value", rule, f"the contract has {', '.join(column.vocabulary)}")
            elif column.required and set(values) == set(column.vocabulary):
                rule = f"the filter on {name} lets every value through"
                yield self._finding(path, "filter-total", rule, "remove it; a full population needs its justification")

    def columns(self) -> Iterator[InvalidInput]:
        for column in self._policy.columns:
            if isinstance(column, TokenColumn) or (source := self._usable(column.source)) is None:
                continue
            path = f"columns.{_key(column)}"
            action = "keep" if isinstance(column, KeepColumn) else "generalise"
            if source.classification in _IDENTIFYING:
                rule = f"{source.name} is classified {source.classification} and cannot leave under {action}"
                yield self._finding(path, f"{action}-identifying", rule, "use a token, or leave it out")
            elif isinstance(column, KeepColumn):
                yield from self._kept(path, source)
            elif column.name not in source.generalisations:
                has = ", ".join(source.generalisations) or "none"
                rule = f"{source.name} has no generalisation {column.name} in the contract"
                yield self._finding(f"{path}.to", "generalisation-unknown", rule, f"it has {has}")
            else:
                yield from self._released(path, column.name, tuple(source.generalisations[column.name].values()))

    def _kept(self, path: str, source: Column) -> Iterator[InvalidInput]:
        name = source.name
        if source.generalisations:
            # H3, H4: the coarser forms are there because the full value tells a role or a unit
            rule = f"{name} cannot be kept, since the contract has a coarser form of it"
            yield self._finding(path, "keep-too-fine", rule, f"generalise it to {' or '.join(source.generalisations)}")
        elif source.vocabulary is not None:
            yield from self._released(path, name, source.vocabulary)
        elif source.pattern is None:
            rule = f"{name} cannot be kept: it has neither a closed vocabulary nor a pattern"
            yield self._finding(path, "keep-unbounded", rule, "give it one in the contract, or leave it out")
        else:
            for code, what in what_a_pattern_lets_through(source.pattern):
                rule = f"{name} cannot be kept: its pattern lets {what} through"
                yield self._finding(path, code, rule, "tighten the pattern in the contract, or leave the column out")

    def _released(self, path: str, name: str, values: Sequence[str]) -> Iterator[InvalidInput]:
        """Values that leave as they stand, and are known before any data is read."""
        if (count := len(set(values))) > MAX_VOCABULARY:
            rule = f"{name} has {count:,} values, and a column that leaves may have {MAX_VOCABULARY:,}"
            yield self._finding(path, "keep-vocabulary-large", rule, "generalise it in the contract, or leave it out")
        if formulas := sorted({value for value in values if starts_like_formula(value)}):
            rule = f"{name} has values that a spreadsheet takes for formulas: {' '.join(formulas)}"
            yield self._finding(path, "formula-start", rule, "spell them otherwise")
        terms = self._restricted_terms()
        if telling := sorted({value for value in values if any(f" {term} " in f" {value} " for term in terms)}):
            rule = f"{name} has values that contain a restricted term: {', '.join(telling)}"
            yield self._finding(path, "restricted-term", rule, "leave the column out, or generalise it")

    def _restricted_terms(self) -> set[str]:
        columns = [column for column in self._contract.columns if column.classification is Classification.RESTRICTED]
        return {term for column in columns if column.name != self._contract.protected_column for term in column.vocabulary or ()}

    def tokens(self) -> Iterator[InvalidInput]:
        tokens, key = self._policy.tokens, self._contract.person_key
        if not tokens:
            rule = "the policy has no token, by which the view is sorted and replies are resolved"
            yield self._finding("columns", "token-none", rule, f"add {{action: token, of: [{key}]}}")
        elif tokens[0].of != (key,):
            rule = f"the first token, {tokens[0].name}, is not of [{key}]"
            hint = "rows are sorted by the first token, so every row needs one: put the token of the person key first"
            yield self._finding(f"columns.{tokens[0].name}", "token-first", rule, hint)
        for token in tokens:
            if all(self._usable(name) is not None for name in token.of):
                for code, rule, hint in token_findings(token, self._contract):
                    yield self._finding(f"columns.{token.name}", code, rule, hint)

    def continuity(self) -> Iterator[InvalidInput]:
        if self._policy.continuity and not self._policy.continuing_tokens:
            rule = "continuity is contracted, and no token of the policy outlives a release and can be mapped"
            hint = "remove continuity; tokens of scope transaction and bare numbers have none"
            yield self._finding("continuity", "continuity-no-token", rule, hint)

    def photo(self) -> Iterator[InvalidInput]:
        photo = self._policy.photo
        if photo is None:
            return
        source = self._usable(photo.of)
        if source is not None and source.classification is not Classification.PHOTO:
            rule = f"{photo.of} is classified {source.classification} and holds no photos"
            yield self._finding("photo.of", "photo-source", rule, "name the photo column")
        elif source is not None and self._policy.purpose not in source.photo_purposes:
            rule = f"the purpose of {self._policy.supplier} is not one for which the contract lets photos leave"  # [I18]
            listed = "; ".join(source.photo_purposes) or "none"
            yield self._finding(
                "photo", "photo-purpose", rule, f"remove photo; the contract's photoPurposes for {photo.of}: {listed}"
            )
        if photo.crop == "face" and source is not None and not source.face_box:
            rule = f"photos are to be cropped on a face, and the contract names no faceBox for {photo.of}"
            yield self._finding("photo.crop", "photo-crop", rule, "crop: top, or name the columns of the box in the contract")
        namer = next((token for token in self._policy.tokens if token.name == photo.name), None)
        if namer is None:
            rule = f"{photo.name} is no token column of this policy"
            yield self._finding("photo.name", "photo-name", rule, "name photos by the token of the person key")
        elif namer.of != (self._contract.person_key,):
            rule = f"{photo.name} can be blank, or change, and so cannot name a photo"
            yield self._finding("photo.name", "photo-name", rule, "name photos by the token of the person key")
        elif namer.kind == "digits":
            rule = f"{photo.name} is a bare number, which may be another person's, and so cannot name a photo"
            yield self._finding("photo.name", "photo-name", rule, "name photos by a token with the policy's prefix")
        elif namer.kind == "reversible" and (bucket_of(namer, self._contract) or 0) > LONGEST_NAMING_BUCKET:
            rule = f"{photo.name} is longer than a file's name may be"
            yield self._finding("photo.name", "photo-name", rule, "name photos by a shorter token")
        shorter, longer = sorted((photo.width_px, photo.height_px))
        if not (
            MIN_PHOTO_PX <= photo.width_px <= MAX_PHOTO_PX[0]
            and MIN_PHOTO_PX <= photo.height_px <= MAX_PHOTO_PX[1]
            and longer <= MAX_PHOTO_ASPECT * shorter
            and PHOTO_DPI[0] <= photo.dpi <= PHOTO_DPI[1]
        ):
            rule = f"a photo of {photo.width_px} x {photo.height_px} pixels at {photo.dpi} dpi is not what a card prints"
            hint = (
                f"at most {MAX_PHOTO_PX[0]} x {MAX_PHOTO_PX[1]} pixels, each side {MIN_PHOTO_PX} or more, "
                f"one at most {MAX_PHOTO_ASPECT} times the other, and {PHOTO_DPI[0]} to {PHOTO_DPI[1]} dpi"
            )
            yield self._finding("photo", "photo-size", rule, hint)
        if not PHOTO_BYTES[0] <= photo.max_bytes <= PHOTO_BYTES[1]:
            rule = f"max_bytes of {photo.max_bytes} is not what a printed photo needs"
            yield self._finding("photo.max_bytes", "photo-bytes", rule, f"{PHOTO_BYTES[0]} to {PHOTO_BYTES[1]}")


def _key(column: TokenColumn | KeepColumn | GeneraliseColumn) -> str:
    """The key of a column in the policy file."""
    return column.name if isinstance(column, TokenColumn) else column.source


def _notices(policy: Policy) -> Iterator[Notice]:
    for key, what in (("dpia", "impact assessment"), ("domain", "description of who may come to hold the view")):
        if getattr(policy, key) is None:
            rule = f"{policy.supplier} names no {what}"
            yield Notice(_place(policy, "supplier"), f"{key}-missing", rule, f"add {key}")  # [L4, P1]
    for key in ("attributed_above_guess", "relinkable_without_photos"):
        told, default = getattr(policy.risk, key), getattr(RiskLimits(), key)
        if told > default:  # [D5, D7]
            rule = f"{policy.supplier} may be released with {key} of {told:g}, and {default:g} is the default"
            hint = "have the data protection officer confirm it in the impact assessment"
            yield Notice(_place(policy, f"risk.{key}"), "risk-limit-raised", rule, hint)
    if policy.risk.smallest_group < RiskLimits().smallest_group:  # [D1]
        told, default = policy.risk.smallest_group, RiskLimits().smallest_group
        rule = f"{policy.supplier} counts groups of {told} people as large enough, and {default} is the default"
        hint = "have the data protection officer confirm it in the impact assessment"
        yield Notice(_place(policy, "risk.smallest_group"), "risk-limit-raised", rule, hint)
    if len(policy.tokens) > 1:  # [P6]
        rule = f"{policy.supplier} gets {len(policy.tokens)} tokens a row"
        hint = "more than one token adds surface; keep those that the supplier uses"
        yield Notice(_place(policy, f"columns.{policy.tokens[1].name}"), "tokens-several", rule, hint)
    for token in policy.tokens:
        for code, rule, hint in token_notices(token):
            yield Notice(_place(policy, f"columns.{token.name}"), code, rule, hint)
