"""The words of a release that the closed world does not explain, in the forms in which the export is searched for them.

Release and export go through the same `normalise`, so that a value is found in whatever case or Unicode form it left in. A word
counts as found when it is the whole of an export value, or one of the names in it. Short pieces of longer text are left out: a
third of all two-letter strings is somebody's initials [R14].

Text that policy and contract do explain was written by people too, who may have put a real pay number in it: of such text the long
numbers and the addresses are searched for, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from transforms.leaks.findings import Check
from transforms.leaks.strings import Strings
from transforms.leaks.vetting import VettingTerms

SHORTEST_NAME = 4  # letters of a name inside longer text [R14]
SHORTEST_NUMBER = 5  # digits of a number inside longer text, or without its leading zeros: fewer are years and sizes
MOST_WORDS = 1 << 17

_PIECE = re.compile(r"[^\W_]+")
_PUNCTUATION = ".,;:!?()<>[]{}\"'"
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"[0-9]+")
_ADDRESS = re.compile(r"[^\s<>()\[\]{},;:\"|/=]+@[^\s<>()\[\]{},;:\"|/=]+")
_IDENTIFYING = re.compile(rf"[0-9]{{{SHORTEST_NUMBER},}}|@")


class TooManyWords(Check):
    """A release holds so much unexplained text that it cannot be searched in bounded memory [D8]."""

    rule = "text-too-free"


class Words:
    """Collects forms of unexplained text and remembers where each was first seen; searches all of it for vetting terms."""

    def __init__(self) -> None:
        self.full = TooManyWords()
        self.vetting = VettingTerms()
        self._places: dict[str, str] = {}

    def add(self, text: str, place: str) -> None:
        """Adds a cell, file name, comment or line: as a whole, and the words and numbers in it."""
        self.vetting.look(text, place)
        self.full.examine()
        self._put(forms(text), place)

    def add_numbers(self, text: str, place: str) -> None:
        """Adds of a text that policy and contract explain what could nevertheless be a person's: long numbers and addresses.

        Its words are not added: a label or a purpose may well say what is somebody's name, and mean nobody.
        """
        if found := numbers(text):
            self.full.examine()
            self._put(found, place)

    def _put(self, found: Iterable[str], place: str) -> None:
        for form in found:
            if len(self._places) >= MOST_WORDS:
                self.full.found(place)
                return
            self._places.setdefault(form, place)

    @property
    def places(self) -> Mapping[str, str]:
        """The place of each form; both in normal form, so that neither depends on how the export spells it."""
        return self._places


def forms(text: str) -> set[str]:
    """What to look for when `text` stands in a release: normal forms of the whole, its chunks, its words and its numbers."""
    whole = normal(text)
    chunks = [chunk.strip(_PUNCTUATION) for chunk in whole.split()]
    found = {whole, *(piece for piece in (*chunks, *_PIECE.findall(whole)) if _is_telling(piece))}
    found.update(piece for piece in _LETTERS.findall(whole) if len(piece) >= SHORTEST_NAME)
    found |= _long_numbers(whole)
    found.discard("")
    return found


def numbers(text: str) -> set[str]:
    """The normal forms in which numbers of `SHORTEST_NUMBER` digits or more, and addresses, stand in a text; often none."""
    whole = normal(text)
    if not _IDENTIFYING.search(whole):
        return set()
    chunks = [chunk.strip(_PUNCTUATION) for chunk in whole.split()]
    addresses = [address.strip(_PUNCTUATION) for address in _ADDRESS.findall(whole)]
    found = {form for form in (whole, *chunks, *addresses, *_PIECE.findall(whole)) if _IDENTIFYING.search(form)}
    return found | _long_numbers(whole)


def normal(text: str) -> str:
    """The normal form of one string."""
    value: str = normalise(pa.array([text], pa.string()))[0].as_py()
    return value


def normalise(values: Strings) -> Strings:
    """Compatibility forms folded (NFKC), lower case, no white space around; null for null.

    Args:
        values: n strings, valid UTF-8.
    """
    if pc.all(pc.string_is_ascii(values)).as_py() is not False:
        folded: Strings = pc.ascii_trim_whitespace(pc.ascii_lower(values))
        return folded
    composed = pc.utf8_normalize(values, "NFKC")  # type: ignore[attr-defined]
    folded = pc.utf8_trim_whitespace(pc.utf8_lower(composed))
    return folded


def pieces(texts: Iterable[str]) -> list[str]:
    """Every run of letters and digits in some texts, in lower case, in order."""
    return [piece for text in texts for piece in _PIECE.findall(text.lower())]


def _long_numbers(whole: str) -> set[str]:
    found = {number for number in _DIGITS.findall(whole) if len(number) >= SHORTEST_NUMBER}
    return found | {bare for number in found if len(bare := number.lstrip("0")) >= SHORTEST_NUMBER}


def _is_telling(piece: str) -> bool:
    letters = sum(character.isalpha() for character in piece)
    return letters >= SHORTEST_NAME or (letters > 0 and len(piece) >= SHORTEST_NAME) or len(piece) >= SHORTEST_NUMBER
