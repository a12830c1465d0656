"""What the page says for the names that the software has for things; a name without an entry is shown as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

CLASSES: Final[Mapping[str, str]] = {
    "restricted": "Vetting and other restricted facts, which go to nobody",
    "identifier": "What names a person",
    "alias": "What leads back to a name or number",
    "photo": "Photographs",
    "quasi": "What could single a person out together with other facts",
    "operational": "Facts that this supplier's work does not need",
}

ATTACKS: Final[Mapping[str, str]] = {
    "dictionary": "Guess every number and name",
    "frequency": "Match common values with names",
    "side-channels": "Read order, sizes and times",
    "singling-out": "Find people alone with their facts",
    "two-nights": "Compare two nights",
    "collusion": "Two suppliers compare their rows",
    "collusion-of-all": "All suppliers compare their rows",
    "collusion-photos": "Two suppliers compare photo files",
    "photo-marks": "Guess a photo's hidden mark",
    "photo-metadata": "Read data beside a photo’s picture",
    "photo-likeness": "Match photos with press pictures",
    "stolen-key": "Use one supplier's stolen key",
}

DESIGNS: Final[Mapping[str, str]] = {
    "raw-export": "the export sent as it is",
    "constant-mark": "one mark for all photos",
    "sha256-of-the-number": "pay numbers scrambled without a key",
    "one-keyed-hash-for-all": "one key for all suppliers",
    "surname-token": "equal names made equal codes",
}

VERDICTS: Final[Mapping[str, str]] = {
    "within": "within its limit",
    "over": "over its limit",
    "told": "no limit is set",
    "won": "succeeded, as it must",
    "held": "failed, so it proves nothing",
}

# For each family of checks: the rules, and what each holds a view to.
CHECKS: Final[Mapping[str, Mapping[str, str]]] = {
    "Nothing from HR's export is in it": {
        "raw-value": "no name, number, address or restricted fact of anybody in the export, in any column, file or file name",
        "vetting-term": "no word for a vetting level",
        "column-predicts-person": "no readable column tells nearly everybody apart",
        "column-too-free": "no readable column is free text",
        "text-too-free": "no more unexplained text than can be searched",
        "protected-person": "nobody whom HR protects",
        "row-not-due": "nobody for whom the supplier has no work",
    },
    "Nobody stands out more than the policy allows": {
        "small-group": "no smaller crowds than its limit, if it sets one",
        "small-marginal": "no smaller crowds in any two or three columns than its limit, if it sets one",
        "singled-out-by-change": "no more people who alone changed since the last release than its limit, if it sets one",
    },
    "Every cell is what the policy says": {
        "cell-outside-vocabulary": "readable cells are words of the agreed lists",
        "cell-outside-pattern": "readable cells have the agreed form",
        "cell-missing": "no cell is empty that must not be",
        "photo-cell": "each row names its own photo",
        "formula-cell": "no cell starts a spreadsheet formula",
        "table-columns": "the columns are the policy's",
        "table-structure": "the table is nothing but its rows",
        "counts": "rows in, out and left out add up",
    },
    "Tokens are tokens": {
        "token-shape": "each has the length and characters of one",
        "token-prefix": "each is this supplier's, of tonight's keys",
        "token-check-symbol": "the last character of each agrees with the others",
        "token-repeated": "no two people have the same",
        "token-symbols": "their characters are spread as chance would",
        "token-shared": "no other supplier has the same",
        "number-issued": "tokens in digits equal real numbers no more often than chance would",
        "number-own": "and hardly ever the person's own",
        "row-order": "rows stand in the order of tokens",
        "order-correlation": "that order says nothing of the export's",
        "order-file": "rows can be traced to the export for these checks",
    },
    "Files carry nothing else": {
        "unexpected-file": "no file that the policy does not name",
        "missing-file": "every file that it does",
        "irregular-file": "no links or other special files",
        "file-mode": "nobody else may touch a staged file",
        "file-time": "times say the business date and nothing more",
        "file-size": "no file is too large for what it is",
        "extended-attribute": "no hidden attributes",
        "readme-text": "README.txt is word for word what was agreed",
        "schema-content": "so is the description of the table",
        "parquet-dictionary": "no left-over values in the table's file",
        "parquet-statistics": "no least and greatest values in it",
        "parquet-metadata": "no other text in it",
        "parquet-bloom-filter": "no index in it that answers guesses",
        "zip-structure": "an archive of photos is nothing but its entries",
        "zip-entry": "entries are stored as they are, and whole",
        "zip-time": "entries carry no time",
        "zip-extra": "no comments or attributes in it",
        "zip-gap": "no bytes between entries",
        "zip-name": "entries are named as photos",
        "zip-order": "entries stand in the order of their names",
        "zip-size": "no archive is too large",
        "continuity-header": "a map of old tokens says openly only what was agreed",
        "continuity-size": "it is as long as its rows make it",
        "continuity-seal": "it opens only with the supplier's key",
        "continuity-content": "it holds nothing but pairs of tokens",
        "continuity-tokens": "it is about the people of this release",
    },
    "What the run wrote for itself holds nothing either": {
        "temporary-file": "nothing is left over in the staging area",
        "quarantine-line": "the list of broken rows holds places and rules",
    },
    "Photos are pictures and nothing else": {
        "photo-without-row": "a photo for each row, a row for each photo",
        "jpeg-segment": "no camera data, comments or profiles",
        "jpeg-jfif": "no small copy inside",
        "jpeg-tables": "no spare room in its tables",
        "jpeg-size": "the agreed size in pixels",
        "jpeg-bytes": "within the agreed size in bytes",
        "jpeg-trailing-bytes": "nothing behind the picture",
        "jpeg-structure": "one whole picture",
        "jpeg-polyglot": "no second kind of file in it",
    },
}
OTHER_CHECKS: Final = "Other checks"
DRILL_CHECKS: Final = "Attacks withstood"
DRILL_PREFIX: Final = "drill-"

BROKEN: Final[Mapping[str, str]] = {
    "required": "a value is missing that the contract requires",
    "control-character": "a cell holds an invisible control character",
    "too-long": "a cell is longer than the contract allows",
    "vocabulary": "a value is not in the contract's list",
    "pattern": "a value has not the form that the contract asks for",
    "ragged-row": "a row has too many or too few cells",
    "stray-quote": "a quotation mark stands where none may",
    "encoding": "a row is not in the declared encoding",
    "lone-carriage-return": "a row holds half a line end",
    "unique": "a value occurs twice that may occur once",
    "photo-missing": "a photo is not there",
    "photo-truncated": "a photo is cut off",
    "photo-unsupported-format": "a photo file is no photo",
    "photo-small": "a photo is smaller than the print",
    "photo-without-face": "no single face was found in a photo",
}

KINDS: Final[Mapping[str, str]] = {
    "reversible": "which whoever has the key can decrypt",
    "digits": "in digits alone, which whoever has the key can decrypt",
    "short": "a short one, which whoever has the key can decrypt",
}

# What the gate counts of a view beside its verdict; docs/adr/0024 says how.
MEASURES: Final[Mapping[str, str]] = {
    "rows_joined": "people who are in it and were not in the release before",
    "rows_left": "people who were in that and are not in this",
    "rows_changed": "people of whom something readable changed",
    "singled_out_by_change": "of these, alone with what changed of them: whoever hears of the change finds their row",
}

PURPOSES: Final[Mapping[str, str]] = {
    "token": "makes this supplier's tokens",
    "fingerprint": "the force's own: finds people who are listed twice",
    "manifest-signing": "the force's own: signs every release",
}


def label(names: Mapping[str, str], name: str) -> str:
    """The words for a name, or the name with blanks for hyphens."""
    return names.get(name, name.replace("-", " "))


def broken(rule: str) -> str:
    """A broken rule and its column, such as `pattern pay_number`, in words; `row` stands for the row as a whole."""
    name, _, column = rule.partition(" ")
    return label(BROKEN, name) + (f" ({column})" if column not in ("", "row") else "")


def target(name: str) -> str:
    """A drill's target in words: suppliers, or a careless design."""
    return DESIGNS.get(name, name.replace("+", " and "))


def grouped(rules: Iterable[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Some rules by family, each with its words, in the order of this module; one without words comes last in its family."""
    found: dict[str, list[tuple[str, str]]] = {family: [] for family in (*CHECKS, OTHER_CHECKS, DRILL_CHECKS)}
    wanted = dict.fromkeys(rules)
    for family, known in CHECKS.items():
        found[family] = [(rule, words) for rule, words in known.items() if rule in wanted]
    known_rules = {rule for known in CHECKS.values() for rule in known}
    for rule in wanted:
        if rule.startswith(DRILL_PREFIX):
            found[DRILL_CHECKS].append((rule, label(ATTACKS, rule.removeprefix(DRILL_PREFIX))))
        elif rule not in known_rules:
            found[OTHER_CHECKS].append((rule, label({}, rule)))
    return [(family, each) for family, each in found.items() if each]
