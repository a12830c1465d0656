"""No value of the export is in anything that stage says, logs or leaves behind, however the value breaks it [R15]."""

from __future__ import annotations

import base64
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.runners import run_pipeline
from pipelines.watch import Watch
from transforms.errors import ExportError, InternalError, Refused, SupplierViewsError

if TYPE_CHECKING:
    from conftest import Row, Site

# Base 64 of fewer characters than this turns up in a photo by chance.
_TELLING = 10


class Listener(Watch, logging.Handler):
    """Hears what a run says, logs and writes, transient files included; keeps each text with the name of where it was found."""

    def __init__(self, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
        Watch.__init__(self, self._hear)
        logging.Handler.__init__(self, logging.DEBUG)
        self._out = out
        self._capfd = capfd
        self._temporary = Path(tempfile.gettempdir())
        self._before = set(self._temporary.iterdir())
        self.heard: list[tuple[str, bytes]] = []

    def _hear(self, what: str, done: int, total: int) -> None:
        self.heard.append(("progress", what.encode()))

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append((f"log of {record.name}", self.format(record).encode()))

    @contextmanager
    def staging(self, attempts: Path) -> Iterator[None]:
        try:
            with super().staging(attempts):
                yield
        finally:
            self._look()

    def _look(self) -> None:
        fresh = (path for top in set(self._temporary.iterdir()) - self._before for path in (top, *top.rglob("*")))
        for path in (*self._out.rglob("*"), *fresh):
            self.heard.append(("file name", path.name.encode()))
            with suppress(OSError):  # others use the temporary directory too
                self.heard.append((str(path), path.read_bytes() if path.is_file() else b""))

    def listen_to(self, error: SupplierViewsError) -> None:
        """Adds all that an error tells: its text, its fields, and what Python prints it with."""
        shown: BaseException | None = error
        while shown is not None:
            self.heard.append(("error", f"{shown} {shown!r}".encode()))
            shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)

    def find(self, marks: list[str]) -> list[str]:
        """Where a mark was heard so far, or is on disk now: in any case, in UTF-16, in hex or in base 64."""
        self._look()
        out, err = self._capfd.readouterr()
        self.heard += [("stdout", out.encode()), ("stderr", err.encode())]
        lowered = [(place, text, text.lower()) for place, text in self.heard]
        found = []
        for mark in marks:
            small = mark.lower()
            plain = (small.encode(), small.encode("utf-16-le"), mark.encode().hex().encode())
            coded = _base64(mark.encode())
            for place, text, low in lowered:
                if any(form in low for form in plain) or any(form in text for form in coded):
                    found.append(f"{mark} in {place}")
        return found


def _base64(mark: bytes) -> list[bytes]:
    """The part of the mark's base 64 that does not depend on what stands beside it, for each of the three ways to be aligned."""
    forms = (base64.b64encode(b"\0" * pad + mark)[4 if pad else 0 : -4] for pad in range(3))
    return [form for form in forms if len(form) >= _TELLING]


@pytest.fixture
def listener(site: Site, capfd: pytest.CaptureFixture[str]) -> Iterator[Listener]:
    """A listener to this test's run, with every logger told to speak."""
    listener = Listener(site.out, capfd)
    root = logging.getLogger()
    before = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    yield listener
    root.removeHandler(listener)
    root.setLevel(before)


