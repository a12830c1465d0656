"""Reads one staged view as a stranger would: every byte of it, once, with nothing that its writer knows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.model import Contract
from transforms.errors import StoreUnavailable
from transforms.leaks.archive import ARCHIVE_NAME, ArchiveReader
from transforms.leaks.cells import FreeCells, LabelCells, PhotoNames, TokenCells, labels_of
from transforms.leaks.claims import Claims, read_claims
from transforms.leaks.continuity import ContinuityReader, continuity_name
from transforms.leaks.disclosure import Disclosure
from transforms.leaks.documents import README, SCHEMA, check_readme, check_schema
from transforms.leaks.findings import Check, Finding, Outcome, add_outcomes
from transforms.leaks.jpeg import PhotoReader
from transforms.leaks.listing import PHOTOS, FileLister, Listing, MissingFiles, open_plain
from transforms.leaks.own_files import OwnFiles
from transforms.leaks.shapes import Shape, shape_of
from transforms.leaks.strings import among
from transforms.leaks.table import Chunk, UnreadableTable
from transforms.leaks.tokens import Sketch, fingerprints, is_token, token_bodies
from transforms.leaks.view_table import FileDigest, table_chunks, table_name
from transforms.leaks.words import Words
from transforms.policy.model import Policy, TokenColumn

RELEASE = "release"
_JPG = ".jpg"
_LARGEST_DOCUMENT = 1 << 24
_LARGEST_PHOTO = 1 << 24


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What a run wrote beside the staging areas: the list of broken places, with the names of the sources that it may name, and the
    directory of the supplier's last release, None if there is none."""

    quarantine: Path
    sources: tuple[str, ...]
    previous: Path | None = None


MapKey = Callable[[bytes], bytes]


class PhotoMatch(Check):
    """A row has no photo in the release, or a photo no row [I19]."""

    rule = "photo-without-row"


class FileSize(Check):
    """A file is too large to be what its name says."""

    rule = "file-size"


@dataclass(frozen=True, slots=True)
class ReleaseScan:
    """What one staged view holds, as read; small, and can be pickled.

    `words` are the forms of all text that policy and contract do not explain, each with the place where it was first seen, `texts`
    the texts as a whole, and `digests` what in any text could be a hash; all are empty for a clean view without pattern columns.
    `shapes` say what the tokens of each token column look like, `sketches` sample them, `numbers` are the bare numbers of columns
    that have such, row by row. `measures` count whom the view tells apart (`transforms.leaks.disclosure`). `files` are path, size
    and SHA-256 of every file in the order of paths.
    """

    area: str
    supplier: str
    date: date
    shapes: Mapping[str, Shape]
    claims: Claims
    rows: int
    files: tuple[FileDigest, ...]
    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]
    words: Mapping[str, str] = field(repr=False)
    texts: Mapping[str, str] = field(repr=False)
    digests: Mapping[bytes, str] = field(repr=False)
    measures: Mapping[str, int]
    sketches: Mapping[str, Sketch] = field(repr=False)
    numbers: Mapping[str, npt.NDArray[np.uint64]] = field(repr=False)


def scan_release(
    area: Path,
    policy: Policy,
    contract: Contract,
    day: date,
    readme: Iterable[str],
    map_key: MapKey | None = None,
    run_files: RunFiles | None = None,
) -> ReleaseScan:
    """Reads the staged view of one supplier and holds it to the closed world of policy and contract.

    Memory is flat but for a fingerprint of eight bytes a token, as much for a bare number, and the digests of photos.

    Args:
        area: the directory that holds `release/` and `stage.json`.
        policy: of the supplier.
        contract: of the export.
        day: the business date.
        readme: what `README.txt` must say, whole or in pieces, made from policy, contract and date alone, without the export in
            reach.
        map_key: the key of a continuity map's content, by the bytes of its header; a map that cannot be read is refused.
        run_files: what the run wrote elsewhere; None if there is nothing else.

    Returns:
        What was found; nothing is refused before `judge` has seen the export too.

    Raises:
        Refused: code `stage-malformed` if `stage.json` is not a report of this view.
        StoreUnavailable: the files cannot be read.
    """
    return _Scanner(area, policy, contract, day, "".join(readme), map_key).scan(run_files)


