"""What makes a contract sound, beyond the spelling of its file. Nothing here reads YAML."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.model import Classification, Column
from transforms.contract.places import ROW_REF
from transforms.contract.yaml_tree import Location

_FLAG = {"yes", "no"}


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken rule, and where it is below the column (or, for the table, below its columns)."""

    where: Location
    code: str
    rule: str
    hint: str


def column_faults(column: Column, generalisations: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[Fault]:
    """What is wrong with one column; `generalisations` has the column's maps as written, from label to values."""
    name = column.name
    if name == ROW_REF:
        yield Fault(("name",), "column-name-reserved", f"{name} is what supplier-views calls the place of a row", "rename it")
    if column.pattern is not None and column.vocabulary is not None:
        yield Fault(("enum",), "vocabulary-and-pattern", f"{name} has a vocabulary and a pattern", "keep one of the two")
    if column.pattern is not None and (problem := _re2_problem(column.pattern)):
        yield Fault(
            ("logicalTypeOptions", "pattern"),
            "pattern-not-re2",
            f"{name}: the pattern is not an RE2 expression: {problem}",
            "RE2 has neither look-around nor back-references",
        )
    yield from _vocabulary_faults(column)
    for coarser, labels in generalisations.items():
        yield from _generalisation_faults(column, coarser, labels)
    if column.photo_purposes and column.classification is not Classification.PHOTO:
        yield Fault(
            ("customProperties",),
            "photo-purposes-misplaced",
            f"{name} has photoPurposes and is not classified photo",
            "give them to the photo column",
        )
    if column.face_box and column.classification is not Classification.PHOTO:
        rule = f"{name} has a faceBox and is not classified photo"
        yield Fault(("customProperties",), "face-box-misplaced", rule, "give it to the photo column")


def table_faults(columns: Sequence[Column], person_key: str, protected: str | None) -> Iterator[Fault]:
    """What is wrong with the columns together."""
    named: dict[str, Column] = {}
    for index, column in enumerate(columns):
        if column.name in named:
            yield Fault((index, "name"), "column-twice", f"{column.name} is described twice", "keep one of them")
        named[column.name] = column
    for index, column in enumerate(columns):
        for coarser in column.generalisations:
            if coarser in named:
                rule = f"{column.name}: the generalisation {coarser} has the name of a column"
                yield Fault((index, "customProperties"), "generalisation-name-taken", rule, "rename the generalisation")
        yield from _face_box_faults(index, column, named)
    key = named.get(person_key)
    if key is None:
        yield Fault((), "person-key-unknown", f"personKey names {person_key}, which is no column", "name the pay number's column")
    elif not (key.required and key.unique and key.classification is Classification.IDENTIFIER):
        yield Fault(
            (columns.index(key),),
            "person-key-unsound",
            f"{person_key} is the personKey but not required, unique and classified identifier",
            "a token of an unsound key would stand for nobody, or for two people",
        )
    if protected is not None:
        yield from _protected_faults(columns, named.get(protected), protected)


def _protected_faults(columns: Sequence[Column], flag: Column | None, name: str) -> Iterator[Fault]:
    if flag is None:
        yield Fault((), "protected-unknown", f"protectedColumn names {name}, which is no column", "name the column of the flag")
    elif set(flag.vocabulary or ()) != _FLAG or not flag.required or flag.classification is not Classification.RESTRICTED:
        yield Fault(
            (columns.index(flag),),
            "protected-unsound",
            f"{name} is the protectedColumn but not required, classified restricted and a choice of yes and no",
            "a blank or a third value would leave open whether the person may appear in a view",
        )


def _face_box_faults(index: int, column: Column, named: Mapping[str, Column]) -> Iterator[Fault]:
    for name in column.face_box:
        part = named.get(name)
        if part is None:
            rule = f"{column.name}: the faceBox names {name}, which is no column"
            yield Fault((index, "customProperties"), "face-box-unknown", rule, "name the four columns of the box")
        elif part.classification is not Classification.RESTRICTED or column.face_box.count(name) > 1:
            rule = f"{column.name}: the faceBox names {name}, which is there twice or not classified restricted"
            hint = "name four columns, each classified restricted: a face box is for cropping and never leaves"
            yield Fault((index, "customProperties"), "face-box-unsound", rule, hint)


def _vocabulary_faults(column: Column) -> Iterator[Fault]:
    values = column.vocabulary or ()
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Fault(("enum", index), "vocabulary-twice", f"{column.name} lists {value} twice", "keep one of them")
        elif problem := _text_problem(value):
            yield Fault(("enum", index), "vocabulary-text", f"{column.name}: a value {problem}", "retype it")


def _generalisation_faults(column: Column, coarser: str, labels: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    where = ("customProperties",)
    what = f"{column.name}: the generalisation {coarser}"
    if column.vocabulary is None:
        yield Fault(where, "generalisation-without-vocabulary", f"{what} needs a closed vocabulary", "list the values as enum")
        return
    covered = [value for values in labels.values() for value in values]
    if missing := [value for value in column.vocabulary if value not in covered]:
        rule = f"{what} says nothing about {', '.join(missing)}"
        yield Fault(where, "generalisation-not-total", rule, "give every value of the vocabulary a label")
    if unknown := [value for value in covered if value not in column.vocabulary]:
        rule = f"{what} speaks of {', '.join(unknown)}, which the vocabulary does not have"
        yield Fault(where, "generalisation-unknown-value", rule, "correct the spelling, or add the value to the vocabulary")
    if twice := sorted({value for value in covered if covered.count(value) > 1}):
        yield Fault(where, "generalisation-ambiguous", f"{what} has {', '.join(twice)} twice", "give every value one label")
    if len(labels) >= len(column.vocabulary):
        yield Fault(where, "generalisation-not-coarser", f"{what} has as many labels as there are values", "merge values")
    for label in labels:
        if problem := _text_problem(label):
            yield Fault(where, "generalisation-label", f"{what}: a label {problem}", "retype it")


@cache  # a contract repeats its patterns, and RE2 takes a tenth of a second over a counted class of Unicode letters
def _re2_problem(pattern: str) -> str:
    for expression in (pattern, f"^(?:{pattern})$"):  # the second is how a whole cell is matched
        try:
            # an array without rows would not compile the expression
            pc.match_substring_regex(pa.array([""]), expression)
        except pa.ArrowInvalid as error:
            return str(error).removeprefix("Invalid regular expression: ")
    return ""


def _text_problem(text: str) -> str:
    if not text or text != " ".join(text.split()):
        return "is blank, starts or ends with white space, or has two blanks in a row"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} for character in text):
        return "holds a control or invisible character"
    return ""