def test_the_search_finds_a_mark_in_every_form(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mark = "Zqx7sentinel42"
    forms = [mark, mark.upper(), f'"{mark}"', mark.encode("utf-16").decode("latin-1"), mark.encode().hex()]
    forms += [base64.b64encode(b"x" * pad + mark.encode() + b"tail").decode() for pad in range(3)]
    for form in forms:
        listener = Listener(tmp_path, capfd)
        listener.heard.append(("here", b"before " + form.encode("latin-1") + b" after"))
        assert listener.find([mark]) == [f"{mark} in here"], form


def test_the_listener_hears_every_channel(
    tmp_path: Path, listener: Listener, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.out.mkdir()
    print("Zqxstdoutmark")
    logging.getLogger("apache_beam.deep.inside").debug("Zqxlogmark")
    listener.listen_to(InternalError("Zqxerrormark"))
    (site.out / "Zqxnamemark").write_text("Zqxfilemark")
    with tempfile.NamedTemporaryFile(prefix="Zqxtempmark"):
        heard = {
            line.split()[0]
            for line in listener.find([f"Zqx{what}mark" for what in ("stdout", "log", "error", "name", "file", "temp")])
        }
    assert heard == {"Zqxstdoutmark", "Zqxlogmark", "Zqxerrormark", "Zqxnamemark", "Zqxfilemark", "Zqxtempmark"}


def _mark(column: str, kind: str) -> str:
    return f"Zqx{column.replace('_', '')}{kind}"


POISONS: dict[str, Callable[[str], str]] = {
    "long": lambda mark: mark + "x" * 5000,
    "control": lambda mark: mark + "\x07",
    "nul": lambda mark: mark + "\0",
    "vocabulary": lambda mark: mark,
    "formula": lambda mark: f'=HYPERLINK("{mark}")',
    "latin1": lambda mark: mark + "\udcfa",  # written as the byte 0xFA, which is no UTF-8
    "quotes": lambda mark: f'"{mark}"',
    "lines": lambda mark: f"{mark}\r\n{mark}",
}


def _poisoned(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """A row for every column and every way to be broken, and the marks in them."""
    poisoned: list[Row] = []
    marks: list[str] = []
    for kind, poison in POISONS.items():
        for column in rows[0]:
            mark = _mark(column, kind)
            marks.append(mark)
            poisoned.append(rows[len(poisoned)] | {column: poison(mark)})
    return poisoned, marks


def test_a_value_that_breaks_any_rule_in_any_column_is_told_nowhere(site: Site, listener: Listener) -> None:
    rows = [row for row in site.rows() if row["protected"] == "no"]
    poisoned, marks = _poisoned(rows)
    columns = len(rows[0])
    lenient = site.with_rows([*poisoned, *rows[len(poisoned) :]]).with_contract(quarantineLimit=1, photoQuarantineLimit=1)
    run = lenient.stage(watch=listener)
    # A plain mark is a name that anybody may have; in each other column, and in each other way, it breaks the row.
    names = 3
    assert run.counts["quarantined"] == len(POISONS) * columns - names
    assert listener.find(marks) == []
    assert any(place.endswith(".arrow") for place, _ in listener.heard)
    assert any(place.endswith("stage.json") for place, _ in listener.heard)


def test_no_identifier_of_a_sound_row_is_told_or_written_even_for_a_moment(site: Site, listener: Listener) -> None:
    rows = [
        row | {"surname": f"Zqxsurname{_letters(number)}", "forenames": f"Zqxforenames{_letters(number)}"}
        for number, row in enumerate(site.rows())
    ]
    sound = site.with_rows(rows)
    assert sound.stage(watch=listener).counts["quarantined"] == 0
    long = ("pay_number", "email", "phone", "surname", "forenames", "photo_file")
    asked = [row for number, row in enumerate(rows) if row["card_due"] == "yes" or number % 20 == 0]
    marks = {row[name] for row in asked for name in long} - {""}
    marks |= {Path(row["photo_file"]).stem for row in asked if row["photo_file"]}
    assert len(marks) > 5 * len(asked)
    assert listener.find(sorted(marks)) == []


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + digit) for digit in divmod(number, 26))


def _unclosed_quote(row: Row, header: list[str]) -> bytes:
    return (",".join(header) + "\r\n" + '"' + ",".join(row.values())).encode()


def _no_header(row: Row, header: list[str]) -> bytes:
    return (",".join(row.values()) + "\r\n").encode() * 2


def _broken_rows(row: Row, header: list[str]) -> bytes:
    line = ",".join(row.values())
    lines = (",".join(header), line, line + ",more", line.replace(",", '"', 1), line[: len(line) // 2])
    return "".join(f"{each}\r\n" for each in lines).encode()


def _torn_parquet(row: Row, header: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: [row[name]] * 50 for name in header}), sink, compression="none", use_dictionary=False)
    data = bytearray(sink.getvalue())
    at = data.index(next(iter(row.values())).encode())
    data[at - 4 : at] = b"\xff\xff\xff\x7f"  # the length of the first value
    return bytes(data)


def _no_utf8_parquet(row: Row, header: list[str]) -> bytes:
    values = {name: pa.array([row[name].encode() + b"\xfa"]).cast(pa.string(), safe=False) for name in header}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(values), sink)
    return sink.getvalue().to_pybytes()


def _no_json(row: Row, header: list[str]) -> bytes:
    return (" ".join(row.values()) + "\n").encode()


def _torn_json(row: Row, header: list[str]) -> bytes:
    whole = "{" + ", ".join(f'"{name}": "{value}"' for name, value in row.items()) + "}"
    nested = whole.replace(f'"{next(iter(row.values()))}"', f'{{"a": ["{next(iter(row.values()))}", 1e999]}}')
    return "".join(f"{line}\n" for line in (whole, whole[:-40], nested, whole + whole)).encode()


@pytest.mark.parametrize(
    ("make", "suffix", "kind"),
    [
        (_unclosed_quote, "csv", ExportError),
        (_no_header, "csv", ExportError),
        (_broken_rows, "csv", Refused),
        (_torn_parquet, "parquet", ExportError),
        (_no_utf8_parquet, "parquet", Refused),
        (_no_json, "jsonl", ExportError),
        (_torn_json, "jsonl", Refused),
    ],
)
def test_an_export_that_a_parser_chokes_on_is_told_nowhere(
    site: Site,
    listener: Listener,
    make: Callable[[Row, list[str]], bytes],
    suffix: str,
    kind: type[SupplierViewsError],
) -> None:
    header = list(site.rows()[0])
    row = {name: _mark(name, "choke") for name in header}
    with pytest.raises(SupplierViewsError) as caught:
        site.with_export(f"export.{suffix}", make(row, header)).stage_without_photos(watch=listener)
    assert type(caught.value) is kind, repr(caught.value)
    listener.listen_to(caught.value)
    assert listener.find(list(row.values())) == []


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--direct_running_mode=multi_threading", "--direct_num_workers=2"),
    ],
    ids=["in-process", "threads"],
)
def test_a_foreign_error_of_a_step_is_told_without_its_text(listener: Listener, options: tuple[str, ...]) -> None:
    mark = _mark("step", "foreign")

    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | beam.Create([mark]) | beam.Map(int)  # ValueError: invalid literal for int() with base 10: …

    with pytest.raises(InternalError) as caught:
        run_pipeline(build, options)
    listener.listen_to(caught.value)
    assert listener.find([mark]) == []