def find_tokens(scan: ReleaseScan, policy: Policy, values: Iterable[str]) -> tuple[Finding, ...]:
    """Searches the token columns of a view for exact values: those of the export that look like its tokens.

    Returns:
        A finding `raw-value` for each column that holds any of them.
    """
    wanted = pa.array(sorted(set(values)), pa.string())
    root = Path(scan.area) / RELEASE
    counts: dict[str, int] = {}
    try:
        for chunk in table_chunks(root, policy, Words(), []):
            for column, cells in zip(policy.columns, chunk.columns, strict=False):
                if isinstance(column, TokenColumn) and (hits := int(among(cells, wanted).sum())):
                    counts[column.name] = counts.get(column.name, 0) + hits
    except UnreadableTable:
        return (Finding("table-structure", table_name(policy)),)
    return tuple(Finding("raw-value", f"{table_name(policy)} column {name}", count) for name, count in sorted(counts.items()))


class _Scanner:
    def __init__(self, area: Path, policy: Policy, contract: Contract, day: date, readme: str, map_key: MapKey | None) -> None:
        self._area = area
        self._policy = policy
        self._contract = contract
        self._day = day
        self._readme = readme
        self._map_key = map_key
        self._claims = read_claims(area, policy.supplier, day)
        self._shapes = {token.name: shape_of(token, policy, contract, self._claims.epoch) for token in policy.tokens}
        self._table = table_name(policy)
        self._words = Words()
        self._checks: list[Check] = [self._words.full, self._words.vetting]
        self._tokens: dict[str, TokenCells] = {}
        self._others: list[LabelCells | FreeCells | None] = []
        self._photo_names: PhotoNames | None = None
        self._photos: list[str] = []
        self._rows = 0
        self._measures: Mapping[str, int] = {}
        self._previous: Path | None = None

    def scan(self, run_files: RunFiles | None) -> ReleaseScan:
        own = OwnFiles(self._contract, run_files.sources if run_files else (), self._words)
        self._checks += own.checks
        own.read_area(self._area)
        if run_files:
            self._previous = run_files.previous
            own.read_quarantine(run_files.quarantine)
        zipped = self._policy.photo_delivery == "zip"
        is_photo = self._is_photo_name if self._policy.photo and not zipped else None
        is_archive = self._is_archive_name if self._policy.photo and zipped else None
        expected = (README, SCHEMA, self._table)
        name = continuity_name(self._policy, self._claims)
        lister = FileLister((*expected, name) if name else expected, is_photo, self._day, self._words, is_archive)
        listing = lister.read(self._area / RELEASE)
        self._checks += lister.checks
        try:
            files = tuple(
                sorted(
                    [
                        *self._read_documents(listing),
                        *self._read_photos(listing),
                        *self._read_table(listing),
                        *self._read_map(listing, name),
                    ]
                )
            )
        except OSError:
            # The message of an OSError quotes a file name.
            raise StoreUnavailable("the staged release cannot be read", place=str(self._area), hint="stage again") from None
        for column in self._others:
            if column is not None:
                column.close()
        sketches = {name: cells.close() for name, cells in self._tokens.items()}
        bare = {name: cells.numbers() for name, cells in self._tokens.items() if cells.shape.bare}
        return ReleaseScan(
            area=str(self._area),
            supplier=self._policy.supplier,
            date=self._day,
            shapes=self._shapes,
            claims=self._claims,
            rows=self._rows,
            files=files,
            findings=tuple(sorted(finding for check in self._checks for finding in check.findings())),
            outcomes=add_outcomes(check.outcome() for check in self._checks),
            words=dict(self._words.places),
            texts=dict(self._words.texts),
            digests=dict(self._words.digests),
            measures=self._measures,
            sketches=sketches,
            numbers=bare,
        )

    def _is_photo_name(self, name: str) -> bool:
        naming = self._policy.photo.name if self._policy.photo else ""
        return name.endswith(_JPG) and is_token(name.removesuffix(_JPG), self._shapes[naming])

    def _is_archive_name(self, name: str) -> bool:
        return ARCHIVE_NAME.fullmatch(name) is not None

    def _read_documents(self, listing: Listing) -> Iterator[FileDigest]:
        size = FileSize()
        self._checks.append(size)
        for name in (README, SCHEMA):
            size.examine()
            if name not in listing.files:
                continue
            with open_plain(listing.root / name) as source:
                data = source.read(_LARGEST_DOCUMENT + 1)
            if len(data) > _LARGEST_DOCUMENT:
                size.found(name)
            elif name == README:
                labels = [label for column in self._policy.columns for label in labels_of(column, self._contract)]
                self._checks.append(check_readme(data, self._readme, labels, self._words))
            else:
                self._checks.append(check_schema(data, self._policy, self._contract, self._readme, self._words))
            yield name, len(data), hashlib.sha256(data).hexdigest()

    def _read_photos(self, listing: Listing) -> Iterator[FileDigest]:
        if self._policy.photo is None:
            return
        reader = PhotoReader(self._policy.photo, self._words)
        self._checks += reader.checks
        for name in listing.photos:
            path = f"{PHOTOS}/{name}"
            with open_plain(listing.root / PHOTOS / name) as source:
                data = source.read(_LARGEST_PHOTO)
            # A photo that is cut off here is over its byte budget, and refused for that.
            reader.read(data, path)
            self._photos.append(name)
            yield path, len(data), hashlib.sha256(data).hexdigest()
        if self._policy.photo_delivery == "zip":
            yield from self._read_archives(listing, reader)

    def _read_archives(self, listing: Listing, reader: PhotoReader) -> Iterator[FileDigest]:
        archives = ArchiveReader(self._is_photo_name, self._words)
        self._checks += archives.checks
        numbers = MissingFiles()
        self._checks.append(numbers)
        for number, name in enumerate(listing.archives):
            numbers.examine()
            if name != f"photos-{number:03}.zip":
                numbers.found(f"an archive before {name}")
            sha256, size = hashlib.sha256(), (listing.root / name).lstat().st_size
            with open_plain(listing.root / name) as source:
                for entry, place, data in archives.read(source, size, name, sha256.update):
                    reader.read(data, place)
                    self._photos.append(entry)
            yield name, size, sha256.hexdigest()

    def _read_table(self, listing: Listing) -> Iterator[FileDigest]:
        if self._table not in listing.files:
            return
        self._set_up_columns()
        disclosure = Disclosure(self._policy, self._contract)
        try:
            digest: list[FileDigest] = []
            for chunk in table_chunks(listing.root, self._policy, self._words, self._checks, digest):
                self._see(chunk)
                disclosure.see(chunk)
            yield from digest
            self._measures = disclosure.close(self._previous)
        except UnreadableTable:
            pass
        self._checks += disclosure.checks
        if self._policy.photo:
            self._match_photos(self._policy.photo.name)

    def _read_map(self, listing: Listing, name: str | None) -> Iterator[FileDigest]:
        """After the table: the map's new tokens must be the table's."""
        if name is None or name not in listing.files:
            return
        reader = ContinuityReader(self._policy, self._contract, self._claims, self._words, self._map_key)
        with open_plain(listing.root / name) as source:
            size, digest = reader.read(source, {column: cells.prints() for column, cells in self._tokens.items()})
        self._checks += reader.checks
        yield name, size, digest

    def _set_up_columns(self) -> None:
        for column in self._policy.columns:
            place = f"{self._table} column {column.name}"
            if isinstance(column, TokenColumn):
                first = column is self._policy.sort_token
                required = first or any(self._contract.column(name).required for name in column.of)
                shape = self._shapes[column.name]
                cells = TokenCells(shape, place, self._claims.rows, first=first, required=required, words=self._words)
                self._tokens[column.name] = cells
                self._others.append(None)
                self._checks += cells.checks
                continue
            source = self._contract.column(column.source)
            if labels := labels_of(column, self._contract):
                other: LabelCells | FreeCells = LabelCells(labels, place, required=source.required, words=self._words)
            else:
                other = FreeCells(source, place, self._words)
            self._others.append(other)
            self._checks += other.checks
        if self._policy.photo:
            self._photo_names = PhotoNames(f"{self._table} column photo", self._words)
            self._checks += self._photo_names.checks

    def _see(self, chunk: Chunk) -> None:
        self._rows += chunk.num_rows
        for column, other, cells in zip(self._policy.columns, self._others, chunk.columns, strict=False):
            if other is None:
                self._tokens[column.name].see(cells, chunk.first_row)
            else:
                other.see(cells, chunk.first_row)
        if self._photo_names and self._policy.photo:
            names = [column.name for column in self._policy.columns]
            self._photo_names.see(chunk.columns[-1], chunk.columns[names.index(self._policy.photo.name)], chunk.first_row)

    def _match_photos(self, naming: str) -> None:
        check = PhotoMatch()
        self._checks.append(check)
        rows = self._tokens[naming].prints()
        photos = fingerprints(token_bodies([name.removesuffix(_JPG) for name in self._photos], self._shapes[naming]))
        check.examine(rows.size + photos.size)
        if missing := int(np.setdiff1d(rows, photos).size):
            check.found(f"{self._table} rows without a photo", missing)
        if extra := int(np.setdiff1d(photos, rows).size):
            check.found("photos without a row", extra)
