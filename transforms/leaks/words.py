"""The words of a release that the closed world does not explain, in the forms in which the export is searched for them.

Release and export go through the same `normalise`, so that a value is found in whatever case or Unicode form it left in. A word
counts as found when it is the whole of an export value, or one of the names in it. Short pieces of longer text are left out: a
third of all two-letter strings is somebody's initials [R14]; beside another name they are looked up with it. What a text says when
it is decoded is text too (`readings`), and what could be a digest is kept for its own search (`digests`).

Text that policy and contract do explain was written by people too, who may have put a real pay number in it: of such text the long
numbers and the addresses are searched for, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from transforms.leaks.digests import digests_in
from transforms.leaks.findings import Check
from transforms.leaks.readings import DECODINGS, READINGS, readings, runs_of_wide_text
from transforms.leaks.strings import Strings, replace
from transforms.leaks.vetting import VettingTerms

SHORTEST_NAME = 4  # letters of a name inside longer text [R14]
SHORTEST_NUMBER = 5  # digits of a number inside longer text, or without its leading zeros: fewer are years and sizes
MOST_WORDS = 1 << 18
MOST_TEXT = 1 << 25  # characters of all unexplained text

_PIECE = re.compile(r"[^\W_]+")
_PUNCTUATION = ".,;:!?()<>[]{}\"'"
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"[0-9]+")
_ADDRESS = re.compile(r"[^\s<>()\[\]{},;:\"|/=]+@[^\s<>()\[\]{},;:\"|/=]+")
# Lower case is not yet folded case: these go to others in capitals (Unicode, CaseFolding.txt; the Turkish dotless i as well).
_FOLDED = (("ß", "ss"), ("ς", "σ"), ("ı", "i"), ("i\u0307", "i"))
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
        self._texts: dict[str, str] = {}
        self._digests: dict[bytes, str] = {}
        self._size = 0

    def add(self, text: str, place: str) -> None:
        """Adds a cell, file name, comment or line: as a whole, the words and numbers in it, and what else may be read in it."""
        self.vetting.look(text, place)
        self.full.examine()
        for reading in (text, *readings(text, READINGS)):
            whole = normal(reading)
            self._put(_forms(whole), place)
            if whole not in self._texts and not self._is_full(len(whole), place):
                self._texts[whole] = place
            self._put_digests(reading, place)

    def add_bytes(self, data: bytes, place: str) -> None:
        """Adds bytes that should not be there: as UTF-8, however little of it is that, and texts of two bytes a character."""
        self.add(data.decode("utf-8", "replace"), place)
        for text in runs_of_wide_text(data):
            self.add(text, place)

    def add_numbers(self, text: str, place: str) -> None:
        """Adds of a text that policy and contract explain what could nevertheless be a person's: long numbers, addresses, digests.

        Its words are not added: a label or a purpose may well say what is somebody's name, and mean nobody.
        """
        for reading in (text, *readings(text, DECODINGS)):
            if found := numbers(reading):
                self.full.examine()
                self._put(found, place)
        self._put_digests(text, place)

    def _put(self, found: Iterable[str], place: str) -> None:
        for form in found:
            if len(self._places) >= MOST_WORDS:
                self.full.found(place)
                return
            self._places.setdefault(form, place)

    def _put_digests(self, text: str, place: str) -> None:
        for digest in digests_in(text):
            if len(self._digests) >= MOST_WORDS:
                self.full.found(place)
                return
            self._digests.setdefault(digest, place)

    def _is_full(self, more: int, place: str) -> bool:
        self._size += more
        if self._size > MOST_TEXT:
            self.full.found(place)
        return self._size > MOST_TEXT

    @property
    def places(self) -> Mapping[str, str]:
        """The place of each form; both in normal form, so that neither depends on how the export spells it."""
        return self._places

    @property
    def texts(self) -> Mapping[str, str]:
        """The place of each unexplained text as a whole, in normal form, for what may stand inside a longer word."""
        return self._texts

    @property
    def digests(self) -> Mapping[bytes, str]:
        """The place of everything that could be a digest."""
        return self._digests


def forms(text: str) -> set[str]:
    """What to look for when `text` stands in a release: normal forms of the whole, its chunks, words, their pairs, and numbers."""
    return _forms(normal(text))


def _forms(whole: str) -> set[str]:
    chunks = [chunk.strip(_PUNCTUATION) for chunk in whole.split()]
    words = _PIECE.findall(whole)
    found = {whole, *(piece for piece in (*chunks, *words) if _is_telling(piece))}
    found.update(piece for piece in _LETTERS.findall(whole) if len(piece) >= SHORTEST_NAME)
    found |= _pairs(words)
    found |= _long_numbers(whole)
    found.discard("")
    return found


def _pairs(words: list[str]) -> set[str]:
    """Every two words of letters beside each other; initials count as one word, and each of them as one."""
    names = [word for word in words if word.isalpha()]
    found = {f"{left} {right}" for left, right in pairwise(names)}
    return found | {f"{left} {right}" for left, right in pairwise(_initials_joined(names))}


def _initials_joined(names: list[str]) -> list[str]:
    return [joined for single, run in groupby(names, lambda name: len(name) == 1) for joined in (["".join(run)] if single else run)]


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
    """Compatibility forms folded (NFKC), case folded, no white space around; null for null.

    Args:
        values: n strings, valid UTF-8.
    """
    if pc.all(pc.string_is_ascii(values)).as_py() is not False:
        folded: Strings = pc.ascii_trim_whitespace(pc.ascii_lower(values))
        return folded
    composed = pc.utf8_normalize(values, "NFKC")  # type: ignore[attr-defined]
    folded = pc.utf8_trim_whitespace(pc.utf8_lower(composed))
    for letter, by in _FOLDED:
        folded = replace(folded, letter, by)
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
