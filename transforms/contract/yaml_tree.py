"""A small, strict reading of YAML: mappings, sequences and text, each with its line.

The contract and the policies decide who receives personal data, so a file must mean what a reviewer reads in it. Refused
therefore: tags, anchors and aliases, merge keys, duplicate keys, several documents, directives, bytes that are not UTF-8, and
characters that a reviewer does not see as they are, in the file or as escapes. No scalar is interpreted: `yes`, `no`, `0123` and
`2026-11-23` stay the text that was written, and the reader's schema gives the type. A bare `null`, `~` or nothing at all is
refused, because as text it would pass for a value.

One kindness: between braces a comma ends a value, so `{action: keep, why: size, colour}` is a `why` cut short and a stray key to
YAML. Where the caller names `why` as prose, the sentence is read as the reviewer reads it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from transforms.errors import InvalidInput

MAX_FILE_BYTES = 1_000_000
_MAX_DEPTH = 20
# Controls, format characters, surrogates, private use, code points without a character, separators of lines and paragraphs.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# What of Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties 15.0) is a letter or a mark: shown as nothing.
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_HIDDEN_RULE = "the line holds an invisible character, or an escape for one"
_HIDDEN_HINT = "retype the line by hand, without escapes"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

Location = Sequence[str | int]
Plain = str | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """Text, as written."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """Nodes in order."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Nodes by key, with the line of each key."""

    line: int
    entries: dict[str, Node]
    key_lines: dict[str, int]


Node = ScalarNode | SequenceNode | MappingNode


@dataclass(frozen=True, slots=True)
class Document:
    """One file, and the kind of error that it raises."""

    path: str
    root: MappingNode
    kind: type[InvalidInput]

    def plain(self) -> dict[str, Plain]:
        """The file as dictionaries, lists and text."""
        return {key: _plain(node) for key, node in self.root.entries.items()}

    def line(self, location: Location) -> int:
        """The line of the deepest part of a location that exists."""
        node: Node = self.root
        line = node.line
        for part in location:
            if isinstance(node, MappingNode) and part in node.entries:
                key = str(part)
                line, node = node.key_lines[key], node.entries[key]
            elif isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.items):
                node = node.items[part]
                line = node.line
            else:
                break
        return line

    def lines(self) -> dict[str, int]:
        """The line of every key, by its dotted path."""
        return dict(_key_lines(self.root, ""))

    def finding(self, code: str, rule: str, hint: str, location: Location = ()) -> InvalidInput:
        """An error that names the line of a location."""
        return self.kind(rule, place=f"{self.path}:{self.line(location)}", hint=hint, code=code)


def read_yaml(path: Path, kind: type[InvalidInput], prose: frozenset[str] = frozenset()) -> Document:
    """Reads one file of at most `MAX_FILE_BYTES`.

    Args:
        path: a local file; a UTF-8 byte order mark is skipped.
        kind: what to raise.
        prose: keys whose unquoted text between braces may hold commas.

    Raises:
        InvalidInput: of the given kind, with `file:line`: the file cannot be read or breaks a rule of the module's docstring.
    """
    reader = _Reader(str(path), kind, prose)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise kind(
            f"the file cannot be read: {(error.strerror or 'unknown reason').lower()}",
            place=str(path),
            hint="check the path and its permissions",
            code="file-unreadable",
        ) from None
    if len(raw) > MAX_FILE_BYTES:
        raise kind(
            f"the file is larger than {MAX_FILE_BYTES} bytes",
            place=str(path),
            hint="this is not a contract or policy that a person can review",
            code="file-too-large",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reader.refuse("yaml-not-utf8", "the file is not UTF-8", "save it as UTF-8", raw.count(b"\n", 0, error.start) + 1)
    if (at := _first_hidden(text, "\t\r\n")) is not None:
        reader.refuse("yaml-invisible", _HIDDEN_RULE, _HIDDEN_HINT, text.count("\n", 0, at) + 1)
    return Document(str(path), reader.root(text), kind)


class _Reader:
    def __init__(self, path: str, kind: type[InvalidInput], prose: frozenset[str]) -> None:
        self._path = path
        self._kind = kind
        self._prose = prose
        self._text = ""

    def refuse(self, code: str, rule: str, hint: str, line: int) -> NoReturn:
        raise self._kind(rule, place=f"{self._path}:{line}", hint=hint, code=code) from None

    def root(self, text: str) -> MappingNode:
        self._text = text
        events = self._events(text)
        root: Node | None = None
        for event in events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            line = _line(event)
            if root is not None:
                self.refuse("yaml-documents", "the file holds more than one document", "use one file for each", line)
            if event.version or event.tags:
                self.refuse("yaml-directive", "YAML directives are not allowed", "remove the line that starts with %", line)
            root = self._node(events, next(events), 0)
        if not isinstance(root, MappingNode):
            self.refuse("yaml-no-mapping", "the file does not start with keys", "start with lines such as `key: value`", 1)
        return root

    def _events(self, text: str) -> Iterator[yaml.Event]:
        loader = yaml.SafeLoader(text)
        try:
            while loader.check_event():
                yield loader.get_event()  # type: ignore[no-untyped-call]
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or "broken syntax"
            line = mark.line + 1 if mark else 1
            self.refuse("yaml-syntax", f"not YAML: {problem}", "check indentation, quotes and brackets", line)
        except (ValueError, OverflowError):  # an escape beyond Unicode, which PyYAML leaves to chr()
            self.refuse("yaml-syntax", "not YAML: an escape that stands for no character", "remove the escape", loader.line + 1)

    def _node(self, events: Iterator[yaml.Event], event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        if depth > _MAX_DEPTH:
            self.refuse("yaml-depth", f"nested more than {_MAX_DEPTH} deep", "write it flatter", line)
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) or event.anchor is not None:
            self.refuse("yaml-anchor", "anchors and aliases are not allowed", "write the value out where it is used", line)
        if event.tag is not None:
            self.refuse("yaml-tag", "tags are not allowed", "remove the word that starts with !", line)
        if isinstance(event, yaml.ScalarEvent):
            if event.style is None and event.value in _NULLS:
                self.refuse("yaml-null", "a value is missing", "write the value, or remove its key", line)
            # Only text in double quotes has escapes; elsewhere tabs and line ends stand in the file for all to see.
            if _first_hidden(event.value, "" if event.style == '"' else "\t\n") is not None:
                self.refuse("yaml-invisible", _HIDDEN_RULE, _HIDDEN_HINT, line)
            return ScalarNode(line, event.value)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, line, depth)
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(events, event, depth + 1))
        return SequenceNode(line, tuple(items))

    def _mapping(self, events: Iterator[yaml.Event], line: int, depth: int) -> MappingNode:
        entries: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        sentence: tuple[str, int] | None = None  # the key and the start of prose that a comma may have cut
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            value = next(events) if isinstance(event, yaml.ScalarEvent) else None
            if sentence and self._continues(event, value):
                key, start = sentence
                entries[key] = ScalarNode(key_lines[key], self._text[start : _end(event)])
                continue
            name = self._node(events, event, depth + 1)
            if value is None or not isinstance(name, ScalarNode):
                self.refuse("yaml-key", "a key must be text", "write `key: value`", name.line)
            key = name.text
            if key == "<<":
                self.refuse("yaml-merge", "merge keys are not allowed", "write the keys out where they are used", name.line)
            if key in entries:
                hint = f"line {key_lines[key]} has it too; keep one"
                self.refuse("yaml-duplicate-key", f"{key} is written twice", hint, name.line)
            entries[key] = self._node(events, value, depth + 1)
            key_lines[key] = name.line
            plain = isinstance(value, yaml.ScalarEvent) and value.style is None
            sentence = (key, _start(value)) if plain and key in self._prose else None
        return MappingNode(line, entries, key_lines)

    def _continues(self, key: yaml.Event, value: yaml.Event | None) -> bool:
        """Whether a stray key without a colon follows, which YAML only has between braces."""
        if not isinstance(key, yaml.ScalarEvent) or key.style is not None or not isinstance(value, yaml.ScalarEvent):
            return False
        return value.value == "" and self._text[_end(key) :].lstrip()[:1] in {",", "}"}


def _first_hidden(text: str, allowed: str) -> int | None:
    """Where the first character is that a reviewer would not see as it is; None if there is none."""
    hidden = [
        character
        for character in set(text).difference(allowed)
        if unicodedata.category(character) in _HIDDEN_CATEGORIES or _IGNORABLE.match(character)
    ]
    return min(map(text.index, hidden), default=None)


def _start(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _end(event: yaml.Event) -> int:
    return event.end_mark.index if event.end_mark else 0


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _plain(node: Node) -> Plain:
    if isinstance(node, ScalarNode):
        return node.text
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.items]
    return {key: _plain(value) for key, value in node.entries.items()}


def _key_lines(node: Node, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, MappingNode):
        for key, value in node.entries.items():
            yield f"{prefix}{key}", node.key_lines[key]
            yield from _key_lines(value, f"{prefix}{key}.")
